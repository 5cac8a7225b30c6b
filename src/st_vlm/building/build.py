"""The whole build: a shard a recording and camera, a balanced selection over all of them, one folder at the end.

Everything is written beside the wanted folder under a temporary name; the folder appears complete or not at all.
Killed and started again with the same settings, the build keeps the shards that are there and ends with the same
bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from st_vlm.building.assembly import Assembled, assemble, count_dropped
from st_vlm.building.plan import RESULT, Plan, WorkFolder, make_plan, no_camera
from st_vlm.building.settings import BUILD_FILE, BuildSettings
from st_vlm.building.worker import told_of_a_full_disk, write_shards
from st_vlm.errors import InputError

# Of a finished folder and the sentences for the recordings that could not be used; raises InputError to refuse it.
Check = Callable[[Path, Sequence[str]], None]


@dataclass(frozen=True)
class BuildReport:
    """What came out of a build.

    Attributes:
        counts: Rows by split and task.
        clips: Number of clips.
        failures: A sentence for every recording that could not be used.
        without_images: Recordings that have no images, so no clips.
        dropped: Rule -> `tracks`, the number of objects it concerns, and `spans`, of stretches of time it left out.
        tracks: Number of annotated objects.
        tracks_asked: Number of those in some question's clip.
        domains: Kinds of scenes, such as `driving`.
        balance: How it was balanced, and what baselines that never look score (`balance.json` of the folder).
    """

    counts: dict[str, dict[str, int]]
    clips: int
    failures: tuple[str, ...]
    without_images: tuple[str, ...]
    dropped: dict[str, dict[str, int]]
    tracks: int
    tracks_asked: int
    domains: frozenset[str]
    balance: dict


def build(
    settings: BuildSettings,
    out: str | os.PathLike,
    num_proc: int = 1,
    check: Check | None = None,
) -> BuildReport:
    """Build a dataset folder that stock `datasets` loads.

    Args:
        settings: What to build.
        out: The folder; it must not exist yet, or be empty.
        num_proc: Worker processes; the bytes do not depend on it.
        check: Called with the finished folder before it gets its name; where it raises InputError, nothing is left.

    Raises:
        InputError: `out` holds something, the source cannot be opened, no recording gave a question, the set is to be
            balanced in full and cannot be, another build writes there, or the disk is full.
    """
    out = free_folder(out)
    settings = settings.anywhere()
    source = settings.open()
    plan = make_plan(source, settings)
    work = WorkFolder.beside(out)
    with told_of_a_full_disk(work, plan), work.held(settings):
        work.write_plan(plan)
        if num_proc > 1 and len(plan.jobs) > 1:
            source = None
        write_shards(plan.jobs, settings, work, num_proc, source)
        report = finish(work, plan, settings, out, check)
    return report


def free_folder(out: str | os.PathLike) -> Path:
    """The absolute path of a folder that may be written.

    Raises:
        InputError: It holds something, or is no folder.
    """
    # A link means the folder that it points at: a rename would put the new folder in the link's place.
    out = Path(os.path.realpath(out))
    if (out / BUILD_FILE).is_file():
        # Left by a build that was killed when all was done but its cleaning up.
        WorkFolder.beside(out).remove_if_free()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        older = " Remove it first to build it anew." if (out / BUILD_FILE).is_file() else ""
        raise InputError(f"{out} exists already and is not empty: choose another folder.{older}")
    return out


def finish(
    work: WorkFolder, plan: Plan, settings: BuildSettings, out: Path, check: Check | None = None
) -> BuildReport:
    """Make the wanted folder from the shards, and remove the work folder.

    Raises:
        InputError: No recording gave a question, the set cannot be balanced in full as wanted, or `check` refuses it.
    """
    failed = [(job, work.failure(job)) for job in plan.jobs]
    failures = (*plan.failures, *(f"{job.recording} ({job.camera}): {why}" for job, why in failed if why is not None))
    done = assemble(work, plan, settings, failures)
    if done is None:
        sentence = why_nothing(settings, plan, failures) + _left_out(work, plan)
        work.remove()
        raise InputError(sentence)
    if check is not None:
        try:
            check(work.path / RESULT, failures)
        except InputError:
            work.remove()
            raise
    if out.exists():
        out.rmdir()
    out.parent.mkdir(parents=True, exist_ok=True)
    (work.path / RESULT).rename(out)
    work.remove()
    return _report(done, plan, failures)


def _report(done: Assembled, plan: Plan, failures: tuple[str, ...]) -> BuildReport:
    return BuildReport(
        counts=done.counts,
        clips=done.clips,
        failures=failures,
        without_images=plan.without_images,
        dropped=done.dropped,
        tracks=done.tracks,
        tracks_asked=done.asked,
        domains=done.domains,
        balance=done.balance,
    )


def _left_out(work: WorkFolder, plan: Plan) -> str:
    """What the rules left out, for a build that gave no question."""
    dropped = count_dropped([work.shard(job) for job in plan.jobs if work.is_done(job)])
    if not dropped:
        return ""
    return " Left out: " + ", ".join(f"{n['spans']} {rule}" for rule, n in dropped.items()) + "."


def why_nothing(settings: BuildSettings, plan: Plan, failures: tuple[str, ...]) -> str:
    """The sentence for a build that gave no question."""
    place = settings.path or settings.source
    if failures:
        more = f" {len(failures) - 1} more could not be used either." if len(failures) > 1 else ""
        return f"Nothing can be asked about {place}. {failures[0]}{more}"
    if plan.without_images and not plan.jobs:
        return no_camera(settings, plan.without_images[0])
    if settings.questions:
        return f"{place} asks none of the {len(settings.questions)} wanted questions (first: {settings.questions[0]})."
    return (
        f"Nothing can be asked about {place}: no object is seen for 2 s in a clip of 3 s or more and clearly moves or "
        "clearly stands."
    )
