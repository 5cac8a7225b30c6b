"""Headings and hours of many spans at once (`many_spans`); the rules are those of `headings`, number for number."""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.headings import (
    HALF_CHORDS_S,
    HOUR_CHANGES_BEYOND_RAD,
    HOUR_RAD,
    SHORTEST_RUN_S,
    clock_hours,
    wrap,
)
from st_vlm.kinematics.many_spans import ManySpans
from st_vlm.kinematics.resampling import STEP_S


class ManyRuns:
    """The runs of one hour of S spans, laid one after another (`headings.Run`, `headings.hour_runs`).

    Attributes:
        owner: (R,) number of the span that a run is of, ascending.
        starts_s, ends_s: (R,) seconds.
        hours: (R,) int, 0 for standing.
    """

    def __init__(self, owner: np.ndarray, starts_s: np.ndarray, hours: np.ndarray, span_ends_s: np.ndarray) -> None:
        self.owner, self.starts_s, self.hours = owner, starts_s, hours
        self._span_ends_s = span_ends_s
        self.last = np.append(owner[1:] != owner[:-1], True)
        self.ends_s = np.where(self.last, span_ends_s[owner], np.append(starts_s[1:], 0.0))

    @property
    def durations_s(self) -> np.ndarray:
        """(R,) seconds."""
        return self.ends_s - self.starts_s

    def joined(self) -> ManyRuns:
        """Neighbours of one hour made into one."""
        new = np.append(True, (self.hours[1:] != self.hours[:-1]) | self.last[:-1])
        return ManyRuns(self.owner[new], self.starts_s[new], self.hours[new], self._span_ends_s)

    def without_short(self) -> ManyRuns:
        """Runs under a second merged into the longer neighbour, the shortest of a span first."""
        runs = self
        while True:
            durations = runs.durations_s
            numbers = np.arange(len(durations))
            firsts = np.flatnonzero(np.append(True, runs.last[:-1]))
            counts = np.diff(np.append(firsts, len(durations)))
            least = np.minimum.reduceat(durations, firsts)
            is_least = durations == np.repeat(least, counts)
            shortest = np.minimum.reduceat(np.where(is_least, numbers, len(numbers)), firsts)
            shortest = shortest[(counts > 1) & (least < SHORTEST_RUN_S - 1e-9)]
            if not len(shortest):
                return runs
            padded = np.append(durations, -1.0)
            begins = np.append(True, runs.last)[shortest]
            before = np.where(begins, -1.0, padded[shortest - 1])
            after = np.where(runs.last[shortest], -1.0, padded[shortest + 1])
            hours = runs.hours.copy()
            hours[shortest] = runs.hours[
                np.where(before >= after, shortest - 1, np.minimum(shortest + 1, numbers[-1]))
            ]
            runs = ManyRuns(runs.owner, runs.starts_s, hours, runs._span_ends_s).joined()


