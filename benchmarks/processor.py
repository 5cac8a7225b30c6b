"""The processor: from a video file to marked pixels and a prompt, against plain decoding and resizing.

    python benchmarks/processor.py

Twenty seconds of 720p at 30 frames a second (H.264, made in code), of which a model sees 40 frames at 384x384. Ours is
`processor(text=…, videos=…, marks=…)` with two marks: probing, decoding, drawing, resizing, normalising and the
prompt. The plain ways decode the same 40 frames with PyAV and resize them to bytes: all frames decoded with its
automatic threads or one, or only those that others refer to; resized by swscale, torchvision or Pillow, bicubic. All
run in one process in turn, so that a busy machine slows them alike, and the least of the rounds counts for each.

Memory is the peak of a fresh process above what it held when the call began, which Linux tells.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import torch
import torchvision.transforms.v2.functional as tvf
from _timing import table
from clip_encoding import street
from PIL import Image

from st_vlm.models.tiny import make_tiny
from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor
from st_vlm.video.encoding import write_video

SIZE, RATE, SECONDS, SIDE = (1280, 720), 30, 20, 384
# Frames between keyframes: x264's own choice, and one second.
INTERVALS = (250, 30)
STEP = RATE // 2
FRAMES = SECONDS * RATE // STEP
MARKS = [
    {"color": "red", "boxes": [(100 + 9 * i, 300, 340 + 9 * i, 420) for i in range(FRAMES)]},
    {"color": "blue", "boxes": [(700, 200 + 2 * i, 1100, 500 + 2 * i) for i in range(FRAMES)]},
]


def make_video(path: Path, interval: int) -> None:
    # The camera pans to and fro over a few frames: drawing 600 takes longer than encoding them.
    frames = street(SIZE)
    there_and_back = [*frames, *frames[::-1]]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"g": str(interval)})
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        for i in range(SECONDS * RATE):
            picture = av.VideoFrame.from_ndarray(there_and_back[i % len(there_and_back)], format="rgb24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def decoded(path: Path, threads: str, leaves_out: bool) -> Iterator[av.VideoFrame]:
    """The wanted frames, in order; with `leaves_out`, unwanted frames that no other refers to are not decoded."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = threads
        wanted = {round(i / RATE / stream.time_base) for i in range(0, SECONDS * RATE, STEP)}
        for packet in container.demux(stream):
            if leaves_out and packet.size:
                stream.codec_context.skip_frame = "DEFAULT" if packet.pts in wanted else "NONREF"
            yield from (frame for frame in packet.decode() if frame.pts in wanted)


def by_swscale(frame: av.VideoFrame) -> np.ndarray:
    return frame.reformat(SIDE, SIDE, format="rgb24", interpolation="BICUBIC").to_ndarray()


def by_torchvision(frame: av.VideoFrame) -> torch.Tensor:
    pixels = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
    return tvf.resize(pixels, [SIDE, SIDE], interpolation=tvf.InterpolationMode.BICUBIC, antialias=True)


def by_pillow(frame: av.VideoFrame) -> np.ndarray:
    return np.asarray(Image.fromarray(frame.to_ndarray(format="rgb24")).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def plain_ways(path: Path) -> dict[str, object]:
    decoders = {"all": ("AUTO", False), "all, one thread": ("SLICE", False), "fewest": ("AUTO", True)}
    decoders["fewest, one thread"] = ("SLICE", True)
    resizers = {"swscale": by_swscale, "torchvision": by_torchvision, "Pillow": by_pillow}
    return {
        f"{decoder}, {resizer}": lambda how=how, resize=resize: [resize(frame) for frame in decoded(path, *how)]
        for decoder, how in decoders.items()
        for resizer, resize in resizers.items()
    }


def processor_at(side: int):
    _, processor = make_tiny()
    processor.video_processor = STVLMVideoProcessor(size={"height": side, "width": side}, video_backend="pyav")
    return processor


def processed(processor, path: Path) -> dict:
    return processor(text="<video>\nHow far?", videos=path, marks=[MARKS], return_tensors="pt")


def peak(path: Path) -> dict[str, float]:
    """Bytes that a call adds to the peak of this process, and those of its pixels."""

    def held(which: str) -> int:
        status = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(which))

    processor = processor_at(SIDE)
    with tempfile.TemporaryDirectory() as folder:
        # What is loaded on first use is no part of the clip.
        small = Path(folder, "small.mp4")
        write_video(small, np.zeros((4, 64, 64, 3), np.uint8), np.arange(4) / 2)
        processor(text="<video>", videos=small, return_tensors="pt")
    Path("/proc/self/clear_refs").write_text("5")
    before = held("VmRSS")
    pixels = processed(processor, path)["pixel_values_videos"]
    return {"peak": held("VmHWM") - before, "output": pixels.nbytes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.peak:
        print(json.dumps(peak(asked.peak)))
        return
    processor, rows = processor_at(SIDE), []
    for interval in INTERVALS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "clip.mp4")
            make_video(path, interval)
            contenders = {"st-vlm": lambda path=path: processed(processor, path), **plain_ways(path)}
            least = dict.fromkeys(contenders, float("inf"))
            for _ in range(asked.rounds):
                for name, work in contenders.items():
                    start = time.perf_counter()
                    work()
                    least[name] = min(least[name], time.perf_counter() - start)
            command = [sys.executable, __file__, "--peak", str(path)]
            memory = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        ours = least.pop("st-vlm")
        best = min(least, key=least.get)
        rows.append(
            [
                interval,
                f"{ours * 1000:.0f} ms",
                f"{least[best] * 1000:.0f} ms ({best})",
                f"{ours / least[best]:.2f}",
                f"{memory['output'] / 2**20:.0f} MiB",
                f"{memory['peak'] / 2**20:.0f} MiB",
                f"{memory['peak'] / memory['output']:.2f}",
            ]
        )
    header = ["keyframe every", "st-vlm", "fastest plain way", "times as long", "output", "peak", "times the output"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
