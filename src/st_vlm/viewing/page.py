"""The page: what a built folder holds at its top, then a section a recording with its map, what was left out, clips.

Nothing but the folder decides the page's bytes: no date, no path of the machine, no settings of the user.
"""

from __future__ import annotations

import base64
import importlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from st_vlm import __version__
from st_vlm.cli.output import counted
from st_vlm.errors import InputError
from st_vlm.recordings.drops import RULES
from st_vlm.viewing.choice import choose
from st_vlm.viewing.clips import ShownClip, show_clip
from st_vlm.viewing.dropped import DroppedByRule, by_rule
from st_vlm.viewing.folder import BuiltFolder, ClipEntry
from st_vlm.viewing.tracks_map import MapTrack, TracksMap, read_tracks, tracks_map

# By this a page is known as one of ours, which may be written again.
GENERATOR = '<meta name="generator" content="st-vlm view'
MOST_RECORDINGS_LISTED = 500


@dataclass(frozen=True)
class Page:
    """A page before it is written.

    Attributes:
        html: The whole file.
        clips, all_clips: How many clips are shown, and how many the splits hold.
        recordings: How many recordings are shown.
        problems: A sentence for everything that could not be shown.
    """

    html: str
    clips: int
    all_clips: int
    recordings: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class ShownMap:
    """A recording's map on the page: the picture as a data URI, and what its caption needs."""

    image: str
    origin: tuple[float, float]
    outside: int
    camera: str | None
    objects: tuple[tuple[int, MapTrack], ...]
    tracks: int


@dataclass(frozen=True)
class ShownRecording:
    """A section of the page."""

    recording: str
    split: str | None
    map: ShownMap | None
    numbers: dict[str, int]
    origin_ns: int
    dropped: tuple[DroppedByRule, ...]
    clips: tuple[ShownClip, ...]
    all_clips: int
    problems: tuple[str, ...]


def need_libraries() -> None:
    """Make sure that what draws and fills the page is there, before any work is done.

    Raises:
        InputError: A library is missing; the sentence says how to install it.
    """
    for name in ("jinja2", "matplotlib"):
        try:
            importlib.import_module(name)
        except ImportError:
            raise InputError(f'A page needs {name}: install it with pip install "st-vlm[view]".') from None


def make_page(folder: BuiltFolder, recordings: Sequence[str] = (), most: int = 20) -> Page:
    """Choose clips, read and draw what they need, and fill the page.

    Args:
        folder: The opened folder.
        recordings: Only these; none: all of them.
        most: The largest number of clips shown.

    Raises:
        InputError: An unknown recording, a table that cannot be read, a file name that leads out of the folder, or a
            missing library.
    """
    need_libraries()
    without = _without_questions(folder, recordings)
    wanted = [entry for entry in folder.entries if not recordings or entry.recording in recordings]
    chosen = choose(wanted, most)
    sections: dict[tuple[str | None, str], list[ClipEntry]] = {(None, name): [] for name in without}
    for entry in chosen:
        sections.setdefault((entry.split, entry.recording), []).append(entry)
    every = Counter((entry.split, entry.recording) for entry in folder.entries)
    with tqdm(total=len(chosen), desc="Clips", unit="clip", disable=None) as bar:
        shown = [
            _show_recording(folder, split, name, list(_clips(folder, entries, bar)), every[split, name])
            for (split, name), entries in sections.items()
        ]
    problems = tuple(dict.fromkeys(problem for one in shown for problem in _problems(one)))
    html = _fill(folder, shown, len(chosen), every)
    return Page(html, len(chosen), len(folder.entries), len(shown), problems)


def check_target(path: Path) -> None:
    """Refuse a place where a page cannot be written, before any work is done.

    Raises:
        InputError: Its folder does not exist, or there is something else than an earlier page.
    """
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {path.parent} to write {path.name} to: make it first.")
    if path.is_dir():
        raise InputError(f"{path} is a folder: give the name of a page, such as {path / 'view.html'}.")
    if path.exists():
        with open(path, "rb") as file:
            if GENERATOR.encode() not in file.read(1000):
                raise InputError(f"{path} exists and is no page of st-vlm view: choose another name, or remove it.")


