"""Cameras of nuPlan: calibration from pickles, images with their own times and ego poses."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion
from st_vlm.recordings.images import check_image, path_inside, read_image
from st_vlm.recordings.nuplan_log import AGAIN, EGO_POSE, LogDatabase, ego_poses, name_of, nanoseconds
from st_vlm.recordings.nuplan_tracks import Sweeps
from st_vlm.recordings.recording import Camera, Frames
from st_vlm.recordings.safe_pickle import BrokenPickle, UnsafePickle, load_numbers
from st_vlm.recordings.tables import is_file, not_allowed

SENSOR_BLOBS = "sensor_blobs"


def channels(log: LogDatabase) -> dict[str, object]:
    """Camera name -> token, in the order of the names.

    Raises:
        InputError: A camera has no name, or two have one.
    """
    found: dict[str, object] = {}
    for token, channel in log.rows("SELECT token, channel FROM camera ORDER BY channel"):
        if not isinstance(channel, str) or not channel:
            raise InputError(f"{log.path}: the camera {name_of(token)} has no channel. {AGAIN}")
        if channel in found:
            raise InputError(f"{log.path}: the table camera has several rows for {channel}. {AGAIN}")
        found[channel] = token
    return found


def channels_with_images(
    log: LogDatabase, span_us: tuple[int, int], blobs: Path | None, folders: dict[Path, bool]
) -> tuple[str, ...]:
    """Cameras of which at least one image of a span of time is on disk.

    Args:
        log: The log.
        span_us: First and last time.
        blobs: The folder that image names are relative to, or None.
        folders: Which folders of images are there, as far as known; more are added. Most logs come without images,
            and a disk on a network need not be asked for every image that is not there.
    """
    cameras = channels(log)
    if blobs is None:
        return ()
    names: dict[object, list[str]] = {}
    for token, filename in log.rows(
        "SELECT camera_token, filename_jpg FROM image WHERE timestamp BETWEEN ? AND ? ORDER BY timestamp", span_us
    ):
        names.setdefault(token, []).append(filename)
    return tuple(
        channel
        for channel, token in cameras.items()
        if any(_is_image(_image_path(log, blobs, filename), folders) for filename in names.get(token, ()))
    )


def camera_and_frames(
    log: LogDatabase, channel: str, sweeps: Sweeps, blobs: Path | None, images: bool
) -> tuple[Camera, Frames]:
    """A camera with the images between a recording's first sweep and its last.

    Args:
        log: The log.
        channel: The camera's name.
        sweeps: The recording's sweeps.
        blobs: The folder that image names are relative to, or None.
        images: False: no image file is needed; where the log lists no image of this camera, every second sweep gives
            a time and a pose.

    Raises:
        InputError: The calibration is not there or none, a pickle asks for more than numbers, an image is missing or
            of another size, or refers to a row that is not there.
    """
    cameras = channels(log)
    if channel not in cameras:
        raise InputError(f"{log.path} has no camera {channel}; it has {', '.join(cameras) or 'none'}.")
    intrinsics, size, distortion, ego_from_camera = _calibration(log, channel, cameras[channel])
    rows = _image_rows(log, channel, cameras[channel], sweeps.span_us)
    if rows:
        times_ns = nanoseconds(log, "image", [row[1] for row in rows])
        world_from_ego = ego_poses(log, "image", [(row[0], *row[3:]) for row in rows])
    else:
        times_ns, world_from_ego = sweeps.times_ns[::2], sweeps.world_from_ego[::2]
    if images:
        frames = _read_frames(log, channel, times_ns, [row[2] for row in rows], size, blobs)
    else:
        frames = _frames(log, channel, times_ns, None, ())
    model = ("brown_conrady", distortion) if distortion else ("none", ())
    try:
        return Camera(channel, intrinsics, size, world_from_ego @ ego_from_camera, *model), frames
    except InputError as error:
        raise InputError(f"{log.path}: {error}") from None


def _image_rows(log: LogDatabase, channel: str, token: object, span_us: tuple[int, int]) -> list[tuple]:
    """Rows (token, time, file name, ego pose …) of a camera's images, in the order of time."""
    lost = log.rows(
        "SELECT token, camera_token FROM image WHERE timestamp BETWEEN ? AND ? "
        "AND NOT EXISTS (SELECT 1 FROM camera WHERE camera.token = image.camera_token) LIMIT 1",
        span_us,
    )
    if lost:
        image, camera = map(name_of, lost[0])
        raise InputError(f"{log.path}: the image {image} refers to the camera {camera}, which is not there. {AGAIN}")
    return log.rows(
        f"SELECT image.token, image.timestamp, image.filename_jpg, {EGO_POSE} "
        "FROM image LEFT JOIN ego_pose ON ego_pose.token = image.ego_pose_token "
        "WHERE image.camera_token = ? AND image.timestamp BETWEEN ? AND ? ORDER BY image.timestamp",
        (token, *span_us),
    )


