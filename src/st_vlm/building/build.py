"""The whole build: a shard a recording and camera, a balanced selection over all of them, one folder at the end.

Everything is written beside the wanted folder under a temporary name; the folder appears complete or not at all.
Killed and started again with the same settings, the build keeps the shards that are there and ends with the same
bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from st_vlm import __version__
from st_vlm.building.card import dataset_card
from st_vlm.building.code import code_hash
from st_vlm.building.shard import write_shard
from st_vlm.errors import InputError
from st_vlm.questions.answers import TASKS, task_form
from st_vlm.questions.clips import file_name
from st_vlm.questions.rows import ROW_SCHEMA, to_table
from st_vlm.questions.selection import Traits, balanced
from st_vlm.recordings import open_recordings

logger = logging.getLogger(__name__)

BUILD_FILE = "stkit.json"
METADATA_FILE = "metadata.parquet"
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class BuildSettings:
    """What a build depends on: the same settings over the same files give the same bytes.

    Attributes:
        source, path, source_options: As for `open_recordings`.
        seed: Of clips, marks, words and balancing.
        cameras: Names of the cameras to use; None: all that have images.
        tasks: Task ids.
        balance: Whether rows are dropped until the set is balanced.
    """

    source: str
    path: str | None = None
    seed: int = 0
    cameras: tuple[str, ...] | None = None
    tasks: tuple[str, ...] = tuple(TASKS)
    balance: bool = True
    source_options: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task in self.tasks:
            task_form(task)


@dataclass(frozen=True)
class BuildReport:
    """What came out of a build.

    Attributes:
        counts: Rows by split and task.
        clips: Number of clips.
        failures: A sentence for every recording that could not be used.
        without_images: Recordings that have no images, so no clips.
    """

    counts: dict[str, dict[str, int]]
    clips: int
    failures: tuple[str, ...]
    without_images: tuple[str, ...]


def build(settings: BuildSettings, out: str | os.PathLike, num_proc: int = 1) -> BuildReport:
    """Build a dataset folder that stock `datasets` loads.

    Args:
        settings: What to build.
        out: The folder; it must not exist yet, or be empty.
        num_proc: Worker processes; the bytes do not depend on it.

    Raises:
        InputError: `out` holds something, the source cannot be opened, or no recording gave a question.
    """
    out = Path(os.path.abspath(out))
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already: remove it or choose another folder.")
    source = open_recordings(settings.source, settings.path, **settings.source_options)
    jobs, without_images, failures = _jobs(source, settings)
    work = _work_folder(out, settings)
    failures += [sentence for sentence in _run(jobs, settings, work, num_proc, source) if sentence]
    shards = [work / name for name, _, _ in jobs if (work / name).is_dir()]
    rows = _select(shards, settings)
    if not rows:
        shutil.rmtree(work)
        raise InputError(_why_nothing(settings, jobs, failures, without_images))
    counts = _write(rows, work, settings, failures)
    clips = len({row["clip_id"] for _, row, _ in rows})
    if out.exists():
        out.rmdir()
    out.parent.mkdir(parents=True, exist_ok=True)
    (work / "result").rename(out)
    shutil.rmtree(work)
    return BuildReport(counts, clips, tuple(failures), tuple(without_images))


def _why_nothing(
    settings: BuildSettings, jobs: Sequence, failures: Sequence[str], without_images: Sequence[str]
) -> str:
    """The sentence for a build that gave no question."""
    place = settings.path or settings.source
    if failures:
        more = f" {len(failures) - 1} more could not be used either." if len(failures) > 1 else ""
        return f"Nothing can be asked about {place}. {failures[0]}{more}"
    if without_images and not jobs:
        return f"No recording of {place} has images (first: {without_images[0]}); questions need a video."
    return (
        f"Nothing can be asked about {place}: no object is seen for 2 s in a clip of 3 s or more and clearly moves or "
        "clearly stands."
    )


def _jobs(source, settings: BuildSettings) -> tuple[list[tuple[str, str, str]], list[str], list[str]]:
    """(shard name, recording, camera) for everything to do; the recordings without images; a sentence a bad one."""
    jobs, without_images, failures, known = [], [], [], set()
    for recording_id in source.recording_ids():
        try:
            cameras = list(source.cameras(recording_id))
        except InputError as error:
            failures.append(f"{recording_id}: {error}")
            continue
        known.update(cameras)
        if not cameras:
            without_images.append(recording_id)
        wanted = cameras if settings.cameras is None else [c for c in cameras if c in settings.cameras]
        jobs.extend((file_name(f"{recording_id}-{camera}"), recording_id, camera) for camera in wanted)
    unknown = set(settings.cameras or ()) - known
    if unknown and (known or not failures):
        raise InputError(
            f"No recording has images of the camera {min(unknown)}; there are {', '.join(sorted(known)) or 'none'}."
        )
    return jobs, without_images, failures


def _work_folder(out: Path, settings: BuildSettings) -> Path:
    """The folder beside `out` that holds the shards; one left by other settings or code is thrown away."""
    work = out.with_name(f".{out.name}.partial")
    fingerprint = json.dumps({**asdict(settings), "code": code_hash()}, sort_keys=True)
    note = work / "settings.json"
    if work.is_dir() and (not note.is_file() or note.read_text(encoding="utf-8") != fingerprint):
        logger.warning("Starting over: %s is left from a build with other settings or code.", work)
        shutil.rmtree(work)
    shutil.rmtree(work / "result", ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    note.write_text(fingerprint, encoding="utf-8")
    return work


def _run(
    jobs: Sequence[tuple[str, str, str]], settings: BuildSettings, work: Path, num_proc: int, source
) -> Iterator[str]:
    """Write the missing shards; yields a sentence for each that failed and an empty string for the others."""
    todo = [job for job in jobs if not (work / job[0]).is_dir()]
    with ExitStack() as stack:
        if num_proc > 1 and len(todo) > 1:
            # Spawned, not forked: a caller's threads (PyTorch, Arrow) would be copied into a state that can hang.
            pool = ProcessPoolExecutor(min(num_proc, len(todo)), mp_context=get_context("spawn"))
            results = stack.enter_context(pool).map(_write_in_worker, [(job, settings, work) for job in todo])
        else:
            results = (_write_one(source, job, settings, work) for job in todo)
        yield from tqdm(results, total=len(todo), desc="Recordings", unit="camera", disable=None)


# A worker's own source, opened once: it lives as long as the worker, so for one build.
_opened: list = []


def _write_in_worker(task: tuple[tuple[str, str, str], BuildSettings, Path]) -> str:
    job, settings, work = task
    if not _opened:
        _opened.append(open_recordings(settings.source, settings.path, **settings.source_options))
    return _write_one(_opened[0], job, settings, work)


def _write_one(source, job: tuple[str, str, str], settings: BuildSettings, work: Path) -> str:
    name, recording_id, camera = job
    try:
        recording = source.read(recording_id, camera)
        write_shard(recording, work / name, settings.seed, settings.tasks)
    except InputError as error:
        return f"{recording_id} ({camera}): {error}"
    return ""


def _select(shards: Sequence[Path], settings: BuildSettings) -> list[tuple[Path, dict, str]]:
    """(shard, row, split) for every row that stays, balanced within each split."""
    rows, traits = [], []
    for shard in shards:
        for entry in json.loads((shard / "rows.json").read_text(encoding="utf-8")):
            rows.append((shard, entry["row"], entry["split"]))
            traits.append(Traits(**entry["traits"]))
    if not settings.balance:
        return rows
    kept = []
    for number, split in enumerate(SPLITS):
        members = [k for k, (_, _, s) in enumerate(rows) if s == split]
        rng = np.random.default_rng([settings.seed, number])
        kept.extend(rows[members[k]] for k in balanced([traits[m] for m in members], rng))
    return kept


def _write(
    rows: Sequence[tuple[Path, dict, str]], work: Path, settings: BuildSettings, failures: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Write the folder's content to `work/result`; returns the counts by split and task."""
    result = work / "result"
    counts: dict[str, dict[str, int]] = {}
    schema = ROW_SCHEMA.insert(0, ROW_SCHEMA.field("id").with_name("file_name"))
    for split in SPLITS:
        members = [(shard, row) for shard, row, s in rows if s == split]
        if not members:
            continue
        (result / split / "clips").mkdir(parents=True)
        for shard, clip in dict.fromkeys((shard, row["clip_id"]) for shard, row in members):
            _link(shard / "clips" / f"{clip}.mp4", result / split / "clips" / f"{clip}.mp4")
        columns = [{"file_name": f"clips/{row['clip_id']}.mp4", **row} for _, row in members]
        pq.write_table(to_table(columns, schema), result / split / METADATA_FILE)
        found = Counter(row["task"] for row in columns)
        counts[split] = {task: found[task] for task in TASKS if found[task]}
    (result / "tracks").mkdir()
    for shard in dict.fromkeys(shard for shard, _, _ in rows):
        _link(shard / "tracks.parquet", result / "tracks" / f"{shard.name}.parquet")
    tables = [(result / split / METADATA_FILE).read_bytes() for split in counts]
    facts = {
        "source": settings.source,
        "sha256": hashlib.sha256(b"".join(tables)).hexdigest(),
        "version": __version__,
        "seed": settings.seed,
        "licences": ", ".join(sorted({row["licence"] for _, row, _ in rows})),
        "left_out": f"Could not be used: {len(failures)} (recording and camera)." if failures else "",
    }
    (result / "README.md").write_text(dataset_card(counts, facts), encoding="utf-8")
    about = {"version": __version__, "source": settings.source, "seed": settings.seed, "rows": counts}
    (result / BUILD_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    return counts


def _link(source: Path, target: Path) -> None:
    """A hard link, so that the shard stays whole until the result is; a copy where links cannot be made."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
