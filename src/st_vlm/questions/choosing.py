"""Which windows become clips, and which objects are marked in them.

Windows are chosen greedily: each next clip, of a length that has come least, is the one whose objects offer most that
no clip offered before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.windows import Windows

MOST_OVERLAP = 0.3
# How many marks a clip shows at most, and how often: single objects, pairs, crowds.
_MARKS = (1, 2, 3, 4)
_MARKS_SHARE = (0.25, 0.35, 0.2, 0.2)
# Worth of an object in a window, tried on 20 simulated recordings and a nuScenes scene.
_STANDING, _MOVING = 0.2, 1.0
_NEW_HOUR, _NEW_INTERVAL, _STOP = 1.0, 1.0, 0.5
_COVERS, _AGAIN = 1.7, 0.25
# Straight ahead is nothing new.
_AHEAD = 1 << 12


@dataclass(frozen=True)
class Choice:
    """A window by its number, and the tracks to be marked in it."""

    window: int
    marked: tuple[int, ...]


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two intervals."""
    both = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, both) / (max(first[1], second[1]) - min(first[0], second[0]))


def choose(windows: Windows, lengths_s: Sequence[float], rng: np.random.Generator, most: int) -> list[Choice]:
    """Up to `most` windows and their marks.

    Args:
        windows: All windows, those of one length after those of another, in the order of `lengths_s`.
        lengths_s: Of clips.
        rng: Breaks ties. The same state chooses the same.
        most: How many.
    """
    # Of equals none is favoured for being early, or first by name.
    order = rng.permutation(len(windows.offered))
    steps = windows.lasts - windows.firsts
    of_length = {}
    for length in lengths_s:
        own = np.flatnonzero(steps == round(length / STEP_S))
        of_length[length] = own[rng.permutation(len(own))]
    values = _Values(windows, np.argsort(order))
    chosen: list[Choice] = []
    counts = dict.fromkeys(lengths_s, 0)
    for _ in range(most):
        marks = int(rng.choice(_MARKS, p=_MARKS_SHARE))
        for length in sorted(lengths_s, key=lambda length: (counts[length], rng.random())):
            best = values.best(of_length[length], marks)
            if best is not None:
                counts[length] += 1
                chosen.append(best)
                values.ask(best)
                of_length[length] = of_length[length][of_length[length] != best.window]
                break
        else:
            break
    return chosen


class _Values:
    """What every object of every window adds to what has been chosen so far.

    Standing objects are many and asked little about, turns are few; a question about the whole clip is plainer than
    one that states its span. What was asked about just before and after is worth nothing by itself, but can still be
    compared with others.
    """

    def __init__(self, windows: Windows, order: np.ndarray) -> None:
        self._windows, self._order = windows, order
        tracks = len(windows.offered)
        self._covering = np.where(windows.covers(), _COVERS, 1.0)
        # Bits 1 << hour of what each track has been asked.
        self._hours, self._runs = np.full(tracks, _AHEAD), np.zeros(tracks, int)
        self._times = np.zeros(tracks, int)
        self._too_near = np.zeros(windows.offered.shape, bool)
        self._worth = np.empty(windows.offered.shape)
        for k in range(tracks):
            self._value(k)

    def best(self, windows: np.ndarray, marks: int) -> Choice | None:
        """Of some windows the first that is worth most with the best of its objects marked; None without worth."""
        if not len(windows):
            return None
        worth = self._worth[self._order[:, None], windows]
        ranks = np.argsort(-worth, axis=0, kind="stable")[:marks]
        values = np.take_along_axis(worth, ranks, axis=0).T.tolist()
        # Numbers are added one by one, so that equal windows stay equal.
        totals = [sum(value for value in own if value >= 0) for own in values]
        best = max(range(len(totals)), key=totals.__getitem__)
        if totals[best] <= 0:
            return None
        marked = [int(self._order[k]) for k, value in zip(ranks[:, best], values[best], strict=True) if value >= 0]
        return Choice(int(windows[best]), tuple(marked))

    def ask(self, choice: Choice) -> None:
        """Count a choice as asked from now on."""
        windows, at = self._windows, choice.window
        first, last = windows.firsts[at], windows.lasts[at]
        both = np.minimum(windows.lasts, last) - np.maximum(windows.firsts, first)
        either = np.maximum(windows.lasts, last) - np.minimum(windows.firsts, first)
        near = np.maximum(0.0, both) / either > MOST_OVERLAP
        for k in choice.marked:
            self._hours[k] |= 1 << windows.hours[k, at]
            self._runs[k] |= windows.runs[k, at]
            self._times[k] += 1
            self._too_near[k] |= near
            self._value(k)

    def _value(self, k: int) -> None:
        """Set the worth of a track in all windows: negative where it offers nothing."""
        windows = self._windows
        hours, runs = windows.hours[k], windows.runs[k]
        value = np.where(windows.static[k], _STANDING, _MOVING)
        value += np.where((hours > 0) & (self._hours[k] >> hours & 1 == 0), _NEW_HOUR, 0.0)
        stops = (runs > 0) & (self._runs[k] == 0)
        value += np.where(runs & ~(self._runs[k] | _AHEAD) > 0, _NEW_INTERVAL, np.where(stops, _STOP, 0.0))
        value = value * _AGAIN ** int(self._times[k]) * self._covering[k]
        self._worth[k] = np.where(windows.offered[k], np.where(self._too_near[k], 0.0, value), -1.0)
