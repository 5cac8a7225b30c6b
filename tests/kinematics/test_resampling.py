"""The 0.5 s grid and interpolation, with nanoseconds since 1970 as in the sources."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.kinematics.resampling import positions_at, rotations_at, runs_without_gaps, time_grid

EPOCH = 1_533_151_603_547_590_123  # more than 2**53: a float would round it to 256 ns
S = 1_000_000_000


@pytest.mark.parametrize(
    ("life_ns", "steps_ns"),
    [
        (0, [0]),
        (S // 2, [0, S // 2]),
        (2 * S, [0, S // 2, S, 3 * S // 2, 2 * S]),
        (S + 1, [0, S // 2, S, S + 1]),  # the end itself, one nanosecond after a step
        (S - 1, [0, S // 2, S - 1]),
        (S // 5, [0, S // 5]),
    ],
)
def test_grid_by_hand(life_ns, steps_ns):
    grid = time_grid(EPOCH, EPOCH + life_ns)
    assert grid.dtype == np.int64
    np.testing.assert_array_equal(grid - EPOCH, steps_ns)


@given(st.integers(0, 2**62), st.integers(0, 40 * S))
def test_grid_begins_and_ends_with_the_span(start, life):
    grid = time_grid(start, start + life)
    assert grid[0] == start
    assert grid[-1] == start + life
    steps = np.diff(grid)
    assert (steps[:-1] == S // 2).all()
    assert len(steps) == 0 or 0 < steps[-1] <= S // 2


@given(
    st.lists(st.integers(1, 3 * S), min_size=1, max_size=20).flatmap(
        lambda steps: st.tuples(st.just(steps), st.floats(0, 1), st.floats(-50, 50), st.floats(-50, 50))
    )
)
def test_steady_motion_is_met_everywhere(case):
    steps, share, vx, vy = case
    times = EPOCH + np.cumsum([0, *steps])
    at = (times - EPOCH) * 1e-9
    values = np.stack([vx * at, vy * at], axis=-1)
    query = np.array([EPOCH + round(share * (times[-1] - EPOCH))])
    expected = (query[0] - EPOCH) * 1e-9
    found = positions_at(times, values, query)
    np.testing.assert_allclose(found, [[vx * expected, vy * expected]], atol=1e-6)


def test_one_nanosecond_is_kept():
    """1 km/ns would be 256 km off if times were rounded to floats."""
    times = EPOCH + np.array([0, 1000])
    assert positions_at(times, np.array([[0.0], [1000.0]]), np.array([EPOCH + 1]))[0, 0] == pytest.approx(1.0)


def test_ends_hold_outside():
    times = EPOCH + np.array([0, S])
    values = np.array([[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(positions_at(times, values, np.array([EPOCH - S, EPOCH + 9 * S])), values)
    turns = rotation_about_up(np.array([0.2, 0.6]))
    np.testing.assert_allclose(rotations_at(times, turns, np.array([EPOCH - S, EPOCH + 9 * S])), turns, atol=1e-12)


def test_turns_take_the_short_way_evenly():
    times = EPOCH + np.array([0, S])
    turns = rotation_about_up(np.radians([170.0, -170.0]))  # 20 degrees through south
    found = rotations_at(times, turns, EPOCH + np.array([S // 4, S // 2]))
    np.testing.assert_allclose(found, rotation_about_up(np.radians([175.0, 180.0])), atol=1e-9)


def test_a_single_box_holds():
    turn = rotation_about_up(np.array([0.3]))
    found = rotations_at(np.array([EPOCH]), turn, np.array([EPOCH - S, EPOCH, EPOCH + S]))
    np.testing.assert_array_equal(found, np.repeat(turn, 3, axis=0))
    assert positions_at(np.array([EPOCH]), np.ones((1, 3)), np.array([EPOCH + S])).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize(
    ("at_s", "runs"),
    [
        ([0], [(0, 0)]),
        ([0, 0.5, 1.5], [(0, 2)]),  # a gap of exactly one second is allowed
        ([0, 0.5, 1.6, 2.0, 4.0], [(0, 1), (2, 3), (4, 4)]),
    ],
)
def test_runs_end_at_gaps_over_a_second(at_s, runs):
    assert runs_without_gaps(EPOCH + np.round(np.array(at_s) * S).astype(np.int64)) == runs
