"""KITTI's conventions for boxes, poses and calibration, for any numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import box_corners
from st_vlm.recordings.kitti_files import read_calibration
from st_vlm.recordings.kitti_geometry import box_centres, box_rotations, imu_poses, lens_offset, upright_poses

ANGLES = st.floats(-math.pi, math.pi)
METRES = st.floats(-200, 200)
SIZES = st.floats(0.1, 20)


def turn(axis, angle):
    """Right-handed rotation about a coordinate axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = math.cos(angle)
    matrix[j, i], matrix[i, j] = math.sin(angle), -math.sin(angle)
    return matrix


@pytest.mark.parametrize(
    ("rotation_y", "ahead"),
    [(0.0, (1, 0, 0)), (-math.pi / 2, (0, 0, 1)), (math.pi / 2, (0, 0, -1)), (math.pi, (-1, 0, 0))],
    ids=["faces right", "faces ahead", "faces the camera", "faces left"],
)
def test_where_a_box_faces(rotation_y, ahead):
    (rotation,) = box_rotations(np.array([rotation_y]))
    np.testing.assert_allclose(rotation @ [1, 0, 0], ahead, atol=1e-12)
    np.testing.assert_allclose(rotation @ [0, 0, 1], [0, -1, 0], atol=1e-12)


@given(ANGLES, st.tuples(SIZES, SIZES, SIZES), st.tuples(METRES, METRES, METRES))
def test_corners_are_those_of_the_development_kit(rotation_y, size, bottom):
    """Its corners: half lengths along x and half widths along z of the object, up to the height, turned about y."""
    height, width, length = size
    corners = {
        (x, y, z): turn(1, rotation_y) @ [x * length, y * height, z * width] + bottom
        for x in (-0.5, 0.5)
        for y in (0, -1)
        for z in (-0.5, 0.5)
    }
    rotation = box_rotations(np.array([rotation_y]))
    centre = box_centres(np.array([bottom]), np.array([height]))
    ours = box_corners(centre, np.array([[length, width, height]]), rotation)[0]
    distances = np.linalg.norm(ours[:, None] - np.array(list(corners.values())), axis=-1)
    assert np.linalg.det(rotation[0]) == pytest.approx(1)
    # Each is met once.
    assert sorted(distances.argmin(axis=1)) == list(range(8))
    assert distances.min(axis=1).max() < 1e-9
    # The front is the side at +x.
    front = np.mean([corner for (x, _, _), corner in corners.items() if x > 0], axis=0)
    np.testing.assert_allclose(centre[0] + rotation[0] @ [length / 2, 0, 0], front, atol=1e-9)


@given(
    st.floats(-70, 70),
    st.floats(-179, 179),
    st.lists(st.tuples(st.floats(-2000, 2000), st.floats(-2000, 2000), st.floats(-50, 50)), min_size=1, max_size=5),
    st.tuples(ANGLES, ANGLES, ANGLES),
)
def test_places_on_earth_become_metres_again(latitude, longitude, places, angles):
    places = [(0.0, 0.0, 0.0), *places]
    radius = 6_378_137.0 * math.cos(math.radians(latitude))
    start = math.log(math.tan(math.pi / 4 + math.radians(latitude) / 2))
    rows = [
        (
            math.degrees(2 * math.atan(math.exp(north / radius + start)) - math.pi / 2),
            longitude + math.degrees(east / radius),
            300.0 + up,
        )
        for east, north, up in places
    ]
    found = imu_poses(np.array(rows), np.array([angles] * len(rows)))
    np.testing.assert_allclose(found[:, :3, 3], places, atol=1e-4)
    roll, pitch, yaw = angles
    np.testing.assert_allclose(found[-1][:3, :3], turn(2, yaw) @ turn(1, pitch) @ turn(0, roll), atol=1e-12)


