"""A folder that `st-vlm build` wrote, opened for looking at it: only what is asked for is read."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from st_vlm.building.settings import BUILD_FILE, DROPPED_FILE, METADATA_FILE, SPLITS
from st_vlm.building.shard import DROPPED_SCHEMA, TRACK_SCHEMA
from st_vlm.errors import InputError
from st_vlm.questions.clips import file_name
from st_vlm.questions.forms import ALL_TASKS
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings.images import path_inside

_FILE_NAME = pa.field("file_name", pa.string())
_CLIP_COLUMNS = ("start_ns", "task", "question", "answer", "target", "span", "marks", "timestamps", "camera")
_OVERVIEW_COLUMNS = ("clip_id", "start_ns", "timestamps", "marks", "camera")
_ENTRY_COLUMNS = ("recording", "clip_id", "task", "licence")
_TRACK_COLUMNS = ("track_id", "category", "time_ns", "centre", "size", "rotation")
_DROPPED_COLUMNS = ("camera", "track_id", "category", "rule", "start_ns", "end_ns", "detail")


@dataclass(frozen=True)
class ClipEntry:
    """A clip of the folder, before anything of it is read.

    Attributes:
        split, recording, clip_id: Where it is; a clip's id is unique within its split.
        tasks: One entry a question.
    """

    split: str
    recording: str
    clip_id: str
    tasks: tuple[str, ...]


@dataclass(frozen=True)
class BuiltFolder:
    """What is known of a built folder once it is opened.

    Attributes:
        path: The folder, absolute.
        about: What the build noted of itself: `source`, `version`, `seed`, `tracks`, `tracks_asked`, and `dropped`,
            which has the numbers of `tracks` and `spans` by rule.
        entries: Every clip of the splits asked for, sorted by split, recording and id.
        licences: Of all those clips, sorted.
    """

    path: Path
    about: dict
    entries: tuple[ClipEntry, ...]
    licences: tuple[str, ...]

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that have a clip, in their usual order."""
        found = {entry.split for entry in self.entries}
        return tuple(split for split in SPLITS if split in found)

    @property
    def recordings(self) -> tuple[str, ...]:
        """Every recording with a question, sorted."""
        return tuple(sorted({entry.recording for entry in self.entries}))

    def counts(self) -> dict[str, dict[str, int]]:
        """Questions by split and task; tasks in their usual order, unknown ones after them."""
        found = {split: Counter() for split in self.splits}
        for entry in self.entries:
            found[entry.split].update(entry.tasks)
        known = [*ALL_TASKS, *sorted({task for of in found.values() for task in of} - set(ALL_TASKS))]
        return {split: {task: of[task] for task in known if of[task]} for split, of in found.items()}

    def clip_rows(self, entry: ClipEntry) -> list[dict]:
        """The questions of one clip, with `video`: the absolute path of its video, or None where it has none.

        Raises:
            InputError: The table cannot be read, or names a video outside the folder.
        """
        table = self.path / entry.split / METADATA_FILE
        columns = [ROW_SCHEMA.field(name) for name in _CLIP_COLUMNS]
        if "file_name" in read_names(table):
            columns.append(_FILE_NAME)
        chosen = (pc.field("clip_id") == entry.clip_id) & (pc.field("recording") == entry.recording)
        rows = read_parquet(table, pa.schema(columns), chosen).to_pylist()
        for row in rows:
            name = row.get("file_name")
            row["video"] = None if name is None else path_inside(table.parent, name, table)
        return rows

    def overview(self, split: str, recording: str) -> list[dict]:
        """A row a clip of one recording: `clip_id`, `start_ns`, `timestamps`, `marks`, `camera`.

        Raises:
            InputError: The table cannot be read.
        """
        table = self.path / split / METADATA_FILE
        found = read_parquet(table, _part(ROW_SCHEMA, _OVERVIEW_COLUMNS), pc.field("recording") == recording)
        ids = found["clip_id"].to_pylist()
        first = {clip: len(ids) - 1 - k for k, clip in enumerate(reversed(ids))}
        return found.take(sorted(first.values())).to_pylist()

    def tracks(self, recording: str) -> pa.Table:
        """Every box of a recording.

        Raises:
            InputError: There is no such file, or it cannot be read.
        """
        path = self.path / "tracks" / f"{file_name(recording)}.parquet"
        return read_parquet(path, _part(TRACK_SCHEMA, _TRACK_COLUMNS))

    def dropped(self, recording: str) -> list[dict]:
        """What of a recording was not asked about: rows of `dropped.parquet`.

        Raises:
            InputError: There is no such file, or it cannot be read.
        """
        columns = _part(DROPPED_SCHEMA, _DROPPED_COLUMNS)
        return read_parquet(self.path / DROPPED_FILE, columns, pc.field("recording") == recording).to_pylist()


