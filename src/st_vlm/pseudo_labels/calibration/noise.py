"""Noise on exact masks, depth and poses, like that of real backends: what is lifted from them has known errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

# Over how many mask pixels a jittered edge wanders.
_EDGE_LENGTH_PX = 8.0


@dataclass(frozen=True)
class Noise:
    """How strong each error is; 0 leaves a part exact.

    Attributes:
        depth_rms, depth_length: Depth is multiplied by a log-normal field of this root mean square, drawn anew each
            frame, whose correlation falls to 1/e over `depth_length` image widths.
        scale: Standard deviation of one factor on all depths of a clip.
        drift: The camera's place is off by this share of its path so far, in one random direction a clip.
        edge_px: Standard deviation in pixels by which masks' edges wander.
        missing: Share of the frames in which an object has no mask.
        switching: Probability, for each second in which two objects' boxes overlap, that they change identities.
    """

    depth_rms: float = 0.0
    depth_length: float = 0.25
    scale: float = 0.0
    drift: float = 0.0
    edge_px: float = 0.0
    missing: float = 0.0
    switching: float = 0.0


_BAR = {"depth_rms": 0.05, "scale": 0.03, "drift": 0.01}
NOISES = {
    "none": Noise(),
    "bar": Noise(**_BAR),
    "hard": Noise(**_BAR, edge_px=3.0, missing=0.1, switching=0.02),
}


# Each error has its own stream of random numbers: taking one away leaves the others as they are.
_STREAMS = ("field", "scale", "drift", "edges", "missing", "switching")


def noisy_depth(depth: np.ndarray, noise: Noise, seed: Sequence[int]) -> np.ndarray:
    """(T, H, W) depths with each frame's field and the clip's scale."""
    count, height, width = depth.shape
    factor = np.exp(noise.scale * _stream(seed, "scale").standard_normal())
    if not noise.depth_rms:
        return depth * factor
    fields = smooth_noise(_stream(seed, "field"), count, (height, width), noise.depth_length * width)
    return depth * np.exp(noise.depth_rms * fields) * factor


def noisy_poses(poses: np.ndarray, noise: Noise, seed: Sequence[int]) -> np.ndarray:
    """(T, 4, 4) world from camera, drifting."""
    direction = _stream(seed, "drift").standard_normal(3)
    path = np.cumsum(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0, prepend=poses[:1, :3, 3]), axis=1))
    result = poses.copy()
    result[:, :3, 3] += noise.drift * path[:, None] * direction / np.linalg.norm(direction)
    return result


def noisy_labels(
    times_s: np.ndarray, labels: np.ndarray, objects: int, noise: Noise, seed: Sequence[int]
) -> np.ndarray:
    """(T, H, W) labels with wandering edges, missing masks and switched identities."""
    result = labels
    if noise.edge_px:
        result = _with_wandering_edges(result, noise.edge_px, _stream(seed, "edges"))
    if noise.switching:
        result = _switched(times_s, result, objects, noise.switching, _stream(seed, "switching"))
    if noise.missing:
        dropped = _stream(seed, "missing").random((len(labels), objects)) < noise.missing
        frames = np.arange(len(labels))[:, None, None]
        result = np.where((result >= 0) & dropped[frames, np.maximum(result, 0)], -1, result)
    return result


def _stream(seed: Sequence[int], name: str) -> np.random.Generator:
    return np.random.default_rng([*seed, _STREAMS.index(name)])


def smooth_noise(rng: np.random.Generator, count: int, shape: tuple[int, int], length: float) -> np.ndarray:
    """(count, H, W) fields of unit variance whose correlation at a distance of d pixels is exp(-(d / length)^2).

    The covariance is a product of one along rows and one along columns, so that its root is too.
    """
    down, across = (_root(size, length) for size in shape)
    white = rng.standard_normal((count, down.shape[1], across.shape[1]))
    return down @ white @ across.T


def _root(size: int, length: float) -> np.ndarray:
    """(size, R) with root @ root.T the covariance along one side; R counts the directions that matter."""
    places = np.arange(size)
    values, vectors = np.linalg.eigh(np.exp(-(((places[:, None] - places) / length) ** 2)))
    kept = values > 1e-9 * values[-1]
    return vectors[:, kept] * np.sqrt(values[kept])


def _with_wandering_edges(labels: np.ndarray, sigma_px: float, rng: np.random.Generator) -> np.ndarray:
    fields = sigma_px * smooth_noise(rng, len(labels), labels.shape[1:], _EDGE_LENGTH_PX)
    result = labels.copy()
    for frame, field in zip(result, fields, strict=True):
        inside = frame >= 0
        if not inside.any():
            continue
        to_object, nearest = distance_transform_edt(~inside, return_indices=True)
        to_border = distance_transform_edt(inside)
        original = frame.copy()
        grown = original[nearest[0], nearest[1]]
        frame[~inside & (to_object <= field)] = grown[~inside & (to_object <= field)]
        frame[inside & (to_border <= -field)] = -1
    return result


def _switched(times_s, labels: np.ndarray, objects: int, probability: float, rng: np.random.Generator) -> np.ndarray:
    result = labels.copy()
    steps = np.diff(times_s, prepend=times_s[0])
    now = np.arange(objects)
    for frame, step, original in zip(result, steps, labels, strict=True):
        boxes = _boxes(original, objects)
        low, high = boxes[:, None, :2], boxes[:, None, 2:]
        meet = (np.minimum(high, boxes[None, :, 2:]) > np.maximum(low, boxes[None, :, :2])).all(axis=-1)
        for a, b in np.argwhere(np.triu(meet, 1)):
            if rng.random() < 1 - (1 - probability) ** step:
                now[[a, b]] = now[[b, a]]
        frame[...] = np.where(original >= 0, now[np.maximum(original, 0)], -1)
    return result


def _boxes(labels: np.ndarray, objects: int) -> np.ndarray:
    """(N, 4) x1, y1, x2, y2 of each object in (H, W) labels; NaN where it is not seen."""
    boxes = np.full((objects, 4), np.nan)
    for k in np.unique(labels[labels >= 0]):
        rows, columns = np.nonzero(labels == k)
        boxes[k] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    return boxes
