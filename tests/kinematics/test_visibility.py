"""Occlusion against a raster, the limits of what a person can see, and which of them was broken."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.projection import project_boxes
from st_vlm.kinematics.visibility import judge, occlusion


@st.composite
def rectangles(draw, count=3):
    made = []
    for _ in range(draw(st.integers(1, count))):
        x, y = draw(st.integers(0, 80)), draw(st.integers(0, 80))
        made.append([x, y, x + draw(st.integers(20, 60)), y + draw(st.integers(20, 60))])
    return np.array(made, float)


@given(rectangles(), st.permutations([1.0, 2.0, 3.0]))
def test_occlusion_is_the_share_of_pixels_that_nearer_boxes_cover(boxes, depths):
    depths = np.array(depths[: len(boxes)])
    found = occlusion(boxes, depths)
    for k, (x1, y1, x2, y2) in enumerate(boxes.astype(int)):
        picture = np.zeros((150, 150), bool)
        nearer = [box for box, depth in zip(boxes.astype(int), depths, strict=True) if depth < depths[k]]
        for a, b, c, d in nearer:
            picture[b:d, a:c] = True
        # A row of 20 samples is at most one sample wrong, in each direction and for each box in front.
        assert found[k] == pytest.approx(picture[y1:y2, x1:x2].mean(), abs=0.1 * len(nearer) + 1e-9)


def test_occlusion_of_simple_cases():
    behind, half, whole, apart = [0, 0, 40, 40], [0, 0, 20, 99], [-5, -5, 50, 50], [60, 60, 90, 90]
    assert occlusion(np.array([behind, half], float), np.array([10.0, 5.0])).tolist() == [0.5, 0.0]
    assert occlusion(np.array([behind, whole], float), np.array([10.0, 5.0])).tolist() == [1.0, 0.0]
    assert occlusion(np.array([behind, apart], float), np.array([10.0, 5.0])).tolist() == [0.0, 0.0]
    # What covers twice counts once, and what stands beside at the same depth hides nothing.
    assert occlusion(np.array([behind, half, half], float), np.array([10.0, 5.0, 6.0]))[0] == 0.5
    assert occlusion(np.array([behind, whole], float), np.array([5.0, 5.0])).tolist() == [0.0, 0.0]


def see(box, truncation=0.0, depth=10.0, in_front=None, lidar=None, height=1000):
    boxes, truncations, depths = [box], [truncation], [depth]
    if in_front is not None:
        boxes, truncations, depths = [*boxes, in_front], [*truncations, 0.0], [*depths, 1.0]
        lidar = None if lidar is None else [lidar, 100]
    elif lidar is not None:
        lidar = [lidar]
    points = None if lidar is None else np.array(lidar)
    return judge(np.array(boxes, float), np.array(truncations), np.array(depths), height, points).visible[0]


def test_height_must_be_four_point_four_percent_of_the_image():
    assert see([0, 0, 100, 44])
    assert not see([0, 0, 100, 43])
    assert see([0, 0, 5, 44])  # width does not matter


def test_at_most_half_may_be_cut_off():
    assert see([0, 0, 100, 200], truncation=0.5)
    assert not see([0, 0, 100, 200], truncation=0.51)


def test_at_most_seventy_percent_may_be_hidden():
    assert see([0, 0, 100, 200], in_front=[0, 0, 70, 300])
    assert not see([0, 0, 100, 200], in_front=[0, 0, 75, 300])


def test_lidar_points_overrule_the_seeming_cover_but_nothing_else():
    hidden = {"box": [0, 0, 100, 200], "in_front": [0, 0, 99, 300]}
    assert see(**hidden, lidar=5)
    assert not see(**hidden, lidar=4)
    assert not see([0, 0, 100, 20], lidar=50)
    assert not see([0, 0, 100, 200], truncation=0.8, lidar=50)


def test_what_is_behind_the_camera_or_outside_the_image_is_not_seen_and_hides_nothing():
    nowhere = np.full(4, np.nan)
    boxes = np.array([nowhere, nowhere, [0, 0, 100, 200]])
    found = judge(boxes, np.array([1.0, 1.0, 0.0]), np.array([2.0, -3.0, 20.0]), 1000).visible
    assert found.tolist() == [False, False, True]


@pytest.mark.parametrize("along", [-2.0, -0.5, 0.5])
def test_a_long_bus_beside_the_camera_hides_what_is_beyond_it_wherever_its_centre_is(along):
    """18 m long in the lane to the left. One car is beyond it, one ahead, and one behind the camera."""
    looking_ahead = np.eye(4)
    looking_ahead[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    looking_ahead[2, 3] = 1.5
    camera = SimpleNamespace(
        intrinsics=np.array([[1266.0, 0, 800], [0, 1266, 450], [0, 0, 1]]),
        size=(1600, 900),
        distortion="none",
        distortion_coefficients=(),
    )
    ahead = along + 9.0
    centres = np.array([[along, 2.8, 1.6], [1.6 * ahead + 1, 7.0, 0.8], [14.0, 0.0, 0.8], [-30.0, 0.0, 0.8]])
    sizes = np.array([[18.0, 2.5, 3.2], [4.5, 1.9, 1.6], [4.5, 1.9, 1.6], [4.5, 1.9, 1.6]])
    found = project_boxes(centres, sizes, np.tile(np.eye(3), (4, 1, 1)), looking_ahead, camera)
    sight = judge(found.clipped, found.truncation, found.depth, 900)
    assert sight.occluded.tolist() == [False, True, False, False]
    assert sight.inside.tolist() == [along > 0, True, True, False]


def broken(box, truncation=0.0, depth=10.0, in_front=None, height=1000):
    """Names of the rules that an object breaks."""
    boxes = np.array([box, in_front or [900, 900, 901, 901]], float)
    sight = judge(boxes, np.array([truncation, 0.0]), np.array([depth, 1.0]), height)
    assert sight.visible[0] == (sight.inside[0] and not (sight.small | sight.truncated | sight.occluded)[0])
    return {name for name in ("inside", "small", "truncated", "occluded") if getattr(sight, name)[0]}


def test_every_rule_that_an_object_breaks_is_told():
    wall = [0, 0, 99, 300]
    assert broken([0, 0, 100, 200]) == {"inside"}
    assert broken([0, 0, 100, 43]) == {"inside", "small"}
    assert broken([0, 0, 100, 200], truncation=0.6) == {"inside", "truncated"}
    assert broken([0, 0, 100, 200], in_front=wall) == {"inside", "occluded"}
    assert broken([0, 0, 100, 30], truncation=0.7, in_front=wall) == {"inside", "small", "truncated", "occluded"}


def test_what_is_outside_the_image_or_behind_the_camera_breaks_no_rule():
    assert broken([np.nan] * 4, truncation=1.0) == set()
    assert broken([0, 0, 100, 30], depth=-2.0) == set()


def test_where_a_source_counts_points_for_some_objects_alone_the_others_go_by_their_boxes():
    boxes = np.array([[0, 0, 100, 200], [0, 0, 100, 200], [0, 0, 100, 300]], float)
    points = np.array([9, np.nan, np.nan])
    assert judge(boxes, np.zeros(3), np.array([10, 11, 5.0]), 1000, points).occluded.tolist() == [False, True, False]


def test_an_exact_share_stands_in_place_of_what_boxes_say():
    boxes = np.array([[0, 0, 100, 200], [0, 0, 100, 200], [0, 0, 100, 300]], float)
    shares = np.array([0.9, np.nan, 0.1])
    sight = judge(boxes, np.zeros(3), np.array([10, 11, 5.0]), 1000, shares=shares)
    assert sight.occluded.tolist() == [False, True, True]


@pytest.mark.parametrize("exact", [False, True])
def test_several_frames_at_once_are_judged_like_each_by_itself(exact):
    rng = np.random.default_rng(5)
    frames = np.repeat([0, 2, 3], [6, 1, 9])
    low = rng.uniform(0, 60, (16, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 60, (16, 2))], axis=1)
    truncation, depths = rng.choice([0.0, 0.3, 0.7, 1.0], 16), rng.uniform(-2, 20, 16)
    points, shares = rng.choice([0, 3, 9], 16), rng.choice([np.nan, 0.1, 0.9], 16) if exact else np.full(16, np.nan)
    together = judge(boxes, truncation, depths, 100, points, shares, frames)
    for frame in (0, 2, 3):
        own = frames == frame
        alone = judge(boxes[own], truncation[own], depths[own], 100, points[own], shares[own])
        for rule in ("inside", "small", "truncated", "occluded"):
            assert getattr(together, rule)[own].tolist() == getattr(alone, rule).tolist()
    assert together.occluded.any()
