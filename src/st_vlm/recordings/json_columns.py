"""Large JSON lists of flat rows, read into columns: in blocks, on several cores, without a Python object per row.

A block laid out as in the releases is taken apart by its lines (`indented_rows`). Any other is parsed by Arrow, which
knows JSON lines: the commas between rows become line ends. A block that Arrow does not take either, because a value
has another type, is parsed by `json`, and a file that cannot be cut into blocks is parsed by `json` whole. All these
ways give the same columns.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from st_vlm.errors import InputError
from st_vlm.recordings.columns import (
    FLAG,
    INTEGER,
    NO_INTEGER,
    NUMBER,
    SHARED_TEXT,
    TEXT,
    Columns,
    gathered,
    taken,
    unpacked,
    unusable,
    width_of,
)
from st_vlm.recordings.indented_rows import NotIndented, columns_of_indented_rows
from st_vlm.recordings.tables import load_json, not_allowed

# Larger blocks cost page faults, smaller ones calls.
BLOCK_BYTES = 4 << 20
_KEPT_BYTES = 31 << 20


class _NotBlocks(Exception):
    """The text cannot be cut into blocks of rows."""


def read_columns(path: Path, types: Mapping[str, pa.DataType], only: str | None = None) -> Columns:
    """Read some keys of a JSON list of rows.

    Args:
        path: The file.
        types: Key -> TEXT, SHARED_TEXT, INTEGER, NUMBER, FLAG or `numbers_of(k)`. Other keys are passed over. `token`
            is TEXT and must be in every row.
        only: A FLAG; rows where it is false are left out.

    Raises:
        InputError: The file is missing, is not JSON, or is not a list of rows with tokens.
    """
    # Once so much was freed, the C library keeps what later blocks free instead of handing every page back and forth.
    np.empty(_KEPT_BYTES, np.uint8)
    try:
        return gathered(_parsed(path, types, only), path.stat().st_size / BLOCK_BYTES)
    except _NotBlocks:
        rows = load_json(path)
        if not isinstance(rows, list):
            raise InputError(f"{path} is not a list of rows. Restore the file.") from None
        return _left(_from_rows(path, rows, types), only)
    except OverflowError:
        raise InputError(f"{path} has more than 2 GiB of text in one column. Split the dataset.") from None
    except FileNotFoundError:
        raise InputError(f"{path} is missing. Restore the table from the dataset.") from None
    except OSError as error:
        raise not_allowed(path, error) from None


def _parsed(path: Path, types: Mapping[str, pa.DataType], only: str | None) -> Iterator[Columns]:
    """The blocks' columns in the order of the file, parsed on several cores while the file is read."""
    workers = min(4, os.cpu_count() or 1)
    with ThreadPoolExecutor(workers) as pool:
        waiting = deque()
        try:
            for text in _blocks(path):
                waiting.append(pool.submit(_from_text, path, text, types, only))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for job in waiting:
                job.cancel()


def _blocks(path: Path) -> Iterator[bytes]:
    """Texts that, joined by commas and put in brackets, are the file. All but the only one end after a brace."""
    with open(path, "rb") as file:
        start = file.read(1)
        if start != b"[":
            raise _NotBlocks
        parts, is_first = [], True
        while text := file.read(BLOCK_BYTES):
            cut = text.rfind(b"},")
            if cut < 0:
                parts.append(text)
                continue
            yield b"".join((*parts, text[: cut + 1]))
            parts, is_first = [text[cut + 2 :]], False
    last = b"".join(parts).rstrip()
    # After a row's comma there must be another row.
    if not last.endswith(b"]") or not (is_first or last[:-1].strip()):
        raise _NotBlocks
    yield last[:-1]


def _from_text(path: Path, text: bytes, types: Mapping[str, pa.DataType], only: str | None) -> Columns:
    """Columns of a block by the first way that takes it."""
    try:
        if not text.isascii():
            text.decode()  # only `json` looks whether strings are UTF-8
        for way in (_from_lines, _from_arrow):
            with suppress(NotIndented, pa.ArrowException):
                return _left(way(path, text, types), only)
        rows = json.loads(b"".join((b"[", text, b"]")))
    except (ValueError, RecursionError):
        raise _NotBlocks from None
    return _left(_from_rows(path, rows, types), only)


def _from_lines(path: Path, text: bytes, types: Mapping[str, pa.DataType]) -> Columns:
    return Columns(columns_of_indented_rows(text, types), {})


