"""CSV tables of Ego-Exo4D: timesync.csv, gopro_calibs.csv, and how any of them is read."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion
from st_vlm.recordings.tables import not_allowed

LENS = "KANNALABRANDTK3"
# Integers that a table may hold as floating-point numbers are exact up to here; as nanoseconds, 104 days.
_LARGEST_EXACT = 2**53
_AGAIN = "Download it again."


@dataclass(frozen=True, eq=False)
class Calibration:
    """A static camera as `gopro_calibs.csv` has it.

    Attributes:
        world: `graph_uid`, the world frame that the pose is in.
        pose: (4, 4) world from camera.
        intrinsics: (3, 3) pixels of an image of `size`.
        size: Width and height in pixels.
        coefficients: k0-k3 of Kannala and Brandt's lens.
    """

    world: str
    pose: np.ndarray
    intrinsics: np.ndarray
    size: tuple[int, int]
    coefficients: tuple[float, ...]


def csv_batches(path: Path, columns: Mapping[str, pa.DataType]) -> Iterator[dict[str, np.ndarray]]:
    """Named columns of a CSV file, block by block, so that a long file costs no memory.

    Numbers are NaN where a cell is empty; integers may not be empty. Words that repeat are best read as a dictionary.

    Raises:
        InputError: The file is missing, cut off or not CSV, a column is missing, or a cell is not of its type.
    """
    _check_header(path, columns)
    convert = pa.csv.ConvertOptions(include_columns=list(columns), column_types=dict(columns))
    try:
        with pa.csv.open_csv(path, convert_options=convert) as reader:
            for batch in reader:
                yield {name: _values(path, name, batch.column(name)) for name in columns}
    except pa.ArrowException as error:
        raise _unreadable(path, error) from None
    except OSError as error:
        raise not_allowed(path, error) from None


def read_frame_times(path: Path, aria: str, start: int, end: int) -> np.ndarray:
    """The capture times of the Aria's frames in rows `start` to `end` (exclusive) of `timesync.csv`.

    Returns:
        (end - start,) int64 nanoseconds of the Aria's clock, -1 in rows without a frame of the Aria.

    Raises:
        InputError: The file is missing or not CSV, lacks the Aria's column or the rows, has no time in any of them,
            a time is not a whole number, or times run backwards.
    """
    column = f"{aria}_214-1_capture_timestamp_ns"  # 214-1 is the stream of the Aria's colour camera
    _check_header(path, [column])
    try:
        table = pa.csv.read_csv(path, convert_options=pa.csv.ConvertOptions(include_columns=[column]))
    except pa.ArrowException as error:
        raise _unreadable(path, error) from None
    if not 0 <= start < end <= len(table):
        raise InputError(
            f"{path} has {len(table)} rows, but takes.json places the take in rows {start} to {end} of it. "
            "Download both again."
        )
    cells = table.column(column).slice(start, end - start)
    if not (pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type) or pa.types.is_null(cells.type)):
        raise InputError(f"{path}: the column {column!r} does not hold numbers. {_AGAIN}")
    present = cells.is_valid().to_numpy()
    times = np.full(end - start, -1, np.int64)
    numbers = cells.drop_null().to_numpy()
    if numbers.dtype.kind == "f":
        present[present] = ~np.isnan(numbers)
        numbers = numbers[~np.isnan(numbers)]
        bad = ~(np.abs(numbers) < _LARGEST_EXACT) | (numbers != np.floor(numbers))
        if bad.any():
            raise InputError(f"{path}: {column!r} holds {numbers[bad.argmax()]}, not whole nanoseconds. {_AGAIN}")
    if not present.any():
        raise InputError(f"{path}: {column!r} is empty in rows {start} to {end}, so the take has no time.")
    times[present] = numbers.astype(np.int64)
    if (times[present] < 0).any():
        raise InputError(f"{path}: {column!r} has a negative time. {_AGAIN}")
    steps = np.diff(times[present])
    if (steps < 0).any():
        after = times[present][int((steps < 0).argmax())]
        raise InputError(f"{path}: {column!r} runs backwards after {after} ns. {_AGAIN}")
    return times


def read_calibrations(path: Path) -> dict[str, list[Calibration | InputError]]:
    """The static cameras of `gopro_calibs.csv` by name; one for each world frame that the file knows.

    A row counts where the camera was localised (`quality` 1, or no such column) and stood still throughout (both
    frame indices -1: which frames others mean is not documented). A row that cannot be used stands as its error, for
    whoever asks for that camera.

    Raises:
        InputError: The file is missing, cut off or not CSV, or lacks a column.
    """
    numbers = [f"{name}_world_cam" for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")]
    numbers += ["image_width", "image_height", *(f"intrinsics_{i}" for i in range(8))]
    required = ("cam_uid", "graph_uid", "intrinsics_type", *numbers)
    optional = ("start_frame_idx", "end_frame_idx", "quality")
    names = _check_header(path, required)
    # As text: a cell that is not a number then stops its own camera alone.
    wanted = {name: pa.string() for name in (*required, *optional) if name in names}
    cameras: dict[str, list[Calibration | InputError]] = {}
    for batch in csv_batches(path, wanted):
        for cells in zip(*batch.values(), strict=True):
            row = dict(zip(batch, cells, strict=True))
            try:
                found = _calibration(path, row, numbers)
            except InputError as error:
                found = error
            if found is not None:
                cameras.setdefault(row["cam_uid"], []).append(found)
    return cameras


def _calibration(path: Path, row: dict[str, str], numbers: list[str]) -> Calibration | None:
    camera = row["cam_uid"]
    for name in ("start_frame_idx", "end_frame_idx"):
        if _number(path, row, name, -1.0) != -1:
            return None
    if _number(path, row, "quality", 1.0) <= 0:
        return None
    if row["intrinsics_type"] != LENS:
        raise InputError(
            f"{path}: the camera {camera} has intrinsics of type {row['intrinsics_type']!r}; {LENS} alone is known. "
            "Choose another camera."
        )
    tx, ty, tz, qx, qy, qz, qw, width, height, fx, fy, cx, cy, *coefficients = (
        _number(path, row, name) for name in numbers
    )
    try:
        rotation = rotation_from_quaternion([qw, qx, qy, qz])
    except InputError as error:
        raise InputError(f"{path}: the camera {camera}: {error} {_AGAIN}") from None
    if min(width, height, fx, fy) <= 0:
        raise InputError(f"{path}: the camera {camera} has a size or focal length that is not positive. {_AGAIN}")
    return Calibration(
        world=row["graph_uid"],
        pose=pose(rotation, [tx, ty, tz]),
        intrinsics=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
        size=(round(width), round(height)),
        coefficients=tuple(coefficients),
    )


def _number(path: Path, row: dict[str, str], name: str, absent: float | None = None) -> float:
    if name not in row and absent is not None:
        return absent
    try:
        number = float(row[name])
    except ValueError:
        number = np.nan
    if not abs(number) < _LARGEST_EXACT:
        raise InputError(
            f"{path}: {name!r} of the camera {row['cam_uid']} is {row[name]!r}, not a finite number. {_AGAIN}"
        )
    return number


def _check_header(path: Path, columns) -> list[str]:
    """The names in a CSV file's first line, which must have the columns, each once."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            names = next(csv.reader(file), [])
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Download it, or leave the take out.") from None
    except OSError as error:
        raise not_allowed(path, error) from None
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file ({error}). {_AGAIN}") from None
    for column in columns:
        if names.count(column) != 1:
            amount = "several columns" if column in names else "no column"
            raise InputError(f"{path} has {amount} {column!r}. {_AGAIN}")
    return names


def _values(path: Path, name: str, column: pa.Array) -> np.ndarray:
    if column.null_count and pa.types.is_integer(column.type):
        raise InputError(f"{path}: {name!r} has an empty cell. {_AGAIN}")
    if pa.types.is_dictionary(column.type):
        return np.array(column.dictionary.to_pylist(), object)[column.indices.to_numpy()]
    return column.to_numpy(zero_copy_only=False)


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is not a whole CSV file ({str(error).splitlines()[0]}). {_AGAIN}")
