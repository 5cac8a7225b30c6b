"""One recording seen by one camera becomes a shard: its clips' videos, its candidate rows and its tracks on disk.

A shard is written to a temporary folder and renamed, so it is there whole or not at all; a build that was killed goes
on with the shards that are missing.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import socket
from collections import Counter, OrderedDict
from collections.abc import Sequence, Set
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.building.settings import DROPPED_FILE
from st_vlm.errors import InputError
from st_vlm.questions.asking import ALL_CANDIDATES
from st_vlm.questions.clips import Clip, cut_clips
from st_vlm.questions.expected_error import expected_errors
from st_vlm.questions.rows import ROW_SCHEMA, clip_columns, clip_timestamps, question_columns, to_table
from st_vlm.questions.selection import Ask, Asked, ask_of, without_repeats
from st_vlm.recordings import Recording
from st_vlm.recordings.drops import TRACK_RULES, Drop
from st_vlm.recordings.quality import assess
from st_vlm.video.encoding import Fitter, fit_size, write_video

MOST_PIXELS_A_SIDE = 800
# Clips of a recording overlap and are written in the order of their starts: two of the longest fit.
FRAMES_KEPT = 80

ROWS_FILE = "rows.parquet"
TRACKS_FILE = "tracks.parquet"
ABOUT_FILE = "shard.json"
CLIPS = "clips"

TRACK_SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("track_id", pa.string()),
        ("category", pa.string()),
        ("time_ns", pa.int64()),
        ("centre", pa.list_(pa.float64(), 3)),
        ("size", pa.list_(pa.float64(), 3)),
        ("rotation", pa.list_(pa.float64(), 9)),
    ]
)

DROPPED_SCHEMA = pa.schema(
    [
        ("recording", pa.string()),
        ("camera", pa.string()),
        ("track_id", pa.string()),
        ("category", pa.string()),
        ("rule", pa.string()),
        ("start_ns", pa.int64()),
        ("end_ns", pa.int64()),
        ("detail", pa.string()),
    ]
)


@dataclass(frozen=True, eq=False)
class Interview:
    """What can be asked about one recording seen by one camera.

    Attributes:
        recording: With its camera.
        asked: Every question that could be asked, without repeats; those on one clip stand together.
        drops: What was left out and why.
        seed: From which clips, marks and words were drawn.
        expected_errors: Of each question's answer; empty where tracks are annotated.
    """

    recording: Recording
    asked: tuple[Asked, ...]
    drops: tuple[Drop, ...]
    seed: int
    expected_errors: tuple[float, ...] = ()

    @cached_property
    def clips(self) -> tuple[Clip, ...]:
        """The clips with a question, in the order of their first."""
        return tuple(dict.fromkeys(one.clip for one in self.asked))

    @cached_property
    def video_size(self) -> tuple[int, int]:
        """Width and height in pixels at which the clips are stored."""
        return fit_size(self.recording.camera.size, MOST_PIXELS_A_SIDE)

    def rows(self) -> list[dict]:
        """The dataset rows of all questions, in their order."""
        shared = {clip.id: clip_columns(clip, self.video_size) for clip in self.clips}
        numbers: Counter[tuple[str, str]] = Counter()
        rows = []
        for clip, candidate in ((one.clip, one.candidate) for one in self.asked):
            number = numbers[clip.id, candidate.task]
            numbers[clip.id, candidate.task] += 1
            rows.append(question_columns(clip, candidate, number, self.seed) | shared[clip.id])
        for row, error in zip(rows, self.expected_errors, strict=False):
            row["quality"] = row["quality"] | {"expected_error": round(error, 4)}
        return rows

    def reversed_winners(self) -> list[bool]:
        """Of each question, whether the faster of two is behind over the whole clip, which its row does not tell."""
        return [one.candidate.reversed_winner for one in self.asked]

    def asks(self) -> list[Ask]:
        """What decides about repeats, a question each."""
        return [ask_of(one) for one in self.asked]


def interview(recording: Recording, seed: int, tasks: Sequence[str]) -> Interview:
    """Cut a recording that has a camera into clips and find all questions about them.

    Clips come in random order, so that none is favoured where questions would repeat.
    """
    quality = assess(recording)
    clips, drops = cut_clips(recording, quality, _rng(seed, recording, "clips"))
    rng = _rng(seed, recording, "questions")
    asked = []
    for clip in (clips[k] for k in rng.permutation(len(clips))):
        for task in tasks:
            asked.extend(Asked(clip, candidate) for candidate in ALL_CANDIDATES[task](clip, rng))
    found = Interview(recording, tuple(without_repeats(asked)), (*quality.drops, *drops), seed)
    return found if recording.error_bound is None else _sure_enough(found)


def _sure_enough(found: Interview) -> Interview:
    """The questions whose answers are expected to be right to within the recording's bound."""
    rows = found.rows()
    errors = expected_errors(rows, [one.candidate.answer for one in found.asked], found.recording)
    kept = [k for k, error in enumerate(errors) if error <= found.recording.error_bound]
    doubtful = [
        Drop(
            "doubtful",
            track.id,
            track.category,
            one.clip.start_ns + round(one.candidate.start_s * 1e9),
            one.clip.start_ns + round(one.candidate.end_s * 1e9),
            f"{one.candidate.task}: {100 * error:.0f} %",
        )
        for one, error in zip(found.asked, errors, strict=True)
        if error > found.recording.error_bound
        for track in [one.clip.objects[k].track for k in one.candidate.objects[:1]]
    ]
    asked = tuple(found.asked[k] for k in kept)
    drops = (*found.drops, *doubtful)
    return replace(found, asked=asked, drops=drops, expected_errors=tuple(errors[k] for k in kept))


