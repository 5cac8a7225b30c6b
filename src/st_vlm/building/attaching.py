"""Joining clips to a published set that came without them, from the user's own copy of the recordings.

Every clip appears whole or not at all, and one that is there is not made again, so a run that was killed goes on.
Tables, note and card follow at the end; in a new folder all of it appears at once. With every clip back, the folder is
the one that the build wrote, to the byte.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
from tqdm import tqdm

from st_vlm.building.build import free_folder
from st_vlm.building.code import code_hash
from st_vlm.building.lost_clips import ClipMaker, LostClip, LostRecording
from st_vlm.building.plan import RESULT, WorkFolder
from st_vlm.building.publishing import LEFT_OUT
from st_vlm.building.settings import BUILD_FILE
from st_vlm.building.shard import CLIPS
from st_vlm.building.tables import CARD_FILE, FILE_NAME, Tables, card_of, open_tables, rewrite, unreadable
from st_vlm.building.worker import die_with_parent, told_of_a_killed_worker, without_main_module
from st_vlm.errors import InputError
from st_vlm.questions.clips import file_name
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import Source, open_recordings, source_class

_FROM = "from.json"


@dataclass(frozen=True)
class Own:
    """The user's own copy of a source: what `open_recordings` takes."""

    source: str
    path: str | None
    options: dict

    @property
    def name(self) -> str:
        """As rows name the source."""
        return getattr(source_class(self.source), "name", self.source)

    def open(self) -> Source:
        return open_recordings(self.source, self.path, **self.options)


@dataclass(frozen=True)
class Attached:
    """What came out.

    Attributes:
        folder: Where the clips are.
        made: Number of clips made now.
        there: Number of the source's clips that were there already.
        failures: `recording (camera)` -> why clips of it could not be made.
    """

    folder: Path
    made: int
    there: int
    failures: dict[str, str]


def attach_media(
    folder: str | os.PathLike, own: Own, out: str | os.PathLike | None = None, num_proc: int = 1
) -> Attached:
    """Make the missing clips of one source and join them to their rows.

    Args:
        folder: A published set, downloaded.
        own: The source's recordings.
        out: A folder for the whole set, which must not exist yet, or be empty; None: `folder` itself.
        num_proc: Worker processes; the bytes do not depend on it.

    Raises:
        InputError: Not a set of STKit's, one without questions of that source, one whose files are links into a cache
            while no `out` is given, recordings of which not one clip can be made, or a folder that holds something.
    """
    _opened.clear()
    given = open_tables(folder)
    name = own.name
    _refuse_other_sources(given, name)
    if own.path is not None and not os.path.exists(own.path):
        raise InputError(f"There is no folder {own.path}: give the one that holds the recordings of {own.source}.")
    if out is None:
        if any(given.file(split).is_symlink() for split in given.splits):
            raise InputError(f"The files of {folder} are links into a cache: give another folder for the set (--out).")
        return _attach(given, given, own, name, num_proc)
    out = free_folder(out)
    with _copied(given, name, out) as tables:
        done = _attach(given, tables, own, name, num_proc)
    return Attached(out, done.made, done.there, done.failures)


def _attach(given: Tables, tables: Tables, own: Own, name: str, num_proc: int) -> Attached:
    """Make the clips in the folder of `tables`, then renew what tells of them."""
    lost, there, failures = _lost(tables, name)
    made = 0
    with tqdm(total=sum(len(one.clips) for one in lost), desc="Clips", unit="clip", disable=None) as bar:
        for one, count, why in _make_all(lost, tables, own, num_proc):
            made += count
            if why is not None:
                failures[f"{one.recording} ({one.camera})"] = why
            bar.update(len(one.clips))
    if failures and not made and not there:
        first, why = next(iter(failures.items()))
        more = f" {len(failures) - 1} more recordings and cameras gave none either." if len(failures) > 1 else ""
        raise InputError(f"Not one clip of {name} could be made. {first}: {why}{more}")
    _renew(tables, own.source, name)
    return Attached(given.path, made, there, failures)


