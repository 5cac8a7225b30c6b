"""Argoverse 2 sensor logs in their native layout, with or without images.

Boxes are annotated in the ego frame of their own sweep and brought to the city frame by the pose at exactly that
time.
"""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion, transform
from st_vlm.kinematics.resampling import positions_at, rotations_at
from st_vlm.recordings.images import check_image, read_image
from st_vlm.recordings.recording import Camera, Frames, Recording, Track, check_increasing
from st_vlm.recordings.tables import not_allowed, read_feather

LICENCE = "CC-BY-NC-SA-4.0"
SPLITS: dict[str, Literal["train", "validation", "test"]] = {"train": "train", "val": "validation", "test": "test"}
ANNOTATIONS = "annotations.feather"
EGO_POSES = "city_SE3_egovehicle.feather"
INTRINSICS = Path("calibration", "intrinsics.feather")
MOUNTS = Path("calibration", "egovehicle_SE3_sensor.feather")
CAMERAS = Path("sensors", "cameras")
QUATERNION = ("qw", "qx", "qy", "qz")
TRANSLATION = ("tx_m", "ty_m", "tz_m")
# A pose is interpolated for an image only between two poses this close: ego poses come at 170 Hz.
MAX_POSE_GAP_NS = 100_000_000


class Argoverse2:
    """The logs under a folder; a recording's id is its log's id.

    Args:
        path: One log, a split (a folder of logs), or the folder of the splits `train`, `val` and `test`. The logs of
            a split `test` that have no annotations are left out, as none are published.

    Raises:
        InputError: The folder holds no log.
    """

    name = "argoverse2"

    def __init__(self, path: str | PathLike) -> None:
        root = Path(path)
        if not root.is_dir():
            raise InputError(
                f"{root} is not a folder. Give a log of Argoverse 2, a split, or the folder of the splits."
            )
        if _is_log(root):
            logs = [Path(os.path.abspath(root))]
        else:
            splits = [root / name for name in SPLITS if (root / name).is_dir()]
            logs = [log for folder in splits or [root] for log in sorted(folder.iterdir()) if _is_log(log)]
        self._logs = {log.name: log for log in logs}
        if not logs:
            raise InputError(f"{root} holds no log of Argoverse 2: no folder in it has {ANNOTATIONS}.")
        if len(self._logs) < len(logs):
            raise InputError(f"{root} holds the same log in two splits. Give the path of one split.")

    def recording_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._logs))

    def cameras(self, recording_id: str) -> tuple[str, ...]:
        folder = self._log(recording_id) / CAMERAS
        try:
            if not folder.is_dir():
                return ()
            return tuple(sorted(camera.name for camera in folder.iterdir() if any(camera.glob("*.jpg"))))
        except OSError as error:
            raise not_allowed(folder, error) from None

    def read(self, recording_id: str, camera: str | None = None) -> Recording:
        log = self._log(recording_id)
        times_ns, city_from_ego = _ego_poses(log / EGO_POSES)
        seen = {} if camera is None else _camera_and_frames(log, camera, times_ns, city_from_ego)
        return Recording(
            id=recording_id,
            source=self.name,
            licence=LICENCE,
            tracks=_tracks(log / ANNOTATIONS, times_ns, city_from_ego),
            split=SPLITS.get(_split_folder(log), "train"),
            ego_times_ns=times_ns,
            ego_centres=city_from_ego[:, :3, 3],
            **seen,
        )

    def _log(self, recording_id: str) -> Path:
        if recording_id not in self._logs:
            raise InputError(f"No log {recording_id!r} among the {len(self._logs)} that were opened.")
        return self._logs[recording_id]


def _split_folder(log: Path) -> str:
    return Path(os.path.abspath(log)).parent.name


def _is_log(folder: Path) -> bool:
    """A folder with annotations, or with ego poses whose annotations got lost, or closed to us (`read` says so)."""
    try:
        if (folder / ANNOTATIONS).is_file():
            return True
        return (folder / EGO_POSES).is_file() and _split_folder(folder) != "test"
    except PermissionError:
        return True


def _rotations(path: Path, table: dict[str, np.ndarray]) -> np.ndarray:
    wxyz = np.stack([table[name] for name in QUATERNION], axis=-1)
    zero = np.linalg.norm(wxyz, axis=-1) < 1e-8
    if zero.any():
        raise InputError(f"{path}: the rotation in row {int(zero.argmax())} is a zero quaternion. Download it again.")
    return rotation_from_quaternion(wxyz)


def _translations(table: dict[str, np.ndarray]) -> np.ndarray:
    return np.stack([table[name] for name in TRANSLATION], axis=-1)


