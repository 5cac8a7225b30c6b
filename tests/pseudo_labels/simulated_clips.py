"""Simulated recordings as a user's videos, with their true or noisy masks, depth and poses as stage files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from st_vlm.pseudo_labels.calibration.noise import NOISES, noisy_depth, noisy_poses
from st_vlm.pseudo_labels.calibration.truth import TrueClip, true_clip
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.segments import Segments, encode_mask
from st_vlm.recordings import Recording, open_recordings
from st_vlm.recordings.categories import noun
from st_vlm.video.encoding import write_video

SIZE = (320, 183)


def simulated_clips(count: int, seed: int = 0) -> list[TrueClip]:
    source = open_recordings("simulated", seed=seed, num_recordings=count, image_size=SIZE)
    return [true_clip(_rendered_once(source.read(name, "camera"))) for name in source.recording_ids()]


def _rendered_once(recording: Recording) -> Recording:
    """The recording with its picture kept of each frame whose depth is asked for."""
    frames, pictures = recording.frames, {}

    def depth(index: int) -> np.ndarray:
        pictures[index] = frames.read(index)
        return frames.depth(index)

    def read(index: int) -> np.ndarray:
        return pictures[index] if index in pictures else frames.read(index)

    return replace(recording, frames=replace(frames, read=read, depth=depth))


def write_clip_video(truth: TrueClip, path: Path) -> Path:
    """The clip's frames as an MP4 with their own times; its picture is as wide as the renderer's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = truth.recording.frames
    numbers = np.searchsorted(frames.times_ns, truth.times_ns)
    # Encoders want even sides.
    write_video(path, (frames.read(int(k))[: SIZE[1] // 2 * 2] for k in numbers), truth.times_s.tolist())
    return path


def video_size() -> tuple[int, int]:
    return SIZE[0], SIZE[1] // 2 * 2


def clip_of(truth: TrueClip, video: str) -> Clip:
    times = tuple(int(t) for t in truth.times_ns - truth.times_ns[0])
    count = len(times)
    return Clip(
        Path(video).stem, video, tuple(range(count)), times, video_size(), 0, count - 1, "simulated", "CC0-1.0"
    )


def segments_of(truth: TrueClip) -> Segments:
    width, height = video_size()
    labels = truth.labels[:, :height]
    categories = tuple(noun(track.category) for track in truth.recording.tracks)
    boxes = np.full((len(categories), len(labels), 4), np.nan)
    masks = {}
    for t, image in enumerate(labels):
        for k in np.unique(image[image >= 0]):
            rows, columns = np.nonzero(image == k)
            boxes[k, t] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            masks[int(k), t] = encode_mask(image == k)
    scores = np.where(np.isfinite(boxes[..., 0]), 1.0, np.nan)
    return Segments(categories, boxes, scores, (width, height), (width, height), masks)


def geometry_of(truth: TrueClip, noise: str = "none", seed: tuple[int, ...] = (0, 0)) -> ClipGeometry:
    depth = noisy_depth(truth.depth, NOISES[noise], seed)[:, : video_size()[1]]
    poses = noisy_poses(truth.poses, NOISES[noise], seed)
    return ClipGeometry(truth.recording.camera.intrinsics, video_size(), poses, depth.astype(np.float32))
