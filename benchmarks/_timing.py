"""Timing contenders against each other: each in its own process, in turn, so that a busy machine slows all alike."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence


def timed(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Median seconds of `repeats` runs after one that is not counted: `{"seconds": …}`."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return {"seconds": statistics.median(seconds)}


def alternate(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, dict]:
    """Run commands in turn, `rounds` times each; the last line that each prints is JSON with its `seconds`.

    Returns:
        What each printed last, with the median `seconds` of its rounds.
    """
    found: dict[str, list[dict]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode:
                sys.exit(f"{name} failed: {' '.join(command)}")
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    return {
        name: {**results[-1], "seconds": statistics.median(result["seconds"] for result in results)}
        for name, results in found.items()
    }


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
