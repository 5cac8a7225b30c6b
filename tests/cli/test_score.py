"""`st-vlm score` as a user runs it: output, files and exit codes."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_vlm.cli import main as cli
from st_vlm.questions.answers import ClockHour, Interval, Quantity, to_target

ROWS = [
    {"id": "d1", "task": "traveled_distance", "question": "How far?", "target": to_target(Quantity(10, "m"))},
    {"id": "d2", "task": "traveled_distance", "question": "How far?", "target": to_target(Quantity(20, "m"))},
    {"id": "h1", "task": "moving_direction", "question": "Which way?", "target": to_target(ClockHour(3))},
    {"id": "t1", "task": "direction_timestamp", "question": "When?", "target": to_target(Interval(2, 4))},
]
PREDICTIONS = {"d1": "It goes 11 m.", "d2": "30 m", "h1": "3 o'clock", "t1": "from 2.0 to 6.0 seconds"}


@pytest.fixture
def files(tmp_path):
    """A built folder with a test split, and predictions for all of it."""
    (tmp_path / "built/test").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "built/test/metadata.parquet")
    lines = [json.dumps({"id": key, "text": text}) for key, text in PREDICTIONS.items()]
    (tmp_path / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path / "built", tmp_path / "predictions.jsonl"


def run(monkeypatch, *arguments):
    """The exit code of `st-vlm score ARGUMENTS`."""
    monkeypatch.setattr("sys.argv", ["st-vlm", "score", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


def test_json_on_standard_output_and_in_a_file(files, tmp_path, monkeypatch, capsys):
    assert run(monkeypatch, *files, "--format", "json", "--out", tmp_path / "score.json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "score.json").read_text())
    assert printed["tasks"]["traveled_distance"]["accuracy"] == 0.5
    assert printed["tasks"]["traveled_distance"]["mae"] == pytest.approx(5.5)
    assert printed["average"] == pytest.approx((0.5 + 1 + 1) / 3)
    assert not list(tmp_path.glob(".score*"))


def test_the_table(files, monkeypatch, capsys):
    assert run(monkeypatch, *files, "--split", "test") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:4] == ["traveled_distance", "2", "50.00", "5.50"]
    assert lines[-1][:3] == ["average", "4", "83.33"]


def test_missing_predictions_are_counted_and_said(files, monkeypatch, capsys):
    files[1].write_text('{"id": "h1", "text": "3"}\n')
    assert run(monkeypatch, *files, "--format", "json") == 0
    out, err = capsys.readouterr()
    assert "3 of 4 questions have no prediction" in err
    assert json.loads(out)["average"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("nowhere", "predictions.jsonl"), "no file or folder of questions"),
        (("built", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
        (("built", "broken.jsonl"), "broken.jsonl, line 1: not valid JSON"),
        (("built", "predictions.jsonl", "--split", "train"), "no split 'train'"),
        (("built", "predictions.jsonl", "--out", "nowhere/score.json"), "cannot be written"),
    ],
)
def test_refused_input_is_one_sentence_and_leaves_nothing(files, arguments, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.jsonl").write_text("{")
    before = sorted(tmp_path.rglob("*"))
    assert run(monkeypatch, *arguments) == 2
    out, err = capsys.readouterr()
    assert says in err
    assert len(err.splitlines()) == 1
    assert out == ""
    assert sorted(tmp_path.rglob("*")) == before
