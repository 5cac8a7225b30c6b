"""KITTI's conventions for poses and boxes, as pure functions on arrays.

Frames: `imu` has x ahead, y left, z up; `cam` is the rectified camera 0, with x right, y down, z ahead.
"""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.poses import invert, pose, rotation_about_up

EARTH_RADIUS_M = 6_378_137.0
# Turns x right, y down, z ahead into x ahead, y left, z up.
UPRIGHT = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


def imu_poses(place: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(F, 4, 4) world from imu of GPS and inertial measurements.

    The world has x east, y north, z up and its origin at the first place. Places are projected by Mercator, with the
    scale that is true at the first latitude, as KITTI's raw data development kit does.

    Args:
        place: (F, 3) latitude and longitude in degrees, altitude in metres.
        angles: (F, 3) roll (left side up), pitch (front down) and yaw (counter-clockwise from east) in radians.
    """
    latitude, longitude = np.radians(place[:, 0]), np.radians(place[:, 1])
    radius = EARTH_RADIUS_M * np.cos(latitude[0])
    east = radius * (longitude - longitude[0])
    north = radius * (np.arcsinh(np.tan(latitude)) - np.arcsinh(np.tan(latitude[0])))
    translation = np.stack([east, north, place[:, 2] - place[0, 2]], axis=-1)
    return pose(_from_roll_pitch_yaw(angles), translation)


def _from_roll_pitch_yaw(angles: np.ndarray) -> np.ndarray:
    roll, pitch, yaw = np.moveaxis(angles, -1, 0)
    zero, one = np.zeros_like(roll), np.ones_like(roll)
    about_x = _matrix([one, zero, zero, zero, np.cos(roll), -np.sin(roll), zero, np.sin(roll), np.cos(roll)])
    about_y = _matrix([np.cos(pitch), zero, np.sin(pitch), zero, one, zero, -np.sin(pitch), zero, np.cos(pitch)])
    return rotation_about_up(yaw) @ about_y @ about_x


def upright_poses(cam_poses: np.ndarray) -> np.ndarray:
    """(F, 4, 4) poses of camera 0 in a world that is a camera's frame, brought to a world whose z axis is up.

    Which way is up is not measured here: it is where the top of the first image points, so a camera that is pitched
    by a degree tilts the world by a degree. The pose slack covers that.
    """
    return pose(UPRIGHT, np.zeros(3)) @ cam_poses


def box_rotations(rotation_y: np.ndarray) -> np.ndarray:
    """(N, 3, 3) cam from box of angles about the camera's y axis, (N,) radians.

    A box's x axis is its length, y its width (left), z is up. At angle 0 it faces along the camera's x axis (right),
    at -pi/2 along z (ahead).
    """
    cos, sin = np.cos(rotation_y), np.sin(rotation_y)
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    return _matrix([cos, sin, zero, zero, zero, -one, -sin, cos, zero])


def box_centres(bottoms: np.ndarray, heights: np.ndarray) -> np.ndarray:
    """(N, 3) centres of boxes whose bottom faces have (N, 3) centres, in the camera's frame, whose y axis is down."""
    return bottoms - heights[:, None] / 2 * np.array([0.0, 1.0, 0.0])


def lens_offset(projection: np.ndarray) -> np.ndarray:
    """(4, 4) cam from lens of a rectified camera.

    Its (3, 4) projection matrix is K [I | t], and t maps camera 0's frame to its own, so its lens is at -t.
    """
    return invert(pose(np.eye(3), np.linalg.solve(projection[:, :3], projection[:, 3])))


def _matrix(entries: list[np.ndarray]) -> np.ndarray:
    """(..., 3, 3) of nine (...) entries, row by row."""
    return np.stack(entries, axis=-1).reshape(*entries[0].shape, 3, 3)
