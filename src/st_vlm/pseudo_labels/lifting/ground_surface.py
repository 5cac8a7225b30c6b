"""The ground as the camera's own path tells it: a vehicle's camera rides at a fixed height above the road it drives.

Around the path the road is as high as the path less that height. Beyond its ends the road goes on with the slope of
its last metres, and beside it the road is level across. A camera that stands knows the ground under itself alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Along the path heights are averaged over so many metres.
AVERAGED_M = 6.0
# Of the path's height at one moment, and of a road's slope, before it is measured.
HEIGHT_SIGMA_M, SLOPE_SIGMA = 0.05, 0.05
# The path is followed in steps of this length.
_STEP_M = 1.0


@dataclass(frozen=True, eq=False)
class GroundUnder:
    """The ground at M places.

    Attributes:
        heights: (M,) in the world, metres.
        gradients: (M, 2) of the height.
        beside: (M, 2) horizontal way from the nearest place of the path, metres: how far the ground is guessed.
    """

    heights: np.ndarray
    gradients: np.ndarray
    beside: np.ndarray


class GroundSurface:
    """The ground below and around a camera's path.

    Args:
        centres: (T, 3) of the camera in the world, +z up, metres.
        camera_height: Of the camera above the ground, metres.
    """

    def __init__(self, centres: np.ndarray, camera_height: float) -> None:
        steps = np.linalg.norm(np.diff(centres[:, :2], axis=0), axis=1)
        along = np.concatenate([[0.0], np.cumsum(steps)])
        at = np.linspace(0.0, along[-1], max(int(np.ceil(along[-1] / _STEP_M)), 1) + 1)
        self._path = np.stack([np.interp(at, along, centres[:, k]) for k in (0, 1)], axis=-1)
        low = centres[:, 2] - camera_height
        base = low.mean()
        # A weighted line around each place (Cleveland 1979), whose slope is drawn towards 0.
        apart = along[None] - at[:, None]
        weights = np.exp(-0.5 * (apart / AVERAGED_M) ** 2) / HEIGHT_SIGMA_M**2
        total, first = weights.sum(axis=1), (weights * apart).sum(axis=1)
        second = (weights * apart**2).sum(axis=1) + SLOPE_SIGMA**-2
        value, moment = (weights * (low - base)).sum(axis=1), (weights * apart * (low - base)).sum(axis=1)
        determinant = total * second - first**2
        self._heights = base + (second * value - first * moment) / determinant
        slopes = (total * moment - first * value) / determinant
        ahead = np.gradient(self._path, axis=0)
        length = np.linalg.norm(ahead, axis=1, keepdims=True)
        ahead = np.divide(ahead, length, out=np.zeros_like(ahead), where=length > 1e-3)
        self._gradients = slopes[:, None] * ahead

    def at(self, places: np.ndarray) -> GroundUnder:
        """The ground at (M, 2) places."""
        square = (places**2).sum(axis=1)[:, None] - 2 * places @ self._path.T + (self._path**2).sum(axis=1)
        nearest = square.argmin(axis=1)
        beside, gradients = places - self._path[nearest], self._gradients[nearest]
        return GroundUnder(self._heights[nearest] + (beside * gradients).sum(axis=-1), gradients, beside)