def write_page(path: Path, html: str) -> None:
    """Write a page, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(html, encoding="utf-8", newline="\n")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _without_questions(folder: BuiltFolder, recordings: Sequence[str]) -> list[str]:
    """Those of the wanted recordings that have no question, but something that was left out."""
    known = set(folder.recordings)
    missing = [name for name in dict.fromkeys(recordings) if name not in known]
    for name in missing:
        if not folder.dropped(name):
            listed = ", ".join(folder.recordings[:5])
            more = f" and {len(known) - 5} more" if len(known) > 5 else ""
            raise InputError(f"There is no recording {name!r} here: there are {listed}{more}.")
    return missing


def _clips(folder: BuiltFolder, entries: Sequence[ClipEntry], bar: tqdm) -> Iterator[ShownClip]:
    for entry in entries:
        yield show_clip(entry.clip_id, folder.clip_rows(entry))
        bar.update()


def _show_recording(
    folder: BuiltFolder, split: str | None, name: str, clips: Sequence[ShownClip], all_clips: int
) -> ShownRecording:
    problems, drops, found = [], [], None
    try:
        drops = folder.dropped(name)
    except InputError as error:
        problems.append(str(error))
    if split is not None:
        try:
            table = folder.tracks(name)
            tracks = read_tracks(table, drops, f"The tracks of {name}")
            found = tracks_map(tracks, folder.overview(split, name), f"The tracks of {name}")
        except InputError as error:
            problems.append(str(error))
    starts = [drop["start_ns"] for drop in drops if drop["start_ns"] is not None]
    starts += [clip.start_ns for clip in clips]
    return ShownRecording(
        recording=name,
        split=split,
        map=None if found is None else _draw(found),
        numbers={} if found is None else found.numbers,
        origin_ns=min(starts, default=0) if found is None else found.origin_ns,
        dropped=tuple(by_rule(drops, min(starts, default=0) if found is None else found.origin_ns)),
        clips=tuple(sorted(clips, key=lambda clip: (clip.start_ns, clip.clip_id))),
        all_clips=all_clips,
        problems=tuple(problems),
    )


def _draw(found: TracksMap) -> ShownMap:
    # Only a page with a map needs matplotlib, and it takes a while to load.
    from st_vlm.viewing.map_drawing import draw_map

    drawn = draw_map(found)
    objects = [(found.numbers[t.track_id], t) for t in found.tracks if t.track_id in found.numbers]
    return ShownMap(
        image=f"data:image/svg+xml;base64,{base64.b64encode(drawn.svg.encode()).decode()}",
        origin=drawn.origin,
        outside=drawn.outside,
        camera=None if found.camera is None else found.camera.name,
        objects=tuple(sorted(objects, key=lambda one: one[0])),
        tracks=len(found.tracks),
    )


def _problems(shown: ShownRecording) -> Iterator[str]:
    yield from shown.problems
    for clip in shown.clips:
        if clip.problem is not None:
            yield f"{clip.clip_id}: {clip.problem}"


def _fill(folder: BuiltFolder, shown: Sequence[ShownRecording], chosen: int, every: Counter) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    templates = Environment(
        loader=PackageLoader("st_vlm.viewing"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.globals["counted"] = counted
    templates.filters["seconds"] = _seconds
    # Sentences about files name them within the folder: where that lies is nobody's business.
    templates.filters["local"] = lambda sentence: sentence.replace(f"{folder.path}{os.sep}", "")
    counts = folder.counts()
    listed = sorted(every, key=lambda key: (folder.splits.index(key[0]), key[1]))
    return templates.get_template("page.html").render(
        about=folder.about,
        chosen=chosen,
        counts=counts,
        dropped=_dropped_table(folder.about),
        generator=GENERATOR,
        licences=folder.licences,
        listed=[(*key, every[key]) for key in listed[:MOST_RECORDINGS_LISTED]],
        recordings=shown,
        tasks=list(dict.fromkeys(task for by_task in counts.values() for task in by_task)),
        total_clips=len(folder.entries),
        total_recordings=len(every),
        version=__version__,
    )


def _dropped_table(about: dict) -> list[tuple[str, str, int, int]]:
    """Rule, sentence, objects and stretches from the build's note."""
    return [(rule, RULES.get(rule, ""), n["tracks"], n["spans"]) for rule, n in about["dropped"].items()]


def _seconds(value: float) -> str:
    """One decimal; what is not known is a question mark, and nothing is -0.0."""
    return f"{round(value, 1) + 0.0:.1f}" if value == value else "?"
