"""The YAML files that phrasings are kept in, one a task: read, and refused by name and line where they are wrong.

The form of a file and its placeholders: `phrasing`.
"""

from __future__ import annotations

import string
from functools import cache
from importlib.resources import files

import yaml

from st_vlm.errors import InputError
from st_vlm.questions.answers import Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import TaskForm, task_form
from st_vlm.questions.phrasing import CAPITALISED, OBJECTS, Phrase, Phrasings


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
    asked = {*OBJECTS[form.marks], "when", *form.states, *form.names}
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
    return may | {name.capitalize() for name in may if name in CAPITALISED}, must


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
