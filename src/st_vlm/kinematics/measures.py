"""What is told of one whole track: lengths for comparison with devkits, and the answers to the simplest questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.motion import (
    LEAST_METRES_IN_SOME_SECOND,
    OTHERS,
    PEOPLE,
    Moving,
    displacement,
    horizontal,
    mean_speed_kmh,
    path_length,
    static_test,
)
from st_vlm.kinematics.resampling import STEP_S, positions_at, time_grid

STEP_NS = round(STEP_S * 1e9)


@dataclass(frozen=True)
class TrackMeasures:
    """Measures of a whole track (DEFINITIONS, "Tracks and motion").

    Attributes:
        duration_s: Seconds from the first box to the last.
        path_m: Sum of straight 3D steps on the 0.5 s grid, raw: a parked car's jitter is in it.
        displacement_m: Straight 3D line from the first position to the last.
        static: Whether it stands still; None in the dead zone, where nothing is asked.
        distance_m: Horizontal path on the grid; 0 for a static object.
        mean_speed_kmh: Average of `distance_m` over the duration.
    """

    duration_s: float
    path_m: float
    displacement_m: float
    static: bool | None
    distance_m: float
    mean_speed_kmh: float


def measure_track(
    times_ns: np.ndarray, centres: np.ndarray, person: bool, slack_m: float = 0.0, sigma_m: float = 0.0
) -> TrackMeasures:
    """Measure a track of at least two boxes.

    Args:
        times_ns: (N,) int64 nanoseconds, increasing.
        centres: (N, 3) metres, world frame with z up.
        person: Which limits of the static test hold.
        slack_m: Pose slack, metres (see `pose_slack_m`).
        sigma_m: Standard deviation of the centres, metres; 0 for trusted annotations.
    """
    grid_ns = time_grid(int(times_ns[0]), int(times_ns[-1]))
    points = positions_at(times_ns, centres, grid_ns)
    plane = horizontal(points)
    duration_s = float(times_ns[-1] - times_ns[0]) * 1e-9
    moving = static_test((grid_ns - grid_ns[0]) * 1e-9, plane, person, slack_m, sigma_m)
    distance_m = 0.0 if moving is Moving.STATIC else path_length(plane)
    return TrackMeasures(
        duration_s=duration_s,
        path_m=path_length(points),
        displacement_m=displacement(points),
        static=None if moving is Moving.UNDECIDED else moving is Moving.STATIC,
        distance_m=distance_m,
        mean_speed_kmh=mean_speed_kmh(distance_m, duration_s),
    )


def measure_tracks(
    times_ns: Sequence[np.ndarray],
    centres: Sequence[np.ndarray],
    person: Sequence[bool],
    slack_m: float | Sequence[float] = 0.0,
    sigma_m: float | Sequence[float] = 0.0,
) -> list[TrackMeasures]:
    """`measure_track` of many tracks at once, an order of magnitude faster for short ones.

    Args:
        times_ns, centres: Of each of T tracks of at least two boxes, as in `measure_track`.
        person: (T,) which limits of the static test hold.
        slack_m, sigma_m: One number, or (T,) numbers.
    """
    if not len(times_ns):
        return []
    counts = np.array([len(own) for own in times_ns])
    at_ns, places = np.concatenate(times_ns), np.concatenate(centres)
    lasts = np.cumsum(counts) - 1
    duration_ns = at_ns[lasts] - at_ns[lasts - counts + 1]
    at_ns = at_ns - np.repeat(at_ns[lasts - counts + 1], counts)  # from each track's start

    # All grids one after another: the steps from each track's start, the last of them at its end.
    grid_counts = -(-duration_ns // STEP_NS) + 1
    grid_lasts = np.cumsum(grid_counts) - 1
    grid_firsts = grid_lasts - grid_counts + 1
    grid_ns = STEP_NS * (np.arange(grid_lasts[-1] + 1) - np.repeat(grid_firsts, grid_counts))
    grid_ns[grid_lasts] = duration_ns
    points = _interpolated(at_ns, places, counts, grid_ns, grid_counts)

    lengths_3d, lengths = (
        np.append(0.0, np.sqrt(np.square(np.diff(part, axis=0)).sum(axis=1))) for part in (points, points[:, :2])
    )
    lengths_3d[grid_firsts] = lengths[grid_firsts] = 0.0  # from one track to the next
    paths_m, distances_m = np.add.reduceat(lengths_3d, grid_firsts), np.add.reduceat(lengths, grid_firsts)
    displacements_m = np.sqrt(np.square(points[grid_lasts] - points[grid_firsts]).sum(axis=1))

    moving = _quickly_seen(points[:, :2], grid_ns, grid_firsts, person, slack_m, sigma_m)
    for i in (i for i, found in enumerate(moving) if found is None):
        own = slice(grid_firsts[i], grid_lasts[i] + 1)
        slack, sigma = (float(np.broadcast_to(value, len(counts))[i]) for value in (slack_m, sigma_m))
        moving[i] = static_test(grid_ns[own] * 1e-9, points[own, :2], bool(person[i]), slack, sigma)
    distances_m[[found is Moving.STATIC for found in moving]] = 0.0
    durations_s = duration_ns * 1e-9
    columns = (durations_s, paths_m, displacements_m, distances_m, mean_speed_kmh(distances_m, durations_s))
    static = [None if found is Moving.UNDECIDED else found is Moving.STATIC for found in moving]
    return [
        TrackMeasures(duration_s, path_m, displacement_m, still, distance_m, speed_kmh)
        for still, duration_s, path_m, displacement_m, distance_m, speed_kmh in zip(
            static, *(column.tolist() for column in columns), strict=True
        )
    ]


def _interpolated(
    at_ns: np.ndarray, places: np.ndarray, counts: np.ndarray, grid_ns: np.ndarray, grid_counts: np.ndarray
) -> np.ndarray:
    """(G, 3) places of all tracks at all their grid times, both counted from each track's start."""
    # Later tracks come later, so that one search serves all.
    apart_ns = int(at_ns.max()) + 1
    own, own_grid = (np.repeat(np.arange(len(counts)), times) for times in (counts, grid_counts))
    before = np.searchsorted(at_ns + own * apart_ns, grid_ns + own_grid * apart_ns, side="right") - 1
    before = np.minimum(before, (np.cumsum(counts) - 2)[own_grid])
    share = (grid_ns - at_ns[before]) / (at_ns[before + 1] - at_ns[before])
    return places[before] + share[:, None] * (places[before + 1] - places[before])


