"""Track tokens in a question: where they stand, what span they sum up, and what they say of it."""

import numpy as np
import pytest

from st_vlm.models.clip_tracks import ClipTracks
from st_vlm.models.track_features import COMPARED, FEATURES, SAME_BELOW_RAD, UNIT, UNKNOWN
from st_vlm.models.video_inputs import Clip
from st_vlm.questions.measuring import DIFFERENT_BEYOND_RAD, SAME_WITHIN_RAD
from st_vlm.video.marks import Mark

SIZE = (1000, 500)
FOCAL, HEIGHT = 500.0, 2.0
TIMES = np.arange(0, 8.1, 0.5)
# Looks along the world's x from above the origin; z is up.
POSE = [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, HEIGHT], [0.0, 0.0, 0.0, 1.0]]
CAMERA = {
    "intrinsics": [[FOCAL, 0, 500], [0, FOCAL, 250], [0, 0, 1]],
    "size": SIZE,
    "height": HEIGHT,
    "poses": [POSE] * len(TIMES),
}
T = "<track>"


def box_at(x, y, tall=1.6, wide=0.8):
    """The box of an upright thing whose foot is x metres ahead and y to the left."""
    middle, half = 500 - FOCAL * y / x, FOCAL * wide / x / 2
    return middle - half, 250 + FOCAL * (HEIGHT - tall) / x, middle + half, 250 + FOCAL * HEIGHT / x


def crossing(color, speed, after=0.0, unseen=()):
    """A mark that stands until a time, then crosses 15 m ahead from left to right."""
    boxes = [box_at(15, 6 - speed * max(0.0, t - after)) for t in TIMES]
    return Mark(color, tuple(None if i in unseen else box for i, box in enumerate(boxes)))


def tracks_of(*marks, camera=CAMERA):
    return ClipTracks(Clip(None, TIMES, marks, SIZE, camera), T)


def told(row, name):
    return row[FEATURES.index(name)] * UNIT


@pytest.fixture(scope="module")
def two():
    return tracks_of(crossing("red", 1.5), crossing("blue", 1.0, after=4))


@pytest.mark.parametrize(
    ("question", "written", "whose"),
    [
        ("\nHow far does red go?", f"\nHow far does red{T} go?", "red"),
        ("\nDo red and blue differ? Red?", f"\nDo red{T} and blue{T} differ? Red?", "red blue"),
        ("Is Blue faster than the red box?", f"Is Blue{T} faster than the red{T} box?", "blue red"),
        ("\nWho turned blue-ish, bored?", f"\nWho turned blue{T}-ish, bored?", "blue"),
        ("\nWhich object moves farther?", "\nWhich object moves farther?", ""),
        ("", "", ""),
    ],
)
def test_a_token_stands_behind_the_first_mention_of_each_mark(two, question, written, whose):
    text, features = two.in_question(question)
    assert text == written
    assert [next(name for name in ("red", "blue") if told(row, name) == 1) for row in features] == whose.split()
    assert all(told(row, "summary") == 1 for row in features)


def test_nothing_is_written_behind_the_end_of_the_turn(two):
    text, features = two.in_question("\nHow far does red go?<end>\nRed goes 3 m, blue 2 m.<end>", "<end>")
    assert text == f"\nHow far does red{T} go?<end>\nRed goes 3 m, blue 2 m.<end>"
    assert len(features) == 1


def test_the_only_mark_may_go_unnamed():
    alone = tracks_of(crossing("green", 1))
    text, features = alone.in_question("\n How far does the object go?<end>It is green.", "<end>")
    assert text == f"\n {T}How far does the object go?<end>It is green."
    assert told(features[0], "green") == 1
    assert tracks_of().in_question("\nHow far?")[1].shape == (0, len(FEATURES))


@pytest.mark.parametrize(("start", "end", "red", "blue"), [(0, 8, 12, 4), (2, 6, 6, 2), (0, 4, 6, 0), (4, 8, 6, 4)])
def test_a_token_sums_up_the_span_that_is_asked_for(two, start, end, red, blue):
    _, (of_red, of_blue) = two.in_question(f"Does red or blue go farther from {start}.0 to {end}.0 seconds?")
    for row, metres in ((of_red, red), (of_blue, blue)):
        path = np.exp(told(row, "log_path")) - 0.1
        # The smoother rounds the moment of setting off.
        assert path == pytest.approx(metres, rel=0.1, abs=0.35)
    assert told(of_red, "time") * 10 == end
    assert np.exp(told(of_red, "log_mean_speed")) - 0.1 == pytest.approx(1.5, rel=0.1)


