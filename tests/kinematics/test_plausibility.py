"""Faults put into paths that a real object could take, and such paths themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.kinematics.plausibility import Bounds, find_faults

CAR = Bounds(speed=60.0, acceleration=10.0)
SIZE = (4.5, 1.9, 1.6)
rates = st.sampled_from([2.0, 10.0, 20.0])
seeds = st.integers(0, 2**32 - 1)


def faults(times_s, points, sizes=None, bounds=CAR):
    """(rule, first, last) of every fault of (N, 2) points."""
    times_ns = 1_700_000_000_000_000_000 + np.rint(np.asarray(times_s) * 1e9).astype(np.int64)
    centres = np.column_stack([points, np.full(len(points), 1.0)])
    sizes = np.tile(SIZE, (len(points), 1)) if sizes is None else np.asarray(sizes, float)
    return [(f.rule, f.first, f.last) for f in find_faults(times_ns, centres, sizes, bounds)]


def possible_path(seed, rate_hz, duration_s=10.0, acceleration=9.9, speed=50.0, jitter=0.1):
    """(N,) seconds and (N, 2) metres of an object that changes its acceleration, never over its bound, at random."""
    rng = np.random.default_rng(seed)
    fine = np.arange(0, duration_s + 0.5, 0.01)
    velocity, place, places = complex(*rng.uniform(-15, 15, 2)), complex(*rng.uniform(-50, 50, 2)), []
    for k in range(len(fine)):
        if k % 20 == 0 and (k == 0 or rng.random() < 0.5):
            force = rng.choice([0, 0.3, 1.0]) * acceleration * np.exp(1j * rng.uniform(0, 2 * np.pi))
        faster = velocity + 0.01 * force
        if abs(faster) <= speed:
            velocity = faster
        places.append((place.real, place.imag))
        place = place + 0.01 * velocity
    times = np.arange(0, duration_s + 1e-6, 1 / rate_hz)
    times = np.maximum(0, times + rng.uniform(-jitter, jitter, len(times)) / rate_hz)
    return times, np.column_stack([np.interp(times, fine, column) for column in np.array(places).T])


@settings(max_examples=40, deadline=None)
@given(seeds, rates)
def test_what_an_object_can_do_is_no_fault(seed, rate):
    assert faults(*possible_path(seed, rate)) == []


@settings(max_examples=40, deadline=None)
@given(seeds, rates, st.floats(7.0, 500.0), st.floats(0, 2 * np.pi), st.floats(0.1, 0.9))
def test_a_jump_to_another_place_is_found_where_it_is_and_nothing_else(seed, rate, metres, angle, where):
    """The step of half a second beside it may differ by 2.5 m by itself, and 2.5 m more are allowed."""
    times, points = possible_path(seed, rate)
    k = int(where * len(times))
    points[k:] += metres * np.array([np.cos(angle), np.sin(angle)])
    assert faults(times, points) == [("identity_jump", k - 1, k)]


@given(rates)
def test_jumps_at_either_end_are_found_too(rate):
    times = np.arange(0, 5.01, 1 / rate)
    points = np.column_stack([3.0 * times, np.zeros(len(times))])
    last = len(times) - 1
    for k in (1, last):
        jumped = points.copy()
        jumped[k:] += (0, 8.0)
        assert faults(times, jumped) == [("identity_jump", k - 1, k)]


def test_several_jumps_are_found_each():
    times = np.arange(0, 12.01, 0.1)
    points = np.column_stack([5.0 * times, np.zeros(len(times))])
    for k in (30, 31, 70):
        points[k:] += (20, -11)
    assert faults(times, points) == [("identity_jump", k - 1, k) for k in (30, 31, 70)]


def test_an_object_that_swaps_with_a_faster_one_elsewhere_jumps():
    times = np.arange(0, 8.01, 0.5)
    points = np.column_stack([np.where(times < 4, 2 * times, 30 + 15 * times), np.zeros(len(times))])
    assert faults(times, points) == [("identity_jump", 7, 8)]


@pytest.mark.parametrize("rate", [2, 10, 20])
def test_what_is_too_fast_for_a_while_is_cut_out_and_no_jump(rate):
    """10 m/s, and 80 m/s from second 4 to second 7; a step that is half in it may be too fast as well."""
    times = np.arange(0, 12.01, 1 / rate)
    points = np.column_stack([10 * times + 70 * np.clip(times - 4, 0, 3), np.zeros(len(times))])
    ((rule, first, last),) = faults(times, points)
    assert rule == "speed"
    assert 4 - 1.0 <= times[first] <= 4
    assert 7 <= times[last] <= 7 + 1.0


def test_what_is_too_fast_all_its_life_is_one_fault_from_end_to_end():
    times = np.arange(0, 12.01, 0.5)
    assert faults(times, np.column_stack([78.0 * times, 0 * times])) == [("speed", 0, 24)]
    assert faults(times, np.column_stack([59.9 * times, 0 * times])) == []


@pytest.mark.parametrize("rate", [2, 10, 20])
def test_a_change_of_speed_that_no_tyre_gives_is_cut_out(rate):
    """From 20 m/s to a stand within a quarter of a second at second 5."""
    times = np.arange(0, 10.01, 1 / rate)
    points = np.column_stack([np.minimum(20 * times, 100.0), np.zeros(len(times))])
    ((rule, first, last),) = faults(times, points)
    assert rule == "acceleration"
    assert times[first] <= 5 <= times[last]
    assert times[last] - times[first] <= 2.0 + 1e-6


def test_the_bound_on_acceleration_holds_across_the_way_too():
    """A circle of 10 m at 9 m/s takes 8.1 m/s^2, one at 12 m/s 14.4 (less by the chord of half a second)."""
    times = np.arange(0, 10.01, 0.1)
    for speed, good in ((9.0, True), (12.0, False)):
        angle = speed * times / 10
        found = faults(times, 10 * np.column_stack([np.cos(angle), np.sin(angle)]))
        assert (found == []) == good


def test_the_wobble_of_boxes_a_tenth_of_a_second_apart_is_no_fault():
    """0.1 m on each axis from box to box looks like 1.4 m/s and 25 m/s^2 between neighbours."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        times = np.arange(0, 15.01, 0.1)
        points = np.column_stack([8 * times, np.zeros(len(times))]) + rng.normal(0, 0.1, (len(times), 2))
        assert faults(times, points, bounds=CAR.widened(0.1)) == []


