"""Which rows of the shards stay: none that repeats another camera's, and within each split a balanced choice."""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from st_vlm.balance.caps import hour_of
from st_vlm.balance.selection import LEAST_OF_A_TASK, balanced
from st_vlm.building.plan import Plan, WorkFolder
from st_vlm.building.settings import SPLITS, BuildSettings
from st_vlm.building.shard import ABOUT_FILE, ROWS_FILE
from st_vlm.errors import InputError
from st_vlm.evaluation.baselines import above_goal, guessing_report
from st_vlm.evaluation.glance import GLANCE_COLUMNS, Glance, glance_of
from st_vlm.questions.forms import TASKS
from st_vlm.questions.selection import Ask, Repeats


@dataclass(frozen=True)
class Shard:
    """A finished shard.

    Attributes:
        path: Its folder.
        recording: Of which it is.
        split, licence, domain: The recording's.
        tracks: Number of the recording's tracks.
        rows: Numbers of its rows that ask nothing that an earlier camera's shard asks.
        reversed_winners: Of each of those.
    """

    path: Path
    recording: str
    split: str
    licence: str
    domain: str
    tracks: int
    rows: np.ndarray
    reversed_winners: tuple[bool, ...]

    @classmethod
    def read(cls, path: Path, recording: str, repeats: Repeats) -> Shard:
        """Read a shard; `repeats` knows what the recording has been asked before."""
        about = json.loads((path / ABOUT_FILE).read_text(encoding="utf-8"))
        asks = (Ask(**{name: tuple(v) if isinstance(v, list) else v for name, v in a.items()}) for a in about["asks"])
        rows = [row for row, ask in enumerate(asks) if repeats.add(ask)]
        return cls(
            path,
            recording,
            *(sys.intern(about[name]) for name in ("split", "licence", "domain")),
            about["tracks"],
            np.array(rows, np.int64),
            tuple(about["reversed_winners"][row] for row in rows),
        )

    def glances(self) -> list[Glance]:
        """What guessing can go by in each of those rows."""
        table = pq.ParquetFile(self.path / ROWS_FILE).read(columns=list(GLANCE_COLUMNS)).take(self.rows)
        return [glance_of(row) for row in table.to_pylist()]


@dataclass(frozen=True)
class Selection:
    """The rows that stay.

    Attributes:
        rows: Their numbers in every shard.
        report: How they were balanced, and `evaluation.baselines.guessing_report` of them.
    """

    rows: list[np.ndarray]
    report: dict


def read_shards(work: WorkFolder, plan: Plan) -> list[Shard]:
    """The finished shards in the order of the plan; a question that two cameras ask stays with the first."""
    shards = []
    for recording, jobs in groupby(plan.jobs, key=lambda job: job.recording):
        repeats = Repeats()
        shards += [Shard.read(work.shard(job), recording, repeats) for job in jobs if work.is_done(job)]
    return shards


def select(shards: Sequence[Shard], settings: BuildSettings) -> Selection:
    """Balance each split.

    Raises:
        InputError: The set is to be balanced in full and is too small or too one-sided for that.
    """
    rows = [shard.rows for shard in shards]
    how = "none" if settings.questions is not None else settings.balance
    found: Counter[str] = Counter()
    hours: set[tuple[str, int | None]] = set()
    kept: dict[str, list[Glance]] = {}
    for number, split in enumerate(SPLITS):
        members = [k for k, shard in enumerate(shards) if shard.split == split]
        glances = [glance for k in members for glance in shards[k].glances()]
        if not glances:
            continue
        found.update(glance.task for glance in glances)
        hours.update((glance.task, hour_of(glance)) for glance in glances)
        reversed_winners = [turned for k in members for turned in shards[k].reversed_winners]
        places = [(k, row) for k in members for row in range(len(rows[k]))]
        rng = np.random.default_rng([settings.seed, number])
        chosen = balanced(glances, reversed_winners, rng, how, kept.get("train", ()))
        stay = defaultdict(list)
        for place in chosen:
            stay[places[place][0]].append(places[place][1])
        for k in members:
            rows[k] = rows[k][np.array(stay[k], dtype=np.int64)]
        kept[split] = [glances[place] for place in chosen]
    report = {"balance": how, **guessing_report(kept)}
    # A set in which nothing was found at all is told of as such, not as unbalanced.
    if how == "full" and found and (missing := what_is_missing(settings.tasks, found, hours, report)):
        raise InputError(
            f"A balanced set needs at least {LEAST_OF_A_TASK} questions of every task that guessing does not answer. "
            f"Missing: {'; '.join(missing)}. Add recordings (simulated ones have every turn and speed), ask fewer "
            'tasks, or build what there is with --balance partial (`balance="partial"` in Python); the finished '
            "shards are kept for that."
        )
    return Selection(rows, report)


def what_is_missing(
    tasks: Sequence[str], found: Counter[str], hours: Set[tuple[str, int | None]], report: dict
) -> list[str]:
    """What keeps a set from being balanced, a clause a task; empty where nothing does.

    Args:
        tasks: The wanted tasks.
        found: Number of questions by task, before balancing.
        hours: (task, hour) of them.
        report: Of those that balancing left.
    """
    left = Counter()
    for of_split in report["n"].values():
        left.update(of_split)
    missing = [
        f"{task} has {left[task]}{_guessed(found[task] - left[task])}{_absent(task, hours)}"
        for task in tasks
        if task in TASKS and left[task] < LEAST_OF_A_TASK
    ]
    for split, shares in report["shares"].items():
        missing += [
            f"on {task} ({split}) the baseline {name} scores {100 * share:.0f} %, more than {100 * most:.0f} %"
            for task, name, share, most in above_goal(shares)
            if report["n"][split][task] >= LEAST_OF_A_TASK and task in tasks
        ]
    return missing


def _guessed(count: int) -> str:
    return f" ({count} more were found, but could be guessed)" if count else ""


def _absent(task: str, hours: Set[tuple[str, int | None]]) -> str:
    """The hours that no question of a direction task is about, in words."""
    if task not in ("moving_direction", "direction_timestamp"):
        return ""
    absent = [str(hour) for hour in range(1, 13) if (task, hour) not in hours]
    return f", none about {', '.join(absent)} o'clock" if absent else ""
