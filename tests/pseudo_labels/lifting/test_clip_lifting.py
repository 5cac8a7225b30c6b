"""Whole clips: objects that stand, drive and turn, seen with errors of depth and poses."""

import numpy as np
import pytest
from seen_room import Box, Room, look_pose

from st_vlm.kinematics.motion import Moving, path_length
from st_vlm.pseudo_labels.lifting.clip_lifting import lift_clip, rescaled
from st_vlm.pseudo_labels.lifting.object_places import Calibrated
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors

COUNT = 20
TIMES = np.arange(COUNT) / 2


def car(k):
    """A car that drives away along a bend."""
    yaw = 0.06 * k
    return Box((12 + 12 * np.sin(yaw) / 0.6, 3 - 12 * (1 - np.cos(yaw)) / 0.6, 0.8), (4.5, 1.9, 1.6), -yaw)


def walker(k):
    return Box((14.0, -4 + 0.6 * k, 0.86), (0.6, 0.6, 1.72), np.pi / 2)


def test_a_scale_that_nothing_can_tell_is_in_the_draws():
    draws = np.random.default_rng(0).normal(0, 5, (24, 3, 9, 2))
    origin = np.array([2.0, -1.0])
    stretched = rescaled(draws, origin, 0.1, seed=0)
    factors = (stretched - origin) / (draws - origin)
    # One factor a draw, for all objects and times.
    assert np.ptp(factors.reshape(24, -1), axis=1).max() < 1e-9
    logs = np.log(factors[:, 0, 0, 0])
    assert logs.std() == pytest.approx(0.1)
    assert abs(logs.mean()) < 1e-9
    np.testing.assert_array_equal(rescaled(draws, origin, 0.0, seed=0), draws)


PARKED = Box((18.0, -5.0, 0.8), (4.4, 1.8, 1.55), 0.4)
CATEGORIES = ["car", "person", "car"]


def clip(street, camera_step, scale=0.0):
    """Labels, depth and poses of COUNT frames; the street's own boxes are no objects."""
    poses = np.stack([look_pose((camera_step * k - 4, 0, 1.6), 0.0, 0.05) for k in range(COUNT)])
    depth, labels = [], []
    for k, pose in enumerate(poses):
        seen, which = Room((car(k), walker(k), PARKED, *street.boxes)).render(pose)
        depth.append(seen * np.exp(scale))
        labels.append(np.where(which < 3, which, -1))
    return np.stack(labels), np.stack(depth), poses


def true_path(of):
    return np.array([of(k).centre[:2] for k in range(COUNT)])


@pytest.mark.parametrize("camera_step", [0.0, 0.4])
def test_distances_and_who_stands(street, camera_step):
    labels, depth, poses = clip(street, camera_step)
    lifted = lift_clip(TIMES, labels, depth, Calibrated(street.intrinsics, poses), CATEGORIES, DepthErrors()).tracks
    assert lifted.states == (Moving.MOVING, Moving.MOVING, Moving.STATIC)
    for k, of in ((0, car), (1, walker)):
        run = lifted.stretch(k)
        assert run.stop - run.start >= COUNT // 2
        truth = path_length(true_path(of)[run])
        assert path_length(lifted.places[k, run]) == pytest.approx(truth, rel=0.06)
    assert np.ptp(lifted.places[2], axis=0).max() == 0
    assert np.linalg.norm(lifted.places[2, 0] - PARKED.centre[:2]) < 1.0


def test_a_driving_camera_corrects_the_scale_of_what_moves(street):
    labels, depth, poses = clip(street, 0.6, scale=0.06)
    camera = Calibrated(street.intrinsics, poses)
    errors = []
    for assumed in (DepthErrors(), DepthErrors(field_rms=1e-6, scale=0.0, drift=0.0)):
        lifted = lift_clip(TIMES, labels, depth, camera, CATEGORIES, assumed).tracks
        run = lifted.stretch(1)
        errors.append(np.abs(lifted.places[1, run] - true_path(walker)[run]).mean())
    assert errors[0] < 0.6 * errors[1]


