"""`st-vlm control`: a control variant of a built folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from st_vlm.cli.output import counted, print_table, say
from st_vlm.errors import InputError
from st_vlm.evaluation.controls import REASONS, ControlReport, control_named, make_control
from st_vlm.evaluation.controls.batches import Origin
from st_vlm.viewing.folder import open_built


def control(
    folder: Path,
    name: str,
    out: Path,
    split: str | None,
    num_proc: int,
    form: Literal["table", "json"],
    source: str | None,
    data: Path | None,
    options: dict,
) -> int:
    """Make the variant, print what came out, and return the exit code: 0, or 1 where some clips could not be used.

    Raises:
        InputError: As `make_control`; or recordings are named for a control that reads none.
    """
    control_named(name)
    origin = None
    if source or data or options:
        if name != "double_frame_rate":
            raise InputError("--source, --data and --option are for --control double_frame_rate only.")
        about = open_built(folder).about
        named = source or about["source"]
        origin = Origin(named, None if data is None else str(data), options or about.get("source_options") or {})
    report = make_control(folder, name, out, split, num_proc, origin)
    if form == "json":
        print(
            json.dumps(
                {
                    "out": str(out),
                    "control": name,
                    "split": report.split,
                    "rows": report.counts,
                    "of": report.of,
                    "left_out": report.left_out,
                    "failures": list(report.failures),
                },
                indent=2,
            )
        )
    else:
        rows = [(task, report.counts.get(task, 0), count) for task, count in report.of.items()]
        print_table(("task", name, report.split), rows)
    _tell(report, out)
    return 1 if report.failures else 0


def _tell(report: ControlReport, out: Path) -> None:
    for reason, count in report.left_out.items():
        say(f"{counted(count, 'question')} left out, each because {REASONS[reason]}.")
    for sentence in report.failures:
        say(f"st-vlm: {sentence}")
    if report.failures:
        clips, lost = counted(len(report.failures), "clip"), counted(report.lost, "question")
        say(f"{clips} with {lost} could not be used.")
    say(f"{sum(report.counts.values())} of {sum(report.of.values())} questions in {out}.")
