"""Where objects go: into the camera's view, inside the drivable area, never into one another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.recordings.simulation.motion import Motion
from st_vlm.recordings.simulation.viewpoints import EGO_SIZE, Viewpoint

LEAST_HEIGHT = 0.05
"""Least box height for a good view, as a share of the image's height; DEFINITIONS asks for 0.044."""
_CANDIDATES = 64
_ALIKE = 0.75
_CLEARANCE_M = 0.35
NOMINAL_ASPECT = 256 / 448
"""Height over width of the image that scenes are arranged for."""

# The plan of the places, in metres; `ground` paints the same plan.
TILE = 64.0
STREET_HALF = 17.0
PAVEMENT_EDGE = 23.0
CROSSING_HALF = 12.0
SQUARE_HALF = 70.0
COURT = (28.0, 16.0)
HALL = (21.0, 18.0)


@dataclass(frozen=True, eq=False)
class Path:
    """Footprints through time on the scene's ticks.

    Attributes:
        points: (T, 2) metres.
        yaws: (T,) radians.
        half: (2,) half length and half width of the footprint.
    """

    points: np.ndarray
    yaws: np.ndarray
    half: np.ndarray


def seen(points: np.ndarray, height: float, length: float, camera: np.ndarray, view: Viewpoint) -> np.ndarray:
    """Whether a box standing on the ground is well in view.

    Args:
        points: (..., T, 2) ground positions of its middle.
        height, length: Its size in metres.
        camera: (T, 4, 4) world from camera.
        view: For the focal length and what is too near.

    Returns:
        (..., T) bool: tall enough, its middle inside the image, not too near.
    """
    offset = points - camera[:, :2, 3]
    right, down, forward = (camera[:, :3, axis] for axis in range(3))
    rise = height / 2 - view.height
    x = (offset * right[:, :2]).sum(-1) + rise * right[:, 2]
    y = (offset * down[:, :2]).sum(-1) + rise * down[:, 2]
    z = (offset * forward[:, :2]).sum(-1) + rise * forward[:, 2]
    z = np.where(z > view.near + length / 2, z, np.nan)
    with np.errstate(invalid="ignore"):
        across, vertical = np.abs(view.focal * x / z), np.abs(view.focal * y / z)
        tall = view.focal * height / z
        return (across < 0.47) & (vertical < 0.46 * NOMINAL_ASPECT) & (tall > LEAST_HEIGHT * NOMINAL_ASPECT)


def overlap(first: Path, second: Path, margin: float) -> np.ndarray:
    """(..., T) bool: whether two footprints come nearer than a margin (separating axis test on oriented rectangles).

    The fields of either path may have leading axes; they broadcast.
    """
    gap = second.points - first.points
    result = None
    turn = second.yaws - first.yaws
    cos, sin = np.abs(np.cos(turn)), np.abs(np.sin(turn))
    for yaws, own, other in ((first.yaws, first.half, second.half), (second.yaws, second.half, first.half)):
        c, s = np.cos(yaws), np.sin(yaws)
        along = np.abs(gap[..., 0] * c + gap[..., 1] * s)
        across = np.abs(gap[..., 1] * c - gap[..., 0] * s)
        length, width = other[..., 0], other[..., 1]
        near = (along < own[..., 0] + length * cos + width * sin + margin) & (
            across < own[..., 1] + length * sin + width * cos + margin
        )
        result = near if result is None else result & near
    return result


def come_near(first: Path, second: Path, margin: float) -> bool:
    """Whether two footprints ever come nearer than a margin; as for `overlap`, of which it saves most."""
    gap = second.points - first.points
    reach = sum(np.hypot(path.half[..., 0], path.half[..., 1]) for path in (first, second)) + 2 * margin
    apart = gap[..., 0] ** 2 + gap[..., 1] ** 2 > reach**2
    return not apart.all() and bool(overlap(first, second, margin).any())


def stack(paths: list[Path]) -> Path:
    """M paths as one whose fields have a leading axis: points (M, T, 2), yaws (M, T), half (M, 1, 2)."""
    return Path(
        np.stack([p.points for p in paths]), np.stack([p.yaws for p in paths]), np.stack([p.half[None] for p in paths])
    )


def ego_path(view: Viewpoint, ticks: np.ndarray) -> Path:
    """The footprint of what carries the camera, at indices of its samples: a car, a pole, or a tripod among toys."""
    half = np.array(EGO_SIZE) / 2 + 0.5 if view.rides else np.full(2, 0.4 * view.near)
    return Path(view.platform[ticks], view.yaws[ticks], half)


def in_area(points: np.ndarray, place: str, on_foot: bool) -> np.ndarray:
    """(..., 2) points to (...) bool: on the carriageway (vehicles), the pavement too (people), or the court."""
    x, y = points[..., 0], points[..., 1]
    if place == "hall":
        return (np.abs(x) < HALL[0] / 2 - 2.5) & (np.abs(y) < HALL[1] / 2 - 2.5)
    if place == "court":
        return (np.abs(x) < COURT[0] / 2 + 1.0) & (np.abs(y) < COURT[1] / 2 + 1.0)
    if place == "square":
        return (np.abs(x) < SQUARE_HALF) & (np.abs(y) < SQUARE_HALF)
    if on_foot:
        return np.abs(y) < PAVEMENT_EDGE - 0.5
    crossing = np.abs((x + TILE / 2) % TILE - TILE / 2) < CROSSING_HALF - 1.0
    return (np.abs(y) < STREET_HALF - 1.0) | crossing


