"""Large JSON tables in columns against plain `json`, for any layout of the text and any fault in it."""

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.recordings import json_columns
from st_vlm.recordings.columns import FLAG, INTEGER, NO_INTEGER, NUMBER, SHARED_TEXT, TEXT, Columns, numbers_of
from st_vlm.recordings.indented_rows import NotIndented, columns_of_indented_rows
from st_vlm.recordings.json_columns import read_columns

TYPES = {
    "token": TEXT,
    "name": TEXT,
    "group": SHARED_TEXT,
    "count": INTEGER,
    "share": NUMBER,
    "place": numbers_of(3),
    "turn": numbers_of(2),
    "key": FLAG,
}
ROW = {
    "token": "a",
    "name": "b",
    "group": "g",
    "count": 1,
    "share": 0.5,
    "place": [1, 2.5, -3],
    "turn": [0, 1],
    "key": True,
}
# Text that looks like the layout around it, that is escaped, or that takes several bytes a character.
texts = st.one_of(
    st.sampled_from(
        ["", "a", "},", '},\n{\n"token": "b"', '", "name": "c', "[", "]", "{", "\\", "\\u0041", "null", "é", "😀"]
    ),
    st.text(max_size=8),
)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**63), 2**63 - 1), st.sampled_from([-0.0, 1e-310])
)
rows_as_they_should_be = st.fixed_dictionaries(
    {
        "token": texts,
        "name": texts,
        "group": texts,
        "count": st.integers(NO_INTEGER + 1, 2**63 - 1),
        "share": numbers,
        "place": st.lists(numbers, min_size=3, max_size=3),
        "turn": st.lists(numbers, min_size=2, max_size=2),
        "key": st.booleans(),
    }
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), texts),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=5,
)


@st.composite
def odd_rows(draw):
    """Rows with keys that are missing, superfluous, in another order or of another type."""
    row = draw(rows_as_they_should_be)
    for key in draw(st.lists(st.sampled_from([key for key in TYPES if key != "token"]), max_size=2)):
        row[key] = draw(anything)
    for key in draw(st.lists(st.sampled_from([key for key in TYPES if key != "token"]), max_size=2)):
        row.pop(key, None)
    row.update(draw(st.dictionaries(texts.filter(lambda key: key not in TYPES), anything, max_size=2)))
    return dict(draw(st.permutations(list(row.items()))))


layouts = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([0, 0, None, 1, 4]),
        "separators": st.sampled_from([None, (",", ":"), (" , ", " : ")]),
        "ensure_ascii": st.booleans(),
    }
)


def plainly(value, kind):
    """What a column says of a value, coded anew: the value, or None where it is not usable."""
    if kind in (TEXT, SHARED_TEXT, INTEGER, FLAG):
        if type(value) is not {INTEGER: int, FLAG: bool}.get(kind, str):
            return None
        try:
            return value if kind == FLAG else int(np.int64(value)) if kind == INTEGER else value.encode().decode()
        except (UnicodeEncodeError, OverflowError):
            return None
    if kind == NUMBER:
        try:
            return float(value) if type(value) in (int, float) else None
        except OverflowError:
            return None
    found = [plainly(item, NUMBER) for item in value] if type(value) is list else []
    return found if len(found) == kind.list_size and None not in found else None


