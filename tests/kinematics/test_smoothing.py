"""Smoothing, against the batch solution of the same linear Gaussian model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.smoothing import smooth

PRIOR = np.diag([1e6, 1e6, 400.0, 400.0])


def by_least_squares(times, places, covariances, acceleration):
    """Mean and covariance of all states at once: the posterior of one joint Gaussian, written down whole."""
    count = len(times)
    origin = places[np.isfinite(places).all(axis=1).argmax()]
    information, vector = np.zeros((4 * count, 4 * count)), np.zeros(4 * count)
    information[:4, :4] += np.linalg.inv(PRIOR)
    for k in range(1, count):
        dt = times[k] - times[k - 1]
        move = np.eye(4) + dt * np.eye(4, k=2)
        noise = np.kron(np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]), np.eye(2)) * acceleration**2
        step = np.zeros((4, 4 * count))
        step[:, 4 * k - 4 : 4 * k], step[:, 4 * k : 4 * k + 4] = -move, np.eye(4)
        information += step.T @ np.linalg.inv(noise) @ step
    for k in range(count):
        if np.isfinite(places[k]).all():
            seen = np.zeros((2, 4 * count))
            seen[:, 4 * k : 4 * k + 2] = np.eye(2)
            information += seen.T @ np.linalg.inv(covariances[k]) @ seen
            vector += seen.T @ np.linalg.inv(covariances[k]) @ (places[k] - origin)
    spread = np.linalg.inv(information)
    states = (spread @ vector).reshape(count, 4)
    return (
        states[:, :2] + origin,
        states[:, 2:],
        np.stack([spread[4 * k : 4 * k + 4, 4 * k : 4 * k + 4] for k in range(count)]),
    )


@pytest.mark.parametrize("missing", [(), (0,), (3, 4), (9,), (0, 1, 2, 8)])
def test_it_is_the_posterior_of_all_measurements(missing):
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.3, 0.9, 10))
    places = np.cumsum(rng.normal(0, 2, (2, 10, 2)), axis=1) + 500
    half = rng.normal(0, 1, (2, 10, 2, 2))
    covariances = half @ np.swapaxes(half, -1, -2) + 0.2 * np.eye(2)
    places[1, list(missing)] = np.nan
    track = smooth(times, places, covariances, 1.5)
    for k in range(2):
        mean, velocity, spread = by_least_squares(times, places[k], covariances[k], 1.5)
        np.testing.assert_allclose(track.places[k], mean, atol=1e-4)
        np.testing.assert_allclose(track.velocities[k], velocity, atol=1e-4)
        np.testing.assert_allclose(track.covariances[k], spread, rtol=1e-3, atol=1e-4)


@given(st.floats(-8, 8), st.floats(-8, 8), st.integers(3, 12))
def test_a_steady_motion_is_left_as_it_is(vx, vy, count):
    times = np.arange(count) * 0.5
    places = (times[:, None] * [vx, vy])[None]
    track = smooth(times, places, np.broadcast_to(0.01 * np.eye(2), (1, count, 2, 2)), 0.5)
    np.testing.assert_allclose(track.places, places, atol=0.02)


def test_a_track_that_is_never_seen_stays_unknown():
    track = smooth(np.arange(4) * 0.5, np.full((1, 4, 2), np.nan), np.full((1, 4, 2, 2), np.nan), 1.0)
    assert np.isfinite(track.places).all()
    assert (track.covariances[0, :, 0, 0] > 1e5).all()


def test_jitter_of_an_object_at_rest_no_longer_adds_up():
    rng = np.random.default_rng(0)
    places = rng.normal(0, 0.3, (50, 40, 2))
    times = np.arange(40) * 0.5
    track = smooth(times, places, np.broadcast_to(0.09 * np.eye(2), (50, 40, 2, 2)), 0.3)
    raw, smoothed = (np.linalg.norm(np.diff(p, axis=1), axis=-1).sum(axis=1).mean() for p in (places, track.places))
    assert raw > 18
    assert smoothed < 5
