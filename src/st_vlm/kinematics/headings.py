"""Which way: headings by chords, clock hours, and the runs of one hour (DEFINITIONS, "Headings, hours, intervals").

Angles are radians in the world's ground plane, counter-clockwise from +x. Hours turn clockwise seen from above, with
12 o'clock the way the object itself first moved. Single 0.5 s steps are too noisy for a heading; chords of two metres
are not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.resampling import interpolate

CHORD_M = 2.0
CHORD_PEOPLE_M = 1.0
# People's shorter chord holds only where centres are this sure.
CHORD_PEOPLE_MAX_SIGMA_M = 0.05

HOUR_RAD = np.pi / 6
HOUR_CHANGES_BEYOND_RAD = np.deg2rad(20.0)
# Half the lengths in time of the chords that are tried for a step, up to a second each way.
HALF_CHORDS_S = (0.25, 0.5, 0.75, 1.0)
SHORTEST_RUN_S = 1.0


@dataclass(frozen=True)
class Run:
    """A stretch of time, seconds, in which an object moves in the direction of one hour, or stands (hour None)."""

    start_s: float
    end_s: float
    hour: int | None

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


def chord_length(person: bool, sigma_m: float = 0.0) -> float:
    """Least length in metres of the chord that gives a heading."""
    return CHORD_PEOPLE_M if person and sigma_m <= CHORD_PEOPLE_MAX_SIGMA_M else CHORD_M


def initial_heading(points: np.ndarray, chord_m: float) -> float | None:
    """Angle of the first chord of at least `chord_m` from the first of (G, 2) points, or None if there is none."""
    x, y = (points - points[0]).T
    far = np.sqrt(x * x + y * y) >= chord_m
    return _angle(points[far.argmax()] - points[0]) if far.any() else None


def final_heading(points: np.ndarray, chord_m: float) -> float | None:
    """Angle of the last chord of at least `chord_m` that ends in the last of (G, 2) points, or None."""
    backwards = initial_heading(points[::-1], chord_m)
    return None if backwards is None else float(wrap(backwards + np.pi))


def clockwise_turn(initial: float, heading: float) -> float:
    """Angle from the initial heading to another, clockwise positive, in (-pi, pi]."""
    return -float(wrap(heading - initial))


def clock_hour(turn: float) -> int:
    """Nearest hour, 1-12, of a clockwise turn in radians: 12 covers -15 to +15 degrees."""
    return round(turn / HOUR_RAD) % 12 or 12


def clock_hours(turns: np.ndarray) -> np.ndarray:
    """`clock_hour` of (N,) turns: (N,) int."""
    hours = np.round(turns / HOUR_RAD).astype(int) % 12
    return np.where(hours == 0, 12, hours)


def off_hour(turn: float) -> float:
    """Distance in radians of a clockwise turn from the centre of its nearest hour, 0 to 15 degrees."""
    return abs(float(wrap(turn - clock_hour(turn) * HOUR_RAD)))


def step_headings(times_s: np.ndarray, points: np.ndarray, chord_m: float) -> list[float | None]:
    """Heading of every grid step: the shortest chord of at least `chord_m` centred on it within a second each way.

    Chords that would leave the span are cut at its ends. None means stopped.

    Args:
        times_s: (G,) seconds of the grid.
        points: (G, 2) positions in the ground plane.
        chord_m: Least length of a chord.

    Returns:
        G - 1 angles or None.
    """
    middles = (times_s[1:] + times_s[:-1]) / 2
    offsets = np.array([*(-half for half in HALF_CHORDS_S), *HALF_CHORDS_S])
    ends = np.minimum(np.maximum(middles + offsets[:, None], times_s[0]), times_s[-1])
    before, after = interpolate(times_s, points, ends.ravel()).reshape(2, len(HALF_CHORDS_S), len(middles), 2)
    x, y = np.moveaxis(after - before, -1, 0)
    long = np.sqrt(x * x + y * y) >= chord_m
    shortest = long.argmax(axis=0), np.arange(len(middles))
    angles = np.arctan2(y[shortest], x[shortest]).tolist()
    return [angle if found else None for angle, found in zip(angles, long[shortest].tolist(), strict=True)]


def hour_runs(times_s: np.ndarray, points: np.ndarray, chord_m: float) -> list[Run]:
    """The span of (G,) times cut into runs of one hour or of standing, in order and without holes.

    The hour changes only when the heading leaves its centre by more than 20 degrees, so that a gentle wobble between
    two hours is no run of its own; runs under one second merge into the longer neighbour, shortest first.

    Returns:
        The runs; one standing run when the object has no initial heading.
    """
    initial = initial_heading(points, chord_m)
    if initial is None:
        return [Run(float(times_s[0]), float(times_s[-1]), None)]
    seconds = times_s.tolist()
    runs: list[Run] = []
    current: int | None = None
    start, label = 0, None
    for k, heading in enumerate(step_headings(times_s, points, chord_m)):
        hour = None
        if heading is not None:
            turn = clockwise_turn(initial, heading)
            if current is None or abs(wrap(turn - current * HOUR_RAD)) > HOUR_CHANGES_BEYOND_RAD:
                current = clock_hour(turn)
            hour = current
        if hour != label:
            if k > start:
                runs.append(Run(seconds[start], seconds[k], label))
            start, label = k, hour
    runs.append(Run(seconds[start], seconds[-1], label))
    return _merge_short(runs)


def angle_between(first: np.ndarray, second: np.ndarray) -> float:
    """Unsigned angle in radians, 0 to pi, between two ground-plane vectors."""
    return abs(float(wrap(_angle(first) - _angle(second))))


def wrap(angle: float | np.ndarray) -> float | np.ndarray:
    """Angles in radians to [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi


def _angle(vector: np.ndarray) -> float:
    return float(np.arctan2(vector[1], vector[0]))


def _append(runs: list[Run], run: Run) -> list[Run]:
    if runs and runs[-1].hour == run.hour:
        return [*runs[:-1], Run(runs[-1].start_s, run.end_s, run.hour)]
    return [*runs, run]


def _merge_short(runs: list[Run]) -> list[Run]:
    while len(runs) > 1:
        k = min(range(len(runs)), key=lambda i: runs[i].duration_s)
        if runs[k].duration_s >= SHORTEST_RUN_S - 1e-9:
            break
        neighbours = [i for i in (k - 1, k + 1) if 0 <= i < len(runs)]
        winner = max(neighbours, key=lambda i: runs[i].duration_s)
        relabelled = [Run(r.start_s, r.end_s, runs[winner].hour if i == k else r.hour) for i, r in enumerate(runs)]
        runs = []
        for run in relabelled:
            runs = _append(runs, run)
    return runs