def _from_arrow(path: Path, text: bytes, types: Mapping[str, pa.DataType]) -> Columns:
    """Columns of a block by Arrow, or an ArrowException for what it does not take or would take differently."""
    if not text.lstrip().startswith(b"{"):
        # Arrow 26 crashes on a block whose first row is `null`.
        raise pa.ArrowInvalid("not an object")
    line = np.empty(len(text) + 1, np.uint8)
    line[:-1], line[-1] = np.frombuffer(text, np.uint8), ord("\n")
    # Rows end in "},". A line end within a string is an error to Arrow, so a string that holds "}," is never changed
    # unnoticed; nor are rows that no comma parts, since the numbers of rows and of commas must agree.
    ends = np.flatnonzero((line[:-1] == ord("}")) & (line[1:] == ord(",")))
    line[ends + 1] = ord("\n")
    types_of_arrow = {name: pa.list_(NUMBER) if width_of(kind) else kind for name, kind in types.items()}
    schema = pa.schema({name: TEXT if kind == SHARED_TEXT else kind for name, kind in types_of_arrow.items()})
    table = pa.json.read_json(
        pa.BufferReader(pa.py_buffer(line)),
        # One block, so that Arrow's own cutting at line ends, which may lie within rows, does not set in.
        pa.json.ReadOptions(use_threads=False, block_size=len(line) + 1),
        pa.json.ParseOptions(schema, unexpected_field_behavior="ignore"),
    )
    if table.num_rows != len(ends) + 1:
        raise pa.ArrowInvalid("not one row a line")
    if table["token"].null_count:
        raise _no_token(path)
    return Columns({name: _array(pa.concat_arrays(table[name].chunks), kind) for name, kind in types.items()}, {})


def _array(column: pa.Array, kind: pa.DataType) -> np.ndarray | pa.StringArray:
    if kind in (TEXT, SHARED_TEXT):
        return column.dictionary_encode() if kind == SHARED_TEXT else column
    if width := width_of(kind):
        flat, ends = column.flatten(), np.from_dlpack(column.offsets)
        if column.null_count or flat.null_count or (np.diff(ends) != width).any():
            raise pa.ArrowInvalid("not so many numbers in every row")
        return np.from_dlpack(flat).reshape(-1, width)
    if kind == FLAG:
        return unpacked(pc.coalesce(column, column.is_null()))
    dtype = np.dtype(kind.to_pandas_dtype())
    values = np.frombuffer(column.buffers()[1], dtype, len(column), column.offset * dtype.itemsize)
    return np.where(unpacked(column.is_null()), unusable(kind), values) if column.null_count else values


def _from_rows(path: Path, rows: list, types: Mapping[str, pa.DataType]) -> Columns:
    """The same columns of rows that `json` has parsed."""
    found, odd = {name: [] for name in types}, {}
    for i, row in enumerate(rows):
        if not isinstance(row, dict) or not isinstance(row.get("token"), str):
            raise _no_token(path)
        for name, kind in types.items():
            usable = _usable(row.get(name), kind)
            found[name].append(unusable(kind) if usable is None else usable)
            if usable is None or ((kind == NUMBER or width_of(kind)) and not np.isfinite(usable).all()):
                odd[i] = row
    arrays = {}
    for name, kind in types.items():
        if kind in (TEXT, SHARED_TEXT):
            arrays[name] = _array(pa.array(found[name], TEXT), kind)
        else:
            dtype = {INTEGER: np.int64, FLAG: bool}.get(kind, np.float64)
            arrays[name] = np.array(found[name], dtype).reshape((-1, width_of(kind)) if width_of(kind) else -1)
    return Columns(arrays, odd)


def _usable(value, kind: pa.DataType):
    """The value if it is of the kind, else None."""
    if width := width_of(kind):
        numbers = [_usable(item, NUMBER) for item in value] if isinstance(value, list) and len(value) == width else ()
        return numbers if numbers and None not in numbers else None
    if kind in (TEXT, SHARED_TEXT):
        return value if isinstance(value, str) and _is_unicode(value) else None
    if isinstance(value, bool) or kind == FLAG:
        return value if isinstance(value, bool) and kind == FLAG else None
    if kind == INTEGER:
        return value if isinstance(value, int) and NO_INTEGER < value <= np.iinfo(np.int64).max else None
    try:
        return float(value) if isinstance(value, int | float) else None
    except OverflowError:
        return None


def _is_unicode(text: str) -> bool:
    """Whether it holds no half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _left(block: Columns, only: str | None) -> Columns:
    """The block's rows whose flag is set."""
    return block if only is None or block.arrays[only].all() else taken(block, np.flatnonzero(block.arrays[only]))


def _no_token(path: Path) -> InputError:
    return InputError(f"{path}: a row has no token. Restore the file.")
