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
from st_vlm.building.plan import Job, make_plan
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


def freeze(
    name: str,
    sources: Sequence[BuildSettings],
    a_task: int = A_TASK,
    version: int = 1,
    fewer: bool = False,
    num_proc: int = 1,
) -> Manifest:
    """Choose a benchmark's questions.

    Args:
        name: Of the benchmark.
        sources: Where they come from; only recordings of the split `test` are taken.
        a_task: How many questions of each of the seven tasks.
        version: Of the benchmark.
        fewer: Take what there is where a task has not so many.
        num_proc: Worker processes; what is chosen does not depend on it.

    Raises:
        InputError: A source cannot be read, has no test split, or has too few questions.
    """
    sources = [replace(settings.anywhere(), video=False, tasks=tuple(TASKS)) for settings in sources]
    found = [one for settings in sources for one in _ask_all(settings, num_proc)]
    glances, turned = [one.glance for one in found], [one.reversed_winner for one in found]
    rng = np.random.default_rng(sources[0].seed)
    kept = balanced(glances, turned, rng, "full")
    chosen: list[int] = []
    for task in TASKS:
        chosen += thinned(task, [k for k in kept if glances[k].task == task], a_task, glances, turned, rng)
    count = Counter(glances[k].task for k in chosen)
    short = [f"{task} {count[task]}" for task in TASKS if count[task] < a_task]
    if short and (not fewer or not chosen):
        raise InputError(
            f"Too few balanced questions for {a_task} a task: {', '.join(short)}. Add recordings, or take what there "
            "is with --fewer."
        )
    members = [found[k] for k in sorted(chosen)]
    parts = tuple(_part(settings, [one for one in members if one.source == settings.source]) for settings in sources)
    return Manifest(name, version, parts, combined({one.id: one.hash for one in members}))


def _part(settings: BuildSettings, members: Sequence[Found]) -> Part:
    questions: dict[str, dict[str, str]] = {}
    for one in members:
        questions.setdefault(one.recording, {})[one.id] = one.hash
    return Part(settings.source, settings.seed, settings.source_options, questions)


def _ask_all(settings: BuildSettings, num_proc: int) -> Iterator[Found]:
    """Every question of a source's test recordings; of those that two cameras ask, the first camera's."""
    source = settings.open()
    test = tuple(r for r in source.recording_ids() if source.split(r) == "test")
    if not test:
        raise InputError(f"{settings.path or settings.source} has no recording in its test split.")
    jobs = make_plan(source, replace(settings, recordings=test)).jobs
    bar = tqdm(total=len(jobs), desc=f"Asking {settings.source}", unit="camera", disable=None)
    pool = ProcessPoolExecutor(num_proc, mp_context=get_context("spawn"), initializer=die_with_parent)
    repeats: dict[str, Repeats] = {}
    with bar, pool, told_of_a_killed_worker():
        with without_main_module():
            results = pool.map(_ask, [(settings, job) for job in jobs])
        for job, asked in zip(jobs, results, strict=True):
            bar.update()
            seen = repeats.setdefault(job.recording, Repeats())
            yield from (one for ask, one in asked if seen.add(ask))


@lru_cache(maxsize=1)
def _opened(fingerprint: str) -> Source:
    """A worker's own source, opened once."""
    return BuildSettings.from_fingerprint(fingerprint).open()


def _ask(given: tuple[BuildSettings, Job]) -> list[tuple[Ask, Found]]:
    """In a worker process: the questions of one recording seen by one camera; none where it cannot be read."""
    settings, job = given
    try:
        found = interview(
            _opened(settings.fingerprint()).read(job.recording, job.camera, images=False),
            settings.seed,
            settings.tasks,
        )
        rows = found.rows()
    except InputError:
        return []
    return [
        (ask, Found(settings.source, job.recording, row["id"], question_hash(row), glance_of(row), turned))
        for ask, row, turned in zip(found.asks(), rows, found.reversed_winners(), strict=True)
    ]
