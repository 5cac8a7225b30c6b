"""Noise is as strong as it says, and each part is drawn by itself."""

from dataclasses import replace

import numpy as np
import pytest

from st_vlm.pseudo_labels.calibration.noise import NOISES, Noise, noisy_depth, noisy_labels, noisy_poses, smooth_noise

DEPTH = np.full((60, 45, 80), 10.0)
SEED = (3, 1)


def logs(noise, depth=DEPTH, seed=SEED):
    return np.log(noisy_depth(depth, noise, seed) / depth)


def test_the_two_settings_are_those_that_figures_are_given_for():
    assert NOISES["none"] == Noise()
    assert NOISES["bar"] == Noise(depth_rms=0.05, depth_length=0.25, scale=0.03, drift=0.01)
    assert NOISES["hard"] == replace(NOISES["bar"], edge_px=3.0, missing=0.1, switching=0.02)


def test_fields_are_as_strong_and_as_wide_as_they_say():
    fields = smooth_noise(np.random.default_rng(0), 400, (45, 80), 20.0)
    assert np.sqrt((fields**2).mean()) == pytest.approx(1.0, rel=0.03)
    for away, expected in ((10, np.exp(-0.25)), (20, np.exp(-1)), (40, np.exp(-4))):
        along_a_row = (fields[:, :, away:] * fields[:, :, :-away]).mean()
        assert along_a_row == pytest.approx(expected, abs=0.04)
    assert (fields[:, 20:] * fields[:, :-20]).mean() == pytest.approx(np.exp(-1), abs=0.04)


def test_depth_errs_anew_each_frame_around_one_scale_a_clip():
    strayed = logs(Noise(depth_rms=0.05, scale=0.03))
    alone = logs(Noise(scale=0.03))
    assert np.ptp(alone) < 1e-12
    assert np.sqrt(((strayed - alone) ** 2).mean()) == pytest.approx(0.05, rel=0.2)
    assert abs(np.corrcoef(strayed[0].ravel(), strayed[1].ravel())[0, 1]) < 0.9
    scales = [logs(Noise(scale=0.03), DEPTH[:1, :2, :2], (0, clip))[0, 0, 0] for clip in range(400)]
    assert np.std(scales) == pytest.approx(0.03, rel=0.1)


def test_taking_one_error_away_leaves_the_others():
    assert np.allclose(logs(Noise(depth_rms=0.05, scale=0.03)) - logs(Noise(scale=0.03)), logs(Noise(depth_rms=0.05)))


def test_the_camera_drifts_by_a_share_of_its_path_in_one_direction():
    poses = np.tile(np.eye(4), (20, 1, 1))
    poses[:, 0, 3] = np.minimum(np.arange(20.0) * 3, 30.0)
    off = (noisy_poses(poses, Noise(drift=0.01), SEED) - poses)[:, :3, 3]
    assert np.linalg.norm(off, axis=1) == pytest.approx(0.01 * np.abs(poses[:, 0, 3]))
    assert np.linalg.matrix_rank(off, tol=1e-9) == 1


def masks(count=200):
    labels = np.full((count, 60, 100), -1)
    labels[:, 10:40, 10:40] = 0
    labels[:, 20:50, 30:80] = 1
    return np.arange(count) / 2, labels


def test_edges_wander_by_so_many_pixels():
    times, labels = masks(30)
    strayed = noisy_labels(times, labels, 2, Noise(edge_px=3.0), SEED)
    tops = (strayed[:, :, 60] == 1).argmax(axis=1)
    assert np.std(tops) == pytest.approx(3.0, rel=0.3)
    assert abs(np.mean(tops) - 20) < 1.5
    assert (strayed[:, 30, 60] == 1).all()


def test_masks_are_missing_by_frame_and_object():
    times, labels = masks()
    strayed = noisy_labels(times, labels, 2, Noise(missing=0.1), SEED)
    gone = np.stack([~(strayed == k).any(axis=(1, 2)) for k in range(2)])
    assert gone.mean(axis=1) == pytest.approx([0.1, 0.1], abs=0.05)
    assert not np.array_equal(*gone)


def test_objects_that_overlap_change_identities_for_good():
    switches = 0
    for clip in range(40):
        times, labels = masks(40)
        strayed = noisy_labels(times, labels, 2, Noise(switching=0.02), (0, clip))
        first = strayed[:, 12, 12]
        switches += np.count_nonzero(np.diff(first))
        assert set(np.unique(strayed)) == {-1, 0, 1}
    # 40 clips of 20 seconds, 2 % in each.
    assert switches == pytest.approx(40 * 20 * 0.02, abs=3 * np.sqrt(16))


def test_objects_apart_keep_theirs():
    times, labels = masks(100)
    labels[labels == 1] = -1
    labels[:, 45:55, 45:80] = 1
    assert np.array_equal(noisy_labels(times, labels, 2, Noise(switching=0.9), SEED), labels)
