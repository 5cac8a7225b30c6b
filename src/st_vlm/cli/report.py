"""`st-vlm report`: what a built folder asks, and what baselines that never look would score on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from st_vlm.cli.output import print_table, say
from st_vlm.evaluation.baselines import above_goal, guessing_report, report_rows
from st_vlm.evaluation.glance import load_glances


def report(folder: Path, form: Literal["table", "json"]) -> int:
    """Print the number of questions and the baselines' scores by task and split, and return the exit code 0.

    Raises:
        InputError: The folder holds no questions.
    """
    found = guessing_report(load_glances(folder))
    if form == "json":
        print(json.dumps(found, indent=2))
        return 0
    tasks = list(dict.fromkeys(task for of_split in found["n"].values() for task in of_split))
    print_table(["task", *found["n"]], [[task, *(n.get(task, 0) for n in found["n"].values())] for task in tasks])
    print()
    print_table(*report_rows(found))
    for split, on in found["fitted_on"].items():
        if split == on and split != "train":
            say(f"There is no training split: the baselines know {split} itself, so this is the most they score.")
    for split, shares in found["shares"].items():
        for task, name, share, most in above_goal(shares):
            say(f"st-vlm: {split}: {name} scores {100 * share:.1f} % on {task}, more than {100 * most:.0f} %.")
    return 0
