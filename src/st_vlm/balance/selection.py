"""Which questions of a set stay: caps on what is common, then what guessers get right is thinned out.

The caps (`caps`) follow DEFINITIONS, "Balance". What they leave is looked at through the eyes of every guesser that
has a goal (`evaluation.baselines`): while one of them, fitted on the very rows it is scored on, gets more than its
goal right, some of these rows go. So no guess of its kind, wherever it was fitted, scores more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from st_vlm.balance.caps import capped, drop_to
from st_vlm.evaluation.baselines import goal
from st_vlm.evaluation.glance import Glance
from st_vlm.evaluation.guessers import guessers_of, own_hits
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
) -> list[int]:
    """Indices, ascending, of the questions of one split that stay.

    Args:
        glances: What guessing can go by.
        reversed_winner: Of each, whether the faster of two is behind over the whole clip.
        rng: Picks what goes.
        how: `full`: until every cap and goal holds, whatever is left. `partial`: caps leave a few of every crowd, and
            tasks with fewer than 100 questions are not thinned out. `none`: all stay.
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
            rows = _trimmed(task, rows, glances, rng)
        kept.extend(rows)
    return sorted(kept)


def _trimmed(task: str, rows: list[int], glances: Sequence[Glance], rng: np.random.Generator) -> list[int]:
    """Drop rows that a guesser gets right until none is above its goal, or too few are left to tell."""
    goals = [(guesser, most - _AIM_BELOW) for guesser in guessers_of(task) if (most := goal(task, guesser.name))]
    before = None
    while before != len(rows):
        before = len(rows)
        for guesser, most in goals:
            if len(rows) < LEAST_TRIMMED:
                return rows
            hit = own_hits(guesser, [glances[k] for k in rows])
            if hit.mean() > most:
                members = [k for k, right in zip(rows, hit, strict=True) if right]
                others = len(rows) - len(members)
                # Rows around the best guess go, then the next best: half way at a time, or a hole would be left.
                wanted = int(most * others / (1.0 - most) + 1e-9)
                step = max(wanted, min(len(members) - 1, (len(members) + wanted) // 2))
                rows = drop_to(rows, members, step, rng)
    return rows
