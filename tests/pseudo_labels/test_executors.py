"""Stages on several workers: killed anywhere and started again, a run ends with the bytes of an undisturbed one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from pseudo_labels.runs import contents, settings_of

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.executors import Execution, alone, walk_on
from st_vlm.pseudo_labels.files import CLIPS, SEGMENTS_FILE
from st_vlm.pseudo_labels.pipeline import one_by_one, prepare, run_pipeline

pytest.importorskip("datatrove", reason="the executors need datatrove")


@pytest.mark.slow
def test_killed_with_two_workers_and_gone_on_with(user, done, tmp_path):
    out = tmp_path / "out"
    command = [
        *(sys.executable, "-m", "st_vlm.cli.main", "pseudo-label", str(user / "videos"), "--out", str(out)),
        *("--semantics", "given", "--semantics-option", f"path={user / 'masks'}"),
        *("--geometry", "given", "--geometry-option", f"path={user / 'geometry'}"),
        *("--licence", "CC0-1.0", "--executor", "local", "--workers", "2"),
    ]
    running = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 120
    while not list(out.glob(f"{CLIPS}/*/{SEGMENTS_FILE}")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 1, again.stderr  # two of the four videos give nothing
    assert contents(out / CLIPS) == contents(done[0] / CLIPS)


@pytest.mark.slow
def test_on_a_real_local_ray(user, done, tmp_path):
    pytest.importorskip("ray", reason='needs "st-vlm[ray]"')
    out = tmp_path / "out"
    run_pipeline(settings_of(user), out, walk=walk_on(Execution("ray", workers=2)))
    assert contents(out / CLIPS) == contents(done[0] / CLIPS)


def test_stages_with_and_without_a_gpu_have_options_of_their_own():
    execution = Execution(
        "slurm", options={"partition": "main", "gpu": {"time": "4:00:00", "tasks": 9}, "cpu": {"time": "1:00:00"}}
    )
    assert execution.options_of("semantics") == {"partition": "main", "time": "4:00:00"}
    assert execution.options_of("lift") == {"partition": "main", "time": "1:00:00"}
    assert (execution.tasks_for("semantics", 100), execution.tasks_for("lift", 100)) == (9, 2)


@pytest.mark.parametrize(
    ("execution", "clips", "tasks"),
    [
        (Execution("local", workers=4), 3, 3),
        (Execution("local", workers=2), 100, 2),
        (Execution("slurm"), 101, 3),
        (Execution("slurm", tasks=7), 101, 7),
        (Execution("slurm", options={"tasks": 7}), 101, 7),
        (Execution("local"), 0, 1),
    ],
)
def test_how_many_tasks_a_stage_has(execution, clips, tasks):
    assert execution.tasks_for("lift", clips) == tasks


def test_an_option_that_the_executor_does_not_take_is_refused():
    with pytest.raises(InputError, match="takes no option partition"):
        walk_on(Execution("local", options={"partition": "main"}))


@pytest.mark.slow
def test_what_a_killed_worker_left_half_written_goes(user, done, tmp_path):
    out = tmp_path / "out"
    run = prepare(settings_of(user), out)
    one_by_one(run, "probe", run.items("probe"))
    half = out / CLIPS / run.clip_ids()[0] / f".123.{SEGMENTS_FILE}"
    half.write_bytes(b"PAR1")
    walk_on(Execution("local"))(run, "semantics", run.clip_ids())
    assert not half.exists()
    segments = {name: data for name, data in contents(done[0] / CLIPS).items() if name.endswith(SEGMENTS_FILE)}
    assert segments.items() <= contents(out / CLIPS).items()


def test_two_executors_do_not_work_in_one_folder(user, tmp_path):
    run = prepare(settings_of(user), tmp_path / "out")
    with alone(run.out), pytest.raises(InputError, match="Another build is writing to"):
        walk_on(Execution("local"))(run, "probe", run.items("probe"))


def test_a_stage_passes_over_clips_that_an_earlier_one_did_not_get_to(user, tmp_path):
    from st_vlm.pseudo_labels.steps import DoStage

    run = prepare(settings_of(user), tmp_path / "out")
    for stage in ("probe", "semantics"):
        one_by_one(run, stage, run.items(stage))
    late, early = run.clip_ids()
    (run.out / CLIPS / late / SEGMENTS_FILE).unlink()
    DoStage(str(run.out), "geometry").run()
    assert {path.name for path in (run.out / CLIPS / late).iterdir()} == {"clip.json"}
    assert not run.is_due("geometry", early)
