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
    Answer,
    Choice,
    ClockHour,
    Interval,
    Quantity,
    Unit,
    task_form,
)
from st_vlm.questions.choices import chosen, named, yes_option
from st_vlm.questions.normalize import final_part, plain
from st_vlm.questions.numerals import Numeral, find_numerals

PARSER_VERSION = 1

_REFUSAL = re.compile(
    r"(?:\bcan ?not|\bcan't|\bcould not|\bcouldn't|\bunable to|\bnot able to|\bimpossible to|\bnot possible to|"
    r"\bdifficult to|\bhard to|\bno way to|\bdo not have|\bdon't have)\s+(?:[a-z]{1,20},?\s+){0,4}?(?:determined?|tell|say|"
    r"estimated?|see|seen|provided?|answer(?:ed)?|calculated?|measured?|know|known|judged?|given?|assess|assessed|"
    r"identify|identified|computed?|inferr?(?:ed)?|certain|sure|assist|help|information|access|decided?|ascertain|watch|"
    r"view|analy[sz]ed?)\b|\b(?:do not|don't) know\b|\bnot enough information|\binsufficient|\bnot sure\b|"
    r"\bno information|\bnot (?:provided|specified|given)\b|\bunclear\b|\bunknown\b|\bi'm sorry|\bi am sorry|\bapologi[sz]e"
)
_HEDGE = re.compile(
    r"\b(?:but|however|approximately|approx|about|around|roughly|my estimate|best estimate|estimated at|likely|"
    r"probably|perhaps|maybe|my guess|best guess|i would say|i'd say|i would guess|i'd guess)\b"
)
_SENTENCE = re.compile(r"[.;!?](?= |$)|\n")

# A length that describes a thing or a place rather than a path.
_DESCRIBES = re.compile(
    r" ?-?(?:(?:in )?(?:long|wide|tall|high|length|width|height|deep|away|apart|ahead|behind)\b|in front\b|"
    r"from the (?:camera|ego|viewer|observer))"
)
_FROM_BEFORE = re.compile(r"\bfrom (?:about |around |approximately |roughly )?$")
_SPREAD_BEFORE = re.compile(r"\b(?:rang(?:es?|ing)|var(?:ies|y|ying)|anywhere|between|somewhere)\b[^.;\n]{0,30}$")
_RANGE = re.compile(r" ?(?:-|to|or) ?(?:about |around |approximately )?$")
_FOREIGN = {
    "m": re.compile(
        r"(?<![a-z'])(?:km|cm|mm|ft|mi|kilomet[a-z]+|centimet[a-z]+|feet|foot|miles?|yards?|km/h|mph|m/s)(?![a-z])"
    ),
    "km/h": re.compile(
        r"(?<![a-z'])(?:m/s|mph|mps|ft/s|knots?|miles?|met(?:er|re)s?|(?:per|a) second|per minute)(?![a-z])"
    ),
}
_STILL = re.compile(
    r"\b(?:does not|doesn't|did not|didn't|is not|isn't|was not|wasn't|has not|hasn't|never)(?: [a-z]{1,12}){0,2}? "
    r"(?:move[sd]?|moving|travel(?:l?ed|l?ing|s)?|budge[sd]?|change[sd]? (?:its )?position)"
    r"(?= ?(?:[.,;!\n)]|$)| (?:at all|throughout|during|in the (?:video|clip)|over|from|within|and)\b)|"
    r"(?<!not )\b(?:is|was|are|remain(?:s|ed)?|stay(?:s|ed)?|be|being|stand(?:s|ing)?|stood|appears|seems|it's|object)"
    r"(?: (?:completely|entirely|fully|still|perfectly|totally|essentially|basically))? "
    r"(?:stationary|motionless|static|immobile|at rest|standing still|still|parked|in place|not moving)(?![a-z])|"
    r"^(?:it is |it's |completely )?(?:stationary|motionless|static|not moving|no (?:movement|motion))\W{0,3}$"
)
_STILL_ONLY_THEN = re.compile(
    r"\b(?:then|until|at first|initially|before|later|except|but|after|starts?|begins?|when)\b"
)

