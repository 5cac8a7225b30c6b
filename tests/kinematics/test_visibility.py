"""Occlusion against a raster, and the limits of what a person can see."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.visibility import occlusion, visible


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
    return visible(np.array(boxes, float), np.array(truncations), np.array(depths), height, points)[0]


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
    boxes = np.array([nowhere, [0, 0, 100, 200], [0, 0, 100, 200]])
    found = visible(boxes, np.array([1.0, 0.0, 0.0]), np.array([2.0, -3.0, 20.0]), 1000)
    assert found.tolist() == [False, False, True]
