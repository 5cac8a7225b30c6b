"""Writing clips: H.264 in MP4 with the frames' real timestamps (Scale and STACK: one keyframe a second, 4:2:0)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np

from st_vlm.errors import InputError

TIME_BASE = Fraction(1, 90_000)
KEYFRAME_INTERVAL_S = 1.0
# How long a video of one frame lasts.
STILL_S = 0.5
# ITU-R BT.601, limited range: what the RGB conversion of FFmpeg produces, written down so that viewers agree.
BT601, LIMITED_RANGE = 6, 1
_SCALING = "bicubic+full_chroma_int+full_chroma_inp+accurate_rnd+bitexact"


def fit_size(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    """Width and height for a stored clip: the longer side at most `max_side`, both even, never enlarged.

    >>> fit_size((1600, 900), 640)
    (640, 360)
    """
    scale = min(1.0, max_side / max(size))
    width, height = (max(2, 2 * round(side * scale / 2)) for side in size)
    return min(width, size[0] // 2 * 2), min(height, size[1] // 2 * 2)


class Fitter:
    """Frames as the encoder takes them, at one size: 4:2:0, anti-aliased, in one pass.

    FFmpeg's bicubic with chroma at full resolution before it is halved and with exact rounding: as near to an ideal
    low pass as Pillow's, in a third of the time, with the same result on every machine.

    Args:
        size: Width and height of the pictures, both even.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._graphs: dict[tuple[int, int], av.filter.Graph] = {}

    def __call__(self, frame: np.ndarray) -> av.VideoFrame:
        """An (H, W, 3) uint8 RGB frame as a picture in the format yuv420p."""
        source = frame.shape[1], frame.shape[0]
        if source not in self._graphs:
            self._graphs[source] = self._graph(source)
        graph = self._graphs[source]
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture.pts, picture.time_base = 0, TIME_BASE
        graph.push(picture)
        return graph.pull()

    def _graph(self, source: tuple[int, int]) -> av.filter.Graph:
        graph = av.filter.Graph()
        rgb = graph.add_buffer(width=source[0], height=source[1], format=av.VideoFormat("rgb24"), time_base=TIME_BASE)
        scale = graph.add("scale", f"{self.size[0]}:{self.size[1]}:flags={_SCALING}:out_color_matrix=bt601")
        yuv, sink = graph.add("format", "pix_fmts=yuv420p"), graph.add("buffersink")
        rgb.link_to(scale)
        scale.link_to(yuv)
        yuv.link_to(sink)
        graph.configure()
        return graph


def write_video(
    path: str | os.PathLike,
    frames: Iterable[np.ndarray | av.VideoFrame],
    times_s: Sequence[float],
    crf: float = 20,
    least_frames: int = 2,
) -> None:
    """Write frames with their own timestamps; the file appears whole or not at all, and the same input gives the same
    bytes.

    Args:
        path: Where the MP4 goes; its folder must exist.
        frames: F frames of one size, both sides even: (H, W, 3) uint8 RGB, or pictures of a `Fitter`. Taken one at a
            time.
        times_s: (F,) seconds, strictly increasing. Stored relative to the first, to 1/90,000 s.
        crf: Constant rate factor of x264: lower is better and larger; 20 is visually near lossless.
        least_frames: 1 lets a still be a video.

    Raises:
        InputError: Fewer than `least_frames` frames, times that do not increase, frames of odd, changing or wrong
            shape, or another number of frames than of times.
    """
    path = Path(path)
    ticks = _ticks(path, times_s, least_frames)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _encode(path, temporary, frames, ticks, crf)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _ticks(path: Path, times_s: Sequence[float], least_frames: int) -> np.ndarray:
    """(F,) presentation times in units of the time base."""
    times = np.asarray(times_s, np.float64)
    if times.ndim != 1 or len(times) < least_frames:
        raise InputError(f"{path}: a video needs at least {least_frames} frames with their times, not {times.size}.")
    ticks = np.rint((times - times[0]) / float(TIME_BASE))
    if not np.isfinite(ticks).all() or (np.diff(ticks) <= 0).any():
        raise InputError(f"{path}: the frames' times must be finite and strictly increasing.")
    return ticks.astype(np.int64)


def _encode(path: Path, temporary: Path, frames: Iterable[np.ndarray], ticks: np.ndarray, crf: float) -> None:
    step = int(np.median(np.diff(ticks))) if len(ticks) > 1 else round(STILL_S / TIME_BASE)
    options = {"movflags": "+faststart", "fflags": "+bitexact"}
    with av.open(temporary, "w", format="mp4", options=options) as container:
        stream, count = None, 0
        for count, frame in enumerate(frames, start=1):
            if count > len(ticks):
                raise InputError(f"{path}: more frames than the {len(ticks)} times given.")
            shape = (frame.height, frame.width, 3) if isinstance(frame, av.VideoFrame) else frame.shape
            if stream is None:
                stream = _stream(path, container, shape, step, crf)
                fit = Fitter((stream.width, stream.height))
            if shape != (stream.height, stream.width, 3) or getattr(frame, "dtype", np.uint8) != np.uint8:
                kind = getattr(frame, "dtype", "a picture")
                raise InputError(
                    f"{path}: frame {count - 1} is {kind} of shape {shape}; all frames must be "
                    f"uint8 of shape ({stream.height}, {stream.width}, 3)."
                )
            picture = frame if isinstance(frame, av.VideoFrame) else fit(frame)
            picture.pts, picture.time_base = int(ticks[count - 1]), TIME_BASE
            container.mux(stream.encode(picture))
        if count < len(ticks):
            raise InputError(f"{path}: {count} frames but {len(ticks)} times.")
        container.mux(stream.encode(None))


def _stream(path: Path, container, shape: tuple[int, ...], step: int, crf: float):
    height, width = shape[:2]
    if len(shape) != 3 or height % 2 or width % 2:
        raise InputError(f"{path}: frames are {width}x{height}; both sides must be even (see fit_size).")
    # The rate says nothing of the frames' times, but how long the last one lasts: as long as a typical one.
    rate = Fraction(1) / (step * TIME_BASE)
    stream = container.add_stream("libx264", rate=rate.limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = TIME_BASE
    stream.codec_context.thread_count = 1  # more threads may change the bytes
    stream.codec_context.gop_size = max(1, round(KEYFRAME_INTERVAL_S * float(rate)))
    stream.codec_context.colorspace, stream.codec_context.color_range = BT601, LIMITED_RANGE
    # x264's macroblock tree reads memory that it has not written: of small clips one in fifty got other bytes by it.
    options = {"crf": str(crf), "preset": "medium", "bf": "0", "x264-params": "mbtree=0"}
    stream.codec_context.options = options
    return stream
