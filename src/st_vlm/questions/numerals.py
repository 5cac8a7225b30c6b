"""Numbers in plain text with the unit each is attached to: the ground that quantities and intervals are parsed on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["length", "speed", "time", "acceleration", "bare", "label", "other", "asked"]

_NUMBER = re.compile(r"[0-9](?:[0-9.,]*[0-9])?(?:e[+-]?[0-9]{1,3}(?![0-9a-z]))?")
_METRES = {
    r"m|met(?:er|re)s?|mtrs?": 1.0,
    r"km|kms|kilomet(?:er|re)s?": 1000.0,
    r"cm|cms|centimet(?:er|re)s?": 0.01,
    r"mm|millimet(?:er|re)s?": 0.001,
    r"ft|feet|foot": 0.3048,
    r"mi|miles?": 1609.344,
    r"yds?|yards?": 0.9144,
}
_SECONDS = {r"h|hrs?|hours?": 3600.0, r"s|secs?|seconds?": 1.0, r"min|mins|minutes?": 60.0}
_KMH = {r"kmh|kph|kmph|kmhr|kmp/h": 1.0, r"mph": 1.609344, r"mps": 3.6, r"knots?|kn": 1.852}
_END = r"(?![a-z0-9^'])"
STANDARD_GRAVITY = 9.80665
_BEFORE_UNIT = re.compile(r" ?[-(\[]? ?")


def _named(table: dict[str, float]) -> list[tuple[re.Pattern[str], float]]:
    return [(re.compile(rf"(?:{names}){_END}"), factor) for names, factor in table.items()]


_LENGTHS, _TIMES, _SPEEDS = _named(_METRES), _named(_SECONDS), _named(_KMH)
_PER = re.compile(r" ?/ ?| ?\( ?per |[ -]?per[ -]| (?:an?|each|every) (?=(?:hours?|seconds?|minutes?)(?![a-z]))")
_ACCELERATION = re.compile(r" squared| ?(?:/|per) ?s")
_SECOND = r"(?:s|secs?|seconds?)"
_PER_SECOND = rf"(?: ?/ ?| per |-per-){_SECOND}"
# What makes an acceleration of a length ("m/s^2", "meters per second squared", "m s^-2"), and of a speed ("km/h/s").
_PER_SQUARE_SECOND = (
    rf"(?:{_PER_SECOND}(?: ?\^? ?2| squared|{_PER_SECOND})|/\({_SECOND} ?\^? ?2\)| per square second|"
    rf" ?[×·]? ?s ?\^? ?-2){_END}"
)
_SQUARES = [(re.compile(rf"(?:{names}){_PER_SQUARE_SECOND}"), factor) for names, factor in _METRES.items()]
# The 2 of "m/s^2" is no number of its own, whether or not one stands before the unit.
_SQUARE_BEFORE = re.compile(r"(?:[/×·] ?|m ?)s(?:ec)? ?\^? ?-?$")
_EACH_SECOND = re.compile(rf"(?:{_PER_SECOND}| (?:a|each|every) {_SECOND}){_END}")
_GRAVITY = re.compile(rf"g(?:'s)?{_END}")
_MULTIPLIER = re.compile(r" ?(hundred|thousand|million|billion)(?![a-z])")
_MULTIPLIERS = {"hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9}
# A number after one of these names a thing; it measures nothing.
_LABEL = re.compile(
    r"(?:\b(?:objects?|cars?|vehicles?|persons?|pedestrians?|players?|trucks?|frames?|box|boxes|number|no\.?|track|"
    r"id|steps?|lanes?|cameras?|options?|part|figure|version|images?|scenes?|clips?|videos?|hour)|#) ?$"
)
# What may follow a number that has no unit; before any other word the number counts something else.
_AFTER_BARE = re.compile(
    r"[ ,.;:!?)\]}\"'\n-]*(?:$|\n|(?:throughout|in|during|over|from|for|or|and|approximately|total|by|at|between|with|"
    r"on|as|to|is|was|which|based|until|while|overall|altogether|through)\b)"
)
_AFTER_BARE_MARK = re.compile(r"[.,;:!?)\]}]")


@dataclass(frozen=True)
class Numeral:
    """A number found in text.

    Attributes:
        value: As written, with its sign; NaN where the digits make no number ("1.2.3", "2×3").
        kind: What it is attached to; "bare" where nothing is, "label" after a noun it names ("object 2").
        scale: Factor to metres, km/h, seconds or m/s^2 by `kind`; 1 for the others.
        start, end: Where it stands in the text, with its sign and unit.
    """

    value: float
    kind: Kind
    scale: float
    start: int
    end: int

    @property
    def scaled(self) -> float:
        """The value in metres, km/h, seconds or m/s^2."""
        return self.value * self.scale


def find_numerals(text: str, accelerations: bool = False) -> list[Numeral]:
    """Every number of a plain text (see `normalize.plain`), in order. Takes time linear in the text.

    Args:
        text: Plain text.
        accelerations: Tell accelerations apart; otherwise they are of the kind "other".
    """
    found: list[Numeral] = []
    for match in _NUMBER.finditer(text):
        for piece, start, end in _pieces(match):
            if accelerations and _SQUARE_BEFORE.search(text, max(0, start - 9), start):
                continue
            found.append(_numeral(text, piece, start, end, found[-1] if found else None, accelerations))
    return found


def metres_of(unit: str) -> float:
    """How many metres a unit of length is. Raises ValueError for what is none."""
    found = _first(_LENGTHS, unit, 0)
    if found is None:
        raise ValueError(f"{unit!r} is no unit of length.")
    return found[0]


def _pieces(match: re.Match[str]) -> list[tuple[str, int, int]]:
    """One number, or the two that a comma without a space holds apart: "2.0,7.5"."""
    digits, comma, more = match[0].partition(",")
    if comma and "." in digits and "." in more and "," not in more:
        middle = match.start() + len(digits)
        return [(digits, match.start(), middle), (more, middle + 1, match.end())]
    return [(match[0], match.start(), match.end())]


def _numeral(text: str, digits: str, start: int, end: int, previous: Numeral | None, accelerations: bool) -> Numeral:
    value = _read(digits)
    before = text[start - 1] if start else ""
    earlier = text[start - 2] if start > 1 else " "
    if before == "." and (start == 1 or earlier in " (:=<>-\n"):
        value = _read("0." + digits) if digits.isdigit() else float("nan")
        start -= 1
        before, earlier = earlier if start else "", text[start - 2] if start > 1 else " "
    glued = before.isalnum() or before in "^×/" if before else False
    between = text[previous.end : start].strip() if previous else ""
    negative = before == "-" and not (earlier.isalnum() or earlier in ")]%-") and between != "-"
    negative = negative or text[max(0, start - 10) : start].rstrip(" ").endswith(("minus", "negative"))
    if multiplier := _MULTIPLIER.match(text, end):
        value, end = value * _MULTIPLIERS[multiplier[1]], multiplier.end()
    following = text[end : end + 2].lstrip(" ")
    if glued or following[:1] in ("^", "×") or re.match(r" ?/ ?[0-9]", text[end : end + 3]):
        value = float("nan")
    found = _acceleration(text, end) if accelerations else None
    kind, scale, end = ("acceleration", *found) if found else _attached(text, end)
    if kind == "bare" and before != "/" and _LABEL.search(text, max(0, start - 16), start):
        kind = "label"
    return Numeral(-value if negative else value, kind, scale, start, end)


def _read(digits: str) -> float:
    """ "1,234.5" and "1.234,5" are the same number; "1,234" is thousands, "15,2" and "0,500" are decimals."""
    mantissa, letter, exponent = digits.partition("e")
    points, commas = mantissa.count("."), mantissa.count(",")
    grouped = re.fullmatch(r"[1-9][0-9]{0,2}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?", mantissa)
    if len(digits) > 40:
        return float("nan")
    if grouped:
        mantissa = mantissa.replace(",", "")
    elif commas == 1 and re.fullmatch(r"[0-9]+,[0-9]+|[1-9][0-9]{0,2}(?:\.[0-9]{3})+,[0-9]+", mantissa):
        mantissa = mantissa.replace(".", "").replace(",", ".")
    elif points > 1 or commas:
        return float("nan")
    return float(mantissa + letter + exponent)


def _attached(text: str, end: int) -> tuple[Kind, float, int]:
    """The kind and scale of the unit after a number that ends at `end`, and where the unit ends."""
    at = _BEFORE_UNIT.match(text, end).end()
    if speed := _first(_SPEEDS, text, at):
        return "speed", speed[0], speed[1]
    if length := _first(_LENGTHS, text, at):
        per = _PER.match(text, length[1])
        if per is None or (text[per.end() : per.end() + 1].isdigit() and "/" in per[0]):
            return "length", *length
        time = _first(_TIMES, text, per.end())
        if time and _ACCELERATION.match(text, time[1]):
            return "other", 1.0, time[1]
        return ("speed", 3.6 * length[0] / time[0], time[1]) if time else ("other", 1.0, per.end())
    if time := _first(_TIMES, text, at):
        return "time", *time
    if _AFTER_BARE.match(text, end) or _AFTER_BARE_MARK.match(text, end):
        return "bare", 1.0, end
    return "other", 1.0, end


def _acceleration(text: str, end: int) -> tuple[float, int] | None:
    """The scale of an acceleration's unit after a number that ends at `end`, and where the unit ends."""
    at = _BEFORE_UNIT.match(text, end).end()
    if gravity := _GRAVITY.match(text, at):
        return STANDARD_GRAVITY, gravity.end()
    if square := _first(_SQUARES, text, at):
        return square
    if length := _first(_LENGTHS, text, at):
        # "km/h/s": `_attached` takes it for no speed.
        per = _PER.match(text, length[1])
        time = _first(_TIMES, text, per.end()) if per else None
        speed = (3.6 * length[0] / time[0], time[1]) if time else None
    else:
        speed = _first(_SPEEDS, text, at)
    each = _EACH_SECOND.match(text, speed[1]) if speed else None
    return (speed[0] / 3.6, each.end()) if each else None


def _first(table: list[tuple[re.Pattern[str], float]], text: str, at: int) -> tuple[float, int] | None:
    for pattern, factor in table:
        if match := pattern.match(text, at):
            return factor, match.end()
    return None