def _refuse_other_sources(tables: Tables, name: str) -> None:
    there = {
        source for split in tables.splits for source in tables.read(split, ["source"])["source"].unique().to_pylist()
    }
    if name not in there:
        raise InputError(
            f"{tables.path} has no question about {name}: its sources are {', '.join(sorted(map(str, there)))}."
        )


def _lost(tables: Tables, name: str) -> tuple[list[LostRecording], int, dict[str, str]]:
    """What is missing, how many clips are there, and what cannot be made for its name would lead out of the folder."""
    found: dict[tuple[str, str, str], list[LostClip]] = {}
    there, failures = 0, {}
    columns = ["clip_id", "recording", "start_ns", "source", "timestamps", "source_frames", "camera", FILE_NAME.name]
    for split in tables.splits:
        seen = set()
        for row in _rows_of(tables, split, columns, name):
            if row["clip_id"] in seen:
                continue
            seen.add(row["clip_id"])
            recording, camera = str(row["recording"]), str((row["camera"] or {}).get("name"))
            why = _why_unusable(row)
            if why is not None:
                failures[f"{recording} ({camera})"] = f"{tables.file(split)}: {why} Download the set again."
            elif _clip(tables, split, row["clip_id"]).is_file():
                there += 1
            else:
                size, frames = tuple(row["camera"]["size"]), tuple(row["source_frames"] or ())
                clip = LostClip(row["clip_id"], row["start_ns"], tuple(row["timestamps"]), size, frames)
                found.setdefault((split, recording, camera), []).append(clip)
    lost = [
        LostRecording(*key, tuple(sorted(clips, key=lambda clip: (clip.start_ns, clip.id))))
        for key, clips in found.items()
    ]
    return lost, there, failures


def _why_unusable(row: dict) -> str | None:
    """What is wrong with a row that a stranger may have written; a clip's name must not lead out of the folder."""
    clip = row["clip_id"]
    if not clip or file_name(clip) != clip or clip.startswith("."):
        return f"{clip!r} is no name for a clip."
    size, times, frames = (row["camera"] or {}).get("size"), row["timestamps"], row["source_frames"] or ()
    if row["start_ns"] is None or not size or len(size) != 2 or not times or None in (*size, *times, *frames):
        return f"a row of the clip {clip} lacks its start, times or size."
    return None


def _rows_of(tables: Tables, split: str, columns: list[str], name: str) -> Iterator[dict]:
    table = tables.read(split, columns)
    try:
        wanted = [FILE_NAME if column == FILE_NAME.name else ROW_SCHEMA.field(column) for column in table.column_names]
        table = table.cast(pa.schema(wanted))
    except (pa.ArrowException, ValueError) as error:
        raise unreadable(tables.file(split), error) from None
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            if row["source"] == name:
                yield row


def _clip(tables: Tables, split: str, clip: str) -> Path:
    return tables.file(split).parent / CLIPS / f"{clip}.mp4"


def _make_all(
    lost: list[LostRecording], tables: Tables, own: Own, num_proc: int
) -> Iterator[tuple[LostRecording, int, str | None]]:
    """Each recording with the number of its clips made and, where some were not, why, as they are done."""
    if num_proc == 1 or len(lost) < 2:
        for one in lost:
            yield one, *_make(one, tables.file(one.split), own)
        return
    with told_of_a_killed_worker():
        pool = ProcessPoolExecutor(
            min(num_proc, len(lost)), mp_context=get_context("spawn"), initializer=die_with_parent
        )
        try:
            with without_main_module():
                waiting = {pool.submit(_make, one, tables.file(one.split), own): one for one in lost}
            for done in as_completed(waiting):
                yield waiting[done], *done.result()
        finally:
            pool.shutdown(cancel_futures=True)


# A process's own source, opened once, or why it cannot be: it serves one run.
_opened: list[tuple[Own, Source | InputError]] = []


