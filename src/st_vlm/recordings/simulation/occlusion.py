"""How much of an object other things hide, by lines of sight to points inside its box."""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.recordings.simulation.scene import Scene

_EVERY_S = 0.2
_SAMPLES = np.array([[x, y, z] for x in (-0.3, 0.3) for y in (-0.3, 0.3) for z in (-0.35, 0.0, 0.35)])


def blocked(eyes: np.ndarray, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Whether the segment from an eye to a point meets an upright cuboid; all arguments (..., 3) in its own axes."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverse = 1.0 / (points - eyes)
        first, second = (low - eyes) * inverse, (high - eyes) * inverse
        enter = np.minimum(first, second).max(axis=-1)
        leave = np.maximum(first, second).min(axis=-1)
    return (enter < leave) & (leave > 0.0) & (enter < 1.0)


def visible_shares(scene: Scene, times_s: np.ndarray) -> np.ndarray:
    """(T,) seconds to (objects, T) visible shares from 0 to 1.

    Scenery and the parts of other objects hide an object; the edge of the image does not (that is truncation).
    Lines of sight are followed every 0.2 s and shares interpolated between.
    """
    coarse = np.arange(0.0, scene.duration_s + _EVERY_S / 2, _EVERY_S)
    eyes = scene.view.poses_at(coarse)[:, :3, 3].astype(np.float32)
    boxes = [scene.boxes_at(index, coarse) for index in range(len(scene.objects))]
    scenery = scene.scenery
    low, high = (scenery.centres - scenery.halves), (scenery.centres + scenery.halves)
    shares = np.empty((len(boxes), len(times_s)))
    for index, (centres, yaws) in enumerate(boxes):
        offsets = (_SAMPLES * scene.objects[index].size) @ np.swapaxes(rotation_about_up(yaws), 1, 2)
        points = (centres[:, None] + offsets).astype(np.float32)
        hidden = _behind_scenery(eyes, points, low.astype(np.float32), high.astype(np.float32))
        for other, (other_centres, other_yaws) in enumerate(boxes):
            if other == index:
                continue
            back = rotation_about_up(other_yaws)
            own_eyes = ((eyes - other_centres)[:, None] @ back)[:, 0]
            own_points = (points - other_centres[:, None]) @ back
            # Only where the other's box is in the way need its parts be looked at: much of a box is air.
            half = scene.objects[other].size / 2
            rows, columns = np.nonzero(blocked(own_eyes[:, None], own_points, -half, half) & ~hidden)
            parts = scene.objects[other].parts
            meets = blocked(own_eyes[rows, None], own_points[rows, columns, None], parts.low, parts.high)
            hidden[rows, columns] = meets.any(axis=-1)
        shares[index] = np.interp(times_s, coarse, 1.0 - hidden.mean(axis=1))
    return shares


def _behind_scenery(eyes: np.ndarray, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """(T, 3) eyes and (T, P, 3) points to (T, P) bool: whether any of the (M, 3) blocks is between."""
    ends = np.concatenate([points.reshape(-1, 3), eyes])
    # Only blocks that reach into the rectangle around all lines of sight can hide anything.
    near = ((low < ends.max(axis=0)) & (high > ends.min(axis=0))).all(axis=1)
    hidden = np.zeros(points.shape[:2], bool)
    for one_low, one_high in zip(low[near], high[near], strict=True):
        hidden |= blocked(eyes[:, None], points, one_low, one_high)
    return hidden