def test_the_same_seed_gives_the_same_tracks(street):
    labels, depth, poses = clip(street, 0.4)
    camera = Calibrated(street.intrinsics, poses)
    first, again, other = (
        lift_clip(TIMES, labels, depth, camera, CATEGORIES, DepthErrors(), seed=seed).tracks for seed in (0, 0, 1)
    )
    assert np.array_equal(first.draws, again.draws)
    assert not np.array_equal(first.draws, other.draws)
    assert np.allclose(first.places, other.places, atol=0.1)


def test_frames_without_a_mask_are_bridged_for_a_second_only(street):
    labels, depth, poses = clip(street, 0.0)
    camera = Calibrated(street.intrinsics, poses)
    labels[6:7][labels[6:7] == 1] = -1
    labels[12:16][labels[12:16] == 1] = -1
    lifted = lift_clip(TIMES, labels, depth, camera, CATEGORIES, DepthErrors()).tracks
    assert lifted.known[1, 6]
    assert not lifted.known[1, 12:15].any()
    assert lifted.stretch(1) == slice(0, 12)


def test_an_object_that_is_never_seen_well_is_undecided(street):
    labels, depth, poses = clip(street, 0.0)
    labels[1:][labels[1:] == 0] = -1
    lifted = lift_clip(TIMES, labels, depth, Calibrated(street.intrinsics, poses), CATEGORIES, DepthErrors()).tracks
    assert lifted.states[0] is Moving.UNDECIDED
    assert lifted.states[1] is Moving.MOVING


def test_a_clip_without_objects(street):
    labels, depth, poses = clip(street, 0.0)
    nothing = np.full_like(labels, -1)
    lifted = lift_clip(TIMES, nothing, depth, Calibrated(street.intrinsics, poses), [], DepthErrors()).tracks
    assert lifted.places.shape == (0, COUNT, 2)
    assert lifted.states == ()


def test_identities_that_were_exchanged_are_set_right(street):
    def crosser(k):
        return Box((16.0, 4 - 0.5 * k, 0.86), (0.6, 0.6, 1.72), np.pi / 2)

    def other(k):
        return Box((13.0, -5 + 0.5 * k, 0.86), (0.6, 0.6, 1.72), np.pi / 2)

    pose = look_pose((0, 0, 1.6), 0.0, 0.05)
    frames = [Room((crosser(k), other(k), *street.boxes)).render(pose) for k in range(COUNT)]
    labels = np.stack([np.where(which < 2, which, -1) for _, which in frames])
    depth = np.stack([seen for seen, _ in frames])
    swapped = labels.copy()
    later = swapped[9:]
    later[...] = np.where(later >= 0, 1 - later, -1)
    camera = Calibrated(street.intrinsics, np.stack([pose] * COUNT))
    right, mended = (
        lift_clip(TIMES, seen, depth, camera, ["person", "person"], DepthErrors()) for seen in (labels, swapped)
    )
    assert right.switches == ()
    assert len(mended.switches) == 1
    assert np.abs(mended.tracks.places - right.tracks.places).max() < 0.5


def test_views_of_something_else_are_left_out(street):
    labels, depth, poses = clip(street, 0.0)
    for frame, metres in ((4, 24.0), (11, 7.0)):
        depth[frame][labels[frame] == 1] = metres
    lifted = lift_clip(TIMES, labels, depth, Calibrated(street.intrinsics, poses), CATEGORIES, DepthErrors())
    assert np.isnan(lifted.measured.places[1, [4, 11]]).all()
    run = lifted.tracks.stretch(1)
    assert run.stop - run.start >= COUNT - 2
    assert path_length(lifted.tracks.places[1, run]) == pytest.approx(path_length(true_path(walker)[run]), rel=0.06)


