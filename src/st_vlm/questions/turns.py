"""What of an object's turns can be asked about (DEFINITIONS, "Headings, hours, intervals").

Clips are cut where there is such a thing, and the tasks ask about it.
"""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.headings import HOUR_RAD, Run, clock_hour, clock_hours, off_hour, wrap
from st_vlm.kinematics.many_headings import ManyRuns
from st_vlm.kinematics.many_spans import ManySpans
from st_vlm.kinematics.motion import Moving
from st_vlm.questions.motion import SpanMotion

KEEP_HOURS_WITHIN_RAD = np.deg2rad(10.0)
SHORTEST_INTERVAL_S = 1.5
LONGEST_INTERVAL_SHARE = 0.6


def asked_hour(motion: SpanMotion) -> int | None:
    """The hour of the last movement, or None where there is none or its angle is too near to another hour's."""
    turn = motion.turn
    return clock_hour(turn) if turn is not None and off_hour(turn) <= KEEP_HOURS_WITHIN_RAD else None


def asked_runs(motion: SpanMotion) -> list[Run]:
    """The runs of an hour that comes once, long enough to be seen and too short to be told by the span alone."""
    if motion.state is not Moving.MOVING:
        return []
    hours = [run.hour for run in motion.runs]
    # Of the span that the question is about: a run that fills a stated span would be told by the question.
    longest = LONGEST_INTERVAL_SHARE * motion.duration_s
    return [
        run
        for run in motion.runs
        if run.hour is not None and hours.count(run.hour) == 1 and SHORTEST_INTERVAL_S <= run.duration_s <= longest
    ]


def asked_hours(initial: np.ndarray, final: np.ndarray) -> np.ndarray:
    """`asked_hour` of (S,) moving objects by their initial and final headings (NaN for none): (S,) int, 0 for None."""
    turns = -wrap(final - initial)
    hours = clock_hours(np.where(np.isnan(turns), 0.0, turns))
    return np.where(np.abs(wrap(turns - hours * HOUR_RAD)) <= KEEP_HOURS_WITHIN_RAD, hours, 0)


def asked_run_hours(runs: ManyRuns, spans: ManySpans) -> np.ndarray:
    """The hours of `asked_runs` of each of S moving objects, as (S,) int with a bit 1 << hour for each."""
    hour_of_span = runs.owner * 13 + runs.hours
    once = np.bincount(hour_of_span)[hour_of_span] == 1
    longest = LONGEST_INTERVAL_SHARE * (spans.times_s[spans.lasts] - spans.times_s[spans.firsts])
    seconds = runs.durations_s
    asked = (runs.hours > 0) & once & (seconds >= SHORTEST_INTERVAL_S) & (seconds <= longest[runs.owner])
    found = np.zeros(len(spans), int)
    np.bitwise_or.at(found, runs.owner[asked], 1 << runs.hours[asked])
    return found
