"""From depth, a lens and a camera's way in a world of any orientation to a clip's geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.geometry.gravity import find_ground, upright
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors

# How wrong a scale is that comes from a camera's stated height: the ground is not quite flat, nor its depth exact.
SCALE_FROM_HEIGHT = 0.05
# And of depth against a way that was found by it.
OWN_SCALE = 0.01


def finished(
    clip: Clip,
    intrinsics: np.ndarray,
    poses: np.ndarray,
    depth: np.ndarray,
    moving: np.ndarray,
    errors: DepthErrors,
    backend: str,
    licence: str,
) -> ClipGeometry:
    """A clip's geometry: its world is turned upright by the ground, and a stated camera height gives the scale.

    Args:
        clip: With what is known beforehand.
        intrinsics: (3, 3) pinhole matrix in pixels of the clip's `size`.
        poses: (T, 4, 4) world from camera.
        depth: (T, h, w) metres along the camera's z axis, inf for the sky, NaN where it is not known.
        moving: (T, h, w) bool, what may move.
        errors: What the backend is to be trusted with.
        backend, licence: As in `ClipGeometry`.
    """
    made = ClipGeometry(
        intrinsics, clip.size, poses, depth.astype(np.float32), None, errors, backend, licence
    )  # fmt: skip
    ground = find_ground(depth, made.depth_intrinsics, poses, moving)
    height, stated = ground.height, clip.camera_height
    if stated is not None and height is not None:
        factor = stated / height
        poses = poses.copy()
        poses[:, :3, 3] *= factor
        errors = scale_errors(errors, min(errors.common or errors.scale, SCALE_FROM_HEIGHT))
        made = replace(made, depth=(depth * factor).astype(np.float32), errors=errors)
    return replace(made, poses=upright(poses, ground.up), camera_height=height if stated is None else stated)


def scale_errors(errors: DepthErrors, scale: float) -> DepthErrors:
    """Errors of geometry whose depth and way have one scale in common, wrong by `scale` (one standard deviation).

    Against the way itself the depth is hardly wrong: one was found by the other.
    """
    return replace(errors, common=scale, scale=OWN_SCALE, drift=OWN_SCALE)
