"""Headings, hours and runs against plain Python, analytic turns and symmetries of the world."""

import math
from itertools import pairwise

import numpy as np
import plain_truth
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from st_vlm.kinematics.headings import (
    Run,
    angle_between,
    chord_length,
    clock_hour,
    clockwise_turn,
    final_heading,
    hour_runs,
    initial_heading,
    off_hour,
    step_headings,
)

seeds = st.integers(0, 2**32 - 1)


def driven(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A drive with pieces of random speed (some standing) and turning rate, on a 0.5 s grid with an odd end."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(4, 40))
    pieces = rng.integers(0, 4, count).cumsum() // 8
    speed = rng.choice([0.0, 0.4, 2.0, 5.0, 12.0], count)[pieces]
    rate = rng.normal(0, 0.6, count)[pieces]
    steps = speed * 0.5 * np.exp(1j * np.cumsum(rate * 0.5)) + rng.normal(0, 0.02, (count, 2)) @ [1, 1j]
    track = np.concatenate([[0], np.cumsum(steps)])
    times = np.arange(count + 1) * 0.5
    if rng.random() < 0.5:
        times[-1] -= rng.uniform(0.05, 0.45)
    return times, np.stack([track.real, track.imag], axis=1)


def rigid(points: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angle = rng.uniform(-np.pi, np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ turn.T + rng.uniform(-1e3, 1e3, 2)


def turn_of(points: np.ndarray, chord: float = 2.0) -> float | None:
    first, last = initial_heading(points, chord), final_heading(points, chord)
    return None if first is None or last is None else clockwise_turn(first, last)


@given(seeds, st.sampled_from([1.0, 2.0]))
def test_runs_agree_with_the_definition_spelt_out(seed, chord):
    times, points = driven(seed)
    ours = [(run.start_s, run.end_s, run.hour) for run in hour_runs(times, points, chord)]
    assert ours == plain_truth.hour_runs(times.tolist(), [complex(*p) for p in points.tolist()], chord)


@given(seeds)
def test_runs_are_in_order_without_holes_and_not_short(seed):
    times, points = driven(seed)
    runs = hour_runs(times, points, 2.0)
    assert runs[0].start_s == times[0]
    assert runs[-1].end_s == times[-1]
    assert all(a.end_s == b.start_s and a.hour != b.hour for a, b in pairwise(runs))
    assert len(runs) == 1 or min(run.duration_s for run in runs) >= 1 - 1e-9


@given(seeds, seeds)
def test_turns_and_runs_do_not_depend_on_where_the_world_lies(seed, other):
    times, points = driven(seed)
    there = rigid(points, other)
    assert hour_runs(times, there, 2.0) == hour_runs(times, points, 2.0)
    turn, turn_there = turn_of(points), turn_of(there)
    assert (turn is None) == (turn_there is None)
    if turn is not None:
        assert abs(math.remainder(turn - turn_there, 2 * math.pi)) < 1e-6


@given(seeds)
def test_in_a_mirrored_world_hours_flip_and_twelve_stays(seed):
    times, points = driven(seed)
    mirrored = points * [-1, 1]

    def flipped(hour):
        return None if hour is None else (12 - hour) or 12

    assert [run.hour for run in hour_runs(times, mirrored, 2.0)] == [
        flipped(run.hour) for run in hour_runs(times, points, 2.0)
    ]
    turn = turn_of(points)
    assume(turn is not None)
    assert clock_hour(turn_of(mirrored)) == flipped(clock_hour(turn))
    assert off_hour(turn_of(mirrored)) == pytest.approx(off_hour(turn), abs=1e-9)


@given(seeds, st.floats(0.5, 20))
def test_chords_and_tracks_scale_together(seed, scale):
    times, points = driven(seed)
    assert hour_runs(times, points * scale, 2.0 * scale) == hour_runs(times, points, 2.0)


@given(seeds, st.floats(1.5, 30), st.floats(-math.pi, math.pi))
def test_a_straight_drive_goes_to_twelve_both_ways_in_time(seed, speed, direction):
    count = np.random.default_rng(seed).integers(6, 30)
    times = np.arange(count) * 0.5
    points = speed * times[:, None] * [math.cos(direction), math.sin(direction)]
    for track in (points, points[::-1]):
        assert clock_hour(turn_of(track)) == 12
        assert hour_runs(times, track, 2.0) == [Run(0.0, times[-1], 12)]
    there, back = initial_heading(points, 2.0), initial_heading(points[::-1], 2.0)
    assert abs(clockwise_turn(there, back)) == pytest.approx(math.pi)


@given(st.floats(2, 15), st.floats(8, 60), st.floats(-3.0, 3.0).filter(lambda angle: abs(angle) > 0.4))
def test_on_a_circle_the_turn_is_the_arc_between_the_middles_of_both_chords(speed, radius, arc):
    """A chord points the way its arc's middle does, so the turn misses the arc of one chord."""
    step = speed * 0.5 / radius
    count = int(abs(arc) / step)
    chord_steps = next(k for k in range(1, 99) if 2 * radius * math.sin(k * step / 2) >= 2.0)
    assume(count > chord_steps and math.pi > count * step)
    left = step * np.arange(count + 1)
    points = radius * np.stack([np.sin(left), np.sign(arc) * (1 - np.cos(left))], axis=1)
    # To the left (arc > 0) is counter-clockwise, so negative.
    assert turn_of(points) == pytest.approx(-np.sign(arc) * (count - chord_steps) * step, abs=1e-9)


@pytest.mark.parametrize(
    ("corners", "hour"),
    [
        ([(0, 0), (30, 0)], 12),
        ([(0, 0), (15, 0), (15, 15)], 9),
        ([(0, 0), (15, 0), (15, -15)], 3),
        ([(0, 0), (15, 0), (15, 3), (0, 3)], 6),
        ([(0, 0), (0, 15), (13, 22.5)], 2),
        ([(0, 0), (0, 15), (-13, 22.5)], 10),
        ([(0, 0), (20, 0), (5, 0)], 6),  # backs up along its own way
    ],
)
def test_hours_of_drives_with_corners(corners, hour):
    corners = np.array(corners, float)
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners, axis=0), axis=1))])
    times = np.arange(0, lengths[-1] / 5.0, 0.5)
    points = np.stack([np.interp(5.0 * times, lengths, corners[:, d]) for d in (0, 1)], axis=1)
    assert clock_hour(turn_of(points)) == hour
    assert hour_runs(times, points, 2.0)[-1].hour == hour


