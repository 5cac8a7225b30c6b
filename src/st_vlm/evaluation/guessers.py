"""Baselines that never look: the best that can be guessed from a question's words, its objects' kinds and its times.

A guesser sorts questions into groups and answers each group alike, in terms in which the group's answers are most
alike: metres, or metres a second, a part of the span, the object named first. The best answer of a group is the one
that the scorer accepts most often (DEFINITIONS, "Scoring": "Baselines").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.evaluation.glance import Glance
from st_vlm.evaluation.scoring import ZERO_TOLERANCE, is_right
from st_vlm.questions.answers import Answer, Choice, ClockHour, Count, Interval, Quantity
from st_vlm.questions.forms import task_form
from st_vlm.video.marks import COLOURS

# A kind of object seen less often in training is answered like all kinds together: three bicycles are no prior.
LEAST_OF_A_GROUP = 20
_PARTS = np.arange(0.0, 1.0001, 0.05)

# An answer in a guesser's own terms: a number with the range of guesses that meet it, parts of a span, or a name.
Number = tuple[float, float]
Relative = Number | str | int


@dataclass(frozen=True)
class Guesser:
    """One way to guess.

    Attributes:
        name: As reports show it.
        group: A question's group.
        relative: The truth in the guesser's own terms: for a number or an interval a pair of floats, else a name.
        absolute: A guess in these terms as an answer to a question.
    """

    name: str
    group: Callable[[Glance], Hashable]
    relative: Callable[[Glance], Relative]
    absolute: Callable[[Glance, Relative], Answer]


def guessers_of(task: str) -> tuple[Guesser, ...]:
    """The guessers for a task; empty for one whose answers are places."""
    form = task_form(task)
    if form.answer is Quantity:
        found = (_like("constant", lambda g: None), _like("category prior", _kind))
        return (*found, _SPEED_BY_KIND) if task == "traveled_distance" else found
    if form.answer in (ClockHour, Count):
        return (_like("constant", lambda g: None), _like("category prior", _kind))
    if form.answer is Interval:
        return (_like("constant", lambda g: None), _PART_BY_HOUR)
    if form.answer is Choice and form.options == COLOURS:
        return (_NAMED, _COLOUR, _NAMED_BY_KIND)
    if form.answer is Choice:
        return (_like("constant", lambda g: None), _like("category prior", lambda g: g.nouns))
    return ()


@dataclass(frozen=True)
class Fitted:
    """A guesser with the best guess of every group that was seen often enough, and of all groups together."""

    guesser: Guesser
    best: dict[Hashable, Relative]
    rest: Relative

    def answer(self, glance: Glance) -> Answer:
        """What it guesses."""
        return self.guesser.absolute(glance, self.best.get(self.guesser.group(glance), self.rest))


def fit(guesser: Guesser, glances: Sequence[Glance]) -> Fitted:
    """The best guesses on at least one training question of one task."""
    relative = [guesser.relative(glance) for glance in glances]
    members = _groups(guesser, glances)
    best = {
        group: best_guess([relative[k] for k in rows], glances[0].answer)[0]
        for group, rows in members.items()
        if len(rows) >= LEAST_OF_A_GROUP
    }
    return Fitted(guesser, best, best_guess(relative, glances[0].answer)[0])


def hits_of(fitted: Fitted, glances: Sequence[Glance]) -> np.ndarray:
    """(N,) bool: which questions a fitted guesser gets right, by the scorer."""
    return np.array([is_right(glance.answer, fitted.answer(glance)) for glance in glances], bool)


def own_hits(guesser: Guesser, glances: Sequence[Glance]) -> np.ndarray:
    """(N,) bool: which questions of one task the guesser gets right when fitted on just these.

    No fit on other questions that knows the same groups scores more.
    """
    hits = np.zeros(len(glances), bool)
    if not glances:
        return hits
    relative = [guesser.relative(glance) for glance in glances]
    rare: list[int] = []
    for rows in _groups(guesser, glances).values():
        if len(rows) < LEAST_OF_A_GROUP:
            rare += rows
        else:
            hits[rows] = best_guess([relative[k] for k in rows], glances[0].answer)[1]
    if rare:
        # One guess for all that is rare: as much as the rest's common guess could get.
        hits[rare] = best_guess([relative[k] for k in rare], glances[0].answer)[1]
    return hits


def best_guess(relative: Sequence[Relative], like: Answer) -> tuple[Relative, np.ndarray]:
    """The one answer that meets most truths, and which it meets; both in a guesser's own terms.

    Args:
        relative: The truths. A number comes as the least and the largest guess that meet it.
        like: An answer of their type.
    """
    match like:
        case Quantity():
            return _most_met(np.array(relative))
        case Interval():
            return _most_overlapped(np.array(relative))
    counts = Counter(relative)
    name = min((value for value in counts if counts[value] == max(counts.values())), key=str)
    return name, np.array([value == name for value in relative])


def _most_met(ranges: np.ndarray) -> tuple[Number, np.ndarray]:
    """The number in most of (N, 2) ranges. Some range's lower end is always among the best; the middle of the stretch
    that begins there is as good in training and safer elsewhere."""
    low, high = np.sort(ranges[:, 0]), np.sort(ranges[:, 1])
    met = np.searchsorted(low, low, side="right") - np.searchsorted(high, low, side="left")
    begin = low[met.argmax()]
    value = float(begin + high[np.searchsorted(high, begin, side="left")]) / 2
    return (value, value), (ranges[:, 0] <= value + 1e-9) & (value <= ranges[:, 1] + 1e-9)


def _most_overlapped(intervals: np.ndarray) -> tuple[Number, np.ndarray]:
    """The interval on a grid of which most of (N, 2) intervals have an IoU of 0.5; of equals the best mean IoU."""
    starts, ends = intervals.T
    # Parts of a span, or seconds.
    grid = _PARTS if ends.max() <= 1.0 else np.arange(0.0, ends.max() + 0.5, 0.5)
    best, found = (-1, -1.0), None
    for first, start in enumerate(grid):
        for end in grid[first + 1 :]:
            overlap = np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0.0, None)
            ratio = overlap / (ends - starts + end - start - overlap)
            met = ratio >= 0.5 - 1e-9
            if (rank := (int(met.sum()), float(ratio.mean()))) > best:
                best, found = rank, ((float(start), float(end)), met)
    return found


def _groups(guesser: Guesser, glances: Sequence[Glance]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for k, glance in enumerate(glances):
        members.setdefault(guesser.group(glance), []).append(k)
    return members


def _kind(glance: Glance) -> str | None:
    return glance.nouns[0] if glance.nouns else None


def _met_by(value: float, unit: str) -> Number:
    """Least and largest guess that the scorer takes for a true value."""
    if value == 0:
        return 0.0, ZERO_TOLERANCE.get(unit, 0.0)
    return min(0.75 * value, 1.25 * value), max(0.75 * value, 1.25 * value)


def _plain(glance: Glance) -> Relative:
    match glance.answer:
        case Quantity(value, unit):
            return _met_by(value, unit)
        case ClockHour(hour):
            return hour
        case Count(number):
            return number
        case Interval(start_s, end_s):
            return start_s, end_s
        case Choice(option):
            return option
    raise TypeError(f"{glance.answer} cannot be guessed.")


def _as_answer(glance: Glance, guess: Relative) -> Answer:
    match glance.answer:
        case Quantity(_, unit):
            return Quantity(guess[0], unit)
        case Interval():
            return Interval(*guess)
    return type(glance.answer)(guess)


def _like(name: str, group: Callable[[Glance], Hashable]) -> Guesser:
    return Guesser(name, group, _plain, _as_answer)


def _speed(glance: Glance) -> Number:
    low, high = _met_by(glance.answer.value, glance.answer.unit)
    return low / glance.duration_s, high / glance.duration_s


_SPEED_BY_KIND = Guesser(
    "category speed x duration",
    _kind,
    _speed,
    lambda glance, guess: Quantity(guess[0] * glance.duration_s, glance.answer.unit),
)


def _part(glance: Glance) -> Number:
    start, end = glance.answer.start_s - glance.start_s, glance.answer.end_s - glance.start_s
    # Rounded to tenths of a second, an interval may stick out of its span.
    return max(0.0, start / glance.duration_s), min(1.0, end / glance.duration_s)


def _of_span(glance: Glance, guess: Number) -> Interval:
    start, end = (glance.start_s + part * glance.duration_s for part in guess)
    return Interval(start, max(end, start + 0.1))


_PART_BY_HOUR = Guesser("interval prior per hour", lambda glance: glance.hour, _part, _of_span)


def _place(glance: Glance) -> int:
    """Whether the object that is right was named first (0) or second (1)."""
    return glance.colours.index(glance.answer.option)


def _named(glance: Glance, guess: int) -> Choice:
    return Choice(glance.colours[guess])


_NAMED = Guesser("first named", lambda glance: None, _place, _named)
_NAMED_BY_KIND = Guesser("category prior", lambda glance: glance.nouns, _place, _named)
_COLOUR = Guesser("colour prior", lambda glance: tuple(sorted(glance.colours)), _plain, _as_answer)