def lifted_with(street, depth=None, poses=None, labels=None, frames=slice(None)):
    """The clip of a driving camera with some of its inputs changed by functions."""
    its_labels, its_depth, its_poses = (part[frames].copy() for part in clip(street, 0.4))
    for change, array in ((depth, its_depth), (poses, its_poses), (labels, its_labels)):
        if change is not None:
            change(array)
    camera = Calibrated(street.intrinsics, its_poses)
    return lift_clip(TIMES[frames], its_labels, its_depth, camera, CATEGORIES, DepthErrors())


def all_finite(tracks):
    return np.isfinite(tracks.places[tracks.known]).all() and np.isfinite(tracks.draws[:, tracks.known]).all()


def test_holes_in_depth_are_no_numbers(street):
    def holed(depth):
        depth[3], depth[4], depth[9] = np.nan, np.inf, -1.0
        depth[:, ::3, ::2] = np.nan
        depth[12:14, :40] = 0.0

    tracks = lifted_with(street, depth=holed).tracks
    assert all_finite(tracks)
    assert not np.isnan(tracks.sigma[:2]).any()
    assert tracks.states == (Moving.MOVING, Moving.MOVING, Moving.STATIC)
    run = tracks.stretch(1)
    assert path_length(tracks.places[1, run]) == pytest.approx(path_length(true_path(walker)[run]), rel=0.08)


def test_no_depth_at_all(street):
    def unknown(depth):
        depth[:] = np.nan

    lifted = lifted_with(street, depth=unknown)
    assert lifted.tracks.states == (Moving.UNDECIDED,) * 3
    assert not lifted.tracks.known.any()
    assert lifted.correction.comparisons == 0
    assert np.isnan(lifted.correction.worst_residual)


@pytest.mark.parametrize("frames", [slice(0, 1), slice(0, 2)])
def test_one_frame_or_two_decide_nothing(street, frames):
    lifted = lifted_with(street, frames=frames)
    assert Moving.MOVING not in lifted.tracks.states
    assert all_finite(lifted.tracks)


def test_an_object_without_a_usable_view(street):
    def specks(labels):
        labels[labels == 1] = -1
        labels[:, 50, 80] = 1

    lifted = lifted_with(street, labels=specks)
    assert lifted.tracks.states[1] is Moving.UNDECIDED
    assert not lifted.tracks.known[1].any()
    assert lifted.tracks.states[0] is Moving.MOVING


def test_one_frame_that_is_displaced_shows_and_spoils_little(street):
    def jump(poses):
        poses[8, :3, 3] += (0.0, 20.0, 0.0)

    right, wrong = lifted_with(street), lifted_with(street, poses=jump)
    assert right.correction.worst_residual < 0.05
    assert wrong.correction.worst_residual > 0.2
    assert all_finite(wrong.tracks)
    assert np.isnan(wrong.measured.places[:, 8]).all()
    assert np.abs(wrong.tracks.places[1] - right.tracks.places[1]).max() < 1.0


def test_a_parked_car_that_a_camera_passes_stands(street):
    count = 20
    poses = np.stack([look_pose((1.2 * k - 6, 0, 1.6), 0.0, 0.05) for k in range(count)])
    parked = Box((34.0, -6.0, 0.8), (4.6, 1.9, 1.6), 0.9)
    frames = [Room((parked, *street.boxes[:3])).render(pose) for pose in poses]
    labels = np.stack([np.where(which == 0, which, -1) for _, which in frames])
    depth = np.stack([seen for seen, _ in frames])
    rng = np.random.default_rng(0)
    noisy = depth * np.exp(0.03 * rng.standard_normal((count, 1, 1)))
    camera = Calibrated(street.intrinsics, poses)
    lifted = lift_clip(np.arange(count) / 2, labels, noisy, camera, ["car"], DepthErrors()).tracks
    assert lifted.states == (Moving.STATIC,)
    assert np.linalg.norm(lifted.places[0, 0] - parked.centre[:2]) < 1.2
