"""The files that options of backends name: other machines need them, too."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from st_vlm.pseudo_labels.backends import KINDS
from st_vlm.pseudo_labels.files import SEGMENTS_FILE
from st_vlm.pseudo_labels.stages import Run

_KINDS_OF_STAGE = {"self-check": ("semantics", "geometry")}


@dataclass(frozen=True)
class NamedFiles:
    """Files and folders that the options of a stage's backends name.

    Attributes:
        options: `KIND-OPTION` -> what the option says, and the last part of that path.
        files: `KIND-OPTION/PATH`, the path beginning with that last part -> the file.
        owners: What files for one clip or one video of the run are named after: ids, and paths without endings.
    """

    options: dict[str, tuple[str, str]] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    owners: frozenset[str] = frozenset()

    def of(self, clips: Iterable[str], videos: Iterable[str]) -> list[str]:
        """The files without those that are named after other clips and videos than these."""
        others = self.owners - owners(clips, videos)
        found = []
        for name in self.files:
            inner = PurePosixPath(*PurePosixPath(name).parts[2:])
            after = {str(inner.with_suffix("")) if inner.name else "", *map(str, inner.parents)}
            # One at the top is for all clips that have none of their own.
            if str(inner) == SEGMENTS_FILE or not after & others:
                found.append(name)
        return found


def named_files(run: Run, stage: str) -> NamedFiles:
    """The files and folders on this machine that the options of a stage's backends name.

    An option names one if the backend's class says that it is a path, or if it has a path's form, and it exists.
    """
    options, files = {}, {}
    for kind in _KINDS_OF_STAGE.get(stage, (stage,) if stage in KINDS else ()):
        parameters = inspect.signature(type(getattr(run, kind))).parameters
        for option, value in getattr(run.settings, f"{kind}_options").items():
            takes = str(parameters[option].annotation) if option in parameters else ""
            if not isinstance(value, str) or not ("Path" in takes or os.sep in value) or not Path(value).exists():
                continue
            path, key = Path(value).absolute(), f"{kind}-{option}"
            options[key] = value, path.name or "root"
            beneath = sorted(path.rglob("*")) if path.is_dir() else [path]
            for file in beneath:
                inner = file.relative_to(path).as_posix() if path.is_dir() else "."
                if file.is_file():
                    files[PurePosixPath(key, options[key][1], inner).as_posix()] = file
    return NamedFiles(options, files, owners(run.clip_ids(), run.videos) if files else frozenset())


def owners(clips: Iterable[str], videos: Iterable[str]) -> frozenset[str]:
    """What files for these clips and videos are named after."""
    return frozenset({*clips, *(PurePosixPath(video).with_suffix("").as_posix() for video in videos)})
