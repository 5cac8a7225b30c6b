"""Boxes are drawn where the object is, between two frames that show it and not beyond."""

import numpy as np
import pytest

from st_vlm.viewing.annotated_video import PALETTE, Labelled, annotated, box_at
from st_vlm.viewing.top_down import Way, draw_top_down

KNOWN = np.array([0.0, 0.5, 1.0, 3.0])
BOXES = np.array([[10, 20, 30, 60], [20, 20, 40, 60], [np.nan] * 4, [60, 20, 80, 60]])


@pytest.mark.parametrize(
    ("second", "left"), [(0.0, 10), (0.25, 15), (0.5, 20), (0.75, None), (3.0, 60), (3.2, None), (-0.5, None)]
)
def test_boxes_are_interpolated_over_a_second_at_most(second, left):
    box = box_at(KNOWN, BOXES, second)
    assert (box is None) if left is None else box[0] == pytest.approx(left)


def test_an_object_that_is_never_seen_has_no_box():
    assert box_at(KNOWN, np.full((4, 4), np.nan), 0.5) is None


def test_frames_show_the_box_and_are_not_drawn_on_where_there_is_none():
    image = np.zeros((100, 160, 3), np.uint8)
    one = Labelled("1 car", BOXES, ["a", "b", "c", "d"])
    drawn = list(annotated([image, image], np.array([0.25, 2.0]), [one], KNOWN))
    assert not image.any()
    assert tuple(drawn[0][60, 25]) == PALETTE[0]
    assert tuple(drawn[0][45, 15]) == PALETTE[0]
    assert not drawn[1].any()


def test_captions_of_two_objects_do_not_hide_each_other():
    image = np.zeros((120, 200, 3), np.uint8)
    objects = [Labelled(f"{k} car", np.tile(BOXES[0] + 20, (4, 1)), ["12 km/h"] * 4) for k in range(2)]
    (drawn,) = annotated([image], np.array([0.0]), objects, KNOWN)
    # A caption is a filled bar: as many rows of either colour as letters are high, and more.
    rows = [int(((drawn == colour).all(axis=-1).sum(axis=1) > 40).sum()) for colour in PALETTE[:2]]
    assert min(rows) >= 8


def test_the_map_from_above_is_the_same_each_time(tmp_path):
    points = np.stack([np.arange(10.0), np.arange(10.0) ** 1.2], axis=-1)
    ways = [
        Way("1 car", points, points + np.random.default_rng(0).normal(0, 0.3, (5, 10, 2)), stands=False),
        Way("2 car", np.tile([3.0, 8.0], (4, 1)), np.zeros((0, 4, 2)), stands=True),
    ]
    for name in ("a.png", "b.png"):
        draw_top_down(ways, np.tile(np.eye(4), (10, 1, 1)), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").stat().st_size > 5000
