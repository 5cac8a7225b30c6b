"""Image files of KITTI's sequences, and the size of an image, which KITTI's calibration does not say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings.images import check_image, read_image
from st_vlm.recordings.tables import not_allowed

# Rectification gave the images of each day of recording their own size, and each day has its own focal length.
SIZE_OF_FOCAL_LENGTH = {
    721.5377: (1242, 375),
    707.0493: (1224, 370),
    707.0912: (1226, 370),
    718.3351: (1238, 374),
    718.856: (1241, 376),
}
SUFFIXES = (".png", ".jpg", ".jpeg")


def image_size(
    calibration: Path, projection: np.ndarray, folders: Sequence[Path], extent: tuple[float, float]
) -> tuple[int, int]:
    """Width and height in pixels of a camera's images.

    By KITTI's own focal lengths; for other calibrations, from the first image found; without any, the extent of the
    labels' 2D boxes, which end at the image's edges where an object leaves it.

    Args:
        calibration: The file that the projection is from, for the sentence.
        projection: (3, 4) projection matrix.
        folders: Where to look for an image: the camera's own folder and those of cameras rectified with it.
        extent: Largest right and bottom border of the labels' 2D boxes, pixels.

    Raises:
        InputError: The principal point does not lie in the middle of an image of that size.
    """
    focal, cx, cy = projection[0, 0], projection[0, 2], projection[1, 2]
    for known, size in SIZE_OF_FOCAL_LENGTH.items():
        if abs(focal - known) < 1e-3:
            return size
    image = next((files[min(files)] for files in map(image_files, folders) if files), None)
    if image is None:
        # Borders are counted from 0, so the last column of 1242 is 1241.
        width, height = (math.ceil(border) + 1 for border in extent)
    else:
        height, width = read_image(image).shape[:2]
    if not (width / 4 < cx < width * 3 / 4 and height / 4 < cy < height * 3 / 4):
        raise InputError(
            f"{calibration}: the principal point ({cx:g}, {cy:g}) is not near the middle of an image of "
            f"{width}x{height} pixels, the size by {image or 'the labels'}. Use the original images, or scale the "
            "calibration with them."
        )
    return width, height


def image_files(folder: Path) -> dict[int, Path]:
    """Frame -> image file, in the order of the frames; empty where there is no folder. PNG wins over JPEG.

    Raises:
        InputError: The folder cannot be read, or an image's name is not a frame's number.
    """
    try:
        found = [path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.name[0] != "."]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise not_allowed(folder, error) from None
    files: dict[int, Path] = {}
    for path in sorted(found, key=lambda path: (SUFFIXES.index(path.suffix.lower()), path.name)):
        if not (path.stem.isascii() and path.stem.isdigit()):
            raise InputError(
                f"The image {path} is not named by its frame, such as 000012.png. Restore its name, or remove it."
            )
        files.setdefault(int(path.stem), path)
    return dict(sorted(files.items()))


def sequence_images(folder: Path, count: int, size: tuple[int, int], calibration: Path) -> tuple[Path, ...]:
    """The image files of frames 0 to count - 1, all there and of one size.

    Raises:
        InputError: An image is missing, cannot be decoded or has another size, or there are images of later frames.
    """
    files = image_files(folder)
    if not files:
        raise InputError(f"{folder} has no image. Download the sequence's images, or read it without images.")
    later = max(files) + 1
    missing = [frame for frame in range(count) if frame not in files]
    if later > count or (missing and missing[0] == later):
        raise InputError(
            f"{folder} has images of {later} frames, but there are poses for {count}. There must be a pose an image: "
            "restore the poses or the images, or read the sequence without images."
        )
    if missing:
        raise InputError(
            f"The image {folder / f'{missing[0]:06d}.png'} is missing, the first of {len(missing)} that are. "
            "Restore the sequence's images, or read it without images."
        )
    paths = tuple(files[frame] for frame in range(count))
    for path in paths:
        check_image(path, size, calibration)
    return paths
