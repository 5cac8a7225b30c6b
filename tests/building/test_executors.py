"""Builds whose shards datatrove writes: the bytes of the plain build, whatever executor, tasks and kills."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from gated_builds import SOURCE, are_waiting, command, contents, tried, wait_until

from st_vlm.building.executors import Execution, build_on
from st_vlm.building.plan import WorkFolder, make_plan
from st_vlm.building.settings import BuildSettings
from st_vlm.building.worker import refuse_unfinished
from st_vlm.errors import InputError

pytest.importorskip("datatrove")

FIRST_TWO = {"scene-0001-CAM_FRONT", "scene-0002-CAM_FRONT.failed"}


# On this machine


def test_more_tasks_than_workers_give_the_bytes_of_the_plain_build(scenes, plain, tmp_path, st_vlm):
    code, output, errors = st_vlm(*command(scenes, tmp_path / "out", "--executor", "local", "--num-tasks", 3)[3:])
    assert code == 1
    assert contents(tmp_path / "out") == contents(plain)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    again = st_vlm(*command(scenes, tmp_path / "again")[3:])
    # Nothing of datatrove's own, on either stream.
    assert (code, output, errors.replace(str(tmp_path / "out"), "OUT")) == (
        again[0],
        again[1],
        again[2].replace(str(tmp_path / "again"), "OUT"),
    )
    assert "st-vlm: scene-0002 (CAM_FRONT):" in errors


def test_more_tasks_than_shards(scenes, plain, tmp_path):
    report = build_on(Execution("local", tasks=50, workers=2), BuildSettings(SOURCE, str(scenes)), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(plain)
    assert len(report.failures) == 1


@pytest.mark.slow
def test_killed_twice_it_goes_on(scenes, plain, tmp_path, environment):
    out = tmp_path / "out"
    run = command(scenes, out, "--executor", "local", "--num-proc", 2, "--num-tasks", 2)
    for whole_group in (True, False):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(run, env=environment, start_new_session=True, **quiet)
        # Task 0 has the first, third and fifth scene, task 1 the others.
        wait_until(lambda: tried(out) >= FIRST_TWO, "the first shards")
        wait_until(partial(are_waiting, tmp_path, 2), "workers at the gate")
        (os.killpg if whole_group else os.kill)(process.pid, signal.SIGKILL)
        process.wait()
        wait_until(partial(group_has_ended, process.pid), "workers outlive a killed build")
    assert not out.exists()
    shards = out.with_name(".out.partial") / "shards"
    first = next((shards / "scene-0001-CAM_FRONT" / "clips").iterdir())
    os.link(first, tmp_path / "kept.mp4")
    (tmp_path / "gate" / "open").touch()
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert contents(out) == contents(plain)
    # Videos are linked into the folder, not copied: the very file of the first start is there.
    assert (out / "train" / "clips" / first.name).samefile(tmp_path / "kept.mp4")


def group_has_ended(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_killed_worker_is_a_sentence_and_its_shards_are_written_next_time(scenes, plain, tmp_path, environment):
    out = tmp_path / "out"
    run = command(scenes, out, "--executor", "local")
    process = subprocess.Popen(run, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: tried(out) >= FIRST_TWO, "the first shards")
    os.kill(worker_of(process.pid), signal.SIGKILL)
    output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (2, "")
    assert errors.splitlines()[-1].startswith("st-vlm: A worker process was killed")
    assert "Traceback" not in errors
    (tmp_path / "gate" / "open").touch()
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert contents(out) == contents(plain)
    # Workers are as silent as those of the plain build.
    assert all(line.startswith("st-vlm: ") for line in done.stderr.splitlines()[:-1])


def worker_of(parent: int) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            about, line = (folder / "stat").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        if int(about.rpartition(")")[2].split()[1]) == parent and "spawn_main" in line:
            return int(folder.name)
    raise AssertionError("no worker found")


# On Ray


def test_ray_gives_the_bytes_of_the_plain_build(scenes, plain, tmp_path, environment):
    pytest.importorskip("ray")
    (tmp_path / "gate" / "open").touch()
    run = command(scenes, tmp_path / "out", "--executor", "ray", "--num-proc", 2, "--num-tasks", 3)
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert contents(tmp_path / "out") == contents(plain)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "gate"}


# What workers refuse


def held_plan(scenes: Path, out: Path) -> WorkFolder:
    settings = BuildSettings(SOURCE, str(scenes))
    work = WorkFolder.beside(out)
    with work.held(settings):
        work.write_plan(make_plan(settings.open(), settings))
    return work


def test_a_worker_with_other_code_writes_nothing(scenes, tmp_path):
    from st_vlm.building.steps import WriteShards

    work = held_plan(scenes, tmp_path / "out")
    note = work.path / "settings.json"
    note.write_text(json.dumps(json.loads(note.read_text()) | {"code": "0" * 64}, sort_keys=True))
    with pytest.raises(InputError, match="another version of st-vlm"):
        WriteShards(str(work.path)).run(None, 0, 2)
    assert tried(tmp_path / "out") == set()


def test_a_worker_that_cannot_open_the_source_says_why_at_the_end(scenes, tmp_path):
    from st_vlm.building.steps import WriteShards

    root = tmp_path / "nuscenes"
    root.symlink_to(scenes)
    work = held_plan(root, tmp_path / "out")
    root.unlink()
    with pytest.raises(InputError):
        WriteShards(str(work.path)).run(None, 1, 2)
    with pytest.raises(InputError, match=rf"^5 of 5 shards are missing.*{root}.*run the same command again"):
        refuse_unfinished(work, work.read_plan(), tmp_path)


def test_a_full_disk_is_named_at_the_end(scenes, tmp_path, monkeypatch):
    from st_vlm.building import steps

    def full(task):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(task[1]))

    monkeypatch.setattr(steps, "write_in_worker", full)
    work = held_plan(scenes, tmp_path / "out")
    with pytest.raises(OSError, match="No space left"):
        steps.WriteShards(str(work.path)).run(None, 0, 2)
    with pytest.raises(InputError, match=rf"shards are missing\. {work.path}: No space left on device\. Finished"):
        refuse_unfinished(work, work.read_plan(), tmp_path)


def test_workers_in_other_folders_find_a_relative_path(scenes, monkeypatch):
    monkeypatch.chdir(scenes.parent)
    assert BuildSettings(SOURCE, scenes.name).anywhere() == BuildSettings(SOURCE, str(scenes))
    for path in (None, "not-on-disk"):
        assert BuildSettings(SOURCE, path).anywhere().path == path


# Options


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("slurm", 'time: "1:00"\n', r"needs partition: give"),
        ("slurm", "partition: cpu\ntime: 20:00:00\n", r"option time cannot be 72000\. Write text in quotes"),
        ("slurm", 'partition: cpu\ntime: "1:00"\nmem_per_cpu_gb: lots\n', r"option mem_per_cpu_gb cannot be 'lots'"),
        (
            "slurm",
            'partition: cpu\ntime: "1:00"\nsbatch_args: {array: 0-3}\n',
            r"array of sbatch_args is set by st-vlm",
        ),
        ("slurm", 'partition: cpu\ntime: "1:00"\njob_name: mine\n', r"option job_name is set by st-vlm"),
        (
            "local",
            "partition: cpu\n",
            r"executor local takes no option partition\. It takes: randomize_start_duration",
        ),
        ("local", "workers: 3\n", r"option workers is set by st-vlm"),
        ("local", "- workers\n", r"must be a mapping"),
        ("local", "3: a\n", r"must be a mapping"),
        ("local", "a: [\n", r"no valid YAML \(line 2\)"),
    ],
)
def test_options_that_are_refused(scenes, tmp_path, st_vlm, kind, text, sentence):
    (tmp_path / "config.yaml").write_text(text)
    options = ("--executor", kind, "--executor-config", tmp_path / "config.yaml")
    code, output, errors = st_vlm(*command(scenes, tmp_path / "out", *options)[3:])
    assert (code, output) == (2, "")
    assert errors.count("\n") == 1
    assert re.search(sentence, errors), errors
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_a_configuration_that_is_not_there(scenes, tmp_path, st_vlm):
    options = ("--executor", "local", "--executor-config", tmp_path / "none.yaml")
    code, _, errors = st_vlm(*command(scenes, tmp_path / "out", *options)[3:])
    assert code == 2
    assert f"{tmp_path / 'none.yaml'} cannot be read: No such file" in errors


@pytest.mark.parametrize(
    "options",
    [("--num-tasks", 2), ("--executor-config", "x.yaml"), ("--executor", "slurm", "--num-proc", 2)],
)
def test_options_that_do_not_go_together(scenes, tmp_path, st_vlm, options):
    code, output, _ = st_vlm(*command(scenes, tmp_path / "out", *options)[3:])
    assert (code, output) == (2, "")


@pytest.mark.parametrize(("kind", "package", "extra"), [("local", "datatrove", "scale"), ("ray", "ray", "ray")])
def test_a_package_that_is_not_installed_is_named_with_its_extra(scenes, tmp_path, monkeypatch, kind, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=rf'needs the package {package}: pip install "st-vlm\[{extra}\]"'):
        build_on(Execution(kind), BuildSettings(SOURCE, str(scenes)), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
