"""Fastest second, steady acceleration and time to a distance, against motions whose answers are known on paper."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from st_vlm.kinematics.speeds import chord_speeds, peak_speed, steady_acceleration, time_to_distance

ANGLES = st.floats(0, 2 * math.pi)


def on_grid(metres, end_s, angle=0.0, start_s=0.0):
    """Times and points of the distance `metres(t)` along a line of an angle; the grid is cut at the end."""
    times = np.append(np.arange(start_s, end_s - 1e-9, 0.5), end_s)
    gone = np.array([metres(float(t)) for t in times])
    return times, gone[:, None] * np.array([math.cos(angle), math.sin(angle)])


def ramp(speed, acceleration):
    return lambda t: speed * t + acceleration * t**2 / 2


@given(st.floats(0.5, 20), st.floats(-2, 2), st.integers(4, 24), ANGLES)
def test_the_peak_of_a_ramp_is_the_speed_in_the_middle_of_its_fastest_second(speed, acceleration, steps, angle):
    end = steps / 2
    times, points = on_grid(ramp(speed, acceleration), end, angle)
    # Every second's mean speed is that of its middle; a reversal only makes chords shorter than paths.
    middles = [abs(speed + acceleration * (k / 2 + 0.5)) for k in range(steps - 1)]
    assert peak_speed(times, points) == pytest.approx(max(middles))


def test_the_peak_is_a_straight_chord_on_a_circle():
    """At 2 rad/s and 3 m radius the path is 6 m a second, the chord 2 * 3 * sin(1)."""
    times = np.arange(0, 6.01, 0.5)
    points = 3 * np.stack([np.cos(2 * times), np.sin(2 * times)], 1)
    assert peak_speed(times, points) == pytest.approx(6 * math.sin(1.0))


def test_a_burst_between_slow_seconds_is_found_and_the_last_second_too():
    times, points = on_grid(lambda t: t + 4 * np.clip(t - 3.0, 0, 1), 8.0)
    assert peak_speed(times, points) == pytest.approx(5.0)
    times, points = on_grid(lambda t: t + 100 * max(0.0, t - 4.0), 4.2)
    assert peak_speed(times, points) == pytest.approx(21.0)  # from 3.2 to 4.2 s
    # Chords that start on the grid and end in it: up to that from 3.0 to 4.0 s.
    assert len(chord_speeds(times, points)[0]) == 7
    assert peak_speed(*on_grid(ramp(1, 0), 0.8)) is None


@given(st.floats(12.5, 20), st.sampled_from([-3.0, -1.6, 1.6, 3.0]), st.integers(4, 8), ANGLES, st.floats(0, 50))
def test_an_even_change_of_speed_is_its_acceleration(speed, acceleration, steps, angle, start_s):
    times, points = on_grid(ramp(speed, acceleration), steps / 2, angle)
    assert steady_acceleration(times + start_s, points) == pytest.approx(acceleration)


@pytest.mark.parametrize(
    ("metres", "seconds"),
    [
        (ramp(5, 0), 4),  # no change
        (ramp(5, 1.4), 2),  # 1.4 m/s between the middles
        (lambda t: 8 * t if t < 2 else 16 + 5 * (t - 2), 4),  # a jump between two constant speeds
        (lambda t: 10 * t - 3 * t**2, 3.5),  # turns back: slower, then faster
        (lambda t: 6 * t - 1.5 * t**2 if t < 2 else 6.0, 4),  # stands half of the time
        (ramp(5, 2), 1.5),  # only two chords, which overlap
    ],
)
def test_what_is_no_clear_acceleration_is_none(metres, seconds):
    assert steady_acceleration(*on_grid(metres, seconds)) is None


@pytest.mark.parametrize("seed", range(5))
def test_five_centimetres_of_noise_hardly_move_peaks_and_accelerations(seed):
    rng = np.random.default_rng(seed)
    times, points = on_grid(ramp(12, -2.5), 3.0)
    for _ in range(100):
        noisy = points + rng.normal(0, 0.05, points.shape)
        assert peak_speed(times, noisy) == pytest.approx(10.75, rel=0.04)
        found = steady_acceleration(times, noisy)
        assert found == pytest.approx(-2.5, rel=0.12)


@given(st.floats(1.1, 15), st.floats(2.1, 30), ANGLES, st.floats(0, 30))
def test_time_to_a_distance_at_constant_speed(speed, metres, angle, start_s):
    times, points = on_grid(ramp(speed, 0), 20.3, angle)
    found = time_to_distance(times + start_s, points, metres)
    assume(abs(metres / speed - 1.0) > 1e-6 and abs(metres / speed - 19.8) > 1e-6)
    inside = 1.0 < metres / speed < 19.8
    assert found == (pytest.approx(metres / speed) if inside else None)


def test_time_to_a_distance_counts_stops_and_bends():
    """2 m/s east for 3 s, standing for 2 s, 2 m/s north: 8 m of path after 6 s."""
    times = np.arange(0, 10.01, 0.5)
    points = np.stack([2 * np.clip(times, 0, 3), 2 * np.clip(times - 5, 0, None)], 1)
    assert time_to_distance(times, points, 8.0) == pytest.approx(6.0)
    assert time_to_distance(times, points, 4.0) == pytest.approx(2.0)


def test_a_distance_reached_at_a_standstill_has_no_clear_time():
    times = np.arange(0, 12.01, 0.5)
    points = np.stack([2 * np.clip(times, 0, 3) + 0.002 * times, 0 * times], 1)
    assert time_to_distance(times, points, 5.9) == pytest.approx(2.95, abs=0.01)
    assert time_to_distance(times, points, 6.01) is None


def test_distances_at_the_ends_and_out_of_reach_have_no_time():
    times, points = on_grid(ramp(4, 0), 5.0)
    assert time_to_distance(times, points, 3.9) is None  # after 0.98 s
    assert time_to_distance(times, points, 18.1) is None  # 0.48 s before the end
    assert time_to_distance(times, points, 20.1) is None
    assert time_to_distance(times, points, 17.9) == pytest.approx(4.475)


def test_a_path_that_wobble_has_made_has_no_time():
    """Half a metre to and fro for 6 s is a path of 1 m a second that leads nowhere."""
    rng = np.random.default_rng(0)
    times = np.arange(0, 12.01, 0.5)
    moving = np.clip(times - 6, 0, None)
    points = np.stack([moving, rng.normal(0, 0.03, len(times))], 1)
    assert np.linalg.norm(np.diff(points[:13], axis=0), axis=1).sum() > 0.1
    assert time_to_distance(times, points, 1.0) is None


def test_a_distance_reached_at_a_crawl_after_a_run_has_no_clear_time():
    """10 m/s for 2 s, then 0.6 m/s: a tenth of a metre of doubt at 21 m would be a sixth of a second."""
    times, points = on_grid(lambda t: 10 * min(t, 2.0) + 0.6 * max(t - 2.0, 0), 8.0)
    assert time_to_distance(times, points, 21.5) is None
    assert time_to_distance(times, points, 15.0) == pytest.approx(1.5)
