"""`st-vlm build`: a source's recordings become a dataset folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from st_vlm.building.build import BuildReport, build
from st_vlm.building.dry_run import estimate
from st_vlm.building.executor_options import read_options
from st_vlm.building.executors import Execution, Kind, build_on
from st_vlm.building.settings import BuildSettings
from st_vlm.cli.output import print_table, say
from st_vlm.evaluation.baselines import report_rows
from st_vlm.recordings.drops import RULES

if TYPE_CHECKING:
    from st_vlm.building.launching import Submitted


def run_build(
    settings: BuildSettings,
    out: Path,
    form: Literal["table", "json"],
    num_proc: int,
    execution: Execution | None = None,
) -> int:
    """Build, print what came out, and return the exit code: 0, 1 where some recordings were left out, 130 by Ctrl-C.

    Raises:
        InputError: Nothing could be built, or `out` is in use.
    """
    try:
        report = build(settings, out, num_proc) if execution is None else build_on(execution, settings, out)
    except KeyboardInterrupt:
        say("st-vlm: interrupted. Finished shards are kept: run the same command again to go on.")
        return 130
    if not isinstance(report, BuildReport):
        return _tell_submitted(report, out, form)
    if form == "json":
        facts = {
            "out": str(out),
            "rows": report.counts,
            "clips": report.clips,
            "tracks": report.tracks,
            "tracks_asked": report.tracks_asked,
            "dropped": report.dropped,
            "balance": report.balance,
        }
        print(json.dumps(facts, indent=2))
    else:
        _print(report, settings)
    tell_left_out(report.without_images, report.failures, settings.video)
    say(f"{sum(sum(tasks.values()) for tasks in report.counts.values())} questions on {report.clips} clips in {out}.")
    return 1 if report.failures else 0


def execution_of(kind: Kind, tasks: int | None, workers: int, config: Path | None) -> Execution:
    """The executor that the options name.

    Raises:
        InputError: The configuration file cannot be read.
    """
    return Execution(kind, tasks, workers, {} if config is None else read_options(config))


def _tell_submitted(found: Submitted, out: Path, form: Literal["table", "json"]) -> int:
    if form == "json":
        print(json.dumps({"out": str(out), "job_name": found.name, "jobs": found.jobs, "logs": str(found.logs)}))
    write, assemble = found.jobs
    say(f"Slurm took the jobs {write}, which writes shards, and {assemble}, which makes {out} of them after that.")
    say(f"Look at them with `squeue --name={found.name}`; logs and the report of what came out: {found.logs}.")
    say("Should jobs fail or be killed, run the same command again to go on.")
    return 0


def run_dry(settings: BuildSettings, form: Literal["table", "json"]) -> int:
    """Print what a build would give and cost; nothing is written.

    Raises:
        InputError: The source cannot be opened.
    """
    found = estimate(settings)
    if form == "json":
        print(json.dumps(asdict(found), indent=2))
    else:
        print_table(["task", "questions"], [[task, f"~ {count}"] for task, count in found.questions.items()])
    tell_left_out(found.without_images, found.failures, settings.video)
    say(
        f"{found.recordings} recordings, {found.shards} with their cameras, {found.sampled} of them looked at. "
        f"Expected: about {sum(found.questions.values())} questions before balancing on {found.clips} clips, "
        f"{found.bytes / 1e6:.1f} MB, {_duration(found.seconds)} on one process. Nothing was written."
    )
    return 1 if found.failures else 0


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tell_left_out(without_images: Sequence[str], failures: Sequence[str], video: bool) -> None:
    """Say which recordings gave nothing: those without images (or camera, without video), and those that failed."""
    what = "images" if video else "calibrated camera"
    for recording in without_images[:3]:
        say(f"st-vlm: {recording} has no {what} and gave no clips.")
    if len(without_images) > 3:
        say(f"st-vlm: {len(without_images) - 3} more recordings have no {what}.")
    for sentence in failures:
        say(f"st-vlm: {sentence}")


def _print(report: BuildReport, settings: BuildSettings) -> None:
    splits = list(report.counts)
    rows = [[task, *(report.counts[split].get(task, 0) for split in splits)] for task in settings.tasks]
    print_table(["task", *splits], rows)
    print()
    rows = [[settings.source, rule, n["tracks"], n["spans"], RULES[rule]] for rule, n in report.dropped.items()]
    rows.append([settings.source, "asked about", report.tracks_asked, None, f"of {report.tracks} annotated objects"])
    print_table(["source", "left out by", "tracks", "spans", "because"], rows)
    print()
    print_table(*report_rows(report.balance))
    found = {task for by_task in report.counts.values() for task in by_task}
    for task in settings.tasks:
        if task not in found:
            if report.domains == {"sports"} and task not in SPORTS_TASKS:
                continue
            say(f"st-vlm: no question of the task {task}: {_WHY_NONE[task]}.")
    if report.domains == {"sports"}:
        say("st-vlm: sports recordings follow one person and are asked about distances, speeds and places alone.")


SPORTS_TASKS = (
    "traveled_distance",
    "traveling_speed",
    "peak_speed",
    "acceleration",
    "time_to_distance",
    "camera_travel",
    "object_position",
    "city_travel_time",
    "times_slower",
    "path_length",
    "race_time",
    "laps_in_time",
    "keeping_pace",
    "distance_in_time",
)
_NO_MOVING = "no object is seen for two seconds that surely moves, neither too slowly nor too fast for it"
# What a recording must hold for a task to be asked (DEFINITIONS).
_WHY_NONE = {
    "traveled_distance": "no object is seen for two seconds that surely moves or surely stands",
    "traveling_speed": "no object is seen for two seconds that surely moves or surely stands",
    "moving_direction": "no moving object's last heading lies within 10 degrees of an hour",
    "direction_timestamp": "no moving object has an hour with exactly one run of 1.5 s to 60 % of its span",
    "traveled_distance_comparison": "no two objects seen together differ by 15 % and half a metre",
    "traveling_speed_comparison": "no two objects seen together differ by 15 % within a part of their common span",
    "moving_direction_comparison": "no two objects move straight at once, in clearly the same or different directions",
    "peak_speed": "no object is seen for two seconds that surely moves",
    "acceleration": "no moving object changes its speed evenly by 1.5 m/s within 2 to 4 seconds",
    "number_of_turns": "no moving object's path is clearly straight stretches with turns between them",
    "closest_approach": "no two objects seen together approach and part again, at least a meter from each other",
    "time_to_distance": "no object surely moves past a round number of meters",
    "camera_travel": "no camera surely moves or surely stands",
    "object_position": "no object is seen a second or more after a clip's start",
    **dict.fromkeys(("city_travel_time", "times_slower", "race_time", "laps_in_time", "distance_in_time"), _NO_MOVING),
    "faster_team": "no two objects seen together differ by 15 % and half a metre",
    "path_length": "no moving object goes in two directions or more",
    "over_speed_limit": "no vehicle moves at a speed with limits of the table below and above it",
    "stopping_distance": "no vehicle averages 10 km/h",
    "catching_up": "no two objects that move together differ by 15 % and 1 km/h",
    "kinetic_energy": "no object of a kind with a known mass moves fast enough for half a kilojoule",
    "keeping_pace": "no object moves at a speed with typical speeds of the table below and above it",
}
