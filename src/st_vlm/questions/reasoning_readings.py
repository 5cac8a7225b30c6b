"""The conclusion of a plain text that reasons: its last sentence that gives an amount, says yes or no or names a team.

Earlier sentences hold premises and intermediate results of the same units, so only the last one that answers counts.
A reading is never a guess: where that sentence leaves the answer open, it is None.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from st_vlm.questions.answers import TEAMS, YES_NO
from st_vlm.questions.choices import chosen, named
from st_vlm.questions.normalize import with_digits
from st_vlm.questions.numerals import Numeral, find_numerals
from st_vlm.questions.quantities import stated_values
from st_vlm.video.marks import COLOURS

_SENTENCE = re.compile(r"[.;!?](?= |$)|\n")
# A unit's names and its factor to the answer's unit. Those that `numerals` knows by itself are not repeated.
_TIMES_H = {"days?": 24.0, "weeks?": 168.0, "months?": 730.5, "(?:years?|yrs?)": 8766.0}
_SCALES: dict[str, tuple[str | None, float, dict[str, float]]] = {
    "m": ("length", 1.0, {}),
    "km": ("length", 0.001, {}),
    "s": ("time", 1.0, {names: 3600 * hours for names, hours in _TIMES_H.items()}),
    "h": ("time", 1 / 3600, {"d": 24.0, **_TIMES_H}),
    "times": (None, 1.0, {"times": 1.0, "-?fold": 1.0, "x": 1.0}),
    "laps": (None, 1.0, {"laps?": 1.0, "rounds?": 1.0, "circuits?": 1.0}),
    "kJ": (
        None,
        1.0,
        {
            "(?:kj|kilo-?joules?)": 1.0,
            "(?:mj|mega-?joules?)": 1000.0,
            "(?:j|joules?)": 0.001,
            "kwh": 3600.0,
            "(?:wh|watt[ -]hours?)": 3.6,
        },
    ),
}
_SPELT = r"(?:days?|weeks?|months?|years?|times|laps?|kilo-?joules?|mega-?joules?|joules?|hours?|minutes?)\b"
_UNITS = {
    unit: [(re.compile(rf" ?(?:{names})(?![a-z0-9/])"), factor) for names, factor in scales[2].items()]
    for unit, scales in _SCALES.items()
}
# "60×" is a factor, "60 × 5" a product.
_CROSS = re.compile(r"(?<=[0-9]) ?×(?! ?[0-9(])")
_FACTOR_BEFORE = re.compile(r"\b(?:factor|ratio)(?: is| of|:| =)? ?(?:about |around |approximately |roughly )?$")
_JOINT = re.compile(r"(?:,? and|,)? ")
_SPEED_BEHIND = re.compile(r" ?(?:/|per|an?\b)")

_SAID = re.compile(
    r"(?:^[^a-z0-9]{0,4}(?:so|thus|hence|therefore|well|then)?,? ?|[,:] ?(?:so |thus |hence |therefore |and )?|"
    r"\b(?:so|thus|hence|therefore|is|be|answer) (?:a |clearly |simply )?)\W{0,3}(yes|no)\b"
    r"(?! (?:object|one|doubt|way|more|longer|faster|problem|limit|need|matter))"
)
_NEGATED = re.compile(r"(?:\b(?:not|cannot|never|unable to|fails? to|without)|n't)(?: [a-z]{1,12}){0,3} ?$")
# What a plain statement says, by task: cues of yes and of no.
_CUES = {
    "over_speed_limit": (
        re.compile(
            r"\b(?:exceed(?:s|ed|ing)?|over|above|break(?:s|ing)?|violat(?:es?|ing)|too fast|speeding)\b"
            r"(?! (?:the (?:video|clip)|time))"
        ),
        re.compile(r"\b(?:below|under|within|obeys?|compl(?:y|ies)|respects?|legal)\b(?! the video)"),
    ),
    "keeping_pace": (
        re.compile(
            r"\b(?:keep|keeps|keeping|kept|stay|match)(?: [a-z]{1,12}){0,2} (?:pace|up|level|with)\b|\bfast enough"
        ),
        re.compile(r"\b(?:falls? behind|left behind|fall back|too slow|drops? back)\b"),
    ),
}


def read_amount(text: str, unit: str, only_explicit: bool = False) -> float | None:
    """The amount that a text concludes with, in `unit`; NaN where the decisive number cannot be read.

    Parts that belong together are added: "11 days 5 hours", "269 h 12 min". A ratio may stand behind "by a factor of".
    A number without a unit counts only if it is the text's only number.

    Args:
        text: Plain text (`normalize.plain`).
        unit: `m`, `km`, `s`, `h`, `times`, `laps` or `kJ`.
        only_explicit: Do not accept a bare number.
    """
    text = _CROSS.sub("x ", with_digits(text, _SPELT))
    for sentence in reversed(_SENTENCE.split(text)):
        found = stated_values(sentence, _joined(sentence, _in_unit(sentence, unit)), "asked")
        if found:
            return next((value for value, aside in reversed(found) if not aside), found[-1][0])
    numerals = find_numerals(text)
    if not only_explicit and len(numerals) == 1 and numerals[0].kind == "bare":
        return numerals[0].value
    return None


def read_yes_no(task: str, text: str) -> str | None:
    """`yes` or `no`: the last sentence that says so, or that states what yes and no mean for the task."""
    said = _last(text, lambda sentence: {match[1] for match in _SAID.finditer(sentence)})
    meant = _last(text, lambda sentence: _meant(task, sentence))
    if said is None:
        return None if meant is None else _only(meant[1])
    # A statement that comes after the word and contradicts it leaves the answer open.
    if meant is not None and meant[0] > said[0] and _only(meant[1]) != _only(said[1]):
        return None
    return _only(said[1])


def read_team(text: str, question: str) -> str | None:
    """`home` or `away`: the team, or the player whose team the question told, that the last such sentence settles on.

    Args:
        text: Plain text.
        question: The question's plain text, which names the two objects and their teams in the same order.
    """
    colours = _by_place(question, COLOURS)
    options = _by_place(question, TEAMS) if question else list(TEAMS)
    pair = dict(zip(colours, options, strict=False)) if len(colours) == len(options) == 2 else {}
    for sentence in reversed(_SENTENCE.split(text)):
        if any(named(team, sentence) for team in TEAMS):
            return chosen(sentence, TEAMS)
        if pair and any(named(colour, sentence) for colour in pair):
            colour = chosen(sentence, tuple(pair))
            return None if colour is None else pair[colour]
    return None


def _in_unit(sentence: str, unit: str) -> list[Numeral]:
    """The numbers of a sentence; those that have a unit of the wanted kind are of the kind "asked", scaled to it."""
    known, factor, _ = _SCALES[unit]
    found = []
    for numeral in find_numerals(sentence):
        asked = None
        if known is not None and numeral.kind == known and not _SPEED_BEHIND.match(sentence, numeral.end):
            asked = replace(numeral, kind="asked", scale=numeral.scale * factor)
        elif numeral.kind in ("bare", "label", "other"):
            for pattern, scale in _UNITS[unit]:
                if match := pattern.match(sentence, numeral.end):
                    asked = replace(numeral, kind="asked", scale=scale, end=match.end())
                    break
            else:
                before = sentence[max(0, numeral.start - 40) : numeral.start]
                if unit == "times" and _FACTOR_BEFORE.search(before):
                    asked = replace(numeral, kind="asked", scale=1.0)
        found.append(asked or numeral)
    return found


def _joined(sentence: str, numerals: Sequence[Numeral]) -> list[Numeral]:
    """Days, hours and minutes that follow each other as one number."""
    found: list[Numeral] = []
    for numeral in numerals:
        last = found[-1] if found else None
        joins = last is not None and last.kind == numeral.kind == "asked" and numeral.scale < last.scale
        if joins and _JOINT.fullmatch(sentence, last.end, numeral.start):
            total = last.scaled + numeral.scaled
            found[-1] = replace(last, value=total / numeral.scale, scale=numeral.scale, end=numeral.end)
        else:
            found.append(numeral)
    return found


def _meant(task: str, sentence: str) -> set[str]:
    found = set()
    for option, cue in zip(YES_NO, _CUES[task], strict=True):
        for match in cue.finditer(sentence):
            negated = _NEGATED.search(sentence[max(0, match.start() - 60) : match.start()])
            found.add(YES_NO[1 - YES_NO.index(option)] if negated else option)
    return found


def _last(text: str, reading: Callable[[str], set[str]]) -> tuple[int, set[str]] | None:
    """The number of the last sentence of which something is read, and what."""
    sentences = _SENTENCE.split(text)
    for number in range(len(sentences) - 1, -1, -1):
        if found := reading(sentences[number]):
            return number, found
    return None


def _only(found: set[str]) -> str | None:
    return next(iter(found)) if len(found) == 1 else None


def _by_place(text: str, words: Sequence[str]) -> list[str]:
    """The words that a text names, in the order in which it first does."""
    places = {word: match.start() for word in words if (match := re.search(rf"\b{word}\b", text))}
    return sorted(places, key=places.get)
