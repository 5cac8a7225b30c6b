"""What baselines that never look score: fitted on training questions, told of the others.

Above the best of them begins what a model has seen. `GOALS` are DEFINITIONS, "Balance": a published split on which a
guess scores more teaches and rewards guessing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from st_vlm.evaluation.glance import Glance
from st_vlm.evaluation.guessers import fit, guessers_of
from st_vlm.evaluation.scoring import is_right
from st_vlm.questions.answers import Choice, Interval
from st_vlm.questions.forms import ALL_TASKS, TASKS, task_form

CONSTANT, CATEGORY, CATEGORY_SPEED, CHOICE = 0.25, 0.35, 0.40, 0.55
# Text alone scores 38-57 % on balanced intervals (DEFINITIONS).
INTERVAL_BY_HOUR = 0.45

Shares = dict[str, dict[str, float]]


def goal(task: str, baseline: str) -> float | None:
    """The largest share that a baseline may get right of a published split, or None where none is set.

    Set for the seven tasks; the others are kept from being guessed as far as their answers allow.
    """
    if task not in TASKS:
        return None
    if task_form(task).answer is Choice:
        return CHOICE
    if baseline == "constant":
        return CONSTANT
    if task_form(task).answer is Interval:
        return INTERVAL_BY_HOUR
    return {"category prior": CATEGORY, "category speed x duration": CATEGORY_SPEED}[baseline]


def baseline_shares(train: Sequence[Glance], test: Sequence[Glance]) -> Shares:
    """Task -> baseline -> share of the test questions that it gets right when fitted on the training questions.

    Tasks without a question on either side are left out.
    """
    shares: Shares = {}
    for task in ALL_TASKS:
        known, asked = ([g for g in glances if g.task == task] for glances in (train, test))
        if not known or not asked:
            continue
        found = {}
        for guesser in guessers_of(task):
            fitted = fit(guesser, known)
            found[guesser.name] = fmean(is_right(glance.answer, fitted.answer(glance)) for glance in asked)
        shares[task] = found
    return shares


def above_goal(shares: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, float, float]]:
    """(task, baseline, share, goal) wherever a share is above its goal."""
    return [
        (task, name, share, most)
        for task, found in shares.items()
        for name, share in found.items()
        if (most := goal(task, name)) is not None and share > most
    ]