def open_built(path: str | os.PathLike, split: str | None = None) -> BuiltFolder:
    """Open a folder that `st-vlm build` wrote.

    Args:
        path: The folder.
        split: Only this split; None: all there are.

    Raises:
        InputError: No such folder, not one that the build wrote, no such split, or a table that cannot be read.
    """
    # Absolute, so that FFmpeg takes no folder's name for a protocol.
    folder = Path(os.path.abspath(path))
    if not folder.is_dir():
        raise InputError(f"There is no folder {path}.")
    there = [name for name in SPLITS if (folder / name / METADATA_FILE).is_file()]
    if not there or not (folder / BUILD_FILE).is_file():
        lacks = BUILD_FILE if there else f"split with a {METADATA_FILE}"
        raise InputError(f"{path} holds no {lacks}: give a folder that st-vlm build wrote.")
    if split is not None and split not in there:
        raise InputError(f"{path} has no split {split!r}: it has {', '.join(there)}.")
    entries, licences = [], set()
    for name in there if split is None else [split]:
        table = read_parquet(folder / name / METADATA_FILE, _part(ROW_SCHEMA, _ENTRY_COLUMNS))
        licences.update(filter(None, table["licence"].unique().to_pylist()))
        entries += _entries(name, table)
    return BuiltFolder(folder, _about(folder / BUILD_FILE), tuple(entries), tuple(sorted(licences)))


def read_parquet(path: Path, columns: pa.Schema, chosen: pc.Expression | None = None) -> pa.Table:
    """Columns of a Parquet file, where wanted only the rows that an expression chooses.

    Raises:
        InputError: The file is missing, is no Parquet, or has no such columns; the sentence names it.
    """
    missing = set(columns.names) - read_names(path)
    if missing:
        raise InputError(f"{path} has no column {min(missing)}: build the folder again.")
    try:
        table = pq.read_table(path, columns=columns.names, filters=chosen).select(columns.names)
        # Text that is not UTF-8 is found here, not where somebody prints it.
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    try:
        return table.cast(columns)
    except (pa.ArrowException, ValueError):
        raise InputError(f"{path} has columns of another type than this st-vlm writes: build it again.") from None


def read_names(path: Path) -> set[str]:
    """The names of a Parquet file's columns.

    Raises:
        InputError: The file is missing or is no Parquet.
    """
    try:
        return set(pq.read_schema(path).names)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: copy the whole folder again, or build it again.") from None
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _part(schema: pa.Schema, names: Sequence[str]) -> pa.Schema:
    return pa.schema([schema.field(name) for name in names])


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0].rstrip('.')}.")


def _entries(split: str, table: pa.Table) -> list[ClipEntry]:
    grouped = table.group_by(["recording", "clip_id"], use_threads=False).aggregate([("task", "list")])
    entries = [
        ClipEntry(split, row["recording"] or "", row["clip_id"] or "", tuple(filter(None, row["task_list"])))
        for row in grouped.to_pylist()
    ]
    return sorted(entries, key=lambda entry: (entry.recording, entry.clip_id))


def _about(path: Path) -> dict:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} is not valid JSON: build the folder again.") from None
    if not isinstance(about, dict):
        raise InputError(f"{path} is not a JSON object: build the folder again.")
    for key, (fits, what) in _ABOUT.items():
        if key not in about:
            raise InputError(f"{path} has no {key!r}: build the folder again.")
        if not fits(about[key]):
            raise InputError(f"{path}: {key!r} must be {what}, not {str(about[key])[:80]!r}. Build the folder again.")
    return about


def _is_text(value: object) -> bool:
    # JSON can spell half a character, which no page can hold.
    return isinstance(value, str) and value.encode(errors="replace").decode() == value


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_drops(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(rule) and isinstance(found, dict) and all(_is_count(found.get(key)) for key in ("tracks", "spans"))
        for rule, found in value.items()
    )


_COUNT = (_is_count, "a whole number")
# What a page tells of the build's note: key -> the test of its value, and what that must be.
_ABOUT = {
    "source": (_is_text, "a name"),
    "version": (_is_text, "a version"),
    "seed": _COUNT,
    "tracks": _COUNT,
    "tracks_asked": _COUNT,
    "dropped": (_are_drops, "an object with the numbers of tracks and spans by rule"),
}