def _make(lost: LostRecording, table: Path, own: Own) -> tuple[int, str | None]:
    """Make the clips of a recording; returns how many, and why not all."""
    folder = table.parent / CLIPS
    folder.mkdir(exist_ok=True)
    maker = ClipMaker(lost, None if own.path is None else Path(own.path), lambda: _open(own), table)
    made, why = 0, None
    for clip in lost.clips:
        try:
            maker.write(clip, folder)
            made += 1
        except InputError as error:
            why = why or str(error)
    if not made:
        with suppress(OSError):  # Others may have filled it.
            folder.rmdir()
    return made, why


def _open(own: Own) -> Source:
    if not _opened or _opened[0][0] != own:
        try:
            found = own.open()
        except InputError as error:
            found = error
        _opened[:] = [(own, found)]
    if isinstance(_opened[0][1], InputError):
        raise _opened[0][1]
    return _opened[0][1]


def _renew(tables: Tables, reader: str, name: str) -> None:
    """Write tables, note and card anew where clips have come."""
    names: dict[str, list[str | None]] = {}
    missing: Counter[str] = Counter()
    for split in tables.splits:
        rows = tables.read(split, ["clip_id", "source", FILE_NAME.name]).to_pylist()
        clips = {row["clip_id"] for row in rows if row["source"] == name}
        made = {clip for clip in clips if file_name(clip) == clip and _clip(tables, split, clip).is_file()}
        names[split] = [
            f"{CLIPS}/{row['clip_id']}.mp4"
            if row[FILE_NAME.name] is None and row["source"] == name and row["clip_id"] in made
            else row[FILE_NAME.name]
            for row in rows
        ]
        without = {(r["source"], r["clip_id"]) for r, clip in zip(rows, names[split], strict=True) if clip is None}
        missing.update(source for source, _ in without)
    has_clips = any(clip is not None for of_split in names.values() for clip in of_split)
    for split in tables.splits:
        before = tables.read(split, [FILE_NAME.name])[FILE_NAME.name].to_pylist()
        if names[split] != before or (FILE_NAME.name in tables.schema(split).names) != has_clips:
            rewrite(tables, split, tables.file(split), names[split] if has_clips else None)
    about = {**tables.about, "video": has_clips}
    left_out = {source: missing[source] for source in about.pop(LEFT_OUT, {}) if missing[source]}
    if left_out:
        about[LEFT_OUT] = left_out
    _replace(tables.path / BUILD_FILE, json.dumps(about, indent=2) + "\n")
    _replace(tables.path / CARD_FILE, card_of(open_tables(tables.path), reader))


@contextmanager
def _copied(given: Tables, name: str, out: Path) -> Iterator[Tables]:
    """A copy of the set to work in, beside the wanted folder; it takes its place when all has gone well."""
    work = WorkFolder(out.with_name(f".{out.name}.attaching"))
    with work.locked():
        result, note = work.path / RESULT, work.path / _FROM
        origin = json.dumps({"rows": given.fingerprint(), "source": name, "code": code_hash()})
        if not note.is_file() or note.read_text(encoding="utf-8") != origin:
            shutil.rmtree(result, ignore_errors=True)
            _replace(note, origin)
        _copy(given, result)
        yield open_tables(result)
        if out.exists():
            out.rmdir()
        result.rename(out)
        work.remove()


def _copy(given: Tables, result: Path) -> None:
    """Copy the set's files, those of a cache by their content; a clip that was copied whole is not copied again."""
    for folder, inner, files in os.walk(given.path):
        inner[:] = [name for name in inner if not name.startswith(".")]
        target = result / Path(folder).relative_to(given.path)
        target.mkdir(parents=True, exist_ok=True)
        for name in files:
            if name.startswith(".") or (name.endswith(".mp4") and (target / name).is_file()):
                continue
            temporary = target / f".{name}.{os.getpid()}.tmp"
            shutil.copyfile(Path(folder) / name, temporary)
            os.replace(temporary, target / name)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
