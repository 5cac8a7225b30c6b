"""What is true of a clip: masks, depth, poses, and each object's motion over the span that can be asked about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import positions_at
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.sightings import look, object_span
from st_vlm.recordings import Recording

MOST_FRAMES = 40
NEAREST_M, FARTHEST_M = 6.0, 40.0


@dataclass(frozen=True, eq=False)
class TrueClip:
    """The first frames of a recording on the 0.5 s grid.

    Attributes:
        recording: Where it comes from.
        times_ns: (T,) of the frames.
        labels: (T, H, W) int, an index into `recording.tracks` or -1.
        depth: (T, H, W) metres along the camera's z axis, inf for the sky.
        poses: (T, 4, 4) world from camera.
        motions: Of each track over the span in which it can be asked about; None where there is none, where it is not
            settled whether it moves, or where it is nearer or farther than what is evaluated.
        ranges_m: Median distance of each track from the camera over that span; NaN without one.
    """

    recording: Recording
    times_ns: np.ndarray
    labels: np.ndarray
    depth: np.ndarray
    poses: np.ndarray
    motions: tuple[SpanMotion | None, ...]
    ranges_m: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """(T,) seconds from the first frame."""
        return (self.times_ns - self.times_ns[0]) * 1e-9


def true_clip(recording: Recording) -> TrueClip:
    """The truth of a recording with exact depth and masks.

    Raises:
        InputError: A recording without them.
    """
    frames = recording.frames
    if not hasattr(frames, "depth") or not hasattr(frames, "instances"):
        raise InputError(
            f"Recording {recording.id} of {recording.source} has no exact depth and masks: "
            "choose a source whose recordings have, such as simulated."
        )
    sightings = look(recording)
    grid = sightings.frames[:MOST_FRAMES]
    times = sightings.times_ns[:MOST_FRAMES]
    motions, ranges = [], np.full(len(recording.tracks), np.nan)
    for k, track in enumerate(recording.tracks):
        span = object_span(sightings, k, 0, len(grid) - 1)
        if span is None:
            motions.append(None)
            continue
        motion = span_motion(recording, track, int(times[0]), span.start_s, span.end_s)
        seconds = (times - times[0]) * 1e-9
        during = np.flatnonzero((seconds >= span.start_s - 1e-6) & (seconds <= span.end_s + 1e-6))
        centres = positions_at(track.times_ns, track.centres, times[during])
        away = np.linalg.norm(centres - recording.camera.poses[grid[during], :3, 3], axis=1)
        ranges[k] = np.median(away)
        fits = NEAREST_M <= ranges[k] <= FARTHEST_M and motion.state is not Moving.UNDECIDED
        motions.append(motion if fits else None)
    return TrueClip(
        recording=recording,
        times_ns=times,
        labels=np.stack([frames.instances(int(k)) for k in grid]).astype(np.int64),
        depth=np.stack([frames.depth(int(k)) for k in grid]),
        poses=recording.camera.poses[grid],
        motions=tuple(motions),
        ranges_m=ranges,
    )