def check(found, rows):
    assert len(found) == len(rows)
    for name, kind in TYPES.items():
        column = found.arrays[name]
        for i, row in enumerate(rows):
            expected = plainly(row.get(name), kind)
            if kind in (TEXT, SHARED_TEXT):
                assert column[i].as_py() == expected
            elif kind == INTEGER:
                assert column[i] == (NO_INTEGER if expected is None else expected)
            elif kind == FLAG:
                assert column[i] == (True if expected is None else expected)
            else:
                width = () if kind == NUMBER else (kind.list_size,)
                np.testing.assert_array_equal(column[i], np.full(width, math.nan) if expected is None else expected)
            if expected is None and row.get(name) is not None:
                assert found.odd[i] == row or row != row or str(found.odd[i]) == str(row)  # NaN is not itself


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Write a text, and read its columns in blocks of so many bytes."""

    def write_and_read(text, block=1 << 20, only=None):
        monkeypatch.setattr(json_columns, "BLOCK_BYTES", block)
        path = tmp_path / "table.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_columns(path, TYPES, only)

    return write_and_read


blocks = st.sampled_from([1, 7, 64, 300, 1 << 20])
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


@relaxed
@given(st.lists(odd_rows(), max_size=6), layouts, blocks)
def test_any_rows_in_any_layout_are_what_json_reads(read, rows, layout, block):
    check(read(json.dumps(rows, **layout), block), rows)


@relaxed
@given(st.lists(rows_as_they_should_be, min_size=1, max_size=6), layouts, blocks)
def test_regular_rows_in_any_layout_are_what_json_reads(read, rows, layout, block):
    check(read(json.dumps(rows, **layout), block), rows)


plain_texts = st.sampled_from(["", "a", "},", "[", "{", "null", "é", "a, b: c"])
lists_of_text = st.sampled_from([[], ["a"], ["b", "c"], ["},", "é", ""]])


@settings(max_examples=50)
@given(st.lists(st.tuples(rows_as_they_should_be, plain_texts, plain_texts, lists_of_text), min_size=1, max_size=8))
def test_rows_like_the_release_s_go_by_their_lines(drawn):
    """Unescaped text, keys in one order; lists that nobody wants may differ in length."""
    rows = [
        {"tags": tags, **{key: row[key] for key in TYPES}, "token": a, "name": b, "group": b}
        for row, a, b, tags in drawn
    ]
    text = json.dumps(rows, indent=0, ensure_ascii=False)[1:-1].encode()
    check(Columns(columns_of_indented_rows(text, TYPES), {}), rows)


@pytest.mark.parametrize(
    "rows",
    [
        [ROW, dict(reversed(ROW.items()))],
        [dict(ROW, name="\n")],
        [ROW, dict(ROW, name=None)],
        [ROW, dict(ROW, share="0.5")],
        [ROW, dict(ROW, place=[1, 2])],
        [dict(ROW, count=0.5)],
        [dict(ROW, share=math.nan)],
        [{key: ROW[key] for key in ROW if key != "turn"}],
    ],
)
def test_rows_unlike_the_release_s_are_left_to_others(rows):
    with pytest.raises(NotIndented):
        columns_of_indented_rows(json.dumps(rows, indent=0)[1:-1].encode(), TYPES)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ('"name": "b",', '"name": "b", "other": "c",'),  # two keys on a line
        ('"name": "b",', '"name": "b"",'),
        ('"name": "b",', '"name": "b,'),
        ('"name": "b",', '"nane": "b",'),
        ('"name": "b",', '"name":"b",'),
        ('"count": 12,', '"count": 12'),
        ('"count": 12,', '"count": 12,,'),
        ('"count": 12,', '"count": ,'),
        ('"place": [', '"place": [ '),
        ("],", "]"),
        ("],", "] ,"),
        ('"key": true', '"key": true,'),
        ('"key": true', '"key": trua'),
        ('"share": 0.5,', '"share": 1e999,'),
        ("},", "}"),
        ("},", "}, "),
        ("{", "{ "),
    ],
)
def test_one_line_unlike_the_others_is_noticed(line, instead):
    """In any but the first row, which is the measure of the others."""
    text = json.dumps([dict(ROW, count=12)] * 4, indent=0)[1:-1]
    assert len(Columns(columns_of_indented_rows(text.encode(), TYPES), {})) == 4
    before, row, after = text.partition('"token": "a",\n"name": "b",\n"group": "g",\n"count": 12,\n"share": 0.5')[0:3]
    second = after.index("{") if line != "{" else 0
    spoilt = before + row + after[:second] + after[second:].replace(f"\n{line}\n", f"\n{instead}\n", 1)
    assert spoilt != text
    with pytest.raises(NotIndented):
        columns_of_indented_rows(spoilt.encode(), TYPES)


def test_one_quote_lost_and_another_gained_are_noticed():
    first, *others = json.dumps([ROW] * 3, indent=0)[1:-1].split("},")
    others[0] = others[0].replace('"name": "b",', '"name": "b,').replace('"token": "a",', '"token": "a"",')
    with pytest.raises(NotIndented):
        columns_of_indented_rows("},".join([first, *others]).encode(), TYPES)


@relaxed
@given(st.integers(1, 3), st.sampled_from([0, None]), st.data(), blocks)
def test_a_text_cut_short_is_refused(read, count, indent, data, block):
    text = json.dumps([ROW] * count, indent=indent)
    with pytest.raises(InputError, match=r"table\.json is not valid JSON"):
        read(text[: data.draw(st.integers(0, len(text) - 1))], block)


@relaxed
@given(st.integers(1, 3), st.sampled_from([0, None]), st.data(), blocks)
def test_a_spoilt_text_is_refused_if_json_refuses_it(read, count, indent, data, block):
    """One character lost, doubled or replaced: a sentence, or what `json` reads from it."""
    text = json.dumps([ROW] * count, indent=indent)
    place = data.draw(st.integers(0, len(text) - 1))
    text = text[:place] + data.draw(st.sampled_from(["", text[place] * 2, *'{}[]",:\n\\0+.x'])) + text[place + 1 :]
    try:
        rows = json.loads(text)
    except ValueError:
        with pytest.raises(InputError):
            read(text, block)
    else:
        if all(isinstance(row, dict) and isinstance(row.get("token"), str) for row in rows):
            check(read(text, block), rows)
        else:
            with pytest.raises(InputError, match="no token"):
                read(text, block)


@pytest.mark.parametrize(
    "number", ["+1", ".5", "01", "-01", "1.", "0x1", "1_0", "--1", "1e", " 1 2", "Infinit", "tru"]
)
@pytest.mark.parametrize("indent", [0, None])
def test_what_only_looks_like_a_number_is_refused(read, number, indent):
    text = json.dumps([ROW], indent=indent)
    for value in ("0.5", "-3", "2.5"):
        with pytest.raises(InputError, match="not valid JSON"):
            read(text.replace(value, number))


@pytest.mark.parametrize("indent", [0, None])
@pytest.mark.parametrize("block", [64, 1 << 20])
def test_rows_that_are_not_wanted_are_left_out(read, indent, block):
    rows = [dict(ROW, token=str(i), key=i % 3 == 0, share="odd" if i in (3, 4) else 0.5) for i in range(10)]
    found = read(json.dumps(rows, indent=indent), block, only="key")
    assert found.arrays["token"].to_pylist() == ["0", "3", "6", "9"]
    assert found.odd == {1: rows[3]}


@pytest.mark.parametrize(
    "text", [b'[{"token": "\xff"}]', b'[\n{\n"token": "\xff"\n}\n]', b"\xff\xfe[]", b"[1,\n2", b""]
)
def test_bytes_that_are_no_text_are_refused(read, text):
    with pytest.raises(InputError, match="not valid JSON"):
        read(text)


@pytest.mark.parametrize("head", ["", '{\n"token": "a"\n},\n'])
@pytest.mark.parametrize("row", ["{\n}", "{}", "null", "null,\n{}", "{},\n{}", "[[]]", "1", '{\n"token": null\n}'])
def test_rows_without_a_token_are_refused(read, row, head):
    with pytest.raises(InputError, match="no token"):
        read(f"[\n{head}{row}\n]")


def test_a_list_without_rows_has_empty_columns(read):
    for text in ("[]", "[\n]", " [ ] "):
        check(read(text), [])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_encodings_are_read_as_json_reads_them(read, encoding):
    check(read(json.dumps([ROW, ROW], indent=0).encode(encoding)), [ROW, ROW])
