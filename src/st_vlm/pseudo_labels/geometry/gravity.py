"""Which way is up, and how high the camera is: from the ground in depth maps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.poses import pose

# Pixels taken from a frame, and planes tried on them.
SAMPLES, TRIES = 1500, 300
FARTHEST_M = 60.0
# The ground's normal may lean so far from the camera's up: cameras look down at fields and streets.
MOST_TILT_DEG = 50.0
# A point is on the ground within this share of the camera's height: an error of depth moves it along its ray, by the
# same share of that height. And a plane is one that this share of the points is on.
NEAR_SHARE, LEAST_SHARE = 0.1, 0.25
LEAST_HEIGHT_M, MOST_HEIGHT_M = 0.2, 60.0
# Of the frames, which must show the ground; and how far they may disagree (median, degrees).
LEAST_FRAMES, MOST_SPREAD_DEG = 0.3, 8.0


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground under a clip's camera.

    Attributes:
        up: (3,) unit vector in the world of the poses.
        height: Metres of the camera above the ground, the median over frames; None where the ground is not seen.
        spread_deg: Median angle between a frame's own normal and `up`; NaN where the ground is not seen.
        frames: In how many frames the ground is seen.
    """

    up: np.ndarray
    height: float | None
    spread_deg: float
    frames: int


def find_ground(
    depth: np.ndarray, intrinsics: np.ndarray, poses: np.ndarray, moving: np.ndarray | None = None, seed: int = 0
) -> Ground:
    """The ground under a camera, as T depth maps show it.

    Each frame's lower half gives a plane (RANSAC) that faces the camera's up and has little below it; the median over
    frames is taken in the world. Where too few frames show such a plane, or they disagree, the camera is taken to be
    level on the average.

    Args:
        depth: (T, h, w) metres along the camera's z axis; not finite where it is not known.
        intrinsics: (3, 3) pinhole matrix in pixels of the depth maps.
        poses: (T, 4, 4) world from camera in a world of any orientation.
        moving: (T, h, w) bool, what may move; None: nothing.
        seed: Of the random choices.
    """
    rng = np.random.default_rng(seed)
    normals, heights = [], []
    for t in range(len(depth)):
        found = ground_plane(depth[t], intrinsics, None if moving is None else moving[t], rng)
        if found is not None:
            normals.append(poses[t, :3, :3] @ found[0])
            heights.append(found[1])
    if len(normals) >= max(LEAST_FRAMES * len(depth), 1):
        up = _median_direction(np.array(normals))
        spread = float(np.median(np.degrees(np.arccos(np.clip(np.array(normals) @ up, -1, 1)))))
        if spread <= MOST_SPREAD_DEG:
            return Ground(up, float(np.median(heights)), spread, len(normals))
    return Ground(_median_direction(-poses[:, :3, 1]), None, float("nan"), 0)


def ground_plane(
    depth: np.ndarray, intrinsics: np.ndarray, moving: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, float] | None:
    """The ground in one frame: its unit normal in the camera's axes and the camera's height above it, or None."""
    points = _lower_points(depth, intrinsics, moving, rng)
    if len(points) < 50:
        return None
    picked = points[rng.integers(0, len(points), (TRIES, 3))]
    normals = np.cross(picked[:, 1] - picked[:, 0], picked[:, 2] - picked[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 1e-9] / lengths[lengths > 1e-9, None]
    picked = picked[lengths > 1e-9]
    # Up is against the camera's y axis.
    normals = np.where(normals[:, 1:2] > 0, -normals, normals)
    heights = -(normals * picked[:, 0]).sum(axis=1)
    fits = (normals[:, 1] < -np.cos(np.radians(MOST_TILT_DEG))) & _plausible(heights)
    if not fits.any():
        return None
    normals, heights = normals[fits], heights[fits]
    above = (normals @ points.T + heights[:, None]) / heights[:, None]
    # Much below a plane says that it is a roof or a table.
    scores = _closeness(above).sum(axis=1) - 2 * (above < -3 * NEAR_SHARE).sum(axis=1)
    normal, height = normals[scores.argmax()], heights[scores.argmax()]
    # Divided by their depth, points of a plane give its inverse depth, whose errors are about equal everywhere.
    scaled = np.concatenate([points, np.ones((len(points), 1))], axis=1) / points[:, 2:3]
    for _ in range(4):
        above = points @ normal / height + 1
        if (np.abs(above) < NEAR_SHARE).sum() < max(LEAST_SHARE * len(points), 20):
            return None
        rooted = np.sqrt(_closeness(above))[:, None]
        solution = np.linalg.lstsq(rooted * scaled[:, :3], -(rooted * scaled[:, 3:])[:, 0], rcond=None)[0]
        height = 1 / np.linalg.norm(solution)
        normal = solution * height
    if normal[1] > -np.cos(np.radians(MOST_TILT_DEG)) or not _plausible(height):
        return None
    return normal, float(height)


def upright(poses: np.ndarray, up: np.ndarray) -> np.ndarray:
    """(T, 4, 4) poses in a world whose z axis is `up`, whose origin is the first camera's place and whose x axis is
    where the first camera looks, or its right where it looks straight up or down.

    Args:
        poses: (T, 4, 4) world from camera.
        up: (3,) unit vector in that world.
    """
    ahead = poses[0, :3, 2] - (poses[0, :3, 2] @ up) * up
    if np.linalg.norm(ahead) < 1e-3:
        ahead = poses[0, :3, 0] - (poses[0, :3, 0] @ up) * up
    ahead = ahead / np.linalg.norm(ahead)
    turn = np.stack([ahead, np.cross(up, ahead), up])
    return pose(turn, -turn @ poses[0, :3, 3]) @ poses


def _lower_points(depth, intrinsics, moving, rng: np.random.Generator) -> np.ndarray:
    """(N, 3) places in the camera's axes of pixels of the lower half that do not move."""
    usable = np.isfinite(depth) & (depth > 0) & (depth < FARTHEST_M)
    usable[: depth.shape[0] // 2] = False
    if moving is not None:
        usable &= ~moving
    rows, columns = np.nonzero(usable)
    if len(rows) > SAMPLES:
        some = rng.choice(len(rows), SAMPLES, replace=False)
        rows, columns = rows[some], columns[some]
    rays = (np.stack([columns, rows], axis=-1) - intrinsics[:2, 2]) / np.diag(intrinsics)[:2]
    return np.concatenate([rays, np.ones((len(rows), 1))], axis=1) * depth[rows, columns][:, None]


def _plausible(height):
    return (height > LEAST_HEIGHT_M) & (height < MOST_HEIGHT_M)


def _closeness(above: np.ndarray) -> np.ndarray:
    """How surely points are on a plane, 0-1, from how far above it they are in heights of the camera."""
    return 1 / (1 + (above / (NEAR_SHARE / 3)) ** 2)


def _median_direction(directions: np.ndarray) -> np.ndarray:
    """The unit vector nearest to (N, 3) unit vectors in the sum of angles' chords (Weiszfeld 1937)."""
    mean = directions.mean(axis=0)
    for _ in range(20):
        weights = 1 / np.maximum(np.linalg.norm(directions - mean, axis=1), 1e-6)
        mean = weights @ directions / weights.sum()
    return mean / np.linalg.norm(mean)
