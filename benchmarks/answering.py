"""Eight questions on one clip: encoded once, against one by one, on the tiny model.

    python benchmarks/answering.py

A clip of 40 frames with two marks, as a file and as frames in memory. `answer_clip` against a loop over `answer` and
against `answer_batch`, which asks all at once but encodes the clip for each. They run in one process in turn, so that
a busy machine slows all alike, and must say the same; ratios are medians over the rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _timing import table

from st_vlm.models.tiny import make_tiny
from st_vlm.video.encoding import write_video

FRAMES, STEP_S, SIZE = 40, 0.5, (640, 360)
QUESTIONS = (
    "How far does the object marked by the red box travel throughout the video?",
    "What is the average speed of the object marked by the red box from 2.0 to 7.5 seconds?",
    "Toward which hour of the clock does the object marked by the blue box head in its final movement in the video?",
    "When does the object marked by the blue box move toward 3 o'clock?",
    "Which travels farther, the object marked by the red box or the object marked by the blue box?",
    "Is the object marked by the red box faster than the object marked by the blue box?",
    "Do the two objects move in the same direction?",
    "How often does the object marked by the red box turn?",
)


def street() -> np.ndarray:
    """(FRAMES, height, width, 3) uint8: two boxes that pass each other before a wall."""
    width, height = SIZE
    wall = np.random.default_rng(0).integers(60, 190, (height // 20, width // 20, 3)).repeat(20, 0).repeat(20, 1)
    frames = np.repeat(wall[None].astype(np.uint8), FRAMES, axis=0)
    for t, frame in enumerate(frames):
        frame[200:240, 10 + 12 * t : 90 + 12 * t] = (200, 40, 40)
        frame[120:150, 560 - 12 * t : 620 - 12 * t] = (40, 60, 200)
    return frames


def marks() -> list[dict]:
    """The two boxes."""
    red = [(10 + 12 * t, 200, 90 + 12 * t, 240) for t in range(FRAMES)]
    blue = [(560 - 12 * t, 120, 620 - 12 * t, 150) for t in range(FRAMES)]
    return [{"color": "red", "boxes": red}, {"color": "blue", "boxes": blue}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--max_new_tokens", type=int, default=32)
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, processor = make_tiny()
    asked = {"processor": processor, "max_new_tokens": options.max_new_tokens}
    n = len(QUESTIONS)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        frames = street()
        write_video(Path(folder, "clip.mp4"), frames, np.arange(FRAMES) * STEP_S)
        for name, video in (("a file", Path(folder, "clip.mp4")), ("frames in memory", frames)):
            ways = {
                "at once": lambda v=video: model.answer_clip(v, QUESTIONS, marks(), **asked),
                "one by one": lambda v=video: [model.answer(v, question, marks(), **asked) for question in QUESTIONS],
                "in a batch": lambda v=video: model.answer_batch([v] * n, QUESTIONS, [marks()] * n, **asked),
            }
            seconds, said = {way: [] for way in ways}, {}
            for i in range(options.rounds + 1):
                for way, ask in ways.items():
                    start = time.perf_counter()
                    said[way] = [answer.text for answer in ask()]
                    if i:  # the first round warms up
                        seconds[way].append(time.perf_counter() - start)
            if not said["at once"] == said["one by one"] == said["in a batch"]:
                raise SystemExit("The three ways do not say the same.")
            once, *others = seconds.values()
            ratios = [f"{median(a / b for a, b in zip(other, once, strict=True)):.1f}" for other in others]
            rows.append([name, *(f"{median(times):.2f} s" for times in seconds.values()), *ratios])
    print(table(["clip", *seconds, "times faster than one by one", "than in a batch"], rows))


if __name__ == "__main__":
    main()
