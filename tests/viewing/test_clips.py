"""One clip's strip: which frames, boxes where they belong, truths in words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from viewed import opened, pictures

from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity, to_target
from st_vlm.video.marks import Mark
from st_vlm.viewing.clips import pick_frames, show_clip, truth_text
from st_vlm.viewing.folder import open_built

BOX = (1.0, 1.0, 5.0, 5.0)


def mark(color, seen):
    return Mark(color, tuple(BOX if one else None for one in seen))


@given(st.lists(st.lists(st.booleans(), min_size=40, max_size=40), max_size=3), st.integers(2, 40))
def test_every_mark_that_is_seen_is_shown(sightings, count):
    marks = [mark(color, seen[:count]) for color, seen in zip(("red", "blue", "green"), sightings, strict=False)]
    picked = pick_frames(marks, count)
    assert picked == sorted(set(picked))
    assert 1 <= len(picked) <= 6
    assert 0 <= picked[0] <= picked[-1] < count
    for one in marks:
        if any(one.boxes):
            assert any(one.boxes[k] for k in picked)


def test_frames_are_spread_over_the_clip():
    assert pick_frames([mark("red", [True] * 11)], 11) == [0, 2, 4, 6, 8, 10]
    assert pick_frames([], 3) == [0, 1, 2]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (Quantity(24.966, "m"), "24.97 m"),
        (Quantity(0, "km/h"), "0.00 km/h"),
        (ClockHour(3), "3 o'clock"),
        (Interval(2.0, 7.5), "2.0 to 7.5 s"),
        (Choice("red"), "red"),
        (Choice("different"), "different"),
    ],
)
def test_truths_in_words(answer, text):
    assert truth_text(to_target(answer)) == text


def test_a_row_without_truth_says_so():
    assert truth_text(None) == truth_text(dict.fromkeys(("value", "hour", "choice"))) == "none"


def drawn_box(image, colour):
    """x1, y1, x2, y2 of what is of a mark's colour in a grey picture, without the line's own width."""
    pixels = np.asarray(image, float)
    near = np.linalg.norm(pixels - np.array(colour), axis=-1) < 130
    rows, columns = np.flatnonzero(near.any(axis=1)), np.flatnonzero(near.any(axis=0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


@pytest.mark.parametrize("kind", ["built_once", "without_video"])
def test_boxes_are_drawn_where_the_table_says(kind, request):
    folder = open_built(request.getfixturevalue(kind))
    checked = 0
    for entry in folder.entries:
        rows = folder.clip_rows(entry)
        shown = show_clip(entry.clip_id, rows)
        assert shown.problem is None
        assert shown.blank is (kind == "without_video")
        times, marks = rows[0]["timestamps"], rows[0]["marks"]
        for frame in shown.frames:
            k = times.index(frame.time_s)
            image = opened(pictures([frame.image])[0])
            size = rows[0]["camera"]["size"]
            assert image.size == tuple(size)
            for one, colour in zip(marks, ((255, 0, 0), (0, 0, 255)), strict=False):
                box = one["boxes"][k]
                if box is None or len(marks) > 1:
                    continue
                # The line lies around the box, at most three pixels wide, cut where the image ends.
                expected = np.clip(np.add(box, (-1.5, -1.5, 1.5, 1.5)), 0, np.tile(size, 2))
                assert np.abs(np.array(drawn_box(image, colour)) - expected).max() <= 2.5
                checked += 1
    assert checked >= 6


def test_what_is_wrong_with_a_clip_is_a_sentence_and_its_questions_stay(built_once):
    folder = open_built(built_once)
    entry = folder.entries[0]
    rows = folder.clip_rows(entry)
    marks = [{**rows[0]["marks"][0], "boxes": rows[0]["marks"][0]["boxes"][:-1]}]
    spoilt = {
        "boxes for": {"marks": marks},
        "size of the camera": {"video": None, "camera": None},
        "no size": {"video": None, "camera": {"size": [10**9, 10**9]}},
        "There is no video": {"video": built_once / "clips" / "gone.mp4"},
        "Unknown mark colour": {"marks": [{"color": "<b>", "category": "car", "track_id": "t", "boxes": []}]},
        "no frame times": {"timestamps": []},
    }
    for sentence, change in spoilt.items():
        shown = show_clip(entry.clip_id, [{**row, **change} for row in rows])
        assert sentence in shown.problem
        assert shown.frames == ()
        assert [one.question for one in shown.questions] == [row["question"] for row in rows]
