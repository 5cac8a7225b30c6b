"""Which stretches of a recording's tracks can be trusted, whatever the camera (DESIGN, "Motion").

Annotated ground truth holds cars above 70 m/s, two objects under one identity, and boxes an annotator guessed while
nothing was measured of the object. Rules are applied in the order of `TRACK_RULES`; each cuts time out of a track's
life and leaves what is before and after it, so that one bad second does not cost an object its good twenty.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from st_vlm.kinematics.plausibility import Bounds, Fault, find_faults
from st_vlm.kinematics.resampling import MAX_GAP_S, runs_without_gaps
from st_vlm.recordings.categories import is_person, noun
from st_vlm.recordings.drops import Drop
from st_vlm.recordings.recording import Recording, Track

# Physics, without noise.
# 12.4 m/s is the fastest anyone has run; 8 m/s^2 is a sprinter's first half second, and what a shoe's grip gives
# whoever stops or turns.
PEOPLE = Bounds(speed=12.5, acceleration=8.0)
# 90 km/h: a racing bicycle downhill. It tips over its front wheel when braked harder than 6 to 7 m/s^2.
CYCLISTS = Bounds(speed=25.0, acceleration=8.0)
# 216 km/h: nothing that keeps to a road is faster for long. A tyre's grip on dry asphalt is that of its weight, 1 g.
VEHICLES = Bounds(speed=60.0, acceleration=10.0)
_CYCLISTS = frozenset({"bicycle", "cyclist", "rider", "wheeled device"})

# Noise of centres, metres on each axis: hand-drawn boxes of moving objects; and poses of visual odometry, which err by
# some tenths of a metre from one half second to the next.
ANNOTATION_SIGMA_M = 0.1
ODOMETRY_SIGMA_M = 0.2
# Key frames jitter by up to a tenth of a second, so two steps of 0.5 s may take a little over a second.
JITTER_S = 0.2


@dataclass(frozen=True)
class Quality:
    """What of a recording's tracks can be trusted.

    Attributes:
        stretches: For each track, in the recording's order, the first and the last box (inclusive) of every stretch of
            its life that can be trusted, in the order of time; none for a track that cannot be trusted at all.
        drops: Every stretch of time that a track rule took away, by track and time.
    """

    stretches: tuple[tuple[tuple[int, int], ...], ...]
    drops: tuple[Drop, ...]


def assess(recording: Recording) -> Quality:
    """Apply the rules of `TRACK_RULES` to every track of a recording."""
    assessed = [assess_track(track, recording.pose_slack > 0) for track in recording.tracks]
    return Quality(tuple(one[0] for one in assessed), tuple(drop for one in assessed for drop in one[1]))


def assess_track(track: Track, odometry: bool = False) -> tuple[tuple[tuple[int, int], ...], tuple[Drop, ...]]:
    """The trusted stretches of one track and what was taken away.

    * A track with one box has no motion.
    * More than a second without a box ends a stretch.
    * Where a source counts lidar points, so does more than a second without a point in any box, counted from the last
      box that has one to the next (or to an end of the track): the annotator drew those boxes from memory. Shorter
      runs are bridged.
    * Within each stretch what no object of the class can do is cut out (`plausibility`); what is left with one box
      between two cuts is left out too.

    Args:
        track: The track.
        odometry: Whether the world's poses are those of visual odometry, whose noise is in every track.
    """
    if len(track) == 1:
        return (), (_drop("single_box", track, 0, 0),)
    drops: list[Drop] = []
    stretches: list[tuple[int, int]] = []
    runs = runs_without_gaps(track.times_ns)
    for (_, last), (first, _) in pairwise(runs):
        drops.append(_drop("gap", track, last, first, f"{_seconds(track, last, first):.1f} s"))
    bounds = bounds_of(track, odometry)
    for run in runs:
        for first, last in _seen_by_lidar(track, *run, drops):
            part = slice(first, last + 1)
            faults = find_faults(track.times_ns[part], track.centres[part], track.sizes[part], bounds)
            drops += [_faulty(track, fault, first, bounds) for fault in faults]
            ends = [first, *(first + fault.last for fault in faults)], [*(first + f.first for f in faults), last]
            stretches += [(a, b) for a, b in zip(*ends, strict=True) if b > a or not faults]
    return tuple(stretches), tuple(sorted(drops, key=lambda drop: drop.start_ns))


def bounds_of(track: Track, odometry: bool = False) -> Bounds:
    """What an object of the track's class can do, widened by the noise of its centres."""
    word = noun(track.category)
    bounds = PEOPLE if is_person(track.category) else CYCLISTS if word in _CYCLISTS else VEHICLES
    sigma = ANNOTATION_SIGMA_M if track.centre_sigma is None else float(np.max(track.centre_sigma))
    return bounds.widened(float(np.hypot(sigma, ODOMETRY_SIGMA_M if odometry else 0.0)))


def _seen_by_lidar(track: Track, first: int, last: int, drops: list[Drop]) -> list[tuple[int, int]]:
    """The parts of a run of boxes without more than a second of boxes that hold no point; the others go to `drops`."""
    if track.lidar_points is None:
        return [(first, last)]
    known = first + np.flatnonzero(track.lidar_points[first : last + 1] > 0)
    most = MAX_GAP_S + JITTER_S
    if len(known) == 0:
        if _seconds(track, first, last) <= most:
            return [(first, last)]
        drops.append(_drop("no_evidence", track, first, last))
        return []
    runs = runs_without_gaps(track.times_ns[known], most)
    parts = [(int(known[a]), int(known[b])) for a, b in runs]
    holes = [(a, b) for (_, a), (b, _) in pairwise(parts)]
    # At the ends of a track short runs are kept as in its middle.
    if _seconds(track, first, parts[0][0]) > most:
        holes.insert(0, (first, parts[0][0]))
    else:
        parts[0] = (first, parts[0][1])
    if _seconds(track, parts[-1][1], last) > most:
        holes.append((parts[-1][1], last))
    else:
        parts[-1] = (parts[-1][0], last)
    drops += [_drop("no_evidence", track, a, b, f"{_seconds(track, a, b):.1f} s") for a, b in holes]
    return parts


def _faulty(track: Track, fault: Fault, offset: int, bounds: Bounds) -> Drop:
    if fault.rule == "speed":
        detail = f"{fault.value:.1f} m/s, at most {bounds.speed:.1f} m/s"
    elif fault.rule == "acceleration":
        detail = f"{fault.value:.1f} m/s², at most {bounds.acceleration:.1f} m/s²"
    elif fault.sizes:
        detail = f"{fault.value:.1f} times as long, wide or high from one box to the next, or as short"
    else:
        detail = f"{fault.value:.1f} m from where its speed before and after would take it"
    return _drop(fault.rule, track, offset + fault.first, offset + fault.last, detail)


def _drop(rule: str, track: Track, first: int, last: int, detail: str = "") -> Drop:
    return Drop(rule, track.id, track.category, int(track.times_ns[first]), int(track.times_ns[last]), detail)


def _seconds(track: Track, first: int, last: int) -> float:
    return float(track.times_ns[last] - track.times_ns[first]) * 1e-9
