"""Rows of JSON as `json.dump(rows, file, indent=0)` lays them out: every key and every item of a list on its own line.

Large releases are written so. Rows with equally many lines are checked against the first of them, whole columns at a
time; what then remains of a line is the value. Text that departs from the layout in any way is not taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from st_vlm.recordings.columns import FLAG, INTEGER, NUMBER, SHARED_TEXT, TEXT, as_arrow, width_of

NEWLINE, COMMA, QUOTE, OPEN, CLOSE = b'\n,"{}'
_KEY = re.compile(rb'"([^"]*)": ')
# So much follows the rows in memory, so that comparisons may look beyond the last line.
_PADDING = bytes(256)
# Arrow's bits for items of which every second one is there, beginning with the first.
_EVERY_SECOND = 0b01010101
_DIGIT = np.isin(np.arange(256), np.frombuffer(b"0123456789", np.uint8))
_WORD_START, _WORD_END = (np.isin(np.arange(256), np.frombuffer(letters, np.uint8)) for letters in (b"tfn", b"el"))


class NotIndented(Exception):
    """The text is not laid out like this, or a row lacks a key or has a value of another type."""


class _Line(NamedTuple):
    """What a line of a row looks like.

    Attributes:
        key: The key whose value or list item stands here; None where neither does.
        before: Bytes before the value; the whole line but its comma where there is no value.
        text: Whether the value is text, whose closing quote follows it.
        comma: Whether a comma ends the line.
    """

    key: str | None
    before: bytes
    text: bool
    comma: bool


def columns_of_indented_rows(text: bytes, types: Mapping[str, pa.DataType]) -> dict[str, np.ndarray | pa.StringArray]:
    """Columns of the rows in a text without outer brackets, as described in `columns.Columns`.

    Raises:
        NotIndented: Another layout, an escaped character, or a value that is missing or of another type.
    """
    if not text.startswith(b"\n{\n") or b"\\" in text:
        raise NotIndented
    data = np.frombuffer(b"".join((text.rstrip(), b"\n", _PADDING)), np.uint8)
    ends = np.flatnonzero(data == NEWLINE).astype(np.int32)
    starts = ends[:-1] + 1  # of all lines but the empty first one
    closing = np.flatnonzero(data[starts] == CLOSE)
    opening = np.append(0, closing[:-1] + 1)
    lengths = np.diff(ends)  # with the line's end
    if (
        not len(closing)
        or closing[-1] != len(starts) - 1
        or (closing - opening < 2).any()
        or (data[starts[opening]] != OPEN).any()
        or (lengths[opening] != 2).any()
        or (lengths[closing] != 3 - (np.arange(len(closing)) == len(closing) - 1)).any()
        or (data[starts[closing[:-1]] + 1] != COMMA).any()
    ):
        raise NotIndented
    count = closing - opening - 1
    parts, order, quotes = [], [], 0
    for lines in np.unique(count):
        rows = np.flatnonzero(count == lines)
        # (lines + 1, n): where the rows' lines start, with the brace that closes the row.
        places = starts[opening[rows] + np.arange(1, lines + 2)[:, None]]
        template = _template(data, places[:, 0])
        _check(data, places, template)
        quotes += len(rows) * sum(line.before.count(b'"') + line.text for line in template)
        try:
            parts.append({name: _column(data, places, template, name, kind) for name, kind in types.items()})
        except pa.ArrowException:
            raise NotIndented from None
        order.append(rows)
    # Each line has at least its template's quotes, so that with as many in all, no value has one within.
    if np.count_nonzero(data == QUOTE) != quotes:
        raise NotIndented
    if len(parts) == 1:
        return parts[0]
    places = np.argsort(np.concatenate(order))
    return {name: _joined([part[name] for part in parts], places) for name in types}


def _template(data: np.ndarray, places: np.ndarray) -> list[_Line]:
    """The lines of one row, of which (L + 1,) starts are given, the last that of its closing brace."""
    lines = [data[start : end - 1].tobytes() for start, end in pairwise(places)]
    try:
        keys = json.loads(b"".join((b"{", *lines, b"}")), object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    except (ValueError, RecursionError):
        raise NotIndented from None
    if len(set(keys)) != len(keys):
        raise NotIndented
    template, listing = [], None
    for line in lines:
        comma = line.endswith(b",")
        body = line[:-1] if comma else line
        before, key = b"", listing
        if listing is None:
            if (found := _KEY.match(body)) is None:
                raise NotIndented
            before, key = found[0], found[1].decode()
        value = body[len(before) :]
        if value.startswith((b"[", b"]", b"{")):
            listing = key if value == b"[" else None
            template.append(_Line(None, body, False, comma))
        else:
            text = value.startswith(b'"')
            template.append(_Line(key, before + b'"' * text, text, comma))
    if max(len(line.before) for line in template) > len(_PADDING):
        raise NotIndented
    return template


def _check(data: np.ndarray, places: np.ndarray, template: list[_Line]) -> None:
    """Refuse rows, given as (L + 1, n) starts of lines, that differ from the template in more than values."""
    before, comma, text, fixed = (
        np.array(column, np.int32)[:, None]
        for column in zip(*((len(x.before), x.comma, x.text, x.key is None) for x in template), strict=True)
    )
    last = places[1:] - 2  # where the comma is, or what stands before the line's end
    room = last + 1 - comma - places[:-1] - before  # bytes left for the value and its closing quote
    quoted = np.flatnonzero(text)
    right = (
        ((data[last] == COMMA) == comma.astype(bool)).all()
        and ((room > 0) != fixed.astype(bool)).all()
        and (room >= 0).all()
        and (data[last[quoted] - comma[quoted]] == QUOTE).all()
    )
    bare = np.flatnonzero(~(text | fixed).astype(bool))
    right = right and _look_like_values(data, places[bare] + before[bare], last[bare] - comma[bare])
    for number, line in enumerate(template):
        if not right:
            raise NotIndented
        if line.before:
            # Items of so many bytes that begin at every byte.
            width = len(line.before)
            begins = np.ndarray((len(data) - width,), f"V{width}", data, strides=(1,))[places[number]]
            right = (begins.view(np.uint8).reshape(-1, width) == np.frombuffer(line.before, np.uint8)).all()
    if not right:
        raise NotIndented


def _look_like_values(data: np.ndarray, first: np.ndarray, last: np.ndarray) -> bool:
    """Whether values, given by where their first and last bytes are, may be numbers, `true`, `false` or `null`.

    What Arrow takes for a number and JSON does not (`+1`, `.5`, `1.`, `01`) is none.
    """
    start, second, end = data[first], data[first + 1], data[last]
    number = _DIGIT[start] | ((start == ord("-")) & _DIGIT[second])
    number &= _DIGIT[end] & ~((start == ord("0")) & _DIGIT[second])
    return bool(number.all() or (number | (_WORD_START[start] & _WORD_END[end])).all())


def _column(
    data: np.ndarray, places: np.ndarray, template: list[_Line], name: str, kind: pa.DataType
) -> np.ndarray | pa.StringArray:
    """One key's values of rows that match the template."""
    numbers = [number for number, line in enumerate(template) if line.key == name]
    width = width_of(kind) or 1
    if len(numbers) != width or any(template[number].text != (kind in (TEXT, SHARED_TEXT)) for number in numbers):
        raise NotIndented
    before = np.array([len(template[number].before) for number in numbers])
    after = np.array([1 + template[number].comma + template[number].text for number in numbers])
    starts = (places[numbers] + before.astype(np.int32)[:, None]).T
    ends = (places[np.array(numbers) + 1] - after.astype(np.int32)[:, None]).T
    if kind == FLAG:
        return _flags(data, starts[:, 0], ends[:, 0])
    # Arrow's strings stand one after another, so those between the values are there too, as every second one.
    bounds = np.stack([starts, ends], axis=-1).ravel()
    count = len(bounds) - 1
    valid = np.full(count // 8 + 1, _EVERY_SECOND, np.uint8)
    strings = pa.StringArray.from_buffers(count, *map(pa.py_buffer, (bounds, data, valid)))
    if kind in (TEXT, SHARED_TEXT):
        texts = strings.drop_null()
        return texts.dictionary_encode() if kind == SHARED_TEXT else texts
    to = INTEGER if kind == INTEGER else NUMBER
    values = np.frombuffer(strings.cast(to).buffers()[1], to.to_pandas_dtype(), count)[::2]
    if not np.isfinite(values).all():
        raise NotIndented
    return values.reshape(-1, width) if width_of(kind) else values.copy()


def _flags(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(n,) bool of values that are `true` or `false`."""
    right = {}
    for word in (b"true", b"false"):
        same = np.lib.stride_tricks.sliding_window_view(data, len(word))[starts] == np.frombuffer(word, np.uint8)
        right[word] = same.all(axis=1) & (ends - starts == len(word))
    if not (right[b"true"] | right[b"false"]).all():
        raise NotIndented
    return right[b"true"]


def _joined(parts: list, places: np.ndarray) -> np.ndarray | pa.StringArray:
    """The parts one after another, and then in the order of the (N,) places."""
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts)[places]
    return pa.concat_arrays(parts).take(as_arrow(places))
