"""Clips: windows of one camera's recording, cut where objects can be asked about, with their marks.

DEFINITIONS, "Spans and clips". Windows are chosen greedily: each next clip, of a length that has come least, is the
one whose objects offer most that no clip offered before.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.headings import clock_hour
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.sightings import Sightings, Span, look, object_span
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.categories import noun
from st_vlm.video.marks import COLOURS
from st_vlm.video.sampling import sample_indices

LENGTHS_S = (3.0, 4.0, 6.0, 8.0, 12.0, 19.5)
# Frames jitter about the grid; a step of twice its own means that one is missing.
MOST_STEP_S = 1.5 * STEP_S
MOST_CLIPS = 8
MOST_OVERLAP = 0.3
# How many marks a clip shows at most, and how often: single objects, pairs, crowds.
_MARKS = (1, 2, 3, 4)
_MARKS_SHARE = (0.25, 0.35, 0.2, 0.2)
# What no one would ask about the motion of.
_THINGS = ("traffic cone", "barrier", "object", "bollard", "construction cone", "sign", "stop sign")


@dataclass(frozen=True, eq=False)
class MarkedObject:
    """An object of a clip, its mark, and its motion over the span in which it is seen.

    Attributes:
        track: Its 3D track, over the whole recording.
        colour: Of its mark.
        boxes: (T, 4) xyxy pixels of the recording's image, one per frame of the clip; NaN where not visible.
        span: When it can be asked about.
        motion: Its motion over that span.
    """

    track: Track
    colour: str
    boxes: np.ndarray
    span: Span
    motion: SpanMotion


@dataclass(frozen=True, eq=False)
class Clip:
    """A window of one recording seen by one camera.

    Attributes:
        id: `{source}-{recording}-{camera}-{start}-{length}`, times in tenths of a second.
        recording: Where it is from.
        frames: (T,) indices of the recording's frames, one every 0.5 s.
        times_ns: (T,) the frames' own timestamps.
        objects: Its marked objects.
    """

    id: str
    recording: Recording
    frames: np.ndarray
    times_ns: np.ndarray
    objects: tuple[MarkedObject, ...]

    @property
    def start_ns(self) -> int:
        return int(self.times_ns[0])

    @property
    def times_s(self) -> np.ndarray:
        """(T,) seconds from the first frame."""
        return (self.times_ns - self.times_ns[0]) * 1e-9

    def motion(self, index: int, start_s: float, end_s: float) -> SpanMotion:
        """The motion of the clip's object `index` between two of the clip's seconds."""
        return span_motion(self.recording, self.objects[index].track, self.start_ns, start_s, end_s)


@dataclass(frozen=True, eq=False)
class _Window:
    """A candidate clip: grid frames `first` to `last`, and what can be asked about in it."""

    first: int
    last: int
    askable: dict[int, tuple[Span, SpanMotion]]


def cut_clips(recording: Recording, rng: np.random.Generator, most: int = MOST_CLIPS) -> list[Clip]:
    """Cut up to `most` clips out of a recording; none where no object can be asked about."""
    sightings = look(recording)
    windows = {length: _windows(recording, sightings, length) for length in LENGTHS_S}
    chosen: list[_Window] = []
    lengths: list[float] = []
    for _ in range(most):
        best: tuple[float, float, _Window] | None = None
        for length in sorted(windows, key=lambda length: (lengths.count(length), rng.random())):
            scored = [(_worth(window, chosen), window) for window in windows[length]]
            score, window = max(scored, key=lambda pair: pair[0], default=(0.0, None))
            if score > 0:
                best = (score, length, window)
                break
        if best is None:
            break
        lengths.append(best[1])
        chosen.append(best[2])
    return [_clip(recording, sightings, window, rng) for window in chosen]


def file_name(name: str) -> str:
    """A name that no file system reads as a path: other signs become `_`, and a hash keeps such names apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two intervals."""
    both = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, both) / (max(first[1], second[1]) - min(first[0], second[0]))


def _windows(recording: Recording, sightings: Sightings, length_s: float) -> list[_Window]:
    steps = round(length_s / STEP_S)
    times = sightings.times_ns
    often = [k for k, track in enumerate(recording.tracks) if _askable_category(track)]
    often = [k for k in often if sightings.seen(k).sum() >= 4]
    windows = []
    for first in range(len(times) - steps):
        last = first + steps
        if not _regular((times[first : last + 1] - times[first]) * 1e-9):
            continue
        askable = {}
        for k in often:
            span = object_span(sightings, recording.tracks[k], k, first, last)
            if span is None:
                continue
            motion = span_motion(recording, recording.tracks[k], int(times[first]), span.start_s, span.end_s)
            if motion.state is not Moving.UNDECIDED:
                askable[k] = (span, motion)
        if askable:
            windows.append(_Window(first, last, askable))
    return windows


def _regular(times_s: np.ndarray) -> bool:
    """Whether the camera skipped no frame, and whoever samples the clip's video takes every frame of it."""
    return np.diff(times_s).max() <= MOST_STEP_S and len(sample_indices(times_s)) == len(times_s)


def _askable_category(track: Track) -> bool:
    return len(track) > 1 and noun(track.category) not in _THINGS


def _worth(window: _Window, chosen: list[_Window]) -> float:
    """Sum of what its four best objects offer that no chosen window offers yet."""
    offers = []
    for k, (_, motion) in window.askable.items():
        repeated = any(
            k in other.askable and overlap((window.first, window.last), (other.first, other.last)) > MOST_OVERLAP
            for other in chosen
        )
        if not repeated:
            offers.append(_interest(motion))
    return sum(sorted(offers, reverse=True)[: len(COLOURS)])


def _interest(motion: SpanMotion) -> float:
    """Turning objects are rare and asked about first; standing ones are many."""
    if motion.state is Moving.STATIC:
        return 0.2
    turns = motion.turn is not None and clock_hour(motion.turn) != 12
    return 2.0 if turns or len(motion.runs) > 1 else 1.0


def _clip(recording: Recording, sightings: Sightings, window: _Window, rng: np.random.Generator) -> Clip:
    grid = slice(window.first, window.last + 1)
    ranked = sorted(
        window.askable, key=lambda k: (-_interest(window.askable[k][1]), rng.random(), recording.tracks[k].id)
    )
    marked = ranked[: rng.choice(_MARKS, p=_MARKS_SHARE)]
    objects = []
    for colour, k in zip(COLOURS, rng.permutation(marked), strict=False):
        span, motion = window.askable[k]
        objects.append(MarkedObject(recording.tracks[k], colour, sightings.boxes[k, grid], span, motion))
    times = sightings.times_ns[grid]
    start = round((times[0] - recording.frames.times_ns[0]) * 1e-8)
    length = round((times[-1] - times[0]) * 1e-8)
    name = f"{recording.source}-{recording.id}-{recording.camera.name}-{start:03d}-{length:03d}"
    return Clip(file_name(name), recording, sightings.frames[grid], times, tuple(objects))
