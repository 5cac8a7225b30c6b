"""Rigid transforms against hand-made cases and the laws they obey."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert, pose, rotation_about_up, rotation_from_quaternion, transform

quaternions = arrays(np.float64, 4, elements=st.floats(-2, 2)).filter(lambda q: np.linalg.norm(q) > 0.1)
points = arrays(np.float64, 3, elements=st.floats(-1e3, 1e3))


@pytest.mark.parametrize(
    ("wxyz", "ahead"),
    [
        ([1, 0, 0, 0], [1, 0, 0]),
        ([np.sqrt(0.5), 0, 0, np.sqrt(0.5)], [0, 1, 0]),  # a quarter turn to the left
        ([2, 0, 0, 2], [0, 1, 0]),  # the norm does not matter
        ([0, 0, 0, -1], [-1, 0, 0]),
        ([np.sqrt(0.5), 0, np.sqrt(0.5), 0], [0, 0, -1]),  # about +y: the nose goes down
    ],
)
def test_where_the_x_axis_goes(wxyz, ahead):
    np.testing.assert_allclose(rotation_from_quaternion(np.array(wxyz, float)) @ [1, 0, 0], ahead, atol=1e-12)


@pytest.mark.parametrize("wxyz", [[0, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 1]])
def test_useless_quaternions_are_refused(wxyz):
    with pytest.raises(InputError, match="quaternion"):
        rotation_from_quaternion(np.array([[1.0, 0, 0, 0], wxyz]))


@given(quaternions)
def test_rotations_are_rotations(wxyz):
    rotation = rotation_from_quaternion(wxyz)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(rotation) == pytest.approx(1)


@given(st.floats(-10, 10))
def test_a_turn_about_up_is_its_quaternion(yaw):
    wxyz = np.array([np.cos(yaw / 2), 0, 0, np.sin(yaw / 2)])
    np.testing.assert_allclose(rotation_about_up(np.float64(yaw)), rotation_from_quaternion(wxyz), atol=1e-9)


def test_transform_by_hand():
    quarter_left = pose(rotation_about_up(np.float64(np.pi / 2)), np.array([10.0, 0, 1]))
    np.testing.assert_allclose(transform(quarter_left, np.array([2.0, 0, 0])), [10, 2, 1], atol=1e-12)


@given(quaternions, points, points)
def test_inverse_brings_points_back(wxyz, translation, point):
    world_from_box = pose(rotation_from_quaternion(wxyz), translation)
    there = transform(world_from_box, point)
    np.testing.assert_allclose(transform(invert(world_from_box), there), point, atol=1e-8)
    np.testing.assert_allclose(world_from_box @ invert(world_from_box), np.eye(4), atol=1e-9)


def test_leading_shapes_broadcast():
    """Five poses on five points, one pose on many points, many poses on one point."""
    rng = np.random.default_rng(0)
    many = pose(rotation_about_up(rng.uniform(-3, 3, 5)), rng.normal(size=(5, 3)))
    at = rng.normal(size=(5, 3))
    expected = np.stack([(m @ [*p, 1])[:3] for m, p in zip(many, at, strict=True)])
    np.testing.assert_allclose(transform(many, at), expected)
    np.testing.assert_allclose(transform(many[0], at)[3], (many[0] @ [*at[3], 1])[:3])
    np.testing.assert_allclose(transform(many, at[0])[3], (many[3] @ [*at[0], 1])[:3])
    assert pose(np.eye(3), at).shape == (5, 4, 4)
