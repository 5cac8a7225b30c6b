"""What one camera sees of every track: boxes on the 0.5 s frames, and the span over which to ask about an object.

DEFINITIONS, "Spans and clips": boxes are interpolated to the image's own time; an object is asked about over the span
in which it is seen. Only what of a track can be trusted (`recordings.quality`) is placed, seen and asked about.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from st_vlm.kinematics.projection import project_boxes
from st_vlm.kinematics.resampling import (
    MAX_GAP_S,
    STEP_S,
    rotations_between,
    runs_without_gaps,
)
from st_vlm.kinematics.visibility import LEAST_HEIGHT, Sight, judge
from st_vlm.questions.placing import HOLD_NS, lives_of, place
from st_vlm.recordings import Recording
from st_vlm.recordings.quality import Quality, assess

LEAST_SPAN_S = 2.0
LEAST_SHARE_SEEN = 0.8
ENDS_WITHIN_S = 1.0
# Frames jitter about the grid, so a gap of two steps may be a little over a second.
_MOST_HIDDEN_S = MAX_GAP_S + 0.2
# Projected at once: enough to be fast, few enough to fit the processor's cache.
_MOST_BOXES = 1000


@dataclass(frozen=True, eq=False)
class SeenRun:
    """Sightings of an object within one trusted stretch of its track, at most a second apart.

    Attributes:
        grid: (n,) increasing numbers of the grid's frames in which it is visible.
        born_ns, gone_ns: First and last box of the stretch.
    """

    grid: np.ndarray
    born_ns: int
    gone_ns: int


@dataclass(frozen=True, eq=False)
class Sightings:
    """One camera's view of a recording on the 0.5 s grid of its own frames, for each of the recording's K tracks.

    Attributes:
        frames: (G,) indices of the recording's frames nearest the grid.
        times_ns: (G,) their timestamps.
        boxes: (K, G, 4) xyxy pixels of the full image; NaN where not visible.
        failed: (K, G, 3) bool: in the image, but too small, too truncated, too occluded.
        stretch: (K, G) number of the track's trusted stretch that a frame lies in, -1 where in none.
        lives_ns: For each track, first and last time of every trusted stretch.
    """

    frames: np.ndarray
    times_ns: np.ndarray
    boxes: np.ndarray
    failed: np.ndarray
    stretch: np.ndarray
    lives_ns: tuple[np.ndarray, ...]

    def seen(self, track: int) -> np.ndarray:
        """(G,) bool: the frames in which a track is visible."""
        return np.isfinite(self.boxes[track, :, 0])

    @cached_property
    def runs(self) -> tuple[tuple[SeenRun, ...], ...]:
        """For each track its runs of sightings, in the order of time."""
        return tuple(tuple(self._runs(k)) for k in range(len(self.boxes)))

    def _runs(self, track: int) -> list[SeenRun]:
        seen = self.seen(track)
        found = []
        for number, (born, gone) in enumerate(self.lives_ns[track]):
            grid = np.flatnonzero(seen & (self.stretch[track] == number))
            if len(grid):
                for a, b in runs_without_gaps(self.times_ns[grid], _MOST_HIDDEN_S):
                    found.append(SeenRun(grid[a : b + 1], int(born), int(gone)))
        return found


@dataclass(frozen=True)
class Span:
    """When an object can be asked about, in seconds from the clip's first frame.

    Attributes:
        start_s, end_s: The seconds over which its motion is measured.
        covers_clip: Whether it is seen from end to end, so that a question may say "throughout the video".
    """

    start_s: float
    end_s: float
    covers_clip: bool


def grid_frames(times_ns: np.ndarray, step_s: float = STEP_S) -> np.ndarray:
    """Indices of the (F,) frames nearest the 0.5 s grid that starts at the first; each frame at most once.

    Grid times with no frame within half a step are left out.
    """
    step = round(step_s * 1e9)
    grid = np.arange(times_ns[0], times_ns[-1] + step // 2, step)
    after = np.clip(np.searchsorted(times_ns, grid), 1, max(1, len(times_ns) - 1))
    after = np.minimum(after, len(times_ns) - 1)
    before = np.maximum(after - 1, 0)
    nearest = np.where(grid - times_ns[before] <= np.abs(times_ns[after] - grid), before, after)
    return np.unique(nearest[np.abs(times_ns[nearest] - grid) <= step // 2])


def look(recording: Recording, quality: Quality | None = None) -> Sightings:
    """Project every track into the frames of the recording's camera that lie on the 0.5 s grid.

    Args:
        recording: With a camera; images are not read.
        quality: What of its tracks can be trusted; assessed here where not given.
    """
    quality = quality or assess(recording)
    frames = grid_frames(recording.frames.times_ns)
    times = recording.frames.times_ns[frames]
    tracks = recording.tracks
    lives = tuple(lives_of(track, stretches) for track, stretches in zip(tracks, quality.stretches, strict=True))
    placed = [place(track, life, times) for track, life in zip(tracks, lives, strict=True)]
    boxes = np.full((len(tracks), len(frames), 4), np.nan)
    failed = np.zeros((len(tracks), len(frames), 3), bool)
    # Exact in simulation; annotators' visibility levels are too coarse to overrule boxes and points.
    exact = recording.domain == "simulated"
    # What is annotated but not trusted hides others all the same.
    annotated = np.array([at.annotated for at in placed]).reshape(len(tracks), len(frames))
    for some in _batches(annotated.sum(axis=0)):
        grid, present = np.nonzero(annotated[:, some].T)
        grid += some.start

        def of(name: str, grid: np.ndarray = grid, present: np.ndarray = present) -> np.ndarray:
            return np.stack([getattr(at, name) for at in placed])[present, grid]

        projected = project_boxes(
            of("centres"),
            of("sizes"),
            rotations_between(of("rotations_before"), of("rotations_after"), of("rotation_shares")),
            recording.camera.poses[frames[grid]],
            recording.camera,
        )
        sight = judge(
            projected.clipped,
            projected.truncation,
            projected.depth,
            recording.camera.size[1],
            of("lidar_points"),
            of("visibility") if exact else None,
            grid - some.start,
        )
        shown, sight = _as_found(of("image_boxes"), of("found_in_image"), projected.clipped, sight, recording)
        trusted = of("stretch") >= 0
        seen = sight.visible & trusted
        boxes[present[seen], grid[seen]] = shown[seen]
        failed[present, grid] = np.stack([sight.small, sight.truncated, sight.occluded], axis=-1) & trusted[:, None]
    stretch = np.array([at.stretch for at in placed]).reshape(len(tracks), len(frames))
    return Sightings(frames, times, boxes, failed, stretch, lives)


def _as_found(boxes: np.ndarray, found: np.ndarray, projected: np.ndarray, sight: Sight, recording: Recording):
    """Boxes and sight of P objects, some of which were found in the image: they are where and when it showed them.

    Args:
        boxes: (P, 4) in the image; NaN where it did not show the object.
        found: (P,) bool, whether the object is one that was found in the image.
        projected: (P, 4) boxes of the others.
        sight: Of all of them, by projection.
        recording: Whose camera it is.
    """
    if not found.any():
        return projected, sight
    shown = np.isfinite(boxes).all(axis=-1)
    with np.errstate(invalid="ignore"):
        small = boxes[:, 3] - boxes[:, 1] < LEAST_HEIGHT * recording.camera.size[1]
    # Known in between, and not shown: hidden.
    own = Sight(np.ones_like(shown), shown & small, np.zeros_like(shown), ~shown)
    return np.where(found[:, None], boxes, projected), Sight(
        *(np.where(found, getattr(own, f.name), getattr(sight, f.name)) for f in fields(Sight))
    )


@dataclass(frozen=True, eq=False)
class Spans:
    """The span of one object in each of W clips, as arrays of what `Span` holds.

    Attributes:
        exists: (W,) bool; the other arrays mean nothing where it is false.
        start_s, end_s: (W,) seconds from each clip's first frame.
        covers_clip: (W,) bool.
    """

    exists: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    covers_clip: np.ndarray

    def __getitem__(self, index: int) -> Span | None:
        if not self.exists[index]:
            return None
        return Span(float(self.start_s[index]), float(self.end_s[index]), bool(self.covers_clip[index]))

    def at(self, clips: np.ndarray) -> Spans:
        """The spans in some of the clips."""
        return Spans(*(getattr(self, field.name)[clips] for field in fields(self)))


def object_span(sightings: Sightings, index: int, first: int, last: int) -> Span | None:
    """The span of one object in the clip of grid frames `first` to `last` (inclusive), or None where it has none.

    The longest of its runs of sightings that holds it in four fifths of the frames and lasts two seconds. It covers
    the clip when it begins and ends within a second of the clip's ends and fills four fifths of the clip's frames.
    """
    return object_spans(sightings, index, np.array([first]), np.array([last]))[0]


def object_spans(sightings: Sightings, index: int, firsts: np.ndarray, lasts: np.ndarray) -> Spans:
    """`object_span` in each of the clips of grid frames `firsts[w]` to `lasts[w]`."""
    spans = [run_spans(sightings.times_ns, run, firsts, lasts) for run in sightings.runs[index]]
    if not spans:
        none = np.zeros(len(firsts))
        return Spans(none > 0, none, none, none > 0)
    best = spans[0]
    for other in spans[1:]:
        longer = other.exists & (~best.exists | (other.end_s - other.start_s > best.end_s - best.start_s))
        best = Spans(*(np.where(longer, getattr(other, f.name), getattr(best, f.name)) for f in fields(Spans)))
    return best


def run_span(times_ns: np.ndarray, run: SeenRun, first: int, last: int) -> Span | None:
    """The span of one run of sightings in the clip of grid frames `first` to `last`, at the grid's (G,) times."""
    return run_spans(times_ns, run, np.array([first]), np.array([last]))[0]


