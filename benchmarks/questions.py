"""Questions: from recordings in memory to finished rows of the seven tasks, on one core.

    python benchmarks/questions.py [--recordings 60] [--seed 0] [--source nuscenes --path data/nuscenes]

Tracks are there and images are not read: what is timed is looking, cutting clips, measuring, asking and wording.
"""

from __future__ import annotations

import argparse
import statistics
import time

from _timing import table

from st_vlm.building.shard import interview
from st_vlm.questions.forms import TASKS
from st_vlm.recordings import Recording, open_recordings

ROUNDS = 5


def read(source: str, path: str | None, **options: int) -> list[Recording]:
    """All recordings of a source as each of their cameras sees them, without images."""
    recordings = open_recordings(source, path, **options)
    return [
        recordings.read(one, camera, images=False)
        for one in recordings.recording_ids()
        for camera in recordings.cameras(one, images=False)
    ]


def ask(recordings: list[Recording], seed: int) -> int:
    """Make the rows of all recordings and return how many there are."""
    return sum(len(interview(recording, seed, tuple(TASKS)).rows()) for recording in recordings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=60, help="how many are simulated")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--source", default="simulated")
    parser.add_argument("--path", help="of the recordings of another source")
    wanted = parser.parse_args()
    simulated = wanted.source == "simulated"
    options = {"seed": wanted.seed, "num_recordings": wanted.recordings} if simulated else {}
    recordings = read(wanted.source, wanted.path, **options)
    ask(recordings[:3], wanted.seed)
    seconds = []
    for _ in range(ROUNDS):
        # The process's own time, so that a machine that is busy with something else matters less.
        start = time.process_time()
        questions = ask(recordings, wanted.seed)
        seconds.append(time.process_time() - start)
    least, median = min(seconds), statistics.median(seconds)
    rates = ", ".join(f"{questions / taken:.0f}" for taken in (least, median))
    row = [wanted.source, len(recordings), questions, f"{least:.2f}, {median:.2f} s", rates]
    print(table(["source", "recordings", "questions", "seconds", "questions a second"], [row]))


if __name__ == "__main__":
    main()