def test_a_degree_of_latitude_is_as_long_as_it_is():
    """Against the sphere: scale is true where the drive begins, not at the equator."""
    north, east = imu_poses(np.array([[49.0, 8.0, 0], [49.001, 8.0, 0], [49.0, 8.001, 0]]), np.zeros((3, 3)))[
        1:, :3, 3
    ]
    step = math.radians(0.001) * 6_378_137.0
    np.testing.assert_allclose(north, [0, step, 0], atol=0.01)
    np.testing.assert_allclose(east, [step * math.cos(math.radians(49)), 0, 0], atol=1e-6)


def test_a_cameras_world_is_turned_upright():
    ahead, right, down = np.eye(4), np.eye(4), np.eye(4)
    ahead[2, 3], right[0, 3], down[1, 3] = 5, 5, 5
    found = upright_poses(np.stack([ahead, right, down]))
    np.testing.assert_allclose(found[:, :3, 3], [[5, 0, 0], [0, -5, 0], [0, 0, -5]])
    np.testing.assert_allclose(found[0][:3, :3] @ [0, 0, 1], [1, 0, 0])
    assert np.linalg.det(found[0]) == pytest.approx(1)


@given(st.tuples(st.floats(50, 2000), METRES, METRES), st.tuples(*[st.floats(-1, 1)] * 3), st.tuples(METRES, METRES))
def test_a_lens_sees_what_its_projection_says(intrinsics, offset, place):
    focal, cx, cy = intrinsics
    matrix = np.array([[focal, 0, cx], [0, focal, cy], [0, 0, 1]])
    projection = np.c_[matrix, matrix @ offset]
    point = np.array([*place, 30.0, 1.0])
    homogeneous = projection @ point
    from_lens = np.linalg.inv(lens_offset(projection)) @ point
    pixel = matrix @ from_lens[:3]
    np.testing.assert_allclose(pixel[:2] / pixel[2], homogeneous[:2] / homogeneous[2], atol=1e-6)


SPELLINGS = {
    "R_rect": ["R_rect", "R_rect:", "R0_rect:", "R0_rect", "R_rect_00:"],
    "Tr_velo_cam": ["Tr_velo_cam", "Tr_velo_cam:", "Tr_velo_to_cam:", "Tr_velo_to_cam"],
    "Tr_imu_velo": ["Tr_imu_velo", "Tr_imu_velo:", "Tr_imu_to_velo:", "Tr_imu_to_velo"],
}


@settings(max_examples=50)
@given(data=st.data())
def test_calibration_in_any_spelling(tmp_path_factory, data):
    truth, lines = {}, []
    for name, spellings in SPELLINGS.items():
        angles = data.draw(st.tuples(ANGLES, ANGLES, ANGLES))
        matrix = turn(2, angles[2]) @ turn(1, angles[1]) @ turn(0, angles[0])
        if name != "R_rect":
            matrix = np.c_[matrix, data.draw(st.tuples(METRES, METRES, METRES))]
        truth[name] = matrix
        form = data.draw(st.sampled_from(["{:.12e}", "{:.9f}"]))
        lines.append(f"{data.draw(st.sampled_from(spellings))} {' '.join(map(form.format, matrix.ravel()))}")
    lines = data.draw(st.permutations([*lines, "calib_time: 09-Jan-2012 13:57:47", ""]))
    path = tmp_path_factory.mktemp("calib") / "0001.txt"
    path.write_text(data.draw(st.sampled_from(["\n", " \n", "\r\n"])).join(lines))
    found = read_calibration(path, tuple(truth))
    for name, matrix in truth.items():
        np.testing.assert_allclose(found[name], matrix, atol=1e-8)


def test_two_calibrations_in_one_file_are_refused(tmp_path):
    identity = "1 0 0 0 1 0 0 0 1"
    path = tmp_path / "0001.txt"
    path.write_text(f"R_rect {identity}\nR0_rect: {identity}\n")
    np.testing.assert_array_equal(read_calibration(path, ("R_rect",))["R_rect"], np.eye(3))
    path.write_text(f"R_rect {identity}\nR0_rect: 1 0 0 0 0 -1 0 1 0\n")
    with pytest.raises(InputError, match="line 2: R_rect occurs twice"):
        read_calibration(path, ())
