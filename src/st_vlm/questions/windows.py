"""Candidate clips: every window of a clip's length, and what each of its objects has to offer for questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.headings import step_headings, wrap
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.sightings import Sightings, Span, object_span, run_span
from st_vlm.questions.turns import asked_hour, asked_runs
from st_vlm.questions.unasked import is_asked
from st_vlm.recordings import Recording
from st_vlm.video.sampling import sample_indices

# Frames jitter about the grid; a step of twice its own means that one is missing.
MOST_STEP_S = 1.5 * STEP_S
# An hour begins 15 degrees from straight ahead: whose headings differ by less than this all its life turns nowhere.
_STRAIGHT_WITHIN_RAD = np.deg2rad(10.0)


@dataclass(frozen=True)
class Offer:
    """What can be asked about one object in one window.

    Attributes:
        span: When it is seen.
        static: Whether it stands still.
        hour: Of its last movement, where that can be asked for; None also for what goes straight all its life.
        runs: The hours whose interval can be asked for.
    """

    span: Span
    static: bool
    hour: int | None = None
    runs: frozenset[int] = frozenset()


@dataclass(frozen=True, eq=False)
class Window:
    """The grid frames `first` to `last`, and the offer of every object that can be asked about in them."""

    first: int
    last: int
    offers: dict[int, Offer]


class WindowFinder:
    """Windows of one recording. Spans that several windows share are measured once."""

    def __init__(self, recording: Recording, sightings: Sightings) -> None:
        self._recording, self._sightings = recording, sightings
        self._measured: dict[tuple[int, int, int], tuple[Moving, int | None, frozenset[int]]] = {}
        last = len(sightings.times_ns) - 1
        # Tracks that have a span at all, and whether they may turn or stop in it.
        self._turns: dict[int, bool] = {}
        for k, track in enumerate(recording.tracks):
            spans = [run_span(sightings.times_ns, run, 0, last) for run in sightings.runs[k]]
            if is_asked(track.category) and any(len(run.grid) > 2 for run in sightings.runs[k]):
                self._turns[k] = recording.domain != "sports" and not all(s and self._straight(k, s) for s in spans)

    def of_length(self, length_s: float) -> list[Window]:
        """Every window of a length, one every half second, without a skipped frame and with something to ask."""
        steps = round(length_s / STEP_S)
        times = self._sightings.times_ns
        windows = []
        for first in range(len(times) - steps):
            last = first + steps
            if not _regular((times[first : last + 1] - times[first]) * 1e-9):
                continue
            spans = {k: object_span(self._sightings, k, first, last) for k in self._turns}
            offers = {k: self._offer(k, first, span) for k, span in spans.items() if span}
            offers = {k: offer for k, offer in offers.items() if offer}
            if offers:
                windows.append(Window(first, last, offers))
        return windows

    def motion(self, index: int, first: int, span: Span) -> SpanMotion:
        """The motion of a track over its span in a window that begins with grid frame `first`."""
        start = int(self._sightings.times_ns[first])
        return span_motion(self._recording, self._recording.tracks[index], start, span.start_s, span.end_s)

    def _offer(self, index: int, first: int, span: Span) -> Offer | None:
        start = int(self._sightings.times_ns[first])
        key = index, start + round(span.start_s * 1e9), start + round(span.end_s * 1e9)
        if key not in self._measured:
            motion = self.motion(index, first, span)
            hour, runs = None, frozenset()
            if motion.state is Moving.MOVING and self._turns[index]:
                hour = asked_hour(motion)
                runs = frozenset(run.hour for run in asked_runs(motion))
            self._measured[key] = motion.state, hour, runs
        state, hour, runs = self._measured[key]
        return None if state is Moving.UNDECIDED else Offer(span, state is Moving.STATIC, hour, runs)

    def _straight(self, index: int, span: Span) -> bool:
        motion = self.motion(index, 0, span)
        headings = step_headings(motion.times_s, motion.points, motion.chord_m)
        if any(heading is None for heading in headings):
            return False
        off = wrap(np.array(headings) - headings[0])
        return bool(off.max() - off.min() < _STRAIGHT_WITHIN_RAD)


def _regular(times_s: np.ndarray) -> bool:
    """Whether the camera skipped no frame, and whoever samples the clip's video takes every frame of it."""
    return np.diff(times_s).max() <= MOST_STEP_S and len(sample_indices(times_s)) == len(times_s)
