"""Annotated recordings looked at by a detector: what it finds, lifted by the ground, against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy.optimize import linear_sum_assignment

from st_vlm.errors import InputError
from st_vlm.kinematics.motion import Moving
from st_vlm.pseudo_labels.calibration.comparison import Comparison, compare
from st_vlm.pseudo_labels.calibration.real_boxes import BoxesClip, true_boxes_clips
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.lifting.ground_lifting import lift_boxes
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks
from st_vlm.pseudo_labels.semantics.backend import SemanticsBackend
from st_vlm.recordings import Recording
from st_vlm.video.encoding import write_video

# A found box is of a true object where they overlap by so much, and a found track is where so many of its boxes are.
LEAST_OVERLAP, LEAST_SHARE = 0.5, 0.5
# Nearly without loss: what is tested is not the encoder.
_CRF = 12


def evaluate_pixels(recording: Recording, semantics: SemanticsBackend, seed: int = 0) -> Iterator[Comparison]:
    """Objects that a backend finds in a recording's images, lifted by the ground plane, against the true motions.

    Poses, lens and the camera's height are the recording's own. A true object that is not found is not answered.

    Args:
        recording: With a camera and its images.
        semantics: Who looks at them.
        seed: Of the draws that carry the uncertainty.

    Raises:
        InputError: As `true_boxes_clips`; an image cannot be read, or the backend cannot be had.
    """
    for number, clip in enumerate(true_boxes_clips(recording)):
        with TemporaryDirectory(prefix="st-vlm-") as folder:
            segments = semantics.segment(as_video(clip, Path(folder)))
        tracks = _nobody(clip)
        partners = np.full(len(clip.tracks), 0)
        if len(segments):
            lifted = lift_boxes(
                clip.times_s,
                segments.boxes,
                segments.categories,
                recording.camera,
                clip.poses,
                clip.camera_height,
                seed=seed + number,
            )
            boxes = np.where(lifted.usable[..., None], segments.boxes, np.nan)
            tracks = _with_nobody(lifted.tracks)
            partners = matched(clip.boxes, boxes)
        for k, (track, motion) in enumerate(zip(clip.tracks, clip.motions, strict=True)):
            if motion is not None:
                of = recording.id, track.id, track.category, float(clip.ranges_m[k])
                yield compare(*of, motion, tracks, int(partners[k]))


def as_video(clip: BoxesClip, folder: Path) -> ClipFrames:
    """A clip's images as a video with their own times, as a user would have it.

    Raises:
        InputError: An image cannot be read.
    """
    frames, size = clip.recording.frames, clip.recording.camera.size
    if frames.read is None:
        raise InputError(f"Recording {clip.recording.id} of {clip.recording.source} has no images to look at.")
    even = size[0] // 2 * 2, size[1] // 2 * 2
    numbers = np.searchsorted(frames.times_ns, clip.times_ns)
    images = (frames.read(int(k))[: even[1], : even[0]] for k in numbers)
    write_video(folder / "clip.mp4", images, clip.times_s.tolist(), crf=_CRF)
    count = len(numbers)
    times = tuple(int(t) for t in clip.times_ns - clip.times_ns[0])
    return ClipFrames(Clip("clip", "clip.mp4", tuple(range(count)), times, even, 0, count - 1), folder)


def matched(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """(N,) for each true object the number of the found one that it is best matched to; the found objects' number for
    none.

    Args:
        true: (N, T, 4) x1, y1, x2, y2 in pixels; NaN where an object is not visible.
        found: (M, T, 4) likewise.
    """
    common = np.zeros((len(true), len(found)))
    for k, boxes in enumerate(found):
        low, high = np.maximum(true[..., :2], boxes[:, :2]), np.minimum(true[..., 2:], boxes[:, 2:])
        inner = np.clip(high - low, 0, None).prod(axis=-1)
        areas = [np.clip(one[..., 2:] - one[..., :2], 0, None).prod(axis=-1) for one in (true, boxes)]
        with np.errstate(invalid="ignore", divide="ignore"):
            common[:, k] = (inner / (areas[0] + areas[1] - inner) >= LEAST_OVERLAP).sum(axis=1)
    rows, columns = linear_sum_assignment(-common)
    result = np.full(len(true), len(found))
    frames = np.isfinite(found[..., 0]).sum(axis=1)
    for row, column in zip(rows, columns, strict=True):
        if common[row, column] and common[row, column] >= LEAST_SHARE * frames[column]:
            result[row] = column
    return result


def _with_nobody(tracks: ObjectTracks) -> ObjectTracks:
    """The tracks, and one more that is never known."""
    draws, _, count = tracks.draws.shape[:3]
    return replace(
        tracks,
        known=np.concatenate([tracks.known, np.zeros((1, count), bool)]),
        places=np.concatenate([tracks.places, np.full((1, count, 2), np.nan)]),
        draws=np.concatenate([tracks.draws, np.full((draws, 1, count, 2), np.nan)], axis=1),
        sigma=np.append(tracks.sigma, np.nan),
        states=(*tracks.states, Moving.UNDECIDED),
        misfit=np.append(tracks.misfit, np.nan),
    )


def _nobody(clip: BoxesClip) -> ObjectTracks:
    """A single track that is never known."""
    count = len(clip.times_ns)
    return ObjectTracks(
        times_s=clip.times_s,
        known=np.zeros((1, count), bool),
        places=np.full((1, count, 2), np.nan),
        draws=np.full((1, 1, count, 2), np.nan),
        sigma=np.full(1, np.nan),
        states=(Moving.UNDECIDED,),
        misfit=np.full(1, np.nan),
    )
