"""FastestDet: what its network takes and gives.

One grid of cells, each with one box: objectness, the centre's offset from the cell as a hyperbolic tangent, width and
height as sigmoids of shares of the image, and a probability a class. Score = objectness^0.6 class^0.4.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

STRIDE = 16
LICENCE = "BSD-3-Clause"
_OBJECTNESS_POWER = 0.6


def prepared(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """An (H, W, 3) RGB image as the network's (1, 3, h, w) input: stretched to `size`, BGR, 0-1."""
    resized = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    small = np.asarray(resized, np.float32)
    return np.ascontiguousarray(small[None, :, :, ::-1].transpose(0, 3, 1, 2)) / 255


def decoded(output: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The (1, 5 + C, h, w) output as (h w, 4) boxes in shares of the image, scores and numbers of classes."""
    _, channels, rows, columns = output.shape
    cells = output[0].reshape(channels, -1).T.astype(np.float64)
    row, column = (axis.ravel() for axis in np.mgrid[:rows, :columns])
    centre = (np.stack([column, row], axis=-1) + np.tanh(cells[:, 1:3])) / [columns, rows]
    half = _sigmoid(cells[:, 3:5]) / 2
    classes = cells[:, 5:].argmax(axis=1)
    objectness, sure = np.clip(cells[:, 0], 0, 1), np.clip(cells[:, 5:].max(axis=1), 0, 1)
    scores = objectness**_OBJECTNESS_POWER * sure ** (1 - _OBJECTNESS_POWER)
    return np.concatenate([centre - half, centre + half], axis=1), scores, classes


def _sigmoid(values: np.ndarray) -> np.ndarray:
    # The same as 1 / (1 + exp(-x)), and never too large a number.
    return (1 + np.tanh(values / 2)) / 2
