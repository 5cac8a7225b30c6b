"""One look through a video: thumbnails and a few numbers of its frames, from one pass of decoding.

Decoding is what costs time, so frames that no other refers to are not decoded where enough are left, and of the rest
about fifteen a second are looked at. Each is reduced as soon as it is decoded: of an 8K video one frame is held.
"""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from st_vlm.errors import InputError
from st_vlm.video.decoding import OpenedVideo, VideoInfo

# Every frame of 24 to 30 a second but one, so that a cut is known to within that.
LOOK_EVERY_S = 1 / 16
# Where frames that others refer to are farther apart than this, all are decoded.
_FARTHEST_APART_S = 0.2
# Pixels picked out of a frame, width and height, and how many of them make one of a thumbnail, each way.
_PICKED = 160, 90
_BLOCK = 5
# A tenth of the way from black to white, in the 16-235 of video.
_DARK = 38


@dataclass(frozen=True, eq=False)
class Looks:
    """The L frames of a video that were looked at, lying as they are stored.

    Attributes:
        numbers: (L,) increasing numbers of frames in the order of presentation.
        luma: (L, 18, 32) uint8 thumbnails of brightness, 16 black and 235 white.
        chroma: (L, 2, 9, 16) uint8 thumbnails of colour, 128 grey.
        dark: (L,) share of a frame's pixels that are nearly black.
        changes: (L,) mean absolute difference of single pixels to the frame looked at before; NaN for the first.
        broken: (B, 2) first and last number of each run of frames that do not decode.
    """

    numbers: np.ndarray
    luma: np.ndarray
    chroma: np.ndarray
    dark: np.ndarray
    changes: np.ndarray
    broken: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


def look_through(path, info: VideoInfo, last: int | None = None) -> Looks:
    """Look at a video's frames from the first on.

    Args:
        path: The video.
        info: What `probe` returned for it.
        last: Number of the last frame to look at; None: all.

    Raises:
        InputError: The file is gone, no frame decodes, or the picture changes its size.
    """
    last = len(info) - 1 if last is None else min(last, len(info) - 1)
    looks = _pass(path, info, last, "NONREF")
    if len(looks.broken) or _sparse(looks, info, last):
        # Damage is told by the frames that do not decode, where none is passed over.
        looks = _pass(path, info, last, "DEFAULT")
    if not len(looks):
        raise InputError(f"{path}: none of its {last + 1} frames decodes. The file is damaged. Copy it again.")
    return looks


def _sparse(looks: Looks, info: VideoInfo, last: int) -> bool:
    """Whether frames looked at leave out more of the video than they need to."""
    times = info.times_s
    seen = np.unique(np.concatenate([[0], looks.numbers, [last]]))
    apart = np.diff(times[seen])
    # Where the file itself has a long pause, nothing was left out.
    return bool(((apart > _FARTHEST_APART_S) & (np.diff(seen) > 1)).any())


def _pass(path, info: VideoInfo, last: int, skip: str) -> Looks:
    collected = _Collected()
    bad: list[int] = []
    with OpenedVideo(path) as (name, container, stream):
        stream.codec_context.skip_frame = skip
        due = -np.inf
        for frame in _frames(container, stream, info, int(info.ticks[last]), bad):
            if (frame.width, frame.height) != info.stored_size:
                raise InputError(f"{name} changes its picture size within the video, which is not supported.")
            number = _number(info, frame.pts)
            if number is None or number > last:
                continue
            if frame.is_corrupt:
                bad.append(number)
            # A little early rather than a frame late.
            elif info.times_s[number] >= due - 0.2 * LOOK_EVERY_S:
                due = info.times_s[number] + LOOK_EVERY_S
                collected.add(number, frame)
    return collected.looks(_runs_to_keyframes(bad, info))


def _frames(container, stream, info: VideoInfo, end: int, bad: list[int]):
    """Decoded frames up to a tick; `bad` gets the numbers of those that the decoder refuses."""
    ahead = 0
    for packet in container.demux(stream):
        if packet.pts is not None and packet.size:
            # Frames are stored out of order by less than this many.
            ahead = ahead + 1 if packet.pts > end else 0
            if ahead > 32:
                break
        try:
            yield from packet.decode()
        except av.FFmpegError:
            if (number := _number(info, packet.pts)) is not None:
                bad.append(number)
    else:
        return
    try:
        yield from stream.codec_context.decode(None)
    except av.FFmpegError:
        return


def _number(info: VideoInfo, tick: int | None) -> int | None:
    """Number of the frame at a tick, if there is one."""
    if tick is None:
        return None
    number = int(np.searchsorted(info.ticks, tick))
    return number if number < len(info) and info.ticks[number] == tick else None


def _runs_to_keyframes(bad: list[int], info: VideoInfo) -> np.ndarray:
    """(B, 2) frames that refer to bad ones, directly or not: from each to the one before the next keyframe."""
    keys = np.flatnonzero(info.keyframes)
    runs: list[list[int]] = []
    for number in sorted(set(bad)):
        if runs and number <= runs[-1][1] + 1:
            continue
        after = keys[keys > number]
        runs.append([number, int(after[0]) - 1 if len(after) else len(info) - 1])
    return np.array(runs, np.int64).reshape(-1, 2)


class _Collected:
    """Gathers what is kept of each frame."""

    def __init__(self) -> None:
        self._converter = VideoReformatter()
        self._before: np.ndarray | None = None
        self._rows: list[tuple] = []

    def add(self, number: int, frame: av.VideoFrame) -> None:
        # Single pixels, not means: means hide the noise by which a camera that stands is told from a frozen picture.
        picked = self._converter.reformat(frame, *_PICKED, format="yuv444p", interpolation="POINT").to_ndarray()
        luma, chroma = picked[0], picked[1:]
        change = np.nan
        if self._before is not None:
            change = float(np.abs(luma.astype(np.int16) - self._before).mean())
        self._before = luma
        self._rows.append(
            (number, _reduced(luma, _BLOCK), _reduced(chroma, 2 * _BLOCK), float((luma < _DARK).mean()), change)
        )

    def looks(self, broken: np.ndarray) -> Looks:
        width, height = _PICKED[0] // _BLOCK, _PICKED[1] // _BLOCK
        numbers, luma, chroma, dark, changes = zip(*self._rows, strict=True) if self._rows else [()] * 5
        return Looks(
            np.array(numbers, np.int64),
            np.array(luma, np.uint8).reshape(-1, height, width),
            np.array(chroma, np.uint8).reshape(-1, 2, height // 2, width // 2),
            np.array(dark, np.float64),
            np.array(changes, np.float64),
            broken,
        )


def _reduced(image: np.ndarray, block: int) -> np.ndarray:
    """Means over blocks of the last two axes, uint8."""
    # Sums of slices: NumPy is slow at many short sums.
    wide = sum(image[..., shift::block].astype(np.uint16) for shift in range(block))
    total = sum(wide[..., shift::block, :] for shift in range(block))
    return ((total + block * block // 2) // block**2).astype(np.uint8)
