"""What one camera sees of every track: boxes on the 0.5 s frames, and the span over which to ask about an object.

DEFINITIONS, "Spans and clips": boxes are interpolated to the image's own time; an object is asked about over the span
in which it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.projection import project_boxes
from st_vlm.kinematics.resampling import MAX_GAP_S, STEP_S, positions_at, rotations_at, runs_without_gaps
from st_vlm.kinematics.visibility import visible
from st_vlm.recordings import Recording, Track

LEAST_SPAN_S = 2.0
LEAST_SHARE_SEEN = 0.8
ENDS_WITHIN_S = 1.0
# Image and annotation clocks differ by tens of milliseconds, so the first image may precede the first box.
HOLD_NS = 100_000_000


@dataclass(frozen=True, eq=False)
class Sightings:
    """One camera's view of a recording on the 0.5 s grid of its own frames.

    Attributes:
        frames: (G,) indices of the recording's frames nearest the grid.
        times_ns: (G,) their timestamps.
        boxes: (K, G, 4) xyxy pixels of the full image for each of the recording's K tracks; NaN where not visible.
    """

    frames: np.ndarray
    times_ns: np.ndarray
    boxes: np.ndarray

    def seen(self, track: int) -> np.ndarray:
        """(G,) bool: the frames in which a track is visible."""
        return np.isfinite(self.boxes[track, :, 0])


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


def look(recording: Recording) -> Sightings:
    """Project every track into the frames of the recording's camera that lie on the 0.5 s grid."""
    frames = grid_frames(recording.frames.times_ns)
    times = recording.frames.times_ns[frames]
    tracks = recording.tracks
    placed = [_place(track, times) for track in tracks]
    boxes = np.full((len(tracks), len(frames), 4), np.nan)
    for g, frame in enumerate(frames):
        present = np.array([k for k, at in enumerate(placed) if at.present[g]], dtype=int)
        if len(present) == 0:
            continue
        projected = project_boxes(
            np.stack([placed[k].centres[g] for k in present]),
            np.stack([placed[k].sizes[g] for k in present]),
            np.stack([placed[k].rotations[g] for k in present]),
            recording.camera.poses[frame],
            recording.camera,
        )
        lidar = None
        if all(tracks[k].lidar_points is not None for k in present):
            lidar = np.array([tracks[k].lidar_points[placed[k].nearest[g]] for k in present])
        # Exact in simulation; annotators' visibility levels are too coarse to overrule boxes and points.
        exact = recording.domain == "simulated"
        shares = np.array(
            [
                tracks[k].visibility[placed[k].nearest[g]] if exact and tracks[k].visibility is not None else np.nan
                for k in present
            ]
        )
        can_see = visible(
            projected.clipped, projected.truncation, projected.depth, recording.camera.size[1], lidar, shares
        )
        boxes[present[can_see], g] = projected.clipped[can_see]
    return Sightings(frames, times, boxes)


def object_span(sightings: Sightings, track: Track, index: int, first: int, last: int) -> Span | None:
    """The span of one object in the clip of grid frames `first` to `last` (inclusive), or None where it has none.

    Sightings at most a second apart form one span; the longest counts. It must hold the object in four fifths of its
    frames, and last two seconds without a hole in the track itself.
    """
    times = sightings.times_ns[first : last + 1]
    seen = np.flatnonzero(sightings.seen(index)[first : last + 1])
    if len(seen) < 2:
        return None
    # Frames jitter about the grid, so a gap of two steps may be a little over a second.
    runs = runs_without_gaps(times[seen], MAX_GAP_S + 0.2)
    a, b = max(runs, key=lambda run: times[seen[run[1]]] - times[seen[run[0]]])
    if b - a + 1 < LEAST_SHARE_SEEN * (seen[b] - seen[a] + 1):
        return None
    first_s, last_s = ((times[seen[k]] - times[0]) * 1e-9 for k in (a, b))
    clip_end = (times[-1] - times[0]) * 1e-9
    boxes_s = (track.times_ns - times[0]) * 1e-9
    lives = [(boxes_s[i], boxes_s[j]) for i, j in runs_without_gaps(track.times_ns)]
    born, gone = max(lives, key=lambda life: min(last_s, life[1]) - max(first_s, life[0]))
    start, end = max(first_s, born), min(last_s, gone)
    covers = start <= ENDS_WITHIN_S and end >= clip_end - ENDS_WITHIN_S
    if covers:
        start, end = max(0.0, born), min(clip_end, gone)
    else:
        start, end = whole_tenths(start, end)
    return Span(float(start), float(end), bool(covers)) if end - start >= LEAST_SPAN_S - 1e-6 else None


def whole_tenths(start_s: float, end_s: float) -> tuple[float, float]:
    """A span cut to the tenths of a second in which a question states it, so that its truth is measured just there."""
    # Adding 0 turns the -0.0 that a start at 0 is rounded to into 0.0.
    return np.ceil(start_s * 10 - 1e-6) / 10 + 0.0, np.floor(end_s * 10 + 1e-6) / 10


@dataclass(frozen=True, eq=False)
class _Placed:
    """A track at the times of the frames: where it is, and whether it is annotated there."""

    present: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    nearest: np.ndarray


def _place(track: Track, times_ns: np.ndarray) -> _Placed:
    known = track.times_ns
    after = np.clip(np.searchsorted(known, times_ns), 0, len(known) - 1)
    before = np.maximum(after - 1, 0)
    gap = known[after] - known[before] > round(MAX_GAP_S * 1e9)
    inside = (times_ns >= known[0]) & (times_ns <= known[-1]) & ~gap
    nearest = np.where(np.abs(known[before] - times_ns) <= np.abs(known[after] - times_ns), before, after)
    return _Placed(
        present=inside | (np.abs(known[nearest] - times_ns) <= HOLD_NS),
        centres=positions_at(known, track.centres, times_ns),
        sizes=track.sizes[nearest],
        rotations=rotations_at(known, track.rotations, times_ns),
        nearest=nearest,
    )
