"""Tables of the native layouts, read so that whatever is wrong with one ends as a sentence that names its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather

from st_vlm.errors import InputError


@dataclass(frozen=True, eq=False)
class TokenTable:
    """A JSON list of rows that other rows refer to by their `token`.

    Attributes:
        path: The file.
        rows: token -> row, the first one where a token repeats.
        repeated: Tokens that occur more than once. Only who refers to one is stopped by it.
    """

    path: Path
    rows: dict[str, dict]
    repeated: frozenset[str]

    def row(self, token: str, referrer: str) -> dict:
        """The row of a token; `referrer` says who asks, such as `sample.json, token 12ab`.

        Raises:
            InputError: No row, or several rows, have this token.
        """
        row = self.rows.get(token) if isinstance(token, str) else None
        if row is None:
            raise InputError(
                f"{self.path}: no row has the token {token!r}, which {referrer} refers to. Restore the missing row."
            )
        if token in self.repeated:
            raise InputError(f"{self.path}: the token {token} occurs more than once. Restore the file.")
        return row


def read_token_table(path: Path, keep: Callable[[dict], bool] | None = None) -> TokenTable:
    """Read a nuScenes table. Rows that `keep` declines are dropped while parsing and cost no memory.

    Raises:
        InputError: The file is missing, is not JSON, or is not a list of rows with tokens.
    """
    hook = None if keep is None else (lambda row: row if keep(row) else None)
    try:
        rows = json.loads(path.read_bytes(), object_hook=hook)
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Restore the table from the dataset.") from None
    except OSError as error:
        raise not_allowed(path, error) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}). Restore the file.") from None
    if not isinstance(rows, list):
        raise InputError(f"{path} is not a list of rows. Restore the file.")
    by_token: dict[str, dict] = {}
    repeated = set()
    for row in rows:
        if row is None and keep is not None:
            continue
        token = row.get("token") if isinstance(row, dict) else None
        if not isinstance(token, str):
            raise InputError(f"{path}: a row has no token. Restore the file.")
        if by_token.setdefault(token, row) is not row:
            repeated.add(token)
    return TokenTable(path, by_token, frozenset(repeated))


def value(path: Path, row: dict, key: str, kind: type | tuple[type, ...] = str):
    """One field of a JSON row, checked for its type.

    Raises:
        InputError: The field is missing or of another type.
    """
    found = row.get(key)
    if not isinstance(found, kind) or (isinstance(found, bool) and kind is not bool):
        raise InputError(
            f"{path}: the row with the token {row.get('token')} has no usable {key!r} (found {found!r}). "
            "Restore the row."
        )
    return found


def numbers(path: Path, rows: Sequence[dict], key: str, shape: tuple[int, ...]) -> np.ndarray:
    """A numeric field of N rows as (N, *shape) float64.

    Raises:
        InputError: The field of a row is missing, of another shape, not a number, or not finite.
    """
    try:
        array = _numeric([row[key] for row in rows]).reshape(len(rows), *shape)
        good = np.isfinite(array).reshape(len(rows), -1).all(axis=1)
    except (KeyError, TypeError, ValueError):
        good = np.array([_is_numeric(row.get(key), shape) for row in rows])
    if not good.all():
        row = rows[int(good.argmin())]
        raise InputError(
            f"{path}: {key!r} of the row with the token {row.get('token')} is not {_described(shape)} "
            f"(found {row.get(key)!r}). Restore the row."
        )
    return array


def _is_numeric(found, shape: tuple[int, ...]) -> bool:
    try:
        array = _numeric(found)
    except (TypeError, ValueError):
        return False
    return array.shape == shape and bool(np.isfinite(array).all())


def _numeric(found) -> np.ndarray:
    """Numbers as float64; text that reads like a number is none."""
    array = np.asarray(found)
    if array.size and array.dtype.kind not in "iuf":
        raise TypeError("not numbers")
    return array.astype(np.float64)


def _described(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) + " finite numbers" if shape else "a finite number"


def read_feather(
    path: Path, columns: Iterable[str], text: Iterable[str] = (), optional: Iterable[str] = ()
) -> dict[str, np.ndarray]:
    """Columns of a feather file as arrays of one length: numbers, except those named in `text`.

    `optional` columns, numbers too, are left out when the file lacks them.

    Raises:
        InputError: The file is missing or broken, a column is missing or has empty cells, a number is not finite
            or not a number.
    """
    if not is_file(path):
        raise InputError(f"{path} is missing. Download the whole log again, or leave it out.")
    try:
        table = pa.feather.read_table(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} is not a readable feather file ({reason}). Download it again.") from None
    found = {}
    for name in (*columns, *text, *optional):
        if name not in table.column_names:
            if name in optional:
                continue
            raise InputError(f"{path} has no column {name!r}. Download it again.")
        if table.column_names.count(name) > 1:
            raise InputError(f"{path} has several columns {name!r}. Download it again.")
        column = table.column(name)
        if name in text and not _is_text(column.type):
            raise InputError(f"{path}: the column {name!r} does not hold text. Download it again.")
        array = column.to_numpy()
        broken = column.null_count > 0 or (array.dtype.kind == "f" and not np.isfinite(array).all())
        if broken:
            bad = np.array([cell is None or cell != cell or cell in (np.inf, -np.inf) for cell in column.to_pylist()])
            raise InputError(f"{path}: {name!r} in row {int(bad.argmax())} is empty or not finite. Download it again.")
        if name not in text and array.dtype.kind not in "iuf":
            raise InputError(f"{path}: the column {name!r} does not hold numbers. Download it again.")
        found[name] = array
    return found


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)


def is_file(path: Path) -> bool:
    """Whether there is a file.

    Raises:
        InputError: A folder on the way may not be entered.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise not_allowed(path, error) from None


def not_allowed(path: Path, error: OSError) -> InputError:
    """The sentence for a file or folder that the system does not let us read."""
    remedy = "Give yourself the right to read it." if isinstance(error, PermissionError) else "Restore it."
    return InputError(f"{path} cannot be read: {error.strerror}. {remedy}")
