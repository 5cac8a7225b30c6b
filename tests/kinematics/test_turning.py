"""Turns counted on paths drawn by hand: straight lines and arcs at constant speed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.kinematics.turning import count_turns


def drawn(*legs, speed=5.0, heading=0.0):
    """Times and points, every 0.5 s, of legs (metres, degrees turned over them), counter-clockwise positive."""
    fine, at, places = 0.01, 0j, [0j]
    for metres, degrees in legs:
        steps = round(metres / speed / fine)
        for _ in range(steps):
            heading += math.radians(degrees) / steps / 2
            at += speed * fine * complex(math.cos(heading), math.sin(heading))
            heading += math.radians(degrees) / steps / 2
            places.append(at)
    taken = np.array(places)[:: round(0.5 / fine)]
    return np.arange(len(taken)) / 2, np.stack([taken.real, taken.imag], 1)


def straight(metres):
    return (metres, 0)


@pytest.mark.parametrize(
    ("legs", "turns"),
    [
        ([straight(60)], 0),
        ([straight(20), (10, 90), straight(20)], 1),
        ([straight(20), (10, -90), straight(20)], 1),
        ([straight(20), (16, 180), straight(20)], 1),  # a U-turn
        ([straight(20), (8, 60), straight(20), (8, -60), straight(20)], 2),
        ([straight(20), (10, 90), straight(20), (10, 90), straight(20)], 2),
        ([straight(20), (8, 80), straight(20), (8, 80), straight(20), (8, -90), straight(20)], 3),
        ([straight(20), (10, 12), straight(20)], 0),  # changes lanes, or less
        ([straight(20), (10, 12), straight(15), (10, -12), straight(20)], 0),
    ],
)
@pytest.mark.parametrize("heading", [0.0, 3.0])
def test_turns_are_counted(legs, turns, heading):
    assert count_turns(*drawn(*legs, heading=heading), 2.0) == turns


@pytest.mark.parametrize(
    "legs",
    [
        [straight(20), (10, 38), straight(20)],  # between a bend and a turn
        [straight(20), (25, 300), straight(20)],  # a loop
        [(120, 360)],  # a circle: never straight
        [straight(20), (120, 90)],  # a wide bend
        [straight(30), (12, 90)],  # the span cuts it off
        [(12, 90), straight(30)],
        [straight(20), (6, 70), (6, -70), straight(20)],  # one, two, or none?
        [straight(20), (8, 80), straight(4.5), (8, 80), straight(20)],  # one U-turn, or two turns?
        [straight(30), (8, 85), (3, -28), straight(30)],  # too far, and back
        [straight(20), (4, 15), straight(15), (4, 15), straight(15), (4, 15), straight(15)],  # in small pieces
    ],
)
def test_what_people_would_count_differently_is_not_told(legs):
    assert count_turns(*drawn(*legs), 2.0) is None


def test_a_reversal_and_a_turn_across_a_standstill_are_not_told():
    times = np.arange(0, 12.01, 0.5)
    back = np.stack([np.abs(times - 6) * 3, 0 * times], 1)
    assert count_turns(times, back, 2.0) is None
    gone = 3 * np.clip(times, 0, 4), 3 * np.clip(times - 8, 0, None)
    assert count_turns(times, np.stack(gone, 1), 2.0) is None


def test_a_stop_is_no_turn():
    times = np.arange(0, 14.01, 0.5)
    x = 3 * (np.clip(times, 0, 4) + np.clip(times - 9, 0, None))
    assert count_turns(times, np.stack([x, 0 * x], 1), 2.0) == 0


def test_what_never_moves_or_is_too_short_is_not_told():
    times = np.arange(0, 6.01, 0.5)
    assert count_turns(times, np.zeros((13, 2)), 2.0) is None
    assert count_turns(times[:3], np.stack([times[:3] * 5, 0 * times[:3]], 1), 2.0) is None


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([60, 75, 90, 110]), st.sampled_from([-1, 1])), max_size=3),
    st.floats(3, 9),
    st.floats(0, 6.28),
    st.integers(0, 2**31),
)
def test_noise_leaves_counts_alone_and_mirrors_and_reversals_count_alike(turns, speed, heading, seed):
    legs = [straight(5 * speed)]
    for degrees, side in turns:
        legs += [(2.5 * speed, side * degrees), straight(5 * speed)]
    times, points = drawn(*legs, speed=speed, heading=heading)
    assert count_turns(times, points, 2.0) == len(turns)
    assert count_turns(times, points * [1, -1], 2.0) == len(turns)
    assert count_turns(times, points[::-1], 2.0) == len(turns)
    noisy = points + np.random.default_rng(seed).normal(0, 0.05, points.shape)
    assert count_turns(times, noisy, 2.0) in (len(turns), None)
