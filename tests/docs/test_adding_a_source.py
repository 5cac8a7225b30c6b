"""The reader of docs/adding_a_source.md is taken from the page, used as a user would, and compared with the truth."""

import importlib
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

import st_vlm.recordings
from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings

PAGE = Path(__file__).parents[2] / "docs" / "adding_a_source.md"
START_NS = 1_600_000_000_000_000_000
SPEED = 5.0  # m/s along +x
LOOKING_ALONG_Y = [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]]


def reader_code() -> str:
    return re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1)


@pytest.fixture
def module(tmp_path, monkeypatch) -> Path:
    """The folder of a module that holds the page's reader, on the path of this process and its children."""
    folder = tmp_path / "modules"
    folder.mkdir()
    (folder / "page_readers.py").write_text(reader_code(), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    yield folder
    sys.modules.pop("page_readers", None)


@pytest.fixture
def recordings(tmp_path) -> Path:
    """A car that crosses the view for 10 s and one that stands; two recordings, one of them for tests."""
    root = tmp_path / "recordings"
    lines = ["time_ns,id,category,x,y,z,length,width,height,yaw"]
    for k in range(21):
        time = START_NS + 500_000_000 * k
        lines.append(f"{time},crossing,car,{-25 + SPEED * 0.5 * k},30,0.8,4.5,1.9,1.6,0")
        lines.append(f"{time},parked,car,5,20,0.8,4.5,1.9,1.6,{math.pi / 2}")
    for name in ("one", "two-test"):
        (root / name).mkdir(parents=True)
        (root / name / "boxes.csv").write_text("\n".join(lines), encoding="utf-8")
        for k in range(21):
            Image.new("RGB", (320, 180), (90, 90, 90)).save(root / name / f"{START_NS + 500_000_000 * k}.jpg")
    about = {
        "intrinsics": [[160, 0, 160], [0, 160, 90], [0, 0, 1]],
        "size": [320, 180],
        "world_from_camera": LOOKING_ALONG_Y,
    }
    (root / "camera.json").write_text(json.dumps(about), encoding="utf-8")
    return root


def test_the_page_keeps_its_promise_of_less_than_80_lines():
    assert len(reader_code().splitlines()) < 80


def test_measure_finds_the_truth(module, recordings):
    done = subprocess.run(
        [sys.executable, "-m", "st_vlm.cli.main", "measure", "page_readers:BoxesCsv", recordings, "--format", "jsonl"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    lines = {(line["recording"], line["track_id"]): line for line in map(json.loads, done.stdout.splitlines())}
    assert len(lines) == 4
    assert lines["one", "crossing"]["distance_m"] == pytest.approx(50.0, abs=1e-3)
    assert lines["one", "crossing"]["mean_speed_kmh"] == pytest.approx(3.6 * SPEED, abs=1e-3)
    assert lines["two-test", "parked"]["static"] is True


def test_a_build_with_worker_processes_asks_about_it(module, recordings, tmp_path):
    build(BuildSettings("page_readers:BoxesCsv", str(recordings)), tmp_path / "out", num_proc=2)
    for split, recording in (("train", "one"), ("test", "two-test")):
        rows = pq.read_table(tmp_path / "out" / split / "metadata.parquet").to_pylist()
        assert {row["recording"] for row in rows} == {recording}
        assert {row["source"] for row in rows} == {"boxes_csv"}
        for row in rows:
            if row["task"] == "traveling_speed":
                assert row["target"]["value"] == pytest.approx(3.6 * SPEED, abs=0.01) or row["target"]["value"] == 0
            for mark in row["marks"]:
                # The centre of the standing car, through the camera by hand.
                if mark["track_id"] == "parked" and mark["boxes"][0]:
                    x1, y1, x2, y2 = mark["boxes"][0]
                    assert x1 < 160 + 160 * 5 / 20 < x2
                    assert y1 < 90 + 160 * (1.5 - 0.8) / 20 < y2
    assert "Boxes in CSV" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_an_entry_point_makes_the_short_name_known(module, recordings, tmp_path, monkeypatch):
    """As an installed package does it: by metadata that lies beside the module."""
    about = module / "page_readers-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: page-readers\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text("[st_vlm.sources]\nboxes_csv = page_readers:BoxesCsv\n", encoding="utf-8")
    importlib.invalidate_caches()
    st_vlm.recordings._registered.cache_clear()
    try:
        assert st_vlm.recordings.open_recordings("boxes_csv", recordings).recording_ids() == ("one", "two-test")
        assert "boxes_csv" in st_vlm.recordings.source_names()
    finally:
        st_vlm.recordings._registered.cache_clear()
    code = (
        "import sys, st_vlm; from datasets import load_dataset\n"
        "rows = load_dataset('stkit', 'boxes_csv', data_dir=sys.argv[1], split='test', cache_dir=sys.argv[2])\n"
        "print(set(rows['recording']))"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    done = subprocess.run(
        [sys.executable, "-c", code, recordings, tmp_path / "cache"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'two-test'}"


@pytest.mark.parametrize("name", ["page_readers:Nothing", "no_such_module:Reader", ":", "page_readers:"])
def test_a_reader_that_cannot_be_imported_is_refused(module, recordings, name):
    with pytest.raises(st_vlm.errors.InputError, match="cannot be imported"):
        st_vlm.recordings.open_recordings(name, recordings)


def test_a_broken_table_costs_its_recording_only(module, recordings, tmp_path):
    (recordings / "one" / "boxes.csv").write_text("time_ns,id\n1,a\n", encoding="utf-8")
    report = build(BuildSettings("page_readers:BoxesCsv", str(recordings)), tmp_path / "out")
    assert set(report.counts) == {"test"}
    assert len(report.failures) == 1
    assert "boxes.csv is not a table of boxes" in report.failures[0]


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: lines[:1], "it has no row"),
        (lambda lines: [], "Empty CSV"),
        (lambda lines: [line.rpartition(",")[0] + ",left" for line in lines], "yaw|left"),
    ],
    ids=["header alone", "nothing", "text for a number"],
)
def test_tables_without_boxes_are_refused_with_a_sentence(module, recordings, spoil, words, images):
    file = recordings / "one" / "boxes.csv"
    lines = spoil(file.read_text(encoding="utf-8").splitlines())
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    source = st_vlm.recordings.open_recordings("page_readers:BoxesCsv", recordings)
    with pytest.raises(st_vlm.errors.InputError, match=rf"one/boxes\.csv is not a table of boxes \(.*({words})"):
        source.read("one", "front", images)


def test_the_pages_commands_work_in_the_folder_of_the_module(recordings, tmp_path, monkeypatch):
    """As they stand there, in a shell; without PYTHONPATH the module is not found."""
    (tmp_path / "my_readers.py").write_text(reader_code(), encoding="utf-8")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    commands = re.search(r"```bash\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL).group(1).splitlines()
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "stkit" / "train" / "metadata.parquet").is_file()
    done = subprocess.run(
        commands[0].removeprefix("PYTHONPATH=. "), shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "my_readers" in done.stderr


def test_the_examples_arrays_are_what_the_page_says(module, recordings):
    source = st_vlm.recordings.open_recordings("page_readers:BoxesCsv", recordings)
    bare = source.read("one", "front", images=False)
    assert bare.frames.read is None
    assert len(bare.camera.poses) == 21
    seen = source.read("one", "front")
    assert seen.frames.read(0).shape == (180, 320, 3)
    np.testing.assert_array_equal(seen.frames.times_ns, bare.frames.times_ns)
