"""Scores of all tasks (DEFINITIONS, "Scoring"): scorer version 1.

Every number is a plain function of typed answers; text is read by `questions.parsing`, whose version the result
carries beside the scorer's. Answers hold two decimals (hours none, intervals one), so limits are checked on whole
hundredths and tenths, and no float error decides a case on the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import dist, hypot
from statistics import fmean

from st_vlm.errors import InputError
from st_vlm.evaluation.loading import BenchQuestion, questions_sha256
from st_vlm.questions.answers import Answer, Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.forms import ALL_TASKS, TASKS
from st_vlm.questions.parsing import PARSER_VERSION, parse_answer

SCORER_VERSION = 1
# The largest answer, by unit, that counts as right where the truth is 0.
ZERO_TOLERANCE = {"m": 0.5, "km/h": 1.0}


def score(questions: Sequence[BenchQuestion], predictions: Mapping[str, str]) -> dict:
    """Score free-text predictions.

    Args:
        questions: The whole benchmark; a question without a prediction counts as wrong.
        predictions: Question id to the model's text.

    Returns:
        `scorer_version`, `parser_version`, `questions_sha256`; `tasks`: for each task that is asked, in the order of
        `ALL_TASKS`, what `score_task` returns, with `missing` (questions without a prediction) and `parse_failures`
        counted apart; `average`: the unweighted mean of the accuracies of the seven `TASKS`, of all
        asked where none of these is. Shares lie in 0 to 1.

    Raises:
        InputError: No question, or a prediction for an unknown question.
    """
    if not questions:
        raise InputError("There is no question to score.")
    if unknown := predictions.keys() - {question.id for question in questions}:
        raise InputError(f"There is no question {min(unknown)!r}: these predictions are for other questions.")
    tasks = {}
    for task in ALL_TASKS:
        asked = [question for question in questions if question.task == task]
        if not asked:
            continue
        given = [
            parse_answer(task, predictions[question.id], question.question) if question.id in predictions else None
            for question in asked
        ]
        missing = sum(question.id not in predictions for question in asked)
        tasks[task] = score_task([question.truth for question in asked], given)
        tasks[task].update(parse_failures=given.count(None) - missing, missing=missing)
    seven = any(task in TASKS for task in tasks)
    return {
        "scorer_version": SCORER_VERSION,
        "parser_version": PARSER_VERSION,
        "questions_sha256": questions_sha256(questions),
        "tasks": tasks,
        "average": fmean(found["accuracy"] for task, found in tasks.items() if task in TASKS or not seven),
    }


def score_task(truths: Sequence[Answer], given: Sequence[Answer | None]) -> dict:
    """The measures of one task; those that do not apply to its type of answer are None.

    Args:
        truths: At least one true answer, all of one type.
        given: An answer for each, or None, which is wrong.

    Returns:
        `n`; `accuracy`; `mae` over the answers there are, in the quantity's unit, in hours round the clock, or in
        metres between places; `mean_iou`, an answer that is not there counting 0; `within_one` hour;
        `accuracy_balanced`, the mean over the true hours.
    """
    right = [answer is not None and is_right(truth, answer) for truth, answer in zip(truths, given, strict=True)]
    both = [(truth, answer) for truth, answer in zip(truths, given, strict=True) if answer is not None]
    result = {
        "n": len(truths),
        "accuracy": fmean(right),
        "mae": None,
        "mean_iou": None,
        "within_one": None,
        "accuracy_balanced": None,
    }
    match truths[0]:
        case Quantity():
            errors = [abs(truth.value - answer.value) for truth, answer in both]
            result["mae"] = fmean(errors) if errors else None
        case Count():
            result["mae"] = fmean(abs(truth.number - answer.number) for truth, answer in both) if both else None
        case Position():
            errors = [dist(truth.metres, answer.metres) for truth, answer in both]
            result["mae"] = fmean(errors) if errors else None
        case ClockHour():
            errors = [hours_apart(truth.hour, answer.hour) for truth, answer in both]
            result["mae"] = fmean(errors) if errors else None
            result["within_one"] = sum(error <= 1 for error in errors) / len(truths)
            by_hour: dict[int, list[bool]] = {}
            for truth, is_exact in zip(truths, right, strict=True):
                by_hour.setdefault(truth.hour, []).append(is_exact)
            result["accuracy_balanced"] = fmean(fmean(exact) for exact in by_hour.values())
        case Interval():
            result["mean_iou"] = sum(iou(truth, answer) for truth, answer in both) / len(truths)
    return result


def is_right(truth: Answer, answer: Answer) -> bool:
    """Whether an answer of the truth's type meets it.

    +-25 %, the exact hour or count, IoU >= 0.5, the same choice, or a place nearer to the truth than a quarter of the
    truth's distance from the camera.
    """
    match truth, answer:
        case Quantity(), Quantity():
            wanted, got = round(100 * truth.value), round(100 * answer.value)
            if wanted == 0:
                return abs(got) <= round(100 * ZERO_TOLERANCE.get(truth.unit, 0.0))
            return 4 * abs(got - wanted) <= abs(wanted)
        case Position(), Position():
            return 4 * dist(truth.metres, answer.metres) <= hypot(*truth.metres) + 1e-9
        case Interval(), Interval():
            return 2 * _overlap_and_union(truth, answer)[0] >= _overlap_and_union(truth, answer)[1]
        case (ClockHour(), ClockHour()) | (Choice(), Choice()) | (Count(), Count()):
            return truth == answer
    raise TypeError(f"{answer} cannot answer what {truth} does.")


def iou(a: Interval, b: Interval) -> float:
    """Intersection over union of two intervals, 0 to 1."""
    overlap, union = _overlap_and_union(a, b)
    return overlap / union


def hours_apart(a: int, b: int) -> int:
    """Hours between two hours of the clock, the short way round: 0 to 6."""
    return min((a - b) % 12, (b - a) % 12)


def _overlap_and_union(a: Interval, b: Interval) -> tuple[int, int]:
    """In tenths of a second."""
    starts = [round(10 * x.start_s) for x in (a, b)]
    ends = [round(10 * x.end_s) for x in (a, b)]
    overlap = max(0, min(ends) - max(starts))
    return overlap, sum(ends) - sum(starts) - overlap
