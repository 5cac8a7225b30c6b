"""What stands still tells the errors of depth maps: a clip's scale, and the smooth error of each single frame.

A pixel of the background is seen in several frames. With the camera's poses each of its depths predicts the others,
and where they disagree the depth maps are wrong. All disagreements together are a least-squares problem in the
logarithm of depth: a smooth field for each frame (`smooth_field`), one scale for the clip, and the camera's drift;
solved by Gauss-Newton with weights that fade where two depths disagree too much to be one surface (Huber 1964).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.sparse import csr_matrix

from st_vlm.pseudo_labels.lifting.smooth_field import SmoothField

PIXEL_STEP_SHARE = 1 / 40
FARTHEST_M = 100.0
# A pixel whose inverse depth bends by this share of itself lies on an edge between two surfaces.
EDGE_BEND = 0.08
# Each iteration compares frames so many steps apart, whose logarithms of depth differ by less than a gate: more are
# two surfaces. Neighbours come first: over a long way the camera's drift moves a prediction out of the gate.
ITERATIONS = (
    (0.3, (1, 2)),
    (0.15, (1, 2, 4)),
    (0.1, (1, 2, 4, 8, 16)),
    (0.1, (1, 2, 4, 8, 16)),
)
# Of a disagreement between corrected depths of one surface; and how many comparisons of a pixel tell no more than one.
NOISE, REPEATS = 0.015, 4.0
# How much a prediction may change for a change of the depth that it comes from. A prediction from far away to near
# magnifies the error of its depth, and since errors are found a little too small, that makes the scale too small.
MOST_LEVERAGE = 1.2


@dataclass(frozen=True)
class DepthErrors:
    """How wrong depth and poses may be.

    Attributes:
        field_rms: Of each frame's own smooth error, relative.
        field_length: Its correlation length in image widths.
        scale: Standard deviation of the clip's scale error, relative.
        drift: Of the camera's place, as a share of its path.
    """

    field_rms: float = 0.05
    field_length: float = 0.25
    scale: float = 0.03
    drift: float = 0.01


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
        residual: Median absolute disagreement that is left, of the logarithm of depth: what still moves of a
            background that should stand. NaN without comparisons.
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
    count, height, width = depth.shape
    field = SmoothField((width, height), errors.field_rms, errors.field_length)
    problem = _Problem(depth, background, intrinsics, poses, field)
    unknowns = count * field.nodes + 4
    state = np.zeros(unknowns)
    prior = _prior(field, count, errors)
    lower, residuals = None, np.empty(0)
    for gate, frame_steps in ITERATIONS:
        jacobian, residuals = problem.linearise(state, gate, frame_steps)
        weights = 1 / (np.maximum(1.0, np.abs(residuals) / (2 * NOISE)) * NOISE**2 * REPEATS)
        normal = (jacobian.T @ jacobian.multiply(weights[:, None]).tocsr()).toarray() + prior
        lower = cholesky(normal, lower=True, overwrite_a=True, check_finite=False)
        state = state - cho_solve((lower, True), jacobian.T @ (weights * residuals) + prior @ state)
    noise = np.random.default_rng(seed).standard_normal((unknowns, draws))
    spread = solve_triangular(lower, noise, trans="T", lower=True, check_finite=False).T
    scale = count * field.nodes
    # The scale's own variance: the corner of the inverse.
    unit = np.zeros(unknowns)
    unit[scale] = 1.0
    variance = (solve_triangular(lower, unit, lower=True, check_finite=False) ** 2).sum()
    return DepthCorrection(
        field=field,
        log_errors=_log_errors(state, count, field),
        draws=_log_errors(state + spread, count, field),
        log_scale=float(state[scale]),
        log_scale_sigma=float(np.sqrt(variance)),
        drift=state[scale + 1 :],
        drift_draws=(state + spread)[:, scale + 1 :],
        path=problem.path,
        comparisons=len(residuals),
        residual=float(np.median(np.abs(residuals))) if len(residuals) else float("nan"),
    )


def _log_errors(states: np.ndarray, count: int, field: SmoothField) -> np.ndarray:
    """(..., unknowns) to (..., T, nodes)."""
    fields = states[..., : count * field.nodes].reshape(*states.shape[:-1], count, field.nodes)
    return fields + states[..., count * field.nodes, None, None]


def _prior(field: SmoothField, count: int, errors: DepthErrors) -> np.ndarray:
    """(unknowns, unknowns) precision of the fields, the scale and the drift's three parts."""
    scale = count * field.nodes
    result = np.zeros((scale + 4, scale + 4))
    for k in range(count):
        part = slice(k * field.nodes, (k + 1) * field.nodes)
        result[part, part] = field.precision
    tiny = 1e-6
    result[scale, scale] = max(errors.scale, tiny) ** -2
    result[range(scale + 1, scale + 4), range(scale + 1, scale + 4)] = 3 * max(errors.drift, tiny) ** -2
    return result


