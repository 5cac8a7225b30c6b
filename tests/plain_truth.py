"""The rules of motion once more, in plain Python on complex numbers: what the package's NumPy is compared with.

Written from the definitions alone; places are x + iy in the ground plane, times are seconds.
"""

from __future__ import annotations

import cmath
import math
from itertools import pairwise


def place_at(times, places, t):
    """Linear interpolation; the ends hold outside."""
    t = min(max(t, times[0]), times[-1])
    k = max(i for i in range(len(times) - 1) if times[i] <= t)
    return places[k] + (t - times[k]) / (times[k + 1] - times[k]) * (places[k + 1] - places[k])


def on_grid(times, places, start, end):
    """Grid times (0.5 s from the start, and the end) and the places there."""
    grid = [start + 0.5 * i for i in range(int((end - start) / 0.5 + 1e-6) + 1)]
    if end - grid[-1] > 1e-6:
        grid.append(end)
    return grid, [place_at(times, places, t) for t in grid]


def path_length(path):
    return sum(abs(q - p) for p, q in pairwise(path))


def is_static(grid, path, person, slack=0.0):
    """True, False, or None in the dead zone; every start of a second is tried in steps of 10 ms."""
    lower, upper = (0.5, 1.0) if person else (0.75, 2.0)
    size = max(abs(p - q) for p in path for q in path)
    if size <= lower + slack:
        return True
    latest = max(grid[0], grid[-1] - 1.0)
    starts = [min(grid[0] + k * 0.01, latest) for k in range(int((latest - grid[0]) * 100) + 2)]
    fastest = max(abs(place_at(grid, path, s + 1.0) - place_at(grid, path, s)) for s in starts)
    return False if size >= upper + slack and fastest >= 0.5 else None


def distance(grid, path, person):
    """Metres travelled: 0 for a standing object, None in the dead zone."""
    static = is_static(grid, path, person)
    return None if static is None else 0.0 if static else path_length(path)


def degrees_right(start, now):
    """Clockwise angle from one direction to another, -180 to 180."""
    return -math.degrees(cmath.phase(now / start))


def nearest_hour(angle):
    """The hour of a clockwise angle in degrees, and how far the angle is from the hour's centre."""
    hour = round(angle / 30) % 12 or 12
    return hour, abs(_off(angle, hour))


def final_hour(path, chord):
    """Hour and its error, of the last chord against the first, or None where there is none."""
    ahead = [p - path[0] for p in path if abs(p - path[0]) >= chord]
    behind = [path[-1] - p for p in reversed(path) if abs(path[-1] - p) >= chord]
    return nearest_hour(degrees_right(ahead[0], behind[0])) if ahead and behind else None


def hour_runs(grid, path, chord):
    """(start, end, hour or None) of every run of one hour, short ones merged."""
    ahead = [p - path[0] for p in path if abs(p - path[0]) >= chord]
    if not ahead:
        return [(grid[0], grid[-1], None)]
    labels, current = [], None
    for a, b in pairwise(grid):
        step = None
        for half in (0.25, 0.5, 0.75, 1.0):
            reach = place_at(grid, path, (a + b) / 2 + half) - place_at(grid, path, (a + b) / 2 - half)
            if abs(reach) >= chord:
                step = reach
                break
        if step is not None:
            angle = degrees_right(ahead[0], step)
            if current is None or abs(_off(angle, current)) > 20:
                current = nearest_hour(angle)[0]
        labels.append(None if step is None else current)
    runs = [[a, b, label] for (a, b), label in zip(pairwise(grid), labels, strict=True)]
    _join(runs)
    while len(runs) > 1:
        lengths = [b - a for a, b, _ in runs]
        k = lengths.index(min(lengths))
        if lengths[k] >= 1 - 1e-9:
            break
        before, after = (lengths[k - 1] if k else -1), (lengths[k + 1] if k + 1 < len(runs) else -1)
        runs[k][2] = runs[k - 1][2] if before >= after else runs[k + 1][2]
        _join(runs)
    return [tuple(run) for run in runs]


def _off(angle, hour):
    return (angle - 30 * hour + 180) % 360 - 180


def _join(runs):
    k = 0
    while k + 1 < len(runs):
        if runs[k][2] == runs[k + 1][2]:
            runs[k][1] = runs.pop(k + 1)[1]
        else:
            k += 1
