"""Reading clips and any other video: frames by index, with the timestamps the file itself holds."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from st_vlm.errors import InputError

LEAST_SECONDS = 0.5
# Seeking pays only for few frames (STACK, "Video").
MOST_FRAMES_TO_SEEK = 16
VideoSource = str | os.PathLike | bytes | BinaryIO


@dataclass(frozen=True, eq=False)
class VideoInfo:
    """What a video holds, known without decoding it.

    Attributes:
        size: Width and height in pixels, as players show it.
        times_s: (F,) float64, seconds from the first frame as stored in the file, strictly increasing.
        duration_s: Seconds from the first frame to the end of the last.
        ticks: (F,) int64, the same times in the file's own unit and origin.
        keyframes: (F,) bool, frames that can be decoded without an earlier one.
        places: (F,) int64, places in the order in which the file stores the frames and decodes them.
        turns: Quarter turns, anticlockwise, from stored frames to shown ones: phones store upright videos lying.
    """

    size: tuple[int, int]
    times_s: np.ndarray
    duration_s: float
    ticks: np.ndarray
    keyframes: np.ndarray
    places: np.ndarray
    turns: int = 0

    @property
    def stored_size(self) -> tuple[int, int]:
        """Width and height of the frames before they are turned."""
        return self.size[::-1] if self.turns % 2 else self.size

    def turned(self, frame: np.ndarray) -> np.ndarray:
        """A stored frame (H, W, 3) as it is shown."""
        return np.ascontiguousarray(np.rot90(frame, self.turns)) if self.turns else frame

    def __len__(self) -> int:
        return len(self.times_s)


def source_name(source: VideoSource) -> str:
    """How error messages call a video."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "The video given as bytes"


def probe(source: VideoSource, least_frames: int = 2) -> VideoInfo:
    """Size and real timestamps of a video: a path, the file's bytes or an open binary file.

    Args:
        source: The video.
        least_frames: 1 for a still, of whatever length.

    Raises:
        InputError: The file is missing, unreadable, cut off, has no video stream, fewer frames than `least_frames`,
            or (unless it may be a still) lasts less than 0.5 s.
    """
    with OpenedVideo(source) as (name, container, stream):
        stored, corrupt, turns = 0, False, None
        shown: list[tuple[int, int, bool]] = []
        # A packet holds its data: only what is asked of it may be kept, or a long video fills the memory.
        for packet in container.demux(stream):
            if not packet.size:
                continue
            stored += 1
            corrupt |= packet.is_corrupt
            # An edit list may hide frames at the start of a trimmed video.
            if packet.pts is not None and not packet.is_discard:
                shown.append((packet.pts, packet.duration or 0, packet.is_keyframe))
                if turns is None and packet.is_keyframe:
                    turns = _turns(packet, stream)
        if stream.frames > stored or corrupt:
            raise InputError(f"{name} is cut off: {stored} of {stream.frames} frames are there. Copy it again.")
        if stored and not shown:
            raise InputError(f"{name} states no time for its frames. Convert it to MP4.")
        if len(shown) < least_frames:
            raise InputError(f"{name} holds fewer than {least_frames} frames. Choose a longer video.")
        ticks, durations, keyframes = (np.array(column) for column in zip(*shown, strict=True))
        ticks, kept = np.unique(ticks, return_index=True)
        unit = float(stream.time_base)
        duration = float(ticks[-1] - ticks[0] + durations[kept[-1]]) * unit
        if least_frames > 1 and duration < LEAST_SECONDS - 1e-6:
            raise InputError(
                f"{name} lasts {duration:.2f} s; motion needs at least {LEAST_SECONDS} s. Choose a longer video."
            )
        size = stream.codec_context.width, stream.codec_context.height
        return VideoInfo(
            size=size[::-1] if (turns or 0) % 2 else size,
            times_s=(ticks - ticks[0]) * unit,
            duration_s=duration,
            ticks=ticks,
            keyframes=keyframes[kept],
            places=kept,
            turns=turns or 0,
        )


