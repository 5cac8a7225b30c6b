"""Where the numbers of a map go, so that none hides another."""

from __future__ import annotations

import numpy as np

_RADII = (9.0, 17.0, 27.0, 40.0, 56.0)
_DIRECTIONS = 12


def place_labels(anchors: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """(N, 2) offset of each label's centre from what it names.

    Each label in turn takes the nearest free place around its anchor, above right first; free is what hides neither
    another label nor an anchor. Where none is free it takes the one that overlaps least.

    Args:
        anchors: (N, 2) places of what is named, in points, y up.
        sizes: (N, 2) widths and heights of the labels, in points.
    """
    angles = np.pi / 4 + 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    around = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    candidates = np.concatenate([radius * around for radius in _RADII])
    taken_low, taken_high = anchors - 2.0, anchors + 2.0
    offsets = np.zeros((len(anchors), 2))
    for k, (anchor, size) in enumerate(zip(anchors, sizes, strict=True)):
        low = anchor + candidates - size / 2
        high = low + size
        sides = np.minimum(high[:, None], taken_high) - np.maximum(low[:, None], taken_low)
        overlap = np.prod(np.maximum(sides, 0.0), axis=-1).sum(axis=1)
        best = int(overlap.argmin())
        offsets[k] = candidates[best]
        taken_low, taken_high = np.vstack([taken_low, low[best]]), np.vstack([taken_high, high[best]])
    return offsets
