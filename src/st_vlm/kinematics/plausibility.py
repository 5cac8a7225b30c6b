"""Whether a track moves as one object can: steps too fast, changes of speed too hard, jumps to another place or size.

Speeds are measured between boxes about half a second apart, never between neighbours 0.1 s apart, whose wobble is that
of the annotation. Every box starts such a step, so that a fault is found wherever it lies against a grid. Without
interpolation a speed is the mean of the true speed over its step, and a change of speed the mean of the true
acceleration over two steps: what moves within the bounds is never found.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from st_vlm.kinematics.motion import horizontal
from st_vlm.kinematics.resampling import STEP_S

# Half a second at a camera's or lidar's jitter: key frames nominally 0.5 s apart lie 0.4 s to 0.6 s apart.
SHORTEST_STEP_S = 0.4
# An object keeps its size from box to box; what grows or shrinks more is another object, or another part of it.
MOST_SIZE_RATIO = 1.5
# A child's arm makes a box of 0.4 m half as wide again; nothing that matters to motion changes by less.
LEAST_SIZE_CHANGE_M = 0.5


@dataclass(frozen=True)
class Bounds:
    """What an object of some class can do in the ground plane, noise included.

    Attributes:
        speed: Metres a second, over half a second.
        acceleration: Metres a second squared, from one half second to the next, along or across the way.
    """

    speed: float
    acceleration: float

    def widened(self, sigma_m: float) -> Bounds:
        """The bounds with three standard deviations of the noise of centres that err by `sigma_m` on each axis.

        A step of T seconds has two ends, so its speed errs by sqrt(2) sigma / T; a change of speed is made of three
        places weighted 1, -2, 1, and errs by sqrt(6) sigma / T^2.
        """
        return Bounds(
            self.speed + 3 * np.sqrt(2) * sigma_m / STEP_S, self.acceleration + 3 * np.sqrt(6) * sigma_m / STEP_S**2
        )


@dataclass(frozen=True)
class Fault:
    """A stretch of a track that no one object moves along.

    Attributes:
        rule: `identity_jump`, `speed` or `acceleration`.
        first, last: Indices of the boxes before and after it; the steps between them are not to be trusted.
        value: Metres of the jump (or the ratio of sizes), m/s, or m/s^2.
        sizes: Whether a jump is one of size.
    """

    rule: Literal["identity_jump", "speed", "acceleration"]
    first: int
    last: int
    value: float
    sizes: bool = False


def find_faults(times_ns: np.ndarray, centres: np.ndarray, sizes: np.ndarray, bounds: Bounds) -> list[Fault]:
    """Every fault of a stretch without gaps, in the order of time.

    Args:
        times_ns: (N,) int64 nanoseconds, increasing.
        centres: (N, 3) metres, world frame with z up. Heights are not looked at.
        sizes: (N, 3) length, width and height in metres.
        bounds: Of the object's class, widened by its noise.
    """
    seconds = (times_ns - times_ns[0]) * 1e-9
    points = horizontal(centres)
    ratios = np.maximum(sizes[1:] / sizes[:-1], sizes[:-1] / sizes[1:])
    ratios = np.where(np.abs(np.diff(sizes, axis=0)) > LEAST_SIZE_CHANGE_M, ratios, 1.0).max(axis=1, initial=1.0)
    changes = np.flatnonzero(ratios > MOST_SIZE_RATIO)
    faults = [Fault("identity_jump", int(k), int(k) + 1, float(ratios[k]), sizes=True) for k in changes]
    edges = [0, *(changes + 1), len(seconds)]
    for first, end in pairwise(edges):
        faults.extend(_faults(seconds[first:end], points[first:end], bounds, first))
    return sorted(faults, key=lambda fault: fault.first)


def _faults(seconds: np.ndarray, points: np.ndarray, bounds: Bounds, offset: int) -> list[Fault]:
    """Faults of motion; a jump is looked for first, and both its sides anew, for it is the simplest explanation."""
    found: list[Fault] = []
    todo = [(0, len(seconds))]
    while todo:
        first, end = todo.pop()
        part = slice(first, end)
        steps = _Steps(seconds[part], points[part])
        fast, hard = steps.speeds > bounds.speed, steps.accelerations > bounds.acceleration
        if not (fast.any() or hard.any()):
            continue
        jump = _largest_jump(steps, bounds)
        if jump is not None:
            k, metres = jump
            found.append(Fault("identity_jump", offset + first + k, offset + first + k + 1, metres))
            todo += [(first, first + k + 1), (first + k + 1, end)]
        else:
            found += _stretches(steps, fast, hard, offset + first)
    return found


class _Steps:
    """The half-second steps of N boxes, and the changes of velocity where two of them meet.

    Attributes:
        starts, ends: (S,) indices of the boxes; every box that has another half a second later starts one.
        velocities, speeds: (S, 2) and (S,) metres a second.
        before, after: (M,) which two steps meet in a box.
        accelerations: (M,) metres a second squared; 0 where one of the two steps is too fast by itself to judge.
    """

    def __init__(self, seconds: np.ndarray, points: np.ndarray) -> None:
        self.seconds, self.points = seconds, points
        self.ends = _half_second_after(seconds)
        self.starts = np.flatnonzero(self.ends < len(seconds))
        self.ends = self.ends[self.starts]
        self.durations = seconds[self.ends] - seconds[self.starts]
        self.velocities = (points[self.ends] - points[self.starts]) / self.durations[:, None]
        self.speeds = np.linalg.norm(self.velocities, axis=-1)
        # Starts are 0, 1, 2, …, so the step that begins where another ends has that box's own number.
        self.before = np.flatnonzero(self.ends < len(self.starts))
        self.after = self.ends[self.before]
        change = np.linalg.norm(self.velocities[self.after] - self.velocities[self.before], axis=-1)
        self.accelerations = 2 * change / (self.durations[self.before] + self.durations[self.after])


def _half_second_after(seconds: np.ndarray) -> np.ndarray:
    """(N,) index of the box nearest half a second after each, at least `SHORTEST_STEP_S` later; N where none is."""
    earliest = np.searchsorted(seconds, seconds + SHORTEST_STEP_S - 1e-6)
    later = np.searchsorted(seconds, seconds + STEP_S - 1e-6)
    held = np.append(seconds, np.inf)
    nearer = seconds + STEP_S - held[np.maximum(later - 1, 0)] < held[later] - (seconds + STEP_S)
    return np.where(nearer & (later - 1 >= earliest), later - 1, later)


def _largest_jump(steps: _Steps, bounds: Bounds) -> tuple[int, float] | None:
    """The two neighbouring boxes whose distance the velocities on neither side explain, and how many metres are left.

    What the bound on acceleration lets a step depart from the velocity beside it is no jump; a lasting change of
    speed is explained by the velocity that follows it.
    """
    n = len(steps.seconds)
    pairs = np.diff(steps.points, axis=0)
    gaps = np.diff(steps.seconds)
    rest = np.full(n - 1, np.inf)
    jumps = np.ones(n - 1, bool)
    # The step that ends in the pair's first box, and the one that starts in its second.
    ended = np.full(n, -1)
    ended[steps.ends] = np.arange(len(steps.ends))
    beside = (ended[:-1], np.where(np.arange(1, n) < len(steps.starts), np.arange(1, n), -1))
    for step in beside:
        there = np.flatnonzero(step >= 0)
        left = np.linalg.norm(pairs[there] - steps.velocities[step[there]] * gaps[there, None], axis=-1)
        # A neighbour of 0.1 s wobbles as much as one of half a second, so it is allowed as much.
        long = np.maximum(gaps[there], STEP_S)
        jumps[there] &= left > bounds.acceleration * long * (long + steps.durations[step[there]]) / 2
        rest[there] = np.minimum(rest[there], left)
    # Beside a jump a pair at an end of the track, with one velocity to go by, seems to jump as well.
    sides = sum((step >= 0).astype(int) for step in beside)
    found = np.flatnonzero(jumps & (sides > 0))
    if len(found) == 0:
        return None
    # Millimetres, and the earlier of equals: the world's origin and axes leave their mark on the last digits.
    k = max(found, key=lambda k: (sides[k], round(float(rest[k]), 3), -k))
    return int(k), float(rest[k])


def _stretches(steps: _Steps, fast: np.ndarray, hard: np.ndarray, offset: int) -> list[Fault]:
    """Steps that break a bound, joined where they meet: `speed` where one of them is too fast."""
    # A step too fast by itself makes a change of speed on both its sides; the steps there are good.
    hard = hard & ~fast[steps.before] & ~fast[steps.after]
    broken = [("speed", steps.starts[k], steps.ends[k], steps.speeds[k]) for k in np.flatnonzero(fast)]
    broken += [
        ("acceleration", steps.starts[steps.before[k]], steps.ends[steps.after[k]], steps.accelerations[k])
        for k in np.flatnonzero(hard)
    ]
    joined: list[list[tuple]] = []
    for one in sorted(broken, key=lambda one: one[1]):
        if joined and one[1] <= max(last for _, _, last, _ in joined[-1]):
            joined[-1].append(one)
        else:
            joined.append([one])
    faults = []
    for group in joined:
        rule, _, _, value = max(group, key=lambda one: (one[0] == "speed", one[3]))
        last = max(one[2] for one in group)
        faults.append(Fault(rule, offset + int(group[0][1]), offset + int(last), float(value)))
    return faults
