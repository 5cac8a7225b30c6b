"""What the boxes of marked objects tell about motion, one row of numbers a frame: the input of track tokens.

Frame of reference: the first camera's, made level: origin below the camera, x where it looks, y to its left, metres.
Everything is a plain number of order one; NaN where it is not known.
"""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.ground_tracks import Sight, ground_tracks, levelled
from st_vlm.kinematics.headings import (
    HOUR_RAD,
    clockwise_turn,
    final_heading,
    hour_runs,
    initial_heading,
    step_headings,
)
from st_vlm.kinematics.lifting import BORDER_SHARE

# The order of a row's numbers. What a group needs is said in `Sight`.
BOX_FEATURES = (
    "x", "y", "log_width", "log_height", "cut_at_side", "cut_at_top", "cut_at_bottom", "time", "log_step",
    "time_left", "first_seen", "last_seen",
)  # fmt: skip
CAMERA_FEATURES = (
    "log_focal", "log_camera_height", "camera_x", "camera_y", "camera_yaw_cos", "camera_yaw_sin",
    "camera_step_forward", "camera_step_left", "camera_step_yaw", "log_angular_height",
)  # fmt: skip
PLACE_FEATURES = (
    "raw_place_x", "raw_place_y", "place_x", "place_y", "log_distance", "log_place_sigma", "log_object_height",
    "velocity_x", "velocity_y", "log_speed", "log_speed_sigma", "log_path", "log_mean_speed", "log_net",
    "net_cos", "net_sin", "log_extent_in_sigmas",
    "heading_cos", "heading_sin", "turn_cos", "turn_sin", "turn_hours",
    "last_turn_cos", "last_turn_sin", "last_turn_hours",
    "run_cos", "run_sin", "run_start", "run_end",
)  # fmt: skip
FEATURES = BOX_FEATURES + CAMERA_FEATURES + PLACE_FEATURES

# The chord of DEFINITIONS, "Headings", for vehicles.
CHORD_M = 2.0
# A displacement of this length has half a direction: that of a shorter one is mostly noise.
STANDING_M = 0.3


def box_motion(times_s: np.ndarray, boxes: np.ndarray, sight: Sight) -> np.ndarray:
    """Numbers about N marked objects in T frames.

    Args:
        times_s: (T,) seconds, strictly increasing.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels; NaN where an object is not seen.
        sight: The camera.

    Returns:
        (N, T, len(FEATURES)) float64.
    """
    n, count = boxes.shape[:2]
    columns = dict.fromkeys(FEATURES, np.full((n, count), np.nan))
    columns |= _of_boxes(times_s, boxes, sight)
    level = None if sight.poses is None else levelled(sight.poses)
    columns |= _of_camera(boxes, sight, level)
    columns |= _of_places(times_s, boxes, sight, level)
    return np.stack([np.broadcast_to(columns[name], (n, count)) for name in FEATURES], axis=-1)


def _of_boxes(times_s: np.ndarray, boxes: np.ndarray, sight: Sight) -> dict[str, np.ndarray]:
    size = np.asarray(sight.size, np.float64)
    low, high = boxes[..., :2] / size, boxes[..., 2:] / size
    middle, extent = low + high - 1, np.maximum(high - low, 1e-4)
    unseen = np.where(np.isnan(boxes).any(axis=-1), np.nan, 0.0)
    seen = np.isfinite(unseen)
    near_low, near_high = low < BORDER_SHARE, high > 1 - BORDER_SHARE
    return {
        "x": middle[..., 0],
        "y": middle[..., 1],
        "log_width": np.log(extent[..., 0]),
        "log_height": np.log(extent[..., 1]),
        "cut_at_side": unseen + (near_low[..., 0] | near_high[..., 0]),
        "cut_at_top": unseen + near_low[..., 1],
        "cut_at_bottom": unseen + near_high[..., 1],
        "time": times_s / 10,
        "log_step": np.log(np.diff(times_s, prepend=np.nan)),
        "time_left": (times_s[-1] - times_s) / 10,
        "first_seen": seen & (np.cumsum(seen, axis=1) == 1),
        "last_seen": seen & (np.cumsum(seen[:, ::-1], axis=1)[:, ::-1] == 1),
    }


def _of_camera(boxes: np.ndarray, sight: Sight, level: np.ndarray | None) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    if sight.height_m is not None:
        columns["log_camera_height"] = np.asarray(np.log(sight.height_m))
    if sight.intrinsics is not None:
        columns["log_focal"] = np.asarray(np.log(sight.intrinsics[0, 0] / sight.size[0]))
        tall = np.maximum(boxes[..., 3] - boxes[..., 1], 1e-4 * sight.size[1])
        columns["log_angular_height"] = np.log(tall / sight.intrinsics[1, 1]) / 2
    if level is not None:
        place, forward = level[:, :2, 3], level[:, :2, 2]
        yaw = np.arctan2(forward[:, 1], forward[:, 0])
        step = np.diff(place, axis=0, prepend=np.nan)
        turn = np.diff(yaw, prepend=np.nan)
        columns |= {
            "camera_x": _compressed(place[:, 0]),
            "camera_y": _compressed(place[:, 1]),
            "camera_yaw_cos": np.cos(yaw),
            "camera_yaw_sin": np.sin(yaw),
            "camera_step_forward": _compressed(step[:, 0] * np.cos(yaw) + step[:, 1] * np.sin(yaw)),
            "camera_step_left": _compressed(step[:, 1] * np.cos(yaw) - step[:, 0] * np.sin(yaw)),
            "camera_step_yaw": 5 * np.arctan2(np.sin(turn), np.cos(turn)),
        }
    return columns


