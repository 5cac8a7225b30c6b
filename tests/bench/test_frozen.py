"""A frozen benchmark: chosen once, built the same every time, and refused where it is another."""

import json
from collections import Counter
from dataclasses import replace

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest

from st_vlm.bench.building import build_bench, folder_hashes
from st_vlm.bench.freezing import freeze
from st_vlm.bench.manifest import combined, load_manifest, question_hash, save_manifest
from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.evaluation.glance import load_glances
from st_vlm.evaluation.guessers import guessers_of, own_hits
from st_vlm.questions.forms import TASKS

SCENES = BuildSettings("simulated", source_options={"num_recordings": 14, "rig": "bench", "image_size": [112, 64]})
A_TASK = 4


@pytest.fixture(scope="module")
def manifest():
    return freeze("small-bench", [SCENES], A_TASK, num_proc=2)


@pytest.fixture(scope="module")
def built(manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "built"
    build_bench(manifest, "simulated", out, num_proc=2)
    return out


def test_so_many_questions_of_every_task_are_chosen_the_same_way_by_any_number_of_processes(manifest):
    again = freeze("small-bench", [SCENES], A_TASK, num_proc=1)
    assert again == manifest
    tasks = Counter(question.rpartition("-")[0].rpartition("-")[2] for question in manifest.hashes)
    assert tasks == dict.fromkeys(TASKS, A_TASK)
    assert freeze("small-bench", [replace(SCENES, seed=5)], A_TASK, num_proc=2).sha256 != manifest.sha256


def test_it_builds_to_the_manifests_questions_and_no_others(manifest, built):
    rows = pq.read_table(built / "test" / "metadata.parquet").to_pylist()
    assert {row["id"]: question_hash(row) for row in rows} == manifest.hashes
    assert combined(folder_hashes(built)) == manifest.sha256
    assert sorted(folder.name for folder in built.iterdir() if folder.is_dir()) == ["test", "tracks"]
    clips = {path.stem for path in (built / "test" / "clips").iterdir()}
    assert clips == {row["clip_id"] for row in rows}


def test_the_questions_are_those_of_a_whole_build(manifest, tmp_path):
    build(replace(SCENES, balance="none", video=False), tmp_path / "whole")
    whole = {row["id"]: row for row in pq.read_table(tmp_path / "whole" / "test" / "metadata.parquet").to_pylist()}
    assert {question: question_hash(whole[question]) for question in manifest.hashes} == manifest.hashes


def test_datasets_loads_it_from_the_scenes_and_from_the_folder(manifest, built, tmp_path):
    save_manifest(manifest, tmp_path / "manifest.json")
    given = {"split": "test", "manifest": str(tmp_path / "manifest.json"), "cache_dir": str(tmp_path / "cache")}
    scenes = datasets.load_dataset("stkit_bench", video=False, build_proc=2, **given)
    folder = datasets.load_dataset("stkit_bench", "simulated", data_dir=str(built), **given)
    assert sorted(scenes["id"]) == sorted(folder["id"]) == sorted(manifest.hashes)
    assert scenes[0]["video"] is None
    assert folder[0]["video"]["path"].endswith(".mp4")


def test_a_folder_of_other_questions_is_refused(manifest, built, tmp_path):
    other = replace(manifest, parts=(replace(manifest.parts[0], seed=1),))
    with pytest.raises(InputError, match=r"not small-bench: of 28 questions .* (missing|differ)"):
        build_bench(other, "simulated", tmp_path / "other", video=False)
    assert not (tmp_path / "other").exists()
    save_manifest(freeze("another", [replace(SCENES, seed=5)], 2), tmp_path / "another.json")
    with pytest.raises(InputError, match="not another"):
        datasets.load_dataset(
            "stkit_bench",
            data_dir=str(built),
            manifest=str(tmp_path / "another.json"),
            cache_dir=str(tmp_path / "cache"),
        )


def test_one_changed_answer_is_noticed(manifest, tmp_path):
    first = next(iter(manifest.parts[0].questions))
    questions = {r: dict(of) for r, of in manifest.parts[0].questions.items()}
    question = next(iter(questions[first]))
    questions[first][question] = "0" * 12
    part = replace(manifest.parts[0], questions=questions)
    changed = replace(manifest, parts=(part,))
    changed = replace(changed, sha256=combined(changed.hashes))
    with pytest.raises(InputError, match=f"1 differ.*first: {question}"):
        build_bench(changed, "simulated", tmp_path / "out", video=False)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda text: text[:-20], "is not a manifest"),
        (lambda text: "[]", "is not a manifest"),
        (lambda text: text.replace('"parts"', '"part"'), "no 'parts'"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "has format 2"),
        (lambda text: text.replace('"sha256": "', '"sha256": "0', 1), "does not match its own SHA-256"),
    ],
)
def test_a_manifest_that_is_none_is_a_sentence(manifest, tmp_path, spoil, says):
    path = tmp_path / "manifest.json"
    save_manifest(manifest, path)
    assert load_manifest(path) == manifest
    path.write_text(spoil(path.read_text()))
    with pytest.raises(InputError, match=says) as refusal:
        load_manifest(path)
    assert str(path) in str(refusal.value)


