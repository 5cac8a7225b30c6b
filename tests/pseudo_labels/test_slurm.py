"""Runs on Slurm, a stand-in for its scheduler: submitted, refused while queued, cut off and gone on with."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import stand_in_slurm
from gated_builds import wait_until
from pseudo_labels.runs import contents, settings_of

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.executors import Execution, submit, walk_on
from st_vlm.pseudo_labels.files import CLIPS, PROBED, QUALITY_FILE, QUESTIONS, SEGMENTS_FILE, TRACKS_FILE
from st_vlm.pseudo_labels.pipeline import one_by_one, prepare, run_pipeline

pytest.importorskip("datatrove", reason="the executors need datatrove")

TESTS = Path(__file__).parents[1]
OPTIONS = {"partition": "main", "time": "1:00:00", "tasks": 2}


@pytest.fixture
def queue(tmp_path, monkeypatch) -> Path:
    """The stand-in's queue; its commands are on the PATH of this process and of the jobs."""
    environment = stand_in_slurm.install(tmp_path / "bin")
    for name in ("PATH", "STAND_IN_SLURM"):
        monkeypatch.setenv(name, environment[name])
    return Path(environment["STAND_IN_SLURM"])


def wait_for_all(queue: Path) -> None:
    wait_until(lambda: not list(queue.glob("*.queued")), "jobs in the queue")


def tables(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder / QUESTIONS).items() if name.endswith(".parquet")}