class _Problem:
    """The disagreements between frames and how they change with the unknowns."""

    def __init__(self, depth, background, intrinsics, poses, field: SmoothField) -> None:
        height, width = depth.shape[1:]
        known = np.isfinite(depth) & (depth > 0)
        self.inverse = np.where(known, 1 / np.where(known, depth, 1.0), 0.0)
        self.usable = background & known & (depth < FARTHEST_M) & ~_edges(self.inverse)
        self.intrinsics, self.field, self.size = intrinsics, field, (width, height)
        self.rotations, self.places = poses[:, :3, :3], poses[:, :3, 3]
        steps = np.linalg.norm(np.diff(self.places, axis=0), axis=1)
        self.path = np.concatenate([[0.0], np.cumsum(steps)])
        step = max(round(width * PIXEL_STEP_SHARE), 1)
        v, u = (axis.ravel() for axis in np.mgrid[step // 2 : height : step, step // 2 : width : step])
        self.u, self.v = u, v
        (fx, fy), (cx, cy) = np.diag(intrinsics)[:2], intrinsics[:2, 2]
        self.rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(len(u))], axis=-1)
        self.nodes, self.weights = field.weights(u, v)

    def linearise(self, state: np.ndarray, gate: float, frame_steps: tuple[int, ...]) -> tuple[csr_matrix, np.ndarray]:
        """The (M, unknowns) Jacobian and the (M,) disagreements smaller than `gate`."""
        n, count = self.field.nodes, len(self.places)
        rows, columns, values, residuals, filled = [], [], [], [], 0
        for a, b in self._pairs(frame_steps):
            found = self._compare(state, a, b, gate)
            if found is None:
                continue
            which, leverage, drifts, seen_nodes, seen_weights, its_residuals = found
            m = len(its_residuals)
            row = np.arange(filled, filled + m)
            filled += m
            residuals.append(its_residuals)
            for its_columns, its_values in (
                (a * n + self.nodes[which], -leverage[:, None] * self.weights[which]),
                (b * n + seen_nodes, -seen_weights),
                (np.full((m, 1), count * n), -(leverage + 1)[:, None]),
                (np.broadcast_to(count * n + 1 + np.arange(3), (m, 3)), drifts),
            ):
                rows.append(np.repeat(row, its_columns.shape[1]))
                columns.append(its_columns.ravel())
                values.append(its_values.ravel())
        if not filled:
            return csr_matrix((0, len(state))), np.empty(0)
        triplets = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return csr_matrix(triplets, (filled, len(state))), np.concatenate(residuals)

    def _pairs(self, frame_steps: tuple[int, ...]) -> Iterator[tuple[int, int]]:
        """Frames to compare, first the one that is farther ahead: it predicts from near to far."""
        for step in frame_steps:
            for a in range(len(self.places) - step):
                b = a + step
                ahead = (self.places[b] - self.places[a]) @ (self.rotations[a, :, 2] + self.rotations[b, :, 2])
                yield (b, a) if ahead > 0 else (a, b)

    def _compare(self, state: np.ndarray, a: int, b: int, gate: float):
        """Pixels of frame `a`, predicted in frame `b` and compared with what is measured there."""
        n, count = self.field.nodes, len(self.places)
        which = np.flatnonzero(self.usable[a, self.v, self.u])
        if not len(which):
            return None
        scale, drift = state[count * n], state[count * n + 1 :] * (self.path[b] - self.path[a])
        field_a = (state[a * n + self.nodes[which]] * self.weights[which]).sum(axis=-1)
        log_depth = -np.log(self.inverse[a, self.v[which], self.u[which]]) - field_a - scale

        def disagreement(log_depth, drift):
            x, y, z = self._seen_from(self.rays[which] * np.exp(log_depth)[:, None], a, b, drift)
            return self._log_depth_at(b, x, y) - np.log(z), x, y

        raw, x, y = disagreement(log_depth, drift)
        # The surface's slope matters as much as the depth: both are in the difference quotient.
        small = 0.01
        leverage = (disagreement(log_depth + small, drift)[0] - raw) / small
        nodes, weights = self.field.weights(np.nan_to_num(x), np.nan_to_num(y))
        residuals = raw - (state[b * n + nodes] * weights).sum(axis=-1) - scale
        good = np.isfinite(residuals) & (np.abs(residuals) < gate) & (np.abs(leverage) < MOST_LEVERAGE)
        if not good.any():
            return None
        drifts = np.zeros((good.sum(), 3))
        length = self.path[b] - self.path[a]
        if length:
            step = 0.05
            for axis in range(3):
                moved = disagreement(log_depth, drift + step * np.eye(3)[axis])[0]
                drifts[:, axis] = np.nan_to_num((moved - raw)[good] / step * length)
        return which[good], leverage[good], drifts, nodes[good], weights[good], residuals[good]

    def _seen_from(self, points: np.ndarray, a: int, b: int, drift: np.ndarray):
        """(P, 3) points in camera `a` as pixels and depth in camera `b`; NaN where they are not in its image."""
        world = points @ self.rotations[a].T + (self.places[a] - self.places[b] + drift)
        local = world @ self.rotations[b]
        z = np.where(local[:, 2] > 0.5, local[:, 2], np.nan)
        x = local[:, 0] / z * self.intrinsics[0, 0] + self.intrinsics[0, 2]
        y = local[:, 1] / z * self.intrinsics[1, 1] + self.intrinsics[1, 2]
        with np.errstate(invalid="ignore"):
            inside = (x >= 0) & (x <= self.size[0] - 1) & (y >= 0) & (y <= self.size[1] - 1)
        return np.where(inside, x, np.nan), np.where(inside, y, np.nan), z

    def _log_depth_at(self, frame: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """(P,) logarithm of the measured depth; NaN where there is none to trust.

        The inverse of depth is interpolated, since it is linear over the image of a plane.
        """
        u, v = np.nan_to_num(x), np.nan_to_num(y)
        i, j = np.minimum(u.astype(int), self.size[0] - 2), np.minimum(v.astype(int), self.size[1] - 2)
        p, q = u - i, v - j
        image = self.inverse[frame]
        upper = image[j, i] * (1 - p) + image[j, i + 1] * p
        lower = image[j + 1, i] * (1 - p) + image[j + 1, i + 1] * p
        value = upper * (1 - q) + lower * q
        usable = self.usable[frame, np.round(v).astype(int), np.round(u).astype(int)] & np.isfinite(x) & (value > 0)
        return -np.log(np.where(usable, value, np.nan))


def _edges(inverse: np.ndarray) -> np.ndarray:
    """(T, H, W) bool: pixels where one surface ends and another begins."""
    across = np.abs(np.diff(inverse, 2, axis=2, prepend=inverse[:, :, :1], append=inverse[:, :, -1:]))
    down = np.abs(np.diff(inverse, 2, axis=1, prepend=inverse[:, :1], append=inverse[:, -1:]))
    return np.maximum(across, down) > EDGE_BEND * np.maximum(inverse, 1e-4)
