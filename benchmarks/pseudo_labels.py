"""Pseudo-labels: from a clip's cached stage files (masks, depth, poses) to questions, on one core.

    python benchmarks/pseudo_labels.py [--clips 5] [--seed 0]

Clips are simulated, 40 frames with depth 320 px wide and ten objects each, with the noise `bar`. Each is read from
its files, lifted, written, and asked about with all its expected errors. Decoding the clip's frames, camera poses from
images and an annotated video are timed apart. Times are the process's own, one thread.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from _timing import table

from st_vlm.building.shard import interview
from st_vlm.pseudo_labels.calibration.noise import NOISES, noisy_depth, noisy_poses
from st_vlm.pseudo_labels.calibration.truth import TrueClip, true_clip
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry, read_geometry, write_geometry
from st_vlm.pseudo_labels.files import (
    CLIP_FILE,
    CLIPS,
    GEOMETRY_FILE,
    RUN_FILE,
    SEGMENTS_FILE,
    TRACKS_FILE,
    write_json,
)
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.odometry import camera_poses
from st_vlm.pseudo_labels.lift_stage import lift
from st_vlm.pseudo_labels.lifted_tracks import write_tracks
from st_vlm.pseudo_labels.measuring.measurement import measure as measure_objects
from st_vlm.pseudo_labels.measuring.video import MeasuredClip, write_pictures
from st_vlm.pseudo_labels.segments import Segments, encode_mask, read_segments, write_segments
from st_vlm.pseudo_labels.source import PseudoLabelled
from st_vlm.questions.forms import TASKS
from st_vlm.recordings import open_recordings
from st_vlm.recordings.categories import noun
from st_vlm.video.encoding import write_video

SIZE = (320, 184)
MOST_SCENES = 40
ROUNDS = 3


def busiest(count: int, seed: int) -> list[TrueClip]:
    """The simulated clips that show most objects, cut to ten."""
    source = open_recordings("simulated", seed=seed, num_recordings=MOST_SCENES, image_size=SIZE)
    tracks = {name: len(source.read(name).tracks) for name in source.recording_ids()}
    chosen = sorted(tracks, key=lambda name: -tracks[name])[:count]
    return [true_clip(source.read(name, "camera")) for name in chosen]


def write_stage_files(truth: TrueClip, out: Path, seed: int) -> Clip:
    """What the stages before lifting would have left of a clip."""
    name = truth.recording.id
    numbers = np.searchsorted(truth.recording.frames.times_ns, truth.times_ns)
    video = out / "videos" / f"{name}.mp4"
    write_video(video, (truth.recording.frames.read(int(k)) for k in numbers), truth.times_s.tolist())
    count = len(numbers)
    times = tuple(int(t) for t in truth.times_ns - truth.times_ns[0])
    clip = Clip(name, video.name, tuple(range(count)), times, SIZE, 0, count - 1, "simulated", "CC0-1.0")
    folder = out / CLIPS / name
    folder.mkdir(parents=True)
    clip.write(folder / CLIP_FILE)
    write_segments(segments_of(truth), folder / SEGMENTS_FILE)
    noise, seeds = NOISES["bar"], (seed, 0)
    depth, poses = noisy_depth(truth.depth, noise, seeds), noisy_poses(truth.poses, noise, seeds)
    lens = truth.recording.camera.intrinsics
    write_geometry(ClipGeometry(lens, SIZE, poses, depth.astype(np.float32)), folder / GEOMETRY_FILE)
    return clip


def segments_of(truth: TrueClip) -> Segments:
    """The true masks."""
    categories = tuple(noun(track.category) for track in truth.recording.tracks)
    boxes, masks = np.full((len(categories), len(truth.labels), 4), np.nan), {}
    for t, image in enumerate(truth.labels):
        for k in np.unique(image[image >= 0]).tolist():
            rows, columns = np.nonzero(image == k)
            boxes[k, t] = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            masks[k, t] = encode_mask(image == k)
    return Segments(categories, boxes, np.where(np.isfinite(boxes[..., 0]), 1.0, np.nan), SIZE, SIZE, masks)


def timed(work: Callable[[], object]) -> float:
    """Least of a few rounds, in the process's own seconds."""
    seconds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        (out / "videos").mkdir()
        truths = busiest(wanted.clips, wanted.seed)
        clips = [write_stage_files(truth, out, wanted.seed) for truth in truths]
        write_json(out / RUN_FILE, {"videos": str(out / "videos")})
        rows = [measure(clip, truth, out) for clip, truth in zip(clips, truths, strict=True)]
    columns = list(rows[0])
    means = {name: statistics.mean(row[name] for row in rows) for name in columns}
    print(table(["", *columns], [["mean", *(f"{means[name]:.2f}" for name in columns)]]))
    whole = [row["whole way"] for row in rows]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"whole way: {min(whole):.2f} to {max(whole):.2f} s a clip; peak memory {peak:.2f} GiB")


def follow_camera(truth: TrueClip) -> Callable[[], object]:
    """Odometry on the clip's exact depth, through all the images between its own frames."""
    frames = truth.recording.frames
    stops = np.searchsorted(frames.times_ns, truth.times_ns)
    images = [frames.read(k) for k in range(stops[0], stops[-1] + 1)]
    lens, moving = truth.recording.camera.intrinsics, truth.labels >= 0
    return lambda: camera_poses(iter(images), stops - stops[0], truth.depth, lens, moving, truth.times_s)


def measure(clip: Clip, truth: TrueClip, out: Path) -> dict[str, float]:
    """Seconds of each part for one clip, and how many objects it has."""
    folder = out / CLIPS / clip.id
    segments, geometry = read_segments(folder / SEGMENTS_FILE), read_geometry(folder / GEOMETRY_FILE)
    lifted = lift(clip, segments, geometry)
    write_tracks(lifted, folder / TRACKS_FILE)
    source = PseudoLabelled(out)
    recording = source.read(clip.id, "camera")
    asked = interview(recording, 0, tuple(TASKS))
    frames = ClipFrames(clip, out / "videos")
    parts = {
        "read": timed(lambda: (read_segments(folder / SEGMENTS_FILE), read_geometry(folder / GEOMETRY_FILE))),
        "lift": timed(lambda: lift(clip, segments, geometry)),
        "write": timed(lambda: write_tracks(lifted, folder / TRACKS_FILE)),
        "ask": timed(lambda: interview(source.read(clip.id, "camera"), 0, tuple(TASKS)).rows()),
    }
    without = replace(recording, error_bound=None)
    measured = MeasuredClip(clip, tuple(measure_objects(clip, lifted)), lifted)
    return {
        "objects": int(segments.seen.any(axis=1).sum()),
        "questions": len(asked.asked),
        "whole way": sum(parts.values()),
        **parts,
        "of asking: expected errors": parts["ask"] - timed(lambda: interview(without, 0, tuple(TASKS)).rows()),
        "apart: decoding": timed(lambda: list(frames.images())),
        "apart: camera poses": timed(follow_camera(truth)),
        "apart: annotated video": timed(lambda: write_pictures(measured, frames, out)),
    }


if __name__ == "__main__":
    main()
