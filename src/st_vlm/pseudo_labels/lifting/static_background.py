"""What stands still tells the errors of depth maps: a clip's scale, and the smooth error of each single frame.

A pixel of the background is seen in several frames. With the camera's poses each of its depths predicts the others,
and where they disagree the depth maps are wrong. All disagreements together are a least-squares problem in the
logarithm of depth: a smooth field for each frame (`smooth_field`), one scale for the clip, and the camera's drift;
solved by Gauss-Newton with weights that fade where two depths disagree too much to be one surface (Huber 1964).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from st_vlm.pseudo_labels.lifting.frame_comparisons import SHARED, FrameComparisons
from st_vlm.pseudo_labels.lifting.smooth_field import SmoothField

# Each iteration compares frames so many steps apart, whose logarithms of depth differ by less than a gate: more are
# two surfaces. A large error of the scale comes out slowly, since pairs of two surfaces that happen to agree hold on
# to what is there: many iterations over few frame steps get farther than few over many.
FRAME_STEPS = (1, 4, 12)
GATES = (0.3, 0.3, 0.2, 0.2, 0.1, 0.1, 0.1)
# Of a disagreement between corrected depths of one surface; and how many comparisons of a pixel tell no more than one.
NOISE, REPEATS = 0.015, 6.0
# What a scale that is found from parallax is off by beside that: noise in the depths themselves, of which the
# linearised problem knows nothing (measured on simulated scenes).
PARALLAX_SIGMA = 0.01


@dataclass(frozen=True)
class DepthErrors:
    """How wrong depth and poses may be.

    Attributes:
        field_rms: Of each frame's own smooth error, relative.
        field_length: Its correlation length in image widths.
        scale: Standard deviation of the clip's scale error, relative.
        drift: Of the camera's place, as a share of its path.
        common: Standard deviation of a scale error that depth and the camera's way have in common, relative: where the
            way was found by the depth, nothing that stands still can tell it.
    """

    field_rms: float = 0.05
    field_length: float = 0.25
    scale: float = 0.03
    drift: float = 0.01
    common: float = 0.0


@dataclass(frozen=True, eq=False)
class DepthCorrection:
    """What the background says of a clip's depth, and how sure that is.

    Attributes:
        field: The grid that the errors are given on.
        log_errors: (T, nodes) what to take from the logarithm of each frame's depth, the scale included.
        draws: (S, T, nodes) equally likely other values of `log_errors`, given the background: their spread is the
            uncertainty of the corrected depth, with what frames and places have in common.
        log_scale, log_scale_sigma: The scale alone.
        drift: (3,) of the camera's stated place, metres for each metre of its path.
        drift_draws: (S, 3) of the drift, together with `draws`.
        path: (T,) metres of the camera's path up to each frame.
        comparisons: How many pairs of pixels were compared.
        residual: Median absolute disagreement that is left of those that are small enough to be one surface, of the
            logarithm of depth. NaN without comparisons.
        frame_residuals: (T,) the same for each frame and its neighbours, however large they are: what still moves of a
            background that should stand. About `residual` where all is well; large, or NaN for want of anything that
            both show, for a frame whose pose jumps or whose depth is of another scene.
    """

    field: SmoothField
    log_errors: np.ndarray
    draws: np.ndarray
    log_scale: float
    log_scale_sigma: float
    drift: np.ndarray
    drift_draws: np.ndarray
    path: np.ndarray
    comparisons: int
    residual: float
    frame_residuals: np.ndarray

    @property
    def worst_residual(self) -> float:
        """The largest of `frame_residuals`; NaN without any. The clip's quality: above 0.1 a pose or a depth map is
        wrong, since what stands does not."""
        known = self.frame_residuals[np.isfinite(self.frame_residuals)]
        return float(known.max()) if len(known) else float("nan")

    def poses(self, poses: np.ndarray) -> np.ndarray:
        """(T, 4, 4) world from camera without the drift."""
        result = poses.copy()
        result[:, :3, 3] -= self.path[:, None] * self.drift
        return result

    def errors_at(self, pixels: np.ndarray) -> np.ndarray:
        """(1 + S, N, T) what to take from the logarithm of depth at (N, T, 2) pixels; NaN where a pixel is NaN.

        The best comes first, then the draws.
        """
        values = np.concatenate([self.log_errors[None], self.draws])
        result = np.full((len(values), *pixels.shape[:2]), np.nan)
        n, t = np.nonzero(np.isfinite(pixels).all(axis=-1))
        nodes, weights = self.field.weights(*pixels[n, t].T)
        result[:, n, t] = (values[:, t[:, None], nodes] * weights).sum(axis=-1)
        return result


def correct_depth(
    depth: np.ndarray,
    background: np.ndarray,
    intrinsics: np.ndarray,
    poses: np.ndarray,
    errors: DepthErrors,
    draws: int = 32,
    seed: int = 0,
) -> DepthCorrection:
    """Find the errors of T depth maps from the pixels that show what stands still.

    Args:
        depth: (T, H, W) metres along the camera's z axis; not finite where it is not known.
        background: (T, H, W) bool, whether a pixel shows something that may be taken to stand still.
        intrinsics: (3, 3) pinhole matrix in pixels of the depth maps.
        poses: (T, 4, 4) world from camera.
        errors: What to expect.
        draws: How many equally likely corrections to draw.
        seed: Of the draws.
    """
    height, width = depth.shape[1:]
    field = SmoothField((width, height), errors.field_rms, errors.field_length)
    # The drift's standard deviation is spread over three directions.
    sigma = np.array([errors.scale, *[errors.drift / np.sqrt(3)] * 3])
    frames = FrameComparisons(depth, background, intrinsics, poses, field, np.maximum(sigma, 1e-6))
    state = np.zeros(frames.unknowns)
    prior = np.arange(frames.unknowns)
    for gate in GATES:
        normal = frames.normal_equations(state, gate, FRAME_STEPS, NOISE, REPEATS)
        normal.matrix[prior, prior] += 1.0
        lower = cholesky(normal.matrix, lower=True, overwrite_a=True, check_finite=False)
        state = state - cho_solve((lower, True), normal.gradient + state)
    noise = _standardised(np.random.default_rng(seed), (frames.unknowns, draws))
    spread = solve_triangular(lower, noise, trans="T", lower=True, check_finite=False).T
    # The scale's own variance: a corner of the inverse.
    unit = np.zeros(frames.unknowns)
    unit[-SHARED] = sigma[0]
    variance = (solve_triangular(lower, unit, lower=True, check_finite=False) ** 2).sum()
    # As much of it as parallax has told: nothing for a camera that stands.
    told = 1 - min(variance / max(sigma[0], 1e-6) ** 2, 1.0)
    rng = np.random.default_rng([seed, 1])
    spread[:, -SHARED] += PARALLAX_SIGMA * np.sqrt(told) / max(sigma[0], 1e-6) * _standardised(rng, (1, draws))[0]
    variance += told * PARALLAX_SIGMA**2
    log_errors, log_scale, drift = _values(frames, field, state)
    drawn, _, drift_draws = _values(frames, field, state + spread)
    residuals = normal.residuals
    return DepthCorrection(
        field=field,
        log_errors=log_errors,
        draws=drawn,
        log_scale=float(log_scale),
        log_scale_sigma=float(np.sqrt(variance)),
        drift=drift,
        drift_draws=drift_draws,
        path=frames.path,
        comparisons=len(residuals),
        residual=float(np.median(np.abs(residuals))) if len(residuals) else float("nan"),
        frame_residuals=frames.frame_residuals(state),
    )


def _values(frames: FrameComparisons, field: SmoothField, states: np.ndarray):
    """Of (..., unknowns): (..., T, nodes) logarithms of the errors of depth, (...) scale, (..., 3) drift."""
    weights, scale, drift = frames.parts(states)
    return weights @ field.modes.T + scale[..., None, None], scale, drift


def _standardised(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Standard normal numbers, each row with the mean and spread that it should have.

    The draws are few, and what a whole clip shares is one row.
    """
    noise = rng.standard_normal(shape)
    if shape[1] < 3:
        return noise
    noise -= noise.mean(axis=1, keepdims=True)
    return noise / noise.std(axis=1, keepdims=True)
