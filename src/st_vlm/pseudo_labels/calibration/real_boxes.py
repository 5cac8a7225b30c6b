"""Annotated recordings as pseudo-labels see them: each object's box in the image, the camera, and the true motion.

Boxes are the projected 3D boxes, as the benchmark's marks are. The camera's height comes from how the camera is
mounted above the road, not from the annotated boxes: those are the truth that is compared with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import positions_at
from st_vlm.pseudo_labels.calibration.comparison import Comparison, compare
from st_vlm.pseudo_labels.lifting.ground_lifting import lift_boxes
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.questions.sightings import Sightings, look, object_span
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.categories import is_person, noun

MOST_FRAMES = 40
# Shorter windows hold no span of two seconds.
LEAST_FRAMES = 5
FARTHEST_M = 40.0
# Metres from the ground up to the point whose path a recording gives (`Recording.ego_centres`): on the ground below
# the rear axle in nuScenes; the middle of the rear axle, a wheel's radius up, in Argoverse 2; camera 0 in KITTI, whose
# mount is published as 1.65 m.
EGO_HEIGHTS_M = {"nuscenes": 0.0, "argoverse2": 0.33, "kitti": 1.65}
# Ridden or driven things; what else moves is a person, or pushed or thrown by one.
VEHICLES = frozenset(
    {
        "car", "truck", "bus", "trailer", "motorcycle", "motorcyclist", "bicycle", "cyclist", "rider", "vehicle",
        "large vehicle", "construction vehicle", "emergency vehicle", "van", "tram", "toy car", "toy truck",
    }
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class BoxesClip:
    """At most 40 frames of a recording on the 0.5 s grid, with the tracks that its camera sees in them.

    Attributes:
        recording: Where it comes from; its camera is the lens.
        times_ns: (T,) of the frames.
        tracks: N tracks that are visible in two frames or more.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels of the full image; NaN where a track is not visible.
        poses: (T, 4, 4) world from camera.
        camera_height: Metres above the road.
        motions: N motions over the span in which a track can be asked about; None where there is none, where it is
            not settled whether it moves, or where it is farther than what is evaluated.
        ranges_m: (N,) median distance from the camera over that span; NaN without one.
    """

    recording: Recording
    times_ns: np.ndarray
    tracks: tuple[Track, ...]
    boxes: np.ndarray
    poses: np.ndarray
    camera_height: float
    motions: tuple[SpanMotion | None, ...]
    ranges_m: np.ndarray

    @property
    def times_s(self) -> np.ndarray:
        """(T,) seconds from the first frame."""
        return (self.times_ns - self.times_ns[0]) * 1e-9

    @property
    def categories(self) -> tuple[str, ...]:
        """The tracks' own names of their classes."""
        return tuple(track.category for track in self.tracks)


def evaluate_boxes(recording: Recording, seed: int = 0) -> Iterator[Comparison]:
    """True boxes of a recording seen by one camera, lifted by the ground plane, against the true motions.

    Args:
        recording: With a camera; images are not read.
        seed: Of the draws that carry the uncertainty.

    Raises:
        InputError: As `true_boxes_clips`.
    """
    for number, clip in enumerate(true_boxes_clips(recording)):
        lens = recording.camera
        lifted = lift_boxes(
            clip.times_s, clip.boxes, clip.categories, lens, clip.poses, clip.camera_height, seed=seed + number
        )
        yield from compare_clip(clip, lifted.tracks)


def true_boxes_clips(recording: Recording) -> Iterator[BoxesClip]:
    """A recording with a camera, cut into consecutive clips. Images are not read.

    Raises:
        InputError: A recording without a camera, or whose camera's height is not known.
    """
    if recording.camera is None:
        raise InputError(f"Recording {recording.id} of {recording.source} has no camera. Choose another source.")
    height = camera_height(recording)
    sightings = look(recording)
    for first in range(0, len(sightings.frames), MOST_FRAMES):
        last = min(first + MOST_FRAMES, len(sightings.frames)) - 1
        if last - first + 1 >= LEAST_FRAMES:
            yield _clip(recording, sightings, first, last, height)


def _clip(recording: Recording, sightings: Sightings, first: int, last: int, height: float) -> BoxesClip:
    part = slice(first, last + 1)
    times, poses = sightings.times_ns[part], recording.camera.poses[sightings.frames[part]]
    seconds = (times - times[0]) * 1e-9
    seen = np.flatnonzero(np.isfinite(sightings.boxes[:, part, 0]).sum(axis=1) > 1)
    motions, ranges = [], np.full(len(seen), np.nan)
    for k, index in enumerate(seen.tolist()):
        track, span = recording.tracks[index], object_span(sightings, index, first, last)
        motions.append(None)
        if span is not None:
            during = (seconds >= span.start_s - 1e-6) & (seconds <= span.end_s + 1e-6)
            centres = positions_at(track.times_ns, track.centres, times[during])
            ranges[k] = np.median(np.linalg.norm(centres - poses[during, :3, 3], axis=1))
            motion = span_motion(recording, track, int(times[0]), span.start_s, span.end_s)
            if ranges[k] <= FARTHEST_M and motion.state is not Moving.UNDECIDED:
                motions[k] = motion
    tracks = tuple(recording.tracks[index] for index in seen)
    return BoxesClip(recording, times, tracks, sightings.boxes[seen, part], poses, height, tuple(motions), ranges)


def compare_clip(clip: BoxesClip, lifted: ObjectTracks) -> list[Comparison]:
    """Lifted tracks of a clip's N tracks against the truth of those that can be asked about."""
    return [
        compare(clip.recording.id, track.id, track.category, float(clip.ranges_m[k]), motion, lifted, k)
        for k, (track, motion) in enumerate(zip(clip.tracks, clip.motions, strict=True))
        if motion is not None
    ]


def camera_height(recording: Recording) -> float:
    """Median height in metres of a recording's camera above the road, from its mount.

    Raises:
        InputError: A recording whose camera's height is not known beforehand.
    """
    heights = recording.camera.poses[:, 2, 3]
    if recording.domain == "simulated":
        # There the world's origin lies on the ground, which is flat.
        return float(np.median(heights))
    if recording.source not in EGO_HEIGHTS_M or not len(recording.ego_times_ns):
        raise InputError(
            f"Recording {recording.id} of {recording.source} does not tell how high its camera is above the ground: "
            f"choose a source that does ({', '.join(sorted(EGO_HEIGHTS_M))}, simulated)."
        )
    ego = positions_at(recording.ego_times_ns, recording.ego_centres, recording.frames.times_ns)
    return float(np.median(heights - ego[:, 2])) + EGO_HEIGHTS_M[recording.source]


def own_views(cameras: Sequence[str]) -> list[str]:
    """The cameras that do not show again what another one shows: without Argoverse 2's pair of stereo cameras, and
    without KITTI's right camera."""
    again = {"image_03"} if "image_02" in cameras else set()
    if any(name.startswith("ring_") for name in cameras):
        again |= {name for name in cameras if name.startswith("stereo_")}
    return [name for name in cameras if name not in again]


def of_vehicles(found: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons of what is driven or ridden: what the bar for real boxes counts."""
    return [c for c in found if noun(c.category) in VEHICLES and not is_person(c.category)]
