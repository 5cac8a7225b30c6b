"""The folder of a control variant: one split, of the form that the build writes, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from tqdm import tqdm

from st_vlm.building.build import free_folder
from st_vlm.building.settings import BUILD_FILE, DROPPED_FILE, METADATA_FILE
from st_vlm.building.shard import CLIPS, DROPPED_SCHEMA
from st_vlm.building.tables import CARD_FILE, FILE_NAME, NO_VIDEO, Tables, card_of, open_tables, unreadable
from st_vlm.building.worker import die_with_parent, without_main_module
from st_vlm.errors import InputError
from st_vlm.evaluation.controls.batches import NEEDED, Batch, Order, Origin, Part, begin, make_batch
from st_vlm.evaluation.controls.change import REASONS, Control
from st_vlm.evaluation.controls.doubling import SourceFrames
from st_vlm.evaluation.controls.geometry import pivot_ns
from st_vlm.evaluation.controls.stored import TRACKS, read_recording, write_recording
from st_vlm.evaluation.controls.variants import control_named
from st_vlm.questions.forms import ALL_TASKS
from st_vlm.questions.rows import ROW_SCHEMA, to_table
from st_vlm.recordings import open_recordings
from st_vlm.recordings.drops import RULES

ROW_GROUP_ROWS = 256


@dataclass(frozen=True)
class ControlReport:
    """What came out of a control.

    Attributes:
        split: Which one it is of.
        counts: Questions by task.
        of: Questions of the split it was made from, by task.
        left_out: Questions that are not in it, by reason (`REASONS`).
        failures: A sentence for every clip that could not be used.
        lost: Number of their questions.
    """

    split: str
    counts: dict[str, int]
    of: dict[str, int]
    left_out: dict[str, int]
    failures: tuple[str, ...]
    lost: int


def make_control(
    folder: str | os.PathLike,
    name: str,
    out: str | os.PathLike,
    split: str | None = None,
    num_proc: int = 1,
    origin: Origin | None = None,
) -> ControlReport:
    """Write a control variant of one split of a built folder as a folder of its own.

    Question and clip ids stay, so that answers can be paired with those to the original.

    Args:
        folder: What `st-vlm build` wrote.
        name: Of the control (`CONTROLS`).
        out: The folder to write; it must not exist yet, or be empty.
        split: By default `test`, or the only one there is.
        num_proc: Worker processes; the bytes do not depend on it.
        origin: The recordings, for `double_frame_rate`; simulated ones are known from the folder's note.

    Raises:
        InputError: An unknown control or split, a folder that cannot be read or is a variant already, an `out` that
            holds something, recordings that are needed and not given, or no question that is left.
    """
    control = control_named(name)
    tables = open_tables(folder)
    split = _split(tables, split)
    _check(tables, split)
    out = free_folder(out)
    origin = _origin(tables, control, origin)
    temporary = out.with_name(f".{out.name}.{socket.gethostname()}.{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / split).mkdir(parents=True)
    try:
        if control.video:
            (temporary / split / CLIPS).mkdir()
        order = Order(tables.file(split), tables.path, temporary / split / CLIPS, name, _seed(tables), origin)
        report = _write_rows(temporary, tables, order, split, control, num_proc)
        _write_world(temporary, tables, split, control)
        _write_note(temporary, tables, report, control)
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return report


def split_sha256(file: Path) -> str:
    """SHA-256 of a split's table: what a variant is tied to."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _split(tables: Tables, split: str | None) -> str:
    there = ", ".join(tables.splits)
    if split is not None and split not in tables.splits:
        raise InputError(f"{tables.path} has no split {split!r}: it has {there}.")
    if split is None and "test" not in tables.splits and len(tables.splits) > 1:
        raise InputError(f"{tables.path} has no test split: choose one of {there} with --split.")
    return split or ("test" if "test" in tables.splits else tables.splits[0])


def _check(tables: Tables, split: str) -> None:
    if "control" in tables.about:
        raise InputError(
            f"{tables.path} is the control variant {tables.about['control']!r} already: give the folder it is made of."
        )
    there = tables.schema(split)
    for name in NEEDED:
        if name not in there.names:
            raise InputError(f"{tables.file(split)} has no column {name}: build the folder again.")


def _seed(tables: Tables) -> int:
    seed = tables.about.get("seed")
    if not isinstance(seed, int):
        raise InputError(f"{tables.path / BUILD_FILE} has no whole number `seed`: build the folder again.")
    return seed


def _origin(tables: Tables, control: Control, given: Origin | None) -> Origin | None:
    """Where to read the recordings, opened once so that a wrong path is refused before anything is written."""
    if control.change is not SourceFrames.needed:
        return None
    options = tables.about.get("source_options")
    if given is None and isinstance(options, dict):
        given = Origin(str(tables.about.get("source")), None, options)
    if given is None:
        raise InputError(
            f"{control.name} needs the recordings that {tables.path} was built from: say where they are with --data."
        )
    open_recordings(given.source, given.path, **given.options)
    return given


