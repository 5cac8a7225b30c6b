"""Making a variant: the same bytes however many processes, bad clips told, and what is refused."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gated_builds import contents
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.evaluation.controls import make_control
from st_vlm.evaluation.controls.batches import Origin
from st_vlm.recordings.drops import RULES


@pytest.fixture
def copied(scenes, tmp_path) -> Path:
    return Path(shutil.copytree(scenes, tmp_path / "copied"))


def clips(folder: Path) -> list[Path]:
    return sorted((folder / "train" / "clips").iterdir())


def test_the_same_bytes_from_two_processes(variants, scenes, tmp_path):
    make_control(scenes, "crop_zoom", tmp_path / "out", num_proc=2)
    assert contents(tmp_path / "out") == contents(variants["crop_zoom"][0])


def test_the_original_is_left_as_it_is(copied, tmp_path):
    before = contents(copied)
    make_control(copied, "mirrored", tmp_path / "out")
    make_control(copied, "paraphrased", tmp_path / "more")
    assert contents(copied) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copied", "more", "out"]


def test_a_broken_clip_is_told_and_the_others_are_made(st_vlm, copied, tmp_path):
    broken, other = clips(copied)[:2]
    broken.write_bytes(broken.read_bytes()[:300])
    other.unlink()
    code, out, err = st_vlm("control", copied, "--control", "mirrored", "--out", tmp_path / "out", "--format", "json")
    assert code == 1
    assert len(json.loads(out)["failures"]) == 2
    assert "2 clips with" in err
    assert str(broken) in err
    left = {path.name for path in clips(tmp_path / "out")}
    assert left == {path.name for path in clips(copied)} - {broken.name}


def test_the_command_tells_what_is_left_out(st_vlm, scenes, variants, tmp_path):
    code, out, err = st_vlm("control", scenes, "--control", "crop_zoom", "--out", tmp_path / "out")
    assert code == 0
    left = variants["crop_zoom"][1].left_out["no_crop"]
    assert f"{left} questions left out, each because its marks fill too much of the picture" in err
    assert "traveled_distance" in out


def test_help_names_every_control(st_vlm):
    from st_vlm.evaluation.controls import CONTROLS

    out = st_vlm("control", "--help")[1]
    assert all(name in out for name in CONTROLS)


def test_drops_are_those_of_its_recordings_and_reversed_with_them(variants, scenes):
    before = pq.read_table(scenes / "dropped.parquet").to_pylist()
    after = pq.read_table(variants["time_reversed"][0] / "dropped.parquet").to_pylist()
    assert len(after) == len(before) > 0
    assert {row["rule"] for row in after} <= set(RULES)
    sums = {}
    for old, new in zip(before, after, strict=True):
        assert new["end_ns"] - new["start_ns"] == old["end_ns"] - old["start_ns"]
        sums.setdefault(old["recording"], set()).add(old["start_ns"] + new["end_ns"])
    assert all(len(found) == 1 for found in sums.values())


REFUSED = [
    (("scenes", "--control", "upside_down"), "Unknown control 'upside_down': choose one of mirrored, time_reversed"),
    (("scenes", "--control", "mirrored", "--split", "test"), "no split 'test': it has train"),
    (("nowhere", "--control", "mirrored"), "There is no folder"),
    (("variant", "--control", "mirrored"), "is the control variant 'mirrored' already"),
    (("scenes", "--control", "mirrored", "--data", "here"), "are for --control double_frame_rate only"),
    (("no tracks", "--control", "mirrored"), "is missing: copy the whole folder again"),
    (("no drops", "--control", "mirrored"), "dropped.parquet"),
    (("torn table", "--control", "mirrored"), "cannot be read as Parquet"),
    (("no asked", "--control", "mirrored"), "has no column asked: build the folder again"),
]


@pytest.mark.parametrize(("arguments", "says"), REFUSED)
def test_refused_input_is_one_sentence_and_leaves_nothing(st_vlm, variants, scenes, copied, tmp_path, arguments, says):
    table = copied / "train" / "metadata.parquet"
    match arguments[0]:
        case "no tracks":
            shutil.rmtree(copied / "tracks")
        case "no drops":
            (copied / "dropped.parquet").unlink()
        case "torn table":
            table.write_bytes(table.read_bytes()[:5000])
        case "no asked":
            pq.write_table(pq.read_table(table).drop_columns("asked"), table)
    folder = {"scenes": scenes, "variant": variants["mirrored"][0], "nowhere": tmp_path / "nowhere"}.get(
        arguments[0], copied
    )
    code, out, err = st_vlm("control", folder, *arguments[1:], "--out", tmp_path / "out")
    assert code == 2
    assert says in err
    assert len(err.strip().splitlines()) == 1
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["copied"]


def test_a_folder_in_use_is_refused(scenes, tmp_path):
    (tmp_path / "mine").write_text("here")
    with pytest.raises(InputError, match="not empty"):
        make_control(scenes, "mirrored", tmp_path)


def test_a_truth_that_its_tracks_do_not_have_is_left_out(copied, tmp_path):
    table = copied / "train" / "metadata.parquet"
    rows = pq.read_table(table)
    listed = rows.to_pylist()
    changed = next(row for row in listed if row["task"] == "traveled_distance")
    changed["target"]["value"] += 1.0
    pq.write_table(pa.Table.from_pylist(listed, schema=rows.schema), table)
    report = make_control(copied, "paraphrased", tmp_path / "out")
    assert report.left_out == {"not_measured": 1}
    assert changed["id"] not in pq.read_table(tmp_path / "out/train/metadata.parquet")["id"].to_pylist()


def test_a_row_without_a_clip_is_left_out_where_pictures_are_changed(copied, tmp_path):
    table = copied / "train" / "metadata.parquet"
    rows = pq.read_table(table)
    listed = rows.to_pylist()
    listed[0]["file_name"] = None
    pq.write_table(pa.Table.from_pylist(listed, schema=rows.schema), table)
    # All questions of a clip share it.
    assert make_control(copied, "blank_frames", tmp_path / "out").left_out["no_clip"] >= 1


def test_twice_the_frame_rate_needs_the_recordings_that_it_was_built_from(scenes, copied, tmp_path):
    other = Origin("simulated", None, {"seed": 3, "num_recordings": 3, "image_size": [160, 96], "turning": 0.0})
    with pytest.raises(InputError, match="another track object"):
        make_control(scenes, "double_frame_rate", tmp_path / "out", origin=other)
    note = json.loads((copied / "stkit.json").read_text())
    assert note.pop("source_options") == {"seed": 3, "num_recordings": 3, "image_size": [160, 96]}
    (copied / "stkit.json").write_text(json.dumps(note))
    with pytest.raises(InputError, match="say where they are with --data"):
        make_control(copied, "double_frame_rate", tmp_path / "out")


def test_a_camera_below_4_hz_is_refused_with_a_sentence(st_vlm, tmp_path):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002")))
    build(BuildSettings("nuscenes", str(root), balance="none"), tmp_path / "built")
    code, _, err = st_vlm(
        *("control", tmp_path / "built", "--control", "double_frame_rate", "--data", root, "--out", tmp_path / "out")
    )
    assert code == 2
    assert "its camera took no image half-way between two of its frames" in err
    assert not (tmp_path / "out").exists()
    assert str(root) not in (tmp_path / "built" / "stkit.json").read_text()