def test_a_stop_between_two_drives_is_a_run_of_its_own():
    times = np.arange(0, 12.1, 0.5)
    x = np.interp(times, [0, 4, 8, 12], [0, 20, 20, 40])
    runs = hour_runs(times, np.stack([x, 0 * x], axis=1), 2.0)
    assert [run.hour for run in runs] == [12, None, 12]
    # A step next to the stop still finds a chord of 2 m within its second.
    assert runs[1].start_s == pytest.approx(4.0, abs=0.5)
    assert runs[1].end_s == pytest.approx(8.0, abs=0.5)


def test_a_wobble_between_two_hours_is_one_run():
    """Headings between 0 and 18 degrees: nearest hours would alternate between 12 and 1."""
    times = np.arange(0, 10.1, 0.5)
    angle = np.deg2rad(np.where(np.arange(20) // 2 % 2, -18.0, 0.0))
    steps = 5.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([[[0, 0]], np.cumsum(steps, axis=0)])
    assert [run.hour for run in hour_runs(times, points, 2.0)] == [12]


def test_a_blink_to_another_hour_merges_into_the_longer_neighbour():
    times = np.arange(0, 8.1, 0.5)
    angle = np.deg2rad([0.0] * 10 + [-60.0] + [-90.0] * 5)
    steps = 5.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate([[[0, 0]], np.cumsum(steps, axis=0)])
    assert hour_runs(times, points, 2.0) == [Run(0.0, 5.5, 12), Run(5.5, 8.0, 3)]


def test_what_never_leaves_two_metres_has_no_heading():
    times = np.arange(0, 5.1, 0.5)
    points = np.stack([0.3 * times, 0 * times], axis=1)
    assert initial_heading(points, 2.0) is None
    assert final_heading(points, 2.0) is None
    assert hour_runs(times, points, 2.0) == [Run(0.0, 5.0, None)]
    assert set(step_headings(times, points, 2.0)) == {None}


def test_people_have_shorter_chords_only_where_centres_are_sure():
    assert chord_length(person=True) == 1.0
    assert chord_length(person=True, sigma_m=0.05) == 1.0
    assert chord_length(person=True, sigma_m=0.06) == 2.0
    assert chord_length(person=False) == 2.0


@given(st.floats(-math.pi, math.pi))
def test_the_hour_is_the_nearest(turn):
    hour = clock_hour(turn)
    away = {h: abs(math.remainder(turn - math.radians(30 * h), 2 * math.pi)) for h in range(1, 13)}
    assert away[hour] <= min(away.values()) + 1e-12
    assert off_hour(turn) == pytest.approx(away[hour], abs=1e-9)
    assert off_hour(turn) <= math.radians(15) + 1e-9


def test_three_is_right_and_nine_is_left():
    ahead, left = 0.3, 0.3 + math.pi / 2
    assert clock_hour(clockwise_turn(ahead, left)) == 9
    assert clock_hour(clockwise_turn(left, ahead)) == 3


@given(seeds)
def test_the_angle_between_two_ways_is_that_of_the_dot_product(seed):
    first, second = np.random.default_rng(seed).normal(size=(2, 2))
    cosine = first @ second / np.linalg.norm(first) / np.linalg.norm(second)
    assert angle_between(first, second) == pytest.approx(math.acos(max(-1.0, min(1.0, cosine))), abs=1e-6)
    assert angle_between(first, second) == pytest.approx(angle_between(second, first), abs=1e-12)