def test_marks_that_are_named_together_are_compared(two):
    _, (of_red, of_blue) = two.in_question("Does red or blue go farther from 4.0 to 8.0 seconds?")
    assert np.exp(told(of_red, "log_path_ratio")) == pytest.approx(6 / 4, rel=0.1)
    assert told(of_red, "way_cos") == told(of_blue, "way_cos")
    assert told(of_red, "way_sin") == -told(of_blue, "way_sin")
    assert np.exp(told(of_blue, "log_path_ratio")) == pytest.approx(4 / 6, rel=0.1)
    assert np.exp(told(of_blue, "log_speed_ratio")) == pytest.approx(1 / 1.5, rel=0.1)
    assert told(of_blue, "way_cos") > 0.85
    assert told(of_red, "path_ahead") == -told(of_blue, "path_ahead") > 0.9
    assert told(of_red, "speed_ahead") == -told(of_blue, "speed_ahead") > 0.9
    _, (alone,) = two.in_question("How far does red go from 4.0 to 8.0 seconds?")
    assert [alone[FEATURES.index(name)] for name in COMPARED] == [UNKNOWN] * len(COMPARED)


def test_of_three_the_one_that_is_ahead_is_ahead_of_all():
    three = tracks_of(crossing("red", 1), crossing("blue", 1.5), crossing("green", 0.5))
    _, features = three.in_question("Which goes farthest: red, blue or green?")
    ratios = [np.exp(told(row, "log_path_ratio")) for row in features]
    assert ratios == pytest.approx([8 / 12, 12 / 8, 4 / 12], rel=0.1)
    assert [told(row, "path_ahead") > 0 for row in features] == [False, True, False]


@pytest.mark.parametrize(
    ("degrees", "least", "most"), [(0, 0.85, 1), (15, 0.65, 1), (30, -0.5, 0.5), (45, -1, -0.65), (180, -1, -0.85)]
)
def test_how_sure_it_is_that_two_go_the_same_way(degrees, least, most):
    _, features = two_ways(np.radians(degrees)).in_question("Do red and blue go the same way?")
    for row in features:
        assert least <= told(row, "same_way") <= most


def test_what_stands_goes_neither_the_same_way_nor_another():
    _, features = tracks_of(crossing("red", 1), crossing("blue", 0)).in_question("Do red and blue go the same way?")
    assert [told(row, "same_way") for row in features] == pytest.approx([0, 0], abs=0.15)


def test_the_same_way_ends_half_way_between_what_is_asked_as_same_and_as_different():
    assert pytest.approx((SAME_WITHIN_RAD + DIFFERENT_BEYOND_RAD) / 2) == SAME_BELOW_RAD


def test_objects_alike_are_not_ahead_of_each_other():
    _, features = tracks_of(crossing("red", 1), crossing("blue", 1)).in_question("Which is faster, red or blue?")
    assert [told(row, name) for row in features for name in ("path_ahead", "speed_ahead")] == [0] * 4


@pytest.mark.parametrize("hour", [12, 2, 3, 6, 9, 11])
def test_the_way_is_the_anticlockwise_turn_from_the_first_to_the_second(hour):
    turn = -hour * np.pi / 6
    _, (_, compared) = two_ways(turn).in_question("Do red and blue go the same way?")
    way = np.arctan2(told(compared, "way_sin"), told(compared, "way_cos"))
    assert abs(np.angle(np.exp(1j * (way - turn)))) < np.radians(10)


def two_ways(turn):
    """Of red and of blue, which goes `turn` radians anticlockwise from red's way."""
    step = TIMES[:, None] * 0.8
    first = [box_at(20 + x, y) for x, y in step * [1, 0]]
    second = [box_at(20 + x, y) for x, y in step * [np.cos(turn), np.sin(turn)]]
    return tracks_of(Mark("red", tuple(first)), Mark("blue", tuple(second)))


def test_what_is_not_known_of_one_mark_is_not_compared():
    hidden = tracks_of(crossing("red", 1), crossing("blue", 1, unseen=range(17)))
    _, features = hidden.in_question("Which is faster, red or blue?")
    assert (features[:, [FEATURES.index(name) for name in COMPARED]] == UNKNOWN).all()


def test_what_was_last_known_is_told_of_a_mark_that_goes_out_of_sight():
    hidden = tracks_of(crossing("red", 1.5, unseen=range(12, 17)), crossing("blue", 1, unseen=range(8)))
    of_red, of_blue = hidden.summaries(np.arange(17))
    assert told(of_red, "time") * 10 == 5.5
    assert np.exp(told(of_red, "log_path")) - 0.1 == pytest.approx(8.25, rel=0.1)
    _, unseen = hidden.summaries(np.arange(7))
    assert told(unseen, "blue") == told(unseen, "summary") == 1
    assert unseen[FEATURES.index("x")] == unseen[FEATURES.index("log_path")] == UNKNOWN
    assert told(of_blue, "time") * 10 == 8


def test_without_a_camera_the_last_box_is_told():
    _, features = tracks_of(crossing("red", 1, unseen=[16]), camera=None).in_question("How far does red go?")
    assert told(features[0], "time") * 10 == 7.5
    assert features[0][FEATURES.index("log_path")] == UNKNOWN


def test_lines_are_no_summaries_and_stay_as_they_are(two):
    before = two.rows.copy()
    two.in_question("How far does red go?")
    np.testing.assert_array_equal(two.rows, before)
    assert (two.rows[..., FEATURES.index("summary")] == 0).all()
    assert two.lines() == [f"red: {T * len(TIMES)}", f"blue: {T * len(TIMES)}"]