def _quickly_seen(
    plane: np.ndarray,
    grid_ns: np.ndarray,
    firsts: np.ndarray,
    person: Sequence[bool],
    slack_m: float | Sequence[float],
    sigma_m: float | Sequence[float],
) -> list[Moving | None]:
    """The static test of each track where bounds settle it, else None."""
    person = np.asarray(person, bool)
    slack = np.asarray(slack_m) + 3 * np.asarray(sigma_m)
    sides = np.maximum.reduceat(plane, firsts) - np.minimum.reduceat(plane, firsts)
    static_below = np.where(person, PEOPLE.static_below, OTHERS.static_below) + slack
    moving_above = np.where(person, PEOPLE.moving_above, OTHERS.moving_above) + slack
    static = np.hypot(*sides.T) <= static_below
    # Two steps of the grid are one second, unless they lead to a track's end or into the next track.
    second = np.zeros(len(plane))
    whole = grid_ns[2:] - grid_ns[:-2] == 2 * STEP_NS
    second[:-2] = np.where(whole, np.hypot(*(plane[2:] - plane[:-2]).T), 0.0)
    moves = (sides.max(axis=1) >= moving_above) & (np.maximum.reduceat(second, firsts) >= LEAST_METRES_IN_SOME_SECOND)
    return [
        Moving.STATIC if still else Moving.MOVING if moved else None
        for still, moved in zip(static.tolist(), moves.tolist(), strict=True)
    ]


def pose_slack_m(times_ns: np.ndarray, ego_times_ns: np.ndarray, ego_centres: np.ndarray, share: float) -> float:
    """Allowance for drifting ego poses during a track, metres: a share of the horizontal ego path on its grid.

    Args:
        times_ns: (N,) int64 nanoseconds of the track.
        ego_times_ns, ego_centres: (P,) int64 nanoseconds and (P, 3) metres of the recording platform.
        share: 0 for trusted poses, 0.05 for visual odometry.
    """
    if share == 0:
        return 0.0
    grid_ns = time_grid(int(times_ns[0]), int(times_ns[-1]))
    return share * path_length(horizontal(positions_at(ego_times_ns, ego_centres, grid_ns)))
