"""`--dry-run` counts what a build gives and writes nothing."""

import json
from pathlib import Path

import pytest
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.building.build import build
from st_vlm.building.dry_run import estimate
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError

SIMULATED = BuildSettings(
    "simulated", source_options={"seed": 3, "num_recordings": 2, "image_size": [160, 96]}, balance="none"
)


def test_with_every_recording_sampled_the_counts_are_exact(tmp_path):
    found = estimate(SIMULATED, sample=2)
    report = build(SIMULATED, tmp_path / "out", num_proc=2)
    assert found.questions == report.counts["train"]
    assert found.clips == report.clips
    size = sum(path.stat().st_size for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert size / 2 < found.bytes < 2 * size
    assert found.seconds > 0


def test_a_sample_is_scaled_up():
    few, all_of_them = estimate(SIMULATED, sample=1), estimate(SIMULATED, sample=2)
    assert (few.sampled, few.shards, few.recordings) == (1, 2, 2)
    assert (
        sum(all_of_them.questions.values()) / 2 < sum(few.questions.values()) < 2 * sum(all_of_them.questions.values())
    )


def test_nothing_is_written(st_vlm, tmp_path, monkeypatch):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002")))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    code, out, err = st_vlm("build", "nuscenes", root, "--dry-run", "--out", tmp_path / "out")
    assert code == 0
    assert "Nothing was written" in err
    assert "traveled_distance" in out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    code, out, _ = st_vlm("build", "nuscenes", root, "--dry-run", "--format", "json")
    assert code == 0
    assert json.loads(out)["recordings"] == 2


def test_bad_recordings_are_named(st_vlm, tmp_path):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002")))
    torn = next(path for path in sorted(root.rglob("*.jpg")) if "scene-0002" in path.name)
    torn.write_bytes(b"")
    code, _, err = st_vlm("build", "nuscenes", root, "--dry-run")
    assert code == 1
    assert torn.name in err


def test_without_out_or_dry_run_it_says_what_to_give(st_vlm, tmp_path):
    code, _, err = st_vlm("build", "simulated")
    assert code == 2
    assert "--out" in err


def test_a_source_that_cannot_be_opened_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="not a folder"):
        estimate(BuildSettings("nuscenes", str(tmp_path / "nothing")))
