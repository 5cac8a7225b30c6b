"""Builds on Slurm, a stand-in for its scheduler: submitted, refused while queued, killed, and gone on with."""

import json
import os
import signal
import subprocess
from functools import partial
from pathlib import Path

import pytest
import stand_in_slurm
from gated_builds import SOURCE, are_waiting, command, contents, wait_until

from st_vlm.building.build import build
from st_vlm.building.executors import Execution, build_on
from st_vlm.building.plan import WorkFolder
from st_vlm.building.settings import BuildSettings
from st_vlm.building.submitted import write_note
from st_vlm.errors import InputError

pytest.importorskip("datatrove")


@pytest.fixture
def slurm(tmp_path, environment) -> dict[str, str]:
    (tmp_path / "slurm.yaml").write_text('partition: cpu\ntime: "1:00:00"\n')
    return {**stand_in_slurm.install(tmp_path / "bin"), **{name: environment[name] for name in ("PYTHONPATH", "GATE")}}


def submit(scenes: Path, out: Path, env: dict[str, str], config: str = "slurm.yaml"):
    options = ("--executor", "slurm", "--num-tasks", 2, "--executor-config", out.with_name(config), "--format", "json")
    return subprocess.run(command(scenes, out, *options), env=env, capture_output=True, text=True, timeout=60)


def queue_is_empty(folder: Path) -> bool:
    return not list((folder / "bin" / "queue").glob("*.queued"))


@pytest.mark.slow
def test_slurm_writes_the_folder_after_the_command_has_returned(scenes, plain, tmp_path, slurm):
    out = tmp_path / "out"
    done = submit(scenes, out, slurm)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["jobs"] == ["100", "101"]
    assert not out.exists()
    for other in (command(scenes, out), command(scenes, out, "--executor", "local")):
        refused = subprocess.run(other, env=slurm, capture_output=True, text=True, timeout=60)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "Slurm jobs (100, 101) are writing to" in refused.stderr
        assert f"scancel --name={told['job_name']}" in refused.stderr
    (tmp_path / "gate" / "open").touch()
    wait_until(lambda: queue_is_empty(tmp_path), "jobs in the queue")
    assert contents(out) == contents(plain)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "out.slurm", "bin", "gate", "slurm.yaml"}
    report = json.loads((Path(told["logs"]) / "report.json").read_text())
    assert report["out"] == str(out)
    assert [sentence[:23] for sentence in report["failures"]] == ["scene-0002 (CAM_FRONT):"]
    log = next((Path(told["logs"]) / "assemble" / "slurm_logs").iterdir()).read_text()
    assert report["failures"][0] in log


@pytest.mark.slow
def test_a_task_that_slurm_kills_is_told_and_the_same_command_goes_on(scenes, plain, tmp_path, slurm):
    out = tmp_path / "out"
    first = json.loads(submit(scenes, out, slurm).stdout)
    wait_until(partial(are_waiting, tmp_path, 1), "task 0 at the third scene")
    pid = tmp_path / "bin" / "queue" / "100_0.pid"
    os.killpg(int(pid.read_text()), signal.SIGKILL)  # nor does it get to the fifth
    wait_until((tmp_path / "bin" / "queue" / "100_1.pid").exists, "the second task")
    (tmp_path / "gate" / "open").touch()
    wait_until(lambda: queue_is_empty(tmp_path), "jobs in the queue")
    report = json.loads((Path(first["logs"]) / "report.json").read_text())
    assert report["error"].startswith("2 of 5 shards are missing. Their workers were killed")
    assert not out.exists()
    second = submit(scenes, out, slurm)
    assert second.returncode == 0, second.stderr
    wait_until(lambda: queue_is_empty(tmp_path), "jobs in the queue")
    assert contents(out) == contents(plain)


def test_jobs_that_slurm_refuses_leave_nothing(scenes, tmp_path, slurm):
    (tmp_path / "bad.yaml").write_text('partition: nowhere\ntime: "1:00:00"\n')
    refused = submit(scenes, tmp_path / "out", slurm, "bad.yaml")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "invalid partition specified: nowhere" in refused.stderr
    assert "st-vlm: Slurm did not take the jobs" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"bin", "gate", "slurm.yaml", "bad.yaml"}


def test_without_slurm_a_note_of_jobs_is_not_passed_over(scenes, plain, tmp_path, monkeypatch):
    settings = BuildSettings(SOURCE, str(scenes))
    work = WorkFolder.beside(tmp_path / "out")
    work.path.mkdir()
    write_note(work.path, "st-vlm-0")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"squeue cannot say.*remove .*submitted\.json"):
        build(settings, tmp_path / "out")
    (work.path / "submitted.json").unlink()
    build(settings, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(plain)


def test_assembling_that_was_put_back_in_the_queue_changes_nothing(scenes, plain, tmp_path):
    from st_vlm.building.steps import Assemble

    out, logs = tmp_path / "out", tmp_path / "logs"
    out.mkdir()
    for name, data in ((path.name, path.read_bytes()) for path in plain.iterdir() if path.is_file()):
        (out / name).write_bytes(data)
    before = contents(out)
    logs.mkdir()
    work = WorkFolder.beside(out)
    work.path.mkdir()
    for _ in range(2):  # killed while it cleaned up; and when all was done
        Assemble(str(work.path), str(out), str(logs)).run()
        assert contents(out) == before
        assert not work.path.exists()


@pytest.mark.parametrize("name", ["a b", "100%"])
def test_folders_that_slurms_scripts_cannot_name(scenes, tmp_path, name):
    execution = Execution("slurm", options={"partition": "cpu", "time": "1:00"})
    with pytest.raises(InputError, match="without spaces and percent signs"):
        build_on(execution, BuildSettings(SOURCE, str(scenes)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
