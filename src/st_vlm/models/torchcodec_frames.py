"""Frames decoded by torchcodec, which works only where it finds FFmpeg's libraries and they fit."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from importlib import import_module

import av
import numpy as np

from st_vlm.video.decoding import VideoInfo, VideoSource

# Two times of one frame may differ by the rounding of a float, not by a frame.
SAME_TIME_S = 1e-4


class Unreadable(Exception):
    """A video that torchcodec does not read as `probe` describes it."""


@cache
def why_unusable() -> str:
    """Why torchcodec does not work in this process; empty where a probe clip is decoded as it should."""
    try:
        decoder = _decoder(_probe_clip())
        level = float(decoder.get_frame_at(1).data.float().mean())
    # A missing library is an ImportError, an OSError or a RuntimeError, as the versions differ.
    except Exception as error:
        lines = str(error).strip().splitlines()
        return lines[0] if lines else type(error).__name__
    return "" if abs(level - 200) < 4 else "it decodes a probe clip wrongly"


def torchcodec_frames(source: VideoSource, indices: np.ndarray, info: VideoInfo) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (place in `indices`, frame (H, W, 3) uint8 RGB) in order; `indices` are positions in `info.times_s`.

    Raises:
        Unreadable: Before a frame that torchcodec does not decode, or to which it gives another time or size than
            `probe` did (hidden or turned frames).
    """
    if hasattr(source, "seek"):
        source.seek(0)
    try:
        decoder = _decoder(source)
    except Exception as error:
        raise Unreadable(str(error)) from error
    if len(decoder) != len(info) or decoder.metadata.rotation:
        raise Unreadable("it counts other frames or turns them")
    unit = float(np.ptp(info.times_s) / max(1, np.ptp(info.ticks)))
    for t, index in enumerate(indices):
        try:
            frame = decoder.get_frame_at(int(index))
        except Exception as error:
            raise Unreadable(str(error)) from error
        if abs(frame.pts_seconds - info.ticks[index] * unit) > SAME_TIME_S:
            raise Unreadable(f"it places frame {index} at {frame.pts_seconds:.3f} s")
        image = frame.data.numpy()
        if image.shape[:2] != info.size[::-1]:
            raise Unreadable(f"it reads frame {index} at another size")
        yield t, image


def _decoder(source: VideoSource):
    # By name: transformers takes an import statement in carried code for something that must be installed.
    decoders = import_module("torchcodec.decoders")
    # As many threads as FFmpeg finds fit.
    return decoders.VideoDecoder(source, dimension_order="NHWC", num_ffmpeg_threads=0)


def _probe_clip() -> bytes:
    """Two grey pictures, of levels 100 and 200, as H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=2)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for level in (100, 200):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
