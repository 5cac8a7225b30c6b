"""Boxes to smoothed tracks on the ground, in the frame of the first camera made level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.lifting import LiftedBoxes, lift_to_ground
from st_vlm.kinematics.poses import invert, transform
from st_vlm.kinematics.smoothing import SmoothTracks, smooth

# How a road user's speed may change within a second.
ACCELERATION = 1.5


@dataclass(frozen=True, eq=False)
class Sight:
    """The camera behind a clip, as far as it is known. It serves as a `projection.Lens` where `intrinsics` are known.

    Attributes:
        size: Width and height of the image in pixels.
        intrinsics: (3, 3) for these pixels, or None.
        distortion, distortion_coefficients: Of the lens.
        height_m: Above the ground, or None.
        poses: (T, 4, 4) world from camera, +z up, or None.
    """

    size: tuple[int, int]
    intrinsics: np.ndarray | None = None
    distortion: str = "none"
    distortion_coefficients: tuple[float, ...] = ()
    height_m: float | None = None
    poses: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class GroundTracks:
    """Where N objects are in T frames.

    Attributes:
        smooth: Their places and velocities, metres in the first camera's level frame: origin below it, x where it
            looks, y to its left.
        known: (N, T) bool, between the first and the last frame in which an object's place is measured; beyond them
            the smoother would only guess.
        lifted: The measurements, frame by frame.
    """

    smooth: SmoothTracks
    known: np.ndarray
    lifted: LiftedBoxes


def ground_tracks(times_s: np.ndarray, boxes: np.ndarray, sight: Sight) -> GroundTracks | None:
    """Tracks of N marked objects; None where the camera is not known, or no box meets the ground.

    Args:
        times_s: (T,) seconds, strictly increasing.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels; NaN where an object is not seen.
        sight: The camera; its intrinsics, height and poses are needed.
    """
    if sight.poses is None or sight.intrinsics is None or sight.height_m is None or not len(boxes):
        return None
    lifted = lift_to_ground(boxes, sight, levelled(sight.poses), sight.height_m)
    told = np.isfinite(lifted.places).all(axis=-1)
    if not told.any():
        return None
    known = np.logical_or.accumulate(told, axis=1) & np.logical_or.accumulate(told[:, ::-1], axis=1)[:, ::-1]
    return GroundTracks(smooth(times_s, lifted.places, lifted.covariances, ACCELERATION), known, lifted)


def levelled(poses: np.ndarray) -> np.ndarray:
    """(T, 4, 4) poses in the first camera's level frame."""
    forward = poses[0, :3, 2]
    yaw = np.arctan2(forward[1], forward[0]) if np.hypot(*forward[:2]) > 1e-6 else 0.0
    frame = np.eye(4)
    frame[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    frame[:3, 3] = poses[0, :3, 3]
    result = poses.copy()
    result[:, :3, :3] = frame[:3, :3].T @ poses[:, :3, :3]
    result[:, :3, 3] = transform(invert(frame), poses[:, :3, 3])
    return result