def run_spans(times_ns: np.ndarray, run: SeenRun, firsts: np.ndarray, lasts: np.ndarray) -> Spans:
    """`run_span` in each of the clips of grid frames `firsts[w]` to `lasts[w]`."""
    a, b = np.searchsorted(run.grid, firsts), np.searchsorted(run.grid, lasts, side="right") - 1
    exists = b > a
    a, b = np.where(exists, a, 0), np.where(exists, b, 0)
    exists &= b - a + 1 >= LEAST_SHARE_SEEN * (run.grid[b] - run.grid[a] + 1)
    origins = times_ns[firsts]
    clip_end = (times_ns[lasts] - origins) * 1e-9
    born, gone = (run.born_ns - origins) * 1e-9, (run.gone_ns - origins) * 1e-9
    start = np.maximum((times_ns[run.grid[a]] - origins) * 1e-9, born)
    end = np.minimum((times_ns[run.grid[b]] - origins) * 1e-9, gone)
    near = (start <= ENDS_WITHIN_S) & (end >= clip_end - ENDS_WITHIN_S)
    # In a clip of three seconds a second at each end is most of it: then the question states the span.
    covers = near & (b - a + 1 >= LEAST_SHARE_SEEN * (lasts - firsts + 1))
    exists &= end - start >= LEAST_SPAN_S - HOLD_NS * 1e-9
    stated_start, stated_end = whole_tenths(start, end)
    start = np.where(covers, np.maximum(0.0, born), stated_start)
    end = np.where(covers, np.minimum(clip_end, gone), stated_end)
    return Spans(exists & (end - start >= LEAST_SPAN_S - 1e-6), start, end, covers)


def whole_tenths(start_s: float | np.ndarray, end_s: float | np.ndarray) -> tuple[float, float]:
    """A span, or (W,) of them, cut to the tenths of a second in which a question states it, so that its truth is
    measured just there."""
    # Adding 0 turns the -0.0 that a start at 0 is rounded to into 0.0.
    return np.ceil(start_s * 10 - 1e-6) / 10 + 0.0, np.floor(end_s * 10 + 1e-6) / 10


def _batches(counts: np.ndarray) -> list[slice]:
    """Frames in a row with at most `_MOST_BOXES` boxes together, or one frame with more; none without a box."""
    numbers = np.cumsum(counts) // _MOST_BOXES
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    batches = [slice(int(a), int(b)) for a, b in zip(starts, [*starts[1:], len(counts)], strict=True)]
    return [batch for batch in batches if counts[batch].any()]
