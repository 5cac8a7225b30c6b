"""An answer's expected error is what other, equally likely tracks would answer."""

from dataclasses import replace

import numpy as np
import pytest

from st_vlm.questions.answers import Choice, ClockHour, Interval, Position, Quantity
from st_vlm.questions.expected_error import answer_error, drawn_recordings, expected_errors
from st_vlm.recordings import Recording, Track


def straight(draws_m: list[float]) -> Recording:
    """A car that drives 10 m in 5 s, or as far as each of the draws says."""
    times = np.arange(11) * 500_000_000
    share = np.linspace(0, 1, 11)
    centres = np.stack([10 * share, 0 * share, 0 * share], axis=-1)
    draws = np.stack([centres * [metres / 10, 1, 1] for metres in draws_m])
    track = Track("1", "car", times, centres, np.ones((11, 3)), np.tile(np.eye(3), (11, 1, 1)), centre_draws=draws)
    return Recording("r", "pseudo", "CC0-1.0", (track,))


ROW = {
    "task": "traveled_distance",
    "asked": {"objects": [0], "states_span": True, "hour": None, "metres": None, "second": None},
    "span": {"start": 0.0, "end": 5.0},
    "marks": [{"color": "red", "track_id": "1"}],
    "timestamps": [0.5 * k for k in range(11)],
    "start_ns": 0,
    "camera": {"poses": []},
    "reasoning": None,
}


@pytest.mark.parametrize("task", ["traveled_distance", "traveling_speed"])
def test_the_expected_error_of_a_number_is_the_mean_of_the_draws(task):
    answer = Quantity(10, "m") if task == "traveled_distance" else Quantity(7.2, "km/h")
    errors = expected_errors([{**ROW, "task": task}], [answer], straight([9, 11, 12, 10]))
    assert errors == pytest.approx([0.1])


def test_a_question_that_most_draws_would_not_ask_is_not_known():
    # 0.9 m is neither movement nor rest (DEFINITIONS, static test).
    assert expected_errors([ROW], [Quantity(10, "m")], straight([0.9, 0.9, 0.9, 10])) == [1.0]


def test_the_cameras_own_way_is_not_known():
    row = {**ROW, "asked": {**ROW["asked"], "objects": []}}
    assert expected_errors([row], [Quantity(10, "m")], straight([10.0])) == [1.0]


def test_the_draws_are_recordings_of_their_own():
    ends = [recording.tracks[0].centres[-1, 0] for recording in drawn_recordings(straight([9, 12]))]
    assert ends == pytest.approx([9, 12])
    bare = straight([9])
    without = replace(bare, tracks=())
    assert list(drawn_recordings(without)) == []


@pytest.mark.parametrize(
    ("answer", "other", "error"),
    [
        (Quantity(0, "m"), Quantity(0, "m"), 0.0),
        (Quantity(0, "m"), Quantity(3, "m"), 1.0),
        (ClockHour(12), ClockHour(1), 1.0),
        (Choice("red"), Choice("red"), 0.0),
        (Interval(1, 3), Interval(2, 4), 1 - 1 / 3),
        (Interval(1, 3), Interval(4, 5), 1.0),
        (Position((3, 0, 4)), Position((3, 0, 5)), 0.2),
    ],
)
def test_how_far_one_answer_is_from_another(answer, other, error):
    assert answer_error(answer, other) == pytest.approx(error)
