"""Objects that were followed twice become one, those that the detector never saw again are none, and what is left
becomes a clip's segments."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.semantics.coco_classes import group_of
from st_vlm.pseudo_labels.semantics.given_masks import box_around
from st_vlm.pseudo_labels.semantics.mask_following import FollowedObject

# Over the images that show both, two objects are one if their masks overlap by this (intersection over union).
ALIKE_OVERLAP = 0.5
# The same for classes that are never taken for each other.
ANY_OVERLAP = 0.8
# Of one class, an object is a part of another that holds this share of it.
PART_SHARE = 0.85
# Objects that pass each other have few images in common: they must be this share of what the shorter is seen in.
COMMON_SHARE = 1 / 3
# Of the images in which the detector could have seen an object, it did in this share.
CONFIRMED_SHARE = 0.4
# In one image, of two masks that overlap by this the less certain is a mistake.
SAME_MASK = 0.7
LEAST_FRAMES = 2


def merge(objects: Sequence[FollowedObject], size: tuple[int, int]) -> list[FollowedObject]:
    """One object for all that show the same.

    In an image with several of its masks, that of the object stays which most detections were of.

    Args:
        objects: N, in any order.
        size: Width and height of the masks.
    """
    common, both, areas = _shared(objects, size)
    # Those that most speaks for come first.
    order = sorted(range(len(objects)), key=lambda k: -sum(objects[k].votes.values()))
    leader = list(range(len(objects)))
    for place, k in enumerate(order):
        for other in order[place + 1 :]:
            if leader[other] == other and _is_same(objects, k, other, common, both, areas):
                leader[other] = leader[k]
    groups: dict[int, list[FollowedObject]] = {}
    for k in order:
        groups.setdefault(leader[k], []).append(objects[k])
    return [_as_one(group) for group in groups.values()]


def confirmed(objects: Sequence[FollowedObject], share: float = CONFIRMED_SHARE) -> list[FollowedObject]:
    """Those that the detector has seen often enough where it looked."""
    return [each for each in objects if len(each.answers) >= share * len(each.asked)]


def set_apart(objects: Sequence[FollowedObject], size: tuple[int, int]) -> list[FollowedObject]:
    """The same objects, without the masks that lie on another's in one image: of two that do, the one stays whose
    object is more certain there. A tracker that loses an object behind another goes on with that one."""
    result = [_as_one([each]) for each in objects]
    for image in sorted({image for each in objects for image in each.masks}):
        there = [k for k, each in enumerate(result) if image in each.masks]
        if len(there) < 2:
            continue
        there.sort(key=lambda k: -result[k].certainty * result[k].presence[image])
        overlap = _overlap([result[k].masks[image] for k in there], size)
        kept = np.ones(len(there), bool)
        for a in range(len(there)):
            if kept[a]:
                kept[a + 1 :] &= overlap[a, a + 1 :] < SAME_MASK
        for k in np.array(there)[~kept]:
            del result[k].masks[image], result[k].presence[image]
    return [each for each in result if each.masks]


def segments_of(
    objects: Sequence[FollowedObject],
    images: Sequence[int],
    clip: Clip,
    size: tuple[int, int],
    backend: str,
    licence: str,
) -> Segments:
    """A clip's segments, the most certain object first.

    Args:
        objects: The objects.
        images: T, which image each of the clip's frames is.
        clip: The clip.
        size: Width and height of the masks.
        backend, licence: As of `Segments`.
    """
    least = min(LEAST_FRAMES, len(images))
    kept = [each for each in objects if sum(image in each.masks for image in images) >= least]
    kept.sort(key=lambda each: -each.confidence)
    boxes = np.full((len(kept), len(images), 4), np.nan)
    scores = np.full((len(kept), len(images)), np.nan)
    masks = {}
    scale = np.array([clip.size[0] / size[0], clip.size[1] / size[1]] * 2)
    for k, each in enumerate(kept):
        for t, image in enumerate(images):
            if image in each.masks:
                boxes[k, t] = np.array(box_around(each.masks[image], size)) * scale
                scores[k, t] = each.confidence * each.presence[image]
                masks[k, t] = each.masks[image]
    categories = tuple(each.category for each in kept)
    return Segments(categories, boxes, scores, tuple(clip.size), size, masks, backend, licence)


def _is_same(objects, k: int, other: int, common, both, areas) -> bool:
    fewest = min(len(objects[k].masks), len(objects[other].masks))
    if common[k, other] < max(COMMON_SHARE * fewest, min(fewest, 2)):
        return False
    one, two = areas[k, other], areas[other, k]
    overlap = both[k, other] / (one + two - both[k, other])
    if overlap >= ANY_OVERLAP:
        return True
    first, second = objects[k].category, objects[other].category
    if group_of(first) == group_of(second) and overlap >= ALIKE_OVERLAP:
        return True
    return first == second and both[k, other] >= PART_SHARE * min(one, two)


def _as_one(group: Sequence[FollowedObject]) -> FollowedObject:
    """One object of several; where two are seen, the earlier in the list counts."""
    one = FollowedObject(min(each.start for each in group))
    for each in reversed(group):
        one.masks.update(each.masks)
        one.presence.update(each.presence)
        one.asked |= each.asked
        one.answers.update(each.answers)
    return one


def _shared(objects: Sequence[FollowedObject], size: tuple[int, int]):
    """(N, N) images that show both of two objects, pixels that both have in those, and pixels of the first there."""
    number = len(objects)
    common, both, areas = np.zeros((number, number), int), np.zeros((number, number)), np.zeros((number, number))
    for image in {image for each in objects for image in each.masks}:
        there = np.array([k for k, each in enumerate(objects) if image in each.masks])
        masks = [objects[k].masks[image] for k in there]
        overlap, area = _overlap(masks, size), _areas(masks, size)
        pair = np.ix_(there, there)
        common[pair] += 1
        areas[pair] += area[:, None]
        both[pair] += overlap * (area[:, None] + area) / (1 + overlap)
    return common, both, areas


def _overlap(masks: Sequence[bytes], size: tuple[int, int]) -> np.ndarray:
    """(N, N) intersection over union."""
    lengths = [{"size": [size[1], size[0]], "counts": counts} for counts in masks]
    return np.asarray(coco().iou(lengths, lengths, [0] * len(lengths))).reshape(len(masks), len(masks))


def _areas(masks: Sequence[bytes], size: tuple[int, int]) -> np.ndarray:
    return np.asarray(coco().area([{"size": [size[1], size[0]], "counts": counts} for counts in masks]), np.float64)


def coco():
    """What reads and writes run lengths.

    Raises:
        InputError: It is not installed.
    """
    try:
        from pycocotools import mask
    except ImportError:
        raise InputError('Masks need pycocotools, which is not installed: pip install "st-vlm[pseudo]".') from None
    return mask
