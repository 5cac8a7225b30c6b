"""`st-vlm build`: a source's recordings become a dataset folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from st_vlm.building.build import BuildReport, BuildSettings, build
from st_vlm.cli.output import print_table, say
from st_vlm.questions.answers import TASKS


def run_build(
    source: str,
    path: Path | None,
    out: Path,
    form: Literal["table", "json"],
    num_proc: int,
    seed: int,
    cameras: list[str] | None,
    tasks: list[str] | None,
    balance: bool,
    options: Mapping[str, int],
) -> int:
    """Build, print what came out, and return the exit code: 0, or 1 where some recordings could not be used.

    Raises:
        InputError: Nothing could be built, or `out` is in use.
    """
    settings = BuildSettings(
        source=source,
        path=None if path is None else str(path),
        seed=seed,
        cameras=tuple(cameras) if cameras else None,
        tasks=tuple(tasks) if tasks else tuple(TASKS),
        balance=balance,
        source_options=dict(options),
    )
    report = build(settings, out, num_proc)
    if form == "json":
        print(json.dumps({"out": str(out), "rows": report.counts, "clips": report.clips}, indent=2))
    else:
        _print(report, settings)
    for recording in report.without_images[:3]:
        say(f"st-vlm: {recording} has no images and gave no clips.")
    if len(report.without_images) > 3:
        say(f"st-vlm: {len(report.without_images) - 3} more recordings have no images.")
    for sentence in report.failures:
        say(f"st-vlm: {sentence}")
    say(f"{sum(sum(tasks.values()) for tasks in report.counts.values())} questions on {report.clips} clips in {out}.")
    return 1 if report.failures else 0


def _print(report: BuildReport, settings: BuildSettings) -> None:
    splits = list(report.counts)
    rows = [[task, *(report.counts[split].get(task, 0) for split in splits)] for task in settings.tasks]
    print_table(["task", *splits], rows)
    found = {task for by_task in report.counts.values() for task in by_task}
    for task in settings.tasks:
        if task not in found:
            say(f"st-vlm: no question of the task {task}: {_WHY_NONE[task]}.")


# What a recording must hold for a task to be asked (DEFINITIONS).
_WHY_NONE = {
    "traveled_distance": "no object is seen for two seconds that surely moves or surely stands",
    "traveling_speed": "no object is seen for two seconds that surely moves or surely stands",
    "moving_direction": "no moving object's last heading lies within 10 degrees of an hour",
    "direction_timestamp": "no moving object has an hour with exactly one run of 1.5 s to 60 % of its span",
    "traveled_distance_comparison": "no two objects seen together differ by 15 % and half a metre",
    "traveling_speed_comparison": "no two objects seen together differ by 15 % within a part of their common span",
    "moving_direction_comparison": "no two objects move straight at once, in clearly the same or different directions",
}
