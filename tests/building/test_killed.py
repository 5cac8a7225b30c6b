"""A build killed with SIGKILL at random moments, again and again, ends with the bytes of an undisturbed one."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

SCENES = tuple(f"scene-{k:04d}" for k in range(1, 41))


@pytest.fixture(scope="module")
def command(tmp_path_factory) -> list[str]:
    root = write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(SCENES))
    return [sys.executable, "-m", "st_vlm.cli.main", "build", "nuscenes", str(root), "--balance", "partial"]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(command: list[str], out: Path, num_proc: int, kill_after_s: float | None = None, group: bool = True) -> bool:
    """Build; killed after some seconds, the whole process group or the parent alone. Whether it ended by itself."""
    process = subprocess.Popen(
        [*command, "--out", str(out), "--num-proc", str(num_proc)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        _, errors = process.communicate(timeout=kill_after_s)
    except subprocess.TimeoutExpired:
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
        process.communicate()
        return False
    assert process.returncode == 0, errors.decode()
    return True


def run_again_is_refused(command: list[str], out: Path) -> bool:
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    return done.returncode == 2 and "exists already" in done.stderr


@pytest.fixture(scope="module")
def undisturbed(command, tmp_path_factory) -> tuple[Path, dict[int, float]]:
    """An undisturbed build, and how many seconds it takes by number of processes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    took = {}
    for num_proc, name in ((1, "out"), (2, "two")):
        start = time.monotonic()
        run(command, folder / name, num_proc)
        took[num_proc] = time.monotonic() - start
    assert contents(folder / "two") == contents(folder / "out")
    return folder / "out", took


@pytest.mark.slow
@pytest.mark.parametrize("kills", [pytest.param(3, id="three-kills"), pytest.param(24, id="24-kills")])
def test_killed_at_random_moments(command, undisturbed, tmp_path, kills):
    """Odd kills hit the parent alone, whose workers must stop by themselves before the next build begins."""
    expected, took = undisturbed
    rng = random.Random(kills)
    killed = finished = 0
    while killed < kills:
        out = tmp_path / f"out-{finished}"
        # From before the first shard to just after the last; a build that is through starts a new folder.
        num_proc = rng.choice((1, 2))
        if run(command, out, num_proc, rng.uniform(0.2, 0.95) * took[num_proc], group=killed % 2 == 0):
            assert contents(out) == contents(expected)
            finished += 1
        else:
            killed += 1
            names = {path.name for path in tmp_path.iterdir()} - {f"out-{k}" for k in range(finished)}
            assert names <= {out.name, f".{out.name}.partial"}
            if out.exists():  # hit while it cleaned up
                assert contents(out) == contents(expected)
                assert run_again_is_refused(command, out)
                finished += 1
    out = tmp_path / f"out-{finished}"
    assert run(command, out, 2)
    assert contents(out) == contents(expected)
    assert {path.name for path in tmp_path.iterdir()} == {f"out-{k}" for k in range(finished + 1)}


def test_workers_end_with_their_parent(command, tmp_path):
    """Nothing is left that could write into the next build's folder."""
    out = tmp_path / "out"
    command = [*command, "--out", str(out), "--num-proc", "2"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.partial/shards/*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("workers outlive a killed build")


def test_two_builds_of_one_folder_at_once_are_refused(command, tmp_path):
    out = tmp_path / "out"
    command = [*command, "--out", str(out)]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".out.partial/shards/*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        second = subprocess.run(command, capture_output=True, text=True, timeout=120)
    finally:
        first.kill()
        first.wait()
    assert second.returncode == 2
    assert "Another build is writing" in second.stderr


@pytest.mark.slow
def test_a_worker_that_the_system_kills_is_a_sentence(command, undisturbed, tmp_path):
    """As the kernel does for want of memory."""
    out = tmp_path / "out"
    arguments = [*command, "--out", str(out), "--num-proc", "2"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".out.partial/shards/*")) and time.monotonic() < deadline:
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in map(int, children):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            os.kill(child, signal.SIGKILL)
            break
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2, errors
    assert "A worker process was killed" in errors
    assert "Traceback" not in errors
    assert run(command, out, 2)
    assert contents(out) == contents(undisturbed[0])
