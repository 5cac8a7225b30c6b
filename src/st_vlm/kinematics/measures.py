"""What is told of one whole track: lengths for comparison with devkits, and the answers to the simplest questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.motion import (
    Moving,
    displacement,
    horizontal,
    mean_speed_kmh,
    path_length,
    static_test,
)
from st_vlm.kinematics.resampling import positions_at, time_grid


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
