"""Path, extent, the static test and speed against plain Python, analytic motions and symmetries of the world."""

import math

import numpy as np
import plain_truth
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.motion import (
    Moving,
    displacement,
    extent,
    fastest_second,
    horizontal,
    mean_speed_kmh,
    path_length,
    static_test,
)

seeds = st.integers(0, 2**32 - 1)


def wandering(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Times on a 0.5 s grid with an odd end, and a random walk of random scale."""
    rng = np.random.default_rng(seed)
    count = rng.integers(3, 40)
    times = np.arange(count) * 0.5
    if rng.random() < 0.5:
        times[-1] -= rng.uniform(0.05, 0.45)
    return times, np.cumsum(rng.normal(size=(count, 2)) * 10 ** rng.uniform(-2, 1), axis=0)


def moved(points: np.ndarray, seed: int) -> np.ndarray:
    """The points after a turn about the up axis and a shift of the world."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + rng.uniform(-1e4, 1e4, 2)


@given(seeds, seeds)
def test_measures_do_not_depend_on_where_the_world_lies(seed, other):
    times, points = wandering(seed)
    there = moved(points, other)
    for measure in (path_length, displacement, extent):
        assert measure(there) == pytest.approx(measure(points), rel=1e-6, abs=1e-6)
    assert fastest_second(times, there) == pytest.approx(fastest_second(times, points), rel=1e-6, abs=1e-6)
    for person in (True, False):
        assert static_test(times, there, person) is static_test(times, points, person)


@given(seeds, st.floats(0.01, 100))
def test_lengths_grow_with_the_world(seed, scale):
    times, points = wandering(seed)
    for measure in (path_length, displacement, extent, lambda p: fastest_second(times, p)):
        assert measure(points * scale) == pytest.approx(scale * measure(points), rel=1e-9)


@given(seeds)
def test_no_line_is_longer_than_the_path_nor_shorter_than_the_way_home(seed):
    times, points = wandering(seed)
    backwards = points[::-1]
    assert path_length(points) + 1e-9 >= extent(points) >= displacement(points) - 1e-9
    assert fastest_second(times, points) <= extent(points) + 1e-9
    assert path_length(backwards) == pytest.approx(path_length(points))
    assert extent(backwards) == pytest.approx(extent(points))


@given(seeds, st.booleans(), st.sampled_from([0.0, 0.4]), st.sampled_from([0.0, 0.1]))
def test_static_test_agrees_with_its_definition_spelt_out(seed, person, slack, sigma):
    times, points = wandering(seed)
    spelt_out = plain_truth.is_static(times.tolist(), [complex(*p) for p in points], person, slack + 3 * sigma)
    state = {True: Moving.STATIC, False: Moving.MOVING, None: Moving.UNDECIDED}[spelt_out]
    assert static_test(times, points, person, slack, sigma) is state


@pytest.mark.parametrize(
    ("person", "reach", "seconds", "state"),
    [
        (True, 0.50, 4, Moving.STATIC),
        (True, 0.75, 1, Moving.UNDECIDED),
        (True, 1.00, 2, Moving.MOVING),
        (True, 5.00, 20, Moving.UNDECIDED),  # 0.25 m in every second: a drift of the annotation
        (False, 0.75, 4, Moving.STATIC),
        (False, 1.90, 2, Moving.UNDECIDED),
        (False, 2.00, 4, Moving.MOVING),
        (False, 5.00, 20, Moving.UNDECIDED),
    ],
)
def test_limits_of_the_dead_zone(person, reach, seconds, state):
    times = np.arange(0, seconds + 0.1, 0.5)
    points = np.stack([reach * times / seconds, 0 * times], axis=1)
    assert static_test(times, points, person) is state


def test_one_fast_second_in_a_long_stand_is_motion():
    times = np.arange(0, 15.1, 0.5)
    points = np.stack([np.clip(times - 7.0, 0, 1.2) * 2.0, 0 * times], axis=1)
    assert static_test(times, points, person=False) is Moving.MOVING


def test_slack_and_uncertainty_widen_both_limits():
    times = np.arange(0, 4.1, 0.5)
    points = np.stack([times * 0.6, 0 * times], axis=1)  # 2.4 m
    assert static_test(times, points, False) is Moving.MOVING
    assert static_test(times, points, False, slack_m=0.5) is Moving.UNDECIDED
    assert static_test(times, points, False, slack_m=1.7) is Moving.STATIC
    assert static_test(times, points, False, sigma_m=0.2) is Moving.UNDECIDED
    assert static_test(times, points, False, sigma_m=0.6) is Moving.STATIC


def test_a_quarter_circle_at_constant_speed():
    angles = np.linspace(0, np.pi / 2, 181)
    points = 10 * np.stack([np.sin(angles), 1 - np.cos(angles)], axis=1)
    assert path_length(points) == pytest.approx(10 * np.pi / 2, rel=1e-4)
    assert displacement(points) == extent(points) == pytest.approx(10 * math.sqrt(2))


def test_a_way_there_and_back_counts_twice_and_height_not_at_all():
    there_and_back = np.array([[0, 0, 0.0], [3, 4, 2.0], [0, 0, 0.3]])
    assert path_length(horizontal(there_and_back)) == 10
    assert displacement(horizontal(there_and_back)) == 0
    assert extent(horizontal(there_and_back)) == 5


def test_ten_metres_in_two_seconds_are_eighteen_km_h():
    assert mean_speed_kmh(10.0, 2.0) == pytest.approx(18.0)
