"""Measures of whole tracks on made motion, and the laws they obey."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.kinematics.measures import measure_track, measure_tracks, pose_slack_m
from st_vlm.kinematics.poses import pose, rotation_from_quaternion, transform

EPOCH = 1_533_151_603_547_590_123


def times(count, step_s=0.1):
    return EPOCH + np.round(np.arange(count) * step_s * 1e9).astype(np.int64)


def test_a_car_on_a_slope():
    """3 m forward and 4 m up a second: 5 m/s in space, 3 m/s in the plane."""
    at = np.arange(81) * 0.1
    found = measure_track(times(81), np.stack([3 * at, 0 * at, 4 * at], axis=-1), person=False)
    assert found.duration_s == pytest.approx(8)
    assert found.path_m == pytest.approx(40)
    assert found.displacement_m == pytest.approx(40)
    assert found.static is False
    assert found.distance_m == pytest.approx(24)
    assert found.mean_speed_kmh == pytest.approx(3 * 3.6)


def test_a_parked_car_that_jitters():
    rng = np.random.default_rng(0)
    centres = rng.normal([5, 5, 1], 0.1, (151, 3))
    found = measure_track(times(151), centres, person=False)
    assert found.static is True
    assert found.distance_m == 0
    assert found.mean_speed_kmh == 0
    # The raw path keeps the jitter of the grid (30 steps), not that of all 151 boxes.
    expected = sum(math.dist(centres[5 * i], centres[5 * i + 5]) for i in range(30))
    assert found.path_m == pytest.approx(expected)


def test_there_and_back():
    """A path counts the way back, a displacement does not."""
    x = np.concatenate([np.arange(21), np.arange(20)[::-1]]) * 1.0
    found = measure_track(times(41, 0.5), np.stack([x, 0 * x, 0 * x], axis=-1), person=False)
    assert found.path_m == pytest.approx(40)
    assert found.displacement_m == pytest.approx(0)
    assert found.static is False
    assert found.distance_m == pytest.approx(40)


@pytest.mark.parametrize(
    ("metres", "person", "static"),
    [
        (0.49, True, True),
        (0.7, True, None),  # between the limits nothing is asked, but the distance is told
        (1.1, True, False),
        (0.74, False, True),
        (1.1, False, None),
        (2.1, False, False),
    ],
)
def test_dead_zone(metres, person, static):
    x = np.linspace(0, metres, 11)
    found = measure_track(times(11), np.stack([x, 0 * x, 0 * x], axis=-1), person)
    assert found.static is static
    assert found.distance_m == pytest.approx(0 if static else metres)


@pytest.mark.parametrize("extra", [{"slack_m": 1.0}, {"sigma_m": 1 / 3}])
def test_doubtful_poses_and_centres_widen_the_limits(extra):
    x = np.linspace(0, 1.7, 11)
    centres = np.stack([x, 0 * x, 0 * x], axis=-1)
    assert measure_track(times(11), centres, person=False).static is None
    assert measure_track(times(11), centres, person=False, **extra).static is True


def test_the_last_step_may_be_short():
    """0.7 s of a right-angled walk: steps to 0.5 s and to 0.7 s, so the corner at 0.5 s is kept."""
    centres = np.array([[0.0, 0, 0], [2, 0, 0], [2, 1, 0]])
    at = EPOCH + np.array([0, 500_000_000, 700_000_000])
    found = measure_track(at, centres, person=True)
    assert found.path_m == pytest.approx(3)
    assert found.displacement_m == pytest.approx(math.sqrt(5))


def test_pose_slack_is_a_share_of_the_ego_s_way_meanwhile():
    ego_times = times(201)  # 20 s at 10 m/s
    ego = np.stack([np.arange(201) * 1.0, np.zeros(201), np.zeros(201)], axis=-1)
    assert pose_slack_m(times(41), ego_times, ego, 0.05) == pytest.approx(2.0)
    assert pose_slack_m(times(41), np.empty(0, np.int64), np.empty((0, 3)), 0.0) == 0


walks = st.lists(st.tuples(st.floats(-4, 4), st.floats(-4, 4), st.floats(-0.2, 0.2)), min_size=3, max_size=30)


@given(walks, st.floats(-3.1, 3.1), st.tuples(*[st.floats(-1e3, 1e3)] * 3), st.booleans())
def test_moving_the_world_changes_nothing(steps, yaw, shift, person):
    centres = np.cumsum(steps, axis=0)
    world = pose(rotation_from_quaternion(np.array([math.cos(yaw / 2), 0, 0, math.sin(yaw / 2)])), shift)
    at = times(len(centres), 0.37)
    here, there = measure_track(at, centres, person), measure_track(at, transform(world, centres), person)
    for name in ("path_m", "displacement_m"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), abs=1e-6)
    # An extent within rounding of a limit may fall on either side.
    if here.static == there.static:
        assert there.distance_m == pytest.approx(here.distance_m, abs=1e-6)


@given(walks)
def test_lengths_are_ordered(steps):
    found = measure_track(times(len(steps), 0.3), np.cumsum(steps, axis=0), person=True)
    assert found.displacement_m <= found.path_m + 1e-9
    assert found.distance_m <= found.path_m + 1e-9
    assert found.mean_speed_kmh == pytest.approx(3.6 * found.distance_m / found.duration_s)


@st.composite
def tracks(draw):
    """Times off any grid, from two boxes on, and walks from standing still to driving."""
    steps_ns = draw(st.lists(st.integers(1, 1_500_000_000), min_size=1, max_size=30))
    stride = draw(st.sampled_from([0.0, 0.02, 0.2, 0.6, 5.0]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    at = EPOCH + draw(st.integers(0, 10**12)) + np.cumsum([0, *steps_ns])
    return at, np.cumsum(rng.uniform(-stride, stride, (len(at), 3)), axis=0) + rng.uniform(-2000, 2000, 3)


@given(
    st.lists(st.tuples(tracks(), st.booleans(), st.floats(0, 2), st.floats(0, 0.3)), max_size=6),
)
def test_many_tracks_at_once_are_measured_like_each_alone(cases):
    own, person, slack, sigma = [list(column) for column in zip(*cases, strict=True)] or [[]] * 4
    found = measure_tracks([at for at, _ in own], [centres for _, centres in own], person, slack, sigma)
    assert len(found) == len(cases)
    for one, ((at, centres), *rest) in zip(found, cases, strict=True):
        alone = measure_track(at, centres, *rest)
        assert one.static is alone.static
        for name in ("duration_s", "path_m", "displacement_m", "distance_m", "mean_speed_kmh"):
            assert getattr(one, name) == pytest.approx(getattr(alone, name), rel=1e-9, abs=1e-9)


def test_the_extent_is_no_diagonal_of_a_box():
    """A round of 0.6 m across stays within the limit of 0.75 m, though its bounding box does not."""
    around = np.array([[0.3, 0, 0], [0.6, 0.3, 0], [0.3, 0.6, 0], [0, 0.3, 0], [0.3, 0, 0]])
    at = times(5, 0.5)
    assert measure_track(at, around, person=False).static is True
    assert measure_tracks([at], [around], [False])[0].static is True


def test_neighbours_do_not_move_each_other():
    """2.5 m in 20 s is too slow to be moving, whatever stands far away."""
    at = times(41, 0.5)
    slow = np.stack([np.linspace(0, 2.5, 41), np.zeros(41), np.zeros(41)], axis=-1)
    far = np.full((41, 3), 1000.0)
    found = measure_tracks([at, at, at], [far, slow, far], [False] * 3)
    assert [one.static for one in found] == [True, None, True]
    assert found[1].path_m == pytest.approx(2.5)