def write_shard(
    recording: Recording,
    folder: Path,
    seed: int,
    tasks: Sequence[str],
    video: bool = True,
    questions: Sequence[str] | None = None,
) -> None:
    """Write the shard of a recording that has a camera, with all its questions or with those of the given ids.

    The folder gets `rows.parquet`, `tracks.parquet`, `dropped.parquet`, `shard.json` (the recording's split, licence,
    domain and number of tracks; `reversed_winners` and `asks`, a row each) and, with `video`, `clips/*.mp4`.

    Raises:
        InputError: An image cannot be read.
    """
    temporary = folder.with_name(f".{folder.name}.{socket.gethostname()}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        found = interview(recording, seed, tasks)
        rows = found.rows()
        stay = np.arange(len(rows))
        if questions is not None:
            wanted = set(questions)
            stay = np.array([k for k, row in enumerate(rows) if row["id"] in wanted], int)
        if video:
            write_clips(found, temporary / CLIPS, {rows[k]["clip_id"] for k in stay})
        reversed_winners, asks = found.reversed_winners(), found.asks()
        about = {
            "split": recording.split,
            "licence": recording.licence,
            "domain": recording.domain,
            "tracks": len(recording.tracks),
            "reversed_winners": [reversed_winners[k] for k in stay],
            "asks": [asdict(asks[k]) for k in stay],
        }
        pq.write_table(to_table([rows[k] for k in stay], ROW_SCHEMA), temporary / ROWS_FILE)
        pq.write_table(track_table(recording), temporary / TRACKS_FILE)
        pq.write_table(drop_table(recording, found.drops), temporary / DROPPED_FILE)
        (temporary / ABOUT_FILE).write_text(json.dumps(about), encoding="utf-8")
        try:
            temporary.rename(folder)
        except OSError as error:
            # Another machine has written the same bytes meanwhile.
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_clips(found: Interview, folder: Path, clip_ids: Set[str]) -> None:
    """Write the videos of some clips; each image is read once although clips overlap."""
    folder.mkdir(exist_ok=True)
    frames = FrameReader(found.recording, found.video_size)
    for clip in sorted(found.clips, key=lambda clip: (clip.start_ns, clip.id)):
        if clip.id in clip_ids:
            write_clip(clip, frames, folder)


def write_clip(clip: Clip, frames: FrameReader, folder: Path) -> Path:
    """Write a clip's video into a folder, whole or not at all, and return its path."""
    path = folder / f"{clip.id}.mp4"
    # As the row tells them, so that the same file can be made again from the row and the images.
    write_video(path, (frames(int(k)) for k in clip.frames), clip_timestamps(clip))
    return path


class FrameReader:
    """The frames of a recording as the encoder takes them, the last few of them kept, for clips overlap.

    Args:
        recording: With its camera and images.
        size: Width and height of the clips.
    """

    def __init__(self, recording: Recording, size: tuple[int, int]) -> None:
        self._recording, self._fit = recording, Fitter(size)
        self._kept: OrderedDict[int, av.VideoFrame] = OrderedDict()

    def __call__(self, frame: int) -> av.VideoFrame:
        if frame in self._kept:
            self._kept.move_to_end(frame)
            return self._kept[frame]
        image = self._recording.frames.read(frame)
        width, height = self._recording.camera.size
        if image.shape != (height, width, 3):
            raise InputError(
                f"Recording {self._recording.id}: frame {frame} of {self._recording.camera.name} is "
                f"{image.shape[1]}x{image.shape[0]}, but the calibration is for {width}x{height}."
            )
        self._kept[frame] = self._fit(image)
        if len(self._kept) > FRAMES_KEPT:
            self._kept.popitem(last=False)
        return self._kept[frame]


def track_table(recording: Recording) -> pa.Table:
    """Every box of the recording, a row a box, world frame, metres."""
    tracks = recording.tracks
    if not tracks:
        return TRACK_SCHEMA.empty_table()
    counts = [len(track) for track in tracks]
    stacked = {name: np.concatenate([getattr(t, name) for t in tracks]) for name in ("centres", "sizes", "rotations")}
    return pa.Table.from_arrays(
        [
            pa.array(np.repeat(recording.id, sum(counts)), pa.string()),
            pa.array(np.repeat([track.id for track in tracks], counts), pa.string()),
            pa.array(np.repeat([track.category for track in tracks], counts), pa.string()),
            pa.array(np.concatenate([track.times_ns for track in tracks]), pa.int64()),
            *(
                pa.FixedSizeListArray.from_arrays(np.asarray(values, np.float64).ravel(), values[0].size)
                for values in stacked.values()
            ),
        ],
        schema=TRACK_SCHEMA,
    )


def drop_table(recording: Recording, drops: Sequence[Drop]) -> pa.Table:
    """What was left out, a row a rule and stretch of time; track rules have no camera."""
    rows = [
        {
            "recording": recording.id,
            "camera": None if drop.rule in TRACK_RULES else recording.camera.name,
            **asdict(drop),
        }
        for drop in drops
    ]
    return pa.Table.from_pylist(rows, schema=DROPPED_SCHEMA)


def _rng(seed: int, recording: Recording, purpose: str) -> np.random.Generator:
    name = f"{seed}/{recording.source}/{recording.id}/{recording.camera.name}/{purpose}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
