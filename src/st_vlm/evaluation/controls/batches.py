"""A stretch of rows of one recording becomes rows of a variant, and their clips are written: what one process does."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.building.shard import CLIPS
from st_vlm.errors import InputError
from st_vlm.evaluation.controls.asking import asked_again
from st_vlm.evaluation.controls.change import Change, Control, LeftOut, check_clip
from st_vlm.evaluation.controls.doubling import SourceFrames
from st_vlm.evaluation.controls.stored import read_recording
from st_vlm.evaluation.controls.variants import control_named
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import Recording, open_recordings
from st_vlm.recordings.images import path_inside

NEEDED = (
    *("id", "clip_id", "recording", "source", "domain", "task", "question", "answer", "target", "asked", "span"),
    *("marks", "timestamps", "camera", "start_ns"),
)


@dataclass(frozen=True)
class Origin:
    """Where recordings are read again: as for `open_recordings`."""

    source: str
    path: str | None = None
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Order:
    """What all batches of a variant share.

    Attributes:
        table: The split's `metadata.parquet`.
        folder: The built folder.
        clips: Where the variant's clips go.
        control: Its name.
        seed: Of the build.
        origin: The recordings, for the control that reads them.
    """

    table: Path
    folder: Path
    clips: Path
    control: str
    seed: int
    origin: Origin | None = None


@dataclass(frozen=True)
class Batch:
    """Rows `first` to `end` (exclusive) of a row group, all of one recording."""

    group: int
    first: int
    end: int


@dataclass(frozen=True)
class Part:
    """What a batch gave: rows of the variant, how many were left out by reason, and a sentence for each bad clip."""

    rows: tuple[dict, ...]
    left_out: dict[str, int]
    failures: tuple[str, ...]
    lost: int


class Maker:
    """Makes batches of one variant; keeps what the next batch needs again."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._group: tuple[int, pa.Table] | None = None
        self._worlds: tuple[str, Recording, Recording] | None = None

    @cached_property
    def _control(self) -> Control:
        control, origin = control_named(self._order.control), self._order.origin
        if origin is None or control.change is not SourceFrames.needed:
            return control
        return replace(control, change=SourceFrames(open_recordings(origin.source, origin.path, **origin.options)))

    def __call__(self, batch: Batch) -> Part:
        """Rows and clips of a batch; a clip that cannot be used does not stop the others."""
        left: Counter[str] = Counter()
        rows, failures, lost = [], [], 0
        table = self._rows_of(batch.group).slice(batch.first, batch.end - batch.first)
        for clip_id, group in groupby(table.to_pylist(), key=lambda row: row["clip_id"]):
            of_clip = list(group)
            try:
                rows += self._clip(of_clip, left)
            except LeftOut as reason:
                left[reason.reason] += len(of_clip)
            except InputError as error:
                failures.append(f"{clip_id}: {error}")
                lost += len(of_clip)
        return Part(tuple(rows), dict(left), tuple(failures), lost)

    def _clip(self, rows: Sequence[dict], left: Counter[str]) -> list[dict]:
        for row in rows:
            if missing := [name for name in NEEDED if row[name] is None]:
                raise InputError(f"Question {row['id']} has no {missing[0]}: build the folder again.")
        control = self._control
        stored = self._stored(rows[0]) if control.video else None
        before, after = self._world(rows[0])
        change = control.change(rows[0], before, self._order.seed)
        made: list[dict] = []
        reasons: Counter[str] = Counter()
        for row in rows:
            try:
                made.append(asked_again(row, change.columns, before, after, control, self._order.seed))
            except LeftOut as reason:
                reasons[reason.reason] += 1
        if made and stored is not None:
            self._write(change, stored, made[0]["clip_id"])
        left.update(reasons)
        return [self._placed(row) for row in made]

    def _stored(self, row: dict) -> Path:
        """The clip's video, checked."""
        if row.get("file_name") is None:
            raise LeftOut("no_clip")
        path = path_inside(self._order.table.parent, row["file_name"], self._order.table)
        check_clip(path, row)
        return path

    def _write(self, change: Change, stored: Path, clip_id: str) -> None:
        target = self._order.clips / f"{clip_id}.mp4"
        if target.exists():
            return
        if change.write is not None:
            change.write(stored, target)
            return
        try:
            os.link(stored, target)
        except OSError:
            shutil.copyfile(stored, target)

    def _placed(self, row: dict) -> dict:
        row = {name: row.get(name) for name in ROW_SCHEMA.names}
        return {"file_name": f"{CLIPS}/{row['clip_id']}.mp4", **row} if self._control.video else row

    def _world(self, row: dict) -> tuple[Recording, Recording]:
        if self._worlds is None or self._worlds[0] != row["recording"]:
            before = read_recording(self._order.folder, row)
            self._worlds = row["recording"], before, self._control.world(before)
        return self._worlds[1:]

    def _rows_of(self, group: int) -> pa.Table:
        if self._group is None or self._group[0] != group:
            try:
                self._group = group, pq.ParquetFile(self._order.table).read_row_group(group)
            except (pa.ArrowException, OSError, ValueError) as error:
                reason = str(error).splitlines()[0].rstrip(".")
                raise InputError(f"{self._order.table} cannot be read as Parquet: {reason}.") from None
        return self._group[1]


_maker: list[Maker] = []


def begin(order: Order) -> None:
    """Make this process ready for the batches of a variant."""
    _maker[:] = [Maker(order)]


def make_batch(batch: Batch) -> Part:
    """One batch in a process that `begin` made ready."""
    return _maker[0](batch)