def place_motion(
    rng: np.random.Generator,
    motion: Motion,
    size: np.ndarray,
    on_foot: bool,
    view: Viewpoint,
    camera: np.ndarray,
    ticks: np.ndarray,
    others: Path,
    place: str,
    least_seconds: float,
    courses: np.ndarray | None = None,
) -> tuple[np.ndarray, float, float] | None:
    """Turn and shift a motion so that it is seen for long, stays in its area while in sight, and hits nothing.

    Args:
        motion: The motion in its own plane.
        size: (3,) length, width, height.
        on_foot: People may use the pavement.
        camera: (T, 4, 4) world from camera at the ticks (0.1 s apart).
        ticks: (T,) indices of the motion's samples.
        others: Stacked paths to keep clear of.
        least_seconds: Least time in good view.
        courses: (M, T) headings of earlier objects; given, most candidates go the way of one of them at some time.

    Returns:
        A shift (2,), a turn in radians (about the origin, before the shift) and the seconds in good view, or None
        when no candidate will do.
    """
    points, yaws = motion.points[ticks], motion.yaws[ticks]
    count = len(ticks)
    # A point of the path goes to a point of the view: half of the time the middle of the sharpest turn.
    anchors = rng.integers(count // 10, count - count // 10, _CANDIDATES)
    turning = np.abs(np.gradient(yaws))
    if turning.max() > 0.005:
        middle = int(np.average(np.arange(count), weights=turning**2))
        anchors[::2] = np.clip(middle, count // 20, count - count // 20 - 1)
    farthest = min(view.focal * size[2] / (1.15 * LEAST_HEIGHT * NOMINAL_ASPECT), 70.0)
    # Beside toys people are seen from head to foot, else they hide much and tell little of the scale.
    part = 1.4 if place == "hall" and size[2] > 1.0 else 0.8
    nearest = max(1.75 * view.near + size[0] / 2, part * size[2] * view.focal / NOMINAL_ASPECT)
    ahead = np.exp(rng.uniform(np.log(nearest), np.log(max(farthest, nearest * 1.3)), _CANDIDATES))
    aside = rng.uniform(-0.42, 0.42, _CANDIDATES) * ahead / view.focal
    at, forward, right = camera[anchors, :2, 3], camera[anchors, :2, 2], camera[anchors, :2, 0]
    forward = forward / np.linalg.norm(forward, axis=-1, keepdims=True)
    target = at + ahead[:, None] * forward + aside[:, None] * right
    turns = rng.uniform(-np.pi, np.pi, _CANDIDATES)
    if place == "street" and not on_foot:
        # Along one of the streets at the start or at the end.
        reference = yaws[rng.choice([0, count - 1], _CANDIDATES)]
        turns = rng.integers(0, 4, _CANDIDATES) * np.pi / 2 + rng.normal(0, 0.05, _CANDIDATES) - reference
    if courses is not None:
        along = rng.integers(len(courses), size=_CANDIDATES)
        alike = courses[along, anchors] + rng.normal(0, 0.04, _CANDIDATES) - yaws[anchors]
        turns = np.where(rng.random(_CANDIDATES) < _ALIKE, alike, turns)
    cos, sin = np.cos(turns)[:, None], np.sin(turns)[:, None]
    turned = np.stack([cos * points[:, 0] - sin * points[:, 1], sin * points[:, 0] + cos * points[:, 1]], -1)
    shifts = target - turned[np.arange(_CANDIDATES), anchors]
    placed = turned + shifts[:, None]
    good = seen(placed, size[2], size[0], camera, view)
    seconds = good.sum(-1) * 0.1
    offset = placed - camera[:, :2, 3]
    before = (offset * camera[:, :2, 2]).sum(-1)
    beside = np.abs((offset * camera[:, :2, 0]).sum(-1))
    offset = np.linalg.norm(offset, axis=-1)
    in_sight = (offset < 80.0) & (beside < np.maximum(0.6 * before / view.focal, 0.0) + size[0])
    outside = (in_sight & ~in_area(placed, place, on_foot)).any(-1)
    usable = np.flatnonzero((seconds >= least_seconds) & ~outside)
    # Long and near views first, with some chance for the others.
    near = np.where(good, offset, 0.0)[usable].sum(-1) / np.maximum(good[usable].sum(-1), 1)
    appeal = np.minimum(seconds[usable], 12.0) / near * rng.uniform(0.3, 1.0, len(usable))
    # Views of its turns before views of its straights.
    appeal *= 0.3 + (good[usable] @ turning) / max(turning.sum(), 0.1)
    for index in usable[np.argsort(-appeal)][:8]:
        path = Path(placed[index], yaws + turns[index], size[:2] / 2)
        if not come_near(path, others, _CLEARANCE_M):
            return shifts[index], float(turns[index]), float(seconds[index])
    return None