def _write_rows(
    temporary: Path, tables: Tables, order: Order, split: str, control: Control, num_proc: int
) -> ControlReport:
    field = FILE_NAME if control.video else NO_VIDEO
    schema = ROW_SCHEMA.insert(0, field)
    found, left, failures, lost = Counter(), Counter(), [], 0
    waiting: list[dict] = []
    with pq.ParquetWriter(temporary / split / METADATA_FILE, schema) as writer:
        for part in _parts(order, _batches(tables.file(split)), num_proc):
            waiting += part.rows
            found.update(row["task"] for row in part.rows)
            left.update(part.left_out)
            failures += part.failures
            lost += part.lost
            if len(waiting) >= ROW_GROUP_ROWS:
                writer.write_table(to_table(waiting, schema))
                waiting = []
        if waiting:
            writer.write_table(to_table(waiting, schema))
    left_out = {reason: left[reason] for reason in REASONS if left[reason]}
    if not found:
        why = [f"{count} because {REASONS[reason]}" for reason, count in left_out.items()] + failures[:1]
        raise InputError(f"No question of {tables.path} can be asked with {control.name}. Left out: {'; '.join(why)}.")
    of = Counter(tables.read(split, ["task"])["task"].to_pylist())
    counts = {task: found[task] for task in ALL_TASKS if found[task]}
    return ControlReport(
        split, counts, {task: of[task] for task in ALL_TASKS if of[task]}, left_out, tuple(failures), lost
    )


def _batches(table: Path) -> list[Batch]:
    """The rows of a table by row group and recording."""
    batches = []
    try:
        with pq.ParquetFile(table) as file:
            for group in range(file.num_row_groups):
                first = 0
                names = file.read_row_group(group, columns=["recording"])["recording"].to_pylist()
                for _, rows in groupby(names):
                    end = first + len(list(rows))
                    batches.append(Batch(group, first, end))
                    first = end
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(table, error) from None
    return batches


def _parts(order: Order, batches: list[Batch], num_proc: int) -> Iterator[Part]:
    """What the batches give, in their order."""
    bar = tqdm(total=len(batches), desc=order.control, unit="recording", disable=None)
    workers = min(num_proc, len(batches))
    with bar:
        if workers <= 1:
            begin(order)
            for batch in batches:
                yield make_batch(batch)
                bar.update()
            return
        pool = ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=_begin_worker, initargs=(order,)
        )
        try:
            with without_main_module():
                results = pool.map(make_batch, batches)
            for part in results:
                yield part
                bar.update()
        except BrokenProcessPool:
            raise InputError(
                "A worker process was killed, perhaps for want of memory: try again with a smaller --num-proc."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin_worker(order: Order) -> None:
    die_with_parent()
    begin(order)


def _write_world(temporary: Path, tables: Tables, split: str, control: Control) -> None:
    """The tracks of the recordings that are asked about, and what was dropped of them, changed as the clips are."""
    (temporary / TRACKS).mkdir()
    table = pq.read_table(
        temporary / split / METADATA_FILE, columns=["recording", "source", "licence", "domain"]
    ).to_pylist()
    one_of_each = {row["recording"]: row for row in table}
    pivots = {}
    for name, row in one_of_each.items():
        stored = read_recording(tables.path, row)
        pivots[name] = pivot_ns(stored)
        write_recording(temporary, control.world(stored))
    try:
        dropped = pq.read_table(tables.path / DROPPED_FILE).cast(DROPPED_SCHEMA)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(tables.path / DROPPED_FILE, error) from None
    dropped = dropped.filter(pc.is_in(dropped["recording"], pa.array(list(one_of_each), pa.string())))
    if control.name == "time_reversed":
        dropped = pa.Table.from_pylist([_reversed_drop(row, pivots) for row in dropped.to_pylist()], DROPPED_SCHEMA)
    pq.write_table(dropped, temporary / DROPPED_FILE)


def _reversed_drop(row: dict, pivots: dict[str, int]) -> dict:
    pivot = pivots[row["recording"]]
    return {**row, "start_ns": pivot - row["end_ns"], "end_ns": pivot - row["start_ns"]}


def _write_note(temporary: Path, tables: Tables, report: ControlReport, control: Control) -> None:
    """`stkit.json` and the card."""
    split = report.split
    rows = pq.read_table(temporary / split / METADATA_FILE, columns=["recording", "marks"]).to_pylist()
    marked = {(row["recording"], mark["track_id"]) for row in rows for mark in row["marks"]}
    files = sorted((temporary / TRACKS).iterdir())
    tracks = sum(len(pc.unique(pq.read_table(file, columns=["track_id"])["track_id"])) for file in files)
    dropped = pq.read_table(temporary / DROPPED_FILE, columns=["recording", "track_id", "rule"]).to_pylist()
    spans = Counter(row["rule"] for row in dropped)
    objects = Counter(rule for rule, _, _ in {(row["rule"], row["recording"], row["track_id"]) for row in dropped})
    about = {
        **tables.about,
        "control": control.name,
        "made_of": split_sha256(tables.file(split)),
        "left_out": report.left_out,
        "video": control.video,
        "rows": {split: report.counts},
        "tracks": tracks,
        "tracks_asked": len(marked),
        "dropped": {rule: {"tracks": objects[rule], "spans": spans[rule]} for rule in RULES if spans[rule]},
        "failures": len(report.failures),
    }
    (temporary / BUILD_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    card = card_of(open_tables(temporary), tables.about.get("source"))
    told = f"\n**Control variant `{control.name}`.** {control.about}\n"
    (temporary / CARD_FILE).write_text(card.replace("\n```python\n", f"{told}\n```python\n", 1), encoding="utf-8")
