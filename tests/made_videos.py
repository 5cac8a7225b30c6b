"""Videos made in code: any frames, any times, any keyframes, and the header that a phone held upright writes."""

import struct
from fractions import Fraction

import av
import numpy as np

TICKS = 90_000


def write_frames(path, frames, times_s, options=None, codec="libx264", pix_fmt="yuv420p"):
    """Encode (H, W, 3) uint8 RGB frames shown at `times_s`; `options` go to the encoder."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame, time in zip(frames, times_s, strict=False):
            if stream is None:
                stream = container.add_stream(codec, rate=30, options={"preset": "veryfast", **(options or {})})
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = pix_fmt
                stream.time_base = stream.codec_context.time_base = Fraction(1, TICKS)
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture.pts, picture.time_base = round(time * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def lay_down(path, size):
    """Make an MP4 of width and height `size` one that players show turned by 90 degrees clockwise.

    The track header's matrix (ISO 14496-12) maps stored (x, y) to shown (height - y, x).
    """
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    at = header + (52 if data[header] else 40)
    one = 1 << 16
    data[at : at + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, size[1] * one, 0, 1 << 30)
    path.write_bytes(data)
    return path
