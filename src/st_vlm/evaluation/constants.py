"""The best answer that a task can be given without looking: one constant, chosen on training questions.

What a model scores above it is what it has seen. "Best" is the accuracy of `scoring.is_right`, so quantities need
the value that lies within 25 % of most truths, which is neither their mean nor their median.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from st_vlm.evaluation.loading import BenchQuestion
from st_vlm.evaluation.scoring import ZERO_TOLERANCE
from st_vlm.questions.answers import Answer, Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import ALL_TASKS

_GRID_S = 0.5


def constant_predictions(train: Sequence[BenchQuestion], test: Sequence[BenchQuestion]) -> dict[str, str]:
    """The training questions' best constant answer for every test question of the same task: id to text.

    A task without training questions gets no prediction, which the scorer counts as missing.
    """
    constants = best_constants(train)
    return {question.id: answer_text(constants[question.task]) for question in test if question.task in constants}


def best_constants(train: Sequence[BenchQuestion]) -> dict[str, Answer]:
    """For each task asked in training, the one answer that is right most often there. Deterministic."""
    truths: dict[str, list[Answer]] = {}
    for question in train:
        truths.setdefault(question.task, []).append(question.truth)
    return {task: best_constant(truths[task]) for task in ALL_TASKS if task in truths}


def best_constant(truths: Sequence[Answer]) -> Answer:
    """The answer that is right for most of the truths, which are of one type; the least such hour, count or option.

    For places it is the best of the truths themselves and of the middles of what lies about each of them.
    """
    match truths[0]:
        case Quantity(unit=unit):
            return Quantity(_best_value([truth.value for truth in truths], ZERO_TOLERANCE.get(unit, 0.0)), unit)
        case Interval():
            return _best_interval(truths)
        case ClockHour():
            return ClockHour(_mode([truth.hour for truth in truths]))
        case Choice():
            return Choice(_mode([truth.option for truth in truths]))
        case Count():
            return Count(_mode([truth.number for truth in truths]))
        case Position():
            return Position(_best_place(np.array([truth.metres for truth in truths])))


def answer_text(answer: Answer) -> str:
    """The shortest text that the parser reads as this answer."""
    match answer:
        case Quantity(value, unit):
            return f"{value:.2f} {unit}"
        case ClockHour(hour):
            return f"{hour} o'clock"
        case Interval(start_s, end_s):
            return f"from {start_s:.1f} to {end_s:.1f} seconds"
        case Choice(option):
            return option
        case Count(number):
            return str(number)
        case Position((x, y, z)):
            return f"({x:.2f}, {y:.2f}, {z:.2f})"


def _best_value(values: Sequence[float], zero_tolerance: float) -> float:
    """Each truth t is met by the hundredths between 0.75 t and 1.25 t: find a point that lies in most of these ranges.

    Some range's lower end is always among the best points; the middle of the stretch that begins there is as good in
    training and safer elsewhere.
    """
    truths = np.rint(100 * np.asarray(values)).astype(np.int64)
    less, more = 3 * truths, 5 * truths
    low = np.sort(-(-np.minimum(less, more) // 4))
    high = np.sort(np.where(truths == 0, round(100 * zero_tolerance), np.maximum(less, more) // 4))
    met = np.searchsorted(low, low, side="right") - np.searchsorted(high, low, side="left")
    begin = low[met.argmax()]
    end = high[np.searchsorted(high, begin, side="left")]
    return float(begin + end) / 200


def _best_interval(truths: Sequence[Interval]) -> Interval:
    """The (start, end) on a 0.5 s grid with IoU >= 0.5 most often; among equals the one of the highest mean IoU."""
    starts, ends = (
        np.array([round(10 * x) for x in side]) for side in zip(*((t.start_s, t.end_s) for t in truths), strict=True)
    )
    grid = np.arange(0, ends.max() + round(10 * _GRID_S), round(10 * _GRID_S))
    best, found = (-1, -1.0), None
    for start in grid:
        for end in grid[grid > start]:
            overlap = np.clip(np.minimum(ends, end) - np.maximum(starts, start), 0, None)
            union = ends - starts + end - start - overlap
            rank = (int((2 * overlap >= union).sum()), float((overlap / union).mean()))
            if rank > best:
                best, found = rank, Interval(start / 10, end / 10)
    return found


def _best_place(truths: np.ndarray) -> tuple[float, float, float]:
    """Of the (N, 3) truths and the middles of what lies about each, the place that meets most; of equals the first."""
    reach = np.linalg.norm(truths, axis=-1) / 4 + 1e-9
    best, most = truths[0], -1
    for truth in truths:
        away = np.linalg.norm(truths - truth, axis=-1)
        about = (truths[away <= width * reach].mean(axis=0) for width in (1, 2))
        for place in (truth, *(np.round(middle, 2) for middle in about)):
            met = int((np.linalg.norm(truths - place, axis=-1) <= reach).sum())
            if met > most:
                best, most = place, met
    return tuple(float(metres) for metres in best)


def _mode(values: Sequence) -> int | str:
    counts = Counter(values)
    return min(value for value in counts if counts[value] == max(counts.values()))
