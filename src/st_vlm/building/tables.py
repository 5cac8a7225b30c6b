"""The tables of a folder that was built or downloaded: what can be told of it without reading whole rows.

A split's `metadata.parquet` comes in two forms: with `file_name`, the clip's path beside the table or null, or with
`video`, which is null throughout, where the folder has no clip.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.building.card import CardFacts, dataset_card
from st_vlm.building.settings import BALANCE_FILE, BUILD_FILE, METADATA_FILE, SPLITS
from st_vlm.errors import InputError
from st_vlm.questions.forms import ALL_TASKS
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import SourceCard, source_class, source_names

CARD_FILE = "README.md"
FILE_NAME = pa.field("file_name", pa.string())
NO_VIDEO = pa.field("video", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))


@dataclass(frozen=True)
class Tables:
    """A folder of questions.

    Attributes:
        path: The folder, absolute.
        about: What `stkit.json` tells.
        splits: Those it has, in their usual order.
    """

    path: Path
    about: dict
    splits: tuple[str, ...]

    def file(self, split: str) -> Path:
        """A split's table."""
        return self.path / split / METADATA_FILE

    def schema(self, split: str) -> pa.Schema:
        """A table's columns.

        Raises:
            InputError: It is no Parquet, or lacks a column.
        """
        try:
            found = pq.read_schema(self.file(split))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise unreadable(self.file(split), error) from None
        for name in _NEEDED:
            if name not in found.names:
                raise InputError(f"{self.file(split)} has no column {name}: it is no table of STKit's.")
        return found

    def read(self, split: str, columns: Sequence[str]) -> pa.Table:
        """Columns of a split's table; `file_name` is null throughout where the table has none.

        Raises:
            InputError: It cannot be read, or lacks one.
        """
        there = self.schema(split).names
        lacking = FILE_NAME.name in columns and FILE_NAME.name not in there
        for name in columns:
            if name not in there and not (lacking and name == FILE_NAME.name):
                raise InputError(f"{self.file(split)} has no column {name}: build the folder again.")
        wanted = [name for name in columns if name in there]
        try:
            table = pq.read_table(self.file(split), columns=wanted)
            table.validate(full=True)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise unreadable(self.file(split), error) from None
        return table.append_column(FILE_NAME, pa.nulls(len(table), FILE_NAME.type)) if lacking else table

    def fingerprint(self) -> str:
        """SHA-256 of the tables."""
        digest = hashlib.sha256()
        for split in self.splits:
            with self.file(split).open("rb") as file:
                hashlib.file_digest(file, lambda: digest)
        return digest.hexdigest()


def open_tables(path: str | os.PathLike) -> Tables:
    """Open a folder that `st-vlm build` wrote, or a copy of one from the Hub.

    Raises:
        InputError: No such folder, or not one of STKit's.
    """
    folder = Path(os.path.abspath(path))
    if not folder.is_dir():
        raise InputError(f"There is no folder {path}.")
    splits = tuple(name for name in SPLITS if (folder / name / METADATA_FILE).is_file())
    if not splits or not (folder / BUILD_FILE).is_file():
        lacks = BUILD_FILE if splits else f"split with a {METADATA_FILE}"
        raise InputError(f"{path} holds no {lacks}: give a folder that st-vlm build wrote, or a copy from the Hub.")
    return Tables(folder, read_json(folder / BUILD_FILE), splits)


