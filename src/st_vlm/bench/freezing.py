"""Freezing a benchmark: so many questions a task, balanced, from recordings that nothing is trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing import get_context

import numpy as np
from tqdm import tqdm

from st_vlm.balance.selection import balanced, thinned
from st_vlm.bench.manifest import Manifest, Part, combined, question_hash
from st_vlm.building.plan import Job, Plan, make_plan
from st_vlm.building.settings import BuildSettings
from st_vlm.building.shard import interview
from st_vlm.building.worker import die_with_parent, told_of_a_killed_worker, without_main_module
from st_vlm.errors import InputError
from st_vlm.evaluation.glance import Glance, glance_of
from st_vlm.questions.forms import TASKS
from st_vlm.questions.selection import Ask, Repeats
from st_vlm.recordings import Source

A_TASK = 200


@dataclass(frozen=True, slots=True)
class Found:
    """A question that the benchmark may take."""

    source: str
    recording: str
    id: str
    hash: str
    glance: Glance
    reversed_winner: bool


@dataclass(frozen=True, slots=True)
class Frozen:
    """A chosen benchmark.

    Attributes:
        manifest: Its questions.
        failures: A sentence for every recording, or camera of one, that could not be asked about.
        without_images: Recordings that have no images, so no questions.
    """

    manifest: Manifest
    failures: tuple[str, ...]
    without_images: tuple[str, ...]


def freeze(
    name: str,
    sources: Sequence[BuildSettings],
    a_task: int = A_TASK,
    version: int = 1,
    fewer: bool = False,
    num_proc: int = 1,
) -> Frozen:
    """Choose a benchmark's questions.

    Args:
        name: Of the benchmark.
        sources: Where they come from, each another; only recordings of the split `test` are taken. With `video` those
            that have images, as the benchmark will be built: some sources know their times from these alone.
        a_task: How many questions of each of the seven tasks.
        version: Of the benchmark.
        fewer: Take what there is where a task has not so many.
        num_proc: Worker processes; what is chosen does not depend on it.

    Raises:
        InputError: A source cannot be read, has no test split, or has too few questions.
    """
    sources = [replace(settings.anywhere(), tasks=tuple(TASKS)) for settings in sources]
    if len({settings.source for settings in sources}) < len(sources):
        raise InputError("A benchmark takes every source once: give different ones.")
    failures, without_images, found = [], [], []
    for settings in sources:
        plan = _plan(settings)
        failures += plan.failures
        without_images += plan.without_images
        for asked in _ask_all(settings, plan.jobs, num_proc):
            (failures if isinstance(asked, str) else found).append(asked)
    glances, turned = [one.glance for one in found], [one.reversed_winner for one in found]
    rng = np.random.default_rng(sources[0].seed)
    kept = balanced(glances, turned, rng, "full")
    chosen: list[int] = []
    for task in TASKS:
        chosen += thinned(task, [k for k in kept if glances[k].task == task], a_task, glances, turned, rng)
    count = Counter(glances[k].task for k in chosen)
    short = [f"{task} {count[task]}" for task in TASKS if count[task] < a_task]
    if short and (not fewer or not chosen):
        raise InputError(_too_few(a_task, short, bool(chosen), failures, without_images))
    members = [found[k] for k in sorted(chosen)]
    parts = tuple(_part(settings, [one for one in members if one.source == settings.source]) for settings in sources)
    parts = tuple(part for part in parts if part.questions)
    manifest = Manifest(name, version, parts, combined({one.id: one.hash for one in members}))
    return Frozen(manifest, tuple(failures), tuple(without_images))


def _part(settings: BuildSettings, members: Sequence[Found]) -> Part:
    questions: dict[str, dict[str, str]] = {}
    for one in members:
        questions.setdefault(one.recording, {})[one.id] = one.hash
    return Part(settings.source, settings.seed, settings.source_options, questions)


def _too_few(
    a_task: int, short: Sequence[str], some: bool, failures: Sequence[str], without_images: Sequence[str]
) -> str:
    """The sentence for too few questions, some or none at all."""
    advice = "Add recordings, or take what there is with --fewer." if some else "Add recordings."
    if failures:
        advice += f" {len(failures)} could not be read; the first: {failures[0]}"
    if without_images:
        advice += f" {len(without_images)} have no images (first: {without_images[0]}); --no-video takes them, too."
    return f"Too few balanced questions for {a_task} a task: {', '.join(short)}. {advice}"


def _plan(settings: BuildSettings) -> Plan:
    """The cameras of a source's test recordings."""
    source = settings.open()
    test = tuple(r for r in source.recording_ids() if source.split(r) == "test")
    if not test:
        raise InputError(f"{settings.path or settings.source} has no recording in its test split.")
    return make_plan(source, replace(settings, recordings=test))


def _ask_all(settings: BuildSettings, jobs: Sequence[Job], num_proc: int) -> Iterator[Found | str]:
    """Every question of some recordings, of those that two cameras ask the first camera's; or why there are none."""
    bar = tqdm(total=len(jobs), desc=f"Asking {settings.source}", unit="camera", disable=None)
    repeats: dict[str, Repeats] = {}
    with bar, told_of_a_killed_worker("Run the same command again"):
        for job, asked in zip(jobs, _answers(settings, jobs, min(num_proc, len(jobs))), strict=True):
            bar.update()
            if isinstance(asked, str):
                yield f"{job.recording} ({job.camera}): {asked}"
                continue
            seen = repeats.setdefault(job.recording, Repeats())
            yield from (one for ask, one in asked if seen.add(ask))


def _answers(settings: BuildSettings, jobs: Sequence[Job], num_proc: int) -> Iterator[list[tuple[Ask, Found]] | str]:
    """What `_ask` gives for every job, in their order, in this process or several."""
    if num_proc <= 1:
        source = settings.open()
        yield from (_ask(source, settings, job) for job in jobs)
        return
    pool = ProcessPoolExecutor(num_proc, mp_context=get_context("spawn"), initializer=die_with_parent)
    try:
        with without_main_module():
            results = pool.map(_ask_in_worker, [(settings, job) for job in jobs])
        yield from results
    finally:
        # By Ctrl-C what waits is not begun.
        pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _opened(fingerprint: str) -> Source:
    """A worker's own source, opened once."""
    return BuildSettings.from_fingerprint(fingerprint).open()


def _ask_in_worker(given: tuple[BuildSettings, Job]) -> list[tuple[Ask, Found]] | str:
    settings, job = given
    try:
        return _ask(_opened(settings.fingerprint()), settings, job)
    except InputError as error:
        return str(error)


def _ask(source: Source, settings: BuildSettings, job: Job) -> list[tuple[Ask, Found]] | str:
    """The questions of one recording seen by one camera, or the sentence why it cannot be read."""
    try:
        found = interview(
            source.read(job.recording, job.camera, images=settings.video),
            settings.seed,
            settings.tasks,
        )
        rows = found.rows()
    except InputError as error:
        return str(error)
    return [
        (ask, Found(settings.source, job.recording, row["id"], question_hash(row), glance_of(row), turned))
        for ask, row, turned in zip(found.asks(), rows, found.reversed_winners(), strict=True)
    ]