@pytest.mark.slow
def test_a_chain_of_jobs_ends_with_the_bytes_of_a_run_without_them(user, done, tmp_path, queue, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = Path("out")
    run = prepare(settings_of(user), out)
    queued = submit(run, Execution("slurm", options=OPTIONS), run.stages())
    assert list(queued.jobs) == ["probe", "semantics", "geometry", "lift", "questions"]
    with pytest.raises(InputError, match=rf"Slurm jobs .*are writing to .*scancel --name={queued.name}"):
        submit(run, Execution("slurm", options=OPTIONS), run.stages())
    with pytest.raises(InputError, match="Slurm jobs"):
        run_pipeline(settings_of(user), out, walk=walk_on(Execution("local")))
    wait_for_all(queue)
    assert not list(queue.glob("*.failed"))
    for part in (CLIPS, PROBED):
        assert contents(out / part) == contents(done[0] / part)
    assert tables(out) == tables(done[0])
    assert tables(out)
    assert (out / QUALITY_FILE).read_bytes() == (done[0] / QUALITY_FILE).read_bytes()
    # No note of jobs is left: the folder may go where no Slurm is.
    assert {path.name for path in out.iterdir()} - {path.name for path in done[0].iterdir()} == {"logs"}
    logs = [log.read_text() for log in sorted((queued.logs / "semantics" / "logs").iterdir())]
    assert [text.count("semantics 1/1") for text in logs] == [1, 1]


@pytest.mark.slow
def test_a_killed_task_costs_its_own_clips_alone_and_the_next_submission_makes_them(
    user, done, tmp_path, queue, monkeypatch
):
    gate = tmp_path / "gate"
    gate.mkdir()
    monkeypatch.setenv("GATE", str(gate))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    out = tmp_path / "out"
    run = prepare(settings_of(user, semantics="pseudo_labels.gated_segments:Gated"), out)
    one_by_one(run, "probe", run.items("probe"))
    cut_off, other = run.clip_ids()
    (gate / cut_off).touch()
    queued = submit(run, Execution("slurm", options=OPTIONS), run.stages())
    assert list(queued.jobs) == ["semantics", "geometry", "lift", "questions"]
    wait_until(lambda: (gate / cut_off).read_text(), "the first task at the gate")
    os.killpg(int((queue / f"{queued.jobs['semantics']}_0.pid").read_text()), signal.SIGKILL)
    (gate / cut_off).unlink()
    wait_for_all(queue)
    assert (queue / f"{queued.jobs['semantics']}.failed").exists()
    assert [path.name for path in (out / CLIPS / cut_off).iterdir()] == ["clip.json"]
    assert (out / CLIPS / other / TRACKS_FILE).is_file()
    assert tables(out)
    second = submit(run, Execution("slurm", options=OPTIONS), run.stages())
    assert list(second.jobs) == list(queued.jobs)
    wait_for_all(queue)
    assert contents(out / CLIPS) == contents(done[0] / CLIPS)
    # All is done: the questions alone are built again.
    assert list(submit(run, Execution("slurm", options=OPTIONS), run.stages()).jobs) == ["questions"]
    wait_for_all(queue)
    assert tables(out) == tables(done[0])


def test_jobs_get_the_options_of_their_stages(user, tmp_path, queue):
    run = prepare(settings_of(user), tmp_path / "out")
    options = {
        "partition": "nowhere",
        "env_command": "exit 0",
        "gpu": {"partition": "h100", "time": "8:00:00", "sbatch_args": {"gres": "gpu:1"}},
    }
    with pytest.raises(InputError, match=r"Stages without a GPU .*: The executor slurm needs time"):
        submit(run, Execution("slurm", options=options), run.stages())
    execution = Execution("slurm", workers=3, options=options | {"cpu": {"partition": "cpu", "time": "2:00:00"}})
    queued = submit(run, execution, run.stages())
    scripts = {stage: (queue / f"{job}.script").read_text() for stage, job in queued.jobs.items()}
    for stage, script in scripts.items():
        wants = stage in ("semantics", "geometry")
        assert ("--partition=h100" in script, "--gres=gpu:1" in script) == (wants, wants)
        assert ("--partition=cpu" in script, "--time=2:00:00" in script) == (not wants, not wants)
        assert "--array=0-0%3" in script
        assert f"--job-name={queued.name}\n" in script
    wait_for_all(queue)


def test_stages_alone_are_submitted_without_questions(user, tmp_path, queue):
    run = prepare(settings_of(user), tmp_path / "out")
    execution = Execution("slurm", options=OPTIONS | {"env_command": "exit 0"})
    assert list(submit(run, execution, ["probe", "semantics"], questions=False).jobs) == ["probe", "semantics"]
    wait_for_all(queue)
    one_by_one(run, "probe", run.items("probe"))
    with pytest.raises(InputError, match="nothing to submit"):
        submit(run, execution, ["probe"], questions=False)


def test_jobs_that_slurm_refuses_leave_nothing_in_the_way(user, tmp_path, queue):
    run = prepare(settings_of(user), tmp_path / "out")
    with pytest.raises(InputError, match="Slurm did not take the jobs"):
        submit(run, Execution("slurm", options=OPTIONS | {"partition": "nowhere"}), run.stages())
    assert {path.name for path in run.out.iterdir()} <= {"run.json", "logs"}
    assert {path.name for path in (run.out / "logs").iterdir()} <= {"lock"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"gpu": "h100"}, r"under gpu must be a mapping of names, not 'h100'"),
        ({"cpu": {3: 4}}, r"under cpu must be a mapping of names"),
        ({"cpu": {"time": 7200}}, r"Stages without a GPU .*option time cannot be 7200\. Write text in quotes"),
        ({"gpu": {"gpus": 1}}, r"Stages with a GPU .*takes no option gpus"),
        ({"gpu": {"depends": "x"}}, r"option depends is set by st-vlm itself"),
        ({"tasks": 0}, r"option tasks is a number from 1, not 0"),
        ({"tasks": "many"}, r"option tasks is a number from 1, not 'many'"),
    ],
)
def test_options_that_cannot_be_are_told_before_anything_is_queued(user, tmp_path, queue, options, sentence):
    run = prepare(settings_of(user), tmp_path / "out")
    with pytest.raises(InputError, match=sentence):
        submit(run, Execution("slurm", options=OPTIONS | options), run.stages())
    assert not list(queue.iterdir())
    assert SEGMENTS_FILE not in str(contents(run.out).keys())
