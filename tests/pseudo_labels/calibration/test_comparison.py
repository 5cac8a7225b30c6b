"""One lifted track against a true one, with answers that can be worked out by hand."""

import numpy as np
import pytest

from st_vlm.kinematics.motion import Moving
from st_vlm.pseudo_labels.calibration.comparison import compare
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks
from st_vlm.questions.motion import SpanMotion

TIMES = np.arange(17) / 2


def corner(turn_deg, speed=2.0):
    """Four seconds straight on, four seconds in a direction turned clockwise."""
    turn = -np.deg2rad(turn_deg)
    steps = np.repeat([[1.0, 0.0], [np.cos(turn), np.sin(turn)]], 8, axis=0) * speed / 2
    return np.concatenate([[[0.0, 0.0]], np.cumsum(steps, axis=0)])


def truth(points, state=Moving.MOVING):
    return SpanMotion(TIMES, points, state, 2.0)


def lifted(points, state=Moving.MOVING, known=None, spread=0.1):
    known = np.ones(len(TIMES), bool) if known is None else known
    scale = 1 + spread * np.array([-1.0, 1.0])
    draws = scale[:, None, None, None] * points
    return ObjectTracks(TIMES, known[None], points[None], draws, np.array([0.1]), (state,), np.array([1.0]))


def between(true, said):
    return compare("r", "t", "car", 12.0, true, said, 0)


def test_the_same_track_has_no_error():
    found = between(truth(corner(90)), lifted(corner(90)))
    assert found.answered
    assert found.said_m == found.true_m == pytest.approx(16.0)
    assert (found.true_hour, found.said_hour) == (3, 3)
    assert found.heading_error_deg == pytest.approx(0)
    assert found.interval_iou == pytest.approx(1)
    assert found.sigma_m == pytest.approx(1.6)


def test_another_turn_and_another_length():
    found = between(truth(corner(90)), lifted(1.1 * corner(120)))
    assert found.said_m == pytest.approx(17.6)
    assert (found.true_hour, found.said_hour) == (3, 4)
    assert found.heading_error_deg == pytest.approx(30, abs=0.1)
    # The run of 12 o'clock is there, that of 3 o'clock is not.
    assert 0.4 < found.interval_iou < 0.6


def test_hours_between_two_are_not_asked():
    assert between(truth(corner(45)), lifted(corner(45))).true_hour == 0


def test_only_the_seconds_that_both_know_are_compared():
    known = TIMES <= 6.0
    found = between(truth(corner(90)), lifted(corner(90), known=known))
    assert found.true_m == found.said_m == pytest.approx(12.0)


def test_too_short_a_track_is_no_answer():
    found = between(truth(corner(90)), lifted(corner(90), known=TIMES <= 3.0))
    assert not found.answered
    assert np.isnan(found.said_m)
    assert found.true_m == pytest.approx(16.0)


def test_a_track_that_may_or_may_not_move_is_no_answer():
    assert not between(truth(corner(90)), lifted(corner(90), Moving.UNDECIDED)).answered


def test_standing():
    still = np.zeros((len(TIMES), 2))
    found = between(truth(still, Moving.STATIC), lifted(still, Moving.STATIC))
    assert (found.moves, found.said_static, found.true_m, found.said_m) == (False, True, 0.0, 0.0)
    called = between(truth(corner(90)), lifted(corner(90), Moving.STATIC))
    assert called.said_static
    assert called.said_m == 0
    assert called.interval_iou == 0
