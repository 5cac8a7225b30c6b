"""Rigid transforms as 4x4 matrices. A pose `world_from_x` maps coordinates in frame x to the world."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from st_vlm.errors import InputError


def rotation_from_quaternion(wxyz: np.ndarray) -> np.ndarray:
    """(..., 4) quaternions, scalar first, to (..., 3, 3) rotation matrices; norms need not be 1.

    Raises:
        InputError: A quaternion is zero or not finite.
    """
    wxyz = np.asarray(wxyz, dtype=np.float64)
    norms = np.linalg.norm(wxyz, axis=-1)
    if not np.isfinite(norms).all() or (norms < 1e-8).any():
        raise InputError("A rotation quaternion is zero or not finite.")
    flat = wxyz.reshape(-1, 4)
    return Rotation.from_quat(flat, scalar_first=True).as_matrix().reshape(*wxyz.shape[:-1], 3, 3)


def rotation_about_up(yaw: np.ndarray) -> np.ndarray:
    """(...) angles in radians, counter-clockwise about +z, to (..., 3, 3) rotation matrices."""
    yaw = np.asarray(yaw, dtype=np.float64)
    cos, sin, zero, one = np.cos(yaw), np.sin(yaw), np.zeros_like(yaw), np.ones_like(yaw)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def pose(rotation: np.ndarray, translation: np.ndarray) -> np.ndarray:
    """(..., 3, 3) rotations and (..., 3) translations to (..., 4, 4) poses."""
    rotation, translation = np.asarray(rotation, np.float64), np.asarray(translation, np.float64)
    result = np.zeros((*np.broadcast_shapes(rotation.shape[:-2], translation.shape[:-1]), 4, 4))
    result[..., :3, :3] = rotation
    result[..., :3, 3] = translation
    result[..., 3, 3] = 1.0
    return result


def invert(poses: np.ndarray) -> np.ndarray:
    """(..., 4, 4) rigid transforms to their inverses."""
    turned_back = np.swapaxes(poses[..., :3, :3], -1, -2)
    return pose(turned_back, -(turned_back @ poses[..., :3, 3:])[..., 0])


def transform(poses: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Apply (..., 4, 4) poses to (..., 3) points; the leading shapes broadcast."""
    return (poses[..., :3, :3] @ points[..., None])[..., 0] + poses[..., :3, 3]
