"""Projection against cases worked by hand, an inversion by bisection, and brute-force sampling of the solid box."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_about_up
from st_vlm.kinematics.projection import box_corners, project_boxes, project_points

INTRINSICS = np.array([[1000.0, 0, 800], [0, 1000, 450], [0, 0, 1]])
# A camera at 1.5 m that looks along the world's +x: its right is -y, its down is -z.
LOOKING_AHEAD = pose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), [0, 0, 1.5])
RADIAL = (-0.24, -0.21, 0.33)
FOLDING = (-0.35, 0.1, 0.0)
FISHEYE = (0.05, -0.02, 0.004, -0.0008)
# Of the size that nuPlan's cameras have, and one whose tangential terms are plainly seen.
BROWN = (-0.356, 0.173, -0.0009, 0.0004, -0.052)
TANGENTIAL = (-0.2, 0.05, 0.03, -0.02, 0.01)
BROWN_FOLDING = (-0.35, 0.05, 0.01, -0.008, 0.0)


def camera(distortion="none", coefficients=(), size=(1600, 900)):
    return SimpleNamespace(
        intrinsics=INTRINSICS, size=size, distortion=distortion, distortion_coefficients=coefficients
    )


def one_box(centre, size=(4.0, 2.0, 1.5), yaw=0.0, lens=None):
    found = project_boxes(
        np.array([centre], float),
        np.array([size]),
        rotation_about_up(np.array([yaw])),
        LOOKING_AHEAD,
        lens or camera(),
    )
    return found.boxes[0], found.clipped[0], found.truncation[0], found.depth[0]


def test_points_by_hand():
    uv, depth = project_points(np.array([[10.0, 0, 1.5], [10, 1, 1.5], [20, 0, 2.5]]), LOOKING_AHEAD, INTRINSICS)
    np.testing.assert_allclose(uv, [[800, 450], [700, 450], [800, 400]])
    np.testing.assert_allclose(depth, [10, 10, 20])


def test_lens_models_by_hand():
    at = np.array([2.0, -1.0, 1.5])  # tan = 0.5, theta = atan(0.5), to the right
    uv, _ = project_points(at, LOOKING_AHEAD, INTRINSICS, "radial", (0.1, 0.01, 0.001))
    np.testing.assert_allclose(uv, [800 + 500 * (1 + 0.1 / 4 + 0.01 / 16 + 0.001 / 64), 450])
    theta = np.arctan(0.5)
    uv, _ = project_points(at, LOOKING_AHEAD, INTRINSICS, "kannala_brandt", (0.1, 0.2, 0.3, 0.4))
    bent = theta + 0.1 * theta**3 + 0.2 * theta**5 + 0.3 * theta**7 + 0.4 * theta**9
    np.testing.assert_allclose(uv, [800 + 1000 * bent, 450])


@pytest.mark.parametrize("k", [BROWN, TANGENTIAL])
@given(st.floats(-0.7, 0.7), st.floats(-0.5, 0.5), st.floats(0.5, 80))
def test_tangential_terms_as_opencv_writes_them(k, x, y, depth):
    k1, k2, p1, p2, k3 = k
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    bent_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2)
    bent_y = y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y
    point = LOOKING_AHEAD @ [x * depth, y * depth, depth, 1]
    uv, _ = project_points(point[:3], LOOKING_AHEAD, INTRINSICS, "brown_conrady", k)
    np.testing.assert_allclose(uv, [800 + 1000 * bent_x, 450 + 1000 * bent_y], atol=1e-6)


def test_without_tangential_terms_brown_conrady_is_radial():
    points = np.random.default_rng(0).uniform([1, -60, -40], [10, 60, 40], (500, 3))
    k1, k2, k3 = FOLDING
    expected, _ = project_points(points, LOOKING_AHEAD, INTRINSICS, "radial", FOLDING)
    found, _ = project_points(points, LOOKING_AHEAD, INTRINSICS, "brown_conrady", (k1, k2, 0.0, 0.0, k3))
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    short, _ = project_points(points, LOOKING_AHEAD, INTRINSICS, "brown_conrady", (k1, k2))
    np.testing.assert_allclose(short, expected, rtol=1e-12)


@pytest.mark.parametrize("k", [BROWN, TANGENTIAL, BROWN_FOLDING])
def test_brown_conrady_never_folds_back_in_any_direction(k):
    tangents = np.linspace(0, 60, 4000)
    for angle in np.linspace(0, 2 * np.pi, 25):
        right, down = np.cos(angle), np.sin(angle)
        points = np.stack([np.ones_like(tangents), -right * tangents, 1.5 - down * tangents], axis=-1)
        uv, _ = project_points(points, LOOKING_AHEAD, INTRINSICS, "brown_conrady", k)
        along = (uv - [800, 450]) @ [right, down]
        assert (np.diff(along) > 0).all()
        if k is not TANGENTIAL:  # the others stop rising somewhere; nothing jumps there
            assert np.diff(along).max() < 1000 * 1.01 * tangents[1]
        assert (along[tangents > 2] > 1000 * 0.5).all()


def test_what_is_behind_has_no_pixels():
    uv, depth = project_points(np.array([-5.0, 0, 1.5]), LOOKING_AHEAD, INTRINSICS)
    assert np.isnan(uv).all()
    assert depth == -5


def test_unknown_lens_is_refused():
    with pytest.raises(InputError, match="thin_prism"):
        project_points(np.zeros(3), LOOKING_AHEAD, INTRINSICS, "thin_prism")


@given(
    st.tuples(st.floats(-0.6, 0.6), st.floats(-0.35, 0.35), st.floats(0.5, 80)),
    st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    st.lists(st.floats(-500, 500), min_size=3, max_size=3),
    st.sampled_from([("none", ()), ("radial", RADIAL), ("kannala_brandt", FISHEYE)]),
)
def test_pixel_and_depth_give_the_point_back(ray, turn, place, lens):
    model, k = lens
    world_from_camera = pose(Rotation.from_rotvec(turn).as_matrix(), place)
    x, y, z = ray
    point = world_from_camera @ [x * z, y * z, z, 1]
    uv, depth = project_points(point[:3], world_from_camera, INTRINSICS, model, k)

    bent = (uv - [800, 450]) / 1000
    target, low, high = np.hypot(*bent), 0.0, 3.0
    for _ in range(80):  # the plain formula inverted by bisection
        radius = (low + high) / 2
        angle = np.arctan(radius) if model == "kannala_brandt" else radius
        value = angle * (1 + sum(c * angle ** (2 * i + 2) for i, c in enumerate(k)))
        low, high = (radius, high) if value < target else (low, radius)
    flat = bent * (radius / target if target > 1e-9 else 1)
    back = world_from_camera @ [*(flat * depth), depth, 1]
    np.testing.assert_allclose(back, point, atol=1e-5 * max(1, z))


@pytest.mark.parametrize(("model", "k"), [("radial", FOLDING), ("kannala_brandt", (-0.3, 0.0, 0.0, 0.0))])
def test_a_folding_lens_never_pulls_the_far_outside_into_the_image(model, k):
    tangents = np.linspace(0, 60, 4000)
    points = np.stack([np.ones_like(tangents), -tangents, np.full_like(tangents, 1.5)], axis=-1)
    uv, _ = project_points(points, LOOKING_AHEAD, INTRINSICS, model, k)
    assert (np.diff(uv[:, 0]) > 0).all()
    field_edge = 800 + 1000 * 0.6  # both polynomials still rise there
    assert (uv[tangents > 2, 0] > field_edge).all()


def test_corners_of_a_turned_box():
    corners = box_corners(
        np.array([[10.0, 5, 1]]), np.array([[4.0, 2, 1.5]]), rotation_about_up(np.array([np.pi / 2]))
    )
    # Length now lies along y: front left top is at -1 in x, +2 in y.
    np.testing.assert_allclose(corners[0, 7], [9, 7, 1.75], atol=1e-12)
    np.testing.assert_allclose(corners[0, 0], [11, 3, 0.25], atol=1e-12)


def test_a_box_ahead():
    box, clipped, truncation, depth = one_box((12, 0, 0.75))
    # The near face at 10 m is 2 m wide, from the ground (1.5 m below) up to eye height.
    np.testing.assert_allclose(box, [700, 450, 900, 600])
    np.testing.assert_allclose(clipped, box)
    assert truncation == pytest.approx(0)
    assert depth == pytest.approx(12)


def test_half_a_box_beyond_the_image():
    # A flat sign at 10 m, 4 m wide, centred on the left edge of the view (y = +8 is pixel 0).
    box, clipped, truncation, _ = one_box((10, 8, 1.5), (1e-6, 4, 2))
    np.testing.assert_allclose(box, [-200, 350, 200, 550], atol=1e-3)
    np.testing.assert_allclose(clipped, [0, 350, 200, 550], atol=1e-3)
    assert truncation == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("centre", "behind"), [((10, 40, 0.75), False), ((-10, 0, 0.75), True)])
def test_outside_and_behind_are_wholly_truncated(centre, behind):
    box, clipped, truncation, depth = one_box(centre)
    assert np.isnan(box).all() == behind
    assert np.isnan(clipped).all()
    assert truncation == 1
    assert depth == pytest.approx(centre[0])


LENSES = [
    camera(),
    camera("radial", RADIAL),
    camera("radial", FOLDING),
    camera("brown_conrady", BROWN),
    camera("brown_conrady", BROWN_FOLDING),
    camera("kannala_brandt", FISHEYE),
]


@given(
    st.tuples(st.floats(-4, 30), st.floats(-12, 12), st.floats(-1, 3)),
    st.tuples(st.floats(0.5, 12), st.floats(0.5, 3), st.floats(0.5, 4)),
    st.floats(-3.1, 3.1),
    st.sampled_from(LENSES),
)
def test_the_box_is_around_all_of_the_solid_and_touches_it(centre, size, yaw, lens):
    box, clipped, truncation, _ = one_box(centre, size, yaw, lens)
    steps = np.linspace(-0.5, 0.5, 13)
    inside = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 3) * size
    solid = inside @ rotation_about_up(np.float64(yaw)).T + centre
    solid = solid[solid[:, 0] >= 0.1]
    if not len(solid):
        assert np.isnan(box).all() or np.isnan(clipped).all() or truncation > 0
        return
    uv, _ = project_points(solid, LOOKING_AHEAD, INTRINSICS, lens.distortion, lens.distortion_coefficients)
    slack = 1e-6 if lens.distortion == "none" else 0.02 * np.ptp(box[[0, 2]]) + 0.02 * np.ptp(box[[1, 3]])
    assert (uv >= box[:2] - slack).all()
    assert (uv <= box[2:] + slack).all()
    if solid.shape == inside.shape and lens.distortion == "none":
        np.testing.assert_allclose([*uv.min(axis=0), *uv.max(axis=0)], box, atol=1e-6)
    assert 0 <= truncation <= 1


def test_an_edge_bulges_between_its_corners():
    """Seen through a barrel lens the middle of a wide wall's top stands higher than the wall's corners."""
    lens = camera("radial", (-0.1, 0.0, 0.0))
    box, *_ = one_box((4, 0, 1.5), (1e-6, 6, 2), lens=lens)
    middle, corner = 0.25, np.hypot(0.75, 0.25)
    assert box[1] == pytest.approx(450 - 1000 * middle * (1 - 0.1 * middle**2), abs=0.01)
    assert box[0] == pytest.approx(800 - 1000 * 0.75 * (1 - 0.1 * 0.75**2), abs=0.01)
    assert 450 - 1000 * middle * (1 - 0.1 * corner**2) > box[1] + 10  # a corner's height would be wrong


def test_around_a_fisheye_the_opened_face_bulges_too():
    """A camera inside a box sees the near plane's cut at almost 90 degrees all round, not only at its corners."""
    straight_angle = (0.0, 0.0, 0.0, 0.0)
    box, *_ = one_box((0, 0, 1.5), (1, 2, 2), lens=camera("kannala_brandt", straight_angle))
    reach = 1000 * np.arctan(1 / 0.1)
    np.testing.assert_allclose(box, [800 - reach, 450 - reach, 800 + reach, 450 + reach], atol=1)


def test_a_pose_for_each_box():
    """The same object seen from two places: one call with two poses is two calls."""
    centres, sizes = np.array([[12.0, 0, 0.75]] * 2), np.array([[4.0, 2, 1.5]] * 2)
    rotations = np.stack([np.eye(3)] * 2)
    poses = np.stack([LOOKING_AHEAD, pose(LOOKING_AHEAD[:3, :3], [4, 1, 1.5])])
    both = project_boxes(centres, sizes, rotations, poses, camera())
    for i in range(2):
        single = project_boxes(centres[:1], sizes[:1], rotations[:1], poses[i], camera())
        np.testing.assert_allclose(both.boxes[i], single.boxes[0])
        np.testing.assert_allclose(both.depth, [12, 8])
