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
    frames, rows, columns = np.nonzero(labels >= 0)
    which = labels[frames, rows, columns]
    boxes = _boxes(which * count + frames, rows, columns, objects * count).reshape(objects, count, 4)
    inner = _interior(labels, erosion)[frames, rows, columns]
    keys = which * count + frames
    # A mask so small that erosion leaves little of it is taken whole.
    left = np.bincount(keys[inner], minlength=objects * count)
    metres = depth[frames, rows, columns]
    known = np.isfinite(metres) & (metres > 0)
    if reach is not None:
        known[known] = _within_reach(keys[known], metres[known], objects * count, np.repeat(reach, count))
        boxes = _boxes(keys[known], rows[known], columns[known], objects * count).reshape(objects, count, 4)
    used = (inner | (left[keys] < LEAST_PIXELS)) & known
    middle, sigma, pixels = _medians(keys[used], metres[used], columns[used], rows[used], objects * count)
    cut = (
        (boxes[..., 0] <= 0) | (boxes[..., 1] <= 0) | (boxes[..., 2] >= width) | (boxes[..., 3] >= height)
    )  # NaN compares as False
    return ObjectViews(
        pixels=pixels.reshape(objects, count, 2),
        depth=middle.reshape(objects, count),
        depth_sigma=sigma.reshape(objects, count),
        boxes=boxes,
        cut=cut,
        hidden=_hidden(labels, depth, middle.reshape(objects, count)),
    )


def _boxes(keys: np.ndarray, rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """(size, 4) bounds of the pixels of each key; NaN for a key without any."""
    low = np.full((2, size), np.inf)
    high = np.full((2, size), -np.inf)
    for axis, values in enumerate((columns, rows)):
        np.minimum.at(low[axis], keys, values)
        np.maximum.at(high[axis], keys, values + 1)
    boxes = np.stack([*low, *high], axis=-1)
    return np.where(np.isfinite(boxes), boxes, np.nan)


def _interior(labels: np.ndarray, steps: int) -> np.ndarray:
    """(T, H, W) bool: pixels whose neighbours up to `steps` along rows and columns show the same object."""
    inner = labels >= 0
    for step in range(1, steps + 1):
        for axis in (1, 2):
            for side in (slice(step, None), slice(None, -step)):
                other = slice(None, -step) if side.start else slice(step, None)
                here = [slice(None)] * 3
                there = [slice(None)] * 3
                here[axis], there[axis] = side, other
                inner[tuple(here)] &= labels[tuple(here)] == labels[tuple(there)]
    return inner


def _within_reach(keys: np.ndarray, depth: np.ndarray, size: int, reach: np.ndarray) -> np.ndarray:
    """(P,) bool: pixels at about the depth at which their object shows most of itself (the shorth of Andrews 1972)."""
    order = np.lexsort((depth, keys))
    keys_sorted, logs = keys[order], np.log(depth[order])
    counts = np.bincount(keys, minlength=size)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    core = np.maximum((CORE_SHARE * counts).astype(int), 1)
    end = np.arange(len(logs)) + core[keys_sorted]
    inside = end < (starts + counts)[keys_sorted]
    width = np.where(inside, logs[np.minimum(end, len(logs) - 1)] - logs, np.inf)
    narrowest = np.full(size, np.inf)
    np.minimum.at(narrowest, keys_sorted, width)
    # The first of them is the nearest.
    fits = np.flatnonzero(width <= CORE_TOLERANCE * narrowest[keys_sorted] + 0.01)
    first = np.full(size, len(logs))
    np.minimum.at(first, keys_sorted[fits], fits)
    found = first < len(logs)
    middle = np.full(size, np.nan)
    middle[found] = np.exp(logs[np.minimum(first[found] + core[found] // 2, len(logs) - 1)])
    with np.errstate(invalid="ignore"):
        return ~(np.abs(depth - middle[keys]) > reach[keys] + REACH_NOISE * depth)


def _medians(keys: np.ndarray, depth: np.ndarray, columns: np.ndarray, rows: np.ndarray, size: int):
    """Of each key: median of the trimmed depths and its sigma, and the mean pixel of what was not trimmed."""
    order = np.lexsort((depth, keys))
    keys, depth, columns, rows = keys[order], depth[order], columns[order], rows[order]
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


def _hidden(labels: np.ndarray, depth: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """(N, T) share of an object's border along which a nearer surface stands."""
    objects, count = middle.shape
    borders, nearer = np.zeros(objects * count), np.zeros(objects * count)
    for axis in (1, 2):
        for forward in (True, False):
            here, there = [slice(None)] * 3, [slice(None)] * 3
            here[axis], there[axis] = (
                (slice(None, -1), slice(1, None)) if forward else (slice(1, None), slice(None, -1))
            )
            mine, other = labels[tuple(here)], labels[tuple(there)]
            frames, rows, columns = np.nonzero((mine >= 0) & (mine != other))
            which = mine[frames, rows, columns]
            keys = which * count + frames
            # The first pixel beyond the border may itself be a mixture of both surfaces, but a nearer one is nearer.
            beyond = depth[tuple(there)][frames, rows, columns]
            with np.errstate(invalid="ignore"):
                close = beyond < (1 - NEARER_SHARE) * middle[which, frames]
            borders += np.bincount(keys, minlength=objects * count)
            nearer += np.bincount(keys, close, minlength=objects * count)
    return (nearer / np.maximum(borders, 1)).reshape(objects, count)
