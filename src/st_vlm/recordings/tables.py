"""Tables of the native layouts, read so that whatever is wrong with one ends as a sentence that names its file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
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


def read_token_table(path: Path) -> TokenTable:
    """Read a small nuScenes table; large ones are for `json_columns`.

    Raises:
        InputError: The file is missing, is not JSON, or is not a list of rows with tokens.
    """
    rows = load_json(path)
    if not isinstance(rows, list):
        raise InputError(f"{path} is not a list of rows. Restore the file.")
    by_token: dict[str, dict] = {}
    repeated = set()
    for row in rows:
        token = row.get("token") if isinstance(row, dict) else None
        if not isinstance(token, str):
            raise InputError(f"{path}: a row has no token. Restore the file.")
        if by_token.setdefault(token, row) is not row:
            repeated.add(token)
    return TokenTable(path, by_token, frozenset(repeated))


def load_json(
    path: Path, if_missing: str = "Restore the table from the dataset.", if_broken: str = "Restore the file."
):
    """What a JSON file holds.

    Args:
        path: The file.
        if_missing, if_broken: What to do then; each ends its sentence.

    Raises:
        InputError: The file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} is missing. {if_missing}") from None
    except OSError as error:
        raise not_allowed(path, error) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}). {if_broken}") from None


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
    good = np.array([_is_numeric(row.get(key), shape) for row in rows])
    if not good.all():
        row = rows[int(good.argmin())]
        raise InputError(
            f"{path}: {key!r} of the row with the token {row.get('token')} is not {_described(shape)} "
            f"(found {row.get(key)!r}). Restore the row."
        )
    return np.array([row[key] for row in rows], np.float64).reshape(len(rows), *shape)


def _is_numeric(found, shape: tuple[int, ...]) -> bool:
    """Whether it is a number, or lists of numbers of this shape; text and truth values are none."""
    if shape:
        return isinstance(found, list) and len(found) == shape[0] and all(_is_numeric(x, shape[1:]) for x in found)
    try:
        return isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    except OverflowError:
        return False


def _described(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) + " finite numbers" if shape else "a finite number"


# A column without rows may have no type.
_TEXT = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view, pa.types.is_null)


@dataclass(frozen=True, eq=False)
class Labels:
    """A column of text in which few different texts occur.

    Attributes:
        names: (K,) str, every text once.
        codes: (N,) int32, each row's index in `names`.
    """

    names: np.ndarray
    codes: np.ndarray

    def __getitem__(self, row: int) -> str:
        return str(self.names[self.codes[row]])


def read_feather(
    path: Path, columns: Iterable[str], text: Iterable[str] = (), optional: Iterable[str] = ()
) -> dict[str, np.ndarray | Labels]:
    """Columns of a feather file, all of one length: arrays of numbers, and `Labels` for those named in `text`.

    `optional` columns, numbers too, are left out when the file lacks them.

    Raises:
        InputError: The file is missing or broken, a column is missing or has empty cells, a number is not finite
            or not a number.
    """
    if not is_file(path):
        raise InputError(f"{path} is missing. Download the whole log again, or leave it out.")
    try:
        table = pa.feather.read_table(path, memory_map=False)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} is not a readable feather file ({reason}). Download it again.") from None
    found = {}
    for name in (*columns, *text, *optional):
        if name not in table.column_names:
            if name in optional:
                continue
            raise InputError(f"{path} has no column {name!r}. Download it again.")
        if table.column_names.count(name) > 1:
            raise InputError(f"{path} has several columns {name!r}. Download it again.")
        read = _labels if name in text else _numbers
        found[name] = read(path, name, table.column(name))
    return found


def _numbers(path: Path, name: str, column: pa.ChunkedArray) -> np.ndarray:
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)):
        raise InputError(f"{path}: the column {name!r} does not hold numbers. Download it again.")
    array = column.to_numpy()
    if column.null_count or (array.dtype.kind == "f" and not np.isfinite(array).all()):
        bad = [cell is None or not math.isfinite(cell) for cell in column.to_pylist()]
        raise InputError(f"{path}: {name!r} in row {bad.index(True)} is empty or not finite. Download it again.")
    return array


def _labels(path: Path, name: str, column: pa.ChunkedArray) -> Labels:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not any(is_kind(column.type) for is_kind in _TEXT):
        raise InputError(f"{path}: the column {name!r} does not hold text. Download it again.")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise InputError(f"{path}: {name!r} in row {row} is empty. Download it again.")
    coded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    return Labels(np.array(coded.dictionary.to_pylist(), dtype=str), coded.indices.to_numpy())


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