def _ego_poses(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(P,) nanoseconds and (P, 4, 4) city from ego."""
    table = read_feather(path, ("timestamp_ns", *QUATERNION, *TRANSLATION))
    if not len(table["timestamp_ns"]):
        raise InputError(f"{path} has no pose. Download the log again.")
    check_increasing(table["timestamp_ns"], str(path))
    return table["timestamp_ns"], pose(_rotations(path, table), _translations(table))


def _tracks(path: Path, pose_times_ns: np.ndarray, city_from_ego: np.ndarray) -> tuple[Track, ...]:
    columns = ("timestamp_ns", "length_m", "width_m", "height_m", *QUATERNION, *TRANSLATION)
    table = read_feather(path, columns, text=("track_uuid", "category"), optional=("num_interior_pts",))
    times_ns, ids = table["timestamp_ns"], table["track_uuid"].astype(str)
    if not np.issubdtype(times_ns.dtype, np.integer):
        raise InputError(f"{path}: 'timestamp_ns' must be integer nanoseconds, not {times_ns.dtype}.")
    at = np.clip(np.searchsorted(pose_times_ns, times_ns), 0, len(pose_times_ns) - 1)
    unknown = pose_times_ns[at] != times_ns
    if unknown.any():
        raise InputError(
            f"{path.with_name(EGO_POSES)} has no pose at {times_ns[unknown.argmax()]} ns, a time of {path.name}. "
            "Download the log again."
        )
    centres = transform(city_from_ego[at], _translations(table))
    rotations = city_from_ego[at, :3, :3] @ _rotations(path, table)
    sizes = np.stack([table["length_m"], table["width_m"], table["height_m"]], axis=-1).astype(np.float64)
    points = table.get("num_interior_pts")

    # A stable sort keeps the file's order within a track, so that a track whose times run backwards is noticed.
    order = np.argsort(ids, kind="stable")
    firsts = np.flatnonzero(np.append(True, ids[order][1:] != ids[order][:-1])) if len(ids) else []
    tracks = []
    for rows in np.split(order, firsts[1:]) if len(ids) else ():
        categories = set(table["category"][rows])
        if len(categories) > 1:
            raise InputError(
                f"{path}: track {ids[rows[0]]} changes its category ({', '.join(sorted(categories))}). "
                "Download it again."
            )
        try:
            track = Track(
                id=str(ids[rows[0]]),
                category=str(categories.pop()),
                times_ns=times_ns[rows],
                centres=centres[rows],
                sizes=sizes[rows],
                rotations=rotations[rows],
                lidar_points=None if points is None else points[rows],
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        tracks.append(track)
    return tuple(tracks)


def _camera_and_frames(log: Path, camera: str, pose_times_ns: np.ndarray, city_from_ego: np.ndarray) -> dict:
    intrinsics, size, distortion = _intrinsics(log / INTRINSICS, camera)
    mount = _mount(log / MOUNTS, camera)
    folder = log / CAMERAS / camera
    paths = sorted(folder.glob("*.jpg"), key=_image_time)
    if not paths:
        raise InputError(f"{folder} has no image. Download the log's images, or choose another camera.")
    times_ns = np.array([_image_time(path) for path in paths], dtype=np.int64)
    for path in paths:
        check_image(path, size, log / INTRINSICS)
    poses = _poses_at(log / EGO_POSES, pose_times_ns, city_from_ego, times_ns) @ mount
    above = log.parent.parent if _split_folder(log) in SPLITS else log.parent
    try:
        calibrated = Camera(camera, intrinsics, size, poses, "radial", distortion)
    except InputError as error:
        raise InputError(f"{log / INTRINSICS}: {error}") from None
    return {
        "camera": calibrated,
        "frames": Frames(
            times_ns,
            lambda index: read_image(paths[index]),
            tuple(path.relative_to(above).as_posix() for path in paths),
        ),
    }


def _image_time(path: Path) -> int:
    if not (path.stem.isascii() and path.stem.isdigit()) or int(path.stem) >= 2**63:
        raise InputError(f"The image {path} is not named by its time in nanoseconds. Restore its name, or remove it.")
    return int(path.stem)


def _row_of(path: Path, sensors: np.ndarray, camera: str) -> int:
    rows = np.flatnonzero(sensors == camera)
    if len(rows) != 1:
        raise InputError(
            f"{path} has {len(rows) or 'no'} rows for the camera {camera!r}, not one. Choose another of its sensors: "
            f"{', '.join(sorted(set(sensors)))}."
        )
    return int(rows[0])


def _intrinsics(path: Path, camera: str) -> tuple[np.ndarray, tuple[int, int], tuple[float, ...]]:
    """(3, 3) matrix in pixels, (width, height), and k1, k2, k3."""
    radial = ("k1", "k2", "k3")
    columns = ("fx_px", "fy_px", "cx_px", "cy_px", *radial, "width_px", "height_px")
    table = read_feather(path, columns, text=("sensor_name",))
    row = _row_of(path, table["sensor_name"], camera)
    fx, fy, cx, cy = (float(table[name][row]) for name in ("fx_px", "fy_px", "cx_px", "cy_px"))
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    size = int(table["width_px"][row]), int(table["height_px"][row])
    return matrix, size, tuple(float(table[name][row]) for name in radial)


def _mount(path: Path, camera: str) -> np.ndarray:
    """(4, 4) ego from camera."""
    table = read_feather(path, (*QUATERNION, *TRANSLATION), text=("sensor_name",))
    row = _row_of(path, table["sensor_name"], camera)
    return pose(_rotations(path, table), _translations(table))[row]


def _poses_at(path: Path, known_ns: np.ndarray, city_from_ego: np.ndarray, wanted_ns: np.ndarray) -> np.ndarray:
    """(Q, 4, 4) poses between the known ones: straight in translation, spherical in rotation."""
    after = np.searchsorted(known_ns, wanted_ns)
    held = np.clip(after, 0, len(known_ns) - 1)
    exact = known_ns[held] == wanted_ns
    gap = known_ns[held] - known_ns[np.maximum(after - 1, 0)]
    missing = ~exact & ((after == 0) | (after == len(known_ns)) | (gap > MAX_POSE_GAP_NS))
    if missing.any():
        raise InputError(f"{path} has no pose around the image at {wanted_ns[missing.argmax()]} ns. Remove the image.")
    rotations = rotations_at(known_ns, city_from_ego[:, :3, :3], wanted_ns)
    return pose(rotations, positions_at(known_ns, city_from_ego[:, :3, 3], wanted_ns))
