"""One lifted track against the true one: every answer that a question could ask for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics import headings
from st_vlm.kinematics.motion import Moving, path_length
from st_vlm.kinematics.resampling import interpolate
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks
from st_vlm.questions.motion import SpanMotion
from st_vlm.recordings.categories import is_person

# Of the true span a track must be known for, to count as answered.
LEAST_SHARE = 0.5
LEAST_SECONDS = 2.0
# What the hour of DEFINITIONS asks: near the middle of the hour; and how long one run may be.
OFF_HOUR_RAD = np.deg2rad(10.0)
SHORTEST_RUN_S, LONGEST_RUN_SHARE = 1.5, 0.6


@dataclass(frozen=True)
class Comparison:
    """One true track and what became of it. Numbers are NaN where they do not apply.

    Attributes:
        recording, track, category: Whose it is.
        range_m, speed_kmh: Median distance from the camera, and true mean speed.
        true_m, said_m: Traveled distance over the seconds that both know.
        sigma_m: Stated standard deviation of `said_m`.
        moves: Whether it truly moves, rather than stands.
        said_static, answered: What the lifted track says, and whether there is one.
        true_hour, said_hour: Of the last movement against the first; 0 where none is asked.
        heading_error_deg: Of the turn between them.
        interval_iou: Mean over the true runs that could be asked about.
        misfit: Of the track.
    """

    recording: str
    track: str
    category: str
    range_m: float
    speed_kmh: float
    true_m: float
    said_m: float
    sigma_m: float
    moves: bool
    said_static: bool
    answered: bool
    true_hour: int
    said_hour: int
    heading_error_deg: float
    interval_iou: float
    misfit: float


def compare(
    recording: str, track: str, category: str, range_m: float, truth: SpanMotion, tracks: ObjectTracks, index: int
) -> Comparison:
    """Compare object `index` of the lifted tracks with the true motion, over the seconds that both know."""
    known = {"recording": recording, "track": track, "category": category, "range_m": range_m}
    known |= {"speed_kmh": truth.mean_speed_kmh, "moves": truth.state is Moving.MOVING}
    run = tracks.stretch(index)
    state = tracks.states[index]
    if run.stop - run.start >= 2 and state is not Moving.UNDECIDED:
        times = tracks.times_s[run]
        start, end = max(truth.times_s[0], times[0]), min(truth.times_s[-1], times[-1])
        if end - start >= max(LEAST_SECONDS - 0.1, LEAST_SHARE * truth.duration_s):
            both = _cut(truth, start, end)
            # Over the seconds that are asked about: what drives off afterwards stands before.
            state = tracks.state_between(index, start, end, is_person(category))
            said = interpolate(times, tracks.places[index, run], both.times_s)
            lifted = SpanMotion(both.times_s, said, state, truth.chord_m)
            draws = [path_length(interpolate(times, draw[index, run], both.times_s)) for draw in tracks.draws]
            sigma = float(np.std(draws))
            if state is not Moving.UNDECIDED:
                return _compared(both, lifted, sigma, known, float(tracks.misfit[index]))
    nothing = dict.fromkeys(("said_m", "sigma_m", "heading_error_deg", "interval_iou"), float("nan"))
    return Comparison(
        **known, **nothing, true_m=truth.distance_m, said_static=False, answered=False,
        true_hour=_hour(truth), said_hour=0, misfit=float(tracks.misfit[index]),
    )  # fmt: skip


def _cut(truth: SpanMotion, start_s: float, end_s: float) -> SpanMotion:
    """The true motion on its grid between two times, and at these."""
    inner = truth.times_s[(truth.times_s > start_s + 1e-6) & (truth.times_s < end_s - 1e-6)]
    times = np.concatenate([[start_s], inner, [end_s]])
    return SpanMotion(times, interpolate(truth.times_s, truth.points, times), truth.state, truth.chord_m)


def _compared(truth: SpanMotion, lifted: SpanMotion, sigma: float, known: dict, misfit: float) -> Comparison:
    hour, off = _hour(truth), float("nan")
    said_turn = lifted.turn
    if truth.turn is not None and said_turn is not None:
        off = abs(float(np.rad2deg(headings.wrap(said_turn - truth.turn))))
    return Comparison(
        **known,
        true_m=truth.distance_m,
        said_m=lifted.distance_m,
        sigma_m=sigma,
        said_static=lifted.state is Moving.STATIC,
        answered=True,
        true_hour=hour,
        said_hour=0 if said_turn is None else headings.clock_hour(said_turn),
        heading_error_deg=off,
        interval_iou=_interval_iou(truth, lifted),
        misfit=misfit,
    )


def _hour(motion: SpanMotion) -> int:
    """The hour that a question would have for its answer, or 0."""
    turn = motion.turn
    return headings.clock_hour(turn) if turn is not None and headings.off_hour(turn) <= OFF_HOUR_RAD else 0


def _interval_iou(truth: SpanMotion, lifted: SpanMotion) -> float:
    """Mean over the true runs of an hour that could be asked about; NaN without any."""
    if truth.state is not Moving.MOVING:
        return float("nan")
    hours = [run.hour for run in truth.runs]
    overlaps = []
    for run in truth.runs:
        asked = SHORTEST_RUN_S <= run.duration_s <= LONGEST_RUN_SHARE * truth.duration_s
        if run.hour is None or hours.count(run.hour) > 1 or not asked:
            continue
        same = [other for other in lifted.runs if other.hour == run.hour] if lifted.state is Moving.MOVING else []
        overlaps.append(max((_iou(run, other) for other in same), default=0.0))
    return float(np.mean(overlaps)) if overlaps else float("nan")


def _iou(a: headings.Run, b: headings.Run) -> float:
    shared = max(min(a.end_s, b.end_s) - max(a.start_s, b.start_s), 0.0)
    return shared / (a.duration_s + b.duration_s - shared)
