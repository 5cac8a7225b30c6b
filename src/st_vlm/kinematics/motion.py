"""How far and how fast: path, displacement, extent, the static test, mean speed (DEFINITIONS, "Tracks and motion").

Everything here is a pure function of positions on a time grid. Questions use the horizontal plane: annotated heights
wobble, and give a parked vehicle 0.08 m/s of false motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

import numpy as np
from scipy.spatial.distance import pdist

from st_vlm.kinematics.resampling import interpolate

KMH_PER_MS = 3.6


class Moving(Enum):
    """Outcome of the static test with its dead zone."""

    STATIC = "static"
    MOVING = "moving"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class StaticLimits:
    """Extents in metres below which an object is static and above which it moves."""

    static_below: float
    moving_above: float


PEOPLE = StaticLimits(static_below=0.5, moving_above=1.0)
OTHERS = StaticLimits(static_below=0.75, moving_above=2.0)
LEAST_METRES_IN_SOME_SECOND = 0.5


def horizontal(points: np.ndarray) -> np.ndarray:
    """(..., 3) world positions to their (..., 2) ground-plane part."""
    return points[..., :2]


def path_length(points: np.ndarray) -> float:
    """Sum of straight steps between (G, D) points, metres."""
    steps = points[1:] - points[:-1]
    return float(np.sqrt(np.einsum("ij,ij->i", steps, steps)).sum())


def displacement(points: np.ndarray) -> float:
    """Straight line from the first to the last of (G, D) points, metres."""
    return math.dist(points[0].tolist(), points[-1].tolist())


def extent(points: np.ndarray) -> float:
    """Largest distance between any two of (G, 2) points, metres."""
    return float(pdist(points).max()) if len(points) > 1 else 0.0


def fastest_second(times_s: np.ndarray, points: np.ndarray) -> float:
    """Largest straight distance covered within one second, metres; within the whole span where it is shorter.

    Args:
        times_s: (G,) seconds.
        points: (G, 2) positions in the ground plane.
    """
    window = min(1.0, times_s[-1] - times_s[0])
    latest = times_s[-1] - window
    starts = np.concatenate([times_s[times_s <= latest], [latest]])
    places = interpolate(times_s, points, np.concatenate([starts, starts + window]))
    steps = places[len(starts) :] - places[: len(starts)]
    return math.sqrt(np.einsum("ij,ij->i", steps, steps).max())


def static_test(
    times_s: np.ndarray, points: np.ndarray, person: bool, slack_m: float = 0.0, sigma_m: float = 0.0
) -> Moving:
    """Whether an object stands still, moves, or lies in the dead zone where no question is asked.

    Args:
        times_s: (G,) seconds of the grid.
        points: (G, 2) positions in the ground plane, metres.
        person: People have tighter limits than vehicles and things.
        slack_m: Pose slack: 0 for trusted poses, 5 % of the ego path for visual odometry.
        sigma_m: Standard deviation of the centre; three of them widen both limits.
    """
    limits = PEOPLE if person else OTHERS
    slack = slack_m + 3 * sigma_m
    # The extent is at least the longer side of the points' bounding box and at most its diagonal, which settles most.
    sides = (points.max(axis=0) - points.min(axis=0)).tolist()
    size = max(sides)
    if size < limits.moving_above + slack and (size := math.hypot(*sides)) > limits.static_below + slack:
        size = extent(points)
    if size <= limits.static_below + slack:
        return Moving.STATIC
    if size >= limits.moving_above + slack and fastest_second(times_s, points) >= LEAST_METRES_IN_SOME_SECOND:
        return Moving.MOVING
    return Moving.UNDECIDED


def mean_speed_kmh(path_m: float, duration_s: float) -> float:
    """Average speed along the path, km/h."""
    return KMH_PER_MS * path_m / duration_s
