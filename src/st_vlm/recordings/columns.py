"""Columns of a table: NumPy arrays of numbers, Arrow arrays of text, and a value that says `unusable` in each."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

TEXT, INTEGER, NUMBER, FLAG = pa.string(), pa.int64(), pa.float64(), pa.bool_()
# Text that many rows share, kept once a block.
SHARED_TEXT = pa.dictionary(pa.int32(), TEXT)
NO_INTEGER = np.iinfo(np.int64).min


def numbers_of(count: int) -> pa.DataType:
    """The type of a column of so many numbers a row."""
    return pa.list_(NUMBER, count)


def width_of(kind: pa.DataType) -> int:
    """How many numbers a row has in a column of lists; 0 for other columns."""
    return kind.list_size if pa.types.is_fixed_size_list(kind) else 0


def unusable(kind: pa.DataType):
    """What stands in a column for a value that is missing or of another type."""
    return (
        [math.nan] * width_of(kind)
        if width_of(kind)
        else {INTEGER: NO_INTEGER, NUMBER: math.nan, FLAG: True}.get(kind)
    )


@dataclass(frozen=True, eq=False)
class Columns:
    """Columns of rows in the order of the file.

    Attributes:
        arrays: TEXT: Arrow strings, null where unusable. SHARED_TEXT: an Arrow dictionary, whose texts may repeat, of
            the same. NUMBER: (N,) and `numbers_of(k)`: (N, k) float64, NaN where
            unusable. INTEGER: (N,) int64, `NO_INTEGER` where unusable. FLAG: (N,) bool, True where unusable.
        odd: Number of a row -> the row as written, for rows with a value that is missing, of another type or not
            finite. May lack rows whose values are merely missing.
    """

    arrays: dict[str, np.ndarray | pa.StringArray | pa.DictionaryArray]
    odd: dict[int, dict]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


def taken(columns: Columns, rows: np.ndarray) -> Columns:
    """The columns' rows with these (M,) numbers."""
    places = {int(row): place for place, row in enumerate(rows)} if columns.odd else {}
    return Columns(
        {
            name: array.take(as_arrow(rows)) if isinstance(array, pa.Array) else array[rows]
            for name, array in columns.arrays.items()
        },
        {places[i]: row for i, row in columns.odd.items() if i in places},
    )


def gathered(blocks: Iterable[Columns], expected: float) -> Columns:
    """Columns one after another, copied at once so that the blocks' memory serves again.

    Args:
        blocks: At least one.
        expected: About how many blocks there are.
    """
    grown: dict[str, _Numbers | _Texts | _SharedTexts] = {}
    odd, count = {}, 0
    for block in blocks:
        for name, array in block.arrays.items():
            if name not in grown:
                grows = {pa.StringArray: _Texts, pa.DictionaryArray: _SharedTexts}.get(type(array), _Numbers)
                grown[name] = grows(array, expected)
            grown[name].append(array)
        odd.update((count + i, row) for i, row in block.odd.items())
        count += len(block)
    return Columns({name: column.array() for name, column in grown.items()}, odd)


class _Numbers:
    """An array that grows along its first axis.

    NumPy lays arrays of many megabytes in large pages, and what is not used of them takes no memory.
    """

    def __init__(self, first: np.ndarray, expected: float) -> None:
        self._all = np.empty((int(len(first) * expected * 1.05) + 1, *first.shape[1:]), first.dtype)
        self._used = 0

    def append(self, block: np.ndarray) -> None:
        end = self._used + len(block)
        if end > len(self._all):
            larger = np.empty((2 * end, *block.shape[1:]), block.dtype)
            larger[: self._used] = self._all[: self._used]
            self._all = larger
        self._all[self._used : end] = block
        self._used = end

    def array(self) -> np.ndarray:
        return self._all[: self._used]


class _Texts:
    """An Arrow array of text that grows."""

    def __init__(self, first: pa.StringArray, expected: float) -> None:
        self._ends = _Numbers(text_ends(first), expected)
        self._ends.append(np.zeros(1, np.int32))
        self._characters = _Numbers(_characters(first), expected)
        self._missing = _Missing()
        self._size = 0

    def append(self, block: pa.StringArray) -> None:
        ends, characters = text_ends(block), _characters(block)
        if self._size + len(characters) > np.iinfo(np.int32).max:
            raise OverflowError
        self._ends.append(ends[1:] + np.int32(self._size - int(ends[0])))
        self._characters.append(characters)
        self._missing.append(block)
        self._size += len(characters)

    def array(self) -> pa.StringArray:
        ends, characters = self._ends.array(), self._characters.array()
        valid = self._missing.bits()
        return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(characters), valid)


class _SharedTexts:
    """An Arrow dictionary that grows."""

    def __init__(self, first: pa.DictionaryArray, expected: float) -> None:
        self._codes = _Numbers(codes_of(first), expected)
        self._texts = _Texts(first.dictionary, expected)
        self._missing = _Missing()
        self._count = 0

    def append(self, block: pa.DictionaryArray) -> None:
        self._codes.append(codes_of(block) + np.int32(self._count))
        self._texts.append(block.dictionary)
        self._missing.append(block)
        self._count += len(block.dictionary)

    def array(self) -> pa.DictionaryArray:
        codes = self._codes.array()
        indices = pa.Array.from_buffers(pa.int32(), len(codes), [self._missing.bits(), pa.py_buffer(codes)])
        return pa.DictionaryArray.from_arrays(indices, self._texts.array(), safe=False)


class _Missing:
    """Which rows of a growing column are null."""

    def __init__(self) -> None:
        self._found: list[np.ndarray] = []
        self._rows = 0

    def append(self, block: pa.Array) -> None:
        if block.null_count:
            self._found.append(self._rows + np.flatnonzero(unpacked(block.is_null())))
        self._rows += len(block)

    def bits(self) -> pa.Buffer | None:
        """Arrow's bits of the rows that are not null; None where all are not."""
        if not self._found:
            return None
        present = np.ones(self._rows, bool)
        present[np.concatenate(self._found)] = False
        return pa.py_buffer(np.packbits(present, bitorder="little"))


def codes_of(column: pa.DictionaryArray) -> np.ndarray:
    """(N,) int32: the number of each row's text in the dictionary; 0 where null."""
    indices = column.indices
    codes = np.frombuffer(indices.buffers()[1] or b"", np.int32)[indices.offset : indices.offset + len(indices)]
    return np.where(unpacked(indices.is_null()), np.int32(0), codes) if indices.null_count else codes


def _characters(block: pa.StringArray) -> np.ndarray:
    ends = text_ends(block)
    return np.frombuffer(block.buffers()[2] or b"", np.uint8)[ends[0] : ends[-1]]


def unpacked(flags: pa.BooleanArray) -> np.ndarray:
    """Arrow's bits, none of them null, as (N,) bool."""
    return np.from_dlpack(flags.cast(pa.uint8())).astype(bool)


def text_ends(column: pa.StringArray) -> np.ndarray:
    """(N + 1,) int32: where each text starts among the column's characters, and where the last one ends."""
    offsets = column.buffers()[1]
    if not offsets or not offsets.size:
        return np.zeros(len(column) + 1, np.int32)
    return np.frombuffer(offsets, np.int32, len(column) + 1, column.offset * 4)


def as_arrow(rows: np.ndarray) -> pa.Int64Array:
    """(N,) int64 as an Arrow array over the same memory; `pa.array` would import pandas first."""
    return pa.Array.from_buffers(pa.int64(), len(rows), [None, pa.py_buffer(np.ascontiguousarray(rows, np.int64))])
