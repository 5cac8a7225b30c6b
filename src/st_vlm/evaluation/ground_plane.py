"""The ground-plane baseline: what boxes and camera alone tell of the seven tasks, by geometry and without a model.

Boxes are lifted to the ground and smoothed (`kinematics.ground_tracks`), and the tracks are measured as annotated ones
are. A model that is told boxes and camera has learned something where it scores above it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from st_vlm.errors import InputError
from st_vlm.evaluation.constants import answer_text
from st_vlm.evaluation.scoring import hours_apart
from st_vlm.kinematics.ground_tracks import ground_tracks
from st_vlm.kinematics.headings import (
    angle_between,
    chord_length,
    clock_hour,
    clockwise_turn,
    final_heading,
    hour_runs,
    initial_heading,
)
from st_vlm.models.track_features import sight_of
from st_vlm.questions.answers import Answer, Choice, ClockHour, Interval, Quantity
from st_vlm.questions.mentions import asked_frames, mentions
from st_vlm.video.marks import as_marks

# Between the 15 degrees that are the same direction and the 45 that are different ones.
SAME_DIRECTION_RAD = math.radians(30)
# A standing object's smoothed track still trembles; what stays within this many standard deviations stands.
STANDS_SIGMAS = 2.0
_HOUR = re.compile(r"\b([0-9]{1,2}) o'clock")
_CHORD_M = chord_length(person=False)

# Times (G,) and places (G, 2) of one marked object in the span that is asked about.
Track = tuple[np.ndarray, np.ndarray]


def ground_plane_predictions(rows: Iterable[Mapping]) -> tuple[dict[str, str], dict[str, str]]:
    """An answer for every question of the seven tasks that geometry can tell.

    Args:
        rows: Dataset rows with `id`, `task`, `question`, `marks`, `timestamps` and `camera`.

    Returns:
        Id to text, and id to what is wrong with the row for rows whose marks or camera cannot be used. Questions of
        other tasks, or about what was never seen on the ground by a known camera, are in neither; the scorer counts
        them as missing.
    """
    texts, failures = {}, {}
    for row in rows:
        try:
            answer = ground_plane_answer(row)
        except InputError as error:
            failures[row["id"]] = str(error)
            continue
        if answer is not None:
            texts[row["id"]] = answer_text(answer)
    return texts, failures


def ground_plane_answer(row: Mapping) -> Answer | None:
    """What geometry answers to the question of a row, or None.

    Raises:
        InputError: Marks or a camera that cannot be used.
    """
    if row["task"] not in _ANSWERS:
        return None
    times = np.asarray(row["timestamps"], np.float64)
    frames = asked_frames(row["question"], times)
    camera, marks = row.get("camera"), as_marks(row["marks"])
    colours = [mark.color for mark in marks]
    asked = [index for _, index in mentions(row["question"], colours)]
    if not asked and len(marks) == 1:
        asked = [0]
    if not camera or not camera.get("size") or not asked:
        return None
    if any(len(marks[i].boxes) != len(times) for i in asked):
        raise InputError(f"its marks need a box, or null, for each of its {len(times)} frames.")
    boxes = np.array([[marks[i].boxes[frame] or (np.nan,) * 4 for frame in frames] for i in asked], np.float64)
    sight = sight_of(camera, tuple(camera["size"]), len(times))
    if sight.poses is None:
        return None
    tracks = ground_tracks(times[frames], boxes, replace(sight, poses=sight.poses[frames]))
    if tracks is None or not (tracks.known.sum(axis=1) > 1).all():
        return None
    measured = []
    for k, known in enumerate(tracks.known):
        places = tracks.smooth.places[k, known]
        sigma = float(np.sqrt(np.diagonal(tracks.smooth.covariances[k, known], axis1=-2, axis2=-1)[:, :2].mean()))
        reach = float(np.linalg.norm(places[:, None] - places[None], axis=-1).max())
        measured.append(
            (
                times[frames][known],
                places if reach > STANDS_SIGMAS * sigma else np.broadcast_to(places[0], places.shape),
            )
        )
    return _ANSWERS[row["task"]](measured, [colours[i] for i in asked], row["question"])


def _path(track: Track) -> float:
    return float(np.linalg.norm(np.diff(track[1], axis=0), axis=1).sum())


def _speed(track: Track) -> float:
    return 3.6 * _path(track) / float(track[0][-1] - track[0][0])


def _hour(track: Track) -> Answer | None:
    first, last = initial_heading(track[1], _CHORD_M), final_heading(track[1], _CHORD_M)
    return None if first is None or last is None else ClockHour(clock_hour(clockwise_turn(first, last)))


def _interval(track: Track, question: str) -> Answer | None:
    """The longest run in the hour that is asked for, or in the hour nearest to it."""
    asked = _HOUR.search(question)
    runs = [run for run in hour_runs(*track, _CHORD_M) if run.hour is not None]
    if asked is None or not runs:
        return None
    found = min(runs, key=lambda run: (hours_apart(run.hour, int(asked[1])), -run.duration_s))
    return Interval(found.start_s, found.end_s)


def _most(measure: Callable[[Track], float]):
    def choose(tracks: Sequence[Track], colours: Sequence[str], question: str) -> Answer | None:
        return Choice(colours[int(np.argmax([measure(track) for track in tracks]))]) if len(tracks) > 1 else None

    return choose


def _relation(tracks: Sequence[Track], colours: Sequence[str], question: str) -> Answer | None:
    if len(tracks) != 2:
        return None
    one, other = (track[1][-1] - track[1][0] for track in tracks)
    return Choice("same" if angle_between(one, other) < SAME_DIRECTION_RAD else "different")


_ANSWERS = {
    "traveled_distance": lambda tracks, colours, question: Quantity(_path(tracks[0]), "m"),
    "traveling_speed": lambda tracks, colours, question: Quantity(_speed(tracks[0]), "km/h"),
    "moving_direction": lambda tracks, colours, question: _hour(tracks[0]),
    "direction_timestamp": lambda tracks, colours, question: _interval(tracks[0], question),
    "traveled_distance_comparison": _most(_path),
    "traveling_speed_comparison": _most(_speed),
    "moving_direction_comparison": _relation,
}