_CLOCK = r" ?-?o ?' ?clock\b| ?-?oclock\b| o clock\b"
_HOUR = re.compile(
    rf"(?<![0-9.,:/^-])([0-9]{{1,9}})(?:{_CLOCK}|:00(?![0-9:]))|\bhour (?:of )?([0-9]{{1,9}})(?![0-9.,:/]?[0-9])"
)
_ANY_HOUR = re.compile(rf"(?<![0-9.,:/])([0-9]{{1,9}})(?:(?:{_CLOCK})(?: direction)?)")
_HOUR_RANGE_BEFORE = re.compile(r"[0-9] ?(?:-|to|or|and) ?$")
_HOUR_DEFINED = re.compile(
    r" ?(?:direction |position )?(?:is|being|=|means|represents|refers|as the|corresponds)(?![a-z])"
)
_HOUR_SET_ASIDE = re.compile(
    r"\b(?:not|than|of|unlike|initially|originally|first|start(?:s|ed|ing)?|began|begins|beginning|relative to|from|if|with)\b"
    r"(?: (?:moving|move[sd]?|out|off|heading|facing|at|in|to|toward|towards|the|its|a|direction)){0,4} ?$"
)
_WORD_HOURS = {w: n for n, w in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)}

_TIME_OF_DAY = re.compile(r"(?<![0-9.,:])(?:([0-9]{1,2}):)?([0-9]{1,2}):([0-5][0-9](?:\.[0-9]{1,3})?)(?![0-9:])")
_BRACKETED = re.compile(
    r"[\[(] ?([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(?:s|sec|seconds)? ?[,;-] ?([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(?:s|sec|seconds)? ?[\])]"
)
_UNTIL = re.compile(
    r"(?: ?mark)?,? ?(?:-|to|till?|until|through|up to|and (?:(?:it )?(?:ends?|ending|stops?|stopping|lasts until)"
    r"(?: [a-z]{1,10}){0,3}? (?:at|by)|until))"
    r"(?: (?:about|around|approximately|the|t ?=))? ?$|"
    r" ?(?:mark)?[,;.\n] ?(?:and )?(?:it )?(?:ends?|ending|end time|stops?|stopping|finish(?:es|ing)?)(?: time)?(?: [a-z]{1,10}){0,2}? ?[:=]? ?$"
)
_AND = re.compile(r"(?: ?mark)?,? and(?: (?:about|around|approximately|the))? $")
_BETWEEN_BEFORE = re.compile(r"\bbetween (?:about |around |approximately |the |t ?= ?)?$")
_COUNTS = re.compile(r"\b(?:for|lasts?|lasting|duration of|frames?|over|hour) ?$")


def parse_answer(task: str, text: str, question: str | None = None) -> Answer | None:
    """The answer that a model's text gives to a question, or None where it gives none.

    Args:
        task: Task id; it decides what is looked for.
        text: Any text at all.
        question: The question's text. A comparison needs it to know which two objects are meant and what "Yes" means; a
            time interval that merely repeats the question's own span is told apart by it.

    Raises:
        InputError: An unknown task. Never because of the text.
    """
    form = task_form(task)
    if form.answer is Quantity:
        return parse_quantity(text, form.unit)
    if form.answer is ClockHour:
        return parse_hour(text)
    asked = plain(question) if question else ""
    if form.answer is Interval:
        return parse_interval(text, question)
    if form.options == DIRECTION_RELATIONS:
        return parse_choice(text, form.options, yes_option(asked, form.options))
    pair = tuple(option for option in form.options if named(option, asked))
    return parse_choice(text, pair if len(pair) > 1 else form.options)


