"""Sampling by real timestamps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.video.sampling import sample_indices


def test_constant_rate():
    assert sample_indices(np.arange(300) / 30).tolist() == list(range(0, 300, 15))


def test_variable_rate_follows_time_not_index():
    times = np.concatenate([np.arange(0, 2, 1 / 30), np.arange(2, 6, 1 / 4)])
    assert times[sample_indices(times)] == pytest.approx(np.arange(0, 6, 0.5))


@given(
    count=st.integers(2, 40),
    jitter=st.lists(st.floats(-0.04, 0.04), min_size=40, max_size=40),
)
def test_a_stored_clip_is_taken_whole(count, jitter):
    times = 0.5 * np.arange(count) + jitter[:count]
    assert sample_indices(times).tolist() == list(range(count))


@given(
    steps=st.lists(st.floats(0.01, 0.3), min_size=1, max_size=300),
    limit=st.integers(2, 40),
)
def test_frames_are_the_nearest_to_an_even_grid(steps, limit):
    times = np.concatenate([[0.0], np.cumsum(steps)])
    indices = sample_indices(times, max_frames=limit)
    assert (np.diff(indices) > 0).all()
    assert len(indices) <= limit
    assert indices[0] == 0
    grid = 0.5 * np.arange(int(times[-1] / 0.5 + 1e-6) + 1)
    if len(grid) > limit:  # too long for the grid: the whole video is covered
        assert indices[-1] == len(times) - 1
        grid = np.linspace(0, times[-1], limit)
    away = np.abs(times[:, None] - grid)
    for index in indices:  # each is the nearest frame to some grid point
        assert (away[index] <= away.min(0) + 1e-9).any()
    for point in range(len(grid)):  # and no grid point goes without its nearest frame
        assert away[indices, point].min() <= away[:, point].min() + 1e-9


def test_fewer_frames_on_request():
    times = 0.5 * np.arange(21)
    assert sample_indices(times, num_frames=3).tolist() == [0, 10, 20]
    assert sample_indices(times, num_frames=1).tolist() == [10]
    assert len(sample_indices(times, num_frames=90)) == 21


@pytest.mark.parametrize(
    ("times", "options"), [([], {}), ([0, 1, 1], {}), ([0, np.nan], {}), ([0, 1], {"num_frames": 0})]
)
def test_refusals(times, options):
    with pytest.raises(InputError):
        sample_indices(times, **options)
