"""Candidate clips: every window of a clip's length, and what each of its objects has to offer for questions.

All windows of a recording are tried, so everything here is an array over them: the objects' spans, and the motion over
each span, once however many windows share it (`kinematics.many_spans`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.headings import chord_length, wrap
from st_vlm.kinematics.many_headings import end_chords, many_hour_runs, many_step_headings
from st_vlm.kinematics.many_spans import ManySpans, lay_out, static_tests
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.motion import SpanMotion, centre_sigma, pose_slacks, span_motion
from st_vlm.questions.sightings import Sightings, Span, Spans, object_spans, run_span
from st_vlm.questions.turns import asked_hours, asked_run_hours
from st_vlm.questions.unasked import is_asked
from st_vlm.recordings import Recording
from st_vlm.recordings.categories import is_person
from st_vlm.video.sampling import sample_indices

# Frames jitter about the grid; a step of twice its own means that one is missing.
MOST_STEP_S = 1.5 * STEP_S
# Steps that are surely on the grid for whoever samples the clip's video.
_SURE_STEPS_S = (0.95 * STEP_S, MOST_STEP_S - 1e-6)
# An hour begins 15 degrees from straight ahead: whose headings differ by less than this all its life turns nowhere.
_STRAIGHT_WITHIN_RAD = np.deg2rad(10.0)


@dataclass(frozen=True, eq=False)
class Windows:
    """W windows and what can be asked about the K tracks of the recording in each of them.

    Attributes:
        firsts, lasts: (W,) the windows' first and last grid frames.
        spans: For each track that can be asked about at all, by its number: when it is seen, in each window.
        offered: (K, W) bool: whether the track can be asked about in the window.
        static: (K, W) bool: whether it stands still there.
        hours: (K, W) int, of its last movement, where that can be asked for; 0 also for what goes straight all its
            life.
        runs: (K, W) int, a bit 1 << hour for each hour whose interval can be asked for.
    """

    firsts: np.ndarray
    lasts: np.ndarray
    spans: dict[int, Spans]
    offered: np.ndarray
    static: np.ndarray
    hours: np.ndarray
    runs: np.ndarray

    def span(self, track: int, window: int) -> Span:
        """When a track is seen in a window that offers it."""
        return self.spans[track][window]

    def covers(self) -> np.ndarray:
        """(K, W) bool: whether the track's span covers the whole window."""
        found = np.zeros(self.offered.shape, bool)
        for k, spans in self.spans.items():
            found[k] = spans.covers_clip
        return found


