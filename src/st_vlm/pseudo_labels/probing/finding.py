"""The videos under a path, and what the layout of their folders tells of them.

Layouts as their owners hand them out: BDD100K `videos/{train,val,test}/*.mov`, also inside the folders of its hundred
parts; MultiSports `trainval/SPORT/*.mp4` and `test/SPORT/*.mp4`; LLaVA-Video-178K `0_30_s_academic_v0_1/**/*.mp4`
beside lists of questions in JSON.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.probing.question_lists import named_categories
from st_vlm.recordings.recording import Domain

ENDINGS = (".mp4", ".mkv", ".mov", ".avi", ".webm", ".m4v")
Split = Literal["train", "validation", "test"]

# bdd100k/bdd100k, doc/source/license.rst: BSD-3-Clause is the licence of its code; data and videos have one of their
# own, for education, research and not-for-profit use.
BDD100K_LICENCE = "BDD100K License"
MULTISPORTS_LICENCE = "CC-BY-NC-4.0"
# Its videos come from ten datasets and from YouTube; its card gives none of them a licence.
LLAVA_VIDEO_LICENCE = "unknown (LLaVA-Video-178K: that of each video's own source)"
_BDD_SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}
_BDD_CATEGORIES = ("car", "truck", "bus", "person", "bicycle", "motorcycle", "train")
_SPORTS = {
    "aerobic_gymnastics": ("person",),
    "basketball": ("person", "ball"),
    "football": ("person", "ball"),
    "volleyball": ("person", "ball"),
}
_LLAVA_SOURCE = re.compile(r"(\d+_\d+_[sm]|llava_hound)(_|$)")


@dataclass(frozen=True)
class VideoFile:
    """A video to label.

    Attributes:
        path: Relative to the folder of videos, with `/`.
        split: As its layout tells it; None where it does not.
        domain: As `Recording.domain`.
        licence: Of the video, as its owner states it.
        categories: Nouns of what it is likely to show, from its layout; empty where that tells nothing.
    """

    path: str
    split: Split | None = None
    domain: Domain = "general"
    licence: str = "unknown"
    categories: tuple[str, ...] = ()


def videos_folder(path: str | os.PathLike) -> Path:
    """The folder that the paths of `find_videos` are relative to: the path itself, or a single file's folder."""
    path = Path(path)
    return path if path.is_dir() else path.parent


def find_videos(
    path: str | os.PathLike,
    layout: str = "folder",
    *,
    licence: str | None = None,
    domain: Domain | None = None,
) -> tuple[VideoFile, ...]:
    """All videos under a folder, in the order of their paths; those of a named layout where it puts them.

    Hidden files and folders are left out. Links are followed, each folder once.

    Args:
        path: A folder, or one video.
        layout: `folder`, `bdd100k`, `multisports` or `llava-video-178k`.
        licence, domain: Instead of what the layout says.

    Raises:
        InputError: There is no such path or layout, a folder cannot be read, or it holds no video where the layout
            puts them.
    """
    path = Path(path)
    if layout not in LAYOUTS:
        raise InputError(f"There is no layout {layout!r}. Choose one of {', '.join(LAYOUTS)}.")
    if not path.exists():
        raise InputError(f"There is no file or folder at {path}. Give a folder of videos, or a video.")
    if path.is_file():
        # Whoever names a file means it, whatever its ending.
        found = [path.name]
    elif not (found := list(_walk(path))):
        raise InputError(f"{path} holds no video ({', '.join(ENDINGS)}). Give a folder that does.")
    for name in found:
        if any(sign < " " or "\ud800" <= sign <= "\udfff" for sign in name):
            raise InputError(
                f"{path} holds a video with signs in its name that no text can have: {name!a}. Rename it."
            )
    videos = LAYOUTS[layout](videos_folder(path), found)
    if not videos:
        raise InputError(f"{path} holds no video where {layout} has them: {_WHERE[layout]}. Choose another --layout.")
    given = {name: value for name, value in (("licence", licence), ("domain", domain)) if value is not None}
    return tuple(replace(video, **given) for video in videos)


def _walk(root: Path) -> Iterator[str]:
    """Videos below a folder: first a folder's own, then those of its folders, both in the order of their names."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read ({error.strerror}). Give yourself access to it.")

    # A link may lead back to where the walk has been.
    entered = {os.path.realpath(root)}
    for folder, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        kept = []
        for name in sorted(folders):
            real = os.path.realpath(os.path.join(folder, name))
            if not name.startswith(".") and real not in entered:
                entered.add(real)
                kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield (Path(folder) / name).relative_to(root).as_posix()


def _folder(root: Path, paths: list[str]) -> list[VideoFile]:
    return [VideoFile(path) for path in paths]


def _bdd100k(root: Path, paths: list[str]) -> list[VideoFile]:
    return [
        VideoFile(path, _BDD_SPLITS[parents[-1]], "driving", BDD100K_LICENCE, _BDD_CATEGORIES)
        for path in paths
        if (parents := _parents(root, path)) and parents[-1] in _BDD_SPLITS
    ]


def _multisports(root: Path, paths: list[str]) -> list[VideoFile]:
    videos = []
    for path in paths:
        parents = _parents(root, path)
        sport = next((name for name in reversed(parents) if name in _SPORTS), None)
        part = next((name for name in reversed(parents) if name in ("trainval", "test")), None)
        if sport and part:
            # Which of `trainval` are for validation stands in a pickle alone, and foreign pickles are not opened.
            split = "test" if part == "test" else None
            videos.append(VideoFile(path, split, "sports", MULTISPORTS_LICENCE, _SPORTS[sport]))
    return videos


def _llava_video(root: Path, paths: list[str]) -> list[VideoFile]:
    videos, lists = [], {}
    for path in paths:
        parents = _parents(root, path)
        depths = [depth for depth, name in enumerate(parents) if _LLAVA_SOURCE.match(name)]
        if not depths:
            continue
        source = Path(*parents[: depths[0] + 1])
        if source not in lists:
            lists[source] = named_categories(source)
        inner = PurePosixPath(*parents[depths[0] + 1 :], PurePosixPath(path).name).as_posix()
        categories = lists[source].get(inner, ())
        videos.append(VideoFile(path, "train", "general", LLAVA_VIDEO_LICENCE, categories))
    return videos


def _parents(root: Path, path: str) -> tuple[str, ...]:
    """All folders above a video, those above the root too: whoever names an inner folder of a layout is understood."""
    return (*root.absolute().parts, *PurePosixPath(path).parts[:-1])


LAYOUTS: dict[str, Callable[[Path, list[str]], list[VideoFile]]] = {
    "folder": _folder,
    "bdd100k": _bdd100k,
    "multisports": _multisports,
    "llava-video-178k": _llava_video,
}
_WHERE = {
    "bdd100k": "videos/train, videos/val and videos/test",
    "multisports": f"trainval/SPORT and test/SPORT, SPORT one of {', '.join(_SPORTS)}",
    "llava-video-178k": "folders such as 0_30_s_academic_v0_1",
}
