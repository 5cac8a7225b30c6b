"""Free text to a typed answer, or None: the reading side of `questions.answers`.

A reading is never a guess: text that refuses, contradicts itself or leaves the answer open parses to None.
Whatever changes a result raises `PARSER_VERSION`, which every score carries.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from st_vlm.errors import InputError
from st_vlm.questions.answers import (
    DIRECTION_RELATIONS,
    SIGNED_UNITS,
    YES_NO,
    Answer,
    Choice,
    ClockHour,
    Count,
    Interval,
    Position,
    Quantity,
)
from st_vlm.questions.choices import chosen, named, yes_option
from st_vlm.questions.forms import REASONING_TASKS, task_form
from st_vlm.questions.further_readings import read_acceleration, read_count, read_duration, read_position
from st_vlm.questions.normalize import final_part, plain
from st_vlm.questions.quantities import read_quantity
from st_vlm.questions.reasoning_readings import read_amount, read_team, read_yes_no
from st_vlm.questions.times import read_hour, time_pairs

PARSER_VERSION = 1

_REFUSAL = re.compile(
    r"(?:\bcan ?not|\bcan't|\bcould not|\bcouldn't|\bunable to|\bnot able to|\bimpossible to|\bnot possible to|"
    r"\bdifficult to|\bhard to|\bno way to|\bdo not have|\bdon't have)\s+(?:[a-z]{1,20},?\s+){0,4}?"
    r"(?:determined?|tell|say|estimated?|see|seen|provided?|answer(?:ed)?|calculated?|measured?|know|known|judged?|"
    r"given?|assess|assessed|identify|identified|computed?|inferr?(?:ed)?|certain|sure|assist|help|information|access|"
    r"decided?|ascertain|watch|view|analy[sz]ed?)\b|"
    r"\b(?:do not|don't) know\b|\bnot enough information|\binsufficient|\bnot sure\b|\bno information|"
    r"\bnot (?:provided|specified|given)\b|\bunclear\b|\bunknown\b|\bi'm sorry|\bi am sorry|\bapologi[sz]e"
)
_HEDGE = re.compile(
    r"\b(?:but|however|approximately|approx|about|around|roughly|my estimate|best estimate|estimated at|likely|"
    r"probably|perhaps|maybe|my guess|best guess|i would say|i'd say|i would guess|i'd guess)\b"
)
_SENTENCE = re.compile(r"[.;!?](?= |$)|\n")


def parse_answer(task: str, text: str, question: str | None = None) -> Answer | None:
    """The answer that a model's text gives to a question, or None where it gives none.

    Args:
        task: Task id; it decides what is looked for.
        text: Any text at all.
        question: The question's text. A comparison needs it to know which two objects are meant and what "Yes"
            means; a time interval that merely repeats the question's own span is told apart by it.

    Raises:
        InputError: An unknown task. Never because of the text.
    """
    form = task_form(task)
    if task in REASONING_TASKS:
        return parse_conclusion(task, text, question)
    if form.answer is Quantity:
        # Of two objects one may stand and their distance be anything.
        return parse_quantity(text, form.unit, question, still=form.marks < 2)
    if form.answer is Count:
        return parse_count(text)
    if form.answer is Position:
        return parse_position(text)
    if form.answer is ClockHour:
        return parse_hour(text)
    if form.answer is Interval:
        return parse_interval(text, question)
    asked = plain(question or "")
    if form.options == DIRECTION_RELATIONS:
        return parse_choice(text, form.options, yes_option(asked, form.options))
    pair = tuple(option for option in form.options if named(option, asked))
    return parse_choice(text, pair if len(pair) > 1 else form.options)


def parse_quantity(text: str, unit: str, question: str | None = None, still: bool = True) -> Quantity | None:
    """A distance (`m`), speed (`km/h`), acceleration (`m/s^2`) or duration (`s`), converted from any unit of its kind.

    Of several quantities of the right kind the last one outside parentheses counts, as conclusions come last; lengths
    that describe a thing ("4.5 m long", "20 m away") count only where there is no other. A range ("10 to 15 m") is
    its midpoint; "from 10 m to 15 m" names two places and is none. A number without a unit counts only if it is the
    text's only number and no other unit is mentioned. "It does not move" is 0 m or km/h, unless `still` is False.
    Beside a refusal only a number with a unit counts. An acceleration that brakes is negative; a duration that only
    repeats `question`'s own interval is passed over.
    """
    text, refused = _answering_part(text, keep_sentences=True)
    if unit == "m/s^2":
        value = read_acceleration(text, only_explicit=refused)
    elif unit == "s":
        value = read_duration(text, plain(question or ""), only_explicit=refused)
    else:
        value = read_quantity(text, unit, only_explicit=refused)
        if value == 0 and not still and not any(letter.isdigit() for letter in text):
            return None
    if value is None or not math.isfinite(value) or (value < 0 and unit not in SIGNED_UNITS):
        return None
    return Quantity(value, unit)


def parse_conclusion(task: str, text: str, question: str | None = None) -> Quantity | Choice | None:
    """The answer of a reasoning task: what the last sentence says that answers at all.

    Amounts may be in any unit of their kind ("11 days 5 hours", "about 60x", "0.3 MJ"); yes and no may be said or
    stated ("it would not exceed the limit"); a team may be named by the colour of its player, given the question.
    """
    form = task_form(task)
    text, refused = _answering_part(text, keep_sentences=True)
    if form.answer is Quantity:
        value = read_amount(text, form.unit, only_explicit=refused)
        return Quantity(value, form.unit) if value is not None and math.isfinite(value) and value >= 0 else None
    if refused:
        return None
    option = read_yes_no(task, text) if form.options == YES_NO else read_team(text, plain(question or ""))
    return None if option is None else Choice(option)


def parse_count(text: str) -> Count | None:
    """How often an object turns: "two turns", "turns twice", "it does not turn", or a bare number and no other.

    Of several numbers one that is said to be the total counts; those of the left and the right are added up; others
    must agree.
    """
    text, refused = _answering_part(text)
    number = None if refused else read_count(text)
    return None if number is None else Count(number)


def parse_position(text: str) -> Position | None:
    """A place in metres: "(1.2, 0.3, 12.5)", "x = 1.2, y = 0.3, z = 12.5", or "1.2 m to the right, 0.3 m down, 12.5 m
    ahead", where left, up and behind are negative. All three coordinates must be there.
    """
    text, refused = _answering_part(text)
    metres = None if refused else read_position(text)
    return None if metres is None or not all(map(math.isfinite, metres)) else Position(metres)


def parse_hour(text: str) -> ClockHour | None:
    """An hour of the clock: "3 o'clock", "three o'clock", "3:00", or a bare 1 to 12 that is the text's only number.

    Of several hours, those that are explained ("12 o'clock is straight ahead"), excluded ("not 9 o'clock") or left
    behind ("from 12 o'clock") are set aside, then the last counts: the final direction is what is asked for. A range
    ("2 to 3 o'clock") is no answer.
    """
    text, refused = _answering_part(text)
    hour = None if refused else read_hour(text)
    return ClockHour(int(hour)) if hour in range(1, 13) else None


def parse_interval(text: str, question: str | None = None) -> Interval | None:
    """A time interval in seconds: "from 2.0 to 7.5 s", "between 2 s and 7.5 s", "[2.0, 7.5]", "0:02 to 0:07".

    Hours of the clock are passed over. Where the text names several intervals, one that only repeats `question`'s own
    span is passed over too; if several are left the answer is open, and None.
    """
    text, refused = _answering_part(text)
    pairs = [] if refused else time_pairs(text)
    if len(pairs) > 1 and question:
        asked = time_pairs(plain(question))
        pairs = [pair for pair in pairs if pair not in asked]
    if len(pairs) != 1:
        return None
    try:
        return Interval(*pairs[0])
    except InputError:
        return None


def parse_choice(text: str, options: Sequence[str], yes: str | None = None) -> Choice | None:
    """One of `options` (mark colours, or "same" and "different"), where the text settles on exactly one.

    What stands after "than", "compared with" or "not" is not chosen, and "slower than" or "not as far as" turn the
    comparison around.

    Args:
        text: Any text.
        options: What may be chosen.
        yes: The option that a plain "Yes" stands for; "No" then stands for the other of two.
    """
    text, refused = _answering_part(text)
    option = None if refused else chosen(text, tuple(options), yes)
    return None if option is None else Choice(option)


def _answering_part(text: str, keep_sentences: bool = False) -> tuple[str, bool]:
    """The plain text to read, and whether it refuses to answer.

    After "I cannot tell exactly, about 15 m" what follows the hedge is left, and is no refusal. With
    `keep_sentences`, a refusing text keeps its other sentences.
    """
    text = final_part(plain(text))
    refusal = _REFUSAL.search(text)
    if refusal is None:
        return text, False
    hedge = _HEDGE.search(text, refusal.end())
    if hedge and not _REFUSAL.search(text, hedge.end()):
        return text[hedge.end() :], False
    if not keep_sentences:
        return text, True
    return "\n".join(part for part in _SENTENCE.split(text) if not _REFUSAL.search(part)), True
