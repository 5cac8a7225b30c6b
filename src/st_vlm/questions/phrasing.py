"""Phrasings: the sentences a task's questions and answers are written in, kept as one YAML file a task.

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
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import yaml

from st_vlm.errors import InputError
from st_vlm.questions.answers import Answer, Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import TaskForm, task_form

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
_OBJECTS = {0: (), 1: ("object",), 2: ("first", "second")}
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
    fields = dict(zip(_OBJECTS[form.marks], map(object_name, colors), strict=True))
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
        InputError: Not the form described above, fewer phrasings than its form asks for, a name or a wording that
            occurs twice (held out or not), or a placeholder that is unknown to the task, missing, or has a format;
            the sentence names the file and the line.
    """
    form = task_form(task)
    root = _compose(text, file_name)
    top = _sections(root, ("questions", "answers", "held_out"), file_name)
    held_out = _sections(top["held_out"], ("questions", "answers"), file_name)
    names: dict[str, int] = {}
    found: dict[str, tuple[Phrase, ...]] = {}
    for kind, (least, least_held_out) in (("questions", form.least_questions), ("answers", form.least_answers)):
        rules, wordings = _placeholders(task, form, kind), {}
        ordinary = _section(task, kind, top[kind], rules, names, wordings, file_name)
        held = _section(task, kind, held_out[kind], rules, names, wordings, file_name)
        if len(held) < least_held_out:
            raise InputError(
                f"{_at(held_out[kind], file_name)}: {len(held)} held-out {kind} are too few; add some, until there "
                f"are {least_held_out}."
            )
        if len(ordinary) + len(held) < least:
            raise InputError(
                f"{_at(top[kind], file_name)}: {len(ordinary)} {kind} and {len(held)} held out are too few; add some, "
                f"until there are {least} in all."
            )
        found |= {kind: ordinary, f"held_out_{kind}": held}
    return Phrasings(**found)


def _section(
    task: str,
    kind: str,
    node: yaml.Node,
    rules: tuple[set[str], set[str]],
    names: dict[str, int],
    wordings: dict[str, int],
    file_name: str,
) -> tuple[Phrase, ...]:
    """The phrases of one mapping; `names` and `wordings` collect the lines of what has occurred so far."""
    phrases = []
    for key, value in _pairs(node, file_name):
        name, line = key.value, key.start_mark.line + 1
        where = f"{_at(key, file_name)} ({name})"
        if not isinstance(value, yaml.ScalarNode) or not value.value.strip():
            raise InputError(f"{where}: a phrase must be a line of text.")
        wording = " ".join(value.value.casefold().split())
        if name in names:
            raise InputError(f"{where}: line {names[name]} has the same name; each phrase needs its own.")
        if wording in wordings:
            raise InputError(f"{where}: line {wordings[wording]} has the same wording; write another.")
        _check_placeholders(value.value, kind, rules, where)
        names[name] = wordings[wording] = line
        phrases.append(Phrase(f"{task}/{name}", value.value))
    return tuple(phrases)


def _check_placeholders(text: str, kind: str, rules: tuple[set[str], set[str]], where: str) -> None:
    known, needed = rules
    try:
        fields = [field[1:] for field in string.Formatter().parse(text) if field[1] is not None]
    except ValueError as error:
        raise InputError(f"{where}: its braces do not pair up ({error}).") from None
    used = {name for name, _, _ in fields}
    if unknown := used - known:
        raise InputError(
            f"{where}: unknown placeholder {{{min(unknown)}}}; this task's {kind} have {', '.join(sorted(known))}."
        )
    if missing := needed - {name.lower() for name in used}:
        raise InputError(f"{where}: the placeholder {{{min(missing)}}} is missing.")
    for name, layout, conversion in fields:
        if layout or conversion:
            raise InputError(f"{where}: write {{{name}}} without a format; values come with their decimals.")


def _placeholders(task: str, form: TaskForm, kind: str) -> tuple[set[str], set[str]]:
    """Names a phrase may use, with their capitalised forms, and those it must use."""
    asked = {*_OBJECTS[form.marks], "when", *form.states, *form.names}
    if form.shows:
        return _reasoning_placeholders(form, asked, kind)
    if kind == "questions":
        may = must = asked - {"when"} if "second" in form.states else asked
    else:
        must = {
            Quantity: {"value"},
            ClockHour: {"hour"},
            Interval: {"start", "end"},
            Count: {"value"},
            Position: {"x", "y", "z"},
            Choice: {"relation"} if "same" in form.options else {"winner"},
        }[form.answer]
        may = asked | must | ({"loser"} if "winner" in must else set())
    return may | {name.capitalize() for name in may if name in _CAPITALISED}, must


def _reasoning_placeholders(form: TaskForm, asked: set[str], kind: str) -> tuple[set[str], set[str]]:
    """As `_placeholders`; a written-out answer must show each of its steps, and may repeat their results."""
    if kind == "questions":
        may = must = asked
    else:
        must = {*form.shows, *(form.names if form.marks == 1 else ())}
        results = {name.removesuffix("_sum") for name in form.shows if name.endswith("_sum")}
        pair = {"faster", "slower", "fast", "slow"} if form.marks == 2 else set()
        may = asked | must | results | pair | ({"not"} if "yes" in must else set())
    return may | {name.capitalize() for name in may}, must


_CAPITALISED = ("object", "first", "when", "winner")


def _with_capitals(fields: Mapping[str, str]) -> dict[str, str]:
    capitals = {name.capitalize(): fields[name] for name in _CAPITALISED if name in fields}
    return {**fields, **{name: text[0].upper() + text[1:] for name, text in capitals.items()}}


def _compose(text: str, file_name: str) -> yaml.Node | None:
    """YAML's nodes, which know their lines."""
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = (error.problem_mark or error.context_mark).line + 1
        raise InputError(f"{file_name}, line {line}: not YAML ({error.problem}).") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputError(f"{file_name}, line {line}: not YAML ({error.reason}).") from None


def _sections(node: yaml.Node | None, wanted: tuple[str, ...], file_name: str) -> dict[str, yaml.Node]:
    sections: dict[str, yaml.Node] = {}
    needs = f"here stand {', '.join(wanted[:-1])} and {wanted[-1]}, each once, and nothing else"
    for key, value in _pairs(node, file_name):
        if key.value not in wanted or key.value in sections:
            raise InputError(f"{_at(key, file_name)} ({key.value}): {needs}.")
        sections[key.value] = value
    if missing := [name for name in wanted if name not in sections]:
        raise InputError(f"{_at(node, file_name)}: {missing[0]} is missing; {needs}.")
    return sections


def _pairs(node: yaml.Node | None, file_name: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{_at(node, file_name)}: expected a mapping from names to phrases.")
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise InputError(f"{_at(key, file_name)}: a name must be plain text, such as q01.")
    return node.value


def _at(node: yaml.Node | None, file_name: str) -> str:
    return f"{file_name}, line {1 if node is None else node.start_mark.line + 1}"
