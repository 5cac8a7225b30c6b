"""What a detector sees in one image, and the removal of boxes that show one thing twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.pseudo_labels.semantics.coco_classes import group_of

# Boxes of one group of classes that overlap by more show one object.
MOST_OVERLAP = 0.5
# One of which more lies in a more certain one shows a part of it, or is hidden by it. Parts mislead trackers: with
# them the well visible vehicles of scene-0103 change their tracks 19 times, without 8 times.
MOST_COVERED = 0.7
# More are never meant; it bounds the time that a model without any idea takes.
MOST_DETECTIONS = 300


@dataclass(frozen=True, eq=False)
class Detections:
    """D objects in one image.

    Attributes:
        boxes: (D, 4) x1, y1, x2, y2 in pixels.
        scores: (D,) 0-1.
        categories: (D,) nouns.
    """

    boxes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def only(self, kept: np.ndarray) -> Detections:
        """Some of them: (D,) bool, or their numbers."""
        return Detections(self.boxes[kept], self.scores[kept], self.categories[kept])


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(..., A, B) intersection over union of (..., A, 4) and (..., B, 4) boxes; 0 where one of them is NaN.

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 3, 2]]))
    array([[0.33333333]])
    """
    a, b = first[..., :, None, :], second[..., None, :, :]
    both = _shared(a, b)
    areas = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(both / (areas - both))


def strongest(
    detections: Detections, most_overlap: float = MOST_OVERLAP, most_covered: float = MOST_COVERED
) -> np.ndarray:
    """Numbers of the detections that are left, by falling score, when each takes away those that show it again.

    These are of a class that is easily taken for its own, and overlap with it, or lie mostly in it and reach no lower.

    Args:
        detections: Of one image.
        most_overlap: Intersection over union above which they go.
        most_covered: Share of their own area above which they go.
    """
    order = np.argsort(-detections.scores, kind="stable")[:MOST_DETECTIONS]
    sorted_ = detections.only(order)
    boxes = sorted_.boxes
    groups = np.array([group_of(category) for category in sorted_.categories], dtype=object)
    # What reaches lower stands in front: a car before a bus is no part of it.
    within = (_covered(boxes) > most_covered) & (boxes[:, 3] <= boxes[:, None, 3])
    rivals = (within | (overlaps(boxes, boxes) > most_overlap)) & (groups[:, None] == groups)
    kept = np.ones(len(sorted_), bool)
    for k in range(len(sorted_)):
        if kept[k]:
            kept[k + 1 :] &= ~rivals[k, k + 1 :]
    return order[kept]


def _covered(boxes: np.ndarray) -> np.ndarray:
    """(D, D) which share of the second box the first one covers."""
    return _shared(boxes[:, None], boxes) / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=-1), 1e-9)


def _shared(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    return sides.prod(axis=-1)


def inside_image(boxes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(D, 4) boxes cut to an image of width and height `size`, and (D,) bool: finite and not wholly outside."""
    with np.errstate(invalid="ignore"):
        ordered = (boxes[..., 2:] > boxes[..., :2]).all(axis=-1)
        cut = np.clip(boxes, 0, [*size, *size])
        good = np.isfinite(boxes).all(axis=-1) & ordered & (cut[..., 2:] > cut[..., :2]).all(axis=-1)
    return cut, good
