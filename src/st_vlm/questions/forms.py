"""Which kind of answer a task asks for, about how many marks, and what its question states.

`TASKS` are the seven of STKit-Bench, over which a score's average goes; `FURTHER_TASKS` go beyond it, and
`REASONING_TASKS` combine what is measured with arithmetic and world knowledge. All are built, parsed and scored alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from st_vlm.errors import InputError
from st_vlm.questions.answers import (
    DIRECTION_RELATIONS,
    Answer,
    Choice,
    ClockHour,
    Count,
    Interval,
    Position,
    Quantity,
)
from st_vlm.video.marks import COLOURS


@dataclass(frozen=True)
class TaskForm:
    """What a task asks for.

    Attributes:
        answer: The type of its answer.
        marks: How many marked objects a question names.
        unit: A quantity's.
        options: Of a choice.
        states: Names of what a question states beside its objects and its time, as in the row's `asked`: `hour`,
            `metres`, `second`.
    """

    answer: type[Answer]
    marks: int
    unit: str | None = None
    options: tuple[str, ...] = ()
    states: tuple[str, ...] = ()


TASKS: dict[str, TaskForm] = {
    "traveled_distance": TaskForm(Quantity, marks=1, unit="m"),
    "traveling_speed": TaskForm(Quantity, marks=1, unit="km/h"),
    "moving_direction": TaskForm(ClockHour, marks=1),
    "direction_timestamp": TaskForm(Interval, marks=1, states=("hour",)),
    "traveled_distance_comparison": TaskForm(Choice, marks=2, options=COLOURS),
    "traveling_speed_comparison": TaskForm(Choice, marks=2, options=COLOURS),
    "moving_direction_comparison": TaskForm(Choice, marks=2, options=DIRECTION_RELATIONS),
}

FURTHER_TASKS: dict[str, TaskForm] = {
    "peak_speed": TaskForm(Quantity, marks=1, unit="km/h"),
    "acceleration": TaskForm(Quantity, marks=1, unit="m/s^2"),
    "number_of_turns": TaskForm(Count, marks=1),
    "closest_approach": TaskForm(Quantity, marks=2, unit="m"),
    "time_to_distance": TaskForm(Quantity, marks=1, unit="s", states=("metres",)),
    "camera_travel": TaskForm(Quantity, marks=0, unit="m"),
    "object_position": TaskForm(Position, marks=1, states=("second",)),
}

REASONING_TASKS: dict[str, TaskForm] = {}

ALL_TASKS: dict[str, TaskForm] = {**TASKS, **FURTHER_TASKS, **REASONING_TASKS}


def task_form(task: str) -> TaskForm:
    """The form of a task by its id. Raises InputError listing the tasks for an unknown one."""
    if task not in ALL_TASKS:
        raise InputError(f"Unknown task {task!r}: choose one of {', '.join(ALL_TASKS)}.")
    return ALL_TASKS[task]


def from_target(task: str, target: Mapping) -> Answer:
    """The answer that a dataset row's `target` holds; the inverse of `answers.to_target`.

    Raises:
        InputError: An unknown task, or a target without what the task needs.
    """
    form = task_form(task)
    needed = {
        Quantity: ("value", "unit"),
        Count: ("value", "unit"),
        ClockHour: ("hour",),
        Interval: ("start", "end"),
        Choice: ("choice",),
        Position: ("vector",),
    }[form.answer]
    values = [target.get(key) for key in needed]
    if any(value is None for value in values):
        raise InputError(f"The target of a {task} question needs {' and '.join(needed)}, but has none.")
    if form.answer in (Quantity, Count) and values[1] != (unit := form.unit or "count"):
        raise InputError(f"The target of a {task} question is in {unit}, not {values[1]}.")
    answer = form.answer(values[0]) if form.answer is Count else form.answer(*values)
    if isinstance(answer, Choice) and answer.option not in form.options:
        raise InputError(f"The target of a {task} question is one of {', '.join(form.options)}, not {answer.option}.")
    return answer