def read_frames(
    source: VideoSource, indices: Sequence[int] | np.ndarray | None = None, info: VideoInfo | None = None
) -> np.ndarray:
    """The wanted frames of a video, (T, H, W, 3) uint8 RGB, in the order of `indices`.

    Args:
        source: As for `probe`.
        indices: Positions in `VideoInfo.times_s`; they may repeat. None: all frames.
        info: What `probe` returned for this source, to save probing again.

    Raises:
        InputError: As `probe`; an index beyond the last frame; a frame that does not decode.
    """
    info = info or probe(source)
    wanted = np.arange(len(info)) if indices is None else np.asarray(indices, np.int64)
    distinct, place = np.unique(wanted, return_inverse=True)
    width, height = info.size
    frames: np.ndarray | None = None
    for row, image in iterate_frames(source, distinct, info):
        if frames is None:
            frames = np.empty((len(distinct), height, width, 3), np.uint8)
        frames[row] = image
    return frames if np.array_equal(place, np.arange(len(distinct))) else frames[place]


def iterate_frames(
    source: VideoSource,
    indices: Sequence[int] | np.ndarray,
    info: VideoInfo,
    size: tuple[int, int] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (row, frame) for each of `indices`, one decoded frame at a time.

    Args:
        source: As for `probe`.
        indices: Positions in `VideoInfo.times_s`, increasing.
        info: What `probe` returned for this source.
        size: Width and height to bring frames to, as players show them; None: as they are.

    Yields:
        The place in `indices`, in order, and the frame, (H, W, 3) uint8 RGB, which the caller may change.

    Raises:
        InputError: As `read_frames`.
    """
    wanted = np.asarray(indices, np.int64)
    if wanted.size == 0 or wanted.min() < 0 or wanted.max() >= len(info):
        raise InputError(f"{source_name(source)} has frames 0 to {len(info) - 1}; asked for {wanted.tolist()}.")
    with OpenedVideo(source) as (name, container, stream):
        # One for all frames: it keeps its tables of colours.
        converter = VideoReformatter()
        # Made smaller from what the decoder holds: an 8K frame in RGB takes 100 MB.
        fitted = {} if size in (None, info.size) else _fitting(info, size)
        for row, frame in _decode(name, container, stream, info, wanted):
            if (frame.width, frame.height) != info.stored_size:
                raise InputError(f"{name} changes its picture size within the video, which is not supported.")
            yield row, info.turned(_as_rgb(converter.reformat(frame, format="rgb24", **fitted)))


def _fitting(info: VideoInfo, size: tuple[int, int]) -> dict:
    """How a reformatter brings frames, as they are stored, to a size in which they are shown."""
    width, height = size[::-1] if info.turns % 2 else size
    smaller = width <= info.stored_size[0] and height <= info.stored_size[1]
    return {"width": width, "height": height, "interpolation": "AREA" if smaller else "BILINEAR"}


def _turns(packet: av.Packet, stream) -> int:
    """Quarter turns by which a video is shown, which only a decoded frame tells.

    The decoder is at its end afterwards: the stream can be demuxed on, not decoded.
    """
    try:
        frames = [*packet.decode(), *stream.codec_context.decode(None)]
    except av.FFmpegError:
        # What does not decode is said when frames are asked for.
        return 0
    return round(frames[0].rotation / 90) % 4 if frames else 0


def _as_rgb(frame: av.VideoFrame) -> np.ndarray:
    """An RGB frame's own memory as (H, W, 3)."""
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(frame.height, plane.line_size)
    return rows[:, : 3 * frame.width].reshape(frame.height, frame.width, 3)


class OpenedVideo:
    """A file's name, container and video stream for the length of a `with`.

    Raises:
        InputError: There is no such file, or FFmpeg cannot read it, on entering or within.
    """

    def __init__(self, source: VideoSource) -> None:
        self.name = source_name(source)
        if isinstance(source, (bytes, bytearray, memoryview)):
            source = io.BytesIO(source)
        elif hasattr(source, "seek"):
            source.seek(0)
        else:
            source = os.fspath(source)
        self.source = source

    def __enter__(self):
        if isinstance(self.source, str) and "://" not in self.source and not os.path.exists(self.source):
            raise InputError(f"There is no video at {self.name}.")
        try:
            self.container = self._opened()
        except (av.FFmpegError, OSError) as error:
            raise self._unreadable(error) from error
        if not self.container.streams.video:
            self.container.close()
            raise InputError(f"{self.name} has no video stream. Give a file that holds a video.")
        stream = self.container.streams.video[0]
        stream.thread_type = _threads()
        return self.name, self.container, stream

    def _opened(self):
        # FFmpeg decodes frames to learn what most files say in their headers.
        container = av.open(self.source, options={"skip_frame": "all"})
        if all(stream.codec_context.width for stream in container.streams.video):
            return container
        container.close()
        if hasattr(self.source, "seek"):
            self.source.seek(0)
        return av.open(self.source)

    def __exit__(self, kind, error, traceback) -> None:
        self.container.close()
        if isinstance(error, av.FFmpegError):
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or error
        return InputError(f"{self.name} cannot be read as a video ({reason}). It may be cut off or damaged.")


def _threads() -> str:
    """How the decoder uses threads: on one or two cores, frames decoded side by side only wait for each other."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return "AUTO" if cores > 2 else "SLICE"


def _decode(name: str, container, stream, info: VideoInfo, wanted: np.ndarray):
    """Yields (row, decoded frame) for each of the sorted, distinct wanted indices."""
    due = 0
    for first, last in _passes(info, wanted):
        if first > 0:
            container.seek(int(info.ticks[first]), stream=stream, backward=True)
        row_of = {int(info.ticks[index]): row for row, index in enumerate(wanted) if first <= index <= last}
        needed = _needed(info, wanted[(first <= wanted) & (wanted <= last)])
        for row, frame in _decode_needed(container, stream, row_of, needed):
            # Frames come in the order in which they are shown: one before this has been missed.
            if row != due:
                break
            yield row, frame
            due += 1
        if due < np.searchsorted(wanted, last, side="right"):
            break
    if due == len(wanted):
        return
    # A file whose keyframes or references are not what they say: everything, from the start.
    row_of = {int(info.ticks[index]): row for row, index in enumerate(wanted) if row >= due}
    container.seek(int(info.ticks[0]), stream=stream, backward=True)
    stream.codec_context.skip_frame = "DEFAULT"
    for frame in container.decode(stream):
        if frame.pts in row_of:
            yield row_of.pop(frame.pts), frame
        if not row_of:
            return
    missing = np.flatnonzero(np.isin(info.ticks, list(row_of)))
    raise InputError(f"{name}: frame {missing[0]} does not decode. The file is cut off or damaged.")


def _decode_needed(container, stream, row_of: dict[int, int], needed: set[int]):
    """Yields and takes out of `row_of` wanted frames, by decoding no packets but those of the needed ticks."""
    left = set(needed)
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size and not packet.is_discard:
            if packet.pts not in needed:
                continue
            left.discard(packet.pts)
            # Frames that no other refers to are decoded only where they are wanted.
            stream.codec_context.skip_frame = "DEFAULT" if packet.pts in row_of else "NONREF"
        # Behind the last packet, what the decoder still holds.
        frames = packet.decode() if left else [*packet.decode(), *stream.codec_context.decode(None)]
        for frame in frames:
            if frame.pts in row_of:
                yield row_of.pop(frame.pts), frame
        if not left:
            return


def _needed(info: VideoInfo, wanted: np.ndarray) -> set[int]:
    """Ticks of the frames that have to be decoded: in each run from a keyframe up to the last wanted frame.

    Frames shown before the keyframe that they are stored behind also refer to the run before: where they are not
    wanted, they are left out, since a decoder without that run stumbles over them.
    """
    order = np.argsort(info.places)
    run = np.cumsum(info.keyframes[order])
    is_wanted = np.isin(order, wanted)
    opening = np.maximum.accumulate(np.where(info.keyframes[order], np.arange(len(order)), -1))
    is_early = (opening >= 0) & (info.ticks[order] < info.ticks[order][opening])
    last = np.full(run[-1] + 2, -1)
    np.maximum.at(last, run[is_wanted], np.flatnonzero(is_wanted))
    linked = np.isin(run, run[is_wanted & is_early])
    last[run[linked] - 1] = len(order)
    needed = (np.arange(len(order)) <= last[run]) & (linked | ~is_early)
    return set(info.ticks[order[needed]].tolist())


def _passes(info: VideoInfo, wanted: np.ndarray) -> list[tuple[int, int]]:
    """Runs of indices to decode: from a keyframe through the last wanted frame that needs no new seek."""
    if not info.keyframes[0]:
        return [(0, int(wanted[-1]))]
    keys = np.flatnonzero(info.keyframes)
    if len(wanted) > MOST_FRAMES_TO_SEEK:
        # Nothing before the first is read: a clip may lie an hour into its video.
        return [(int(keys[np.searchsorted(keys, wanted[0], side="right") - 1]), int(wanted[-1]))]
    passes: list[list[int]] = []
    for index in wanted:
        key = int(keys[np.searchsorted(keys, index, side="right") - 1])
        if passes and key <= passes[-1][1] + 1:
            passes[-1][1] = int(index)
        else:
            passes.append([key, int(index)])
    return [(first, last) for first, last in passes]
