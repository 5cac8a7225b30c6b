"""The frozen simulated benchmark: from nothing to a checked folder with its clips.

    python benchmarks/frozen_bench.py [--num-proc 2]

The whole command is timed, as a user runs it: scenes are drawn, questions found, frames rendered, clips encoded, and
everything checked against the manifest.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _timing import table

LIMIT_S = 180


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num-proc", type=int, default=2)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "bench"
        command = [sys.executable, "-m", "st_vlm.cli.main", "bench", "--out", str(out), "--format", "json"]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--num-proc", str(wanted.num_proc)], check=True, stdout=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - start
    found = json.loads(done.stdout)
    row = [
        sum(found["rows"].values()),
        found["clips"],
        wanted.num_proc,
        f"{seconds:.0f} s",
        f"{seconds / LIMIT_S:.2f}",
    ]
    print(table(["questions", "clips", "processes", "seconds", "share of three minutes"], [row]))


if __name__ == "__main__":
    main()