def test_a_missing_manifest_or_part_is_a_sentence(manifest, tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.json cannot be read"):
        load_manifest(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="no part 'nuplan': it has simulated"):
        build_bench(manifest, "nuplan", tmp_path / "out")


def test_too_few_questions_are_refused_and_taken_when_told_to():
    with pytest.raises(InputError, match=r"Too few balanced questions for 100 a task: .*--fewer"):
        freeze("large", [SCENES], 100, num_proc=2)
    few = freeze("large", [SCENES], 100, fewer=True, num_proc=2)
    assert len(few.hashes) < 700
    with pytest.raises(InputError, match="no recording in its test split"):
        freeze("none", [BuildSettings("simulated", source_options={"num_recordings": 5})], 1)


def test_the_same_words_in_another_order_have_the_same_hash_and_floats_count_to_the_sixth_decimal():
    row = {"id": "a", "task": "traveled_distance", "target": {"value": 1.0, "unit": "m"}, "timestamps": [0.1 + 0.2]}
    turned = {"timestamps": [0.3], "target": {"unit": "m", "value": 1.0}, "task": "traveled_distance", "id": "a"}
    assert question_hash(row) == question_hash(turned)
    assert question_hash(row) != question_hash(row | {"timestamps": [0.300002]})
    assert combined({"a": "1", "b": "2"}) == combined({"b": "2", "a": "1"}) != combined({"a": "2", "b": "1"})


def test_freezing_by_command_and_building_by_command(st_vlm, tmp_path):
    options = ("--option", "rig=bench", "--num-recordings", 10)
    code, out, err = st_vlm("freeze", "simulated", *options, "--per-task", 2, "--out", tmp_path / "m.json")
    assert code == 0, err
    assert out.split()[-2:] == ["moving_direction_comparison", "2"]
    code, out, _ = st_vlm(
        "bench", "--manifest", tmp_path / "m.json", "--no-video", "--out", tmp_path / "b", "--format", "json"
    )
    assert code == 0
    assert json.loads(out)["sha256"] == load_manifest(tmp_path / "m.json").sha256
    assert json.loads(out)["rows"] == dict.fromkeys(TASKS, 2)
    code, _, err = st_vlm("freeze", "simulated", "--out", tmp_path / "no" / "m.json")
    assert code == 2
    assert "folder that exists" in err


def test_the_benchmark_that_comes_with_the_package_is_seven_times_200_and_hard_to_guess():
    manifest = load_manifest()
    tasks = Counter(question.rpartition("-")[0].rpartition("-")[2] for question in manifest.hashes)
    assert tasks == dict.fromkeys(TASKS, 200)
    assert all(recording.startswith("simbench-") for recording in manifest.part("simulated").questions)


def test_some_recordings_of_it_give_just_its_questions(tmp_path):
    manifest = load_manifest()
    part = manifest.part("simulated")
    some = list(part.questions)[::20]
    few = replace(part, questions={recording: part.questions[recording] for recording in some})
    few = replace(manifest, parts=(few,))
    build_bench(few, "simulated", tmp_path / "some", video=False)
    assert folder_hashes(tmp_path / "some") == few.hashes


@pytest.mark.slow
def test_no_guess_answers_it(tmp_path):
    build_bench(load_manifest(), "simulated", tmp_path / "bench", num_proc=2, video=False)
    glances = load_glances(tmp_path / "bench")["test"]
    most = {
        "constant": 0.25,
        "category prior": 0.35,
        "category speed x duration": 0.40,
        "interval prior per hour": 0.5,
    }
    for task in TASKS:
        rows = [glance for glance in glances if glance.task == task]
        for guesser in guessers_of(task):
            share = np.mean(own_hits(guesser, rows))
            assert share <= (0.55 if task.endswith("comparison") else most[guesser.name]) + 1e-9, (task, guesser.name)
