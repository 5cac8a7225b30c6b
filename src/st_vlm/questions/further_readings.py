"""Accelerations, durations, counts and positions in plain text (`normalize.plain`): what `parsing` returns typed.

A reading is never a guess: where the text leaves it open, it is None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import fmean

from st_vlm.questions.numerals import find_numerals, metres_of
from st_vlm.questions.quantities import read_quantity
from st_vlm.questions.times import in_seconds, time_pairs

_CLAUSE = re.compile(r"[.;!?](?= |$)|\n|,? (?:but|while|whereas)\b")
_SLOWS = re.compile(
    r"\b(?:brak(?:es?|ed|ing)|decelerat(?:es?|ed|ing|ion)|retard(?:s|ed|ing|ation)|"
    r"slow(?:s|ed|ing)?(?: [a-z]{1,8})? ?down|slow(?:s|ed|ing)|los(?:es?|ing|t) speed|slower)\b"
)
_SPEEDS_UP = re.compile(
    r"\b(?:accelerat(?:es?|ed|ing)|sp(?:eeds?|ed|eeding)(?: [a-z]{1,8})? ?up|gain(?:s|ed|ing)? speed|faster)\b"
)
_NOT_BEFORE = re.compile(r"(?:\b(?:not|never|no|without|instead of|rather than|or|nor)|n't)(?: [a-z]{1,12})? ?$")
_STEADY = re.compile(
    r"\b(?:constant|steady|unchang(?:ed|ing)) (?:speed|velocity|pace)\b|\b(?:no|zero) acceleration\b|"
    r"\b(?:not|n't) (?:accelerat|chang(?:e|ing) (?:its )?speed)"
)
_TO_NEGATIVE = re.compile(r"[0-9] ?(?:to|or|and) ?-[0-9]")

_SPAN = re.compile(
    r"\b(?:from|between) ([0-9]{1,4}(?:\.[0-9]{1,3})?)(?: ?s(?:ec(?:ond)?s?)?)? ?(?:to|and|-|until) "
    r"?([0-9]{1,4}(?:\.[0-9]{1,3})?) ?s(?:ec(?:ond)?s?)?\b"
)

_WORDS = {
    **dict.fromkeys(("no", "zero", "without", "none"), 0),
    **dict.fromkeys(("a", "an", "one", "single", "once"), 1),
    **dict.fromkeys(("two", "twice"), 2),
    **dict.fromkeys(("three", "thrice"), 3),
    **{word: n for n, word in enumerate(("four", "five", "six", "seven", "eight", "nine", "ten"), 4)},
}
_NUMBER = r"(?:[0-9]+(?:\.[0-9]+)?|" + "|".join(sorted(_WORDS, key=len, reverse=True)) + r")"
_TURNS = r"(?:u-)?(?:turns?|bends?|corners?|curves?|changes? (?:of|in) (?:its )?(?:direction|heading))"
# "two turns", "one more left turn"; "twice", "3 times"; "turns: 2", "the number of turns is 2".
_COUNTED = re.compile(rf"\b({_NUMBER})(?: [a-z-]{{1,12}}){{0,3}}? {_TURNS}(?![a-z])(?! (?:is|means|counts?|of [0-9]))")
_OFTEN = re.compile(rf"\b(once|twice|thrice|{_NUMBER} times?)\b")
_AFTER = re.compile(
    rf"\b(?:(?:number|count|total)(?: of (?:all )?(?:the )?{_TURNS})?|{_TURNS})\b[^.;!?\n0-9]{{0,80}}?"
    rf"(?:\bis|\bare|\bwas|\bof|\bto|=|:) ?({_NUMBER})\b(?![.]?[0-9])(?! [a-z-]{{1,12}} ?{_TURNS})"
)
_SEVERAL = re.compile(rf"\b{_NUMBER} ?(?:to|or|-) ?{_NUMBER}\b")
_STRAIGHT = re.compile(
    r"\b(?:not|never|n't)(?: [a-z]{1,10}){0,2}? (?:turn|change (?:its )?(?:direction|heading)|make any turn)|"
    r"\b(?:no|without|any) (?:turns?|turning)\b|\b(?:go|goes|move|moves|travel|travels|drive|drives|keeps?|runs?) "
    r"(?:completely |entirely |on )?(?:in a )?straight\b"
)
_TOTAL_BEFORE = re.compile(r"\b(?:total|altogether|in all|overall)\b[^.;\n0-9]{0,20}$")
_TOTAL_AFTER = re.compile(r" (?:in total|altogether|in all|overall)\b")
_SIDE = re.compile(r"\b(left|right)\b")
_SIDE_BEFORE = re.compile(r"\b(left|right) $")
_SIDE_AFTER = re.compile(r" (?:to|toward|towards) (?:the |its )?(left|right)\b")

_DECIMAL = r"[+-]? ?(?:[0-9]{1,7}(?:\.[0-9]{1,9})?|\.[0-9]{1,9})"
_UNIT = r"(?: ?(m|met(?:er|re)s?|cm|centimet(?:er|re)s?|km|kilomet(?:er|re)s?|ft|feet|foot)\b)?"
_MEASURED = rf"({_DECIMAL}){_UNIT}"
_JOINT = r" ?(?:,|;| and |, and ) ?"
_TRIPLE = re.compile(rf"[(\[<] ?{_MEASURED}{_JOINT}{_MEASURED}{_JOINT}{_MEASURED} ?[)\]>]{_UNIT}")
_ONLY_TRIPLE = re.compile(rf"\W*{_MEASURED} ?[,; ] ?{_MEASURED} ?[,; ] ?{_MEASURED}\W*")
_NAMED = re.compile(
    rf"(?<![a-z])([xyz])(?:[- ]?(?:coordinate|axis|value))? ?(?:=|:|is|of|at)? ?{_MEASURED}(?![0-9a-z.])"
)
_AXES = {
    "x": ((r"(?:to (?:the|its|my) )?right(?:wards?)?", 1.0), (r"(?:to (?:the|its|my) )?left(?:wards?)?", -1.0)),
    "y": ((r"down(?:wards?)?|below|lower", 1.0), (r"up(?:wards?)?|above|higher", -1.0)),
    "z": ((r"ahead|forwards?|in front|away|deep", 1.0), (r"behind|back(?:wards?)?", -1.0)),
}
_SAID = {
    axis: [
        (
            re.compile(
                rf"(?<![0-9.])({_DECIMAL}) ?(m|met(?:er|re)s?|cm|centimet(?:er|re)s?|ft|feet|foot) (?:{words})\b"
            ),
            sign,
        )
        for words, sign in sides
    ]
    for axis, sides in _AXES.items()
}


def read_acceleration(text: str, only_explicit: bool = False) -> float | None:
    """m/s^2: the sign is the number's own where it has one; "brakes at 2.1 m/s^2" is negative.

    Where the words around a number without a sign speak of braking as well as of speeding up, it cannot be told.
    """
    if _TO_NEGATIVE.search(text):
        return None
    value = read_quantity(text, "m/s^2", only_explicit)
    if value is None:
        return 0.0 if not only_explicit and _STEADY.search(text) and not find_numerals(text) else None
    if not value > 0:
        return value
    at = [n.start for n in find_numerals(text, accelerations=True) if n.scaled == value]
    around = _clause_at(text, at[-1]) if at else text
    if "+" in text[at[-1] - 2 : at[-1]] if at else False:
        return value
    for part in (around, text):
        slows, speeds_up = _affirmed(_SLOWS, part), _affirmed(_SPEEDS_UP, part)
        if slows or speeds_up:
            break
    if slows and speeds_up:
        return None
    return -value if slows else value


def read_duration(text: str, question: str, only_explicit: bool = False) -> float | None:
    """Seconds. What only repeats the question's own interval is passed over.

    Args:
        text, question: Plain texts; the question may be empty.
        only_explicit: Accept no bare number.
    """
    asked = time_pairs(question)
    text = _SPAN.sub(lambda m: " " if (round(float(m[1]), 1), round(float(m[2]), 1)) in asked else m[0], text)
    return read_quantity(in_seconds(text), "s", only_explicit)


def read_count(text: str) -> int | None:
    """How often something turns: "two turns", "turns twice", "no turns", "the number of turns is 2", or a bare number.

    Where several numbers are said, those of one side ("one left turn and one right turn") are added up; otherwise
    they must agree, unless one of them is said to be the total.
    """
    text = _SPAN.sub(" ", text)
    if _SEVERAL.search(text):
        return None
    found: dict[int, tuple[float, str | None, bool]] = {}
    for pattern in (_AFTER, _COUNTED, _OFTEN):
        for match in pattern.finditer(text):
            word = match[1].removesuffix("s").removesuffix(" time")
            word = match[1] if match[1] in _WORDS else word
            side = _SIDE_BEFORE.search(text, max(0, match.start() - 12), match.start()) or _SIDE.search(match[0])
            side = side or _SIDE_AFTER.match(text, match.end())
            total = _TOTAL_BEFORE.search(text, max(0, match.start() - 30), match.start())
            total = total or _TOTAL_AFTER.match(text, match.end())
            found.setdefault(match.start(1), (float(_WORDS.get(word, word)), side[1] if side else None, bool(total)))
    if not found:
        if _STRAIGHT.search(text):
            return 0
        return _only_number(text)
    said = list(found.values())
    if totals := [value for value, _, total in said if total]:
        return _agreed(totals)
    if plain := [value for value, side, _ in said if side is None]:
        return _agreed(plain)
    if len({side for _, side, _ in said}) == len(said):
        return _agreed([sum(value for value, _, _ in said)])
    return None


def read_position(text: str) -> tuple[float, float, float] | None:
    """Metres along the camera's axes: "(1.2, 0.3, 12.5)", "x = 1.2, y = 0.3, z = 12.5", or "1.2 m to the right, 0.3 m
    down, 12.5 m ahead", where left, up and behind are negative.

    Of several triples in brackets the last counts. A position with an axis missing is none.
    """
    if triples := list(_TRIPLE.finditer(text)):
        last = triples[-1]
        return tuple(_metres(last[k], last[k + 1] or last[7]) for k in (1, 3, 5))
    named: dict[str, float] = {}
    for match in _NAMED.finditer(text):
        named[match[1]] = _metres(match[2], match[3])
    if len(named) == 3:
        return named["x"], named["y"], named["z"]
    if len(said := _said(text)) == 3:
        return said["x"], said["y"], said["z"]
    only = _ONLY_TRIPLE.fullmatch(text)
    return tuple(_metres(only[k], only[k + 1]) for k in (1, 3, 5)) if only else None


def _said(text: str) -> dict[str, float]:
    """Offsets by the words for their direction; an axis that is said twice, or doubly negated, is left out."""
    found = {}
    for axis, sides in _SAID.items():
        values = []
        for pattern, sign in sides:
            for match in pattern.finditer(text):
                metres = _metres(match[1], match[2])
                values.append(None if metres < 0 and sign < 0 else sign * metres)
        if len(values) == 1 and values[0] is not None:
            found[axis] = values[0]
    return found


def _metres(number: str, unit: str | None) -> float:
    return float(number.replace(" ", "")) * (1.0 if unit is None else metres_of(unit))


def _affirmed(pattern: re.Pattern[str], text: str) -> bool:
    return any(not _NOT_BEFORE.search(text[max(0, m.start() - 30) : m.start()]) for m in pattern.finditer(text))


def _clause_at(text: str, at: int) -> str:
    """The clause of a text that holds a place."""
    begin = max((match.end() for match in _CLAUSE.finditer(text, 0, at)), default=0)
    end = _CLAUSE.search(text, at)
    return text[begin : end.start() if end else len(text)]


def _agreed(values: Sequence[float]) -> int | None:
    value = fmean(values)
    return int(value) if set(values) == {value} and value == int(value) else None


def _only_number(text: str) -> int | None:
    """The text's only number, or the whole text as a word."""
    numerals = [numeral for numeral in find_numerals(text) if numeral.kind != "label"]
    if len(numerals) == 1 and numerals[0].kind == "bare" and numerals[0].value >= 0:
        return _agreed([numerals[0].value])
    word = text.strip(" .,;:!\n\"'()").removeprefix("altogether ").removeprefix("in total ")
    return _WORDS.get(word) if not numerals and word not in ("a", "an", "no") else None
