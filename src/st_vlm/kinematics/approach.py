"""How near two objects come to each other."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.resampling import interpolate


@dataclass(frozen=True)
class Approach:
    """The closest approach of two objects.

    Attributes:
        metres: The least horizontal distance between their centres.
        second: When.
        first_m, last_m: Their distance at the first and the last common time.
        first_s, last_s: These times.
    """

    metres: float
    second: float
    first_m: float
    last_m: float
    first_s: float
    last_s: float


def closest_approach(
    times_a: np.ndarray, points_a: np.ndarray, times_b: np.ndarray, points_b: np.ndarray
) -> Approach | None:
    """The closest approach over the common time, or None where there is none; of equal distances the first.

    Both move straight between their grid times, so the least distance is found exactly and not only on the grid: two
    cars that pass each other change their distance by ten metres in half a second.

    Args:
        times_a, times_b: (G,) and (H,) seconds.
        points_a, points_b: (G, 2) and (H, 2) positions in the ground plane, metres.
    """
    start, end = max(times_a[0], times_b[0]), min(times_a[-1], times_b[-1])
    if start >= end:
        return None
    times = np.unique(np.concatenate([[start, end], times_a, times_b]))
    times = times[(times >= start) & (times <= end)]
    apart = interpolate(times_b, points_b, times) - interpolate(times_a, points_a, times)
    steps = np.diff(apart, axis=0)
    lengths = np.einsum("ij,ij->i", steps, steps)
    # The foot of the perpendicular from the origin on each step, held to the step.
    feet = -np.einsum("ij,ij->i", apart[:-1], steps) / np.where(lengths > 0, lengths, 1.0)
    shares = np.clip(feet, 0.0, 1.0)
    gaps = np.linalg.norm(apart[:-1] + shares[:, None] * steps, axis=-1)
    k = int(gaps.argmin())
    second = float(times[k] + shares[k] * (times[k + 1] - times[k]))
    ends = (math.hypot(*apart[0]), math.hypot(*apart[-1]))
    return Approach(float(gaps[k]), second, *ends, float(start), float(end))
