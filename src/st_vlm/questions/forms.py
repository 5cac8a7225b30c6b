"""Which kind of answer a task asks for, about how many marks, and what its question states.

`TASKS` are the seven of STKit-Bench, over which a score's average goes; `FURTHER_TASKS` go beyond it, and
`REASONING_TASKS` combine what is measured with arithmetic and world knowledge. All are built, parsed and scored alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from st_vlm.errors import InputError
from st_vlm.questions.answers import (
    DIRECTION_RELATIONS,
    TEAMS,
    YES_NO,
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
        names: Placeholders of what the question of a reasoning task names beside these.
        shows: Placeholders of the numbers and words that a written-out answer must show; empty for other tasks.
        least_questions, least_answers: How many wordings there must be, in all and held out among them.
    """

    answer: type[Answer]
    marks: int
    unit: str | None = None
    options: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    least_questions: tuple[int, int] = (20, 6)
    least_answers: tuple[int, int] = (10, 3)


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


def _reasoning(answer: type[Answer], unit: str | None, names: Sequence[str], shows: str, **form) -> TaskForm:
    measured = ("distance", "duration", "speed_sum") if form.get("marks", 1) == 1 else _PAIR_SHOWS
    if "legs" in shows:
        measured = ()
    return TaskForm(
        answer,
        **{"marks": 1, **form},
        unit=unit,
        names=tuple(names),
        shows=(*measured, *shows.split()),
        least_questions=(6, 2),
        least_answers=(3, 1),
    )


_PAIR_SHOWS = ("distance_1", "distance_2", "duration", "speed_1_sum", "speed_2_sum")
REASONING_TASKS: dict[str, TaskForm] = {
    "city_travel_time": _reasoning(Quantity, "h", ["cities"], "cities_km hours_sum"),
    "times_slower": _reasoning(Quantity, "times", ["mover"], "mover_kmh ratio_sum"),
    "faster_team": _reasoning(Choice, None, ["first_team", "second_team"], "team", marks=2, options=TEAMS),
    "path_length": _reasoning(Quantity, "m", [], "legs length_sum"),
    "over_speed_limit": _reasoning(Choice, None, ["place"], "limit_kmh above yes", options=YES_NO),
    "race_time": _reasoning(Quantity, "h", ["race"], "race_km hours_sum"),
    "laps_in_time": _reasoning(Quantity, "laps", ["track", "event"], "track_m event_min metres_sum laps_sum"),
    "stopping_distance": _reasoning(
        Quantity, "m", ["surface"], "reaction_s surface_ms2 rate_sum reaction_sum braking_sum total_sum"
    ),
    "catching_up": _reasoning(Quantity, "s", [], "metres gain_sum seconds_sum", marks=2, states=("metres",)),
    "kinetic_energy": _reasoning(Quantity, "kJ", ["kind"], "kind_kg rate_sum energy_sum"),
    "keeping_pace": _reasoning(Choice, None, ["mover"], "mover_kmh above yes", options=YES_NO),
    "distance_in_time": _reasoning(Quantity, "km", ["event"], "event_min kilometres_sum"),
}

ALL_TASKS: dict[str, TaskForm] = {**TASKS, **FURTHER_TASKS, **REASONING_TASKS}


# Names that stand for several tasks at once.
TASK_GROUPS: dict[str, tuple[str, ...]] = {
    "seven": tuple(TASKS),
    "further": tuple(FURTHER_TASKS),
    "reasoning": tuple(REASONING_TASKS),
}


def task_names(names: Iterable[str]) -> tuple[str, ...]:
    """Task ids, each once, where `TASK_GROUPS` may be named for all of theirs.

    Raises:
        InputError: A name that is neither a task nor a group.
    """
    found = [task for name in names for task in TASK_GROUPS.get(name, (name,))]
    for task in found:
        if task not in ALL_TASKS:
            known = f"{', '.join(ALL_TASKS)}, or all of {', '.join(TASK_GROUPS)}"
            raise InputError(f"Unknown task {task!r}: choose one of {known}.")
    return tuple(dict.fromkeys(found))


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
