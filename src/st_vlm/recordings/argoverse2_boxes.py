"""Argoverse 2's ego poses and boxes.

Boxes are annotated in the ego frame of their own sweep and brought to the city frame by the pose at exactly that
time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion, transform
from st_vlm.kinematics.resampling import positions_at, rotations_at
from st_vlm.recordings.recording import Track, check_increasing
from st_vlm.recordings.tables import Labels, is_file, read_feather

ANNOTATIONS = "annotations.feather"
# Logs for scenario mining have this table instead: the same boxes and one of the ego vehicle a sweep.
ANNOTATIONS_WITH_EGO = "annotations_with_ego.feather"
EGO_POSES = "city_SE3_egovehicle.feather"
EGO_VEHICLE = "EGO_VEHICLE"
QUATERNION = ("qw", "qx", "qy", "qz")
TRANSLATION = ("tx_m", "ty_m", "tz_m")
SIZE = ("length_m", "width_m", "height_m")
# A pose is interpolated only between two poses this close: they come at some 170 Hz.
MAX_POSE_GAP_NS = 100_000_000


@dataclass(frozen=True, eq=False)
class EgoPoses:
    """The way of the ego vehicle.

    Attributes:
        path: The file.
        times_ns: (P,) int64, strictly increasing.
        city_from_ego: (P, 4, 4).
    """

    path: Path
    times_ns: np.ndarray
    city_from_ego: np.ndarray

    def rows_at(self, times_ns: np.ndarray, whose: Path) -> np.ndarray:
        """(N,) indices of the poses at exactly the (N,) times, which stand in the file `whose`.

        Raises:
            InputError: There is no pose at one of the times.
        """
        rows = np.clip(np.searchsorted(self.times_ns, times_ns), 0, len(self.times_ns) - 1)
        unknown = self.times_ns[rows] != times_ns
        if unknown.any():
            raise InputError(
                f"{self.path} has no pose at {times_ns[unknown.argmax()]} ns, a time of {whose.name}. "
                "Download the log again."
            )
        return rows

    def between(self, times_ns: np.ndarray) -> np.ndarray:
        """(Q, 4, 4) poses at times from the first to the last: straight in translation, spherical in rotation.

        Raises:
            InputError: One of the times lies in a hole of the known poses.
        """
        after = np.searchsorted(self.times_ns, times_ns)
        gaps = self.times_ns[after] - self.times_ns[np.maximum(after - 1, 0)]
        missing = (self.times_ns[after] != times_ns) & (gaps > MAX_POSE_GAP_NS)
        if missing.any():
            raise InputError(
                f"{self.path} has no pose around the image at {times_ns[missing.argmax()]} ns. "
                "Download the log again, or remove the image."
            )
        return pose(
            rotations_at(self.times_ns, self.city_from_ego[:, :3, :3], times_ns),
            positions_at(self.times_ns, self.city_from_ego[:, :3, 3], times_ns),
        )


def read_ego_poses(log: Path) -> EgoPoses:
    """The ego poses of a log.

    Raises:
        InputError: The table is missing, broken or empty, or its times do not increase.
    """
    path = log / EGO_POSES
    table = read_feather(path, ("timestamp_ns", *QUATERNION, *TRANSLATION))
    times_ns = _times(path, table)
    if not len(times_ns):
        raise InputError(f"{path} has no pose. Download the log again.")
    check_increasing(times_ns, str(path))
    return EgoPoses(path, times_ns, poses_of(path, table))


def poses_of(path: Path, table: dict[str, np.ndarray]) -> np.ndarray:
    """(N, 4, 4) poses of a table's quaternions and translations.

    Raises:
        InputError: A quaternion's length is not 1: a zero one, or columns that were mixed up.
    """
    wxyz = np.stack([table[name] for name in QUATERNION], axis=-1)
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(wxyz, axis=-1)
    bad = np.abs(lengths - 1) > 0.01
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{path}: the quaternion in row {row} is no rotation (its length is {lengths[row]:.3g}, not 1). "
            "Download it again."
        )
    return pose(rotation_from_quaternion(wxyz), np.stack([table[name] for name in TRANSLATION], axis=-1))


def annotations_path(log: Path) -> Path:
    """The log's table of boxes: `annotations.feather` where it is there or neither is."""
    with_ego = log / ANNOTATIONS_WITH_EGO
    return with_ego if is_file(with_ego) and not is_file(log / ANNOTATIONS) else log / ANNOTATIONS


def read_boxes(log: Path, ego: EgoPoses) -> tuple[tuple[Track, ...], np.ndarray]:
    """The tracks of a log in the city frame, and the (S,) times of its annotated sweeps.

    The boxes of the ego vehicle are the recording platform, not an object: they count as sweeps alone.

    Raises:
        InputError: The table is missing or broken, a box has no pose at its time, or a track cannot be used.
    """
    path = annotations_path(log)
    table = read_feather(
        path,
        ("timestamp_ns", *SIZE, *QUATERNION, *TRANSLATION),
        text=("track_uuid", "category"),
        optional=("num_interior_pts",),
    )
    times_ns = _times(path, table)
    city_from_ego = ego.city_from_ego[ego.rows_at(times_ns, path)]
    ego_from_box = poses_of(path, table)
    centres = transform(city_from_ego, ego_from_box[:, :3, 3])
    rotations = city_from_ego[:, :3, :3] @ ego_from_box[:, :3, :3]
    sizes = np.stack([table[name] for name in SIZE], axis=-1).astype(np.float64)
    points = table.get("num_interior_pts")

    ids, categories = table["track_uuid"], table["category"]
    tracks = []
    for rows in _rows_by_track(ids, categories):
        _check_category(path, ids[rows[0]], categories, rows)
        try:
            track = Track(
                id=ids[rows[0]],
                category=categories[rows[0]],
                times_ns=times_ns[rows],
                centres=centres[rows],
                sizes=sizes[rows],
                rotations=rotations[rows],
                lidar_points=None if points is None else points[rows],
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        tracks.append(track)
    return tuple(tracks), np.unique(times_ns)


def _times(path: Path, table: dict[str, np.ndarray]) -> np.ndarray:
    times_ns = table["timestamp_ns"]
    if not np.issubdtype(times_ns.dtype, np.integer):
        raise InputError(f"{path}: 'timestamp_ns' must be integer nanoseconds, not {times_ns.dtype}.")
    return times_ns.astype(np.int64)


def _rows_by_track(ids: Labels, categories: Labels) -> list[np.ndarray]:
    """The rows of every track but the ego's, in the order of the ids.

    Rows keep the file's order within a track, so that a track whose times run backwards is noticed.
    """
    objects = np.flatnonzero(categories.names[categories.codes] != EGO_VEHICLE)
    ranks = np.argsort(np.argsort(ids.names))[ids.codes[objects]]
    order = np.argsort(ranks, kind="stable")
    firsts = np.flatnonzero(np.diff(ranks[order], prepend=-1))
    return np.split(objects[order], firsts[1:]) if len(objects) else []


def _check_category(path: Path, track: str, categories: Labels, rows: np.ndarray) -> None:
    other = categories.codes[rows] != categories.codes[rows[0]]
    if other.any():
        raise InputError(
            f"{path}: track {track} changes its category from {categories[rows[0]]} to "
            f"{categories[rows[other.argmax()]]}. Download it again."
        )
