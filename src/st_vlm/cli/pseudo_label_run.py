"""`st-vlm pseudo-label VIDEOS --out DIR`: videos without 3D labels become questions whose error is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from st_vlm.cli.output import counted, print_table, say
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.executors import Execution, needed, submit, walk_on
from st_vlm.pseudo_labels.files import QUESTIONS
from st_vlm.pseudo_labels.measuring.naming import read_phrase
from st_vlm.pseudo_labels.pipeline import RunReport, prepare, run_pipeline
from st_vlm.pseudo_labels.quality_table import DROPPED, KEPT, UNFINISHED, ClipQuality, summary
from st_vlm.pseudo_labels.run_settings import RunSettings

_COLUMNS = ("clip", "status", "seconds", "objects", "kept", "residual %", "scale ± %", "place ± m", "score", "why")


def run(
    settings: RunSettings,
    out: Path,
    from_stage: str | None,
    until: str | None,
    num_proc: int,
    form: Literal["table", "json"],
    execution: Execution | None = None,
) -> int:
    """Run the pipeline, here or by an executor, and print its quality table.

    Returns the exit code: 0, 1 where some clips or videos gave nothing, 2 where none was kept, 130 by Ctrl-C.

    Raises:
        InputError: As `run_pipeline`.
    """
    if execution is not None and execution.kind == "slurm":
        return _submit(settings, out, from_stage, until, execution)
    walk = None if execution is None else walk_on(execution)
    try:
        report = run_pipeline(settings, out, from_stage, until, walk, num_proc)
    except KeyboardInterrupt:
        say("st-vlm: interrupted. What is done is kept: run the same command again to go on.")
        return 130
    if form == "json":
        print(json.dumps(_facts(report, out), indent=2))
    else:
        print_table(_COLUMNS, _rows(report.lines))
    _tell(report, out, until)
    counts = summary(report.lines)
    dropped = any(line.status == DROPPED for line in report.lines)
    if until not in (None, "questions"):
        return 1 if dropped else 0
    return 2 if not counts[KEPT] or report.built is None else 1 if dropped else 0


def _submit(settings: RunSettings, out: Path, from_stage: str | None, until: str | None, execution: Execution) -> int:
    needed("slurm")
    run = prepare(settings, out, from_stage)
    stages = run.stages()
    if until in stages:
        stages = stages[: stages.index(until) + 1]
    queued = submit(run, execution, stages, questions=until in (None, "questions"))
    for stage, job in queued.jobs.items():
        say(f"{stage}: Slurm job {job}.")
    say(f"Look at them with `squeue --name={queued.name}`; logs: {queued.logs}.")
    say("When they have ended, run the same command without --executor to see the quality table, or to go on.")
    return 0


def matrix_of(intrinsics: str | None) -> tuple[float, ...] | None:
    """The nine numbers of a pinhole matrix from `fx,fy,cx,cy`, or None.

    Raises:
        InputError: Not four numbers.
    """
    if intrinsics is None:
        return None
    try:
        fx, fy, cx, cy = (float(number) for number in intrinsics.split(","))
    except ValueError:
        raise InputError(f"--intrinsics takes fx,fy,cx,cy in pixels, not {intrinsics!r}.") from None
    return fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0


def pointed(boxes: Sequence[str], nouns: Sequence[str]) -> dict[str, Any]:
    """The arguments of the backend `pointed` from `x1,y1,x2,y2@second` texts.

    Raises:
        InputError: A text of another form.
    """
    found: dict[str, Any] = {"boxes": [], "times_s": [], "categories": []}
    for k, text in enumerate(boxes):
        place, _, second = text.partition("@")
        try:
            x1, y1, x2, y2 = box = [float(number) for number in place.split(",")]
            at = float(second or 0)
        except ValueError:
            raise InputError(f"--box takes x1,y1,x2,y2@SECOND, not {text!r}.") from None
        if not (x1 < x2 and y1 < y2 and at >= 0):
            raise InputError(f"--box takes the left, top, right and bottom side of a box and a second, not {text!r}.")
        found["boxes"].append(box)
        found["times_s"].append(at)
        found["categories"].append(read_phrase(nouns[k] if k < len(nouns) else "car").noun)
    return found


def _rows(lines: Sequence[ClipQuality]) -> list[list]:
    """The quality table; a reason that an earlier line has told is not told again."""
    rows, told = [], {}
    for line in lines:
        whose, why = line.clip or line.video, ""
        if line.reason:
            first = told.setdefault((line.stage, line.reason), whose)
            why = f"{line.stage}: {line.reason if first == whose else f'as {first}'}"
        elif line.status == UNFINISHED:
            why = f"{line.stage} is next"
        elif line.left_out:
            why = f"{counted(len(line.left_out), 'object')} left out, such as {line.left_out[0]}"
        shares = [None if share is None else 100 * share for share in (line.residual, line.scale_sigma)]
        rows.append(
            [whose, line.status, line.seconds, line.objects, line.kept, *shares, line.sigma_m, line.score, why]
        )
    return rows


def _facts(report: RunReport, out: Path) -> dict:
    built = report.built
    return {
        "out": str(out),
        "clips": [asdict(line) for line in report.lines],
        "counts": summary(report.lines),
        "rows": {} if built is None else built.counts,
        "without": report.without,
    }


def _tell(report: RunReport, out: Path, until: str | None) -> None:
    counts = summary(report.lines)
    left = sum(line.status == UNFINISHED for line in report.lines)
    dropped = {name: number for name, number in counts.items() if name.startswith("dropped")}
    say(
        f"{counted(counts[KEPT], 'clip')} kept"
        + "".join(f", {number} {name}" for name, number in dropped.items())
        + (f", {left} unfinished" if left else "")
        + "."
    )
    if report.built is not None:
        rows = sum(sum(tasks.values()) for tasks in report.built.counts.values())
        say(f'{rows} questions in {out / QUESTIONS}: load_dataset("stkit", "pseudo", data_dir="{out}").')
    elif until in (None, "questions"):
        say(f"st-vlm: no questions. {report.without}")
