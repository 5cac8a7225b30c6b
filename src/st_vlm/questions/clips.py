"""Clips: windows of one camera's recording, cut where objects can be asked about, with their marks.

DEFINITIONS, "Spans and clips". Which windows and which objects: `windows`, `choosing`.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from st_vlm.questions.choosing import MOST_OVERLAP, Choice, choose, overlap
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.parts import HalfSeconds
from st_vlm.questions.sightings import Sightings, Span, look
from st_vlm.questions.unasked import span_drops
from st_vlm.questions.windows import WindowFinder, Windows
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.drops import Drop
from st_vlm.recordings.quality import Quality
from st_vlm.video.marks import COLOURS

__all__ = [
    "LENGTHS_S",
    "MOST_CLIPS",
    "MOST_OVERLAP",
    "Clip",
    "MarkedObject",
    "cut_clips",
    "file_name",
    "overlap",
]

LENGTHS_S = (3.0, 4.0, 6.0, 8.0, 12.0, 19.5)
MOST_CLIPS = 8
# File systems allow 255 bytes; a machine's name, a process's number and endings are added while a file is written.
_LONGEST_NAME = 120


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
        """The motion of the clip's object `index` between two of the clip's seconds, measured once."""
        key = index, start_s, end_s
        if key not in self._measured:
            track = self.objects[index].track
            self._measured[key] = span_motion(self.recording, track, self.start_ns, start_s, end_s)
        return self._measured[key]

    @cached_property
    def half_seconds(self) -> HalfSeconds:
        """The objects on the clip's half seconds, for what is asked about many of its parts."""
        tracks = [marked.track for marked in self.objects]
        return HalfSeconds(self.recording, tracks, self.start_ns, float(self.times_s[-1]))

    @cached_property
    def common_spans(self) -> dict[tuple[int, int], tuple[float, float, bool] | None]:
        """What has been found of pairs of objects, for the tasks that compare them."""
        return {}

    @cached_property
    def _measured(self) -> dict[tuple[int, float, float], SpanMotion]:
        return {(k, one.span.start_s, one.span.end_s): one.motion for k, one in enumerate(self.objects)}


def cut_clips(
    recording: Recording, quality: Quality, rng: np.random.Generator, most: int = MOST_CLIPS
) -> tuple[list[Clip], list[Drop]]:
    """Cut up to `most` clips out of a recording; none where no object can be asked about.

    Args:
        recording: With a camera; its images are not read.
        quality: What of its tracks can be trusted (`recordings.quality.assess`).
        rng: Breaks ties, deals the marks. The same state cuts the same clips.
        most: How many clips.

    Returns:
        The clips, and what this camera's rules left out (`SPAN_RULES`).
    """
    sightings = look(recording, quality)
    finder = WindowFinder(recording, sightings)
    windows = finder.of_lengths(LENGTHS_S)
    chosen = choose(windows, LENGTHS_S, rng, most)
    clips = [_clip(recording, quality, sightings, finder, windows, choice, rng) for choice in chosen]
    return clips, span_drops(recording, sightings)


def file_name(name: str) -> str:
    """A name that every file system takes: other signs become `_`, long ones are cut; a hash keeps such apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:_LONGEST_NAME]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _clip(
    recording: Recording,
    quality: Quality,
    sightings: Sightings,
    finder: WindowFinder,
    windows: Windows,
    choice: Choice,
    rng: np.random.Generator,
) -> Clip:
    first = int(windows.firsts[choice.window])
    grid = slice(first, int(windows.lasts[choice.window]) + 1)
    times = sightings.times_ns[grid]
    objects = []
    for colour, k in zip(COLOURS, rng.permutation(choice.marked), strict=False):
        span = windows.span(k, choice.window)
        boxes = _of_one_object(recording.tracks[k].id, quality, sightings.boxes[k, grid], times, span)
        objects.append(MarkedObject(recording.tracks[k], colour, boxes, span, finder.motion(k, first, span)))
    start = round((times[0] - recording.frames.times_ns[0]) * 1e-8)
    length = round((times[-1] - times[0]) * 1e-8)
    name = f"{recording.source}-{recording.id}-{recording.camera.name}-{start:03d}-{length:03d}"
    return Clip(file_name(name), recording, sightings.frames[grid], times, tuple(objects))


def _of_one_object(track_id: str, quality: Quality, boxes: np.ndarray, times_ns: np.ndarray, span: Span) -> np.ndarray:
    """The (T, 4) boxes of a mark without those beyond an identity jump: there the track is another object."""
    start = int(times_ns[0]) + round(span.start_s * 1e9)
    other = np.zeros(len(times_ns), bool)
    for drop in quality.drops:
        if drop.rule == "identity_jump" and drop.track_id == track_id:
            other |= times_ns < drop.end_ns if start >= drop.end_ns else times_ns > drop.start_ns
    return np.where(other[:, None], np.nan, boxes)
