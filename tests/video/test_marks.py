"""Marks are drawn around the boxes, in their colour, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.video.marks import RGB, Mark, as_marks, draw_marks, line_width


def test_the_line_lies_just_outside_the_box_and_the_input_stays():
    frames = np.full((2, 100, 160, 3), 90, np.uint8)
    drawn = draw_marks(frames, [Mark("blue", ((40, 30, 80, 60), None))])
    assert (frames == 90).all()
    expected = frames.copy()
    expected[0, 28:62, 38:82] = RGB["blue"]
    expected[0, 30:60, 40:80] = 90  # the object itself stays visible
    np.testing.assert_array_equal(drawn, expected)


@given(
    corner=st.tuples(st.floats(-60, 200), st.floats(-60, 200)),
    extent=st.tuples(st.floats(0.5, 300), st.floats(0.5, 300)),
)
def test_a_box_cut_by_the_border_keeps_a_closed_line_inside_the_image(corner, extent):
    (x, y), (w, h) = corner, extent
    frame = draw_marks(np.zeros((120, 160, 3), np.uint8), [Mark("green", ((x, y, x + w, y + h),))])
    coloured = (frame == RGB["green"]).all(-1)
    if x >= 160 or y >= 120 or x + w <= 0 or y + h <= 0:
        assert not coloured.any()
        return
    rows, columns = np.flatnonzero(coloured.any(1)), np.flatnonzero(coloured.any(0))
    for edge in (coloured[rows[0]], coloured[rows[-1]]):
        assert edge[columns[0] : columns[-1] + 1].all()
    for edge in (coloured[:, columns[0]], coloured[:, columns[-1]]):
        assert edge[rows[0] : rows[-1] + 1].all()
    assert rows[0] <= max(0, y) + 1
    assert columns[-1] >= min(159, x + w - 1)


@pytest.mark.parametrize(
    ("size", "shown", "width"),
    [
        ((160, 90), None, 2),  # never thinner than 2 pixels
        ((1600, 900), None, 7),  # 0.8 % of the shorter side
        ((1600, 900), (384, 384), 7),  # still 1.7 pixels wide
        ((1600, 900), (128, 128), 19),  # 1.5 pixels across after a shrink by 12.5
    ],
)
def test_line_width(size, shown, width):
    assert line_width(size, shown) == width


def box_marks(*colours):
    return [{"color": c, "boxes": [[1, 1, 5, 5]], "track_id": "7"} for c in colours]


def test_mappings_with_other_keys_are_marks():
    assert as_marks(box_marks("red", "blue")) == (Mark("red", ((1, 1, 5, 5),)), Mark("blue", ((1, 1, 5, 5),)))
    assert as_marks(None) == ()


@pytest.mark.parametrize(
    ("marks", "sentence"),
    [
        (box_marks("purple"), "Unknown mark colour 'purple'"),
        (box_marks("red", "red"), "Two marks are red"),
        (box_marks("red", "blue", "green", "yellow", "red"), "5 marks, but only 4 colours"),
        ([{"color": "red", "boxes": [[5, 1, 5, 5]]}], "red mark's box at frame 0"),
        ([{"color": "red", "boxes": [[1, 1, float("nan"), 5]]}], "red mark's box at frame 0"),
        ([{"color": "red", "boxes": [[1, 1, 5]]}], "red mark's box at frame 0"),
        ([{"color": "red", "boxes": [[1, 1, "a", 5]]}], "red mark's box at frame 0"),
        ([{"color": "red", "boxes": [5, None]}], "red mark's box at frame 0 is 5"),
        ([{"color": "red", "boxes": 5}], "boxes of a mark are a list"),
        ([{"color": ["red"], "boxes": []}], r"Unknown mark colour \['red'\]"),
        (["red"], "this one is 'red'"),
        ([{"color": "red"}], "needs `color` and `boxes`"),
        ([{"color": "red", "boxes": [None, None, None]}], "3 boxes but the video has 2 frames"),
    ],
)
def test_refusals(marks, sentence):
    with pytest.raises(InputError, match=sentence):
        draw_marks(np.zeros((2, 32, 32, 3), np.uint8), marks)
