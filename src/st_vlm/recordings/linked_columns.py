"""Columns of a table whose rows are referred to by tokens: links become row numbers, whole columns at a time."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from st_vlm.errors import InputError
from st_vlm.recordings.columns import NO_INTEGER, Columns, codes_of, taken, text_ends, unpacked
from st_vlm.recordings.json_columns import read_columns

NO_ROW = -1
_ODD = np.uint64(0x9E3779B97F4A7C15)  # the golden ratio's bits: spreads what differs over all bits


class LinkedColumns:
    """A JSON table in columns, with the rows' tokens as their names.

    Attributes:
        path: The file.
        columns: Its columns, among them `token`.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self.columns = columns

    @classmethod
    def read(cls, path: Path, types: Mapping[str, pa.DataType], only: str | None = None) -> LinkedColumns:
        """Read a table; see `read_columns`, also for what it raises."""
        return cls(path, read_columns(path, types, only))

    def __len__(self) -> int:
        return len(self.columns)

    def __getitem__(self, name: str) -> np.ndarray | pa.StringArray:
        return self.columns.arrays[name]

    @cached_property
    def tokens(self) -> list[str]:
        """The rows' tokens."""
        return self["token"].to_pylist()

    @cached_property
    def mixes(self) -> np.ndarray | None:
        """`mixed` of the rows' tokens."""
        return mixed(self["token"])

    @cached_property
    def repeated(self) -> np.ndarray:
        """(N,) bool: the row's token occurs more than once."""
        if self.mixes is not None:
            ordered = np.sort(self.mixes)
            if (ordered[1:] != ordered[:-1]).all():
                return np.zeros(len(self), bool)
        first = first_of(self["token"], self["token"])
        again = first != np.arange(len(first))
        again[first[again]] = True
        return again

    def rows_of(self, tokens: pa.StringArray | pa.DictionaryArray) -> np.ndarray:
        """(M,) tokens to (M,) int64 numbers of the rows that have them, the first of several; NO_ROW where none has.

        A missing token has no row.
        """
        return first_of(tokens, self["token"])

    def row(self, number: int) -> dict:
        """A row as written, as far as its keys were read. Slow: for sentences about faults."""
        number = int(number)
        if number in self.columns.odd:
            return self.columns.odd[number]
        row = {}
        for name, array in self.columns.arrays.items():
            value = array[number].as_py() if isinstance(array, pa.Array) else array[number].tolist()
            if value != NO_INTEGER and value == value:
                row[name] = value
        return row

    def check(self, number: int, token: object, referrer: str) -> None:
        """Refuse a link to a row that does not exist or exists several times.

        Args:
            number: What `rows_of` says of the link.
            token: What the link says.
            referrer: Who refers, such as `sample.json, token 12ab`.
        """
        if number == NO_ROW:
            raise InputError(
                f"{self.path}: no row has the token {token!r}, which {referrer} refers to. Restore the missing row."
            )
        if self.repeated[number]:
            raise InputError(f"{self.path}: the token {token} occurs more than once. Restore the file.")

    def kept(self, rows: np.ndarray) -> LinkedColumns:
        """The table with these (M,) rows alone."""
        return LinkedColumns(self.path, taken(self.columns, rows))


def first_of(tokens: pa.StringArray | pa.DictionaryArray, among: pa.StringArray) -> np.ndarray:
    """(M,) int64: the place of each token among others, the first of several; NO_ROW where it is not among them."""
    if isinstance(tokens, pa.DictionaryArray):
        places = np.append(first_of(tokens.dictionary, among), NO_ROW)
        return places[np.where(unpacked(tokens.is_null()), NO_ROW, codes_of(tokens))]
    if not len(among):
        return np.full(len(tokens), NO_ROW)
    found = pc.index_in(tokens, among)
    places = np.frombuffer(found.buffers()[1], np.int32, len(found), found.offset * 4).astype(np.int64)
    if found.null_count:
        places[unpacked(found.is_null())] = NO_ROW
    return places


def mixed(texts: pa.StringArray) -> np.ndarray | None:
    """(N,) uint64: each text's bytes mixed into 64 bits, 0 for an empty one. Faster by far to compare than texts.

    None unless all texts that are not empty have one length of 8, 16, … bytes, as the release's tokens have.
    """
    lengths = np.diff(ends := text_ends(texts))
    width = int(lengths.max(initial=0))
    if not width or width % 8 or not ((lengths == width) | (lengths == 0)).all():
        return None
    words = np.frombuffer(texts.buffers()[2], np.uint8)[ends[0] : ends[-1]].view(np.uint64).reshape(-1, width // 8)
    mixes = np.zeros(len(words), np.uint64)
    for word in words.T:
        mixes = (mixes ^ word) * _ODD
        mixes ^= mixes >> np.uint64(32)
    if len(mixes) == len(texts):
        return mixes
    found = np.zeros(len(texts), np.uint64)
    found[lengths != 0] = mixes
    return found


def coded(column: pa.DictionaryArray) -> tuple[np.ndarray, list[str | None]]:
    """(N,) shared texts as (N,) int64 numbers of the different ones, and these; None, the last, is a missing one."""
    different = column.dictionary.unique()
    return first_of(column, different) % (len(different) + 1), [*different.to_pylist(), None]


def empty(column: pa.StringArray) -> np.ndarray:
    """(N,) bool: the text is missing or has no character."""
    return (np.diff(text_ends(column)) == 0) | unpacked(column.is_null())
