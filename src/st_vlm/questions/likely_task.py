"""Free text to a typed answer where nobody says which task the question belongs to: the question's words and the
text's own units tell what kind of answer it is.

What cannot be told is None, as in `parsing`: a text that gives a distance and a time to a question that asks for
neither is not read.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from st_vlm.questions.answers import DIRECTION_RELATIONS, Answer, Choice
from st_vlm.questions.choices import named
from st_vlm.questions.normalize import final_part, plain
from st_vlm.questions.numerals import find_numerals
from st_vlm.questions.parsing import (
    parse_answer,
    parse_choice,
    parse_hour,
    parse_interval,
    parse_position,
    parse_quantity,
)
from st_vlm.questions.phrasing import CONVENTIONS
from st_vlm.questions.quantities import KINDS
from st_vlm.video.marks import COLOURS

YES_NO_TASK = "yes_no"
_SPAN = re.compile(
    r"\b(?:from|between) [0-9.]{1,6}(?: ?s(?:econds?)?)? (?:to|and|until) [0-9.]{1,6} ?(?:s|seconds?)\b"
)
_CONVENTIONS = [plain(convention) for convention in dict.fromkeys(CONVENTIONS.values())]
_METERS = r"(?:m|met(?:er|re)s?)\b(?! ?/| per)"
_KILOMETERS = r"(?:km|kilomet(?:er|re)s?)\b(?! ?/| per| an)"
_PER_HOUR = r"(?:km ?/ ?h|kph|kilomet(?:er|re)s? (?:per|an) hour|m/s|met(?:er|re)s? per second|mph|miles per hour)"
_TURNS = r"(?:turns?|turned|turning|bends?|corners?|changes? (?:of|its|in) (?:direction|heading))\b"
_WHEN = (
    r"\b(?:when|between|during|which (?:second|reading)s?|(?:at|the) times?|in time|moments?|interval|period|starts?|"
    r"begins?)\b"
)
_POLAR = re.compile(
    r"(?:^|[,.:;?!] )(?:do|does|did|is|are|was|were|has|have|had|will|would|should|must|can|could|may|might)\b"
    r"(?! (?:you|i|we)\b)"
)
_OPEN = re.compile(r"\b(?:how|what|which|who|whose|when|where|or)\b")
_COMPARES = re.compile(r"\b(?:or|which|whose|who|than|choose|name)\b|\bwhether\b")
_LIMIT = re.compile(r"\b(?:limit|allowed)\b")
_PACE = re.compile(r"\b(?:pace|keep up|stay (?:with|level))\b")
_SAID = re.compile(r"\W{0,5}(yes|no)\b(?! (?:object|one|doubt|clear|way))")


def _asks(unit: str) -> str:
    return rf"\bhow many (?:[a-z]+ ){{0,2}}?{unit}|\bin {unit}"


def _compares(asked: str) -> bool:
    return sum(named(colour, asked) for colour in COLOURS) > 1 and bool(_COMPARES.search(asked))


def _polar(asked: str) -> bool:
    return bool(_POLAR.search(asked)) and not _OPEN.search(asked)


def _matches(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).search


# The first rule that a question meets says what it asks for. A task stands for all questions with its kind of answer.
# Units that are asked for come first, then whether something is so, then the quantities that a question speaks of.
_RULES: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("faster_team", _matches(r"\bhome\b.*\baway\b|\baway\b.*\bhome\b")),
    ("direction_timestamp", _matches(rf"[0-9] ?o'clock.*{_WHEN}|{_WHEN}.*[0-9] ?o'clock")),
    ("moving_direction", _matches(r"\bclock\b|\bo'clock\b|\bthe hour\b")),
    ("kinetic_energy", _matches(r"\b(?:kilo-?joules?|kj|kinetic energy)\b")),
    ("laps_in_time", _matches(r"\blaps?\b")),
    (
        "number_of_turns",
        _matches(
            rf"\bhow many (?:[a-z]+ ){{0,2}}?{_TURNS}|\bhow (?:many times|often)\b.*\b{_TURNS}|"
            rf"\b{_TURNS}.*\bhow (?:many times|often)\b|\b(?:number|count) of\b.*\b{_TURNS}|\bcount\b.*\b{_TURNS}"
        ),
    ),
    ("times_slower", _matches(r"\bhow many times\b|\bby what factor\b|\bratio\b|\btimes (?:as fast|faster|slower)\b")),
    (
        "acceleration",
        _matches(r"\bm/s ?\^? ?2|\bper second squared\b|(?:m/s|per second)\b.*\b(?:each|every) second\b"),
    ),
    ("traveling_speed", _matches(_asks(_PER_HOUR))),
    ("distance_in_time", _matches(_asks(_KILOMETERS))),
    ("race_time", _matches(r"\bhours\b")),
    (
        "closest_approach",
        _matches(r"\bhow (?:close|near|short)\b(?! a)|\b(?:closest|nearest|apart|separation)\b|\bgap\b.*\bsmallest\b"),
    ),
    ("time_to_distance", _matches(_asks(r"(?:s|secs?|seconds?)\b") + r"|\bnumber of seconds\b")),
    (
        "moving_direction_comparison",
        _matches(
            r"\b(?:same|different|differ)\b.*\b(?:directions?|ways?)\b|\bdirections?\b.*\b(?:same|different|differ)\b"
        ),
    ),
    ("traveled_distance_comparison", _compares),
    ("traveled_distance", _matches(_asks(_METERS) + r"|\bstopping distance\b")),
    ("time_to_distance", _matches(rf"\b(?:how long|how soon|time|stopwatch)\b.*[0-9] ?{_METERS}")),
    (
        "object_position",
        _matches(
            r"\bcoordinates?\b|\bx, y\b|\bwhere\b|\blocat(?:e|ion)\b|\bposition\b|\bvector\b|\bplace of\b|"
            r"\bto the right,"
        ),
    ),
    ("over_speed_limit", lambda asked: _POLAR.search(asked) and _LIMIT.search(asked)),
    ("keeping_pace", lambda asked: _POLAR.search(asked) and _PACE.search(asked)),
    (YES_NO_TASK, _polar),
    (
        "direction_timestamp",
        _matches(r"^when (?:do|is|are|was|were|will|ha)|^(?:between|during) which\b|\binterval\b"),
    ),
    (
        "acceleration",
        _matches(
            r"\baccelerat|\bdecelerat|\bbrak(?:e|es|ing)\b|\bspeed\b.*\bchang|\bchang.*\bspeed\b|"
            r"\bgain\w* or los\w+ speed"
        ),
    ),
    ("traveling_speed", _matches(r"\bhow (?:fast|quick(?:ly)?)\b|\bspeeds?\b|\bvelocity\b")),
    ("traveled_distance", _matches(r"\bhow far\b|\bdistance\b|\bpath\b|\broute\b|\blength\b")),
    ("time_to_distance", _matches(r"\bhow (?:long|soon|much time)\b|\bwhat time\b|\bduration\b")),
    ("moving_direction", _matches(r"\b(?:which|what) (?:direction|way)\b|\bdirection of\b")),
)


def parse_any(text: str, question: str | None = None) -> Answer | None:
    """The answer that a text gives, without knowing the task.

    What the question asks for decides; where that cannot be told from its words, the text must state a value of one
    kind only. A comparison of two colours that the question names is a choice; a question for yes or no is answered
    by these words.

    Args:
        text: Any text.
        question: The question's text, in anybody's words.
    """
    task = likely_task(question or "")
    if task == YES_NO_TASK:
        said = _SAID.match(final_part(plain(text)))
        return Choice(said[1]) if said else None
    if task == "traveled_distance_comparison" and _polar(_core(question)):
        # "Is red faster than blue?" "No." names nobody, and "No, blue is." does.
        said = _SAID.match(final_part(plain(text)))
        return (Choice(said[1]) if said else None) or parse_answer(task, text, question)
    if task is not None:
        return parse_answer(task, text, question)
    return _only_kind(text, question)


def likely_task(question: str) -> str | None:
    """A task whose kind of answer a question asks for, `yes_no` for any question whether something is so, or None
    where its words do not tell.
    """
    asked = _core(question)
    return next((task for task, met in _RULES if met(asked)), None)


def _core(question: str) -> str:
    """A question's plain text without its own interval and the conventions that questions of the package end with."""
    asked = plain(question)
    for convention in _CONVENTIONS:
        asked = asked.replace(convention, " ")
    return _SPAN.sub(" ", asked).strip()


def _only_kind(text: str, question: str | None) -> Answer | None:
    """The only kind of value that a text states with its unit; where it states none, a colour or a direction that it
    settles on.
    """
    if (place := parse_position(text)) is not None:
        return place
    clock = parse_hour(text) if "clock" in plain(text) else None
    interval = parse_interval(text, question)
    found = [answer for answer in (clock, interval) if answer is not None]
    for unit in ("m", "km/h", "m/s^2", *(("s",) if interval is None else ())):
        # Without a number's unit nobody knows which quantity it is.
        value = parse_quantity(text, unit, question)
        if value is not None and _has_unit(text, unit):
            found.append(value)
    if found:
        return found[0] if len(found) == 1 else None
    for options in (DIRECTION_RELATIONS, COLOURS):
        if (choice := parse_choice(text, options)) is not None:
            return choice
    said = _SAID.match(final_part(plain(text)))
    return Choice(said[1]) if said else None


def _has_unit(text: str, unit: str) -> bool:
    """Whether a number of the text has a unit of this one's kind."""
    return any(numeral.kind == KINDS[unit] for numeral in find_numerals(plain(text), accelerations=unit == "m/s^2"))
