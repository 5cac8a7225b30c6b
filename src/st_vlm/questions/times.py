"""Hours of the clock and intervals of seconds in plain text."""

from __future__ import annotations

import re

from st_vlm.questions.numerals import Numeral, find_numerals

_CLOCK = r"(?: ?-?o ?' ?clock| ?-?oclock| o clock)\b"
_HOUR = re.compile(
    rf"(?<![0-9.,:/^-])([0-9]{{1,9}})(?:{_CLOCK}|:00(?![0-9:]))|\bhour (?:of )?([0-9]{{1,9}})(?![0-9.,:/]?[0-9])"
)
_ANY_HOUR = re.compile(rf"(?<![0-9.,:/])[0-9]{{1,9}}{_CLOCK}(?: direction)?")
_HOUR_RANGE_BEFORE = re.compile(r"[0-9] ?(?:-|to|or|and) ?$")
_HOUR_DEFINED = re.compile(
    r" ?(?:direction |position )?(?:is|being|=|means|represents|refers|as the|corresponds)(?![a-z])"
)
_HOUR_SET_ASIDE = re.compile(
    r"\b(?:not|than|of|unlike|initially|originally|first|start(?:s|ed|ing)?|began|begins|beginning|relative to|from|"
    r"if|with)\b(?: (?:moving|move[sd]?|out|off|heading|facing|at|in|to|toward|towards|the|its|a|direction)){0,4} ?$"
)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_TIME_OF_DAY = re.compile(r"(?<![0-9.,:])(?:([0-9]{1,2}):)?([0-9]{1,2}):([0-5][0-9](?:\.[0-9]{1,3})?)(?![0-9:])")
_SECONDS = r"([0-9]{1,6}(?:\.[0-9]{1,6})?) ?(?:s|sec|seconds)?"
_BRACKETED = re.compile(rf"[\[(<] ?{_SECONDS} ?[,;-] ?{_SECONDS} ?[\])>]")
_ENDS = r"(?:ends?|ending|stops?|stopping|finish(?:es|ing)?)"
_UNTIL = re.compile(
    r"(?: ?mark)?,? ?(?:-|to|till?|until|through|up to|"
    rf"and (?:(?:it )?{_ENDS}(?: [a-z]{{1,10}}){{0,3}}? (?:at|by)|until))"
    r"(?: (?:about|around|approximately|the|second|time|timestamp|t ?=))? ?$|"
    rf" ?(?:mark)?[,;.\n] ?(?:and )?(?:it )?[\"']?{_ENDS}(?: time)?(?: [a-z]{{1,10}}){{0,2}}?[\"']? ?[:=]? ?$"
)
_AND = re.compile(r"(?: ?mark)?,? and(?: (?:about|around|approximately|the))? $")
_BETWEEN_BEFORE = re.compile(
    r"\bbetween (?:about |around |approximately |t ?= ?|(?:the )?(?:times|timestamps|seconds) |the )?$"
)
# Numbers that measure a length of time or count frames.
_MINUTES_AND_SECONDS = re.compile(
    r"(?<![0-9.,:])([0-9]{1,3}) ?(?:min|minutes?),? (?:and )?([0-9]{1,2}(?:\.[0-9]{1,3})?) ?s(?:ec|econds?)?(?![a-z])"
)
_ALTERNATIVE = re.compile(r" ?(?:direction )?(?:or|and|/|-) ?(?:toward |at |the )?$")
_COUNTS = re.compile(r"\b(?:for|lasts?|lasting|duration of|frames?|over|hour) ?$")


def read_hour(text: str) -> float | None:
    """The hour by the rules of `parsing.parse_hour`, not yet checked to lie in 1 to 12; None where there is none."""
    hours, aside, end = [], [], 0
    for match in _HOUR.finditer(text):
        before = text[max(0, match.start() - 60) : match.start()]
        alternative = hours and _ALTERNATIVE.fullmatch(text, end, match.start())
        end = match.end()
        if alternative or _HOUR_RANGE_BEFORE.search(before):
            hours.append(0)
        elif _HOUR_SET_ASIDE.search(before) or _HOUR_DEFINED.match(text, match.end()):
            aside.append(int(match[1] or match[2]))
        else:
            hours.append(int(match[1] or match[2]))
    if hours:
        return hours[-1]
    if aside:
        return aside[0] if len(set(aside)) == 1 else None
    numerals = find_numerals(text)
    if len(numerals) == 1 and numerals[0].kind == "bare":
        return numerals[0].value
    word = text.strip(" .,;:!\n\"'()")
    return _WORDS.index(word) + 1 if word in _WORDS else None


def time_pairs(text: str) -> list[tuple[float, float]]:
    """Every pair of numbers that plain text joins to an interval, in seconds with one decimal, each pair once."""
    text = _ANY_HOUR.sub(" the clock ", text)
    text = in_seconds(text)
    if bracketed := [(round(float(m[1]), 1), round(float(m[2]), 1)) for m in _BRACKETED.finditer(text)]:
        return list(dict.fromkeys(bracketed))
    numerals = find_numerals(text)
    counts = [bool(_COUNTS.search(text, max(0, n.start - 30), n.start)) for n in numerals]
    pairs = []
    for i in range(len(numerals) - 1):
        first, second = numerals[i : i + 2]
        joint = text[first.end : second.start]
        if counts[i] or len(joint) > 60 or second.kind not in ("time", "bare"):
            continue
        between = _BETWEEN_BEFORE.search(text, max(0, first.start - 30), first.start)
        joined = _UNTIL.fullmatch(joint) or (between and _AND.fullmatch(joint))
        # "2.0 to 7.5 seconds": the joint itself is what follows the first, which makes its kind "other".
        if joined and first.kind in ("time", "bare", "other"):
            pairs.append((_seconds(first, second), _seconds(second, second)))
    marked = [n for n, count in zip(numerals, counts, strict=True) if n.kind == "time" and not count]
    if not pairs and len(marked) == 2:
        pairs = [(_seconds(marked[0], marked[0]), _seconds(marked[1], marked[1]))]
    return list(dict.fromkeys(pairs))


def in_seconds(text: str) -> str:
    """A plain text with its "1:05" and "1 min 5 s" as seconds."""
    text = _TIME_OF_DAY.sub(_in_seconds, text)
    return _MINUTES_AND_SECONDS.sub(lambda m: f"{60 * float(m[1]) + float(m[2]):.3f} s", text)


def _in_seconds(match: re.Match[str]) -> str:
    hours, minutes, seconds = float(match[1] or 0), float(match[2]), float(match[3])
    return f"{3600 * hours + 60 * minutes + seconds:.3f} s"


def _seconds(numeral: Numeral, unit_of: Numeral) -> float:
    scale = numeral.scale if numeral.kind == "time" else unit_of.scale
    return round(numeral.value * scale, 1)
