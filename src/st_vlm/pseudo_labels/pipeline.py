"""A whole run: videos to clips, each clip through its stages, and questions about all of them at the end.

What is on disk says what is done: a run that was killed goes on where it was, clip by clip and stage by stage, and
ends with the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from st_vlm.building.build import BuildReport, build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import KINDS
from st_vlm.pseudo_labels.files import QUESTIONS, RUN_FILE, write_json
from st_vlm.pseudo_labels.quality_table import KEPT, ClipQuality, quality_table, write_quality
from st_vlm.pseudo_labels.run_settings import RunSettings, settle
from st_vlm.pseudo_labels.stages import Run
from st_vlm.questions.forms import TASKS

# How a stage goes over what is due: a function of the run, the stage's name, and its items.
Walk = Callable[[Run, str, Sequence[str]], None]


@dataclass(frozen=True)
class RunReport:
    """What came out of a run.

    Attributes:
        lines: The quality table.
        built: What the questions' build tells; None where no clip was kept, or nothing could be asked.
        without: Why there are no questions; empty where there are.
    """

    lines: tuple[ClipQuality, ...]
    built: BuildReport | None
    without: str = ""


def run_pipeline(
    settings: RunSettings,
    out: Path,
    from_stage: str | None = None,
    until: str | None = None,
    walk: Walk | None = None,
    num_proc: int = 1,
) -> RunReport:
    """Make, or go on making, a folder of pseudo-labels.

    Args:
        settings: Of the run.
        out: Its folder.
        from_stage: Make this stage and those behind it again.
        until: The last stage to make; None: all.
        walk: How a stage goes over the clips; None: one after the other, in this process.
        num_proc: Worker processes of the questions' build.

    Raises:
        InputError: The folder was begun with other settings, there are no videos, or a backend does not exist or
            does not take its options.
        OSError: The disk cannot be written.
    """
    run = prepare(settings, out, from_stage)
    walk = walk or one_by_one
    for stage in run.stages():
        due = [item for item in run.items(stage) if run.is_due(stage, item)]
        if due:
            walk(run, stage, due)
        if stage == until:
            break
    built, without = None, ""
    if until in (None, "questions"):
        built, without = ask(run, num_proc)
    lines = quality_table(out)
    write_quality(out, lines)
    return RunReport(tuple(lines), built, without)


def prepare(settings: RunSettings, out: Path, from_stage: str | None = None) -> Run:
    """A run whose folder is there, whose settings are noted, and in which nothing lies that is to be made again.

    Raises:
        InputError: As `run_pipeline`.
    """
    run = Run(out, settings)
    # Before anything is written: a misspelt option should not cost a probe of all videos.
    if not run.videos:
        raise InputError(f"{settings.videos} holds no video.")
    for stage in run.stages():
        if stage in KINDS:
            getattr(run, stage)
    run.restart(settle(settings, out, from_stage))
    write_json(out / RUN_FILE, settings.as_json())
    return run


def one_by_one(run: Run, stage: str, items: Sequence[str]) -> None:
    """One item after the other, in this process."""
    for item in tqdm(items, desc=stage, unit=unit_of(stage), disable=None):
        run.do(stage, item)


def unit_of(stage: str) -> str:
    """What a stage's progress counts."""
    return "video" if stage == "probe" else "clip"


def ask(run: Run, num_proc: int = 1) -> tuple[BuildReport | None, str]:
    """Build the questions about all clips that were kept; why there are none, where there are none."""
    settings = run.settings
    if not any(line.status == KEPT for line in quality_table(run.out)):
        return None, "No clip was kept."
    folder = run.out / QUESTIONS
    # The clips may have changed since it was built.
    shutil.rmtree(folder, ignore_errors=True)
    options = {"max_expected_error": settings.max_expected_error, "videos": str(settings.folder)}
    asked = BuildSettings(
        source="pseudo",
        path=str(run.out),
        seed=settings.seed,
        tasks=settings.tasks or tuple(TASKS),
        balance=settings.balance,
        source_options=options,
    )
    try:
        return build(asked, folder, num_proc), ""
    except InputError as error:
        return None, str(error)
