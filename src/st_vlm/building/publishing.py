"""What of a built folder is published: everything but the clips whose licence asks them to stay at home.

A clip goes along where its source lets images be passed on and asks for no more than credit. Where a licence allows it
on conditions, such as no commercial use, the publisher names the source; where it forbids it, nobody can.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from st_vlm.building.settings import BALANCE_FILE, BUILD_FILE, DROPPED_FILE, METADATA_FILE
from st_vlm.building.tables import CARD_FILE, FILE_NAME, Tables, card_of, open_tables, rewrite, source_card
from st_vlm.errors import InputError
from st_vlm.recordings.images import path_inside

# Licences that ask for no more than credit (and the same licence for what is made from it).
OPEN_LICENCES = ("Apache-2.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT")
LEFT_OUT = "clips_left_out"
TRACKS = "tracks"
_NOTES = (BALANCE_FILE, DROPPED_FILE, "manifest.json")


@dataclass(frozen=True)
class Publication:
    """What is to be published.

    Attributes:
        files: Path in the repository -> file on disk.
        clips: Number of clips among them.
        left_out: Source -> number of its clips that stay at home.
        not_ours: Names in the folder that no build writes; they stay, too.
    """

    files: dict[str, Path]
    clips: int
    left_out: dict[str, int]
    not_ours: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The files' size together."""
        return sum(path.stat().st_size for path in self.files.values())


def prepare(
    folder: str | os.PathLike, staging: Path, name: str, share: Sequence[str] = (), clips: bool = True
) -> Publication:
    """Decide what is published, and write what differs from the folder's own files.

    Args:
        folder: One that `st-vlm build` wrote.
        staging: An empty folder for the tables, note and card as published; it must outlive the upload.
        name: Of the repository.
        share: Sources whose clips go along although their licence has conditions.
        clips: False: no clip goes along.

    Raises:
        InputError: Not a built folder, a file of it is missing or broken, or a source whose clips nobody may share.
    """
    tables = open_tables(folder)
    reader = tables.about.get("source")
    _refuse_unshareable(share, reader)
    names = {split: _names(tables, split, reader, share, clips) for split in tables.splits}
    left_out = _left_out(tables, names)
    has_clips = any(clip is not None for of_split in names.values() for clip in of_split)
    files: dict[str, Path] = {}
    for split in tables.splits:
        (staging / split).mkdir(parents=True)
        table = staging / split / METADATA_FILE
        if left_out:
            rewrite(tables, split, table, names[split] if has_clips else None)
        else:
            table.symlink_to(tables.file(split))
        files[f"{split}/{METADATA_FILE}"] = table
        for clip in sorted({clip for clip in names[split] if clip is not None}):
            files[f"{split}/{clip}"] = _there(path_inside(tables.file(split).parent, clip, tables.file(split)))
    for note in _NOTES:
        if (tables.path / note).is_file():
            files[note] = tables.path / note
    for track in sorted((tables.path / TRACKS).glob("*.parquet")):
        files[f"{TRACKS}/{track.name}"] = track
    files |= _about(tables, staging, left_out, has_clips, name)
    known = {CARD_FILE, BUILD_FILE, TRACKS, *_NOTES, *tables.splits}
    strange = sorted(entry.name for entry in tables.path.iterdir() if entry.name not in known)
    return Publication(files, sum(path.endswith(".mp4") for path in files), left_out, tuple(strange))


def may_go_along(source: str, licence: str | None, reader: str | None, share: Sequence[str] = ()) -> bool:
    """Whether a clip may be published.

    Args:
        source, licence: Of its rows.
        reader: As for `source_card`.
        share: As for `prepare`.
    """
    card = source_card(source, reader)
    return card is not None and card.media_may_be_shared and (licence in OPEN_LICENCES or source in share)


def _refuse_unshareable(share: Sequence[str], reader: str | None) -> None:
    for source in share:
        card = source_card(source, reader)
        if card is None:
            raise InputError(f"The source {source!r} does not say whether its images may be passed on: leave it out.")
        if not card.media_may_be_shared:
            raise InputError(
                f"{card.title} does not let its images be passed on ({card.licence_note}) Leave out the option to "
                f"share media of {source}."
            )


def _names(tables: Tables, split: str, reader: str | None, share: Sequence[str], clips: bool) -> list[str | None]:
    """The `file_name` of every row as published."""
    rows = tables.read(split, [FILE_NAME.name, "source", "licence"]).to_pylist()
    kinds = {(row["source"], row["licence"]) for row in rows}
    allowed = {kind for kind in kinds if clips and may_go_along(*kind, reader, share)}
    return [row[FILE_NAME.name] if (row["source"], row["licence"]) in allowed else None for row in rows]


def _left_out(tables: Tables, names: dict[str, list[str | None]]) -> dict[str, int]:
    """Clips by source that the folder has and the publication has not, or that were not in the folder either."""
    found: Counter[str] = Counter(tables.about.get(LEFT_OUT, {}))
    for split in tables.splits:
        rows = tables.read(split, [FILE_NAME.name, "source", "clip_id"]).to_pylist()
        stays = {
            (row["source"], row["clip_id"])
            for row, name in zip(rows, names[split], strict=True)
            if name is None and row[FILE_NAME.name] is not None
        }
        found.update(source for source, _ in stays)
    return dict(sorted(found.items()))


def _about(tables: Tables, staging: Path, left_out: dict[str, int], has_clips: bool, name: str) -> dict[str, Path]:
    """The note and the card, written beside the tables as published."""
    about = {**tables.about, "video": has_clips}
    if left_out:
        about[LEFT_OUT] = left_out
    (staging / BUILD_FILE).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    if (tables.path / BALANCE_FILE).is_file():
        (staging / BALANCE_FILE).symlink_to(tables.path / BALANCE_FILE)
    card = card_of(open_tables(staging), tables.about.get("source"), name)
    (staging / CARD_FILE).write_text(card, encoding="utf-8")
    return {CARD_FILE: staging / CARD_FILE, BUILD_FILE: staging / BUILD_FILE}


def _there(clip: Path) -> Path:
    if not clip.is_file():
        raise InputError(f"The clip {clip} is missing: copy the whole folder again, or build it again.")
    return clip
