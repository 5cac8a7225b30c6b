"""Exact depth of a street, seen by a pinhole camera anywhere over it."""

import numpy as np
from scipy.spatial.transform import Rotation

from st_vlm.kinematics.poses import pose

# World from a level camera that looks along x: right, down, ahead.
LEVEL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def camera_at(place: tuple[float, float, float], pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """(4, 4) world from camera: pitched down and rolled, in degrees."""
    turned = LEVEL @ Rotation.from_euler("zx", [roll, -pitch], degrees=True).as_matrix()
    return pose(turned, np.array(place, np.float64))


def street_depth(world_from_camera: np.ndarray, lens: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) depth of a ground at z = 0 and a wall at x = 60 that is 30 m wide and 10 m high; inf for the sky."""
    v, u = np.mgrid[: size[1], : size[0]]
    local = np.stack([(u - lens[0, 2]) / lens[0, 0], (v - lens[1, 2]) / lens[1, 1], np.ones_like(u)], axis=-1)
    rays = local @ world_from_camera[:3, :3].T
    place = world_from_camera[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(rays[..., 2] < 0, -place[2] / rays[..., 2], np.inf)
        wall = (60 - place[0]) / rays[..., 0]
        hits = place + wall[..., None] * rays
    there = (wall > 0) & (np.abs(hits[..., 1]) < 15) & (hits[..., 2] < 10)
    # A ray of unit z: its length is depth.
    return np.minimum(ground, np.where(there, wall, np.inf))


def mapped(lens: np.ndarray, scale: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """A lens in pixels of a map whose corner coordinates are scale * image + shift."""
    result = lens.copy()
    result[:2] *= np.asarray(scale)[:, None]
    result[:2, 2] = (lens[:2, 2] + 0.5) * scale + shift - 0.5
    return result
