"""Up and the camera's height from depth maps of cameras whose tilt and height are known."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from st_vlm.kinematics.poses import pose
from st_vlm.pseudo_labels.calibration.noise import NOISES, noisy_depth
from st_vlm.pseudo_labels.geometry.gravity import find_ground, upright

WIDTH, HEIGHT = 160, 90
LENS = np.array([[120.0, 0, 79.5], [0, 120, 44.5], [0, 0, 1]])
# World from a level camera that looks along x: right, down, ahead.
LEVEL = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def camera(pitch: float, roll: float, height: float, along: float = 0.0) -> np.ndarray:
    """(4, 4) world from camera: pitched down and rolled, in degrees."""
    turned = LEVEL @ Rotation.from_euler("zx", [roll, -pitch], degrees=True).as_matrix()
    return pose(turned, np.array([along, 0, height]))


def street(world_from_camera: np.ndarray) -> np.ndarray:
    """(90, 160) depth of a ground at z = 0, with a wall 40 m ahead and a long car roof 2 m beside; inf for the sky."""
    v, u = np.mgrid[:HEIGHT, :WIDTH]
    rays = np.stack([(u - 79.5) / 120, (v - 44.5) / 120, np.ones_like(u)], axis=-1) @ world_from_camera[:3, :3].T
    place = world_from_camera[:3, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = -place[2] / rays[..., 2]
        roof = (1.0 - place[2]) / rays[..., 2]
        wall = 40 / rays[..., 0]
        hits = place + roof[..., None] * rays
        roof[~((hits[..., 1] > 1) & (hits[..., 1] < 3) & (hits[..., 0] < place[0] + 12))] = np.inf
        wall[np.abs(place[1] + wall * rays[..., 1]) > 10] = np.inf
    near = np.minimum.reduce([np.where(depth > 0, depth, np.inf) for depth in (ground, roof, wall)])
    # A ray of unit z: its length is depth.
    return np.where(near < 300, near, np.inf)


def angle(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.degrees(np.arccos(np.clip(a @ b, -1, 1))))


@pytest.mark.parametrize(("pitch", "roll", "height"), [(0, 0, 1.5), (5, 3, 1.5), (-4, 0, 1.5), (30, -6, 6.0)])
def test_exact_depth_tells_up_and_height(pitch, roll, height):
    poses = np.stack([camera(pitch, roll, height, k) for k in range(6)])
    found = find_ground(np.stack([street(p) for p in poses]), LENS, poses)
    assert angle(found.up, np.array([0, 0, 1.0])) < 0.3
    assert found.height == pytest.approx(height, rel=0.02)
    assert found.frames == 6


def test_noisy_depth_tells_them_over_frames():
    poses = np.stack([camera(6, -4, 1.6, k) for k in range(20)])
    depth = noisy_depth(np.stack([street(p) for p in poses]), NOISES["bar"], (1,))
    found = find_ground(depth, LENS, poses)
    assert angle(found.up, np.array([0, 0, 1.0])) < 0.6
    # The clip's scale error of 3 % is the height's.
    assert found.height == pytest.approx(1.6, rel=0.09)
    assert 0.1 < found.spread_deg < 3


def test_an_upright_world_has_the_ground_below_and_the_camera_ahead():
    poses = np.stack([camera(8, 5, 1.6, k) for k in range(6)])
    local = np.linalg.inv(poses[0]) @ poses
    found = find_ground(np.stack([street(p) for p in poses]), LENS, local)
    turned = upright(local, found.up)
    # The first camera looks along x and is where the world begins.
    np.testing.assert_allclose(turned[:, :3, 3], [[k, 0, 0] for k in range(6)], atol=0.05)
    np.testing.assert_allclose(turned[0, :3, :3], camera(8, 5, 1.6)[:3, :3], atol=0.01)
    np.testing.assert_allclose(np.linalg.det(turned[:, :3, :3]), 1)


def test_moving_things_are_no_ground():
    poses = np.stack([camera(5, 0, 1.5, k) for k in range(4)])
    depth = np.stack([street(p) for p in poses])
    moving = np.zeros(depth.shape, bool)
    # A trailer's slanted bed fills most of the lower half.
    moving[:, 50:, 30:150] = True
    slanted = 6 - 0.04 * np.arange(HEIGHT)[:, None] + 0.02 * np.arange(WIDTH)
    found = find_ground(np.where(moving, slanted, depth), LENS, poses, moving)
    assert angle(found.up, np.array([0, 0, 1.0])) < 0.5


@pytest.mark.parametrize("what", ["nothing known", "a wall"])
def test_without_ground_the_camera_is_level(what):
    value = np.nan if what == "nothing known" else 5.0
    poses = np.stack([camera(10, 0, 1.5), camera(-10, 0, 1.5), camera(0, 0, 1.5)])
    found = find_ground(np.full((3, HEIGHT, WIDTH), value), LENS, poses)
    assert found.height is None
    assert angle(found.up, np.array([0, 0, 1.0])) < 0.1


def test_a_camera_that_looks_straight_down_has_an_upright_world_too():
    down = pose(np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]]), np.array([0, 0, 5.0]))
    turned = upright(down[None], np.array([0, 0, 1.0]))
    np.testing.assert_allclose(turned[0, :3, :3] @ [0, 0, 1.0], [0, 0, -1.0], atol=1e-9)
    np.testing.assert_allclose(turned[0, :3, :3] @ turned[0, :3, :3].T, np.eye(3), atol=1e-9)
