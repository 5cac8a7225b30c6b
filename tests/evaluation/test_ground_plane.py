"""The baseline of geometry, on scenes whose truth is written down by hand."""

import numpy as np
import pytest

from st_vlm.evaluation.ground_plane import ground_plane_predictions

SIZE = (1000, 500)
FOCAL, HEIGHT = 500.0, 2.0
TIMES = np.arange(0, 8.1, 0.5)


def pose(x=0.0):
    """A camera x metres along the road, which looks along it; z is up."""
    return [[0.0, 0.0, 1.0, x], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, HEIGHT], [0.0, 0.0, 0.0, 1.0]]


def box_at(x, y, tall=1.7, wide=0.7):
    """The box of an upright pillar whose middle is x metres ahead and y to the left."""
    sides = np.array([-wide / 2, wide / 2])
    ahead, left, up = (axis.ravel() for axis in np.meshgrid(x + sides, y + sides, [0, tall]))
    u, v = 500 - FOCAL * left / ahead, 250 + FOCAL * (HEIGHT - up) / ahead
    return [u.min(), v.min(), u.max(), v.max()]


def crossing(t):
    """1.5 m/s from left to right, 15 m ahead."""
    return 15.0, 6 - 1.5 * t


def corner(t):
    """2 m/s: to the right for 4 s, then, by a turn to its left, away."""
    return (14.0, 6 - 2 * t) if t <= 4 else (14 + 2 * (t - 4), -2.0)


def coming(t):
    return 30 - 3.0 * t, 2.0


def standing(t):
    return 12.0, 3.0


def row(question, task="traveled_distance", speed=0.0, **paths):
    """Marks that move as functions of the time say, seen by a camera that drives at a speed."""
    at = [speed * t for t in TIMES]
    marks = [
        {"color": colour, "boxes": [box_at(path(t)[0] + 0.0 - x, path(t)[1]) for t, x in zip(TIMES, at, strict=True)]}
        for colour, path in paths.items()
    ]
    camera = {
        "intrinsics": [[FOCAL, 0, 500], [0, FOCAL, 250], [0, 0, 1]],
        "size": list(SIZE),
        "height": HEIGHT,
        "poses": [pose(x) for x in at],
    }
    return {
        "id": "q",
        "task": task,
        "question": question,
        "marks": marks,
        "timestamps": TIMES.tolist(),
        "camera": camera,
    }


def said(*arguments, **paths):
    texts, failures = ground_plane_predictions([row(*arguments, **paths)])
    assert not failures
    return texts["q"]


@pytest.mark.parametrize("speed", [0.0, 0.5])
@pytest.mark.parametrize(
    ("question", "metres"),
    [
        ("How far does red go?", 12.0),
        ("How far does red go from 2.0 to 6.0 seconds?", 6.0),
        ("How far does it go?", 12),
    ],
)
def test_distances_whether_the_camera_stands_or_drives(question, metres, speed):
    assert float(said(question, speed=speed, red=crossing).split()[0]) == pytest.approx(metres, rel=0.05)


def test_a_speed_and_an_object_that_stands():
    text = said("How fast is red?", "traveling_speed", red=crossing)
    assert text.endswith("km/h")
    assert float(text.split()[0]) == pytest.approx(5.4, rel=0.05)
    assert said("How far does red go?", red=standing) == "0.00 m"


def test_the_hour_is_that_of_the_turn_since_it_first_moved():
    assert said("Which way does red move at the end?", "moving_direction", red=corner) == "9 o'clock"
    assert said("Which way does red move at the end?", "moving_direction", red=crossing) == "12 o'clock"


def test_the_interval_is_the_run_in_the_asked_hour():
    question = "When does red move toward {} o'clock? 12 o'clock is the way it first moved; 3 o'clock is its right."
    words = said(question.format(9), "direction_timestamp", red=corner).split()
    assert [float(words[1]), float(words[3])] == pytest.approx([4.0, 8.0], abs=0.6)
    words = said(question.format(12), "direction_timestamp", red=corner).split()
    assert [float(words[1]), float(words[3])] == pytest.approx([0.0, 4.0], abs=0.6)


@pytest.mark.parametrize("order", ["red or blue", "blue or red"])
def test_comparisons(order):
    paths = {"red": crossing, "blue": coming}
    assert said(f"Which goes farther, {order}?", "traveled_distance_comparison", **paths) == "blue"
    assert said(f"Which is faster, {order}?", "traveling_speed_comparison", **paths) == "blue"
    assert said(f"Do {order} move the same way?", "moving_direction_comparison", **paths) == "different"
    same = {"red": crossing, "blue": lambda t: (20.0, 5 - t)}
    assert said(f"Do {order} move the same way?", "moving_direction_comparison", **same) == "same"


def test_what_geometry_cannot_tell_is_left_out_and_what_is_broken_is_named():
    unknown = row("How far does red go?", red=crossing)
    rows = [
        {**unknown, "id": "no camera", "camera": None},
        {**unknown, "id": "no height", "camera": {**unknown["camera"], "height": None}},
        {**unknown, "id": "other task", "task": "peak_speed"},
        {**unknown, "id": "no hour", "task": "moving_direction", "marks": row("?", red=standing)["marks"]},
        {**row("How far does it go?", red=crossing, blue=coming), "id": "whose"},
        {**unknown, "id": "few boxes", "marks": [{"color": "red", "boxes": [[1, 2, 3, 4]]}]},
        {**unknown, "id": "few poses", "camera": {**unknown["camera"], "poses": [pose()]}},
        {**unknown, "id": "good"},
    ]
    texts, failures = ground_plane_predictions(rows)
    assert list(texts) == ["good"]
    assert set(failures) == {"few boxes", "few poses"}
    assert "17" in failures["few boxes"]
