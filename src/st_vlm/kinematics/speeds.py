"""Speeds within a span: the fastest second, a steady acceleration, when a distance is reached.

Everything is a pure function of positions on the 0.5 s grid of a span. Speeds are those of straight chords over one
second: over single steps of 0.5 s, 5 cm of noise are 0.5 km/h.
"""

from __future__ import annotations

import math

import numpy as np

from st_vlm.kinematics.motion import fastest_second
from st_vlm.kinematics.resampling import STEP_S

CHORD_S = 1.0
_STEPS = round(CHORD_S / STEP_S)
# Grid times are whole nanoseconds; a chord that is cut short by the span's end is shorter by far more.
_SAME_S = 1e-6

# Least change of speed that is asked about, and how far the speed may stray from a steady change, as a share of the
# whole change: beyond it the mean over the span says little about any of its seconds.
LEAST_CHANGE_MS = 1.5
STRAYS_AT_MOST = 0.2
LEAST_ACCELERATION = 0.5

# A crossing is well defined while the object moves: half as fast as on the way there, and half a metre a second.
LEAST_CROSSING_MS = 0.5
LEAST_CROSSING_SHARE = 0.5
EARLIEST_CROSSING_S = 1.0
LATEST_CROSSING_S = 0.5
# Steps slower than this are standing; what they add to a path is mostly the annotation's wobble.
_STANDING_MS = 0.2
_MOST_STANDING_SHARE = 0.1


def chord_speeds(times_s: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middles (s) and speeds (m/s) of the straight chords over one second that start on the grid.

    Args:
        times_s: (G,) seconds of the grid.
        points: (G, 2) positions in the ground plane, metres.

    Returns:
        Two arrays of one length, empty for a span of less than a second.
    """
    lasts = times_s[_STEPS:] - times_s[:-_STEPS]
    whole = np.abs(lasts - CHORD_S) <= _SAME_S
    lengths = np.linalg.norm(points[_STEPS:] - points[:-_STEPS], axis=-1)
    return (times_s[:-_STEPS] + CHORD_S / 2)[whole], lengths[whole] / CHORD_S


def peak_speed(times_s: np.ndarray, points: np.ndarray) -> float | None:
    """The straight distance covered in the fastest second, m/s; None for a span of less than a second.

    Of the seconds that start on the grid, and the last one of the span, so that a span a little longer or shorter
    makes no jump.
    """
    return fastest_second(times_s, points) / CHORD_S if times_s[-1] - times_s[0] >= CHORD_S else None


def steady_acceleration(times_s: np.ndarray, points: np.ndarray) -> float | None:
    """Mean acceleration along the path, m/s^2, negative for braking; None where it is not clear.

    The speed of the last second minus that of the first, over the time between their middles. Clear means: the speed
    changes by at least 1.5 m/s and 0.5 m/s^2, and stays within 20 % of that change of an even one.

    Args:
        times_s: (G,) seconds of the grid of a span of at least two seconds.
        points: (G, 2) positions in the ground plane, metres.
    """
    middles, speeds = chord_speeds(times_s, points)
    if len(speeds) < _STEPS + 1:
        return None
    change, seconds = float(speeds[-1] - speeds[0]), float(middles[-1] - middles[0])
    if abs(change) < LEAST_CHANGE_MS or abs(change) < LEAST_ACCELERATION * seconds:
        return None
    even = speeds[0] + change * (middles - middles[0]) / seconds
    return change / seconds if np.abs(speeds - even).max() <= STRAYS_AT_MOST * abs(change) else None


def time_to_distance(times_s: np.ndarray, points: np.ndarray, metres: float) -> float | None:
    """Seconds from the start of a span until the path is `metres` long; None where that moment is not well defined.

    It must lie at least 1 s after the start and 0.5 s before the end; in the second around it the object covers half
    a metre and half of its average until then; and standing adds no more than a tenth to the path.

    Args:
        times_s: (G,) seconds of the grid.
        points: (G, 2) positions in the ground plane, metres.
        metres: More than 0.
    """
    steps = np.linalg.norm(np.diff(points, axis=0), axis=-1)
    path = np.concatenate([[0.0], np.cumsum(steps)])
    if path[-1] < metres:
        return None
    k = int(np.searchsorted(path, metres))
    share = (metres - path[k - 1]) / (path[k] - path[k - 1])
    at = float(times_s[k - 1] + share * (times_s[k] - times_s[k - 1]))
    seconds = at - float(times_s[0])
    if not EARLIEST_CROSSING_S <= seconds <= float(times_s[-1] - times_s[0]) - LATEST_CROSSING_S:
        return None
    before, after = np.interp([at - CHORD_S / 2, at + CHORD_S / 2], times_s, path)
    if after - before < max(LEAST_CROSSING_MS, LEAST_CROSSING_SHARE * metres / seconds) * CHORD_S:
        return None
    standing = steps[:k] < _STANDING_MS * np.diff(times_s)[:k]
    return seconds if math.fsum(steps[:k][standing]) <= _MOST_STANDING_SHARE * metres else None
