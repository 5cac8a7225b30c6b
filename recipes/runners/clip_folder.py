"""The clips of a `st-vlm pseudo-label` run, for runners in a tool's own environment: needs NumPy and PyAV alone.

A runner reads OUT/run.json and OUT/clips/ID/clip.json, decodes the clip's frames, and writes one npz a clip:

    depth       (T, h, w) float32 metres along the camera's z axis (OpenCV's axes: right, down, ahead); 0 or NaN where
                it is not known
    intrinsics  (T, 3, 3) in pixels of those maps
    extrinsics  (T, 3, 4) or (T, 4, 4), metres
    confidence  (T, h, w), where the tool has it
    sky         (T, h, w) bool, where the tool has it
    about       JSON: tool, model, licence, extrinsics (camera_from_world or world_from_camera), fit (stretch or cover:
                how images were brought to the size of the maps), frames and size (of the clip)
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

import av
import numpy as np

Found = dict[str, np.ndarray]


def parser(description: str, models: str) -> argparse.ArgumentParser:
    """The arguments that all runners have."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    result.add_argument("out", type=Path, help="the folder of the run, which `st-vlm pseudo-label --out` names")
    result.add_argument("--videos", type=Path, help="the folder of videos, where it is not the one of OUT/run.json")
    result.add_argument("--results", type=Path, help="where results go (default: OUT/TOOL)")
    result.add_argument("--model", default=models, help="a name on the Hugging Face Hub, or a folder")
    result.add_argument("--device", default="cuda")
    result.add_argument("--shard", default="0/1", metavar="I/N", help="every N-th clip from the I-th: a GPU each")
    result.add_argument("--again", action="store_true", help="make results that are there already anew")
    return result


def run(
    arguments: argparse.Namespace, tool: str, measure: Callable[[dict, list[np.ndarray]], tuple[Found, dict]]
) -> int:
    """Measure all clips that are not done yet; the exit code is 1 where some failed.

    Args:
        arguments: Of `parser`.
        tool: Its name, as of the geometry backend that reads the results.
        measure: From a clip's JSON and its (H, W, 3) uint8 RGB images to arrays of the file, and of its `about` model,
            licence, extrinsics and fit.
    """
    results = arguments.results or arguments.out / tool
    results.mkdir(parents=True, exist_ok=True)
    clips = list(_due(arguments, results))
    print(f"{len(clips)} clips to do", file=sys.stderr)
    failed = 0
    # The next clip is decoded while the GPU is busy with this one.
    with ThreadPoolExecutor(1) as decoder:
        ahead = None
        for number, clip in enumerate(clips):
            now = ahead or decoder.submit(read_images, clip, arguments)
            ahead = decoder.submit(read_images, clips[number + 1], arguments) if number + 1 < len(clips) else None
            start = time.perf_counter()
            try:
                images = now.result()
                arrays, about = measure(clip, images)
                about = {"tool": tool, **about, "frames": clip["frames"], "size": clip["size"]}
                write(results / f"{clip['id']}.npz", arrays, about)
                print(f"{clip['id']}: {time.perf_counter() - start:.1f} s", file=sys.stderr)
            except Exception:
                # One bad clip must not stop a night's work; it is tried again the next time.
                failed += 1
                print(f"{clip['id']} failed:\n{traceback.format_exc()}", file=sys.stderr)
    print(f"{len(clips) - failed} done, {failed} failed", file=sys.stderr)
    return 1 if failed else 0


def write(path: Path, arrays: Found, about: dict) -> None:
    """Write one clip's file, whole or not at all."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, about=np.array(json.dumps(about)), **arrays)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_images(clip: dict, arguments: argparse.Namespace) -> list[np.ndarray]:
    """A clip's frames, (H, W, 3) uint8 RGB, as players show them.

    Frames are numbered by their times, without those that an edit list hides.
    """
    videos = arguments.videos or Path(_read(arguments.out / "run.json")["videos"])
    relative = PurePosixPath(clip["video"])
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError(f"{clip['video']} leads out of the folder of videos")
    path = (videos.parent if videos.is_file() else videos) / relative
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        shown = [p.pts for p in container.demux(stream) if p.size and p.pts is not None and not p.is_discard]
    ticks = np.unique(shown)
    wanted = {int(ticks[number]): row for row, number in enumerate(clip["frames"])}
    images: list[np.ndarray | None] = [None] * len(wanted)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        container.seek(min(wanted), stream=stream, backward=True)
        left = set(wanted)
        for frame in container.decode(stream):
            if frame.pts in left:
                image = frame.to_ndarray(format="rgb24")
                images[wanted[frame.pts]] = np.ascontiguousarray(np.rot90(image, round(frame.rotation / 90) % 4))
                left.discard(frame.pts)
            if not left:
                break
    if left:
        raise ValueError(f"{path}: {len(left)} frames do not decode")
    if tuple(clip["size"]) != images[0].shape[1::-1]:
        raise ValueError(f"{path} is {images[0].shape[1::-1]} pixels large, and the clip {tuple(clip['size'])}")
    return images


def _due(arguments: argparse.Namespace, results: Path) -> Iterator[dict]:
    """The clips of this shard that have no result of their present frames, and have not failed before."""
    shard, _, shards = arguments.shard.partition("/")
    folders = sorted(path.parent for path in (arguments.out / "clips").glob("*/clip.json"))
    for folder in folders[int(shard) :: int(shards)]:
        try:
            clip = _read(folder / "clip.json")
            wanted = [clip["frames"], clip["size"]]
        except (OSError, ValueError, KeyError) as error:
            print(f"{folder.name}: {error}", file=sys.stderr)
            continue
        if (folder / "failed.json").exists() and not (folder / "segments.parquet").exists():
            continue
        if arguments.again or _done(results / f"{clip['id']}.npz") != wanted:
            yield clip


def _done(path: Path) -> list | None:
    """Frames and size that a result is of; None where there is none that can be read."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
        return [about["frames"], about["size"]]
    except Exception:
        return None


def _read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))
