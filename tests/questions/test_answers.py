"""Typed answers and their form in a dataset row."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.questions.answers import TARGET_KEYS, Choice, ClockHour, Interval, Quantity, to_target
from st_vlm.questions.forms import TASKS, from_target, task_form


def test_the_seven_tasks():
    assert list(TASKS) == [
        "traveled_distance",
        "traveling_speed",
        "moving_direction",
        "direction_timestamp",
        "traveled_distance_comparison",
        "traveling_speed_comparison",
        "moving_direction_comparison",
    ]
    assert [form.marks for form in TASKS.values()] == [1, 1, 1, 1, 2, 2, 2]
    assert (TASKS["traveled_distance"].unit, TASKS["traveling_speed"].unit) == ("m", "km/h")
    with pytest.raises(InputError, match=r"'distance'.*traveled_distance, traveling_speed"):
        task_form("distance")


def test_answers_are_rounded_when_made():
    assert Quantity(15.236, "m") == Quantity(15.24, "m")
    assert math.copysign(1, Quantity(-0.001, "m").value) == 1
    assert Interval(1.96, 7.54) == Interval(2.0, 7.5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Quantity(-1, "m"),
        lambda: Quantity(math.nan, "m"),
        lambda: Quantity(math.inf, "km/h"),
        lambda: Quantity(1, "ft"),
        lambda: ClockHour(0),
        lambda: ClockHour(13),
        lambda: ClockHour(2.5),
        lambda: Interval(3, 3),
        lambda: Interval(3.01, 3.04),  # equal once rounded
        lambda: Interval(5, 2),
        lambda: Interval(-1, 2),
        lambda: Interval(0, math.inf),
        lambda: Choice("purple"),
    ],
)
def test_impossible_answers_are_refused(make):
    with pytest.raises(InputError):
        make()


ANSWERS = st.one_of(
    st.builds(Quantity, st.floats(0, 1e5), st.just("m")).map(lambda a: ("traveled_distance", a)),
    st.builds(Quantity, st.floats(0, 1e3), st.just("km/h")).map(lambda a: ("traveling_speed", a)),
    st.builds(ClockHour, st.integers(1, 12)).map(lambda a: ("moving_direction", a)),
    st.tuples(st.integers(0, 150), st.integers(1, 50)).map(
        lambda t: ("direction_timestamp", Interval(t[0] / 10, (t[0] + t[1]) / 10))
    ),
    st.sampled_from(["red", "blue", "green", "yellow"]).map(lambda c: ("traveled_distance_comparison", Choice(c))),
    st.sampled_from(["same", "different"]).map(lambda c: ("moving_direction_comparison", Choice(c))),
)


@given(ANSWERS)
def test_targets_hold_the_answer(task_and_answer):
    task, answer = task_and_answer
    target = to_target(answer)
    assert tuple(target) == TARGET_KEYS
    assert from_target(task, target) == answer


@pytest.mark.parametrize(
    ("task", "answer", "says"),
    [
        ("traveled_distance", Quantity(3, "km/h"), "is in m, not km/h"),
        ("traveled_distance", ClockHour(3), "needs value and unit"),
        ("moving_direction_comparison", Choice("red"), "same, different"),
        ("traveling_speed_comparison", Choice("same"), "not same"),
        ("direction_timestamp", Choice("same"), "needs start and end"),
    ],
)
def test_a_target_of_another_task_is_refused(task, answer, says):
    with pytest.raises(InputError, match=says):
        from_target(task, to_target(answer))
