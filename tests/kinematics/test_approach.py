"""The closest approach against two straight courses, whose least distance has a formula, and against a fine search."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.kinematics.approach import closest_approach

TIMES = np.arange(0, 10.01, 0.5)


def course(place, velocity, times=TIMES):
    return times, np.array(place) + times[:, None] * np.array(velocity)


def test_two_cars_that_pass_each_other_between_two_grid_times():
    """60 m apart, at 15 m/s each toward one another in lanes 3 m apart: they are level after 2.1 s."""
    found = closest_approach(*course((0, 0), (15, 0)), *course((63, 3), (-15, 0)))
    assert found.metres == pytest.approx(3.0)
    assert found.second == pytest.approx(2.1)
    assert (found.first_m, found.first_s, found.last_s) == (pytest.approx(np.hypot(63, 3)), 0.0, 10.0)


def test_only_the_common_time_counts():
    late = course((0, 0), (1, 0), TIMES[6:])
    found = closest_approach(*late, *course((1, 1), (1, 0), TIMES[:13]))
    assert (found.first_s, found.last_s) == (3.0, 6.0)
    assert found.metres == pytest.approx(np.sqrt(2))
    assert closest_approach(*course((0, 0), (1, 0), TIMES[:5]), *course((0, 0), (1, 0), TIMES[8:])) is None


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1))
def test_no_moment_of_a_fine_search_is_nearer(seed):
    rng = np.random.default_rng(seed)
    a, b = (np.cumsum(rng.normal(0, 2, (21, 2)), axis=0) for _ in range(2))
    shift = rng.uniform(0, 0.5)  # the second is boxed at other times
    found = closest_approach(TIMES, a, TIMES + shift, b)
    fine = np.linspace(shift, 10, 20001)
    at = [np.stack([np.interp(fine, t, p[:, d]) for d in (0, 1)], 1) for t, p in ((TIMES, a), (TIMES + shift, b))]
    gaps = np.linalg.norm(at[0] - at[1], axis=1)
    assert found.metres == pytest.approx(gaps.min(), abs=5e-3)
    assert found.metres <= gaps.min() + 1e-9
    assert (found.first_m, found.last_m) == (pytest.approx(gaps[0]), pytest.approx(gaps[-1]))