def end_chords(spans: ManySpans, chord_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`initial_heading` and `final_heading` of each span: two (S,) arrays of radians, NaN where there is none.

    Args:
        spans: S spans.
        chord_m: (S,) least chords.
    """
    numbers = np.arange(len(spans.points))
    chord = chord_m[spans.owner]
    found = []
    for ends, pick, none in ((spans.firsts, np.minimum, len(numbers)), (spans.lasts, np.maximum, -1)):
        x, y = (spans.points - spans.points[ends][spans.owner]).T
        far = pick.reduceat(np.where(np.sqrt(x * x + y * y) >= chord, numbers, none), spans.firsts)
        there = far != none
        at = np.where(there, far, 0)
        found.append(np.where(there, np.arctan2(y[at], x[at]), np.nan))
    return found[0], wrap(found[1] + np.pi)


def many_step_headings(spans: ManySpans, chord_m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`step_headings` of every step of each span.

    Args:
        spans: S spans of at least two points.
        chord_m: (S,) least chords.

    Returns:
        (Q,) numbers of the points at which the steps of all spans begin, and (Q,) radians, NaN for "stopped".
    """
    times = spans.times_s
    steps = np.delete(np.arange(len(times)), spans.lasts)
    owner = spans.owner[steps]
    slopes = np.zeros((len(times), 2))
    slopes[steps] = (spans.points[steps + 1] - spans.points[steps]) / (times[steps + 1] - times[steps])[:, None]
    headings = np.full(len(steps), np.nan)
    open_ = np.arange(len(steps))
    for half in HALF_CHORDS_S:
        at, own = steps[open_], owner[open_]
        first, last = spans.firsts[own], spans.lasts[own]
        middles = (times[at + 1] + times[at]) / 2
        ends = []
        for offset in (-half, half):
            query = np.minimum(np.maximum(middles + offset, times[first]), times[last])
            # The middle lies a quarter of a second into its step (less in the last one, which may be shorter).
            guess = np.clip(at + int(np.floor((offset + STEP_S / 2) / STEP_S)), first, last - 1)
            guess -= times[guess] > query
            guess = np.minimum(guess + (times[guess + 1] <= query), last - 1)
            place = slopes[guess] * (query - times[guess])[:, None] + spans.points[guess]
            beyond = query >= times[last]
            place[beyond] = spans.points[last[beyond]]
            ends.append(place)
        x, y = (ends[1] - ends[0]).T
        long = np.sqrt(x * x + y * y) >= chord_m[own]
        headings[open_[long]] = np.arctan2(y[long], x[long])
        open_ = open_[~long]
        if not len(open_):
            break
    return steps, headings


def many_hour_runs(spans: ManySpans, chord_m: np.ndarray, initial: np.ndarray) -> ManyRuns:
    """`hour_runs` of each span.

    Args:
        spans: S spans of at least two points.
        chord_m: (S,) least chords.
        initial: (S,) initial headings in radians, NaN where there is none.
    """
    steps, headings = many_step_headings(spans, chord_m)
    owner = spans.owner[steps]
    turns = -wrap(headings - initial[owner])
    moving = np.isfinite(turns)
    nearest = np.where(moving, clock_hours(np.where(moving, turns, 0.0)), 0)
    firsts = spans.firsts - np.arange(len(spans))
    changing = np.minimum.reduceat(nearest, firsts) < np.maximum.reduceat(nearest, firsts)
    hours = nearest
    if changing.any():
        hours = _held(nearest, turns, firsts, spans.counts - 1, changing)
    runs = ManyRuns(owner, spans.times_s[steps], hours, spans.times_s[spans.lasts])
    return runs.joined().without_short()


def _held(
    nearest: np.ndarray, turns: np.ndarray, firsts: np.ndarray, counts: np.ndarray, changing: np.ndarray
) -> np.ndarray:
    """(Q,) hours of all steps, where an hour is held until the heading leaves its centre by more than 20 degrees.

    Args:
        nearest: (Q,) nearest hours, 0 for stopped.
        turns: (Q,) radians.
        firsts, counts: (S,) each span's first step and how many it has.
        changing: (S,) spans of several hours; the others hold theirs anyway.
    """
    hours = nearest.copy()
    # The longest first: those that have a k-th step are the first of them.
    rows = np.flatnonzero(changing)
    rows = rows[np.argsort(-counts[rows], kind="stable")]
    active = np.searchsorted(-counts[rows], -np.arange(counts[rows[0]]), side="left")
    current = np.zeros(len(rows))
    for k, some in enumerate(active):
        at = firsts[rows[:some]] + k
        now, held = nearest[at], current[:some]
        left = np.abs(wrap(turns[at] - held * HOUR_RAD)) > HOUR_CHANGES_BEYOND_RAD
        np.copyto(held, now, where=(now > 0) & (left | (held == 0)))
        hours[at] = np.where(now > 0, held, 0)
    return hours
