"""The whole build: a shard a recording and camera, a balanced selection over all of them, one folder at the end.

Everything is written beside the wanted folder under a temporary name; the folder appears complete or not at all. Killed
and started again with the same settings, the build keeps the shards that are there and ends with the same bytes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from tqdm import tqdm

from st_vlm import __version__
from st_vlm.building.card import dataset_card
from st_vlm.building.shard import write_shard
from st_vlm.errors import InputError
from st_vlm.questions.answers import TASKS, task_form
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
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists already: remove it or choose another folder.")
    source = open_recordings(settings.source, settings.path, **settings.source_options)
    jobs, without_images = _jobs(source, settings)
    work = _work_folder(out, settings)
    failures = [sentence for sentence in _run(jobs, settings, work, num_proc) if sentence]
    shards = [work / name for name, _, _ in jobs if (work / name).is_dir()]
    rows = _select(shards, settings)
    if not rows:
        shutil.rmtree(work)
        if without_images and not jobs:
            failures.append(
                f"No recording of {settings.path} has images (first: {without_images[0]}); questions need a video."
            )
        raise InputError(" ".join(failures) or f"No question can be asked about {settings.path or settings.source}.")
    counts = _write(rows, work, settings, failures)
    clips = len({row["clip_id"] for _, row, _ in rows})
    if out.exists():
        out.rmdir()
    out.parent.mkdir(parents=True, exist_ok=True)
    (work / "result").rename(out)
    shutil.rmtree(work)
    return BuildReport(counts, clips, tuple(failures), tuple(without_images))


def _jobs(source, settings: BuildSettings) -> tuple[list[tuple[str, str, str]], list[str]]:
    """(shard name, recording, camera) for everything to do, and the recordings without images."""
    jobs, without_images, known = [], [], set()
    for recording_id in source.recording_ids():
        cameras = list(source.cameras(recording_id))
        known.update(cameras)
        if not cameras:
            without_images.append(recording_id)
        wanted = cameras if settings.cameras is None else [c for c in cameras if c in settings.cameras]
        jobs.extend((f"{recording_id}-{camera}", recording_id, camera) for camera in wanted)
    if settings.cameras is not None and (unknown := set(settings.cameras) - known):
        raise InputError(
            f"No recording has images of the camera {min(unknown)}; there are {', '.join(sorted(known)) or 'none'}."
        )
    return jobs, without_images


def _work_folder(out: Path, settings: BuildSettings) -> Path:
    """The folder beside `out` that holds the shards; one left by a build with other settings is thrown away."""
    work = out.with_name(f".{out.name}.partial")
    fingerprint = json.dumps({**asdict(settings), "version": __version__}, sort_keys=True)
    note = work / "settings.json"
    if work.is_dir() and (not note.is_file() or note.read_text(encoding="utf-8") != fingerprint):
        logger.warning("Starting over: %s is left from a build with other settings.", work)
        shutil.rmtree(work)
    shutil.rmtree(work / "result", ignore_errors=True)
    work.mkdir(parents=True, exist_ok=True)
    note.write_text(fingerprint, encoding="utf-8")
    return work


def _run(jobs: Sequence[tuple[str, str, str]], settings: BuildSettings, work: Path, num_proc: int) -> Iterator[str]:
    """Write the missing shards; yields a sentence for each that failed and an empty string for the others."""
    todo = [job for job in jobs if not (work / job[0]).is_dir()]
    # Spawned, not forked: a caller's threads (PyTorch, Arrow) would be copied into a state that can hang.
    pool = (
        ProcessPoolExecutor(num_proc, mp_context=get_context("spawn"))
        if num_proc > 1 and len(todo) > 1
        else nullcontext()
    )
    with pool as workers:
        tasks = [(job, settings, work) for job in todo]
        results = map(_write_one, tasks) if workers is None else workers.map(_write_one, tasks)
        yield from tqdm(results, total=len(todo), desc="Recordings", unit="camera", disable=None)


_opened: dict[str, object] = {}


def _write_one(task: tuple[tuple[str, str, str], BuildSettings, Path]) -> str:
    (name, recording_id, camera), settings, work = task
    key = json.dumps(asdict(settings), sort_keys=True)
    try:
        if key not in _opened:
            _opened.clear()
            _opened[key] = open_recordings(settings.source, settings.path, **settings.source_options)
        recording = _opened[key].read(recording_id, camera)
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
    facts = {
        "source": settings.source,
        "version": __version__,
        "seed": settings.seed,
        "licences": ", ".join(sorted({row["licence"] for _, row, _ in rows})),
        "left_out": f"{len(failures)} recordings could not be used." if failures else "",
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
