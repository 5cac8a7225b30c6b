"""Questions and predictions from files: what is read, and what is refused by name and line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_vlm.errors import InputError
from st_vlm.evaluation.loading import load_predictions, load_questions, questions_from_rows, questions_sha256
from st_vlm.questions.answers import ClockHour, Quantity, to_target

ROWS = [
    {"id": "a", "task": "traveled_distance", "question": "How far?", "target": to_target(Quantity(15.2, "m"))},
    {"id": "b", "task": "moving_direction", "question": "Which way?", "target": to_target(ClockHour(3))},
]


def write(path, rows, **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([{**row, **more} for row in rows]), path)
    return path


def write_lines(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_a_file_and_a_folder_hold_the_same_questions(tmp_path):
    file = write(tmp_path / "q.parquet", ROWS, answer="…", marks=[{"color": "red"}])
    write(tmp_path / "built/test/metadata.parquet", ROWS[::-1])
    questions = load_questions(file)
    assert [(q.id, q.task, q.question, q.truth) for q in questions] == [
        ("a", "traveled_distance", "How far?", Quantity(15.2, "m")),
        ("b", "moving_direction", "Which way?", ClockHour(3)),
    ]
    assert questions_sha256(questions) == questions_sha256(load_questions(tmp_path / "built"))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "c"},
        {"question": "How far does it go?"},
        {"target": to_target(Quantity(15.21, "m"))},
        {"task": "traveling_speed", "target": to_target(Quantity(15.2, "km/h"))},
    ],
)
def test_the_digest_covers_what_matters(change):
    changed = questions_from_rows([{**ROWS[0], **change}, ROWS[1]])
    assert questions_sha256(changed) != questions_sha256(questions_from_rows(ROWS))


def test_the_digest_ignores_how_numbers_are_stored(tmp_path):
    rows = [{**ROWS[0], "target": {**ROWS[0]["target"], "value": 15.199999809265137}}, ROWS[1]]
    assert questions_sha256(questions_from_rows(rows)) == questions_sha256(questions_from_rows(ROWS))


def test_splits(tmp_path):
    write(tmp_path / "train/metadata.parquet", ROWS[:1])
    assert [q.id for q in load_questions(tmp_path)] == ["a"]
    write(tmp_path / "validation/metadata.parquet", ROWS[1:])
    with pytest.raises(InputError, match="train, validation"):
        load_questions(tmp_path)
    assert [q.id for q in load_questions(tmp_path, "validation")] == ["b"]
    write(tmp_path / "test/metadata.parquet", ROWS)
    assert [q.id for q in load_questions(tmp_path)] == ["a", "b"]
    with pytest.raises(InputError, match="'dev': it has train, validation, test"):
        load_questions(tmp_path, "dev")
    with pytest.raises(InputError, match="leave --split out"):
        load_questions(tmp_path / "test/metadata.parquet", "test")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "no question"),
        ([ROWS[0], ROWS[0]], "'a' occurs twice"),
        ([{**ROWS[0], "task": "distance"}], "'a'.*Unknown task 'distance'"),
        ([{**ROWS[0], "task": "moving_direction"}], "'a'.*needs hour"),
        ([ROWS[0], {**ROWS[1], "question": None}], r"row 1 \(b\) has no question"),
    ],
)
def test_bad_questions_are_refused(rows, says):
    with pytest.raises(InputError, match=rf"q\.parquet.*{says}"):
        questions_from_rows(rows, "q.parquet")


def test_files_that_are_no_questions_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file or folder"):
        load_questions(tmp_path / "nothing")
    with pytest.raises(InputError, match="no split"):
        load_questions(tmp_path)
    junk = write_lines(tmp_path / "junk.parquet", "not parquet")
    with pytest.raises(InputError, match=r"junk\.parquet cannot be read as Parquet"):
        load_questions(junk)
    other = write(tmp_path / "other.parquet", [{"id": "a", "text": "b"}])
    with pytest.raises(InputError, match=r"other\.parquet has no column task"):
        load_questions(other)


def test_predictions(tmp_path):
    file = write_lines(
        tmp_path / "p.jsonl", {"id": "a", "text": "15 m", "model": "x"}, "", {"id": "b", "text": ""}, ""
    )
    assert load_predictions(file, ["a", "b", "c"]) == {"a": "15 m", "b": ""}
    separator = write_lines(tmp_path / "p.jsonl", '{"id": "a", "text": "15\u2028m"}')
    assert load_predictions(separator, ["a"]) == {"a": "15\u2028m"}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "b", "text": "15', "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[1]", "string id"),
        ('{"text": "15 m"}', "string id"),
        ('{"id": 7, "text": "15 m"}', "string id"),
        ('{"id": "b"}', "'b' has no text"),
        ('{"id": "b", "text": null}', "'b' has no text"),
        ('{"id": "a", "text": "again"}', "'a' was already predicted on line 1"),
        ('{"id": "z", "text": "15 m"}', "no question 'z'"),
    ],
)
def test_bad_predictions_name_file_and_line(tmp_path, line, says):
    file = write_lines(tmp_path / "p.jsonl", {"id": "a", "text": "15 m"}, "", line)
    with pytest.raises(InputError, match=rf"p\.jsonl, line 3: .*{says}"):
        load_predictions(file, ["a", "b"])


def test_unreadable_predictions(tmp_path):
    with pytest.raises(InputError, match=r"p\.jsonl cannot be read: No such file"):
        load_predictions(tmp_path / "p.jsonl", [])
    (tmp_path / "p.jsonl").write_bytes(b'{"id": "a", "text": "\xff"}')
    with pytest.raises(InputError, match="UTF-8"):
        load_predictions(tmp_path / "p.jsonl", ["a"])