class WindowFinder:
    """Windows of one recording."""

    def __init__(self, recording: Recording, sightings: Sightings) -> None:
        self._recording, self._sightings = recording, sightings
        asked = [
            k
            for k, track in enumerate(recording.tracks)
            if is_asked(track.category) and any(len(run.grid) > 2 for run in sightings.runs[k])
        ]
        # Tracks that have a span at all, and whether they may turn or stop in it.
        self._turns = dict.fromkeys(asked, False)
        if recording.domain != "sports":
            straight = self._straight(asked)
            self._turns = {k: k not in straight for k in asked}

    def of_lengths(self, lengths_s: Sequence[float]) -> Windows:
        """Every window of these lengths, one every half second, without a skipped frame and with something to ask.

        They stand in the order of the lengths, then of time.
        """
        times = self._sightings.times_ns
        firsts = [_regular_windows(times, round(length / STEP_S)) for length in lengths_s]
        lasts = [first + round(length / STEP_S) for first, length in zip(firsts, lengths_s, strict=True)]
        firsts, lasts = np.concatenate(firsts), np.concatenate(lasts)
        spans = {k: object_spans(self._sightings, k, firsts, lasts) for k in self._turns}
        tracks = len(self._recording.tracks)
        # Index of a span's measures, -1 where there is no span.
        measured = np.full((tracks, len(firsts)), -1)
        keys = []
        for k, own in spans.items():
            there = np.flatnonzero(own.exists)
            starts, ends = (times[firsts[there]] + _ns(value[there]) for value in (own.start_s, own.end_s))
            # Of the windows that share a span the first one's seconds count.
            _, at, number = np.unique(np.stack([starts, ends]), axis=1, return_index=True, return_inverse=True)
            measured[k, there] = len(keys) + number.ravel()
            keys += zip(np.full(len(at), k), starts[at], ends[at], times[firsts[there[at]]], strict=True)
        states, hours, runs = self._measure(np.array(keys, np.int64).reshape(-1, 4))
        states, hours, runs = (np.append(value, 0)[measured] for value in (states, hours, runs))
        offered = (measured >= 0) & (states != _CODES[Moving.UNDECIDED])
        some = offered.any(axis=0)
        return Windows(
            firsts[some],
            lasts[some],
            {k: own.at(some) for k, own in spans.items()},
            offered[:, some],
            (offered & (states == _CODES[Moving.STATIC]))[:, some],
            np.where(offered, hours, 0)[:, some],
            np.where(offered, runs, 0)[:, some],
        )

    def motion(self, index: int, first: int, span: Span) -> SpanMotion:
        """The motion of a track over its span in a window that begins with grid frame `first`."""
        start = int(self._sightings.times_ns[first])
        return span_motion(self._recording, self._recording.tracks[index], start, span.start_s, span.end_s)

    def _measure(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """State, asked hour and asked runs (as in `Windows`) of spans: rows of track, start, end and origin."""
        keys = self._within_life(keys)
        spans = self._lay_out(keys)
        person, sigma, chord = self._traits(keys[:, 0])
        found = static_tests(spans, person, pose_slacks(self._recording, keys[:, 1], keys[:, 2]), sigma)
        states = np.array([_CODES[state] for state in found], int)
        turning = np.array([self._turns[k] for k in keys[:, 0].tolist()], bool)
        moving = turning & (states == _CODES[Moving.MOVING])
        hours, runs = np.zeros(len(keys), int), np.zeros(len(keys), int)
        if moving.any():
            own, chords = spans.chosen(moving), chord[moving]
            initial, final = end_chords(own, chords)
            hours[moving] = asked_hours(initial, final)
            runs[moving] = asked_run_hours(many_hour_runs(own, chords, initial), own)
        return states, hours, runs

    def _straight(self, tracks: list[int]) -> set[int]:
        """Those of the tracks that have a heading in every step, always nearly the same."""
        times, last = self._sightings.times_ns, len(self._sightings.times_ns) - 1
        keys, turns = [], set()
        for k in tracks:
            for run in self._sightings.runs[k]:
                span = run_span(times, run, 0, last)
                if span is None:
                    turns.add(k)
                else:
                    keys.append((k, *(times[0] + round(t * 1e9) for t in (span.start_s, span.end_s)), times[0]))
        if keys:
            keys = self._within_life(np.array(keys, np.int64))
            spans = self._lay_out(keys)
            steps, headings = many_step_headings(spans, self._traits(keys[:, 0])[2])
            firsts = spans.firsts - np.arange(len(spans))
            off = wrap(headings - headings[firsts][spans.owner[steps]])
            # What has no heading in some step compares as false.
            level = np.maximum.reduceat(off, firsts) - np.minimum.reduceat(off, firsts) < _STRAIGHT_WITHIN_RAD
            turns.update(keys[~level, 0].tolist())
        return set(tracks) - turns

    def _within_life(self, keys: np.ndarray) -> np.ndarray:
        """Spans whose ends stick out of their tracks by rounding, moved onto them."""
        lives = [(track.times_ns[0], track.times_ns[-1]) for track in self._recording.tracks]
        born, gone = np.array(lives, np.int64).reshape(-1, 2)[keys[:, 0]].T
        return np.stack([keys[:, 0], np.maximum(keys[:, 1], born), np.minimum(keys[:, 2], gone), keys[:, 3]], axis=1)

    def _lay_out(self, keys: np.ndarray) -> ManySpans:
        tracks = self._recording.tracks
        return lay_out([track.times_ns for track in tracks], [track.centres for track in tracks], *keys.T)

    def _traits(self, tracks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether each track is a person, the sigma of its centres, and its least chord."""
        known = {}
        for k in dict.fromkeys(tracks.tolist()):
            track = self._recording.tracks[k]
            person, sigma = is_person(track.category), centre_sigma(track)
            known[k] = person, sigma, chord_length(person, sigma)
        table = np.array([known[k] for k in tracks.tolist()], float).reshape(-1, 3)
        return table[:, 0] > 0, table[:, 1], table[:, 2]


_CODES = {state: code for code, state in enumerate(Moving)}


def _ns(seconds: np.ndarray) -> np.ndarray:
    return np.rint(seconds * 1e9).astype(np.int64)


def _regular_windows(times_ns: np.ndarray, steps: int) -> np.ndarray:
    """The first frames of all windows of so many steps in which the camera skipped no frame, and of which whoever
    samples the clip's video takes every frame."""
    if len(times_ns) <= steps:
        return np.empty(0, int)
    of_window = np.lib.stride_tricks.sliding_window_view(np.diff(times_ns) * 1e-9, steps)
    shortest, longest = of_window.min(axis=1), of_window.max(axis=1)
    regular = (shortest >= _SURE_STEPS_S[0]) & (longest <= _SURE_STEPS_S[1])
    for first in np.flatnonzero(~regular & (longest <= MOST_STEP_S + 1e-6)):
        seconds = (times_ns[first : first + steps + 1] - times_ns[first]) * 1e-9
        whole = np.diff(seconds).max() <= MOST_STEP_S and len(sample_indices(seconds)) == len(seconds)
        regular[first] = whole
    return np.flatnonzero(regular)
