"""A whole run: videos to clips, each clip through its stages, and questions about all of them at the end.

What is on disk says what is done: a run that was killed goes on where it was, clip by clip and stage by stage, and
ends with the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from st_vlm.building.build import BuildReport
from st_vlm.building.submitted import refuse_if_queued
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.asking import ask
from st_vlm.pseudo_labels.backends import KINDS
from st_vlm.pseudo_labels.files import RUN_FILE, write_json
from st_vlm.pseudo_labels.quality_table import ClipQuality, quality_table, write_quality
from st_vlm.pseudo_labels.run_settings import STAGES, RunSettings, settle
from st_vlm.pseudo_labels.stages import Run

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
        InputError: The folder was begun with other settings, there are no videos, a backend does not exist or does
            not take its options, or the run has no such last stage.
        OSError: The disk cannot be written.
    """
    _check_until(settings, from_stage, until)
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


def _check_until(settings: RunSettings, from_stage: str | None, until: str | None) -> None:
    """Refuse a last stage that the run never comes to."""
    if until is None:
        return
    if until not in STAGES:
        raise InputError(f"There is no stage {until!r}. Choose one of {', '.join(STAGES)}.")
    for stage, wanted in (("check", settings.check is not None), ("self-check", settings.self_check)):
        if until == stage and not wanted:
            raise InputError(f"The run has no stage {stage}: give --{stage}, or leave --until {until} away.")
    if from_stage in STAGES and STAGES.index(from_stage) > STAGES.index(until):
        raise InputError(f"--from {from_stage} comes behind --until {until}. Leave one of them away.")


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
    refuse_if_queued(out.absolute())
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
