"""Phrasings: the sentences a task's questions and answers are written in; their files: `phrasing_files`.

A file has two mappings, `questions` and `answers`, from a phrase's lasting name to its text, and `held_out` with two
more. Held-out phrasings are never drawn in ordinary building: a model that is trained on the others can be asked in
words it has not seen. Placeholders:

    {object}, {Object}              the marked object of a single-object task, inside or at the start of a sentence
    {first}, {second}, {First}      the two objects of a comparison, in the question's order
    {when}, {When}                  "throughout the video" or "from 2.0 to 7.5 seconds"; not where a second is stated
    {hour}                          the hour that is asked for (direction_timestamp) or answered (moving_direction)
    {metres}, {second}              a distance or a time that the question states, where its task states one
    {value}                         an answered quantity, two decimals, or a count, without its unit
    {x}, {y}, {z}                   an answered position, metres with two decimals
    {start}, {end}                  an answered interval, seconds with one decimal
    {winner}, {Winner}, {loser}     the objects of an answered comparison
    {relation}                      "the same direction" or "different directions"
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from st_vlm.errors import InputError
from st_vlm.questions.answers import Answer, Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import task_form

CLOCK_CONVENTION = (
    "12 o'clock is the way the marked object itself first moved, seen from above; 3 o'clock is its right. "
    "It is not the camera's view."
)
# What each question of a task ends with, so that a stranger measures the same in whatever words it is asked.
CONVENTIONS = {
    "moving_direction": CLOCK_CONVENTION,
    "direction_timestamp": CLOCK_CONVENTION,
    "peak_speed": "The peak speed is that of the fastest single second: the straight-line distance covered within it.",
    "acceleration": (
        "The acceleration is the mean change of speed per second along the path; speeding up is positive, braking is "
        "negative."
    ),
    "number_of_turns": (
        "A turn is a change of the direction of motion by 45 degrees or more between two straight stretches; a U-turn "
        "is one turn."
    ),
    "closest_approach": "The distance is horizontal and measured between the objects' centers.",
    "time_to_distance": (
        "Time counts from the start of the video, or of the given interval, and distance along the object's path."
    ),
    "camera_travel": "What counts is the camera's own horizontal path; turning on the spot adds nothing.",
    "object_position": (
        "The position is that of the object's center, in meters along the axes that the camera has at the first "
        "frame: x to its right, y down, z forward."
    ),
}
_IN_THE_VIDEO = (
    "moving_direction",
    "direction_timestamp",
    "peak_speed",
    "number_of_turns",
    "closest_approach",
    "time_to_distance",
)
OBJECTS = {0: (), 1: ("object",), 2: ("first", "second")}
_RELATIONS = {"same": "the same direction", "different": "different directions"}


@dataclass(frozen=True)
class Phrase:
    """One wording. `id` is `{task}/{name}`, unique over all tasks, and lasts when the wording is improved."""

    id: str
    text: str

    @property
    def task(self) -> str:
        """The task this phrase belongs to."""
        return self.id.split("/")[0]


@dataclass(frozen=True)
class Phrasings:
    """All wordings of one task; those held out are in neither `questions` nor `answers`."""

    questions: tuple[Phrase, ...]
    answers: tuple[Phrase, ...]
    held_out_questions: tuple[Phrase, ...]
    held_out_answers: tuple[Phrase, ...]

    def pick(self, rng: random.Random, held_out: bool = False) -> tuple[Phrase, Phrase]:
        """A question's and an answer's wording, drawn independently: both held out, or neither."""
        if held_out:
            return rng.choice(self.held_out_questions), rng.choice(self.held_out_answers)
        return rng.choice(self.questions), rng.choice(self.answers)


def object_name(color: str | None) -> str:
    """How a sentence names a marked object; without a colour it is the clip's only marked object."""
    return "the object" if color is None else f"the object marked by the {color} box"


def span_words(task: str, span: Interval | None) -> str:
    """The words for the time a question is about: its own span, or the whole clip where it states none."""
    if span is not None:
        return f"from {span.start_s:.1f} to {span.end_s:.1f} seconds"
    return "in the video" if task in _IN_THE_VIDEO else "throughout the video"


def phrase_fields(
    task: str,
    colors: Sequence[str | None],
    span: Interval | None = None,
    hour: int | None = None,
    metres: float | None = None,
    second: float | None = None,
) -> dict[str, str]:
    """What fills the placeholders of a question and, together with the answer, of its answer.

    Args:
        task: Task id.
        colors: The mark's colour, or None for "the object" where the clip has one mark; two colours for a
            comparison, in the order in which the question names them.
        span: The question's own span in clip seconds, or None for the whole clip.
        hour, metres, second: What the task's questions state (`forms.TaskForm.states`), and nothing else.

    Raises:
        InputError: An unknown task, the wrong number of colours, or something given for, or missing from, a task.
    """
    form = task_form(task)
    if len(colors) != form.marks:
        raise InputError(f"A {task} question is about {form.marks} marked object(s), not {len(colors)}.")
    given = {name: v for name, v in (("hour", hour), ("metres", metres), ("second", second)) if v is not None}
    if tuple(given) != form.states:
        raise InputError(
            f"A {task} question states {' and '.join(form.states) or 'neither hour, metres nor second'}, "
            f"not {' and '.join(given) or 'nothing'}."
        )
    fields = dict(zip(OBJECTS[form.marks], map(object_name, colors), strict=True))
    fields["when"] = span_words(task, span)
    if hour is not None:
        fields["hour"] = str(ClockHour(hour).hour)
    if metres is not None:
        fields["metres"] = f"{metres:g}"
    if second is not None:
        fields["second"] = f"{second:.1f}"
    return fields


def render_question(phrase: Phrase, fields: Mapping[str, str]) -> str:
    """The question's full text, with its task's convention at the end where it has one (`CONVENTIONS`)."""
    text = phrase.text.format_map(_with_capitals(fields))
    return f"{text} {CONVENTIONS[phrase.task]}" if phrase.task in CONVENTIONS else text


def render_answer(phrase: Phrase, answer: Answer, fields: Mapping[str, str]) -> str:
    """The answer's full sentence.

    Args:
        phrase: One of the task's answer phrases.
        answer: The truth; its type must be the task's.
        fields: The question's fields from `phrase_fields`.

    Raises:
        InputError: A chosen colour that is neither of the two objects compared.
    """
    filled = dict(fields)
    match answer:
        case Quantity(value):
            filled["value"] = f"{value:.2f}"
        case Count(number):
            filled["value"] = str(number)
        case Position((x, y, z)):
            filled.update(x=f"{x:.2f}", y=f"{y:.2f}", z=f"{z:.2f}")
        case ClockHour(hour):
            filled["hour"] = str(hour)
        case Interval(start_s, end_s):
            filled.update(start=f"{start_s:.1f}", end=f"{end_s:.1f}")
        case Choice(option) if option in _RELATIONS:
            filled["relation"] = _RELATIONS[option]
        case Choice(option):
            pair = [fields["first"], fields["second"]]
            if object_name(option) not in pair:
                raise InputError(f"The chosen object ({option}) is not one of the two compared: {', '.join(pair)}.")
            filled["winner"] = object_name(option)
            filled["loser"] = pair[1 - pair.index(filled["winner"])]
    return phrase.text.format_map(_with_capitals(filled))


CAPITALISED = ("object", "first", "when", "winner")


def _with_capitals(fields: Mapping[str, str]) -> dict[str, str]:
    capitals = {name.capitalize(): fields[name] for name in CAPITALISED if name in fields}
    return {**fields, **{name: text[0].upper() + text[1:] for name, text in capitals.items()}}
