"""A track on the 0.5 s grid and at image times (DEFINITIONS, "Tracks and motion")."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

STEP_S = 0.5
MAX_GAP_S = 1.0


def time_grid(start_ns: int, end_ns: int, step_s: float = STEP_S) -> np.ndarray:
    """(G,) int64 nanoseconds: start, start + step, …, plus the end itself when it is not on the grid."""
    step = round(step_s * 1e9)
    grid = np.arange(start_ns, end_ns + step, step, dtype=np.int64)
    grid[-1] = end_ns  # on the grid already, or the first step beyond the end
    return grid


def positions_at(times_ns: np.ndarray, values: np.ndarray, query_ns: np.ndarray) -> np.ndarray:
    """Linear interpolation of (N, D) values at (Q,) times: (Q, D). Outside the track it holds the nearest end.

    Times are taken relative to the first before they become floats: nanoseconds since 1970 exceed 2**53.
    """
    origin = times_ns[0]
    return interpolate(
        (times_ns - origin).astype(np.float64), values, (np.asarray(query_ns) - origin).astype(np.float64)
    )


def interpolate(times_s: np.ndarray, values: np.ndarray, query_s: np.ndarray) -> np.ndarray:
    """Linear interpolation of (N, D) values, known at (N,) times, at (Q,) times: (Q, D). Ends hold outside."""
    found = np.empty((len(query_s), values.shape[1]))
    for i, column in enumerate(values.T):
        found[:, i] = np.interp(query_s, times_s, column)
    return found


def rotations_at(times_ns: np.ndarray, rotations: np.ndarray, query_ns: np.ndarray) -> np.ndarray:
    """Spherical interpolation of (N, 3, 3) rotations at (Q,) times: (Q, 3, 3). Ends hold outside the track."""
    if len(times_ns) == 1:
        return np.repeat(rotations, len(query_ns), axis=0)
    before, share = steps_at(times_ns, query_ns)
    return rotations_between(rotations[before], rotations[before + 1], share)


def steps_at(times_ns: np.ndarray, query_ns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """In which step between (N,) times, two or more, each of (Q,) times lies: (Q,) number of the time before, and (Q,)
    share of the step that has gone by. Outside it is the nearest end."""
    known = (times_ns - times_ns[0]).astype(np.float64)
    at = (np.minimum(np.maximum(query_ns, times_ns[0]), times_ns[-1]) - times_ns[0]).astype(np.float64)
    before = np.maximum(np.searchsorted(known, at) - 1, 0)
    return before, (at - known[before]) / (known[before + 1] - known[before])


def rotations_between(before: np.ndarray, after: np.ndarray, share: np.ndarray) -> np.ndarray:
    """(Q, 3, 3) rotations on the way from one to another, the (Q,) shares of it, at constant angular speed."""
    start = Rotation.from_matrix(before)
    turn = (start.inv() * Rotation.from_matrix(after)).as_rotvec()
    return (start * Rotation.from_rotvec(turn * share[:, None])).as_matrix()


def runs_without_gaps(times_ns: np.ndarray, max_gap_s: float = MAX_GAP_S) -> list[tuple[int, int]]:
    """First and last index (inclusive) of every run of (N,) times whose steps are at most `max_gap_s`."""
    cuts = np.flatnonzero(np.diff(times_ns) > round(max_gap_s * 1e9))
    starts = np.concatenate([[0], cuts + 1])
    ends = np.concatenate([cuts, [len(times_ns) - 1]])
    return [(int(a), int(b)) for a, b in zip(starts, ends, strict=True)]
