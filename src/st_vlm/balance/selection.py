"""Which questions of a set stay: caps on what is common, then what guessers get right is thinned out.

The caps (`caps`) follow DEFINITIONS, "Balance". What they leave is looked at through the eyes of every guesser that
has a goal (`evaluation.baselines`): while one of them, fitted on the very rows it is scored on, gets more than its
goal right, some of these rows go. So no guess of its kind, wherever it was fitted, scores more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

import numpy as np

from st_vlm.balance.caps import capped, crowds, drop_to
from st_vlm.evaluation.baselines import goal
from st_vlm.evaluation.glance import Glance
from st_vlm.evaluation.guessers import Guesser, fit, guessers_of, hits_of, own_hits
from st_vlm.questions.forms import ALL_TASKS

Balance = Literal["full", "partial", "none"]
BALANCES: tuple[Balance, ...] = ("full", "partial", "none")
# In a partly balanced set so many of every crowd stay: one street where everybody drives straight asks which way, too.
ALWAYS_KEEP = 4
# Shares of fewer questions are chance.
LEAST_TRIMMED = 100
# Fitted on other questions a guesser may know some groups better than here.
_AIM_BELOW = 0.01
# Fewer questions of a task, over all splits, are no balanced set of it.
LEAST_OF_A_TASK = 100


def balanced(
    glances: Sequence[Glance],
    reversed_winner: Sequence[bool],
    rng: np.random.Generator,
    how: Balance = "full",
    train: Sequence[Glance] = (),
) -> list[int]:
    """Indices, ascending, of the questions of one split that stay.

    Args:
        glances: What guessing can go by.
        reversed_winner: Of each, whether the faster of two is behind over the whole clip.
        rng: Picks what goes.
        how: `full`: until every cap and goal holds, whatever is left. `partial`: caps leave a few of every crowd, and
            tasks with fewer than 100 questions are not thinned out. `none`: all stay.
        train: For another split than the training split: the questions that stay in that, on which guessers may be
            fitted, too.
    """
    if how == "none":
        return list(range(len(glances)))
    kept: list[int] = []
    for task in ALL_TASKS:
        rows = [k for k, glance in enumerate(glances) if glance.task == task]
        before = None
        while before != len(rows) and rows:
            before = len(rows)
            rows = capped(rows, glances, reversed_winner, rng, ALWAYS_KEEP if how == "partial" else 0)
            rows = _trimmed(task, rows, glances, rng, [glance for glance in train if glance.task == task])
        kept.extend(rows)
    return sorted(kept)


def thinned(
    task: str,
    rows: Sequence[int],
    count: int,
    glances: Sequence[Glance],
    reversed_winner: Sequence[bool],
    rng: np.random.Generator,
) -> list[int]:
    """Of balanced questions of one task so many, ascending, that guessing answers least well.

    Of what is nearest to its cap or goal some go, until the count is reached.

    Args:
        task: Task id.
        rows: Indices of its questions.
        count: How many are wanted; all stay where there are fewer.
        glances, reversed_winner, rng: As for `balanced`.
    """
    rows = list(rows)
    while len(rows) > count:
        members = [([k for k in rows if crowd(k)], share) for crowd, share in crowds(task, glances, reversed_winner)]
        for guesser, most in _goals(task):
            hit = own_hits(guesser, [glances[k] for k in rows])
            members.append(([k for k, right in zip(rows, hit, strict=True) if right], most))
        crowded, _ = max(members, key=lambda found: len(found[0]) / found[1], default=(rows, 1.0))
        gone = min(len(rows) - count, max(1, len(rows) // 50), len(crowded))
        rows = drop_to(rows, crowded, len(crowded) - gone, rng) if crowded else drop_to(rows, rows, count, rng)
    return rows


def _goals(task: str) -> list[tuple[Guesser, float]]:
    """The guessers that have a goal, and a little less than it."""
    found = [(guesser, goal(task, guesser.name)) for guesser in guessers_of(task)]
    return [(guesser, most - _AIM_BELOW) for guesser, most in found if most is not None]


def _trimmed(
    task: str, rows: list[int], glances: Sequence[Glance], rng: np.random.Generator, train: Sequence[Glance]
) -> list[int]:
    """Drop rows that a guesser gets right until none is above its goal, or too few are left to tell."""
    goals: list[tuple[Callable[[list[Glance]], np.ndarray], float]] = []
    for guesser, most in _goals(task):
        goals.append((partial(own_hits, guesser), most))
        if train:
            goals.append((partial(hits_of, fit(guesser, train)), most))
    before = None
    while before != len(rows):
        before = len(rows)
        for hits, most in goals:
            if len(rows) < LEAST_TRIMMED:
                return rows
            hit = hits([glances[k] for k in rows])
            if hit.mean() > most:
                members = [k for k, right in zip(rows, hit, strict=True) if right]
                others = len(rows) - len(members)
                # Rows around the best guess go, then the next best: half way at a time, or a hole would be left.
                wanted = int(most * others / (1.0 - most) + 1e-9)
                step = max(wanted, min(len(members) - 1, (len(members) + wanted) // 2))
                rows = drop_to(rows, members, step, rng)
    return rows
