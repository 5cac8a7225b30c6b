"""The common exports of YOLO detectors: what their networks take and give.

Of version 5 and 7: (1, N, 5 + C) rows of centre, width and height in pixels of the input, objectness, classes, with
three boxes a cell; of version 8 and later: (1, 4 + C, N) columns without objectness, one box a cell. Both see the
image letterboxed: scaled to fit, and grey around it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image

_GREY = 114
# The networks' grids; large ones have a fourth.
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))


class Letterbox(NamedTuple):
    """How an image lies in a network's input: pixel x of the image is at `x * scale + left`."""

    scale: float
    left: float
    top: float


def prepared(image: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, Letterbox]:
    """An (H, W, 3) RGB image as a network's (1, 3, h, w) input, RGB, 0-1, and how it lies in it."""
    height, width = image.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = max(round(width * scale), 1), max(round(height * scale), 1)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas = np.full((size[1], size[0], 3), _GREY, np.uint8)
    small = Image.fromarray(image).resize(inner, Image.Resampling.BILINEAR, reducing_gap=2.0)
    canvas[top : top + inner[1], left : left + inner[0]] = small
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255), Letterbox(scale, left, top)


def placed_back(boxes: np.ndarray, letterbox: Letterbox) -> np.ndarray:
    """(N, 4) boxes in pixels of the input as boxes in pixels of the image."""
    return (boxes - np.array([letterbox.left, letterbox.top] * 2)) / letterbox.scale


def decoded5(output: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(1, N, 5 + C) as (N, 4) x1, y1, x2, y2 in pixels of the input, scores and numbers of classes."""
    return _decoded(output[0], output[0, :, 4], output[0, :, 5:])


def decoded8(output: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(1, 4 + C, N), as `decoded5`."""
    rows = output[0].T
    return _decoded(rows, np.ones(len(rows), rows.dtype), rows[:, 4:])


def _decoded(rows: np.ndarray, objectness: np.ndarray, classes: np.ndarray):
    centre, half = rows[:, :2].astype(np.float64), rows[:, 2:4].astype(np.float64) / 2
    best = classes.argmax(axis=1)
    scores = objectness.astype(np.float64) * classes[np.arange(len(rows)), best]
    return np.concatenate([centre - half, centre + half], axis=1), scores, best


def is_yolo5(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether an output has the rows of version 5 or 7 for an input of width and height `size`."""
    return len(shape) == 3 and shape[2] > 5 and shape[1] in [3 * count for count in _cells(size)]


def is_yolo8(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether an output has the columns of version 8 or later for an input of width and height `size`."""
    return len(shape) == 3 and shape[1] > 4 and shape[2] in _cells(size)


def _cells(size: tuple[int, int]) -> list[int]:
    # Others have as many numbers a row and mean something else by them: the number of rows tells them apart.
    return [sum((size[0] // stride) * (size[1] // stride) for stride in strides) for strides in _STRIDES]
