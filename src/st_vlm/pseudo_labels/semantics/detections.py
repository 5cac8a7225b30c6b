"""What a detector sees in one image, and the removal of boxes that show one thing twice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.pseudo_labels.semantics.coco_classes import group_of

# Boxes of one group of classes that overlap by more show one object.
MOST_OVERLAP = 0.5
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
    sides = np.clip(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0, None)
    both = sides.prod(axis=-1)
    areas = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(both / (areas - both))


def strongest(detections: Detections, most_overlap: float = MOST_OVERLAP) -> np.ndarray:
    """Numbers, by falling score, of the detections that are left when of those that overlap, and whose classes are
    easily taken for each other, only the most certain stays."""
    order = np.argsort(-detections.scores, kind="stable")[:MOST_DETECTIONS]
    sorted_ = detections.only(order)
    groups = np.array([group_of(category) for category in sorted_.categories], dtype=object)
    rivals = (overlaps(sorted_.boxes, sorted_.boxes) > most_overlap) & (groups[:, None] == groups)
    kept = np.ones(len(sorted_), bool)
    for k in range(len(sorted_)):
        if kept[k]:
            kept[k + 1 :] &= ~rivals[k, k + 1 :]
    return order[kept]


def inside_image(boxes: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """(D, 4) boxes cut to an image of width and height `size`, and (D,) bool: finite and not wholly outside."""
    with np.errstate(invalid="ignore"):
        ordered = (boxes[..., 2:] > boxes[..., :2]).all(axis=-1)
        cut = np.clip(boxes, 0, [*size, *size])
        good = np.isfinite(boxes).all(axis=-1) & ordered & (cut[..., 2:] > cut[..., :2]).all(axis=-1)
    return cut, good
