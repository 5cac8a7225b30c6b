"""Sweeps, ego poses and boxes of one recording of nuPlan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.recordings.nuplan_log import AGAIN, EGO_POSE, LogDatabase, ego_poses, finite, name_of, nanoseconds
from st_vlm.recordings.nuplan_parts import Part
from st_vlm.recordings.recording import Track, check_increasing

# SQLite before 3.32 takes 999 values a query.
_MOST_VALUES = 900
BOX_COLUMNS = ("x", "y", "z", "length", "width", "height", "yaw")


@dataclass(frozen=True, eq=False)
class Sweeps:
    """Lidar sweeps in the order of time.

    Attributes:
        tokens: S keys of the table `lidar_pc`.
        times_ns: (S,) int64.
        world_from_ego: (S, 4, 4).
    """

    tokens: list
    times_ns: np.ndarray
    world_from_ego: np.ndarray

    @property
    def span_us(self) -> tuple[int, int]:
        """First and last time, microseconds as in the file."""
        return int(self.times_ns[0]) // 1000, int(self.times_ns[-1]) // 1000


def read_sweeps(log: LogDatabase, part: Part) -> Sweeps:
    """The sweeps of a part with their ego poses.

    Raises:
        InputError: No sweep, a time that repeats or contradicts the sweeps' links, or an ego pose that is missing or
            none.
    """
    rows = log.rows(
        f"SELECT lidar_pc.token, lidar_pc.next_token, lidar_pc.timestamp, {EGO_POSE} "
        "FROM lidar_pc LEFT JOIN ego_pose ON ego_pose.token = lidar_pc.ego_pose_token "
        f"WHERE {part.where} ORDER BY lidar_pc.timestamp",
        part.values,
    )
    if not rows:
        raise InputError(f"{log.path}: no sweep of the table lidar_pc belongs to {part.id}. {AGAIN}")
    tokens = [row[0] for row in rows]
    times_ns = nanoseconds(log, "lidar_pc", [row[2] for row in rows])
    check_increasing(times_ns, f"{log.path}, table lidar_pc")
    place = {token: i for i, token in enumerate(tokens)}
    for i, row in enumerate(rows):
        if place.get(row[1], i + 1) <= i:
            raise InputError(
                f"{log.path}: in lidar_pc the sweep after {name_of(row[0])} is said to be {name_of(row[1])}, but its "
                f"timestamp is not later. {AGAIN}"
            )
    return Sweeps(tokens, times_ns, ego_poses(log, "lidar_pc", [(row[0], *row[3:]) for row in rows]))


def read_tracks(log: LogDatabase, part: Part, sweeps: Sweeps) -> tuple[Track, ...]:
    """The boxes of a part's sweeps as tracks, in the order of their ids; centres in the frame of the log's map.

    Raises:
        InputError: A box or track refers to a row that is not there, or a box is none.
    """
    boxes = log.rows(
        f"SELECT lidar_pc_token, track_token, {', '.join(BOX_COLUMNS)} FROM lidar_box "
        f"WHERE lidar_pc_token IN (SELECT token FROM lidar_pc WHERE {part.where})",
        part.values,
    )
    if not boxes:
        return ()
    sweep_of = {token: i for i, token in enumerate(sweeps.tokens)}
    sweep = np.array([sweep_of[box[0]] for box in boxes])
    ids: dict[object, int] = {}
    track = np.array([ids.setdefault(box[1], len(ids)) for box in boxes])
    categories = _categories(log, list(ids))
    for token in ids:
        if token not in categories:
            raise InputError(
                f"{log.path}: a box of {part.id} refers to the track {name_of(token)}, which is not there."
            )
    numbers = finite(
        log,
        "lidar_box",
        BOX_COLUMNS,
        [box[2:] for box in boxes],
        lambda i: f"the box of track {name_of(boxes[i][1])} at {sweeps.times_ns[sweep[i]] // 1000} us",
    )
    rotations = rotation_about_up(numbers[:, 6])
    order = np.lexsort((sweep, track))
    starts = np.flatnonzero(np.diff(track[order])) + 1
    tracks = []
    for token, rows in zip(ids, np.split(order, starts), strict=True):
        try:
            tracks.append(
                Track(
                    id=name_of(token),
                    category=_category(log, token, categories[token]),
                    times_ns=sweeps.times_ns[sweep[rows]],
                    centres=numbers[rows, :3],
                    sizes=numbers[rows, 3:6],
                    rotations=rotations[rows],
                )
            )
        except InputError as error:
            raise InputError(f"{log.path}: {error}") from None
    return tuple(sorted(tracks, key=lambda track: track.id))


def _categories(log: LogDatabase, tracks: list) -> dict[object, list[tuple]]:
    """Track -> the rows (category token, category name) that say what it is; of these tracks alone.

    The table has every track of the log, tens of thousands.
    """
    found: dict[object, list[tuple]] = {}
    for start in range(0, len(tracks), _MOST_VALUES):
        asked = tracks[start : start + _MOST_VALUES]
        for token, *category in log.rows(
            "SELECT track.token, track.category_token, category.name "
            "FROM track LEFT JOIN category ON category.token = track.category_token "
            f"WHERE track.token IN ({', '.join('?' * len(asked))})",
            asked,
        ):
            found.setdefault(token, []).append(tuple(category))
    return found


def _category(log: LogDatabase, track: object, rows: list[tuple]) -> str:
    token, name = rows[0]
    if len(rows) > 1:
        raise InputError(f"the track {name_of(track)} or its category occurs more than once. {AGAIN}")
    if not isinstance(name, str) or not name:
        raise InputError(
            f"the track {name_of(track)} refers to the category {name_of(token)}, which is not there or has no name. "
            f"{AGAIN}"
        )
    return name
