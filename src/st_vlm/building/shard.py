"""One recording seen by one camera becomes a shard: its clips' videos, its candidate rows and its tracks on disk.

A shard is written to a temporary folder and renamed, so it is there whole or not at all; a build that was killed goes
on with the shards that are missing.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.errors import InputError
from st_vlm.questions.clips import Clip, cut_clips
from st_vlm.questions.rows import clip_columns, question_columns
from st_vlm.questions.selection import Asked, traits_of, without_repeats
from st_vlm.questions.tasks import TASK_CANDIDATES
from st_vlm.recordings import Recording
from st_vlm.recordings.categories import is_person
from st_vlm.video.encoding import fit_size, resize, write_video

MOST_PIXELS_A_SIDE = 800


def write_shard(recording: Recording, folder: Path, seed: int, tasks: tuple[str, ...]) -> None:
    """Write the shard of a recording that has a camera.

    The folder gets `rows.json` (a list of `{row, traits, split}`), `clips/*.mp4` and `tracks.parquet`.

    Raises:
        InputError: An image cannot be read, or the recording is too short for a clip.
    """
    temporary = folder.with_name(folder.name + ".partial")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "clips").mkdir(parents=True)
    try:
        clips = cut_clips(recording, _rng(seed, recording, "clips"))
        asked = _ask(clips, _rng(seed, recording, "questions"), tasks)
        used = list(dict.fromkeys(one.clip for one in asked))
        size = fit_size(recording.camera.size, MOST_PIXELS_A_SIDE)
        frames = _Reader(recording, size)
        for clip in used:
            write_video(
                temporary / "clips" / f"{clip.id}.mp4", (frames(int(k)) for k in clip.frames), list(clip.times_s)
            )
        (temporary / "rows.json").write_text(json.dumps(_rows(asked, size, seed)), encoding="utf-8")
        pq.write_table(_tracks(recording), temporary / "tracks.parquet")
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    temporary.rename(folder)


class _Reader:
    """The frames of a recording at the stored size, each read once although clips overlap."""

    def __init__(self, recording: Recording, size: tuple[int, int]) -> None:
        self._recording, self._size = recording, size
        self._kept: dict[int, np.ndarray] = {}

    def __call__(self, frame: int) -> np.ndarray:
        if frame not in self._kept:
            image = self._recording.frames.read(frame)
            width, height = self._recording.camera.size
            if image.shape != (height, width, 3):
                raise InputError(
                    f"Recording {self._recording.id}: frame {frame} of {self._recording.camera.name} is "
                    f"{image.shape[1]}x{image.shape[0]}, but the calibration is for {width}x{height}."
                )
            self._kept[frame] = resize(image, self._size)
        return self._kept[frame]


def _ask(clips: list[Clip], rng: np.random.Generator, tasks: tuple[str, ...]) -> list[Asked]:
    """All candidates of a recording's clips without repeats; clips in random order, so that none is favoured."""
    asked = []
    for clip in (clips[k] for k in rng.permutation(len(clips))):
        for task in tasks:
            asked.extend(Asked(clip, candidate) for candidate in TASK_CANDIDATES[task](clip, rng))
    return without_repeats(asked)


def _rows(asked: list[Asked], size: tuple[int, int], seed: int) -> list[dict]:
    shared = {one.clip.id: clip_columns(one.clip, size) for one in asked}
    numbers: Counter[tuple[str, str]] = Counter()
    rows = []
    for clip, candidate in ((one.clip, one.candidate) for one in asked):
        number = numbers[clip.id, candidate.task]
        numbers[clip.id, candidate.task] += 1
        person = is_person(clip.objects[candidate.objects[0]].track.category)
        rows.append(
            {
                "row": question_columns(clip, candidate, number, seed) | shared[clip.id],
                "traits": asdict(traits_of(candidate, person)),
                "split": clip.recording.split,
            }
        )
    return rows


def _tracks(recording: Recording) -> pa.Table:
    """Every box of the recording, a row a box, world frame, metres."""
    tracks = recording.tracks
    return pa.table(
        {
            "recording": pa.array([recording.id] * sum(map(len, tracks)), pa.string()),
            "track_id": pa.array([t.id for t in tracks for _ in range(len(t))], pa.string()),
            "category": pa.array([t.category for t in tracks for _ in range(len(t))], pa.string()),
            "time_ns": pa.array([int(ns) for t in tracks for ns in t.times_ns], pa.int64()),
            "centre": pa.array([c.tolist() for t in tracks for c in t.centres], pa.list_(pa.float64(), 3)),
            "size": pa.array([s.tolist() for t in tracks for s in t.sizes], pa.list_(pa.float64(), 3)),
            "rotation": pa.array(
                [r.reshape(9).tolist() for t in tracks for r in t.rotations], pa.list_(pa.float64(), 9)
            ),
        }
    )


def _rng(seed: int, recording: Recording, purpose: str) -> np.random.Generator:
    name = f"{seed}/{recording.source}/{recording.id}/{recording.camera.name}/{purpose}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
