"""`st-vlm build` as its users run it."""

import json
import re

import pyarrow.parquet as pq
import pytest
from native_layouts.argoverse2 import argoverse2_tables, write_argoverse2
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.questions.forms import TASKS


@pytest.fixture
def two_scenes(tmp_path):
    """Two scenes whose car, parked car and walker are known; the second's first image is no image."""
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002"), samples=13))
    return root


def spoil_an_image_of(root, scene):
    tables = json.loads((root / "v1.0-mini" / "sample_data.json").read_text())
    images = [row["filename"] for row in tables if row["filename"].endswith(".jpg") and scene in json.dumps(row)]
    assert images
    (root / images[0]).write_bytes(b"not a picture")


def test_it_prints_rows_a_task_and_split(st_vlm, two_scenes, tmp_path):
    code, out, err = st_vlm("build", "nuscenes", two_scenes, "--balance", "partial", "--out", tmp_path / "built")
    assert code == 0
    [split] = [folder.name for folder in (tmp_path / "built").iterdir() if (folder / "metadata.parquet").is_file()]
    rows = pq.read_table(tmp_path / "built" / split / "metadata.parquet").to_pylist()
    printed = dict(line.split() for line in out.split("\n\n")[0].splitlines()[1:])
    assert {task: int(n) for task, n in printed.items()} == {
        task: sum(row["task"] == task for row in rows) for task in TASKS
    }
    # Nobody turns in these scenes, so an interval of one hour would be the whole span: said, not passed over.
    assert printed["direction_timestamp"] == "0"
    assert "no question of the task direction_timestamp" in err


def test_json_goes_to_standard_output_alone(st_vlm, two_scenes, tmp_path):
    code, out, _ = st_vlm(
        "build", "nuscenes", two_scenes, "--balance", "partial", "--out", tmp_path / "built", "--format", "json"
    )
    found = json.loads(out)
    assert (code, set(found)) == (0, {"out", "rows", "clips", "tracks", "tracks_asked", "dropped", "balance"})


def test_one_bad_scene_is_named_and_the_other_built(st_vlm, two_scenes, tmp_path):
    spoil_an_image_of(two_scenes, "scene-0002")
    code, _, err = st_vlm("build", "nuscenes", two_scenes, "--balance", "partial", "--out", tmp_path / "built")
    assert code == 1
    assert "scene-0002" in err
    assert (tmp_path / "built" / "README.md").is_file()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("kitty", "."), "Unknown source 'kitty'"),
        (("nuscenes",), "needs a path"),
        (("nuscenes", "nowhere"), "nowhere"),
        (("nuscenes", "SCENES", "--task", "colour"), "Unknown task 'colour'"),
        (("nuscenes", "SCENES", "--camera", "CAM_ROOF"), "CAM_ROOF"),
        (("argoverse2", "LOG"), "images"),
    ],
)
def test_refusals_are_one_sentence_and_leave_nothing(st_vlm, two_scenes, tmp_path, arguments, sentence):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables())
    places = {"SCENES": two_scenes, "LOG": log}
    before = sorted(tmp_path.iterdir())
    code, out, err = st_vlm("build", *(places.get(a, a) for a in arguments), "--out", tmp_path / "built")
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_that_may_not_be_written_is_a_sentence(st_vlm, two_scenes, tmp_path):
    (tmp_path / "file").write_text("here")
    code, _, err = st_vlm(
        "build", "nuscenes", two_scenes, "--balance", "partial", "--out", tmp_path / "file" / "built"
    )
    assert code == 2
    assert "file" in err
    assert "Traceback" not in err


def test_a_source_too_small_for_balance_is_refused_with_what_is_missing_and_built_when_told_to(
    st_vlm, two_scenes, tmp_path
):
    code, out, err = st_vlm("build", "nuscenes", two_scenes, "--out", tmp_path / "built")
    assert (code, out) == (2, "")
    assert "at least 100 questions" in err
    assert "moving_direction has" in err
    assert "none about 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 o'clock" in err
    assert "--balance partial" in err
    assert '`balance="partial"` in Python' in err
    # Of a task of which nothing was found, nothing "could be guessed".
    assert re.search(r"direction_timestamp has 0, none about", err)
    assert not (tmp_path / "built").exists()
    # No image is read again: the shards are there.
    for image in two_scenes.rglob("*.jpg"):
        image.write_bytes(b"gone")
    code, _, err = st_vlm("build", "nuscenes", two_scenes, "--out", tmp_path / "built", "--balance", "partial")
    assert code == 0, err
    assert (tmp_path / "built" / "balance.json").is_file()
