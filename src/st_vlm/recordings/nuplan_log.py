"""A log of nuPlan: one SQLite file, opened read-only, whose cells are checked before they are used."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion
from st_vlm.recordings.tables import not_allowed

AGAIN = "Download the log again."
EGO_POSE = "ego_pose.token, ego_pose.x, ego_pose.y, ego_pose.z, ego_pose.qw, ego_pose.qx, ego_pose.qy, ego_pose.qz"
POSE_COLUMNS = ("x", "y", "z", "qw", "qx", "qy", "qz")
_MAGIC = b"SQLite format 3\0"
# Microseconds that still fit in 64 bits as nanoseconds.
_LATEST_US = (2**63 - 1) // 1000


class LogDatabase:
    """An open log. Whatever is wrong with the file ends as an InputError that names it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def rows(self, query: str, values: Sequence = ()) -> list[tuple]:
        """The rows of a query.

        Raises:
            InputError: A table or column is missing, or the file is damaged.
        """
        try:
            return self._connection.execute(query, values).fetchall()
        except (sqlite3.Error, OverflowError) as error:
            raise InputError(self._sentence(str(error))) from None

    def _sentence(self, reason: str) -> str:
        for what in ("table", "column"):
            _, found, name = reason.partition(f"no such {what}: ")
            if found:
                return f"{self.path} has no {what} {name}. {AGAIN}"
        return f"{self.path} cannot be read as an SQLite database ({reason}). {AGAIN}"


@contextmanager
def open_log(path: Path) -> Iterator[LogDatabase]:
    """Open a log for reading; nothing is written beside it, and it may lie on a disk that is read-only.

    Raises:
        InputError: The file is missing, closed to us, no SQLite database, or has changes beside it that were never
            written into it.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(len(_MAGIC))
        unfinished = [path.with_name(path.name + end) for end in ("-wal", "-journal")]
        unfinished = [beside for beside in unfinished if beside.is_file() and beside.stat().st_size]
    except OSError as error:
        raise not_allowed(path, error) from None
    if magic != _MAGIC:
        raise InputError(f"{path} is not an SQLite database. {AGAIN}")
    if unfinished:
        raise InputError(
            f"{path} was copied or left while it was being changed: {unfinished[0].name} lies beside it. {AGAIN}"
        )
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    except sqlite3.Error as error:
        raise InputError(f"{path} cannot be opened as an SQLite database ({error}). {AGAIN}") from None
    with closing(connection):
        yield LogDatabase(path, connection)


def ego_poses(log: LogDatabase, table: str, rows: Sequence[tuple]) -> np.ndarray:
    """(N, 4, 4) world from ego, of rows (token of the referring row, then the columns `EGO_POSE`).

    Raises:
        InputError: A referring row's ego pose is not there, is not finite, or has a zero quaternion.
    """
    for row in rows:
        if row[1] is None:
            raise InputError(
                f"{log.path}: row {name_of(row[0])} of {table} refers to an ego pose that is not there. {AGAIN}"
            )
    numbers = finite(
        log, "ego_pose", POSE_COLUMNS, [row[2:] for row in rows], lambda i: f"the row {name_of(rows[i][1])}"
    )
    norms = np.linalg.norm(numbers[:, 3:], axis=1)
    if (norms < 1e-8).any():
        raise InputError(
            f"{log.path}: the rotation of row {name_of(rows[int(norms.argmin())][1])} of ego_pose is a zero "
            f"quaternion. {AGAIN}"
        )
    return pose(rotation_from_quaternion(numbers[:, 3:]), numbers[:, :3])


def nanoseconds(log: LogDatabase, table: str, times_us: list) -> np.ndarray:
    """(N,) int64 nanoseconds of a table's `timestamp`, microseconds.

    Raises:
        InputError: A cell is no integer, or one that no clock shows.
    """
    for time in times_us:
        if type(time) is not int or abs(time) > _LATEST_US:
            raise InputError(f"{log.path}: {time!r} in the column timestamp of {table} is no time in us. {AGAIN}")
    return np.array(times_us, dtype=np.int64) * 1000


def finite(
    log: LogDatabase, table: str, columns: Sequence[str], cells: Sequence[tuple], row_name: Callable[[int], str]
) -> np.ndarray:
    """(N, C) float64 of N rows of cells.

    Raises:
        InputError: A cell is empty, no number, or not finite; `row_name` says which row, by its index.
    """
    array = np.array(cells)
    if array.dtype.kind in "iuf" and np.isfinite(array).all():
        return array.astype(np.float64)
    for i, row in enumerate(cells):
        for column, cell in zip(columns, row, strict=True):
            if not isinstance(cell, int | float) or not np.isfinite(cell):
                raise InputError(
                    f"{log.path}: {column!r} of {row_name(i)} in {table} is no finite number (found {cell!r}). {AGAIN}"
                )
    return np.array(cells, dtype=np.float64)


def name_of(token: object) -> str:
    """A key of the tables for people: nuPlan's are 8 bytes, written in hexadecimal."""
    return token.hex() if isinstance(token, bytes) else str(token)
