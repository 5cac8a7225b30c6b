"""Phrasings: the sentences a task's questions and answers are written in, kept as one YAML file a task.

A file has two mappings, `questions` and `answers`, from a phrase's lasting name to its text. Placeholders:

    {object}, {Object}              the marked object of a single-object task, inside or at the start of a sentence
    {first}, {second}, {First}      the two objects of a comparison, in the question's order
    {when}, {When}                  "throughout the video" or "from 2.0 to 7.5 seconds"
    {hour}                          the hour that is asked for (direction_timestamp) or answered (moving_direction)
    {value}                         an answered quantity, two decimals, without its unit
    {start}, {end}                  an answered interval, seconds with one decimal
    {winner}, {Winner}, {loser}     the objects of an answered comparison
    {relation}                      "the same direction" or "different directions"
"""

from __future__ import annotations

import random
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from st_vlm.errors import InputError
from st_vlm.questions.answers import Answer, Choice, ClockHour, Interval, Quantity, TaskForm, task_form

CLOCK_CONVENTION = (
    "12 o'clock is the way the marked object itself first moved, seen from above; 3 o'clock is its right. "
    "It is not the camera's view."
)
_CLOCK_TASKS = ("moving_direction", "direction_timestamp")
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
    """All wordings of one task."""

    questions: tuple[Phrase, ...]
    answers: tuple[Phrase, ...]

    def pick(self, rng: random.Random) -> tuple[Phrase, Phrase]:
        """A question's and an answer's wording, drawn independently."""
        return rng.choice(self.questions), rng.choice(self.answers)


def object_name(color: str | None) -> str:
    """How a sentence names a marked object; without a colour it is the clip's only marked object."""
    return "the object" if color is None else f"the object marked by the {color} box"


def span_words(task: str, span: Interval | None) -> str:
    """The words for the time a question is about: its own span, or the whole clip where it states none."""
    if span is not None:
        return f"from {span.start_s:.1f} to {span.end_s:.1f} seconds"
    return "in the video" if task in _CLOCK_TASKS else "throughout the video"


def phrase_fields(
    task: str, colors: Sequence[str | None], span: Interval | None = None, hour: int | None = None
) -> dict[str, str]:
    """What fills the placeholders of a question and, together with the answer, of its answer.

    Args:
        task: Task id.
        colors: The mark's colour, or None for "the object" where the clip has one mark; two colours for a
            comparison, in the order in which the question names them.
        span: The question's own span in clip seconds, or None for the whole clip.
        hour: The hour asked for by `direction_timestamp`.

    Raises:
        InputError: An unknown task, the wrong number of colours, or `hour` given for, or missing from, a task.
    """
    form = task_form(task)
    if len(colors) != form.marks:
        raise InputError(f"A {task} question is about {form.marks} marked object(s), not {len(colors)}.")
    if (hour is None) == (task == "direction_timestamp"):
        raise InputError(f"An hour is asked for by direction_timestamp and by no other task (task {task}, {hour}).")
    names = ("object",) if form.marks == 1 else ("first", "second")
    fields = dict(zip(names, map(object_name, colors), strict=True))
    fields["when"] = span_words(task, span)
    if hour is not None:
        fields["hour"] = str(ClockHour(hour).hour)
    return fields


def render_question(phrase: Phrase, fields: Mapping[str, str]) -> str:
    """The question's full text; the direction tasks end with what the clock means (`CLOCK_CONVENTION`)."""
    text = phrase.text.format_map(_with_capitals(fields))
    return f"{text} {CLOCK_CONVENTION}" if phrase.task in _CLOCK_TASKS else text


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


@cache
def load_phrasings(task: str) -> Phrasings:
    """A task's wordings from the package.

    Raises:
        InputError: An unknown task, or a file that `parse_phrasings` refuses.
    """
    task_form(task)
    name = f"{task}.yaml"
    text = (files("st_vlm.questions") / "phrasings" / name).read_text(encoding="utf-8")
    return parse_phrasings(task, text, name)


def parse_phrasings(task: str, text: str, file_name: str) -> Phrasings:
    """A phrasing file's text, checked phrase by phrase.

    Raises:
        InputError: Not the form described above, a repeated name or wording, or a placeholder that is unknown to
            the task or missing from an answer; the sentence names the file and the line.
    """
    form = task_form(task)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise InputError(f"{file_name} is not YAML: {' '.join(str(error).split())}.") from None
    sections = {key.value: node for key, node in _pairs(root, file_name)}
    if set(sections) != {"questions", "answers"}:
        raise InputError(f"{file_name} must have the mappings questions and answers, and nothing else.")
    return Phrasings(*(_section(task, form, kind, sections[kind], file_name) for kind in ("questions", "answers")))


def _section(task: str, form: TaskForm, kind: str, node: yaml.Node, file_name: str) -> tuple[Phrase, ...]:
    known, needed = _placeholders(task, form, kind)
    phrases: dict[str, str] = {}
    for key, value in _pairs(node, file_name):
        where = f"{file_name}, line {value.start_mark.line + 1} ({key.value})"
        if not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise InputError(f"{where}: a phrase must be a line of text.")
        if key.value in phrases or value.value in phrases.values():
            raise InputError(f"{where}: this phrase occurs twice.")
        try:
            used = {name for _, name, _, _ in string.Formatter().parse(value.value) if name is not None}
        except ValueError as error:
            raise InputError(f"{where}: {error}.") from None
        if unknown := used - known:
            raise InputError(
                f"{where}: unknown placeholder {{{min(unknown)}}}; this task's {kind} have {', '.join(sorted(known))}."
            )
        if missing := needed - {name.lower() for name in used}:
            raise InputError(f"{where}: the placeholder {{{min(missing)}}} is missing.")
        phrases[key.value] = value.value
    if not phrases:
        raise InputError(f"{file_name} has no {kind}.")
    return tuple(Phrase(f"{task}/{name}", text) for name, text in phrases.items())


def _placeholders(task: str, form: TaskForm, kind: str) -> tuple[set[str], set[str]]:
    """Names a phrase may use, with their capitalised forms, and those it must use."""
    objects = {"object"} if form.marks == 1 else {"first", "second"}
    asked = objects | {"when"} | ({"hour"} if task == "direction_timestamp" else set())
    if kind == "questions":
        may, must = asked, asked
    else:
        must = {
            Quantity: {"value"},
            ClockHour: {"hour"},
            Interval: {"start", "end"},
            Choice: {"relation"} if "same" in form.options else {"winner"},
        }[form.answer]
        may = asked | must | ({"loser"} if "winner" in must else set())
    return may | {name.capitalize() for name in may if name in _CAPITALISED}, must


_CAPITALISED = ("object", "first", "when", "winner")


def _with_capitals(fields: Mapping[str, str]) -> dict[str, str]:
    capitals = {name.capitalize(): fields[name] for name in _CAPITALISED if name in fields}
    return {**fields, **{name: text[0].upper() + text[1:] for name, text in capitals.items()}}


def _pairs(node: yaml.Node | None, file_name: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        line = "" if node is None else f", line {node.start_mark.line + 1}"
        raise InputError(f"{file_name}{line}: expected a mapping from names to phrases.")
    return node.value
