"""Builds at a gate, in processes of their own: what the tests of executors share."""

import hashlib
import sys
import time
from pathlib import Path

SOURCE = "gated_source:Gated"


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def command(scenes: Path, out: Path, *options: object) -> list[str]:
    return [
        sys.executable,
        "-m",
        "st_vlm.cli.main",
        "build",
        SOURCE,
        *map(str, (scenes, "--out", out, "--balance", "partial", *options)),
    ]


def wait_until(true, what: str) -> None:
    deadline = time.monotonic() + 90
    while not true():
        assert time.monotonic() < deadline, f"waited too long: {what}"
        time.sleep(0.05)


def tried(out: Path) -> set[str]:
    """Names of the shards, and of what stands in their place, in the work folder."""
    shards = out.with_name(f".{out.name}.partial") / "shards"
    return {path.name for path in shards.glob("[!.]*")} if shards.is_dir() else set()


def are_waiting(folder: Path, count: int) -> bool:
    """Whether that many living processes are at the gate."""
    return sum(Path("/proc", entry.name).exists() for entry in (folder / "gate").glob("[0-9]*")) == count
