"""Choosing a benchmark: the same way every time, and nothing left out without a word."""

import json
import os
import signal
import threading
from collections import Counter
from dataclasses import replace

import pytest
from native_layouts.nuplan import nuplan_tables, write_nuplan

from st_vlm.bench.building import build_bench, folder_hashes
from st_vlm.bench.freezing import freeze
from st_vlm.bench.manifest import load_manifest, save_manifest
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.questions.forms import TASKS


def test_so_many_questions_of_every_task_are_chosen_the_same_way_by_any_number_of_processes(manifest, another, scenes):
    a_task = len(manifest.hashes) // len(TASKS)
    assert freeze("small-bench", [scenes], a_task, num_proc=2).manifest == manifest
    tasks = Counter(question.rpartition("-")[0].rpartition("-")[2] for question in manifest.hashes)
    assert tasks == dict.fromkeys(TASKS, a_task)
    assert another.sha256 != manifest.sha256


def test_too_few_questions_are_refused_and_taken_when_told_to(scenes):
    three = replace(scenes, source_options=scenes.source_options | {"num_recordings": 3})
    with pytest.raises(InputError, match=r"Too few balanced questions for 100 a task: .*--fewer"):
        freeze("large", [three], 100)
    few = freeze("large", [three], 100, fewer=True).manifest
    assert 0 < len(few.hashes) < 700


def test_sources_without_a_test_split_and_the_same_source_twice_are_refused(scenes):
    with pytest.raises(InputError, match="no recording in its test split"):
        freeze("none", [BuildSettings("simulated", source_options={"num_recordings": 5})], 1)
    with pytest.raises(InputError, match="every source once"):
        freeze("twice", [scenes, replace(scenes, seed=1)], 1)


@pytest.fixture
def logs(tmp_path):
    """Three logs: one whole, one without images, one of which a camera's first image is lost."""
    names = {name: f"2021.06.09.17.23.18_veh-38_0000{k}_00100" for k, name in enumerate(("whole", "bare", "torn"))}
    for name, log in names.items():
        write_nuplan(tmp_path / "nuplan", nuplan_tables(sweeps=240, log=log), "test", images=name != "bare")
    blobs = tmp_path / "nuplan" / "sensor_blobs" / names["torn"]
    for camera in blobs.iterdir():
        next(iter(sorted(camera.iterdir()))).unlink()
    return tmp_path / "nuplan", names


def test_only_what_has_its_images_is_frozen_and_the_rest_is_named(st_vlm, logs, tmp_path):
    root, names = logs
    out = tmp_path / "m.json"
    code, _, err = st_vlm("freeze", "nuplan", root, "--per-task", 2, "--fewer", "--out", out)
    assert code == 1
    assert names["torn"] in err
    assert f"{names['bare']}" in err
    assert "has no images" in err
    frozen = load_manifest(out)
    assert all(recording.startswith(names["whole"]) for recording in frozen.parts[0].questions)
    build_bench(frozen, "nuplan", tmp_path / "built", data=root)
    assert folder_hashes(tmp_path / "built") == frozen.hashes


def test_where_nothing_can_be_asked_the_sentence_says_why(logs):
    root, names = logs
    for log in (names["whole"], names["torn"]):
        (root / "splits" / "test" / f"{log}.db").unlink()
    with pytest.raises(InputError, match=f"1 have no images .first: {names['bare']}.*--no-video") as refusal:
        freeze("none", [BuildSettings("nuplan", str(root))], 1, fewer=True)
    assert "--fewer" not in str(refusal.value)
    assert freeze("boxes", [BuildSettings("nuplan", str(root), video=False)], 1, fewer=True).manifest.hashes


@pytest.mark.slow
def test_freezing_by_command_and_building_by_command(st_vlm, tmp_path):
    options = ("--option", "rig=bench", "--option", "image_size=[64, 36]", "--num-recordings", 6)
    code, out, err = st_vlm("freeze", "simulated", *options, "--per-task", 2, "--out", tmp_path / "m.json")
    assert code == 0, err
    assert out.split()[-2:] == ["moving_direction_comparison", "2"]
    code, out, _ = st_vlm(
        "bench", "--manifest", tmp_path / "m.json", "--no-video", "--out", tmp_path / "b", "--format", "json"
    )
    assert code == 0
    assert json.loads(out)["sha256"] == load_manifest(tmp_path / "m.json").sha256
    assert json.loads(out)["rows"] == dict.fromkeys(TASKS, 2)


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_asked(st_vlm, tmp_path):
    (tmp_path / "notes.txt").write_text("by hand")
    for out, says in ((tmp_path / "no" / "m.json", "folder that exists"), (tmp_path / "notes.txt", "is no manifest")):
        code, _, err = st_vlm("freeze", "simulated", "--num-recordings", 100_000, "--out", out)
        assert code == 2
        assert says in err


@pytest.mark.parametrize("command", ["freeze", "bench"])
def test_ctrl_c_is_a_sentence_and_leaves_no_manifest_or_folder(st_vlm, manifest, tmp_path, command):
    out = tmp_path / "out"
    if command == "freeze":
        arguments = ("freeze", "simulated", "--option", "rig=bench", "--num-recordings", 20_000, "--out", out)
    else:
        options = manifest.parts[0].options | {"image_size": [2560, 1440]}
        save_manifest(replace(manifest, parts=(replace(manifest.parts[0], options=options),)), tmp_path / "large.json")
        arguments = ("bench", "--manifest", tmp_path / "large.json", "--out", out)
    # A process that was started in the background may have been told to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    soon = threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT))
    soon.start()
    try:
        code, _, err = st_vlm(*arguments)
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert "st-vlm: interrupted." in err
    assert not out.exists()
