"""Clips: `write_video` against plain PyAV encoding of the same frames with the same codec, settings and one thread.

    python benchmarks/clip_encoding.py

Where the camera's images are larger than the clip, ours is `resize` and `write_video`, as in `st-vlm build`, and
PyAV's is the same encoder fed by `reformat` (swscale, bicubic). Both run in one process in turn, so that a busy
machine slows them alike; the ratio is the median over the rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

import av
import numpy as np
from _timing import table

from st_vlm.video.encoding import Fitter, write_video

FRAMES, STEP_S, CRF = 40, 0.5, 20
# Size of the camera's images, size of the clip.
CASES = (
    ((640, 360), (640, 360)),
    ((800, 450), (800, 450)),
    ((1600, 900), (800, 450)),
    ((2048, 1550), (800, 606)),
    ((1550, 2048), (606, 800)),
)


def street(size: tuple[int, int]) -> list[np.ndarray]:
    """Frames of a wall with the spectrum of natural images, over which the camera pans, a passing box, and noise."""
    rng = np.random.default_rng(0)
    pan = size[0] // 100
    width, height = size[0] + pan * FRAMES, size[1]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    planes = [
        np.fft.irfft2(np.fft.rfft2(rng.normal(size=(height, width))) / frequency**1.5, (height, width)) for _ in "rgb"
    ]
    wall = np.stack([128 + 45 * plane / plane.std() for plane in planes], axis=-1).astype(np.int16)
    noise = rng.normal(0, 1.5, (height, size[0], 3)).round().astype(np.int16)
    frames = []
    for i in range(FRAMES):
        frame = wall[:, pan * i : pan * i + size[0]] + np.roll(noise, 17 * i, axis=0)
        x, y, side = i * size[0] // FRAMES // 2, size[1] // 2, size[1] // 8
        frame[y : y + side, x : x + 2 * side] += np.array([60, -40, 20], np.int16)
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return frames


def ours(path: Path, frames: list[np.ndarray], size: tuple[int, int]) -> None:
    write_video(path, map(Fitter(size), frames), np.arange(FRAMES) * STEP_S, CRF)


def plain(path: Path, frames: list[np.ndarray], size: tuple[int, int]) -> None:
    rate = Fraction(1 / STEP_S)
    with av.open(path, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": str(CRF), "preset": "medium", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.codec_context.thread_count, stream.codec_context.gop_size = 1, round(rate)
        for i, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            if size != (picture.width, picture.height):
                picture = picture.reformat(*size, format="yuv420p", interpolation="BICUBIC", threads=1)
            picture.pts, picture.time_base = i, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    rows = []
    for source, size in CASES:
        frames = street(source)
        seconds, kib = {ours: [], plain: []}, {}
        with tempfile.TemporaryDirectory() as folder:
            for i in range(rounds + 1):
                for encode, found in seconds.items():
                    path = Path(folder, f"{encode.__name__}.mp4")
                    start = time.perf_counter()
                    encode(path, frames, size)
                    if i:  # the first round warms up
                        found.append(time.perf_counter() - start)
                    kib[encode] = f"{path.stat().st_size / 1024:.0f}"
        ratio = median(a / b for a, b in zip(seconds[ours], seconds[plain], strict=True))
        times = [f"{median(found):.2f} s" for found in seconds.values()]
        rows.append(["x".join(map(str, source)), "x".join(map(str, size)), *times, f"{ratio:.2f}", *kib.values()])
    print(table(["images", "clip", "st-vlm", "PyAV", "ratio", "st-vlm KiB", "PyAV KiB"], rows))


if __name__ == "__main__":
    main()
