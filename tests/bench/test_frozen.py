"""A frozen benchmark: built the same every time, and refused where it is another."""

import shutil
from collections import Counter
from dataclasses import replace

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_vlm.bench.building import build_bench, folder_hashes, refuse_other_questions
from st_vlm.bench.manifest import combined, load_manifest, question_hash, save_manifest
from st_vlm.building.build import build
from st_vlm.errors import InputError
from st_vlm.evaluation.glance import load_glances
from st_vlm.evaluation.guessers import guessers_of, own_hits
from st_vlm.questions.forms import TASKS


def only(manifest, count, **changes):
    """The questions of its first recordings, and their part otherwise changed."""
    questions = dict(list(manifest.parts[0].questions.items())[:count])
    return replace(manifest, parts=(replace(manifest.parts[0], **{"questions": questions, **changes}),))


def test_it_builds_to_the_manifests_questions_and_no_others(manifest, built):
    rows = pq.read_table(built / "test" / "metadata.parquet").to_pylist()
    assert {row["id"]: question_hash(row) for row in rows} == manifest.hashes
    assert combined(folder_hashes(built)) == manifest.sha256
    assert sorted(folder.name for folder in built.iterdir() if folder.is_dir()) == ["test", "tracks"]
    clips = {path.stem for path in (built / "test" / "clips").iterdir()}
    assert clips == {row["clip_id"] for row in rows}


def test_the_questions_are_those_of_a_whole_build(manifest, scenes, tmp_path):
    build(replace(scenes, balance="none", video=False), tmp_path / "whole")
    whole = {row["id"]: row for row in pq.read_table(tmp_path / "whole" / "test" / "metadata.parquet").to_pylist()}
    assert {question: question_hash(whole[question]) for question in manifest.hashes} == manifest.hashes


def test_datasets_loads_it_from_the_scenes_and_from_the_folder(manifest, built, tmp_path):
    save_manifest(manifest, tmp_path / "manifest.json")
    given = {"split": "test", "manifest": str(tmp_path / "manifest.json"), "cache_dir": str(tmp_path / "cache")}
    scenes = datasets.load_dataset("stkit_bench", video=False, **given)
    folder = datasets.load_dataset("stkit_bench", "simulated", data_dir=str(built), **given)
    assert sorted(scenes["id"]) == sorted(folder["id"]) == sorted(manifest.hashes)
    assert scenes[0]["video"] is None
    assert folder[0]["video"]["path"].endswith(".mp4")
    with pytest.raises(InputError, match="built already, so video=False"):
        datasets.load_dataset("stkit_bench", data_dir=str(built), video=False, **given)


def test_a_folder_of_other_questions_is_refused(another, built, tmp_path):
    save_manifest(another, tmp_path / "another.json")
    given = {"manifest": str(tmp_path / "another.json"), "cache_dir": str(tmp_path / "cache")}
    with pytest.raises(InputError, match=f"{built} is not another: of .* missing.*Build the benchmark anew"):
        datasets.load_dataset("stkit_bench", data_dir=str(built), **given)


@pytest.mark.parametrize("torn", [True, False])
def test_a_folder_whose_table_is_none_is_refused(manifest, built, tmp_path, torn):
    shutil.copytree(built, tmp_path / "spoiled")
    table = tmp_path / "spoiled" / "test" / "metadata.parquet"
    if torn:
        table.write_bytes(table.read_bytes()[:-9])
    else:
        pq.write_table(pa.table({"a": [1]}), table)
    says = "cannot be read as Parquet" if torn else "is not a table of questions"
    with pytest.raises(InputError, match=f"{table} {says}"):
        refuse_other_questions(tmp_path / "spoiled", manifest, "simulated", "It")


def test_other_questions_than_the_manifests_leave_nothing_behind(manifest, tmp_path):
    with pytest.raises(InputError, match=r"not small-bench: of .* (missing|differ).*without video"):
        build_bench(only(manifest, 3, seed=1), "simulated", tmp_path / "other", video=False)
    assert list(tmp_path.iterdir()) == []


def test_questions_or_recordings_that_there_are_not_are_told_as_such(manifest, tmp_path):
    [recording] = only(manifest, 1).parts[0].questions
    for place, says in ((recording, r"asks none of the 1 wanted questions \(first: x-0\)"), ("y", "no recording y")):
        missing = only(manifest, 1, questions={place: {"x-0": "0" * 12}})
        with pytest.raises(InputError, match=f"simulated .*{says}"):
            build_bench(missing, "simulated", tmp_path / "other", video=False)
    assert list(tmp_path.iterdir()) == []


def test_one_changed_answer_is_noticed(manifest, tmp_path):
    [(recording, questions)] = only(manifest, 1).parts[0].questions.items()
    question = next(iter(questions))
    changed = only(manifest, 1, questions={recording: questions | {question: "0" * 12}})
    with pytest.raises(InputError, match=f"1 differ.*first: {question}"):
        build_bench(changed, "simulated", tmp_path / "out", video=False)


def test_a_part_that_it_has_not_is_a_sentence(manifest, tmp_path):
    with pytest.raises(InputError, match="no part 'nuplan': it has simulated"):
        build_bench(manifest, "nuplan", tmp_path / "out")


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
