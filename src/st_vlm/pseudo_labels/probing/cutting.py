"""A shot cut into clips: frames nearest a grid of half seconds, by the file's own times."""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.sightings import grid_frames

MOST_FRAMES = 40
LEAST_SECONDS = 3.0
# With a longer pause between two frames a clip ends: nobody knows what happened in it.
MOST_GAP_S = 0.75


def cut_shot(times_ns: np.ndarray, first: int, last: int) -> list[np.ndarray]:
    """Numbers of the frames of each clip of a shot, at most 40 a clip, one after the other; short ones too.

    Args:
        times_ns: (F,) increasing times of the video's frames.
        first, last: Numbers of the shot's first and last frame.
    """
    clips = []
    while first <= last:
        grid = first + grid_frames(times_ns[first : last + 1])
        pauses = np.flatnonzero(np.diff(times_ns[grid]) > MOST_GAP_S * 1e9)
        end = int(pauses[0]) + 1 if len(pauses) else len(grid)
        clips += [grid[start : min(start + MOST_FRAMES, end)] for start in range(0, end, MOST_FRAMES)]
        if not len(pauses):
            break
        # The grid starts anew behind the longest gap between neighbours there.
        between = np.arange(grid[end - 1], grid[end] + 1)
        first = int(between[1 + np.argmax(np.diff(times_ns[between]))])
    return clips


def lasts(times_ns: np.ndarray, frames: np.ndarray) -> float:
    """Seconds of a clip, in steps of the grid: its frames lie near it, not on it."""
    return round(float(times_ns[frames[-1]] - times_ns[frames[0]]) * 1e-9 / STEP_S) * STEP_S
