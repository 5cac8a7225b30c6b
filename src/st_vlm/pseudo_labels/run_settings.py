"""What a run depends on, and which of its stages have to be made again where that has changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import RUN_FILE, read_json, write_json
from st_vlm.pseudo_labels.source import MOST_EXPECTED_ERROR

STAGES = ("probe", "semantics", "check", "geometry", "self-check", "lift", "questions")
# Each stage's own settings.
_OF_STAGE = {
    "probe": (
        "videos",
        "layout",
        "licence",
        "domain",
        "intrinsics",
        "camera_height",
        "max_clips",
        "max_seconds",
    ),
    "semantics": ("semantics", "semantics_options"),
    "check": ("check", "check_options"),
    "geometry": ("geometry", "geometry_options"),
    "self-check": ("self_check",),
    "lift": ("seed",),
    "questions": ("max_expected_error", "tasks", "balance"),
}


@dataclass(frozen=True)
class RunSettings:
    """A run over a folder of videos.

    Attributes:
        videos: Absolute path of the folder, or of one video.
        layout, licence, domain: As for `probing.finding.find_videos`.
        intrinsics: Nine numbers of a pinhole matrix that holds for all the videos, in their pixels.
        camera_height: Metres above the ground, of all the videos.
        max_clips, max_seconds: Of each video (`probing.stage.probe_and_cut`).
        semantics, geometry, check: Names of the backends (`backends`); no check without a name.
        semantics_options, geometry_options, check_options: Theirs.
        self_check: Whether each clip is also run backwards.
        seed: Of draws and questions.
        max_expected_error: As for the source `pseudo`.
        tasks, balance: As for `building.settings.BuildSettings`.
    """

    videos: str
    layout: str = "folder"
    licence: str | None = None
    domain: str | None = None
    intrinsics: tuple[float, ...] | None = None
    camera_height: float | None = None
    max_clips: int | None = None
    max_seconds: float | None = None
    semantics: str = "grounded-sam2"
    geometry: str = "depthpro-odometry"
    check: str | None = None
    semantics_options: dict[str, Any] = field(default_factory=dict)
    geometry_options: dict[str, Any] = field(default_factory=dict)
    check_options: dict[str, Any] = field(default_factory=dict)
    self_check: bool = False
    seed: int = 0
    max_expected_error: float = MOST_EXPECTED_ERROR
    tasks: tuple[str, ...] = ()
    balance: str = "partial"

    @property
    def folder(self) -> Path:
        """The folder that the clips' videos are relative to."""
        path = Path(self.videos)
        return path if path.is_dir() else path.parent

    def as_json(self) -> dict:
        """For a file; `videos` is the folder, which readers of the run look for."""
        return {**asdict(self), "videos": str(self.folder), "path": self.videos}

    @classmethod
    def from_json(cls, value: Mapping) -> RunSettings:
        """From `as_json`.

        Raises:
            InputError: It is none.
        """
        known = {one.name for one in fields(cls)}
        if "path" not in value:
            raise InputError("The run's settings lack 'path'. Choose another folder.")
        found = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**{**{name: item for name, item in found.items() if name in known}, "videos": value["path"]})

    def first_changed(self, other: RunSettings) -> str | None:
        """The first stage whose settings differ from another run's."""
        for stage in STAGES:
            if any(getattr(self, name) != getattr(other, name) for name in _OF_STAGE[stage]):
                return stage
        return None


def settle(settings: RunSettings, out: Path, from_stage: str | None) -> str | None:
    """Hold a run's settings against those that its folder was begun with, and note them.

    Returns:
        The stage from which on all is to be made again, or None to go on.

    Raises:
        InputError: They differ, and the stage they differ in is not to be made again; or there is no such stage, or
            the folder is another thing.
    """
    if from_stage is not None and from_stage not in STAGES:
        raise InputError(f"There is no stage {from_stage!r}. Choose one of {', '.join(STAGES)}.")
    file = out / RUN_FILE
    if not file.is_file():
        if out.is_dir() and any(out.iterdir()):
            raise InputError(f"{out} holds something, and no run of `st-vlm pseudo-label`. Choose another folder.")
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, settings.as_json())
        return None
    before = RunSettings.from_json(read_json(file))
    changed = settings.first_changed(before)
    if changed is not None and (from_stage is None or STAGES.index(from_stage) > STAGES.index(changed)):
        raise InputError(
            f"{out} was begun with another {_difference(before, settings, changed)}. Give --from {changed} to make "
            "the stages from there on again, or choose another folder."
        )
    return from_stage


def _difference(before: RunSettings, now: RunSettings, stage: str) -> str:
    """The first setting of a stage that two runs differ in, and its two values, in words."""
    for name in _OF_STAGE[stage]:
        old, new = getattr(before, name), getattr(now, name)
        if old == new:
            continue
        if not isinstance(old, dict):
            return f"{name.replace('_', ' ')} ({_in_words(name, old)}, now {_in_words(name, new)})"
        option = next(key for key in (*old, *new) if old.get(key) != new.get(key))
        what = f"{name.removesuffix('_options')} option {option}"
        return f"{what} ({_in_words(option, old.get(option))}, now {_in_words(option, new.get(option))})"
    raise ValueError(f"The settings of {stage} do not differ.")


def _in_words(name: str, value: Any) -> str:
    if value is None or value == ():
        return "not given"
    if name == "intrinsics":
        fx, _, cx, _, fy, cy, *_ = value
        return f"{fx:g},{fy:g},{cx:g},{cy:g}"
    return ", ".join(value) if isinstance(value, tuple) else str(value)
