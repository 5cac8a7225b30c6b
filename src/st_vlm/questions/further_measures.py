"""The truth of the tasks beyond the seven (docs/tasks.md), each a pure function of a question's `Evidence`.

The same functions decide what is asked and measure it again from a row and its stored tracks: None means that by the
task's rules the question would not be asked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.approach import closest_approach as approach
from st_vlm.kinematics.motion import KMH_PER_MS, Moving, horizontal, path_length, static_test
from st_vlm.kinematics.poses import invert, transform
from st_vlm.kinematics.speeds import peak_speed as fastest
from st_vlm.kinematics.speeds import steady_acceleration
from st_vlm.kinematics.speeds import time_to_distance as seconds_to
from st_vlm.kinematics.turning import count_turns
from st_vlm.questions.answers import Answer, Count, Position, Quantity
from st_vlm.questions.motion import SpanMotion

ACCELERATION_SPANS_S = (2.0, 4.0)
# In less there is no room for a turn between two straight stretches, so the span alone would tell.
SHORTEST_TURNED_S = 5.0
LEAST_APPROACH_M = 1.0
# The closest approach lies inside the common time: both ends are later or earlier by this, and farther by that.
INSIDE_S = 0.5
INSIDE_M = 0.5
# Nearer than this a quarter of the distance, which a right answer may be off, is less than a box's own wobble.
NEAREST_POSITION_M = 1.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """Everything that the truth of a question depends on.

    Attributes:
        motions: Of the asked objects over the question's span, in the order in which the question names them.
        times_s: (T,) seconds of the clip's frames; a row's `timestamps`.
        poses: (T, 4, 4) world from camera at these frames; a row's `camera.poses`.
        metres, second: What the question states; a row's `asked`.
        centres: (M, 3) centres of the asked objects in the world at `second`, linear between the track's boxes; None
            where no second is stated.
    """

    motions: tuple[SpanMotion, ...]
    times_s: np.ndarray
    poses: np.ndarray
    metres: float | None = None
    second: float | None = None
    centres: np.ndarray | None = None


def peak_speed(evidence: Evidence) -> Quantity | None:
    """Of a moving object, km/h."""
    (motion,) = evidence.motions
    peak = fastest(motion.times_s, motion.points) if motion.state is Moving.MOVING else None
    return None if peak is None else Quantity(KMH_PER_MS * peak, "km/h")


def acceleration(evidence: Evidence) -> Quantity | None:
    """Of a moving object that clearly and evenly speeds up (positive) or brakes, m/s^2."""
    (motion,) = evidence.motions
    if motion.state is not Moving.MOVING or motion.duration_s > ACCELERATION_SPANS_S[1] + 1e-6:
        return None
    found = steady_acceleration(motion.times_s, motion.points)
    return None if found is None else Quantity(found, "m/s^2")


def number_of_turns(evidence: Evidence) -> Count | None:
    """Of an object that moves, seen for five seconds or longer."""
    (motion,) = evidence.motions
    if motion.state is not Moving.MOVING or motion.duration_s < SHORTEST_TURNED_S - 1e-6:
        return None
    turns = count_turns(motion.times_s, motion.points, motion.chord_m)
    return None if turns is None else Count(turns)


def closest_approach(evidence: Evidence) -> Quantity | None:
    """Of two objects of which one moves, at least 1 m, well inside the span."""
    first, second = evidence.motions
    if Moving.MOVING not in (first.state, second.state):
        return None
    found = approach(first.times_s, first.points, second.times_s, second.points)
    if found is None or found.metres < LEAST_APPROACH_M:
        return None
    inside = found.first_s + INSIDE_S <= found.second <= found.last_s - INSIDE_S
    return Quantity(found.metres, "m") if inside and _nearer(found.metres, found.first_m, found.last_m) else None


def time_to_distance(evidence: Evidence) -> Quantity | None:
    """Of a moving object: seconds after the span's start at which it has travelled the stated metres."""
    (motion,) = evidence.motions
    if motion.state is not Moving.MOVING:
        return None
    seconds = seconds_to(motion.times_s, motion.points, evidence.metres)
    return None if seconds is None else Quantity(seconds, "s")


def camera_travel(evidence: Evidence) -> Quantity | None:
    """Horizontal path of the camera from frame to frame; 0 for a standing one, by the static test of things."""
    points = horizontal(evidence.poses[:, :3, 3])
    state = static_test(evidence.times_s, points, person=False)
    if state is Moving.UNDECIDED:
        return None
    return Quantity(0.0 if state is Moving.STATIC else path_length(points), "m")


def object_position(evidence: Evidence) -> Position | None:
    """Of the object's centre at the stated second, in the axes of the camera at the clip's first frame."""
    place = transform(invert(evidence.poses[0]), evidence.centres[0])
    if np.linalg.norm(place) < NEAREST_POSITION_M:
        return None
    return Position(tuple(float(metres) for metres in place))


Measure = Callable[[Evidence], Answer | None]
FURTHER_MEASURES: dict[str, Measure] = {
    measure.__name__: measure
    for measure in (
        peak_speed,
        acceleration,
        number_of_turns,
        closest_approach,
        time_to_distance,
        camera_travel,
        object_position,
    )
}


def _nearer(least_m: float, *ends_m: float) -> bool:
    return all(end - least_m >= INSIDE_M for end in ends_m)
