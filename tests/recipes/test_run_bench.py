"""The bench recipe as a user starts it."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from micro_dataset import micro_folder
from st_vlm.recipes import run_bench, sft

from st_vlm.errors import InputError
from st_vlm.models.tiny import make_tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("bench") / "model"
    make_tiny(folder)
    return folder


@pytest.fixture
def built(tmp_path):
    return micro_folder(tmp_path / "micro", clips=2)


def bench(model, built, out, *more):
    return run_bench.main(
        ["--model", str(model), "--dataset", str(built), "--out", str(out), "--max_new_tokens", "2", *more]
    )


def test_answers_scores_and_table(model, built, tmp_path, capsys):
    out = tmp_path / "out"
    assert bench(model, built, out) == 0
    scores = json.loads((out / "scores.json").read_text())
    assert sum(task["n"] for task in scores["tasks"].values()) == 14
    assert scores["average"] == 0.0
    printed = capsys.readouterr()
    assert "traveled_distance" in printed.out
    assert "14 answers (0 from an earlier run)" in printed.err
    first = (out / "predictions.jsonl").read_text()
    assert bench(model, built, out) == 0
    assert "14 answers (14 from an earlier run)" in capsys.readouterr().err
    assert (out / "predictions.jsonl").read_text() == first


def test_the_baseline_of_geometry_needs_no_model(built, tmp_path, capsys):
    assert bench("ground_plane", built, tmp_path / "out") == 0
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    said = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert sum(task["n"] for task in scores["tasks"].values()) == 14
    assert sum(task["missing"] for task in scores["tasks"].values()) == 14 - len(said)
    assert "traveled_distance" in capsys.readouterr().out


def test_right_answers_score_fully(model, built, tmp_path, monkeypatch):
    """The whole way from the recipe to the score, with a model that knows."""
    monkeypatch.setattr(
        "st_vlm.evaluation.runners._answer_batch",
        lambda model, processor, read_clip, rows, *rest: [(row["id"], row["answer"]) for row in rows],
    )
    assert bench(model, built, tmp_path / "out") == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["average"] == 1.0


def test_an_unreadable_video_is_reported_and_exits_with_1(model, built, tmp_path, capsys):
    (built / "test" / "clips" / "micro-00.mp4").write_bytes(b"")
    assert bench(model, built, tmp_path / "out") == 1
    assert "7 of 14 questions could not be asked" in capsys.readouterr().err
    scores = json.loads((tmp_path / "out" / "scores.json").read_text())
    assert sum(task["missing"] for task in scores["tasks"].values()) == 7


def test_a_model_with_track_tokens_needs_no_video(tmp_path, built):
    """Tuned on, and asked about, a dataset built without images, by a model without a vision tower."""
    torch.set_num_threads(1)
    for clip in built.glob("*/clips/*.mp4"):
        clip.unlink()
    for split in ("train", "test"):
        table = pq.read_table(built / split / "metadata.parquet")
        cameras = pa.array([{"size": [160, 96]}] * len(table))
        table = table.drop_columns(["file_name", "camera"]).append_column("camera", cameras)
        pq.write_table(table, built / split / "metadata.parquet")
    out = tmp_path / "tuned"
    options = ["--max_steps", "2", "--questions_per_clip", "7", "--per_device_train_batch_size", "2"]
    sft.main(
        ["--dataset", str(built), "--output_dir", str(out), "--sees_video", "false", "--box_noise", "0.002", *options]
    )
    assert bench(out, built, tmp_path / "answers") == 0
    assert len((tmp_path / "answers" / "predictions.jsonl").read_text().splitlines()) == 14
    make_tiny(tmp_path / "plain", track_tokens=False)
    with pytest.raises(InputError, match="built without video"):
        bench(tmp_path / "plain", built, tmp_path / "other")


def test_limit_asks_the_first_questions(model, built, tmp_path):
    assert bench(model, built, tmp_path / "out", "--limit", "3") == 0
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 3


def test_a_split_that_is_not_there_is_one_sentence_and_leaves_nothing(model, built, tmp_path):
    with pytest.raises(InputError, match="has no split 'validation'"):
        bench(model, built, tmp_path / "out", "--split", "validation")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_refused_input_exits_with_2_without_a_traceback(tmp_path):
    done = subprocess.run(
        [sys.executable, run_bench.__file__, "--model", "tiny", "--dataset", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "There is no dataset at" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_is_a_file_and_a_model_that_is_nowhere_are_refused(model, built, tmp_path):
    (tmp_path / "taken").write_text("here")
    with pytest.raises(InputError, match="taken"):
        run_bench.main(["--model", str(model), "--dataset", str(built), "--out", str(tmp_path / "taken")])
    with pytest.raises(InputError, match="no model at"):
        run_bench.main(["--model", str(tmp_path / "nowhere"), "--dataset", str(built)])
