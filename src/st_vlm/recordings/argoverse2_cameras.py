"""Argoverse 2's cameras: calibration, and the images named by their times.

The images are published without lens distortion; `k1`, `k2`, `k3` of the calibration tell of the lenses before that
and are not to be applied to them.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings.argoverse2_boxes import QUATERNION, TRANSLATION, EgoPoses, annotations_path, poses_of
from st_vlm.recordings.images import check_image, read_image
from st_vlm.recordings.recording import Camera, Frames
from st_vlm.recordings.tables import Labels, not_allowed, read_feather

logger = logging.getLogger(__name__)

INTRINSICS = Path("calibration", "intrinsics.feather")
MOUNTS = Path("calibration", "egovehicle_SE3_sensor.feather")
IMAGES = Path("sensors", "cameras")


def cameras_with_images(log: Path) -> tuple[str, ...]:
    """The cameras that have an image, by name.

    Raises:
        InputError: A folder may not be entered.
    """
    folder = log / IMAGES
    try:
        if not folder.is_dir():
            return ()
        return tuple(sorted(camera.name for camera in folder.iterdir() if any(camera.glob("*.jpg"))))
    except OSError as error:
        raise not_allowed(folder, error) from None


def calibrated_cameras(log: Path) -> tuple[str, ...]:
    """The cameras that have both intrinsics and a mount, by name.

    Raises:
        InputError: A table of the calibration is missing or broken.
    """
    lenses, mounts = (read_feather(log / path, (), text=("sensor_name",)) for path in (INTRINSICS, MOUNTS))
    return tuple(sorted(map(str, np.intersect1d(lenses["sensor_name"].names, mounts["sensor_name"].names))))


def camera_at_images(log: Path, name: str, ego: EgoPoses, above: Path) -> tuple[Camera, Frames]:
    """A camera with its images, whose paths are given relative to the folder `above`.

    Images from before the first ego pose or after the last are left out with a warning: where they were taken from
    is not known.

    Raises:
        InputError: The calibration lacks the camera or is broken, or its images are missing, broken, of another size
            than the calibration's, or nowhere near an ego pose.
    """
    intrinsics, size = _intrinsics(log / INTRINSICS, name)
    mount = _mount(log / MOUNTS, name)
    folder = log / IMAGES / name
    paths = sorted(folder.glob("*.jpg"), key=_image_time)
    if not paths:
        raise InputError(f"{folder} has no image. Download the log's images, or choose another camera.")
    times_ns = np.array([_image_time(path) for path in paths], dtype=np.int64)
    posed = (times_ns >= ego.times_ns[0]) & (times_ns <= ego.times_ns[-1])
    if not posed.any():
        raise InputError(f"{folder}: no image lies within the times of {ego.path}. Download the log again.")
    if not posed.all():
        logger.warning(
            "%s: %d of %d images are left out: they are older or newer than every pose in %s.",
            folder,
            (~posed).sum(),
            len(paths),
            ego.path.name,
        )
    paths, times_ns = [paths[i] for i in np.flatnonzero(posed)], times_ns[posed]
    for path in paths:
        check_image(path, size, log / INTRINSICS)
    camera = _camera(log, name, intrinsics, size, ego.between(times_ns) @ mount)
    try:
        frames = Frames(
            times_ns,
            lambda index: read_image(paths[index]),
            tuple(path.relative_to(above).as_posix() for path in paths),
        )
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
    return camera, frames


def camera_at_sweeps(log: Path, name: str, ego: EgoPoses, sweeps_ns: np.ndarray) -> tuple[Camera, Frames]:
    """A camera as it stood at the (S,) times of the annotated sweeps; no image is looked for.

    Raises:
        InputError: The calibration lacks the camera or is broken, or there is no annotated sweep.
    """
    intrinsics, size = _intrinsics(log / INTRINSICS, name)
    mount = _mount(log / MOUNTS, name)
    path = annotations_path(log)
    if not len(sweeps_ns):
        raise InputError(f"{path} has no box, and so no time at which the camera {name} stood anywhere.")
    poses = ego.city_from_ego[ego.rows_at(sweeps_ns, path)] @ mount
    return _camera(log, name, intrinsics, size, poses), Frames(sweeps_ns, None)


def _camera(log: Path, name: str, intrinsics: np.ndarray, size: tuple[int, int], poses: np.ndarray) -> Camera:
    try:
        return Camera(name, intrinsics, size, poses)
    except InputError as error:
        raise InputError(f"{log / INTRINSICS}: {error}") from None


def _image_time(path: Path) -> int:
    if not (path.stem.isascii() and path.stem.isdigit()) or int(path.stem) >= 2**63:
        raise InputError(f"The image {path} is not named by its time in nanoseconds. Restore its name, or remove it.")
    return int(path.stem)


def _row_of(path: Path, sensors: Labels, camera: str) -> int:
    rows = np.flatnonzero(sensors.names[sensors.codes] == camera)
    if len(rows) != 1:
        raise InputError(
            f"{path} has {len(rows) or 'no'} rows for the camera {camera!r}, not one. Choose another of its sensors: "
            f"{', '.join(sorted(sensors.names))}."
        )
    return int(rows[0])


def _intrinsics(path: Path, camera: str) -> tuple[np.ndarray, tuple[int, int]]:
    """(3, 3) matrix in pixels, and (width, height)."""
    columns = ("fx_px", "fy_px", "cx_px", "cy_px", "width_px", "height_px")
    table = read_feather(path, columns, text=("sensor_name",))
    row = _row_of(path, table["sensor_name"], camera)
    fx, fy, cx, cy, width, height = (float(table[name][row]) for name in columns)
    if not (width.is_integer() and height.is_integer() and min(width, height) > 0):
        raise InputError(
            f"{path}: the camera {camera} cannot have {width:g}x{height:g} pixels. Restore the calibration."
        )
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), (int(width), int(height))


def _mount(path: Path, camera: str) -> np.ndarray:
    """(4, 4) ego from camera."""
    table = read_feather(path, (*QUATERNION, *TRANSLATION), text=("sensor_name",))
    row = _row_of(path, table["sensor_name"], camera)
    return poses_of(path, table)[row]
