"""Smoothing of noisy places over time: a Kalman filter forwards, then the smoother of Rauch, Tung and Striebel (1965).

The motion model is nearly constant velocity: acceleration is white noise (Bar-Shalom, Li and Kirubarajan 2001,
section 6.2.2). Several objects that are seen at the same times are smoothed at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# What is thought of a track before it is seen: it may be anywhere, and go as fast as traffic does.
_PRIOR_PLACE_M = 1e3
_PRIOR_SPEED_M_S = 20.0


@dataclass(frozen=True, eq=False)
class SmoothTracks:
    """Places and velocities in the plane, given all measurements.

    Attributes:
        places: (N, T, 2) metres.
        velocities: (N, T, 2) metres a second.
        covariances: (N, T, 4, 4) of place and velocity (x, y, v_x, v_y).
    """

    places: np.ndarray
    velocities: np.ndarray
    covariances: np.ndarray


def smooth(times_s: np.ndarray, places: np.ndarray, covariances: np.ndarray, acceleration: float) -> SmoothTracks:
    """Smooth N tracks measured at the same T times.

    Args:
        times_s: (T,) seconds, strictly increasing.
        places: (N, T, 2) metres; NaN where a track is not seen.
        covariances: (N, T, 2, 2) square metres, of each measurement; not read where its place is NaN.
        acceleration: Square root of the acceleration's power spectral density, in m/s^2 per sqrt(Hz): the speed
            changes by about this much in one second.

    Returns:
        A state at every time. A track that is never seen stays at 0 with the prior's covariance.
    """
    n, count = places.shape[:2]
    seen = np.isfinite(places).all(axis=-1)
    # Measured from each track's first place, so that the prior need not reach over whole towns.
    origin = np.where(seen.any(axis=1)[:, None], places[np.arange(n), seen.argmax(axis=1)], 0.0)
    mean = np.zeros((n, 4))
    spread = np.broadcast_to(np.diag([_PRIOR_PLACE_M**2] * 2 + [_PRIOR_SPEED_M_S**2] * 2), (n, 4, 4)).copy()
    filtered = np.empty((n, count, 4)), np.empty((n, count, 4, 4))
    predicted = np.empty((n, count, 4)), np.empty((n, count, 4, 4))
    steps = [_transition(dt, acceleration) for dt in np.diff(times_s, prepend=times_s[0])]
    for k, (move, noise) in enumerate(steps):
        if k:
            mean, spread = mean @ move.T, move @ spread @ move.T + noise
        predicted[0][:, k], predicted[1][:, k] = mean, spread
        where = np.flatnonzero(seen[:, k])
        if len(where):
            innovation = places[where, k] - origin[where] - mean[where, :2]
            gain = spread[where][:, :, :2] @ np.linalg.inv(spread[where][:, :2, :2] + covariances[where, k])
            mean, spread = mean.copy(), spread.copy()
            mean[where] += (gain @ innovation[..., None])[..., 0]
            kept = np.eye(4) - np.concatenate([gain, np.zeros_like(gain)], axis=-1)
            # Joseph's form stays symmetric and positive.
            spread[where] = kept @ spread[where] @ _t(kept) + gain @ covariances[where, k] @ _t(gain)
        filtered[0][:, k], filtered[1][:, k] = mean, spread
    means, spreads = filtered[0].copy(), filtered[1].copy()
    for k in range(count - 2, -1, -1):
        gain = filtered[1][:, k] @ steps[k + 1][0].T @ np.linalg.inv(predicted[1][:, k + 1])
        means[:, k] += (gain @ (means[:, k + 1] - predicted[0][:, k + 1])[..., None])[..., 0]
        spreads[:, k] += gain @ (spreads[:, k + 1] - predicted[1][:, k + 1]) @ _t(gain)
    return SmoothTracks(means[..., :2] + origin[:, None], means[..., 2:], spreads)


def _transition(dt: float, acceleration: float) -> tuple[np.ndarray, np.ndarray]:
    """State transition and its noise over `dt` seconds."""
    move = np.eye(4)
    move[:2, 2:] = dt * np.eye(2)
    noise = np.kron([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]], np.eye(2)) * acceleration**2
    return move, noise


def _t(matrices: np.ndarray) -> np.ndarray:
    return np.swapaxes(matrices, -1, -2)
