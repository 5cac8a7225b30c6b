"""The text files of KITTI's tracking benchmark. Whatever is wrong with one ends as a sentence that names its line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings.tables import not_allowed

LABEL_COLUMNS = 17
OXTS_COLUMNS = 30
POSE_COLUMNS = 12
DONT_CARE = "DontCare"
# Far from rounding (matrices are written with seven digits or more), near enough to notice a wrong file.
ROTATION_TOLERANCE = 1e-3
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", re.ASCII)
# One matrix, several spellings: the tracking benchmark's own and those of the object benchmark.
_CALIBRATION = {
    "P2": ("P2", (3, 4)),
    "P3": ("P3", (3, 4)),
    "R_rect": ("R_rect", (3, 3)),
    "R0_rect": ("R_rect", (3, 3)),
    "R_rect_00": ("R_rect", (3, 3)),
    "Tr_velo_cam": ("Tr_velo_cam", (3, 4)),
    "Tr_velo_to_cam": ("Tr_velo_cam", (3, 4)),
    "Tr_imu_velo": ("Tr_imu_velo", (3, 4)),
    "Tr_imu_to_velo": ("Tr_imu_velo", (3, 4)),
}


@dataclass(frozen=True, eq=False)
class Labels:
    """The labelled objects of a sequence in the order of the file; DontCare regions are left out.

    Attributes:
        path: The file.
        lines: (N,) int, each row's line in the file, from 1.
        frames, ids: (N,) int64.
        categories: (N,) text.
        occluded: (N,) int64: 0 fully visible, 1 partly occluded, 2 largely occluded, 3 unknown.
        sizes: (N, 3) height, width, length in metres, as the file has them.
        bottoms: (N, 3) centre of the bottom face in the frame of the rectified camera 0, metres.
        rotation_y: (N,) radians about that camera's y axis.
        frame_count: One more than the largest frame of any row, DontCare or not.
        image_extent: Largest right and bottom border of any 2D box, in pixels.
    """

    path: Path
    lines: np.ndarray
    frames: np.ndarray
    ids: np.ndarray
    categories: np.ndarray
    occluded: np.ndarray
    sizes: np.ndarray
    bottoms: np.ndarray
    rotation_y: np.ndarray
    frame_count: int
    image_extent: tuple[float, float]


def read_labels(path: Path) -> Labels:
    """Read `label_02/{sequence}.txt`.

    Raises:
        InputError: The file is missing, empty or no text, a row has another number of columns, a number is none, a
            frame or identity is not a whole number, an object has no identity, or two boxes in one frame.
    """
    lines, rows = _rows(path, LABEL_COLUMNS)
    categories = np.array([row[2] for row in rows])
    numbers = _numbers(path, lines, [(*row[:2], *row[3:]) for row in rows])
    whole = _whole(path, lines, numbers, {0: "frame", 1: "track id", 3: "occlusion"})
    frames, ids, occluded = whole.T
    extent = numbers[:, 7:9].max(axis=0)
    kept = categories != DONT_CARE
    _check(path, lines, (frames < 0) | (frames >= 10**9), "the frame is not a frame's number")
    _check(path, lines, kept & (ids < 0), "an object has no track id")
    _check(path, lines, kept & ~np.isin(occluded, (0, 1, 2, 3)), "the occlusion is not 0, 1, 2 or 3")
    labels = Labels(
        path,
        lines[kept],
        frames[kept],
        ids[kept],
        categories[kept],
        occluded[kept],
        numbers[kept, 9:12],
        numbers[kept, 12:15],
        numbers[kept, 15],
        int(frames.max()) + 1,
        (float(extent[0]), float(extent[1])),
    )
    _check_one_box_a_frame(labels)
    return labels


def _check_one_box_a_frame(labels: Labels) -> None:
    seen: dict[tuple[int, int], int] = {}
    for key in zip(labels.frames.tolist(), labels.ids.tolist(), labels.lines.tolist(), strict=True):
        frame, track, line = key
        first = seen.setdefault((frame, track), line)
        if first != line:
            raise InputError(
                f"{labels.path}, lines {first} and {line}: track {track} has two boxes in frame {frame}. "
                "Restore the file."
            )


def read_calibration(path: Path, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """The matrices that we use of `calib/{sequence}.txt`, under the tracking benchmark's names.

    Names are taken with or without a colon, and in the object benchmark's spelling (`R0_rect`, `Tr_velo_to_cam`).

    Args:
        path: The file.
        needed: Names that must be there, of `P2`, `P3` (3, 4), `R_rect` (3, 3), `Tr_velo_cam`, `Tr_imu_velo` (3, 4).

    Raises:
        InputError: The file is missing or no text, a needed matrix is missing, a matrix occurs twice with different
            numbers, has another size, is not finite, or is no rotation or projection.
    """
    found: dict[str, np.ndarray] = {}
    for line, words in _words(path):
        name, shape = _CALIBRATION.get(words[0].rstrip(":"), (None, ()))
        if name is None:
            continue
        if len(words) - 1 != shape[0] * shape[1]:
            raise InputError(
                f"{path}, line {line}: {words[0]} has {len(words) - 1} numbers, not {shape[0] * shape[1]}. "
                "Restore the file."
            )
        matrix = _numbers(path, [line], [words[1:]]).reshape(shape)
        if name in found and not np.array_equal(found[name], matrix):
            raise InputError(f"{path}, line {line}: {name} occurs twice with different numbers. Restore the file.")
        good = _is_projection(matrix) if name in ("P2", "P3") else _are_rotations(matrix[None, :, :3]).all()
        if not good:
            kind = "projection of a rectified camera" if name in ("P2", "P3") else "rotation"
            raise InputError(f"{path}, line {line}: {words[0]} is not a {kind}. Restore the file.")
        found[name] = matrix
    missing = [name for name in needed if name not in found]
    if missing:
        raise InputError(f"{path} has no {missing[0]}. Restore the file from the benchmark's calibration.")
    return found


def read_oxts(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(F, 3) latitude, longitude (degrees), altitude (metres) and (F, 3) roll, pitch, yaw (radians), a row a frame.

    Raises:
        InputError: The file is missing, empty or no text, a row has another number of columns, or a number is none or
            no place on Earth.
    """
    lines, rows = _rows(path, OXTS_COLUMNS)
    numbers = _numbers(path, lines, rows)
    _check(path, lines, np.abs(numbers[:, 0]) > 85, "the latitude is not one that Mercator's projection can show")
    _check(path, lines, np.abs(numbers[:, 1]) > 180, "the longitude is not within 180 degrees")
    return numbers[:, :3], numbers[:, 3:6]


