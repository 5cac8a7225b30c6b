"""All frames of a video at its own frame rate, made small, one after the other in either direction.

Few frames are held at a time, however long the video is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from st_vlm.errors import InputError
from st_vlm.video.decoding import OpenedVideo, VideoInfo, VideoSource

# Frames decoded ahead when going backwards may take this much memory.
HELD_BYTES = 64_000_000


def small_size(size: tuple[int, int], most_width: int) -> tuple[int, int]:
    """Width and height with the same aspect ratio, at most so wide; never enlarged.

    >>> small_size((1920, 1080), 640)
    (640, 360)
    """
    scale = min(1.0, most_width / size[0])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def small_frames(
    source: VideoSource, info: VideoInfo, first: int, last: int, most_width: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (index, (h, w, 3) uint8 RGB) from frame `first` to frame `last`, both included.

    Args:
        source: The video.
        info: What `probe` returned for it.
        first, last: Indices into `info.times_s`. With `last < first` the frames come in reverse: runs of them are
            decoded forwards and held, each run from the keyframe before it.
        most_width: See `small_size`.

    Raises:
        InputError: The file is missing or unreadable, or a frame does not decode.
    """
    size = small_size(info.size, most_width)
    with OpenedVideo(source) as (name, container, stream):
        if last >= first:
            yield from _run(name, container, stream, info, first, last, size)
            return
        run = max(1, HELD_BYTES // (3 * size[0] * size[1]))
        keys = [int(k) for k in np.flatnonzero(info.keyframes) if last < k <= first]
        # A run starts at a keyframe where there is one, so that little is decoded in vain.
        edges = [last, *keys, first + 1]
        for low, high in reversed(list(pairwise(edges))):
            for start in reversed(range(low, high, run)):
                held = list(_run(name, container, stream, info, start, min(start + run, high) - 1, size))
                yield from reversed(held)


def _run(name, container, stream, info: VideoInfo, first: int, last: int, size) -> Iterator[tuple[int, np.ndarray]]:
    """Frames `first` to `last` in order."""
    keys = np.flatnonzero(info.keyframes[: first + 1])
    expected = first
    # The first frame need not be marked as a keyframe. Where the index is inexact, a seek may come out too late:
    # then once more from the start.
    for start in (keys[-1] if len(keys) else 0, 0):
        container.seek(int(info.ticks[start]), stream=stream, backward=True)
        for frame in container.decode(stream):
            if frame.pts is None or frame.pts < info.ticks[expected]:
                continue
            if frame.pts > info.ticks[expected]:
                break
            lying = size[::-1] if info.turns % 2 else size
            small = frame.reformat(*lying, format="rgb24", interpolation="AREA").to_ndarray()
            yield expected, info.turned(small)
            expected += 1
            if expected > last:
                return
    raise InputError(f"{name}: frame {expected} does not decode. The file is cut off or damaged.")
