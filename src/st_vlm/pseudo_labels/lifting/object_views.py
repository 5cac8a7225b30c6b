"""What each frame shows of each object: where its visible surface is in the image, and how deep it lies there.

All objects and frames are measured at once: the pixels of all masks are sorted by object, frame and depth, and every
median is then a look-up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Of the pixels of an eroded mask, sorted by depth, so many are left out at either end.
TRIMMED_SHARE = 0.1
LEAST_PIXELS = 12
# Of a mask's pixels so many, as near to each other in depth as any, show the object itself. Where some that are nearer
# lie nearly as close together, they do: what a mask shows too much of lies behind.
CORE_SHARE, CORE_TOLERANCE = 0.2, 2.0
# What belongs to the object lies at most its own reach from there, and this share of the depth for noise.
REACH_NOISE = 0.03
# A neighbouring surface that is nearer by this share hides part of the object.
NEARER_SHARE = 0.08
# An object of whose border a nearer surface takes more has lost its middle, and beyond the second number all shape.
WHOLE_UP_TO, MOST_HIDDEN = 0.25, 0.6


@dataclass(frozen=True, eq=False)
class ObjectViews:
    """N objects in T frames; NaN where an object is not seen well enough to be measured.

    Attributes:
        pixels: (N, T, 2) mean column and row of its visible surface.
        depth: (N, T) metres along the camera's z axis, the trimmed median over the surface.
        depth_sigma: (N, T) metres, of that median, from the scatter of the pixels alone.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels around what shows the object; also where the view is not usable.
        cut: (N, T) bool, whether the image's border cuts the object.
        hidden: (N, T) share of its border along which something nearer stands.
    """

    pixels: np.ndarray
    depth: np.ndarray
    depth_sigma: np.ndarray
    boxes: np.ndarray
    cut: np.ndarray
    hidden: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """(N, T) bool: measured, and not mostly hidden."""
        return np.isfinite(self.depth) & (self.hidden <= MOST_HIDDEN)

    @property
    def whole(self) -> np.ndarray:
        """(N, T) bool: usable, inside the image and hardly hidden."""
        return self.usable & ~self.cut & (self.hidden <= WHOLE_UP_TO)


def view_objects(
    labels: np.ndarray, depth: np.ndarray, objects: int, reach: np.ndarray | None = None, erosion: int = 1
) -> ObjectViews:
    """Measure N objects in T frames.

    Args:
        labels: (T, H, W) int, which object a pixel shows, -1 for none.
        depth: (T, H, W) metres along the camera's z axis; not finite where it is not known.
        objects: N.
        reach: (N,) metres from the core of an object's visible surface within which all of it lies; None takes every
            pixel of a mask for the object.
        erosion: Pixels to take off each mask's border, where depth maps run from one surface into the next. Masks that
            would vanish keep what they have.
    """
    count, height, width = labels.shape
    size = objects * count
    places = np.flatnonzero(labels.ravel() >= 0)
    which, metres = labels.ravel()[places].astype(np.int64), depth.ravel()[places]
    # Short integers are divided several times faster.
    frames, rest = np.divmod(places.astype(np.int32 if labels.size < 2**31 else np.int64), height * width)
    rows, columns = np.divmod(rest, width)
    keys = which * count + frames
    inner, borders = _interior(labels, places, erosion)
    # A mask so small that erosion leaves little of it is taken whole.
    left = np.bincount(keys[inner], minlength=size)
    known = np.isfinite(metres) & (metres > 0)
    order = _sorted(keys, np.where(known, metres, np.inf), size)
    table = [values[order] for values in (keys, rows, columns, metres, known, inner)]
    boxes = _boxes(*table[:3], size)
    table = _only(table, table[4])
    if reach is not None:
        table = _only(table, _within_reach(table[0], table[3], size, np.repeat(reach, count)))
        boxes = _boxes(*table[:3], size)
    its, rows, columns, metres = _only(table[:4], table[5] | (left < LEAST_PIXELS)[table[0]])
    middle, sigma, pixels = _medians(its, metres, columns, rows, size)
    boxes = boxes.reshape(objects, count, 4)
    cut = (
        (boxes[..., 0] <= 0) | (boxes[..., 1] <= 0) | (boxes[..., 2] >= width) | (boxes[..., 3] >= height)
    )  # NaN compares as False
    hidden = _hidden(depth.ravel(), places, keys, borders, middle, size)
    return ObjectViews(
        pixels=pixels.reshape(objects, count, 2),
        depth=middle.reshape(objects, count),
        depth_sigma=sigma.reshape(objects, count),
        boxes=boxes,
        cut=cut,
        hidden=hidden.reshape(objects, count),
    )


def _sorted(keys: np.ndarray, depth: np.ndarray, size: int) -> np.ndarray:
    """The order of P pixels by key, by depth within, and last what is infinitely deep.

    Key, depth and index in one number are sorted several times faster than indices by keys and depths. Depths that are
    nearer to each other than a part in a million may come in either order.
    """
    indices = len(keys).bit_length()
    steps = 2.0 ** min(62 - indices - size.bit_length(), 30)
    deepest = depth.max(initial=1.0, where=np.isfinite(depth))
    level = np.minimum(depth / deepest * (steps - 2), steps - 1).astype(np.int64)
    return np.sort(((keys * int(steps) + level) << indices) + np.arange(len(keys))) & ((1 << indices) - 1)


def _only(table: list[np.ndarray], kept: np.ndarray) -> list[np.ndarray]:
    return [values[kept] for values in table]


def _boxes(keys: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """(size, 4) bounds of the pixels of each key, which come by key; NaN for a key without any."""
    counts = np.bincount(keys, minlength=size)
    low = [_least(values.astype(float), counts, np.nan) for values in (columns, rows)]
    high = [1 - _least(-values.astype(float), counts, np.nan) for values in (columns, rows)]
    return np.stack([*low, *high], axis=-1)


def _interior(labels: np.ndarray, places: np.ndarray, steps: int):
    """Whether the neighbours of P mask pixels, up to `steps` along rows and columns, show the same object.

    What lies outside the image does not count against a pixel.

    Returns:
        (P,) bool, and for each of the four directions the distance in the flat image to the next pixel with the (P,)
        bool of those that have something else there.
    """
    inner, borders = np.ones(len(places), bool), []
    for distance, axis in ((1, 2), (labels.shape[2], 1)):
        for step in range(1, max(steps, 1) + 1):
            # Along the image's last pixels nothing differs, so that those before its first ones do not either.
            differs = np.zeros(labels.shape, bool)
            near, far = (
                tuple(part if k == axis else slice(None) for k in range(3))
                for part in (slice(None, -step), slice(step, None))
            )
            np.not_equal(labels[near], labels[far], out=differs[near])
            ahead, back = (differs.ravel()[places - before] for before in (0, step * distance))
            if step <= steps:
                inner &= ~(ahead | back)
            if step == 1:
                borders += [(distance, ahead), (-distance, back)]
    return inner, borders


def _within_reach(keys: np.ndarray, depth: np.ndarray, size: int, reach: np.ndarray) -> np.ndarray:
    """(P,) bool: pixels at about the depth at which their object shows most of itself (the shorth of Andrews 1972).

    The pixels come by key, and by depth within.
    """
    logs = np.log(depth)
    counts = np.bincount(keys, minlength=size)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    core = np.maximum((CORE_SHARE * counts).astype(int), 1)
    end = np.arange(len(logs)) + core[keys]
    inside = end < (starts + counts)[keys]
    width = np.where(inside, logs[np.minimum(end, len(logs) - 1)] - logs, np.inf)
    narrowest = _least(width, counts, np.inf)
    # The first of them is the nearest.
    fits = np.flatnonzero(width <= CORE_TOLERANCE * narrowest[keys] + 0.01)
    first = _least(fits, np.bincount(keys[fits], minlength=size), len(logs))
    found = first < len(logs)
    middle = np.full(size, np.nan)
    middle[found] = np.exp(logs[np.minimum(first[found] + core[found] // 2, len(logs) - 1)])
    with np.errstate(invalid="ignore"):
        return ~(np.abs(depth - middle[keys]) > reach[keys] + REACH_NOISE * depth)


def _medians(keys: np.ndarray, depth: np.ndarray, columns: np.ndarray, rows: np.ndarray, size: int):
    """Of each key: median of the trimmed depths and its sigma, and the mean pixel of what was not trimmed.

    The pixels come by key, and by depth within.
    """
    counts = np.bincount(keys, minlength=size)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    enough = np.flatnonzero(counts >= LEAST_PIXELS)
    middle, sigma, pixels = np.full(size, np.nan), np.full(size, np.nan), np.full((size, 2), np.nan)
    if not len(enough):
        return middle, sigma, pixels
    first, number = starts[enough], counts[enough]
    trimmed = (TRIMMED_SHARE * number).astype(int)
    middle[enough] = (depth[first + (number - 1) // 2] + depth[first + number // 2]) / 2
    # Half the spread of the middle two thirds is one standard deviation of a normal scatter.
    low, high = depth[first + number // 6], depth[first + number - 1 - number // 6]
    sigma[enough] = (high - low) / 2 / np.sqrt(number) * 1.25
    rank = np.arange(len(keys)) - starts[keys]
    skip = (TRIMMED_SHARE * counts).astype(int)[keys]
    kept = (rank >= skip) & (rank < counts[keys] - skip)
    left = np.maximum(number - 2 * trimmed, 1)
    for axis, values in enumerate((columns, rows)):
        pixels[enough, axis] = np.bincount(keys[kept], values[kept], minlength=size)[enough] / left
    return middle, sigma, pixels


def _least(values: np.ndarray, counts: np.ndarray, nothing: float) -> np.ndarray:
    """The least of each run of so many values; `nothing` for a run of none."""
    result = np.full(len(counts), nothing, values.dtype)
    filled = np.flatnonzero(counts)
    if len(filled):
        result[filled] = np.minimum.reduceat(values, (np.cumsum(counts) - counts)[filled])
    return result


def _hidden(
    depth: np.ndarray, places: np.ndarray, keys: np.ndarray, borders: list, middle: np.ndarray, size: int
) -> np.ndarray:
    """(size,) share of an object's border along which a nearer surface stands; see `_interior` for the borders."""
    whole, nearer = np.zeros(size), np.zeros(size)
    for distance, other in borders:
        its = keys[other]
        # The first pixel beyond the border may itself be a mixture of both surfaces, but a nearer one is nearer.
        with np.errstate(invalid="ignore"):
            close = depth[places[other] + distance] < (1 - NEARER_SHARE) * middle[its]
        whole += np.bincount(its, minlength=size)
        nearer += np.bincount(its, close, minlength=size)
    return nearer / np.maximum(whole, 1)
