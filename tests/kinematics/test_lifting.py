"""Lifting boxes to the ground, against cuboids put there by hand and projected by OpenCV's formulas."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.lifting import lift_to_ground
from st_vlm.kinematics.projection import pixel_rays, project_boxes, project_points

SIZE = (1280, 720)
INTRINSICS = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])


def lens(distortion="none", coefficients=()):
    return SimpleNamespace(
        intrinsics=INTRINSICS, size=SIZE, distortion=distortion, distortion_coefficients=coefficients
    )


def camera_pose(height, pitch=0.1, yaw=0.0, x=0.0, y=0.0):
    """Looks along the world's x axis turned by `yaw`, tilted down by `pitch`."""
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    flat = np.array([np.cos(yaw), np.sin(yaw), 0.0])
    forward = np.cos(pitch) * flat + [0, 0, -np.sin(pitch)]
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = [x, y, height]
    return pose


def boxes_of(centres, size, poses):
    """(T, 4) boxes of one upright cuboid, not turned."""
    count = len(centres)
    sizes, turns = np.tile(size, (count, 1)), np.tile(np.eye(3), (count, 1, 1))
    return project_boxes(centres, sizes, turns, poses, lens()).boxes


@given(st.floats(6, 60), st.floats(-0.35, 0.35), st.floats(1.0, 4.0), st.floats(0.0, 0.2), st.floats(-3, 3))
def test_a_post_stands_where_it_stands(distance, angle, height, pitch, yaw):
    place = distance * np.array([np.cos(yaw + angle), np.sin(yaw + angle)])
    poses = camera_pose(height, pitch, yaw)[None]
    # So thin that its top's far edge, which a high camera sees, is hardly higher in the image than its near one.
    boxes = boxes_of(np.array([[*place, 0.8]]), [0.1, 0.1, 1.6], poses)
    inside = (boxes[0, :2] > 4).all() and (boxes[0, 2:] < np.array(SIZE) - 4).all()
    lifted = lift_to_ground(boxes[None], lens(), poses, height, tilt_rad=1e-4)
    if inside:
        assert np.linalg.norm(lifted.places[0, 0] - place) < 0.2 + 0.01 * distance
        assert lifted.heights[0] == pytest.approx(1.6, rel=0.05)


def test_a_moving_camera_leaves_a_standing_object_where_it_is():
    poses = np.stack([camera_pose(1.6, 0.05, 0.02 * k, x=1.5 * k, y=0.1 * k) for k in range(12)])
    boxes = boxes_of(np.tile([40.0, 3.0, 0.75], (12, 1)), [0.3, 0.3, 1.5], poses)
    lifted = lift_to_ground(boxes[None], lens(), poses, 1.6, tilt_rad=1e-4)
    assert np.linalg.norm(lifted.places[0] - [40.0, 3.0], axis=-1).max() < 0.5


@pytest.mark.parametrize(
    ("size", "share"), [((0.5, 0.5, 1.72), 0.08), ((4.5, 1.85, 1.6), 0.12), ((0.5, 0.25, 0.25), 0.5)]
)
def test_usual_heights_correct_a_ground_that_is_not_level(size, share):
    """Seen by a camera that looks 0.5 degrees lower than its pose says, which alone would put 35 m at 26 m."""
    told, real = camera_pose(1.5, 0.02)[None], camera_pose(1.5, 0.02 + np.radians(0.5))[None]
    boxes = boxes_of(np.array([[35.0, 2.0, size[2] / 2]]), list(size), real)
    ground = lift_to_ground(boxes[None], lens(), told, 1.5, tilt_rad=1e-4).places[0, 0, 0]
    lifted = lift_to_ground(boxes[None], lens(), told, 1.5).places[0, 0, 0]
    assert abs(ground - 35) > 6
    assert abs(lifted - 35) < share * 35


def test_the_stated_uncertainty_is_that_of_noisy_boxes():
    rng = np.random.default_rng(0)
    poses = np.tile(camera_pose(1.6, 0.05), (400, 1, 1))
    for distance in (10.0, 25.0, 45.0):
        boxes = boxes_of(np.tile([distance, 2.0, 0.75], (400, 1)), [0.05, 0.05, 1.5], poses)
        noisy = boxes + rng.normal(0, 1.0, boxes.shape)
        lifted = lift_to_ground(noisy[None], lens(), poses, 1.6, tilt_rad=0)
        spread = np.std(lifted.places[0, :, 0])
        stated = np.sqrt(np.median(lifted.covariances[0, :, 0, 0]))
        assert spread < 1.3 * stated
        assert stated < 6 * spread + 0.4


def test_what_cannot_be_lifted_is_unknown():
    poses = np.tile(camera_pose(1.6, 0.0), (3, 1, 1))
    boxes = np.array([[np.nan] * 4, [600, 100, 700, 200], [600, 300, 700, 720]], float)
    lifted = lift_to_ground(boxes[None], lens(), poses, 1.6)
    assert np.isnan(lifted.places).all()
    assert np.isnan(lifted.heights).all()


@pytest.mark.parametrize(
    ("distortion", "coefficients"),
    [
        ("none", ()),
        ("radial", (-0.2, 0.05, 0.0)),
        ("brown_conrady", (-0.3, 0.08, 0.001, -0.0005, 0.0)),
        ("kannala_brandt", (-0.03, 0.01, 0.0, 0.0)),
    ],
)
def test_rays_undo_projection(distortion, coefficients):
    rng = np.random.default_rng(1)
    points = rng.uniform([-0.6, -0.35, 1.0], [0.6, 0.35, 1.0], (200, 3))
    pixels, _ = project_points(points * 7, np.eye(4), INTRINSICS, distortion, coefficients)
    np.testing.assert_allclose(pixel_rays(pixels, lens(distortion, coefficients)), points, atol=1e-5)
