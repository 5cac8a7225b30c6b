"""Clips: windows of one camera's recording, cut where objects can be asked about, with their marks.

DEFINITIONS, "Spans and clips". Windows are chosen greedily: each next clip, of a length that has come least, is the
one whose objects offer most that no clip offered before.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import numpy as np

from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.sightings import Sightings, Span, look
from st_vlm.questions.unasked import span_drops
from st_vlm.questions.windows import Offer, Window, WindowFinder
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.drops import Drop
from st_vlm.recordings.quality import Quality
from st_vlm.video.marks import COLOURS

LENGTHS_S = (3.0, 4.0, 6.0, 8.0, 12.0, 19.5)
MOST_CLIPS = 8
MOST_OVERLAP = 0.3
# How many marks a clip shows at most, and how often: single objects, pairs, crowds.
_MARKS = (1, 2, 3, 4)
_MARKS_SHARE = (0.25, 0.35, 0.2, 0.2)
# Worth of an object in a window, tried on 20 simulated recordings and a nuScenes scene.
_STANDING, _MOVING = 0.2, 1.0
_NEW_HOUR, _NEW_INTERVAL, _STOP = 1.0, 1.0, 0.5
_COVERS, _AGAIN = 1.7, 0.25
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
        """The motion of the clip's object `index` between two of the clip's seconds."""
        return span_motion(self.recording, self.objects[index].track, self.start_ns, start_s, end_s)


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
    # Of equals none is favoured for being early, or first by name.
    order = rng.permutation(len(recording.tracks))
    windows = {}
    for length in LENGTHS_S:
        found = finder.of_length(length)
        windows[length] = [found[k] for k in rng.permutation(len(found))]
    chosen: list[_Choice] = []
    counts = dict.fromkeys(LENGTHS_S, 0)
    for _ in range(most):
        marks = int(rng.choice(_MARKS, p=_MARKS_SHARE))
        for length in sorted(LENGTHS_S, key=lambda length: (counts[length], rng.random())):
            best = max((_choose(window, marks, chosen, order) for window in windows[length]), key=_worth, default=None)
            if best is not None and best.worth > 0:
                counts[length] += 1
                chosen.append(best)
                windows[length].remove(best.window)
                break
        else:
            break
    clips = [_clip(recording, quality, sightings, finder, choice, rng) for choice in chosen]
    return clips, span_drops(recording, sightings)


def file_name(name: str) -> str:
    """A name that every file system takes: other signs become `_`, long ones are cut; a hash keeps such apart."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:_LONGEST_NAME]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Intersection over union of two intervals."""
    both = min(first[1], second[1]) - max(first[0], second[0])
    return max(0.0, both) / (max(first[1], second[1]) - min(first[0], second[0]))


@dataclass(frozen=True, eq=False)
class _Choice:
    """A window, the objects to be marked in it, and what they are worth together."""

    window: Window
    marked: tuple[int, ...]
    worth: float


def _worth(choice: _Choice) -> float:
    return choice.worth


def _choose(window: Window, marks: int, chosen: list[_Choice], order: np.ndarray) -> _Choice:
    """The objects of a window that offer most beyond what has been chosen."""
    earlier: dict[int, list[Offer]] = {}
    too_near = set()
    for other in chosen:
        near = overlap((window.first, window.last), (other.window.first, other.window.last)) > MOST_OVERLAP
        for k in other.marked:
            earlier.setdefault(k, []).append(other.window.offers[k])
            if near:
                too_near.add(k)
    # What was asked about just before and after is worth nothing by itself, but can still be compared with others.
    worth = {k: 0.0 if k in too_near else _value(offer, earlier.get(k, [])) for k, offer in window.offers.items()}
    marked = sorted(worth, key=lambda k: (-worth[k], order[k]))[:marks]
    return _Choice(window, tuple(marked), sum(worth[k] for k in marked))


def _value(offer: Offer, earlier: list[Offer]) -> float:
    """What an object's offer adds to earlier ones of the same object.

    Standing objects are many and asked little about, turns are few; a question about the whole clip is plainer than
    one that states its span.
    """
    value = _STANDING if offer.static else _MOVING
    if offer.hour not in (None, 12, *(other.hour for other in earlier)):
        value += _NEW_HOUR
    known = {12}.union(*(other.runs for other in earlier))
    if offer.runs - known:
        value += _NEW_INTERVAL
    elif offer.runs and not any(other.runs for other in earlier):
        value += _STOP
    return value * _AGAIN ** len(earlier) * (_COVERS if offer.span.covers_clip else 1.0)


def _clip(
    recording: Recording,
    quality: Quality,
    sightings: Sightings,
    finder: WindowFinder,
    choice: _Choice,
    rng: np.random.Generator,
) -> Clip:
    window = choice.window
    grid = slice(window.first, window.last + 1)
    times = sightings.times_ns[grid]
    objects = []
    for colour, k in zip(COLOURS, rng.permutation(choice.marked), strict=False):
        span = window.offers[k].span
        boxes = _of_one_object(recording.tracks[k].id, quality, sightings.boxes[k, grid], times, span)
        objects.append(MarkedObject(recording.tracks[k], colour, boxes, span, finder.motion(k, window.first, span)))
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