def test_bounds_are_widened_by_three_deviations_of_what_noise_adds():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, (200_000, 3))
    wide = CAR.widened(0.2)
    assert wide.speed - CAR.speed == pytest.approx(3 * ((noise[:, 1] - noise[:, 0]) / 0.5).std(), rel=0.02)
    bend = (noise[:, 0] - 2 * noise[:, 1] + noise[:, 2]) / 0.25
    assert wide.acceleration - CAR.acceleration == pytest.approx(3 * bend.std(), rel=0.02)
    assert CAR.widened(0.0) == CAR


@pytest.mark.parametrize(
    ("before", "after", "jump"),
    [
        ((4.5, 1.9, 1.6), (4.6, 1.9, 1.6), False),
        ((4.5, 1.9, 1.6), (9.0, 2.5, 3.2), True),
        ((9.0, 2.5, 3.2), (4.5, 1.9, 1.6), True),
        ((0.6, 0.6, 1.7), (4.5, 1.9, 1.6), True),
        # A walker's arms and legs: half as wide and long again, by no more than a step.
        ((0.5, 0.5, 1.7), (0.9, 0.8, 1.7), False),
    ],
)
def test_a_sudden_change_of_size_is_a_jump(before, after, jump):
    times = np.arange(0, 6.01, 0.5)
    points = np.column_stack([times, times])
    sizes = [before if t < 3 else after for t in times]
    assert faults(times, points, sizes) == ([("identity_jump", 5, 6)] if jump else [])


def test_slow_growth_of_a_box_is_no_jump():
    times = np.arange(0, 10.01, 0.5)
    sizes = np.outer(1 + times / 10, SIZE)
    assert faults(times, np.column_stack([times, times]), sizes) == []


def test_two_boxes_and_less_than_half_a_second_are_judged_by_speed_alone_or_not_at_all():
    assert faults([0, 0.5], [[0, 0], [25, 0]]) == []
    assert faults([0, 0.5], [[0, 0], [35, 0]]) == [("speed", 0, 1)]
    assert faults([0, 0.1, 0.2], [[0, 0], [30, 0], [60, 0]]) == []
    assert faults([0], [[0, 0]]) == []
