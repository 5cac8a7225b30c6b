"""A worker a GPU, by the environment alone."""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from pseudo_labels.seen_gpus import slow_number

from st_vlm.building.worker_number import number_worker
from st_vlm.pseudo_labels import gpus


@pytest.fixture
def environment(monkeypatch):
    """Neither a worker's number nor a choice of GPUs, and both put back at the end."""
    for name in ("ST_VLM_WORKER", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("seen", "there", "taken"),
    [
        (None, 4, ["0", "1", "2", "3", "0"]),
        ("2,3", 4, ["2", "3", "2", "3", "2"]),
        ("GPU-5e, GPU-a1", 4, ["GPU-5e", "GPU-a1", "GPU-5e", "GPU-a1", "GPU-5e"]),
        ("1", 4, ["1"] * 5),
        ("", 4, [""] * 5),
        (None, 1, [None] * 5),
        (None, 0, [None] * 5),
    ],
)
def test_workers_of_a_machine_share_its_gpus(environment, seen, there, taken):
    environment.setattr(gpus, "count_gpus", lambda: there)
    found = []
    for number in range(5):
        environment.setenv("ST_VLM_WORKER", str(number))
        environment.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if seen is not None:
            environment.setenv("CUDA_VISIBLE_DEVICES", seen)
        for _ in range(2):  # A worker's next task leaves it where it is.
            gpus.take_gpu()
        found.append(gpus.os.environ.get("CUDA_VISIBLE_DEVICES"))
    assert found == taken


def test_what_slurm_or_ray_lets_a_task_see_is_left_alone(environment):
    environment.setenv("CUDA_VISIBLE_DEVICES", "4,5")
    gpus.take_gpu()
    assert gpus.os.environ["CUDA_VISIBLE_DEVICES"] == "4,5"


def test_each_process_of_a_pool_has_a_number_of_its_own():
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, context, number_worker, (context.Value("i", 0),)) as pool:
        assert set(pool.map(slow_number, range(12))) == {0, 1, 2}


@pytest.mark.slow
def test_stages_with_a_gpu_see_one_each_on_two_local_workers(user, tmp_path, monkeypatch):
    pytest.importorskip("datatrove", reason="the executors need datatrove")
    from pseudo_labels.runs import settings_of

    from st_vlm.pseudo_labels.executors import Execution, walk_on
    from st_vlm.pseudo_labels.pipeline import one_by_one, prepare

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6,7")
    monkeypatch.setenv("SEEN", str(tmp_path / "seen"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    (tmp_path / "seen").mkdir()
    run = prepare(settings_of(user, semantics="pseudo_labels.seen_gpus:SeenGpus"), tmp_path / "out")
    one_by_one(run, "probe", run.items("probe"))
    walk_on(Execution("local", workers=2))(run, "semantics", run.clip_ids())
    notes = [json.loads(file.read_text()) for file in (tmp_path / "seen").iterdir()]
    by_worker = {note["worker"]: note["devices"] for note in notes}
    assert by_worker.items() <= {0: "6", 1: "7"}.items()
    assert len(notes) == len(run.clip_ids())
