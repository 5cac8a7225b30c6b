"""The whole line in one command, on as little as it takes."""

import json
import subprocess
import sys

import pytest
from PIL import Image

from st_vlm.cli.demo import _one_of_each_task
from st_vlm.questions.forms import TASKS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A demo of ten scenes and two steps."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "st_vlm.cli.main", "demo", "--num-recordings", "10", "--max-steps", "2"]
    done = subprocess.run([*command, "--format", "json"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), command


@pytest.mark.slow
def test_four_scores_for_seven_tasks(finished):
    _, results, _ = finished
    assert list(results) == ["untuned", "constant", "ground_plane", "tuned"]
    for result in results.values():
        assert set(result["tasks"]) == set(TASKS)


@pytest.mark.slow
def test_the_model_loads_by_its_bare_name(finished):
    folder, _, _ = finished
    code = (
        "import st_vlm; from transformers import AutoModel; print(type(AutoModel.from_pretrained('st-vlm')).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "STVLMForConditionalGeneration"


@pytest.mark.slow
def test_the_picture_shows_every_task(finished):
    folder, _, _ = finished
    with Image.open(folder / "demo" / "clips.png") as picture:
        assert picture.height > 7 * 150


@pytest.mark.slow
def test_again_it_says_the_same_without_doing_it_again(finished):
    folder, results, command = finished
    again = subprocess.run([*command, "--format", "json"], cwd=folder, capture_output=True, text=True, check=True)
    assert json.loads(again.stdout) == results


@pytest.mark.slow
def test_other_settings_are_refused_and_nothing_is_lost(finished):
    folder, _, command = finished
    done = subprocess.run([*command[:-1], "3"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "other settings" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_folder_that_is_no_model_is_left_alone(st_vlm, tmp_path):
    (tmp_path / "st-vlm").mkdir()
    (tmp_path / "st-vlm" / "thesis.txt").write_text("years of work")
    code, _, err = st_vlm("demo", "--out", tmp_path / "demo", "--model-dir", tmp_path / "st-vlm")
    assert code == 2
    assert "holds no ST-VLM" in err
    assert (tmp_path / "st-vlm" / "thesis.txt").is_file()
    assert not (tmp_path / "demo").exists()


def test_the_picture_shows_what_was_shown_least():
    rows = [
        {"task": task, "recording": recording, "clip_id": f"{recording}-{clip}"}
        for recording in ("a", "b")
        for clip in (0, 1)
        for task in list(TASKS)[:4]
    ]
    shown = _one_of_each_task(rows)
    assert [row["task"] for row in shown] == list(TASKS)[:4]
    assert [row["recording"] for row in shown] == ["a", "b", "a", "b"]
    assert len({row["clip_id"] for row in shown}) == 4
