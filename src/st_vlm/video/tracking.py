"""Marks given on one frame, followed through a whole video at its own frame rate, forwards and backwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError
from st_vlm.video.decoding import VideoInfo, VideoSource, probe, source_name
from st_vlm.video.marks import Box, Mark, as_marks
from st_vlm.video.small_frames import small_frames, small_size

# Frames are followed at this width at most: enough for a box of a few pixels, and quick.
MOST_WIDTH = 640
# A box may reach this share of the frame beyond its edge, as those of detectors do; more means another resolution.
OVERHANG = 0.02


@dataclass(frozen=True)
class MarkedOnce:
    """An object pointed at in one moment of a video.

    Attributes:
        color: One of `marks.COLOURS`.
        box: x1, y1, x2, y2 in pixels of the video.
        time_s: Seconds from the video's first frame; the frame nearest to it is meant.
    """

    color: str
    box: Box
    time_s: float


@dataclass(frozen=True, eq=False)
class Followed:
    """What came of following one mark.

    Attributes:
        mark: With a box for each frame asked for, in pixels of the video and cut to its frame; None where it is lost.
        lost: Times in seconds, first and last, of each stretch of frames without a box in which frames asked for lie.
        warning: A sentence that says when the object was lost, or None.
    """

    mark: Mark
    lost: tuple[tuple[float, float], ...]
    warning: str | None


def follow_marks(
    video: VideoSource,
    marked: Sequence[MarkedOnce],
    indices: Sequence[int] | np.ndarray | None = None,
    info: VideoInfo | None = None,
) -> tuple[Followed, ...]:
    """Follow objects through a video.

    Every frame is decoded once in each direction and looked at small; few are held at a time.

    Args:
        video: A path, the file's bytes or an open binary file.
        marked: At most four, each of another colour.
        indices: (T,) increasing positions of the frames whose boxes are wanted, such as those of
            `sampling.sample_indices`; None: all frames.
        info: What `probe` returned for this video, to save probing again.

    Returns:
        One a mark, in the same order.

    Raises:
        InputError: A video that cannot be read, a time outside it, a box that is no box or reaches out of the frame,
            a colour that is unknown or used twice, more marks than colours, indices outside the video, or OpenCV is
            not installed.
    """
    as_marks(Mark(one.color, (one.box,)) for one in marked)
    info = info or probe(video)
    wanted = np.arange(len(info)) if indices is None else np.asarray(indices, np.int64)
    if wanted.size and (wanted.min() < 0 or wanted.max() >= len(info)):
        raise InputError(f"{source_name(video)} has frames 0 to {len(info) - 1}; asked for {wanted.tolist()}.")
    starts = [check_marked(one, info, source_name(video)) for one in marked]
    if not starts:
        return ()
    from st_vlm.video.box_tracker import BoxTracker, one_thread

    small = small_size(info.size, MOST_WIDTH)
    scale = np.tile(np.divide(small, info.size), 2)
    boxes: list[dict[int, np.ndarray | None]] = [{} for _ in marked]

    def follow(first: int, last: int, towards: Callable[[int, int], bool]) -> None:
        trackers: dict[int, BoxTracker] = {}
        for index, frame in small_frames(video, info, first, last, MOST_WIDTH):
            for k, (one, start) in enumerate(zip(marked, starts, strict=True)):
                if index == start:
                    trackers[k] = BoxTracker(frame, np.asarray(one.box, np.float64) * scale)
                    boxes[k][index] = np.asarray(one.box, np.float64)
                elif towards(start, index):
                    box = trackers[k].follow(frame)
                    boxes[k][index] = None if box is None else box / scale

    with one_thread():
        follow(min(starts), len(info) - 1, lambda start, index: index > start)
        if max(starts) > 0:
            follow(max(starts), 0, lambda start, index: index < start)
    return tuple(_followed(one, found, wanted, info) for one, found in zip(marked, boxes, strict=True))


def check_marked(one: MarkedOnce, info: VideoInfo, name: str) -> int:
    """The index of the frame that a mark is given on.

    Raises:
        InputError: A time outside the video called `name`, or a box that reaches out of its frame.
    """
    if not (math.isfinite(one.time_s) and 0 <= one.time_s <= info.duration_s + 1e-6):
        raise InputError(
            f"The {one.color} mark is given at {one.time_s:g} s, but {name} lasts {info.duration_s:.2f} s: "
            "give a time within it."
        )
    width, height = info.size
    x1, y1, x2, y2 = one.box
    slack = OVERHANG * width, OVERHANG * height
    if x1 < -slack[0] or y1 < -slack[1] or x2 > width + slack[0] or y2 > height + slack[1]:
        raise InputError(
            f"The {one.color} mark's box {x1:g},{y1:g},{x2:g},{y2:g} reaches out of the frame: {name} is "
            f"{width}x{height} pixels."
        )
    return int(np.abs(info.times_s - one.time_s).argmin())


def _followed(one: MarkedOnce, found: dict[int, np.ndarray | None], wanted: np.ndarray, info: VideoInfo) -> Followed:
    cut = {index: _cut(box, info.size) for index, box in found.items()}
    lost = tuple(
        (float(info.times_s[first]), float(info.times_s[last]))
        for first, last in _gaps([cut[index] is None for index in range(len(info))])
        if ((wanted >= first) & (wanted <= last)).any()
    )
    mark = Mark(one.color, tuple(cut[index] for index in wanted.tolist()))
    return Followed(mark, lost, _sentence(one.color, lost, mark, float(info.times_s[-1])))


def _cut(box: np.ndarray | None, size: tuple[int, int]) -> Box | None:
    """A box cut to the frame; None where less than a pixel of it is left."""
    if box is None:
        return None
    x1, y1, x2, y2 = np.clip(box, 0, np.tile(size, 2)).tolist()
    return (x1, y1, x2, y2) if x2 - x1 >= 1 and y2 - y1 >= 1 else None


def _gaps(missing: Sequence[bool]) -> list[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], np.asarray(missing, np.int8), [0]))))
    return [(int(first), int(last) - 1) for first, last in edges.reshape(-1, 2)]


def _sentence(color: str, lost: Sequence[tuple[float, float]], mark: Mark, end_s: float) -> str | None:
    if not lost:
        return None
    places = [
        f"before {last:.2f} s"
        if first == 0
        else f"after {first:.2f} s"
        if last == end_s
        else f"from {first:.2f} to {last:.2f} s"
        for first, last in lost
    ]
    where = places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
    without = sum(box is None for box in mark.boxes)
    return (
        f"The {color} mark is lost {where}: {without} of {len(mark.boxes)} frames are asked about without its box. "
        "Mark it by hand with --marks if it is seen there."
    )