def _of_places(times_s: np.ndarray, boxes: np.ndarray, sight: Sight, level: np.ndarray) -> dict[str, np.ndarray]:
    tracks = ground_tracks(times_s, boxes, sight)
    if tracks is None:
        return {}
    lifted, known = tracks.lifted, tracks.known
    places, velocities = tracks.smooth.places, tracks.smooth.velocities
    variances = np.diagonal(tracks.smooth.covariances, axis1=-2, axis2=-1)
    place_sigma, speed_sigma = np.sqrt(variances[..., :2].mean(-1)), np.sqrt(variances[..., 2:].mean(-1))
    inside = np.where(known[..., None], places, np.nan)
    steps = np.nan_to_num(np.linalg.norm(np.diff(inside, axis=1, prepend=inside[:, :1]), axis=-1))
    start = places[np.arange(len(places)), known.argmax(axis=1)][:, None]
    path = np.cumsum(steps, axis=1)
    elapsed = np.maximum(times_s - times_s[known.argmax(axis=1)][:, None], 1e-3)
    reach = np.nan_to_num(np.linalg.norm(inside[:, :, None] - inside[:, None], axis=-1)).max(axis=(1, 2))
    net = np.linalg.norm(places - start, axis=-1)
    speed = np.linalg.norm(velocities, axis=-1)
    heading, turn, last_turn = _headings(times_s, places, known)
    run_turn, run_start, run_end = _runs(times_s, places, known)
    columns = {
        "raw_place_x": _compressed(lifted.places[..., 0]),
        "raw_place_y": _compressed(lifted.places[..., 1]),
        "place_x": _compressed(places[..., 0]),
        "place_y": _compressed(places[..., 1]),
        "log_distance": np.log1p(np.linalg.norm(places - level[:, :2, 3], axis=-1)) / 2,
        "log_place_sigma": np.log(place_sigma),
        "log_object_height": np.log(lifted.heights)[:, None],
        "velocity_x": _compressed(velocities[..., 0]),
        "velocity_y": _compressed(velocities[..., 1]),
        "log_speed": np.log(speed + 0.1),
        "log_speed_sigma": np.log(speed_sigma),
        "log_path": np.log(path + 0.1),
        "log_mean_speed": np.log(path / elapsed + 0.1),
        "log_net": np.log(net + 0.1),
        "net_cos": (places - start)[..., 0] / (net + STANDING_M),
        "net_sin": (places - start)[..., 1] / (net + STANDING_M),
        "log_extent_in_sigmas": np.log(reach / place_sigma.mean(axis=1) + 0.1)[:, None],
        "heading_cos": np.cos(heading),
        "heading_sin": np.sin(heading),
        "turn_cos": np.cos(turn),
        "turn_sin": np.sin(turn),
        "turn_hours": turn * 2 / np.pi,
        "last_turn_cos": np.cos(last_turn),
        "last_turn_sin": np.sin(last_turn),
        "last_turn_hours": last_turn * 2 / np.pi,
        "run_cos": np.cos(run_turn),
        "run_sin": np.sin(run_turn),
        "run_start": run_start / 10,
        "run_end": run_end / 10,
    }
    return {name: np.where(known, values, np.nan) for name, values in columns.items()}


def _headings(times_s: np.ndarray, places: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    """Headings in radians, NaN where an object stands, each (N, T).

    Returns:
        The heading of each frame, anticlockwise from x; its clockwise turn since the object first moved; and that
        of the last chord which ends in the frame.
    """
    headings, turns, last_turns = (np.full(places.shape[:2], np.nan) for _ in range(3))
    for k, where in enumerate(known):
        frames = np.flatnonzero(where)
        track = places[k, frames]
        first = initial_heading(track, CHORD_M) if len(frames) > 1 else None
        if first is None:
            continue
        steps = step_headings(times_s[frames], track, CHORD_M)
        for j, heading in zip(frames, [*steps, steps[-1]], strict=True):
            if heading is not None:
                headings[k, j], turns[k, j] = heading, clockwise_turn(first, heading)
        for stop, j in enumerate(frames, start=1):
            last = final_heading(track[:stop], CHORD_M)
            if last is not None:
                last_turns[k, j] = clockwise_turn(first, last)
    return headings, turns, last_turns


def _runs(times_s: np.ndarray, places: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of the run of one hour that a frame lies in: its hour as a clockwise turn in radians, and its start and end in
    seconds, each (N, T); NaN where an object stands.
    """
    turns, starts, ends = (np.full(places.shape[:2], np.nan) for _ in range(3))
    for k, where in enumerate(known):
        frames = np.flatnonzero(where)
        if len(frames) < 2:
            continue
        runs = hour_runs(times_s[frames], places[k, frames], CHORD_M)
        # A run begins with its first frame, and the last of them ends with the last frame.
        its_run = np.searchsorted([run.start_s for run in runs], times_s[frames], side="right") - 1
        for j, number in zip(frames, its_run, strict=True):
            run = runs[number]
            if run.hour is not None:
                turns[k, j], starts[k, j], ends[k, j] = run.hour * HOUR_RAD, run.start_s, run.end_s
    return turns, starts, ends


def _compressed(metres: np.ndarray) -> np.ndarray:
    """Sign kept, size on a logarithmic scale that is linear near 0."""
    return np.arcsinh(metres)
