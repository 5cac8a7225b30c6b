"""The best constant answers, against exhaustive search by the scorer's own rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.evaluation.constants import best_constant, constant_predictions
from st_vlm.evaluation.loading import BenchQuestion
from st_vlm.evaluation.report import error_unit, score_rows
from st_vlm.evaluation.scoring import is_right, score
from st_vlm.questions.answers import Choice, ClockHour, Count, Interval, Position, Quantity


def met(truths, answer):
    return sum(is_right(truth, answer) for truth in truths)


@settings(deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=12), st.sampled_from(["m", "km/h"]))
def test_no_other_value_is_right_more_often(hundredths, unit):
    truths = [Quantity(h / 100, unit) for h in hundredths]
    most = max(met(truths, Quantity(h / 100, unit)) for h in range(0, 501))
    assert met(truths, best_constant(truths)) == most


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(1, 11)), min_size=1, max_size=8))
def test_no_other_interval_on_the_grid_is_right_more_often(spans):
    truths = [Interval(start / 2, (start + length) / 2) for start, length in spans]
    grid = [Interval(a / 2, b / 2) for a in range(24) for b in range(a + 1, 25)]
    assert met(truths, best_constant(truths)) == max(met(truths, interval) for interval in grid)


def test_modes():
    assert best_constant([ClockHour(3), ClockHour(12), ClockHour(12)]) == ClockHour(12)
    assert best_constant([ClockHour(12), ClockHour(3)]) == ClockHour(3)
    assert best_constant([Choice("blue"), Choice("red"), Choice("blue")]) == Choice("blue")


def test_the_mean_is_not_the_best_value():
    truths = [Quantity(v, "m") for v in (1.0, 1.1, 0.9, 50.0)]
    assert 0.88 <= best_constant(truths).value <= 1.12


def test_constants_come_from_training_and_are_read_by_the_scorer():
    def rows(name, hours, distances):
        directions = [
            BenchQuestion(f"{name}-h{i}", "moving_direction", "?", ClockHour(h)) for i, h in enumerate(hours)
        ]
        return directions + [
            BenchQuestion(f"{name}-d{i}", "traveled_distance", "?", Quantity(v, "m")) for i, v in enumerate(distances)
        ]

    train = rows("train", [12, 12, 3], [10, 11])
    test = rows("test", [3, 3, 3, 12], [10.5, 40])
    test.append(BenchQuestion("test-c", "traveling_speed_comparison", "red or blue?", Choice("red")))
    result = score(test, constant_predictions(train, test))
    assert result["tasks"]["moving_direction"]["accuracy"] == 0.25
    assert result["tasks"]["traveled_distance"]["accuracy"] == 0.5
    assert result["tasks"]["traveling_speed_comparison"]["missing"] == 1


@settings(deadline=None)
@given(st.lists(st.integers(-400, 400).filter(bool), min_size=1, max_size=12))
def test_no_other_acceleration_is_right_more_often(hundredths):
    truths = [Quantity(h / 100, "m/s^2") for h in hundredths]
    most = max(met(truths, Quantity(h / 100, "m/s^2")) for h in range(-501, 501))
    assert met(truths, best_constant(truths)) == most


def test_counts_and_places():
    assert best_constant([Count(0), Count(2), Count(0), Count(1)]) == Count(0)
    apart = [Position((x, 1.0, 20.0)) for x in (-4.0, 4.0)]
    assert met(apart, best_constant(apart)) == 2  # from their middle, while either alone misses the other
    many = [Position((0.0, 1.0, 10.0))] * 2 + [Position((30.0, 1.0, 10.0))]
    assert met(many, best_constant(many)) == 2


@pytest.mark.parametrize(
    ("task", "truth"),
    [
        ("acceleration", Quantity(-1.25, "m/s^2")),
        ("time_to_distance", Quantity(3.5, "s")),
        ("number_of_turns", Count(2)),
        ("object_position", Position((-1.5, 0.25, 12.0))),
    ],
)
def test_constants_beyond_the_seven_are_read_by_the_scorer(task, truth):
    questions = [BenchQuestion("a", task, "?", truth)]
    result = score(questions, constant_predictions(questions, questions))
    assert result["tasks"][task]["accuracy"] == 1.0
    assert score_rows(result)[0][3] == f"0.00 {error_unit(task)}".rstrip()