def _read_frames(
    log: LogDatabase, channel: str, times_ns: np.ndarray, names: list, size: tuple[int, int], blobs: Path | None
) -> Frames:
    if not names:
        raise InputError(f"{log.path} lists no image of {channel} in this recording. Choose another camera.")
    if blobs is None:
        raise InputError(
            f"The images of {log.path} are not found: no folder {SENSOR_BLOBS} lies beside it. Download them, or give "
            "their folder as the option sensor_blobs."
        )
    files = [_image_path(log, blobs, name) for name in names]
    for file in files:
        check_image(file, size, log.path)
    return _frames(
        log,
        channel,
        times_ns,
        lambda index: read_image(files[index]),
        tuple(f"{SENSOR_BLOBS}/{name}" for name in names),
    )


def _frames(log: LogDatabase, channel: str, times_ns: np.ndarray, read, paths: tuple[str, ...]) -> Frames:
    try:
        return Frames(times_ns, read, paths)
    except InputError as error:
        raise InputError(f"{log.path}, {channel}: {error}") from None


def _is_image(path: Path, folders: dict[Path, bool]) -> bool:
    folder = path.parent
    if folder not in folders:
        try:
            folders[folder] = folder.is_dir()
        except OSError as error:
            raise not_allowed(folder, error) from None
    return folders[folder] and is_file(path)


def _image_path(log: LogDatabase, blobs: Path, name: object) -> Path:
    if not isinstance(name, str):
        raise InputError(f"{log.path}: an image has no file name in filename_jpg (found {name!r}). {AGAIN}")
    return path_inside(blobs, name, log.path)


def _calibration(
    log: LogDatabase, channel: str, token: object
) -> tuple[np.ndarray, tuple[int, int], tuple[float, ...], np.ndarray]:
    """(3, 3) matrix in pixels, (width, height), k1 k2 p1 p2 k3 or nothing, and (4, 4) ego from camera."""
    row = log.rows(
        "SELECT intrinsic, translation, rotation, distortion, width, height FROM camera WHERE token = ?", (token,)
    )[0]
    intrinsics = _unpickled(log, channel, "intrinsic", row[0], (3, 3))
    translation = _unpickled(log, channel, "translation", row[1], (3,))
    rotation = _unpickled(log, channel, "rotation", row[2], (4,))
    # SQLAlchemy, which wrote these files, stores an empty list as NULL.
    distortion = np.empty(0) if row[3] is None else _unpickled(log, channel, "distortion", row[3], (-1,))
    if len(distortion) not in (0, 4, 5):
        raise InputError(
            f"{log.path}: the distortion of {channel} has {len(distortion)} numbers, not k1, k2, p1, p2, k3. {AGAIN}"
        )
    if np.linalg.norm(rotation) < 1e-8:
        raise InputError(f"{log.path}: the rotation of {channel} is a zero quaternion. {AGAIN}")
    size = row[4:]
    if not all(type(length) is int and length > 0 for length in size):
        raise InputError(f"{log.path}: width and height of {channel} are {size[0]!r} and {size[1]!r}. {AGAIN}")
    return intrinsics, size, tuple(distortion.tolist()), pose(rotation_from_quaternion(rotation), translation)


def _unpickled(log: LogDatabase, channel: str, column: str, blob: object, shape: tuple[int, ...]) -> np.ndarray:
    where = f"{log.path}, camera {channel}: the pickle in the column {column}"
    if not isinstance(blob, bytes):
        raise InputError(f"{where} is missing (found {blob!r}). {AGAIN}")
    try:
        return load_numbers(blob, shape)
    except UnsafePickle as error:
        raise InputError(
            f"{where} {error}. It is refused for safety and nothing in it was run: take the log from its publisher."
        ) from None
    except BrokenPickle as error:
        wanted = "x".join("any number of" if length < 0 else str(length) for length in shape)
        raise InputError(f"{where} does not hold {wanted} finite numbers ({error}). {AGAIN}") from None
