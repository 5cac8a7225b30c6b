"""What users hand over as videos, marks and timestamps, brought into one form: a list of `Clip`s."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

import numpy as np
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.models.lazy_frames import ImageFrames, LazyFrames, is_image_path
from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor, is_video_file
from st_vlm.video.decoding import LEAST_SECONDS, source_name
from st_vlm.video.marks import Mark, as_marks, check_inside
from st_vlm.video.sampling import INTERVAL_S, sample_indices


@dataclass(frozen=True, eq=False)
class Clip:
    """A video ready for the model.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB, unmarked, in memory or to be read; None for a recording without images.
        times_s: (T,) seconds.
        marks: Each with T boxes.
        size: Width and height of the image that the boxes lie in.
        camera: What is known of the camera, with T poses.
        drawn: Whether the frames show the marks already; they may then have another size than `size`.
    """

    frames: np.ndarray | LazyFrames | None
    times_s: np.ndarray
    marks: tuple[Mark, ...]
    size: tuple[int, int]
    camera: Mapping | None = None
    drawn: bool = False


def gather_clips(
    reader: STVLMVideoProcessor,
    videos,
    marks,
    timestamps,
    num_frames: int | None = None,
    fps: float | None = None,
    cameras=None,
) -> list[Clip]:
    """One `Clip` a video; the arguments are those of `STVLMProcessor.__call__`. A file named twice is decoded once."""
    listed = _as_videos(videos)
    marks = _per_video(marks, len(listed), "lists of marks", lambda one: isinstance(one, (Mark, Mapping)))
    times = _per_video(timestamps, len(listed), "lists of timestamps", lambda one: isinstance(one, Real))
    cameras = _per_video(cameras, len(listed), "cameras", lambda one: False)
    decoded: dict[str, tuple] = {}
    clips = []
    for i, (video, its_marks, its_times, camera) in enumerate(zip(listed, marks, times, cameras, strict=True)):
        # One time given is one frame wanted: a still is a video then.
        least = 1 if its_times is not None and len(its_times) == 1 else 2
        if isinstance(video, Clip):
            clips.append(video)
            continue
        if video is None:
            name, sampled = f"Clip {i}", _without_images(f"Clip {i}", its_times, camera)
        elif isinstance(video, (str, os.PathLike)):
            name = os.fspath(video)
            if name not in decoded:
                decoded[name] = reader.read_video(video, num_frames, fps, least)
            sampled = decoded[name]
        elif is_video_file(video):
            name, sampled = source_name(video), reader.read_video(video, num_frames, fps, least)
        else:
            name = f"Video {i}"
            sampled = _sampled(_in_memory(name, video), its_times, num_frames)
        clips.append(_clip(name, *sampled, its_marks, its_times, camera))
    return clips


def _without_images(name: str, times, camera: Mapping | None):
    """What stands for sampled frames where there are only marks, times and a camera."""
    if times is None or len(times) == 0 or not (camera or {}).get("size"):
        raise InputError(f"{name} has no video: give its timestamps, and its camera with the `size` of its images.")
    count = len(times)
    return None, np.asarray(times, np.float64), np.arange(count), count


def _clip(name, frames, file_times, indices, total, marks, times, camera=None) -> Clip:
    fitted, marks = [], as_marks(marks)
    for mark in marks:
        boxes = _of_sampled(mark.boxes, indices, total)
        if boxes is None:
            raise InputError(
                f"{name}: the {mark.color} mark has {len(mark.boxes)} boxes but the video has {len(indices)} sampled "
                f"frames ({total} in all); give one entry a frame, None where the object is not seen."
            )
        fitted.append(Mark(mark.color, boxes))
    if times is not None:
        try:
            times = tuple(map(float, times))
        except (TypeError, ValueError):
            raise InputError(f"{name}: the timestamps must be a list of seconds, not {times!r}.") from None
        given = _of_sampled(times, indices, total)
        if given is None:
            raise InputError(
                f"{name}: {len(times)} timestamps but {len(indices)} sampled frames ({total} in all); "
                "give one a frame, or none to use the video's own."
            )
        file_times = np.asarray(given, np.float64)
        steps = np.diff(file_times)
        if not np.isfinite(file_times).all() or (steps <= 0).any():
            raise InputError(f"{name}: the timestamps must be finite and strictly increasing seconds.")
        # The last frame lasts about as long as the others.
        if len(steps) and steps.sum() + np.median(steps) < LEAST_SECONDS - 1e-6:
            raise InputError(
                f"{name}: its frames last {steps.sum() + np.median(steps):.2f} s by their timestamps; motion needs at "
                f"least {LEAST_SECONDS} s. Choose a longer video."
            )
    size = tuple(camera["size"]) if frames is None else (frames.shape[2], frames.shape[1])
    # Of all boxes given, not of the sampled ones alone: an object may come in between two samples.
    check_inside(marks, size, name)
    return Clip(frames, file_times, tuple(fitted), size, _fitted_camera(name, camera, indices, total))


def _fitted_camera(name: str, camera: Mapping | None, indices: np.ndarray, total: int) -> Mapping | None:
    """A camera with a pose for each sampled frame."""
    if camera is None or camera.get("poses") is None:
        return camera
    poses = _of_sampled(tuple(camera["poses"]), indices, total)
    if poses is None:
        raise InputError(
            f"{name}: the camera has {len(camera['poses'])} poses but the video has {len(indices)} sampled frames "
            f"({total} in all); give one a frame, or none."
        )
    return {**camera, "poses": poses}


def _of_sampled(values: tuple, indices: np.ndarray, total: int) -> tuple | None:
    """Values of the sampled frames, from one a sampled frame or one a frame of the file; None for any other count."""
    if len(values) == len(indices):
        return values
    return tuple(values[i] for i in indices) if len(values) == total else None


def _sampled(frames: np.ndarray | ImageFrames, times, num_frames: int | None):
    total = len(frames)
    known = INTERVAL_S * np.arange(total) if times is None or len(times) != total else np.asarray(times, np.float64)
    fewer = num_frames is not None and num_frames < total
    indices = sample_indices(known, max_frames=total, num_frames=num_frames) if fewer else np.arange(total)
    return frames[indices] if fewer else frames, known[indices], indices, total


def _as_videos(videos) -> list:
    """A flat list of videos from a single one, a list, or a list of lists (one a conversation)."""
    if videos is None:
        return []
    if _is_one_video(videos):
        return [videos]
    if not isinstance(videos, Iterable):
        raise InputError(f"A video is a path, bytes, an open file, an array or a list of images, not {videos!r}.")
    return [video for item in videos for video in ([None] if item is None else _as_videos(item))]


def _is_one_video(value) -> bool:
    if is_video_file(value) or isinstance(value, Clip):
        return True
    if hasattr(value, "ndim"):
        return value.ndim == 4
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(_is_image(frame) for frame in value)


def _is_image(value) -> bool:
    return isinstance(value, Image.Image) or is_image_path(value) or getattr(value, "ndim", 0) == 3


def _in_memory(name: str, video) -> np.ndarray | ImageFrames:
    """Frames of a list of images, or of one array or tensor."""
    if len(video) == 0:
        raise InputError(f"{name} holds no frames. Give at least one.")
    if isinstance(video, (list, tuple)):
        return ImageFrames(name, video)
    frames = np.asarray(video)
    if frames.shape[-1] != 3 and frames.shape[1] == 3:
        frames = frames.transpose(0, 2, 3, 1)
    if frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise InputError(
            f"{name}: expected (T, H, W, 3) uint8 RGB frames, not {frames.dtype} of shape {frames.shape}."
        )
    return frames


def _per_video(values: Sequence | None, count: int, what: str, is_item) -> list:
    """One entry a video; a single video's own list may stand without the outer one."""
    if values is None:
        return [None] * count
    values = list(values)
    if count == 1 and values and all(is_item(value) for value in values):
        values = [values]
    if len(values) != count:
        raise InputError(f"{count} videos but {len(values)} {what}; give one for each video, or None.")
    return values
