"""Scores against truths worked out by hand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.evaluation.constants import answer_text
from st_vlm.evaluation.loading import BenchQuestion
from st_vlm.evaluation.scoring import hours_apart, iou, is_right, score
from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity
from st_vlm.questions.forms import TASKS
from st_vlm.questions.phrasing import phrase_fields, render_answer, render_question
from st_vlm.questions.phrasing_files import load_phrasings


def questions(task, *truths):
    asked = "Which, the red or the blue one?" if "comparison" in task else "What?"
    return [BenchQuestion(f"{task}-{n}", task, asked, truth) for n, truth in enumerate(truths)]


def score_texts(task, truths, texts):
    asked = questions(task, *truths)
    given_texts = {q.id: text for q, text in zip(asked, texts, strict=True) if text is not None}
    return score(asked, given_texts)["tasks"][task]


@pytest.mark.parametrize(
    ("truth", "given", "right"),
    [
        (10.0, 12.5, True),
        (10.0, 7.5, True),
        (10.0, 12.51, False),
        (10.0, 7.49, False),
        (1.1, 1.375, False),  # the prediction's own two decimals count: 1.38 > 1.375
        (0.3, 0.37, True),
        (0.3, 0.38, False),
        (0.0, 0.5, True),
        (0.0, 0.51, False),
    ],
)
def test_a_quarter_off_is_right(truth, given, right):
    assert is_right(Quantity(truth, "m"), Quantity(given, "m")) is right


def test_a_true_zero_allows_one_kmh():
    assert is_right(Quantity(0, "km/h"), Quantity(1.0, "km/h"))
    assert not is_right(Quantity(0, "km/h"), Quantity(1.01, "km/h"))


def test_quantities_by_hand():
    truths = [Quantity(v, "m") for v in (10, 20, 0, 8, 4)]
    result = score_texts("traveled_distance", truths, ["12 m", "10 m", "It does not move.", "no idea", None])
    # right: 12 of 10 and still of still; errors of the three that were read: 2, 10, 0
    assert result == {
        "n": 5,
        "accuracy": pytest.approx(2 / 5),
        "mae": pytest.approx(4.0),
        "mean_iou": None,
        "within_one": None,
        "accuracy_balanced": None,
        "parse_failures": 1,
        "missing": 1,
    }


def test_units_are_converted_before_scoring():
    result = score_texts("traveling_speed", [Quantity(36, "km/h")], ["10 m/s"])
    assert (result["accuracy"], result["mae"]) == (1.0, 0.0)


def test_hours_by_hand():
    truths = [ClockHour(h) for h in (12, 12, 12, 3, 6)]
    texts = ["12 o'clock", "1 o'clock", "11 o'clock", "3 o'clock", "moves"]
    result = score_texts("moving_direction", truths, texts)
    assert result["accuracy"] == pytest.approx(2 / 5)
    assert result["within_one"] == pytest.approx(4 / 5)
    assert result["mae"] == pytest.approx((0 + 1 + 1 + 0) / 4)
    assert result["accuracy_balanced"] == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert result["parse_failures"] == 1


def test_hours_go_round_the_clock():
    assert [hours_apart(12, hour) for hour in range(1, 13)] == [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0]
    assert hours_apart(11, 2) == hours_apart(2, 11) == 3


def test_intervals_by_hand():
    truths = [Interval(2.0, 4.0)] * 5
    texts = ["from 2 to 4 s", "from 2 to 6 s", "from 3 to 5 s", "from 5 to 6 s", "never"]
    result = score_texts("direction_timestamp", truths, texts)
    # IoU 1, 2/4, 1/3, 0 and an unread 0
    assert result["accuracy"] == pytest.approx(2 / 5)
    assert result["mean_iou"] == pytest.approx((1 + 0.5 + 1 / 3) / 5)
    assert result["mae"] is None


@given(st.integers(0, 150), st.integers(1, 50), st.booleans())
def test_half_an_interval_is_right_and_less_is_not(start, half, early):
    """Tenths such as 0.1 and 0.3 are no binary fractions; the line at 0.5 must not depend on them."""
    truth = Interval(start / 10, (start + 2 * half) / 10)
    begin = start if early else start + half
    part = Interval(begin / 10, (begin + half) / 10)
    assert is_right(truth, part)
    assert is_right(part, truth)
    assert not is_right(Interval(start / 10, (start + 2 * half + 1) / 10), part)
    assert iou(truth, part) == pytest.approx(0.5)


def test_choices_by_hand():
    truths = [Choice("red"), Choice("red"), Choice("blue")]
    result = score_texts("traveled_distance_comparison", truths, ["The red one", "blue", "both"])
    assert (result["accuracy"], result["parse_failures"]) == (pytest.approx(1 / 3), 1)
    assert result["mae"] is result["mean_iou"] is result["within_one"] is None


def test_the_average_weighs_tasks_alike_and_the_result_is_json():
    asked = questions("moving_direction", ClockHour(3)) + questions("traveling_speed", *[Quantity(9, "km/h")] * 9)
    result = score(asked, {"moving_direction-0": "3 o'clock"})
    assert list(result) == ["scorer_version", "parser_version", "questions_sha256", "tasks", "average"]
    assert list(result["tasks"]) == ["traveling_speed", "moving_direction"]
    assert result["average"] == pytest.approx(0.5)
    assert result["tasks"]["traveling_speed"]["missing"] == 9
    assert result["tasks"]["traveling_speed"]["parse_failures"] == 0
    assert json.loads(json.dumps(result)) == result
    assert (result["scorer_version"], result["parser_version"]) == (1, 1)


def test_predictions_for_other_questions_are_refused():
    with pytest.raises(InputError, match="'other'"):
        score(questions("moving_direction", ClockHour(3)), {"other": "3 o'clock"})
    with pytest.raises(InputError, match="no question"):
        score([], {})


TRUTHS = {
    "traveled_distance": Quantity(12.34, "m"),
    "traveling_speed": Quantity(0.0, "km/h"),
    "moving_direction": ClockHour(12),
    "direction_timestamp": Interval(0.5, 3.5),
    "traveled_distance_comparison": Choice("blue"),
    "traveling_speed_comparison": Choice("red"),
    "moving_direction_comparison": Choice("different"),
}


def test_the_rendered_truth_scores_everything():
    asked, oracle, terse = [], {}, {}
    for task, truth in TRUTHS.items():
        fields = phrase_fields(
            task, ["red", "blue"][: TASKS[task].marks], None, 3 if task == "direction_timestamp" else None
        )
        for number, phrase in enumerate(load_phrasings(task).questions):
            asked.append(BenchQuestion(f"{task}-{number}", task, render_question(phrase, fields), truth))
            answers = load_phrasings(task).answers
            oracle[asked[-1].id] = render_answer(answers[number % len(answers)], truth, fields)
            terse[asked[-1].id] = answer_text(truth)
    for predictions in (oracle, terse):
        result = score(asked, predictions)
        assert result["average"] == 1.0
        assert [task["accuracy"] for task in result["tasks"].values()] == [1.0] * 7
        assert result["tasks"]["direction_timestamp"]["mean_iou"] == 1.0
        assert result["tasks"]["traveled_distance"]["mae"] == 0.0
