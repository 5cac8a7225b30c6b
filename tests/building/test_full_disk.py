"""A disk that fills during the build: a sentence, finished shards kept, and the build goes on once there is space."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

SCENES = tuple(f"scene-{k:04d}" for k in range(1, 13))


@pytest.fixture(scope="module")
def build_command(tmp_path_factory) -> list[str]:
    root = write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(SCENES))
    return [sys.executable, "-m", "st_vlm.cli.main", "build", "nuscenes", str(root), "--balance", "partial"]


@pytest.fixture
def small_disk(tmp_path) -> Path:
    """A file system in memory of a size that some, but not all, shards fill."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=250k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("num_proc", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_finished_shards_are_kept(build_command, small_disk, tmp_path, num_proc):
    out = small_disk / "out"
    command = [*build_command, "--out", str(out), "--num-proc", num_proc]
    full = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert full.returncode == 2, full.stderr
    assert "Traceback" not in full.stderr
    assert f"The disk of {small_disk}/.out.partial is full" in full.stderr
    assert "run the same command again" in full.stderr
    assert not out.exists()
    shards = [path for path in (small_disk / ".out.partial" / "shards").iterdir() if path.name.startswith("scene-")]
    assert 0 < len(shards) < len(SCENES)
    assert f"{len(shards)} of {len(SCENES)} shards" in full.stderr

    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    undisturbed = subprocess.run(
        [*build_command, "--out", str(tmp_path / "undisturbed")], capture_output=True, timeout=300
    )
    assert undisturbed.returncode == 0
    assert contents(out) == contents(tmp_path / "undisturbed")