def parse_quantity(text: str, unit: Unit) -> Quantity | None:
    """A distance (`m`) or speed (`km/h`), converted from any unit of its kind.

    Of several quantities of the right kind the last one outside parentheses counts, as conclusions come last; lengths
    that describe a thing ("4.5 m long", "20 m away") count only where there is no other. A range ("10 to 15 m") is
    its midpoint; "from 10 m to 15 m" names two places and is none. A number without a unit counts only if it is the
    text's only number and no other unit is mentioned. "It does not move" is 0.
    """
    text, refused = _answering_part(text, keep_sentences=True)
    kind = "length" if unit == "m" else "speed"
    numerals = find_numerals(text)
    candidates: list[tuple[bool, float]] = []
    skip = -1
    for i, numeral in enumerate(numerals):
        if i == skip or numeral.kind != kind:
            continue
        value = numeral.scaled
        before = text[max(0, numeral.start - 40) : numeral.start]
        if i and numerals[i - 1].kind in ("bare", "other") and (low := numerals[i - 1]).kind != "label":
            joint = text[low.end : numeral.start]
            start = text[max(0, low.start - 40) : low.start]
            if joint.strip() in ("±", "+/-", "+-"):
                value = low.value * numeral.scale
            elif _is_range(joint, start):
                value = math.nan if _names_places(start) else (low.value + numeral.value) / 2 * numeral.scale
        elif i + 1 < len(numerals) and (high := numerals[i + 1]).kind == kind:
            joint = text[numeral.end : high.start]
            if _is_range(joint, before):
                if _names_places(before):
                    skip = i + 1
                    continue
                value, skip = (value + high.scaled) / 2, i + 1
            elif joint.strip() in ("±", "+/-", "+-"):
                skip = i + 1
        aside = before.endswith("(") or bool(_DESCRIBES.match(text, numeral.end))
        candidates.append((aside, value))
    main = [value for aside, value in candidates if not aside]
    if main:
        return _quantity(main[-1], unit)
    if not refused and _says_still(text, numerals):
        return Quantity(0.0, unit)
    if candidates:
        return _quantity(candidates[-1][1], unit)
    if not refused and len(numerals) == 1 and numerals[0].kind == "bare" and not _FOREIGN[unit].search(text):
        return _quantity(numerals[0].value, unit)
    return None


def parse_hour(text: str) -> ClockHour | None:
    """An hour of the clock: "3 o'clock", "three o'clock", "3:00", or a bare 1 to 12 that is the text's only number.

    Of several hours, those that are explained ("12 o'clock is straight ahead"), excluded ("not 9 o'clock") or left
    behind ("from 12 o'clock") are set aside, then the last counts: the final direction is what is asked for.
    """
    text, refused = _answering_part(text)
    if refused:
        return None
    hours, aside = [], []
    for match in _HOUR.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()]
        hour = int(match[1] or match[2])
        if _HOUR_RANGE_BEFORE.search(before):
            hour = 0
        out = _HOUR_SET_ASIDE.search(before) or _HOUR_DEFINED.match(text, match.end())
        (aside if out else hours).append(hour)
    if hours or len(set(aside)) == 1:
        return _hour((hours or aside)[-1])
    if aside:
        return None
    numerals = find_numerals(text)
    if len(numerals) == 1 and numerals[0].kind == "bare":
        return _hour(numerals[0].value)
    return _hour(_WORD_HOURS.get(text.strip(" .,;:!\n\"'()"), 0)) if not numerals else None


def parse_interval(text: str, question: str | None = None) -> Interval | None:
    """A time interval in seconds: "from 2.0 to 7.5 s", "between 2 s and 7.5 s", "[2.0, 7.5]", "0:02 to 0:07".

    Hours of the clock are passed over. Where the text names several intervals, one that only repeats `question`'s own
    span is passed over too; if several are left the answer is open, and None.
    """
    text, refused = _answering_part(text)
    if refused:
        return None
    pairs = list(dict.fromkeys(_time_pairs(text)))
    if len(pairs) > 1 and question:
        asked = set(_time_pairs(plain(question)))
        pairs = [pair for pair in pairs if pair not in asked] or pairs
    if len(pairs) != 1:
        return None
    try:
        return Interval(*pairs[0])
    except InputError:
        return None


