"""From the detections of a few images to masks of each object in all: who is new, who is known, who is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import label
from scipy.optimize import linear_sum_assignment

from st_vlm.pseudo_labels.segments import encode_mask
from st_vlm.pseudo_labels.semantics.coco_classes import group_of
from st_vlm.pseudo_labels.semantics.detections import Detections, overlaps
from st_vlm.pseudo_labels.semantics.mask_tracker import MaskTracking

# A detection whose box overlaps the box of a mask by this (intersection over union) is of the mask's object.
SAME_BOX = 0.5
# One that overlaps by this is, whatever its class.
SAME_BOX_OF_ANY = 0.8
# One whose box a mask fills by this is a part of the mask's object.
PART_OF_MASK = 0.5
# Parts of a mask smaller than this share of its biggest are specks, which would stretch its box.
_SPECK = 0.1
# In pixels of the masks: less is seen of nothing.
_LEAST_PIXELS = 12


@dataclass(eq=False)
class FollowedObject:
    """What became of one box.

    Attributes:
        start: The image that it was begun in.
        masks: Images to COCO's compressed run lengths, where it is seen.
        presence: The same images to how surely it is there, 0-1.
        asked: Images with detections in which it is seen, from its start on.
        answers: Those of them in which a detection was of it, to its class and score.
    """

    start: int
    masks: dict[int, bytes] = field(default_factory=dict)
    presence: dict[int, float] = field(default_factory=dict)
    asked: set[int] = field(default_factory=set)
    answers: dict[int, tuple[str, float]] = field(default_factory=dict)

    @property
    def votes(self) -> dict[str, float]:
        """Classes to the sum of the scores that speak for them."""
        result: dict[str, float] = {}
        for category, score in self.answers.values():
            result[category] = result.get(category, 0.0) + score
        return result

    @property
    def category(self) -> str:
        """The class that most speaks for."""
        votes = self.votes
        return max(votes, key=votes.__getitem__)

    @property
    def confidence(self) -> float:
        """Mean score of the detections that were of it."""
        return float(np.mean([score for _, score in self.answers.values()]))

    @property
    def certainty(self) -> float:
        """The same, where detections that were due but did not come count as 0."""
        return self.confidence * len(self.answers) / len(self.asked)


def follow_masks(
    tracking: MaskTracking,
    found: Mapping[int, Detections],
    wanted: Collection[int],
    images: int,
    size: tuple[int, int],
    most: int,
    patience: int,
) -> list[FollowedObject]:
    """Follow all that is found, forwards from where it was found first, then backwards to where it came from.

    Args:
        tracking: The images, opened by a tracker.
        found: Images to what was detected in them, in pixels of the masks.
        wanted: The images whose masks are wanted; those of `found` among them.
        images: How many there are.
        size: Width and height of the masks.
        most: Objects that are seen in an image at once; of more, the most certain are followed. Over all images
            twice as many.
        patience: After so many images in which it is not seen an object is not looked for any more.
    """
    objects: list[FollowedObject] = []
    absent: list[int] = []

    def look(image: int, numbers: list[int], scores: np.ndarray) -> np.ndarray | None:
        """Notes what is seen of some objects, and gives their masks if they are wanted."""
        if image not in wanted:
            for k, score in zip(numbers, scores, strict=True):
                absent[k] = 0 if score > 0.5 else absent[k] + 1
            return None
        masks = tracking.masks(size) if numbers else np.zeros((0, size[1], size[0]), bool)
        for place, (k, score) in enumerate(zip(numbers, scores, strict=True)):
            masks[place] = without_specks(masks[place])
            if not masks[place].any():
                absent[k] += 1
                continue
            absent[k] = 0
            objects[k].masks[image] = encode_mask(masks[place])
            objects[k].presence[image] = float(score)
        return masks

    for image in range(images):
        numbers = [k for k in range(len(objects)) if absent[k] < patience]
        masks = look(image, numbers, tracking.step(image, numbers))
        if image not in found:
            continue
        seen = [place for place, k in enumerate(numbers) if image in objects[k].masks]
        known = [objects[numbers[place]] for place in seen]
        owners, new = sort_out(found[image], masks[seen], [each.category for each in known])
        for each in known:
            each.asked.add(image)
        for detection, owner in owners.items():
            known[owner].answers[image] = found[image].categories[detection], float(found[image].scores[detection])
        room = min(most - len(seen), 2 * most - len(objects))
        new = sorted(new, key=lambda k: -found[image].scores[k])[: max(room, 0)]
        if not new:
            continue
        boxes = found[image].boxes[new] / [*size, *size]
        for detection in new:
            answer = {image: (found[image].categories[detection], float(found[image].scores[detection]))}
            objects.append(FollowedObject(image, asked={image}, answers=answer))
            absent.append(0)
        numbers = tracking.start(image, boxes)
        # What a tracker does not know is there where it was found.
        look(image, numbers, np.ones(len(numbers)))

    absent = [0] * len(objects)
    for image in range(max((each.start for each in objects), default=0) - 1, -1, -1):
        numbers = [k for k, each in enumerate(objects) if each.start > image and absent[k] < patience]
        if numbers:
            look(image, numbers, tracking.step(image, numbers, backwards=True))
    return [each for each in objects if each.masks]


def sort_out(found: Detections, masks: np.ndarray, categories: Sequence[str]) -> tuple[dict[int, int], list[int]]:
    """Which detections of an image are of objects that are known, and which are new.

    Args:
        found: The detections, in pixels of the masks.
        masks: (K, H, W) bool, none empty, of the known objects in this image.
        categories: K nouns.

    Returns:
        Detections to their objects; and detections of nobody, which no mask covers either.
    """
    boxes = np.array([mask_box(mask) for mask in masks]).reshape(-1, 4)
    alike = np.array([[group_of(a) == group_of(b) for b in found.categories] for a in categories], bool)
    alike = alike.reshape(len(masks), len(found))
    shared = overlaps(boxes, found.boxes)
    same = (alike & (shared >= SAME_BOX)) | (shared >= SAME_BOX_OF_ANY)
    rows, columns = linear_sum_assignment(-np.where(same, shared, 0))
    # An object's own class speaks for it; another's box only keeps anything new from beginning there.
    owners = {int(k): int(row) for row, k in zip(rows, columns, strict=True) if same[row, k] and alike[row, k]}
    new = []
    for k in range(len(found)):
        if k in owners or same[:, k].any():
            continue
        x1, y1 = np.floor(found.boxes[k, :2]).astype(int)
        x2, y2 = np.maximum(np.ceil(found.boxes[k, 2:]).astype(int), (x1 + 1, y1 + 1))
        filled = masks[:, y1:y2, x1:x2].mean(axis=(1, 2)) if len(masks) else np.zeros(0)
        if not (alike[:, k] & (filled >= PART_OF_MASK)).any():
            new.append(k)
    return owners, new


def mask_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """x1, y1, x2, y2 in pixels around an (H, W) mask that is not empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def without_specks(mask: np.ndarray) -> np.ndarray:
    """An (H, W) mask without the small parts that lie apart; empty where there is nearly nothing."""
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return np.zeros_like(mask)
    x1, y1, x2, y2 = map(int, mask_box(mask))
    inner = mask[y1:y2, x1:x2]
    parts, count = label(inner, np.ones((3, 3)))
    if count == 1:
        return mask
    areas = np.bincount(parts.ravel(), minlength=count + 1)
    areas[0] = 0
    result = np.zeros_like(mask)
    result[y1:y2, x1:x2] = (areas >= _SPECK * areas.max())[parts]
    return result
