"""From shards to the finished folder: a balanced selection, Parquet, videos, tracks, what was dropped, and a card.

Rows are streamed from shard to table; only what balancing looks at is held for the whole set.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from st_vlm import __version__
from st_vlm.building.plan import RESULT, Plan, WorkFolder
from st_vlm.building.selecting import Shard, read_shards, select
from st_vlm.building.settings import BALANCE_FILE, BUILD_FILE, DROPPED_FILE, METADATA_FILE, SPLITS, BuildSettings
from st_vlm.building.shard import CLIPS, DROPPED_SCHEMA, ROWS_FILE, TRACKS_FILE
from st_vlm.building.tables import CARD_FILE, NO_VIDEO, card_of, open_tables
from st_vlm.questions.clips import file_name
from st_vlm.questions.forms import ALL_TASKS
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings.drops import RULES

ROW_GROUP_ROWS = 256


@dataclass(frozen=True)
class Assembled:
    """What the finished folder holds.

    Attributes:
        counts: Rows by split and task.
        clips: Number of clips.
        dropped: Rule -> number of objects and of stretches of time that it left out.
        tracks: Number of annotated objects in all recordings, one with a question or not.
        asked: Number of objects in some question's clip.
        domains: Of the recordings.
        balance: How it was balanced, and what guessing would score (`selecting.Selection`).
    """

    counts: dict[str, dict[str, int]]
    clips: int
    dropped: dict[str, dict[str, int]]
    tracks: int
    asked: int
    domains: frozenset[str]
    balance: dict


def assemble(work: WorkFolder, plan: Plan, settings: BuildSettings, failures: Sequence[str]) -> Assembled | None:
    """Write the finished folder to `result/` in the work folder; None where no shard has a question.

    Raises:
        InputError: The set is to be balanced in full and is too small or too one-sided for that.
    """
    shards = read_shards(work, plan)
    selection = select(shards, settings)
    chosen = selection.rows
    if not any(map(len, chosen)):
        return None
    result = work.path / RESULT
    shutil.rmtree(result, ignore_errors=True)
    result.mkdir()
    counts, marked, clips = {}, set(), 0
    for split in SPLITS:
        members = [(shard, rows) for shard, rows in zip(shards, chosen, strict=True) if shard.split == split]
        written = _write_split(result / split, members, settings.video)
        if written is not None:
            counts[split] = written.counts
            marked |= written.marked
            clips += written.clips
    used = [shard for shard, rows in zip(shards, chosen, strict=True) if len(rows)]
    first = {shard.recording: shard for shard in reversed(shards)}
    (result / "tracks").mkdir()
    for recording in dict.fromkeys(shard.recording for shard in used):
        _link(first[recording].path / TRACKS_FILE, result / "tracks" / f"{file_name(recording)}.parquet")
    dropped = _write_dropped(result / DROPPED_FILE, shards)
    tracks = sum(shard.tracks for shard in first.values())
    domains = frozenset(shard.domain for shard in shards)
    done = Assembled(counts, clips, dropped, tracks, len(marked), domains, selection.report)
    (result / BALANCE_FILE).write_text(json.dumps(selection.report, indent=2) + "\n", encoding="utf-8")
    _write_about(result, done, settings, failures)
    return done


@dataclass(frozen=True)
class _Split:
    counts: dict[str, int]
    clips: int
    marked: frozenset[tuple[str, str]]


def _write_split(folder: Path, members: Sequence[tuple[Shard, np.ndarray]], video: bool) -> _Split | None:
    """Write the table and the clips of one split; None where it has no row."""
    members = [(shard, rows) for shard, rows in members if len(rows)]
    if not members:
        return None
    folder.mkdir()
    if video:
        (folder / CLIPS).mkdir()
        schema = ROW_SCHEMA.insert(0, pa.field("file_name", pa.string()))
    else:
        schema = ROW_SCHEMA.insert(0, NO_VIDEO)
    counts: Counter[str] = Counter()
    marked, clips = set(), 0
    with pq.ParquetWriter(folder / METADATA_FILE, schema) as writer:
        for table in _batches(members):
            counts.update(table["task"].to_pylist())
            ids = table["clip_id"].to_pylist()
            for recording, marks in zip(table["recording"].to_pylist(), table["marks"].to_pylist(), strict=True):
                marked.update((recording, mark["track_id"]) for mark in marks)
            clips += len(set(ids))
            first = pa.array([f"{CLIPS}/{clip}.mp4" for clip in ids]) if video else pa.nulls(len(ids), NO_VIDEO.type)
            writer.write_table(table.add_column(0, schema.field(0), first))
    if video:
        for shard, rows in members:
            ids = pq.read_table(shard.path / ROWS_FILE, columns=["clip_id"])["clip_id"].take(rows)
            for clip in ids.unique().to_pylist():
                _link(shard.path / CLIPS / f"{clip}.mp4", folder / CLIPS / f"{clip}.mp4")
    return _Split({task: counts[task] for task in ALL_TASKS if counts[task]}, clips, frozenset(marked))


def _batches(members: Sequence[tuple[Shard, np.ndarray]]) -> Iterator[pa.Table]:
    """The chosen rows of whole shards, joined to tables of some hundred rows: a row group each."""
    waiting: list[pa.Table] = []
    for shard, rows in members:
        waiting.append(pq.read_table(shard.path / ROWS_FILE).take(rows))
        if sum(map(len, waiting)) >= ROW_GROUP_ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def _write_dropped(path: Path, shards: Sequence[Shard]) -> dict[str, dict[str, int]]:
    """Write what was dropped, a recording's tracks once whatever its cameras, and count it by rule."""
    tracks: Counter[str] = Counter()
    spans: Counter[str] = Counter()
    with pq.ParquetWriter(path, DROPPED_SCHEMA) as writer:
        for _, group in groupby(shards, key=lambda shard: shard.recording):
            tables = [pq.read_table(shard.path / DROPPED_FILE) for shard in group]
            by_camera = [table.filter(pc.is_valid(table["camera"])) for table in tables[1:]]
            table = pa.concat_tables([tables[0], *by_camera]).combine_chunks()
            if not len(table):
                continue
            writer.write_table(table)
            rules = table["rule"].to_pylist()
            spans.update(rules)
            tracks.update(rule for rule, _ in set(zip(rules, table["track_id"].to_pylist(), strict=True)))
    return {rule: {"tracks": tracks[rule], "spans": spans[rule]} for rule in RULES if spans[rule]}


def count_dropped(shards: Sequence[Path]) -> dict[str, dict[str, int]]:
    """Stretches of time by the rule that left them out, in shards' folders that will not be assembled."""
    spans: Counter[str] = Counter()
    for shard in shards:
        spans.update(pq.read_table(shard / DROPPED_FILE, columns=["rule"])["rule"].to_pylist())
    return {rule: {"spans": spans[rule]} for rule in RULES if spans[rule]}


def _write_about(result: Path, done: Assembled, settings: BuildSettings, failures: Sequence[str]) -> None:
    """Write the build's own note and the card."""
    about = {
        "version": __version__,
        "source": settings.source,
        "seed": settings.seed,
        # Of a source that reads no files: recordings can be made again from these, and no path is told.
        **({"source_options": settings.source_options} if settings.path is None else {}),
        "video": settings.video,
        "rows": done.counts,
        "tracks": done.tracks,
        "tracks_asked": done.asked,
        "dropped": done.dropped,
        "failures": len(failures),
    }
    (result / BUILD_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    (result / CARD_FILE).write_text(card_of(open_tables(result), settings.source), encoding="utf-8")


def _link(source: Path, target: Path) -> None:
    """A hard link, so that the shard stays whole until the result is; a copy where links cannot be made."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
