"""Baselines that never look: what they guess, and how often they are right, against plain counting."""

import numpy as np
import pytest
from glances import direction, distance, farther, interval, relation, speed
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.evaluation.baselines import CHOICE, above_goal, baseline_shares, goal, guessing_report, report_rows
from st_vlm.evaluation.constants import best_constant
from st_vlm.evaluation.guessers import LEAST_OF_A_GROUP, fit, guessers_of, own_hits
from st_vlm.evaluation.scoring import is_right
from st_vlm.questions.answers import Choice, Interval, Quantity


def guesser(task, name):
    return next(one for one in guessers_of(task) if one.name == name)


def share(task, name, train, test):
    return baseline_shares(train, test)[task][name]


def test_a_category_prior_knows_how_far_each_kind_goes():
    train = [distance(10.0, "pedestrian")] * 20 + [distance(100.0, "car")] * 20
    assert share("traveled_distance", "category prior", train, train) == 1.0
    assert share("traveled_distance", "constant", train, train) == 0.5


def test_speed_by_kind_times_duration_knows_how_long_it_lasts():
    train = [distance(2.0 * s, span=(0.0, s)) for s in np.linspace(3, 19, 40)]
    test = [distance(2.0 * 11.5, span=(1.0, 12.5)), distance(30.0, span=(0.0, 4.0))]
    assert share("traveled_distance", "category speed x duration", train, train) == 1.0
    assert share("traveled_distance", "category speed x duration", train, test) == 0.5
    assert share("traveled_distance", "category prior", train, train) < 0.5


def test_a_kind_that_is_rare_in_training_is_answered_like_all():
    train = [distance(100.0, "car")] * 50 + [distance(10.0, "bus")] * (LEAST_OF_A_GROUP - 1)
    fitted = fit(guesser("traveled_distance", "category prior"), train)
    assert is_right(Quantity(100.0, "m"), fitted.answer(distance(1.0, "bus")))
    fitted = fit(guesser("traveled_distance", "category prior"), [*train, distance(10.0, "bus")])
    assert is_right(Quantity(10.0, "m"), fitted.answer(distance(1.0, "bus")))


def test_an_interval_prior_answers_with_a_part_of_the_stated_span():
    train = [interval(3, 2 + 0.75 * s, 2 + s, (2.0, 2.0 + s)) for s in np.linspace(4, 16, 30)]
    assert share("direction_timestamp", "interval prior per hour", train, train) == 1.0
    assert share("direction_timestamp", "constant", train, train) < 0.7


def test_first_named_and_colour_priors():
    train = [farther("red", "blue")] * 30 + [farther("red", "blue", first="blue")] * 10
    assert share("traveled_distance_comparison", "first named", train, train) == 0.75
    assert share("traveled_distance_comparison", "colour prior", train, train) == 1.0
    assert share("traveled_distance_comparison", "colour prior", train, [farther("blue", "red")]) == 0.0


def test_a_category_prior_of_pairs_says_that_the_car_wins():
    train = [farther("red", "blue", nouns=("car", "pedestrian"))] * 20
    train += [farther("red", "blue", first="blue", nouns=("pedestrian", "car"))] * 20
    assert share("traveled_distance_comparison", "category prior", train, train) == 1.0
    assert share("traveled_distance_comparison", "first named", train, train) == 0.5


def test_same_or_different_is_a_constant():
    train = [relation("same")] * 60 + [relation("different")] * 40
    assert share("moving_direction_comparison", "constant", train, train) == 0.6


values = st.lists(st.integers(0, 4000).map(lambda v: v / 100), min_size=1, max_size=60)


@given(values, st.sampled_from([distance, speed]))
def test_hits_of_a_constant_are_those_of_the_best_constant_and_of_what_it_says(numbers, make):
    glances = [make(value) for value in numbers]
    task = glances[0].task
    hits = own_hits(guesser(task, "constant"), glances)
    best = best_constant([glance.answer for glance in glances])
    assert hits.sum() == sum(is_right(glance.answer, best) for glance in glances)
    said = fit(guesser(task, "constant"), glances).answer(glances[0])
    # A guess is rounded to hundredths, which may put a truth on the edge out of its reach.
    assert sum(is_right(glance.answer, said) for glance in glances) >= 0.9 * hits.sum() - 1


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(2, 9)), min_size=1, max_size=30))
def test_hits_of_an_interval_are_what_the_scorer_says_of_the_guess(pairs):
    glances = [interval(3, start, start + length, (0.0, 16.0)) for start, length in pairs]
    one = guesser("direction_timestamp", "constant")
    said = fit(one, glances).answer(glances[0])
    assert isinstance(said, Interval)
    assert [*own_hits(one, glances)] == [is_right(glance.answer, said) for glance in glances]


def test_goals_are_those_of_the_definitions():
    assert [goal("traveled_distance", one.name) for one in guessers_of("traveled_distance")] == [0.25, 0.35, 0.40]
    assert [goal("traveling_speed", one.name) for one in guessers_of("traveling_speed")] == [0.25, 0.35]
    assert goal("moving_direction", "constant") == goal("direction_timestamp", "constant") == 0.25
    for task in ("traveled_distance_comparison", "traveling_speed_comparison", "moving_direction_comparison"):
        assert {goal(task, one.name) for one in guessers_of(task)} == {CHOICE} == {0.55}


def test_a_report_is_fitted_on_training_and_tells_what_is_above_its_goal():
    report = guessing_report({"train": [direction(3)] * 4, "test": [direction(3), direction(9)]})
    assert report["fitted_on"] == {"train": "train", "test": "train"}
    assert report["n"] == {"train": {"moving_direction": 4}, "test": {"moving_direction": 2}}
    assert report["shares"]["test"]["moving_direction"]["constant"] == 0.5
    assert ("moving_direction", "constant", 0.5, 0.25) in above_goal(report["shares"]["test"])
    columns, rows = report_rows(report)
    assert columns == ["task", "baseline that never looks", "train %", "test %", "goal %"]
    assert rows[0] == ["moving_direction", "constant", 100.0, 50.0, "<= 25"]


def test_without_a_training_split_a_set_is_its_own():
    report = guessing_report({"test": [direction(3), direction(9)]})
    assert report["fitted_on"] == {"test": "test"}
    assert report["shares"]["test"]["moving_direction"]["constant"] == 0.5


@pytest.mark.parametrize("colours", [("red", "blue"), ("yellow", "green")])
def test_a_guess_is_one_of_the_two(colours):
    fitted = fit(guesser("traveled_distance_comparison", "first named"), [farther("red", "blue")])
    assert fitted.answer(farther(*colours)) == Choice(colours[0])
