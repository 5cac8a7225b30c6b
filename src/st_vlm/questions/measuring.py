"""The truth of a question as a function of its objects' motions, and the truth of a row measured again from tracks.

The rules of the comparisons stand here once: `tasks` asks by them, and a control variant, whose tracks are mirrored or
reversed, is measured by them again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.headings import angle_between
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import positions_at
from st_vlm.questions.answers import Answer, Choice, ClockHour, Interval, Quantity
from st_vlm.questions.further_measures import FURTHER_MEASURES, Evidence
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.turns import asked_hour, asked_runs
from st_vlm.recordings import Recording, Track

if TYPE_CHECKING:
    from st_vlm.questions.chains.solving import Solved

MARGIN_SHARE = 0.15
MARGIN_M = 0.5
SAME_WITHIN_RAD = np.deg2rad(15.0)
DIFFERENT_BEYOND_RAD = np.deg2rad(45.0)
STRAIGHTEST = 0.9

# Spans are stored to the millisecond: an end this near to a frame or a box is that frame's or box's own time.
_STORED_TO_NS = 510_000


def farther(motions: Sequence[SpanMotion]) -> int | None:
    """Which of two objects travels farther by more than the margin; None where it is too close to ask."""
    if any(motion.state is Moving.UNDECIDED for motion in motions):
        return None
    distances = [motion.distance_m for motion in motions]
    lead = abs(distances[0] - distances[1])
    if lead < MARGIN_M or lead < MARGIN_SHARE * max(distances):
        return None
    return int(np.argmax(distances))


def relation(motions: Sequence[SpanMotion], duration_s: float) -> str | None:
    """`same` or `different` for two net displacements that are long and straight enough, else None.

    Args:
        motions: Of the two objects.
        duration_s: Of the span that the question states.
    """
    nets = [motion.net for motion in motions]
    least = max(1.0, 0.5 * duration_s)
    for motion, net in zip(motions, nets, strict=True):
        length = float(np.linalg.norm(net))
        if length < least or length < STRAIGHTEST * motion.path_m:
            return None
    angle = angle_between(*nets)
    if angle <= SAME_WITHIN_RAD:
        return "same"
    return "different" if angle >= DIFFERENT_BEYOND_RAD else None


def true_answer(row: Mapping, recording: Recording, motions: Sequence[SpanMotion] | None = None) -> Answer | None:
    """The truth of a dataset row measured again from its recording's tracks; None where by the rules of the tasks it
    would not be asked: in the dead zone, within the margin, an hour off its centre, an interval that is not unique.

    Tables of tracks hold neither the slack of drifting poses nor the sigma of pseudo-labels: unless the recording
    brings them, the static test is made without.

    Args:
        row: The columns `task`, `asked`, `span`, `marks`, `timestamps`, `start_ns`, `camera` and `reasoning`.
        recording: The tracks that the marks name, in the source's clock.
        motions: What `row_motions` gives, where it is known.
    """
    motions = row_motions(row, recording) if motions is None else motions
    asked, task = row["asked"], row["task"]
    colours = [row["marks"][k]["color"] for k in asked["objects"]]
    match task:
        case "traveled_distance" | "traveling_speed":
            motion = motions[0]
            if motion.state is Moving.UNDECIDED:
                return None
            is_distance = task == "traveled_distance"
            return Quantity(motion.distance_m, "m") if is_distance else Quantity(motion.mean_speed_kmh, "km/h")
        case "moving_direction":
            hour = asked_hour(motions[0])
            return None if hour is None else ClockHour(hour)
        case "direction_timestamp":
            runs = [run for run in asked_runs(motions[0]) if run.hour == asked["hour"]]
            return Interval(runs[0].start_s, runs[0].end_s) if runs else None
        case "traveled_distance_comparison" | "traveling_speed_comparison":
            ahead = farther(motions)
            return None if ahead is None else Choice(colours[ahead])
        case "moving_direction_comparison":
            verdict = relation(motions, row["span"]["end"] - row["span"]["start"])
            return None if verdict is None else Choice(verdict)
    if task in FURTHER_MEASURES:
        return FURTHER_MEASURES[task](_evidence(row, recording, motions))
    solved = reasoned_again(row, motions)
    return None if solved is None else solved[0]


def reasoned_again(row: Mapping, motions: Sequence[SpanMotion]) -> Solved | None:
    """The answer of a reasoning task with its chain, from other motions; None where it would not be asked."""
    # They choose their questions by the rules above, so they are imported when a row asks for them.
    from st_vlm.questions.chains import answer_again

    return answer_again(row["task"], row["reasoning"], motions)


def _evidence(row: Mapping, recording: Recording, motions: Sequence[SpanMotion]) -> Evidence:
    """What the truth of a task beyond the seven depends on."""
    second, centres = row["asked"]["second"], None
    if second is not None:
        at = np.array([row["start_ns"] + round(second * 1e9)])
        tracks = asked_tracks(row, recording)
        centres = np.concatenate([positions_at(track.times_ns, track.centres, at) for track in tracks])
    return Evidence(
        motions=tuple(motions),
        times_s=np.array(row["timestamps"]),
        poses=np.array(row["camera"]["poses"]),
        metres=row["asked"]["metres"],
        second=second,
        centres=centres,
    )


def row_motions(row: Mapping, recording: Recording) -> list[SpanMotion]:
    """The motion of each object that a row asks about, in the order in which it names them, over the row's span."""
    start_s, end_s = exact_span(row, recording)
    return [span_motion(recording, track, row["start_ns"], start_s, end_s) for track in asked_tracks(row, recording)]


def asked_tracks(row: Mapping, recording: Recording) -> list[Track]:
    """The tracks of the objects that a row asks about, in the order in which it names them.

    Raises:
        InputError: The recording has no such track.
    """
    tracks = {track.id: track for track in recording.tracks}
    names = [row["marks"][k]["track_id"] for k in row["asked"]["objects"]]
    if missing := [name for name in names if name not in tracks]:
        raise InputError(f"The tracks of {recording.id} hold no {missing[0]!r}: build the folder again.")
    return [tracks[name] for name in names]


def exact_span(row: Mapping, recording: Recording) -> tuple[float, float]:
    """A row's span to the nanosecond, seconds.

    One that is not stated begins and ends with a frame of the clip or a box of an asked object, and a build stores it
    to the millisecond: a fast car moves 3 cm in one, which shows in the second decimal of an answer.
    """
    span, stated = row["span"], row["asked"]["states_span"]
    if stated:
        return span["start"], span["end"]
    frames = np.rint(np.asarray(row["timestamps"]) * 1e9).astype(np.int64)
    known = np.concatenate([frames, *(one.times_ns - row["start_ns"] for one in asked_tracks(row, recording))])
    return _exact(span["start"], known), _exact(span["end"], known)


def _exact(stored_s: float, known_ns: np.ndarray) -> float:
    if stored_s != round(stored_s, 3):
        return stored_s
    stored_ns = round(stored_s * 1e9)
    nearest = int(known_ns[np.abs(known_ns - stored_ns).argmin()])
    return nearest * 1e-9 if abs(nearest - stored_ns) < _STORED_TO_NS else stored_s
