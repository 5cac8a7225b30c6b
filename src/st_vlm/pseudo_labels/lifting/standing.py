"""Whether an object may stand: one place and one heading for all that was measured of it.

A heading shows in movement, so that of a parked car is not known, and as the camera passes, the side that it sees
turns: places that are measured with a heading averaged over all that are possible wander by metres. Here each heading
is tried for all views at once, with the errors that views share (of depth, drift, shape and size), and what is left is
compared with what the same object would leave if it went straight on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from st_vlm.pseudo_labels.lifting.object_places import MeasuredPlaces

# What stands leaves about 1 for each degree of freedom where the uncertainties are right, and they are rather large.
MOST_SQUARE = 1.2
# Errors that drift look like slow movement, and not all of them are known: this is five standard deviations.
MOST_GAIN = 30.0


@dataclass(frozen=True)
class StandingFit:
    """How well one object's views fit an object that stands.

    Attributes:
        square: What is left, as the square of standard deviations for each degree of freedom: about 1 or less if it
            stands.
        gain: By how much the sum of squares falls when it may go straight on: chi-square with two degrees of freedom
            if it stands.
        place: (2,) metres, where it stands.
    """

    square: float
    gain: float
    place: np.ndarray

    @property
    def stands(self) -> bool:
        """Whether nothing speaks against it."""
        return self.square <= MOST_SQUARE and self.gain <= MOST_GAIN


def fit_standing(times_s: np.ndarray, measured: MeasuredPlaces, index: int, run: slice) -> StandingFit | None:
    """Fit one place, and one heading, to the views of an object in a run of frames; None for under three views."""
    frames = np.arange(*run.indices(len(times_s)))
    frames = frames[np.isfinite(measured.places[index, frames, 0])]
    if len(frames) < 3:
        return None
    shared = measured.shared[:, index, frames].reshape(len(measured.shared), -1)
    covariance = shared.T @ shared / len(shared)
    for k, its in enumerate(measured.own[index, frames]):
        covariance[2 * k : 2 * k + 2, 2 * k : 2 * k + 2] += its
    root = cholesky(covariance, lower=True, check_finite=False)
    places = np.moveaxis(measured.by_heading[index, frames], 2, 1).reshape(2 * len(frames), -1)
    origin = places[:2].mean(axis=1)
    away = times_s[frames] - times_s[frames].mean()
    still = np.tile(np.eye(2), (len(frames), 1))
    straight = np.concatenate([still, np.kron(away[:, None], np.eye(2))], axis=1)
    white = solve_triangular(root, places - np.tile(origin, len(frames))[:, None], lower=True, check_finite=False)
    left, solutions = [], []
    for design in (still, straight):
        its = solve_triangular(root, design, lower=True, check_finite=False)
        solution, *_ = np.linalg.lstsq(its, white, rcond=None)
        left.append(((white - its @ solution) ** 2).sum(axis=0))
        solutions.append(solution)
    best = int(left[0].argmin())
    return StandingFit(
        square=float(left[0][best] / (2 * len(frames) - 2)),
        gain=float(left[0][best] - left[1].min()),
        place=solutions[0][:, best] + origin,
    )
