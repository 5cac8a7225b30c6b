"""Marks are drawn around the boxes, in their colour, and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.video.marks import RGB, Mark, as_marks, check_inside, check_named_marks, draw_marks, line_widths


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
    ("size", "shown", "widths"),
    [
        ((160, 90), None, (2, 2)),  # never thinner than 2 pixels
        ((1600, 900), None, (7, 7)),  # 0.8 % of the shorter side
        ((1600, 900), (384, 384), (7, 7)),  # still 1.7 pixels wide
        ((1600, 900), (128, 128), (19, 11)),  # 1.5 pixels across after a shrink by 12.5, and by 7
        ((1080, 1920), (128, 128), (13, 23)),
    ],
)
def test_line_widths(size, shown, widths):
    assert line_widths(size, shown) == widths


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


def test_a_mark_that_no_frame_shows_is_refused():
    beyond, inside = (170.0, 10.0, 200.0, 40.0), (150.0, 10.0, 200.0, 40.0)
    for box in (beyond, (-9.0, 10.0, 0.0, 40.0), (10.0, 120.0, 20.0, 130.0), (10.0, -50.0, 20.0, -1.0)):
        with pytest.raises(InputError, match=r"clip\.mp4: every box of the blue mark lies outside the 160x120 frame"):
            check_inside([Mark("blue", (None, box))], (160, 120), "clip.mp4")
    check_inside([Mark("blue", (beyond, inside)), Mark("red", (None, None))], (160, 120), "clip.mp4")


@pytest.mark.parametrize(
    ("question", "colours", "refused"),
    [
        ("How far does the object marked by the red box travel?", (), "names a red mark, but nothing is marked"),
        ("How far does the Red car travel?", (), "names a red mark"),
        ("How far does the object travel?", (), None),
        ("Is it covered?", (), None),  # "red" within a word
        ("How far does the object marked by the blue box travel?", ("red",), "blue mark, but the marks are red"),
        ("Which is faster, the object marked by the red box or the blue one?", ("red", "blue"), None),
        ("How far does the red car marked by the blue box travel?", ("blue",), None),
    ],
)
def test_a_question_may_only_name_marks_that_are_there(question, colours, refused):
    if refused is None:
        check_named_marks(question, box_marks(*colours))
        return
    with pytest.raises(InputError, match=refused):
        check_named_marks(question, box_marks(*colours))
