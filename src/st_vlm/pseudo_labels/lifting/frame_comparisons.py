"""Depth maps compared with each other: what the background of one frame predicts of another, and how that changes.

A pixel of the background at its measured depth is a point of the world, and the point has a pixel and a depth in any
other frame too. The disagreement with what is measured there is a residual of `static_background`'s least-squares
problem. All pixels of all pairs of frames that are equally far apart are compared at once, and of the Jacobian only
the products that the normal equations need are ever built.

The unknowns are the weights of each frame's modes (`SmoothField.modes`), the clip's scale and the three parts of the
camera's drift, each in units of its own prior standard deviation: the prior's precision is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from st_vlm.pseudo_labels.lifting.smooth_field import SmoothField

PIXEL_STEP_SHARE = 1 / 20
NEAREST_M, FARTHEST_M = 0.5, 100.0
# A pixel whose inverse depth bends by this share of itself lies on an edge between two surfaces.
EDGE_BEND = 0.08
# How much a prediction may change for a change of the depth that it comes from: from far away to near it magnifies.
MOST_LEVERAGE = 3.0
# The scale, and the three parts of the drift.
SHARED = 4


@dataclass(frozen=True, eq=False)
class Disagreements:
    """P pairs of frames, M pixels each.

    Attributes:
        first, second: (P,) the frames that predict, and those that are predicted.
        residuals: (P, M) logarithm of measured over predicted depth; NaN where the two cannot be compared.
        leverage: (P, M) how it changes with the logarithm of the first depth.
        shared: (P, M, 4) how it changes with the scale and the drift.
        modes: (P, M, R) of the second frame at the predicted pixels.
    """

    first: np.ndarray
    second: np.ndarray
    residuals: np.ndarray
    leverage: np.ndarray
    shared: np.ndarray
    modes: np.ndarray


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """What one iteration of Gauss-Newton needs of the disagreements.

    Attributes:
        matrix: (U, U) J^T W J; only the lower triangle is filled.
        gradient: (U,) J^T W r.
        residuals: (K,) all the disagreements that are used.
    """

    matrix: np.ndarray
    gradient: np.ndarray
    residuals: np.ndarray


class FrameComparisons:
    """The frames of one clip, ready to be compared.

    Attributes:
        path: (T,) metres of the camera's path up to each frame.
        unknowns: How many there are.
    """

    def __init__(
        self,
        depth: np.ndarray,
        background: np.ndarray,
        intrinsics: np.ndarray,
        poses: np.ndarray,
        field: SmoothField,
        shared_sigma: np.ndarray,
    ) -> None:
        """Arguments as of `correct_depth`; `shared_sigma` (4,) are the priors of scale and drift."""
        count, height, width = depth.shape
        # Single precision is good to a millionth of the depth, and half as much memory to look things up in.
        self._inverse = np.zeros(depth.shape, np.float32)
        np.divide(1, depth, out=self._inverse, where=np.isfinite(depth) & (depth > 0), casting="same_kind")
        self._usable = background & (self._inverse > 1 / FARTHEST_M) & ~_edges(self._inverse)
        self._intrinsics, self._size = intrinsics, (width, height)
        self._rotations, self._places = poses[:, :3, :3], poses[:, :3, 3]
        self.path = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(self._places, axis=0), axis=1))])
        step = max(round(width * PIXEL_STEP_SHARE), 1)
        v, u = (axis.ravel() for axis in np.mgrid[step // 2 : height : step, step // 2 : width : step])
        (fx, fy), (cx, cy) = np.diag(intrinsics)[:2], intrinsics[:2, 2]
        self._rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(len(u))])
        inverse = np.where(self._usable[:, v, u], self._inverse[:, v, u], np.nan)
        self._log_depth = -np.log(inverse.astype(float))
        self._field, self._shared_sigma = field, shared_sigma
        self._modes_of_nodes = field.modes.astype(np.float32)
        self._modes = field.at(field.modes.T, u, v).T.astype(np.float32)
        self._products = (self._modes[:, :, None] * self._modes[:, None, :]).reshape(len(u), -1)
        self.unknowns = count * field.modes.shape[1] + SHARED

    def parts(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(..., unknowns) to (..., T, R) weights of the modes, (...) scale and (..., 3) drift in their own units."""
        modes, shared = states[..., :-SHARED], states[..., -SHARED:] * self._shared_sigma
        fields = modes.reshape(*states.shape[:-1], len(self.path), -1)
        return fields, shared[..., 0], shared[..., 1:]

    def compare(self, state: np.ndarray, frame_step: int) -> Disagreements:
        """All frames with those `frame_step` apart, without the errors that `state` stands for."""
        first, second = self._pairs(frame_step)
        fields, scale, drift = self.parts(state)
        turned, length = self._rotations[second], (self.path[second] - self.path[first])[:, None]
        far = np.exp(self._log_depth[first] - (fields @ self._modes.T)[first] - scale)
        # In the second camera's directions: the way from the first camera to the point, and from the second.
        ray = (np.swapaxes(turned, 1, 2) @ self._rotations[first] @ self._rays) * far[:, None]
        between = self._places[first] - self._places[second] + length * drift
        x, y, z = np.moveaxis(ray + np.swapaxes(turned, 1, 2) @ between[..., None], 1, 0)
        (fx, fy), (cx, cy) = np.diag(self._intrinsics)[:2], self._intrinsics[:2, 2]
        with np.errstate(invalid="ignore", divide="ignore"):
            u, v = x / z * fx + cx, y / z * fy + cy
            inside = (z > NEAREST_M) & (u >= 0) & (u <= self._size[0] - 1) & (v >= 0) & (v <= self._size[1] - 1)
        u, v, z = np.where(inside, u, 0.0), np.where(inside, v, 0.0), np.where(inside, z, 1.0)
        inverse, across, down = self._look_up(second, u, v, inside)
        modes = self._modes_at(u, v)
        there = (modes @ fields[second].astype(np.float32)[..., None])[..., 0]
        residuals = -np.log(inverse) - np.log(z) - there - scale
        # How the residual changes as the point moves by a metre along each axis of the second camera.
        slope_x, slope_y = -across / inverse * (fx / z), -down / inverse * (fy / z)
        slope = np.stack([slope_x, slope_y, -(slope_x * x + slope_y * y + 1) / z], axis=1)
        leverage = (slope * ray).sum(axis=1)
        moved = length[..., None] * np.swapaxes(turned @ slope, 1, 2)
        shared = np.concatenate([-(leverage + 1)[..., None], moved], axis=-1) * self._shared_sigma
        with np.errstate(invalid="ignore"):
            residuals = np.where(np.abs(leverage) < MOST_LEVERAGE, residuals, np.nan)
        return Disagreements(first, second, residuals, leverage, shared, modes)

    def normal_equations(
        self, state: np.ndarray, gate: float, frame_steps: Sequence[int], noise: float, repeats: float
    ) -> NormalEquations:
        """Of all disagreements smaller than `gate`, weighted as Huber's function does from twice the `noise` on."""
        rank, count = self._modes.shape[1], len(self.path)
        matrix, gradient = np.zeros((self.unknowns, self.unknowns)), np.zeros(self.unknowns)
        own, used = np.zeros(self._log_depth.shape, np.float32), []
        blocks = [slice(k * rank, (k + 1) * rank) for k in range(count)]
        end = slice(count * rank, None)
        for frame_step in frame_steps:
            if frame_step >= count:
                continue
            found = self.compare(state, frame_step)
            with np.errstate(invalid="ignore"):
                good = np.abs(found.residuals) < gate
            used.append(found.residuals[good])
            residuals, leverage = np.where(good, found.residuals, 0.0), np.where(good, found.leverage, 0.0)
            weights = good / (np.maximum(1.0, np.abs(residuals) / (2 * noise)) * noise**2 * repeats)
            shared = np.where(good[..., None], found.shared, 0.0)
            columns = np.concatenate([found.modes, -shared, -residuals[..., None]], axis=-1, dtype=np.float32)
            columns *= weights[..., None]
            there = np.swapaxes(found.modes, 1, 2) @ columns
            columns *= leverage[..., None]
            here = self._modes.T @ columns
            squares, half = weights * leverage**2, len(found.first) // 2
            # No frame predicts twice one way.
            own[found.first[:half]] += squares[:half]
            own[found.first[half:]] += squares[half:]
            for a, b, at_a, at_b in zip(found.first, found.second, here, there, strict=True):
                matrix[blocks[b], blocks[b]] += at_b[:, :rank]
                low, cross = (a, at_a[:, :rank]) if a > b else (b, at_a[:, :rank].T)
                matrix[blocks[low], blocks[a + b - low]] += cross
                for k, its in ((a, at_a), (b, at_b)):
                    matrix[end, blocks[k]] += its[:, rank:-1].T
                    gradient[blocks[k]] += its[:, -1]
            weighted = shared * weights[..., None]
            matrix[end, end] += np.tensordot(shared, weighted, axes=((0, 1), (0, 1)))
            gradient[end] += np.tensordot(residuals, weighted, axes=((0, 1), (0, 1)))
        for block, its in zip(blocks, (own @ self._products).reshape(count, rank, rank), strict=True):
            matrix[block, block] += its
        return NormalEquations(matrix, gradient, np.concatenate(used) if used else np.empty(0))

    def frame_residuals(self, state: np.ndarray) -> np.ndarray:
        """(T,) median absolute disagreement of each frame with its neighbours, however large; NaN without any."""
        result = np.full(len(self.path), np.nan)
        if len(self.path) < 2:
            return result
        found = self.compare(state, 1)
        for k in range(len(result)):
            its = np.abs(found.residuals[(found.first == k) | (found.second == k)])
            known = its[np.isfinite(its)]
            if len(known):
                result[k] = np.median(known)
        return result

    def _pairs(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(P,) frames that predict, and (P,) that are predicted: both ways.

        What a disagreement says of the scale depends on depths that are noisy themselves, and where noise makes the
        parallax look large it says more. That makes the scale of predictions from near to far too large, and from far
        to near too small: over both ways it cancels.
        """
        early = np.arange(len(self.path) - step)
        late = early + step
        return np.concatenate([early, late]), np.concatenate([late, early])

    def _modes_at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(P, M, R) modes at (P, M) pixels."""
        nodes, weights = self._field.weights(u.ravel(), v.ravel())
        starts = np.arange(len(nodes) + 1) * nodes.shape[1]
        stretch = csr_array(
            (weights.astype(np.float32).ravel(), nodes.ravel(), starts), (len(nodes), self._field.nodes)
        )
        return (stretch @ self._modes_of_nodes).reshape(*u.shape, -1)

    def _look_up(self, frames: np.ndarray, u: np.ndarray, v: np.ndarray, wanted: np.ndarray):
        """(P, M) inverse depth at pixels of P frames, NaN where there is none to trust; its slopes across and down.

        The inverse of depth is interpolated, since it is linear over the image of a plane.
        """
        width, height = self._size
        i, j = np.minimum(u.astype(int), width - 2), np.minimum(v.astype(int), height - 2)
        p, q = u - i, v - j
        at = (frames[:, None] * height + j) * width + i
        flat = self._inverse.ravel()
        a, b, c, d = (flat[at + more] for more in (0, 1, width, width + 1))
        value = (a * (1 - p) + b * p) * (1 - q) + (c * (1 - p) + d * p) * q
        nearest = at + (p > 0.5) + (q > 0.5) * width
        good = wanted & self._usable.ravel()[nearest] & (value > 0)
        return np.where(good, value, np.nan), (b - a) * (1 - q) + (d - c) * q, (c - a) * (1 - p) + (d - b) * p


def _edges(inverse: np.ndarray) -> np.ndarray:
    """(T, H, W) bool: pixels where one surface ends and another begins."""
    limit = EDGE_BEND * np.maximum(inverse, np.float32(1e-4))
    found = np.zeros(inverse.shape, bool)
    for axis in (1, 2):
        before, middle, after = (
            tuple(part if k == axis else slice(None) for k in range(3))
            for part in (slice(None, -2), slice(1, -1), slice(2, None))
        )
        found[middle] |= np.abs(inverse[before] + inverse[after] - 2 * inverse[middle]) > limit[middle]
    return found
