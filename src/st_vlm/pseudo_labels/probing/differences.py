"""How little two frames of a video have in common, whatever the camera's movement between them, from thumbnails."""

from __future__ import annotations

from itertools import product

import numpy as np

from st_vlm.pseudo_labels.probing.looking import Looks

# Pixels of a thumbnail, of 32 x 18, by which a picture may be moved against another.
_MOST_ACROSS, _MOST_DOWN = 10, 3
# Contrast below this, in levels, is noise: two frames of nothing are alike.
_NOISE = 1.0
# Half a side of the square whose mean is taken off each pixel: sky above and road below are alike everywhere.
_AROUND = 2
# What is this alike in place needs no search for a movement.
_ALIKE = 0.03
# Pairs compared at once.
_BATCH = 512


def structure_differences(looks: Looks, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,) 1 minus the normalised cross-correlation of pairs of frames at the movement that fits best, 0 to 2.

    It is blind to brightness and contrast, so that flashes and tunnels are no cuts, and a pan is none; and to what
    all streets have in common, since only what differs from its surroundings counts. Of street pictures at 15 a
    second, one shot has 0 to 0.25, and two have 0.5 to 0.85.

    Args:
        looks: L frames.
        first, second: (P,) indices into them.
    """
    result = np.empty(len(first))
    for start in range(0, len(first), _BATCH):
        part = slice(start, start + _BATCH)
        a, b = _details(looks.luma[first[part]]), _details(looks.luma[second[part]])
        found = 1 - _correlation(a, b, 0, 0)
        moved = np.flatnonzero(found > _ALIKE)
        if len(moved):
            shifts = product(range(-_MOST_DOWN, _MOST_DOWN + 1), range(-_MOST_ACROSS, _MOST_ACROSS + 1))
            found[moved] = 1 - np.max([_correlation(a[moved], b[moved], *shift) for shift in shifts], axis=0)
        result[part] = found
    return result


def colour_differences(looks: Looks, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(P,) how far the distributions of brightness and colour of pairs of frames lie apart, in levels, wherever in
    the picture they are: the sum over three channels of their earth mover's distance."""
    result = np.empty(len(first))
    for start in range(0, len(first), _BATCH):
        part = slice(start, start + _BATCH)
        apart = [_sorted(channel, first[part]) - _sorted(channel, second[part]) for channel in _channels(looks)]
        result[part] = sum(np.abs(levels).mean(1) for levels in apart)
    return result


def mixes(looks: Looks, first: np.ndarray, middle: np.ndarray, second: np.ndarray):
    """How much P frames look like the mean of two others, one before and one behind.

    Returns:
        (P,) mean absolute levels between the two others; (P,) those between the frame and the mean; (P,) the frame's
        variance over the mean's, which things that move do not change.
    """
    apart, off, contrast = (np.empty(len(first)) for _ in range(3))
    for start in range(0, len(first), _BATCH):
        part = slice(start, start + _BATCH)
        a, m, b = (looks.luma[index[part]].astype(np.float32) for index in (first, middle, second))
        mean = (a + b) / 2
        apart[part] = np.abs(b - a).mean((1, 2))
        off[part] = np.abs(m - mean).mean((1, 2))
        contrast[part] = m.var((1, 2)) / (mean.var((1, 2)) + _NOISE**2)
    return apart, off, contrast


def _channels(looks: Looks):
    return looks.luma, looks.chroma[:, 0], looks.chroma[:, 1]


def _sorted(channel: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.sort(channel[index].reshape(len(index), -1), axis=1).astype(np.int16)


def _details(thumbnails: np.ndarray) -> np.ndarray:
    """Thumbnails less the mean of what is around each pixel."""
    values = thumbnails.astype(np.float32)
    side = 2 * _AROUND + 1
    sums = np.pad(values, ((0, 0), (_AROUND + 1, _AROUND), (_AROUND + 1, _AROUND)), "edge").cumsum(1).cumsum(2)
    # The first row and column of the sums only stand for what is before the first square.
    inner = sums[:, side:, side:] - sums[:, :-side, side:] - sums[:, side:, :-side] + sums[:, :-side, :-side]
    return values - inner / side**2


def _correlation(a: np.ndarray, b: np.ndarray, down: int, across: int) -> np.ndarray:
    """Of each a with each b moved against it, over what both show."""
    height, width = a.shape[1] - abs(down), a.shape[2] - abs(across)
    a = a[:, max(0, down) :, max(0, across) :][:, :height, :width]
    b = b[:, max(0, -down) :, max(0, -across) :][:, :height, :width]
    noise = _NOISE**2 * height * width
    common = np.einsum("nij,nij->n", a, b) + noise
    return common / (np.sqrt(np.einsum("nij,nij->n", a, a) * np.einsum("nij,nij->n", b, b)) + noise)
