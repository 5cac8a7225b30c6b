"""Which of a plain text's numbers is the distance or the speed it answers with."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from st_vlm.questions.numerals import Kind, Numeral, find_numerals

# A length that describes a thing or a place rather than a path.
_DESCRIBES = re.compile(
    r" ?-?(?:(?:in )?(?:long|wide|tall|high|length|width|height|deep|away|apart|ahead|behind)\b|in front\b|"
    r"from the (?:camera|ego|viewer|observer))"
)
_FROM_BEFORE = re.compile(r"\bfrom (?:about |around |approximately |roughly )?$")
_SPREAD_BEFORE = re.compile(r"\b(?:rang(?:es?|ing)|var(?:ies|y|ying)|anywhere|between|somewhere)\b[^.;\n]{0,30}$")
_RANGE = re.compile(r" ?(?:-|to|or) ?(?:about |around |approximately )?$")
_AND = re.compile(r",? and (?:about |around |approximately )?$")
_TOLERANCES = ("±", "+/-", "+-")
# The kind of numeral that each unit belongs to.
KINDS: dict[str, Kind] = {"m": "length", "km/h": "speed", "m/s^2": "acceleration", "s": "time"}
_FOREIGN = {
    "m": re.compile(
        r"(?<![a-z'])(?:km|cm|mm|ft|mi|kilomet[a-z]+|centimet[a-z]+|feet|foot|miles?|yards?|mph|m/s)(?![a-z])"
    ),
    "km/h": re.compile(
        r"(?<![a-z'])(?:m/s|mph|mps|ft/s|knots?|miles?|met(?:er|re)s?|(?:per|a) second|per minute)(?![a-z])"
    ),
    "m/s^2": re.compile(
        r"(?<![a-z'])(?:km/h(?! ?/ ?s)|m/s(?! ?\^? ?2|/ ?s)|mph|mps|ft|feet|miles?|knots?|"
        r"met(?:er|re)s? per second(?! (?:sq|per)))(?![a-z])"
    ),
    "s": re.compile(r"(?<![a-z'])(?:min|minutes?|hours?|h|ms|milliseconds?|frames?)(?![a-z])"),
}
_STILL = re.compile(
    r"\b(?:does not|doesn't|did not|didn't|is not|isn't|was not|wasn't|has not|hasn't|never)(?: [a-z]{1,12}){0,2}? "
    r"(?:move[sd]?|moving|travel(?:l?ed|l?ing|s)?|budge[sd]?|change[sd]? (?:its )?position)"
    r"(?= ?(?:[.,;!\n)]|$)| (?:at all|throughout|during|in the (?:video|clip)|over|from|within|and)\b)|"
    r"(?<!not )\b(?:is|was|are|remain(?:s|ed)?|stay(?:s|ed)?|be|being|stand(?:s|ing)?|stood|appears|seems|it's)"
    r"(?: (?:completely|entirely|fully|perfectly|totally|essentially|basically))? "
    r"(?:stationary|motionless|static|immobile|at rest|standing still|still|parked|in place|not moving)(?![a-z])|"
    r"^(?:it is |it's |completely )?(?:stationary|motionless|static|not moving|no (?:movement|motion))\W{0,3}$"
)
_STILL_FOR_A_TIME = re.compile(
    r"\b(?:then|until|at first|initially|before|later|except|but|after|starts?|begins?|when)\b"
)


def read_quantity(text: str, unit: str, only_explicit: bool = False) -> float | None:
    """The value in `unit` by the rules of `parsing.parse_quantity`; NaN where the decisive number cannot be read.

    Args:
        text: Plain text (`normalize.plain`).
        unit: `m`, `km/h`, `m/s^2` or `s`.
        only_explicit: Accept neither a bare number nor "it does not move".
    """
    kind = KINDS[unit]
    numerals = find_numerals(text, accelerations=kind == "acceleration")
    candidates = stated_values(text, numerals, kind)
    if main := [value for value, aside in candidates if not aside]:
        return main[-1]
    if not only_explicit and kind in ("length", "speed") and _says_still(text, numerals):
        return 0.0
    if candidates:
        return candidates[-1][0]
    if not only_explicit and len(numerals) == 1 and numerals[0].kind == "bare" and not _FOREIGN[unit].search(text):
        return numerals[0].value
    return None


def stated_values(text: str, numerals: Sequence[Numeral], kind: str) -> list[tuple[float, bool]]:
    """Values with a unit of the kind, scaled, and whether each is said aside (in parentheses, or about a thing)."""
    found: list[tuple[float, bool]] = []
    i = 0
    while i < len(numerals):
        first = numerals[i]
        i += 1
        before = text[max(0, first.start - 40) : first.start]
        value, last = first.scaled, first
        if i < len(numerals) and numerals[i].kind == kind and first.kind in (kind, "bare", "other"):
            second = numerals[i]
            joint = text[first.end : second.start]
            low = first.scaled if first.kind == kind else first.value * second.scale
            if joint.strip() in _TOLERANCES:
                value, last = low, second
            elif _RANGE.fullmatch(joint) or (_AND.fullmatch(joint) and _SPREAD_BEFORE.search(before)):
                i += 1
                if _FROM_BEFORE.search(before) and not _SPREAD_BEFORE.search(before):
                    continue
                value, last = (low + second.scaled) / 2, second
            elif joint.strip() in ("", "and") and first.kind == kind and second.scale < first.scale:
                value, last = first.scaled + second.scaled, second
            elif not joint.strip() and first.kind != kind:
                # "1 234 m": a thousand and more, or a stray number before 234? It cannot be told.
                value, last = math.nan, second
            if last is second and i < len(numerals) and numerals[i] is second:
                i += 1
        if last.kind == kind:
            found.append((value, before.endswith(("(", "not ")) or bool(_DESCRIBES.match(text, last.end))))
    return found


def _says_still(text: str, numerals: Sequence[Numeral]) -> bool:
    if any(numeral.kind == "bare" for numeral in numerals):
        return False
    return bool(_STILL.search(text)) and not _STILL_FOR_A_TIME.search(text)
