"""The map's picture: what it covers, where numbers go, and that its bytes depend on the map alone."""

import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.viewing.labels import place_labels
from st_vlm.viewing.map_drawing import arrow_head, draw_map, limits, polylines, speed_edges
from st_vlm.viewing.tracks_map import CameraPath, MapTrack, Stretch, TracksMap

SECOND = 1_000_000_000


def track(name, points, standing=False, trusted=True):
    points = np.array(points, float)
    outline = points[0] + np.array([[2, 1], [2, -1], [-2, -1], [-2, 1]])
    stretches = (Stretch(np.arange(len(points)) * SECOND // 2, points, trusted),) if len(points) > 1 else ()
    return MapTrack(name, "vehicle.car", stretches, standing, outline, 0, len(points) * SECOND // 2)


def scene(*tracks, camera=True, asked=("moving",)):
    places = np.array([[95.0, 200.0], [96.0, 200.0]])
    path = CameraPath("front", (places,), places[0], np.array([1.0, 0.0]))
    return TracksMap(tracks, path if camera else None, {name: k for k, name in enumerate(asked, 1)}, 0)


MOVING = track("moving", [(100, 200), (105, 200), (112, 200)])
STANDING = track("standing", [(110, 210), (110, 210)], standing=True)
FAR = track("far", [(105, 205), (9000, 205)], trusted=False)


def test_limits_hold_all_that_is_trusted_and_not_what_a_rule_took_away():
    low, high = limits(scene(MOVING, STANDING, FAR))
    assert low.tolist() == [93, 197]
    assert high.tolist() == [114, 213]
    assert draw_map(scene(MOVING, STANDING, FAR)).outside == 1


@pytest.mark.parametrize("tracks", [(FAR,), (track("one", [(5, 5)]),), (STANDING,), (MOVING, FAR, STANDING)])
@pytest.mark.parametrize("camera", [True, False])
def test_any_map_is_a_picture(tracks, camera):
    drawn = draw_map(scene(*tracks, camera=camera, asked=[one.track_id for one in tracks]))
    root = ElementTree.fromstring(drawn.svg)
    assert root.tag.endswith("svg")
    assert "nan" not in drawn.svg.lower()


def test_bytes_depend_on_the_map_alone():
    drawn = draw_map(scene(MOVING, STANDING, FAR)).svg
    with matplotlib.rc_context({"axes.linewidth": 9, "xtick.major.size": 20, "svg.hashsalt": "other"}):
        assert draw_map(scene(MOVING, STANDING, FAR)).svg == drawn
    assert "<dc:date>" not in drawn
    assert "prefers-color-scheme:dark" in drawn
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]; import test_map_drawing as t;"
        "sys.stdout.write(t.draw_map(t.scene(t.MOVING, t.STANDING, t.FAR)).svg)"
    )
    folder = __file__.rsplit("/", 1)[0]
    again = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True).stdout
    assert again == drawn


def test_every_step_is_drawn_in_the_colour_of_its_speed():
    points = np.array([[0, 0], [1, 0], [2, 0], [9, 0], [9, 9]], float)
    edges = np.array([0.0, 10.0, 20.0, 30.0])
    found = polylines(points, np.array([0.0, 9.99, 20.0, 99.0]), edges)
    assert [(number, line.tolist()) for number, line in found] == [
        (0, [[0, 0], [1, 0], [2, 0]]),
        (2, [[2, 0], [9, 0], [9, 9]]),
    ]


@given(st.floats(0.1, 300.0))
def test_classes_reach_from_zero_to_the_fastest(speed):
    edges = speed_edges(scene(track("moving", [(0, 0), (speed / 7.2, 0)])))
    assert edges[0] == 0
    assert edges[-1] >= speed * 0.999999
    assert 3 <= len(edges) <= 12


def test_an_arrow_head_points_where_the_object_went():
    tip, left, right = arrow_head(np.array([[0.0, 0.0], [0.0, 5.0], [0.0, 10.0]]), 1.0)
    assert tip.tolist() == [0, 11]
    assert left[0] < 0 < right[0]
    # What wavers by a centimetre is no arrow.
    assert np.ptp(arrow_head(np.array([[0.0, 0.0], [0.01, 0.0]]), 1.0), axis=0).max() < 0.02


@given(
    st.lists(st.tuples(st.floats(0, 400), st.floats(0, 400)), min_size=1, max_size=12),
    st.lists(st.integers(1, 3), min_size=12, max_size=12),
)
def test_numbers_do_not_hide_each_other(anchors, digits):
    anchors = np.array(anchors)
    sizes = np.array([[6.0 * digits[k], 9.0] for k in range(len(anchors))])
    centres = anchors + place_labels(anchors, sizes)
    for k in range(len(anchors)):
        for other in range(k):
            apart = np.abs(centres[k] - centres[other]) >= (sizes[k] + sizes[other]) / 2 - 1e-9
            assert apart.any()
