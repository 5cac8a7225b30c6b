"""Whole clips: objects that stand, drive and turn, seen with errors of depth and poses."""

import numpy as np
import pytest
from seen_room import Box, Room, look_pose

from st_vlm.kinematics.motion import Moving, path_length
from st_vlm.pseudo_labels.lifting.clip_lifting import lift_clip
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