def parse_choice(text: str, options: Sequence[str], yes: str | None = None) -> Choice | None:
    """One of `options` (mark colours, or "same" and "different").

    Args:
        text: Any text.
        options: What may be chosen.
        yes: The option that a plain "Yes" stands for; "No" then stands for the other of two.
    """
    text, refused = _answering_part(text)
    option = None if refused else chosen(text, tuple(options), yes)
    return None if option is None else Choice(option)


def _answering_part(text: str, keep_sentences: bool = False) -> tuple[str, bool]:
    """The plain text to read and whether what is left is a refusal.

    After "I cannot tell exactly, about 15 m" the part from the hedge on is left. With `keep_sentences`, sentences
    beside the refusing ones stay, and the caller trusts only their most explicit statements.
    """
    text = final_part(plain(text))
    refusal = _REFUSAL.search(text)
    if refusal is None:
        return text, False
    if hedge := _HEDGE.search(text, refusal.end()):
        rest = text[hedge.end() :]
        if not _REFUSAL.search(rest):
            return rest, False
    if not keep_sentences:
        return text, True
    return "\n".join(part for part in _SENTENCE.split(text) if not _REFUSAL.search(part)), True


def _is_range(joint: str, before: str) -> bool:
    return len(joint) < 30 and bool(
        _RANGE.fullmatch(joint) or (_AND.fullmatch(joint) and _SPREAD_BEFORE.search(before))
    )


def _names_places(before: str) -> bool:
    return bool(_FROM_BEFORE.search(before)) and not _SPREAD_BEFORE.search(before)


def _says_still(text: str, numerals: Sequence[Numeral]) -> bool:
    if any(numeral.kind == "bare" for numeral in numerals):
        return False
    return bool(_STILL.search(text)) and not _STILL_ONLY_THEN.search(text)


def _quantity(value: float, unit: Unit) -> Quantity | None:
    return Quantity(value, unit) if math.isfinite(value) and value >= 0 else None


def _hour(hour: float) -> ClockHour | None:
    return ClockHour(int(hour)) if hour in range(1, 13) else None


def _time_pairs(text: str) -> list[tuple[float, float]]:
    """Every pair of numbers that the text joins to an interval of seconds, rounded to one decimal."""
    text = _ANY_HOUR.sub(" the clock ", text)
    text = _TIME_OF_DAY.sub(_in_seconds, text)
    if pairs := [(round(float(m[1]), 1), round(float(m[2]), 1)) for m in _BRACKETED.finditer(text)]:
        return pairs
    numerals = find_numerals(text)
    pairs, marked = [], []
    for numeral, after in zip(numerals, [*numerals[1:], None], strict=True):
        before = text[max(0, numeral.start - 30) : numeral.start]
        if numeral.kind == "time" and not _COUNTS.search(before):
            marked.append(numeral)
        if after is None or len(joint := text[numeral.end : after.start]) > 60 or _COUNTS.search(before):
            continue
        joined = _UNTIL.fullmatch(joint) or (_AND.fullmatch(joint) and _BETWEEN_BEFORE.search(before))
        kinds = {numeral.kind, after.kind}
        # "2.0 to 7.5 seconds": the first has no unit of its own, and "to" says that it counts nothing else.
        if joined and kinds <= {"bare", "time", "other"} and after.kind != "other":
            pairs.append((_seconds(numeral, after), _seconds(after, after)))
    if not pairs and len(marked) == 2:
        pairs = [(_seconds(marked[0], marked[0]), _seconds(marked[1], marked[1]))]
    return pairs


def _in_seconds(match: re.Match[str]) -> str:
    hours, minutes, seconds = float(match[1] or 0), float(match[2]), float(match[3])
    return f"{3600 * hours + 60 * minutes + seconds:.3f} s"


def _seconds(numeral: Numeral, unit_of: Numeral) -> float:
    scale = numeral.scale if numeral.kind == "time" else unit_of.scale
    return round(numeral.value * scale, 1)