def read_poses(path: Path) -> np.ndarray:
    """(F, 4, 4) poses of a file with one row-major 3x4 matrix a line.

    Raises:
        InputError: The file is missing, empty or no text, a row has another number of columns, or is no rigid pose.
    """
    lines, rows = _rows(path, POSE_COLUMNS)
    poses = np.tile(np.eye(4), (len(rows), 1, 1))
    poses[:, :3] = _numbers(path, lines, rows).reshape(-1, 3, 4)
    _check(path, lines, ~_are_rotations(poses[:, :3, :3]), "the pose does not hold a rotation")
    return poses


def _are_rotations(matrices: np.ndarray) -> np.ndarray:
    """Which of (N, 3, 3) matrices are rotations."""
    off = np.abs(matrices @ np.swapaxes(matrices, -1, -2) - np.eye(3)).max(axis=(-1, -2))
    return (off < ROTATION_TOLERANCE) & (np.linalg.det(matrices) > 0)


def _is_projection(matrix: np.ndarray) -> bool:
    """Whether a (3, 4) matrix is K [I | t] with a pinhole's K."""
    zeros = [matrix[1, 0], matrix[2, 0], matrix[2, 1]]
    return not any(zeros) and matrix[2, 2] == 1 and matrix[0, 0] > 0 and matrix[1, 1] > 0


def _words(path: Path) -> list[tuple[int, list[str]]]:
    """The line numbers and words of the lines that have any."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Restore it from the dataset.") from None
    except OSError as error:
        raise not_allowed(path, error) from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file. Restore it.") from None
    words = ((number, line.split()) for number, line in enumerate(text.split("\n"), 1))
    return [(number, found) for number, found in words if found]


def _rows(path: Path, columns: int) -> tuple[np.ndarray, list[list[str]]]:
    """The line numbers, (N,) int, and the words of all lines that have any, at least one."""
    found = _words(path)
    if not found:
        raise InputError(f"{path} is empty. Restore it from the dataset.")
    for line, words in found:
        if len(words) != columns:
            raise InputError(f"{path}, line {line}: {len(words)} columns instead of {columns}. Restore the file.")
    return np.array([line for line, _ in found]), [words for _, words in found]


def _numbers(path: Path, lines: Sequence[int], rows: Sequence[Sequence[str]]) -> np.ndarray:
    """(N, C) float64 of N rows of words; refuses what is no finite number in decimal notation."""
    for line, row in zip(lines, rows, strict=True):
        for word in row:
            if not _NUMBER.fullmatch(word) or not np.isfinite(float(word)):
                raise InputError(f"{path}, line {line}: {word[:40]!r} is not a finite number. Restore the file.")
    return np.array(rows, dtype=np.float64)


def _whole(path: Path, lines: np.ndarray, numbers: np.ndarray, columns: dict[int, str]) -> np.ndarray:
    """(N, len(columns)) int64 of the columns that hold whole numbers."""
    for column, name in columns.items():
        bad = (numbers[:, column] != np.round(numbers[:, column])) | (np.abs(numbers[:, column]) > 2**53)
        _check(path, lines, bad, f"the {name} is not a whole number")
    return numbers[:, list(columns)].astype(np.int64)


def _check(path: Path, lines: np.ndarray, bad: np.ndarray, what: str) -> None:
    if bad.any():
        raise InputError(f"{path}, line {lines[int(bad.argmax())]}: {what}. Restore the file.")