def rewrite(tables: Tables, split: str, target: Path, names: Sequence[str | None] | None) -> None:
    """Write a split's table with other clips; whole or not at all, and with unchanged names the same bytes as before.

    Args:
        tables: The folder.
        split: Which table.
        target: The file to write.
        names: `file_name` of every row, or None for a set that has no clip: its tables have `video`, all null.

    Raises:
        InputError: The table cannot be read.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    field = NO_VIDEO if names is None else FILE_NAME
    try:
        with pq.ParquetFile(tables.file(split)) as file:
            kept = [name for name in file.schema_arrow.names if name not in (FILE_NAME.name, NO_VIDEO.name)]
            schema = pa.schema([field, *map(_as_built, (file.schema_arrow.field(name) for name in kept))])
            done = 0
            with pq.ParquetWriter(temporary, schema) as writer:
                for number in range(file.num_row_groups):
                    group = file.read_row_group(number, columns=kept).select(kept)
                    after = done + len(group)
                    column = pa.nulls(len(group), field.type) if names is None else pa.array(names[done:after])
                    table = group.add_column(0, field, column.cast(field.type))
                    writer.write_table(table.cast(schema).combine_chunks())
                    done = after
        os.replace(temporary, target)
    except (pa.ArrowException, ValueError) as error:
        raise unreadable(tables.file(split), error) from None
    finally:
        temporary.unlink(missing_ok=True)


def _as_built(field: pa.Field) -> pa.Field:
    """A column as the build writes it: Parquet has another name for the items of its lists than Arrow has."""
    if field.name in ROW_SCHEMA.names and ROW_SCHEMA.field(field.name).type.equals(field.type):
        return ROW_SCHEMA.field(field.name)
    return field


def read_json(path: Path) -> dict:
    """A JSON object from a file.

    Raises:
        InputError: It cannot be read, or is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise InputError(f"{path} is not valid JSON: build the folder again.") from None
    if not isinstance(found, dict):
        raise InputError(f"{path} is not a JSON object: build the folder again.")
    return found


def card_of(tables: Tables, reader: str | None = None, name: str | None = None) -> str:
    """The README of a folder as it is now.

    Args:
        tables: The folder.
        reader: Of a source that is no name that st-vlm knows, as `open_recordings` takes it: `module:Class`.
        name: The repository it goes to; None for a folder that stays.

    Raises:
        InputError: A table or note cannot be read.
    """
    counts: dict[str, dict[str, int]] = {}
    clips: dict[str, str | None] = {}
    sources: dict[str, None] = {}
    licences: set[str] = set()
    for split in tables.splits:
        table = tables.read(split, ["task", "source", "licence", FILE_NAME.name])
        found = Counter(table["task"].to_pylist())
        known = [*ALL_TASKS, *sorted(set(found) - set(ALL_TASKS))]
        counts[split] = {task: found[task] for task in known if found[task]}
        there = table[FILE_NAME.name].drop_null()
        clips[split] = f"{split}/{there[0]}" if len(there) else None
        sources |= dict.fromkeys(table["source"].unique().to_pylist())
        licences.update(filter(None, table["licence"].unique().to_pylist()))
    about, names = tables.about, list(sources)
    cards = [source_card(source, reader) for source in names]
    schema = tables.schema(tables.splits[0])
    shown = [column for column in schema if column.name not in (FILE_NAME.name, NO_VIDEO.name)]
    balance = tables.path / BALANCE_FILE
    facts = CardFacts(
        source=names[0] if names else about.get("source", "unknown"),
        card=cards[0] if cards else None,
        version=about.get("version", "unknown"),
        seed=about.get("seed", 0),
        sha256=tables.fingerprint(),
        licences=", ".join(sorted(licences)),
        failures=about.get("failures", 0),
        video=any(clips.values()),
        balance=read_json(balance) if balance.is_file() else None,
        more=dict(zip(names[1:], cards[1:], strict=True)),
        clips=clips,
        home=about.get("clips_left_out", {}),
        name=name,
        schema=pa.schema(shown),
    )
    return dataset_card(counts, facts, about.get("dropped", {}))


def source_card(source: str, reader: str | None = None) -> SourceCard | None:
    """What a row's source tells of itself; None where its reader is not known here, or tells nothing.

    Args:
        source: As the rows name it: a reader's own name. They may be a stranger's: no module is imported by it.
        reader: A reader to look at besides, as `open_recordings` takes it.
    """
    for name in dict.fromkeys([*(n for n in source_names() if n == source), *([reader] if reader else [])]):
        found = source_class(name)
        if getattr(found, "name", name) == source:
            return getattr(found, "card", None)
    return None


def unreadable(path: Path, error: Exception) -> InputError:
    """The sentence for a table that cannot be read."""
    return InputError(f"{path} cannot be read as Parquet: {(str(error).splitlines() or ['?'])[0].rstrip('.')}.")


_NEEDED = ("id", "clip_id", "recording", "task", "source", "licence")
