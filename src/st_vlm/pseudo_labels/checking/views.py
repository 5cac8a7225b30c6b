"""The views of an object that are shown to whoever checks it: cut out where it is largest, with a little around it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments

# What stands around an object helps to tell it.
_MARGIN = 0.25
_LEAST_PIXELS = 8


def chosen_frames(boxes: np.ndarray, most: int) -> np.ndarray:
    """Numbers of the frames in which one object is largest, at most so many, each from another part of its life.

    Args:
        boxes: (T, 4) in pixels; NaN where it is not seen.
        most: How many.
    """
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    seen = np.flatnonzero(np.isfinite(area))
    parts = np.array_split(seen, min(most, len(seen))) if len(seen) else []
    return np.array([int(part[area[part].argmax()]) for part in parts], int)


def cut_out(image: np.ndarray, box: np.ndarray) -> np.ndarray | None:
    """(h, w, 3) of an image around a box; None where hardly anything of it is inside."""
    x1, y1, x2, y2 = box
    wide, high = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    left, right = max(int(x1 - wide), 0), min(int(np.ceil(x2 + wide)), image.shape[1])
    top, bottom = max(int(y1 - high), 0), min(int(np.ceil(y2 + high)), image.shape[0])
    if right - left < _LEAST_PIXELS or bottom - top < _LEAST_PIXELS:
        return None
    return image[top:bottom, left:right].copy()


def views(frames: ClipFrames, segments: Segments, most: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yields an object's number and a picture of it; images are read one at a time."""
    wanted: dict[int, list[int]] = {}
    for k, boxes in enumerate(segments.boxes):
        for t in chosen_frames(boxes, most):
            wanted.setdefault(int(t), []).append(k)
    for t, image in enumerate(frames.images()):
        for k in wanted.get(t, ()):
            picture = cut_out(image, segments.boxes[k, t])
            if picture is not None:
                yield k, picture
