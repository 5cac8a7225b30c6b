"""Image files of the native layouts."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, UnidentifiedImageError

from st_vlm.errors import InputError
from st_vlm.recordings.tables import not_allowed


def path_inside(root: Path, relative: str, table: Path) -> Path:
    """The file that a table names relative to the dataset's folder.

    The check is on the name alone, so that folders of images may be links to another disk.

    Raises:
        InputError: The name leads out of the folder.
    """
    parts = PurePosixPath(relative.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or not parts.parts or "\0" in relative:
        raise InputError(f"{table}: the file name {relative!r} leads out of the dataset's folder {root}.")
    return root / parts


def check_image(path: Path, size: tuple[int, int], table: Path) -> None:
    """Refuse an image whose header cannot be read or whose size is not the calibration's; decodes nothing.

    Args:
        path: The image file.
        size: Width and height in pixels that the intrinsics hold for.
        table: Where the size is written, for the sentence.
    """
    try:
        with Image.open(path) as image:
            found = image.size
    except FileNotFoundError:
        raise InputError(f"The image {path} is missing. Restore it, or choose another camera.") from None
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise _unreadable(path, error) from None
    if found != size:
        raise InputError(
            f"The image {path} has {found[0]}x{found[1]} pixels, but {table} says {size[0]}x{size[1]}: "
            "boxes would be drawn in wrong places. Use the original images, or scale the table's size and "
            "intrinsics with them."
        )


def read_image(path: Path) -> np.ndarray:
    """An image file as (H, W, 3) uint8 RGB.

    Raises:
        InputError: The file is missing or cannot be decoded.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except FileNotFoundError:
        raise InputError(f"The image {path} is missing. Restore it, or choose another camera.") from None
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError, SyntaxError) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.strerror:
        return not_allowed(path, error)
    # Pillow's own sentence for an unknown format repeats the path.
    reason = "unknown format" if isinstance(error, UnidentifiedImageError) else error
    return InputError(f"The image {path} cannot be decoded ({reason}). Restore it.")
