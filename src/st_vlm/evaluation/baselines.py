"""What baselines that never look score: fitted on training questions, told of the others.

Above the best of them begins what a model has seen. `goal` follows DEFINITIONS, "Balance": a published split on
which a guess scores more teaches and rewards guessing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from st_vlm.evaluation.glance import Glance
from st_vlm.evaluation.guessers import fit, guessers_of, hits_of
from st_vlm.questions.answers import Choice, Interval
from st_vlm.questions.forms import ALL_TASKS, TASKS, task_form

CONSTANT, CATEGORY, CATEGORY_SPEED, CHOICE = 0.25, 0.35, 0.40, 0.55
# Where starts, ends and interior runs come equally often, text alone scores 38-57 % (DEFINITIONS).
INTERVAL_BY_HOUR = 0.50

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
            found[guesser.name] = float(hits_of(fit(guesser, known), asked).mean())
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


def guessing_report(by_split: Mapping[str, Sequence[Glance]]) -> dict:
    """What baselines that never look score on every split of a set.

    Returns:
        `n`: split -> task -> number of questions; `fitted_on`: split -> the split whose questions the baselines know,
        `train`, or the split itself where there is no training split; `shares`: split -> task -> baseline -> share
        right; `goals`: task -> baseline -> the largest share that a balanced set allows.
    """
    fitted_on = {split: "train" if by_split.get("train") else split for split in by_split}
    shares = {split: baseline_shares(by_split[fitted_on[split]], glances) for split, glances in by_split.items()}
    counts = {split: Counter(glance.task for glance in glances) for split, glances in by_split.items()}
    asked = [task for task in ALL_TASKS if any(task in of_split for of_split in counts.values())]
    goals = {
        task: {one.name: most for one in guessers_of(task) if (most := goal(task, one.name)) is not None}
        for task in asked
    }
    return {
        "n": {split: {task: n[task] for task in asked if n[task]} for split, n in counts.items()},
        "fitted_on": fitted_on,
        "shares": shares,
        "goals": {task: of_task for task, of_task in goals.items() if of_task},
    }


def report_rows(report: Mapping) -> tuple[list[str], list[list[object]]]:
    """A `guessing_report` as a table: its columns, and a row a task and baseline with its share on every split."""
    shares, goals = report["shares"], report["goals"]
    pairs = list(dict.fromkeys((task, name) for of in shares.values() for task in of for name in of[task]))
    pairs.sort(key=lambda pair: list(ALL_TASKS).index(pair[0]))
    columns = ["task", "baseline that never looks", *(f"{split} %" for split in shares), "goal %"]
    rows = []
    for task, name in pairs:
        found = [of.get(task, {}).get(name) for of in shares.values()]
        most = goals.get(task, {}).get(name)
        cells = [None if share is None else 100 * share for share in found]
        rows.append([task, name, *cells, None if most is None else f"<= {100 * most:.0f}"])
    return columns, rows
