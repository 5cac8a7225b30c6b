"""The four kinds of answer, the seven tasks that ask for them, and an answer's form in a dataset row.

An answer is rounded when it is made, so the value in a row, in its sentence and in a parsed text is one and the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from st_vlm.errors import InputError
from st_vlm.video.marks import COLOURS

Unit = Literal["m", "km/h"]
DIRECTION_RELATIONS = ("same", "different")
TARGET_KEYS = ("value", "unit", "hour", "start", "end", "choice", "vector")


@dataclass(frozen=True)
class Quantity:
    """A distance in metres or a speed in km/h, two decimals, never negative.

    Raises:
        InputError: A negative or non-finite value, or another unit.
    """

    value: float
    unit: Unit

    def __post_init__(self) -> None:
        if self.unit not in ("m", "km/h"):
            raise InputError(f"A quantity's unit is m or km/h, not {self.unit!r}.")
        object.__setattr__(self, "value", _rounded(self.value, 2, "A quantity"))


@dataclass(frozen=True)
class ClockHour:
    """A direction as an hour of the clock, 1 to 12; 12 is the way the object itself first moved.

    Raises:
        InputError: Not a whole hour from 1 to 12.
    """

    hour: int

    def __post_init__(self) -> None:
        if self.hour not in range(1, 13):
            raise InputError(f"An hour of the clock is a whole number from 1 to 12, not {self.hour}.")
        object.__setattr__(self, "hour", int(self.hour))


@dataclass(frozen=True)
class Interval:
    """A span of the clip's time in seconds, one decimal, with 0 <= start < end.

    Raises:
        InputError: Negative or non-finite seconds, or an end that does not follow the start after rounding.
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_s", _rounded(self.start_s, 1, "An interval's start"))
        object.__setattr__(self, "end_s", _rounded(self.end_s, 1, "An interval's end"))
        if self.start_s >= self.end_s:
            raise InputError(f"An interval must end after it starts, not run from {self.start_s} to {self.end_s} s.")


@dataclass(frozen=True)
class Choice:
    """One of the marked objects, by its mark's colour, or whether two directions are the same or different.

    Raises:
        InputError: Any other option.
    """

    option: str

    def __post_init__(self) -> None:
        if self.option not in COLOURS + DIRECTION_RELATIONS:
            known = ", ".join(COLOURS + DIRECTION_RELATIONS)
            raise InputError(f"A choice is one of {known}, not {self.option!r}.")


Answer = Quantity | ClockHour | Interval | Choice


@dataclass(frozen=True)
class TaskForm:
    """What a task asks for: the type of its answer, a quantity's unit or a choice's options, and how many marks."""

    answer: type[Quantity] | type[ClockHour] | type[Interval] | type[Choice]
    marks: int
    unit: Unit | None = None
    options: tuple[str, ...] = ()


TASKS: dict[str, TaskForm] = {
    "traveled_distance": TaskForm(Quantity, marks=1, unit="m"),
    "traveling_speed": TaskForm(Quantity, marks=1, unit="km/h"),
    "moving_direction": TaskForm(ClockHour, marks=1),
    "direction_timestamp": TaskForm(Interval, marks=1),
    "traveled_distance_comparison": TaskForm(Choice, marks=2, options=COLOURS),
    "traveling_speed_comparison": TaskForm(Choice, marks=2, options=COLOURS),
    "moving_direction_comparison": TaskForm(Choice, marks=2, options=DIRECTION_RELATIONS),
}


def task_form(task: str) -> TaskForm:
    """The form of a task by its id. Raises InputError listing the tasks for an unknown one."""
    if task not in TASKS:
        raise InputError(f"Unknown task {task!r}: choose one of {', '.join(TASKS)}.")
    return TASKS[task]


def to_target(answer: Answer) -> dict[str, float | int | str | None]:
    """An answer as the `target` struct of a dataset row: every key of `TARGET_KEYS`, None where it does not apply."""
    target: dict[str, float | int | str | None] = dict.fromkeys(TARGET_KEYS)
    match answer:
        case Quantity(value, unit):
            target.update(value=value, unit=unit)
        case ClockHour(hour):
            target.update(hour=hour)
        case Interval(start_s, end_s):
            target.update(start=start_s, end=end_s)
        case Choice(option):
            target.update(choice=option)
    return target


def from_target(task: str, target: Mapping[str, float | int | str | None]) -> Answer:
    """The answer that a dataset row's `target` holds; the inverse of `to_target`.

    Raises:
        InputError: An unknown task, or a target without what the task needs.
    """
    form = task_form(task)
    needed = {Quantity: ("value", "unit"), ClockHour: ("hour",), Interval: ("start", "end"), Choice: ("choice",)}
    values = [target.get(key) for key in needed[form.answer]]
    if any(value is None for value in values):
        raise InputError(f"The target of a {task} question needs {' and '.join(needed[form.answer])}, but has none.")
    answer = form.answer(*values)
    if isinstance(answer, Quantity) and answer.unit != form.unit:
        raise InputError(f"The target of a {task} question is in {form.unit}, not {answer.unit}.")
    if isinstance(answer, Choice) and answer.option not in form.options:
        raise InputError(f"The target of a {task} question is one of {', '.join(form.options)}, not {answer.option}.")
    return answer


def _rounded(value: float, decimals: int, what: str) -> float:
    """A finite, non-negative number rounded; -0.0 becomes 0.0, so that equal answers print alike."""
    value = float(value)
    if not math.isfinite(value):
        raise InputError(f"{what} must be finite, not {value}.")
    value = round(value, decimals) + 0.0
    if value < 0:
        raise InputError(f"{what} must not be negative, but is {value}.")
    return value
