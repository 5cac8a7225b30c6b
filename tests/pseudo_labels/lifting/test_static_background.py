"""Errors of depth found from what stands still, against the errors that were put in."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from seen_room import Box, Room, look_pose

from st_vlm.pseudo_labels.lifting.static_background import DepthErrors, correct_depth

ERRORS = DepthErrors()
COUNT = 12


def fields(seed, size, count=COUNT, rms=0.05):
    """Smooth noise, made by blurring: its correlation falls to 1/e over a quarter of the width."""
    rng = np.random.default_rng(seed)
    width, height = size
    sigma = width / 8
    raw = rng.standard_normal((count, height + 6 * width // 8, width + 6 * width // 8))
    blurred = np.stack([gaussian_filter(one, sigma) for one in raw]) * 2 * np.sqrt(np.pi) * sigma
    edge = 3 * width // 8
    return rms * blurred[:, edge : edge + height, edge : edge + width]


def standing(room, count=COUNT):
    poses = np.stack([look_pose((0, 0, 1.6), 0.0, 0.05)] * count)
    return poses, *map(np.stack, zip(*[room.render(pose) for pose in poses], strict=True))


def driving(room, count=COUNT, step=1.5):
    poses = np.stack(
        [look_pose((step * k, 0.2 * np.sin(k / 3), 1.6), 0.02 * np.sin(k / 2), 0.05) for k in range(count)]
    )
    return poses, *map(np.stack, zip(*[room.render(pose) for pose in poses], strict=True))


def left(correction, logs):
    """What is left of the errors' logarithms, at every pixel."""
    return logs - correction.field.image(correction.log_errors)


def test_a_standing_camera_tells_each_frames_field_but_not_the_scale(street):
    poses, depth, _ = standing(street)
    logs = fields(0, street.size) + 0.02
    found = correct_depth(depth * np.exp(logs), np.isfinite(depth), street.intrinsics, poses, ERRORS)
    rest = left(found, logs)[np.isfinite(depth)]
    assert np.std(rest) < 0.4 * np.std(logs)
    # What all frames share cannot be seen, and the correction says so.
    assert found.log_scale_sigma == pytest.approx(ERRORS.scale, rel=0.05)
    changing = left(found, logs) - left(found, logs).mean(axis=0)
    assert np.std(changing[np.isfinite(depth)]) < 0.1 * np.std(logs)


@pytest.mark.parametrize("scale", [-0.06, 0.0, 0.04])
def test_a_driving_camera_tells_the_scale_too(street, scale):
    poses, depth, _ = driving(street)
    logs = fields(1, street.size) + scale
    found = correct_depth(depth * np.exp(logs), np.isfinite(depth), street.intrinsics, poses, ERRORS)
    assert found.log_scale_sigma < 0.6 * ERRORS.scale
    assert abs(found.log_scale - scale) < 3 * found.log_scale_sigma
    assert np.sqrt(np.mean(left(found, logs)[np.isfinite(depth)] ** 2)) < 0.03


def test_the_cameras_drift_is_found_and_taken_away(street):
    poses, depth, _ = driving(street)
    wrong = poses.copy()
    path = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1))])
    wrong[:, :3, 3] += 0.01 * path[:, None] * np.array([0.0, 0.6, 0.8])
    found = correct_depth(depth, np.isfinite(depth), street.intrinsics, wrong, ERRORS)
    before = np.linalg.norm((wrong - poses)[-1, 1:3, 3])
    assert np.linalg.norm((found.poses(wrong) - poses)[-1, 1:3, 3]) < 0.4 * before


def test_draws_are_spread_as_the_errors_are(street):
    scatter, stated = [], []
    for seed in range(4):
        poses, depth, _ = driving(street)
        logs = fields(10 + seed, street.size) + 0.03 * np.random.default_rng(seed).standard_normal()
        found = correct_depth(depth * np.exp(logs), np.isfinite(depth), street.intrinsics, poses, ERRORS)
        seen = np.isfinite(depth[::3])
        scatter.append(left(found, logs)[::3][seen])
        draws = found.field.image(found.draws[:, ::3]) - found.field.image(found.log_errors[::3])
        stated.append(draws.std(axis=0)[seen])
    ratio = np.sqrt(np.mean(np.concatenate(scatter) ** 2) / np.mean(np.concatenate(stated) ** 2))
    assert 0.6 < ratio < 1.6


def test_what_moves_unmarked_does_not_spoil_the_rest(street):
    clean = driving(street)
    frames = [
        Room((*street.boxes, Box((20 + 2 * k, 0, 1), (3, 2, 2)))).render(pose) for k, pose in enumerate(clean[0])
    ]
    depth = np.stack([frame[0] for frame in frames])
    logs = fields(3, street.size) + 0.03
    found = correct_depth(depth * np.exp(logs), np.isfinite(depth), street.intrinsics, clean[0], ERRORS)
    assert abs(found.log_scale - 0.03) < 4 * found.log_scale_sigma


def test_without_any_background_nothing_is_corrected_and_nothing_is_sure(street):
    poses, depth, _ = standing(street)
    found = correct_depth(depth, np.zeros(depth.shape, bool), street.intrinsics, poses, ERRORS)
    assert not found.log_errors.any()
    assert found.comparisons == 0
    assert np.isnan(found.residual)
    assert np.std(found.draws) == pytest.approx(np.hypot(ERRORS.field_rms, ERRORS.scale), rel=0.15)


def test_unknown_depth_is_no_depth(street):
    poses, depth, _ = driving(street)
    logs = fields(2, street.size)
    holed = depth * np.exp(logs)
    holed[:, 50:60, 40:90] = np.nan
    holed[3] = np.inf
    found = correct_depth(holed, np.ones(depth.shape, bool), street.intrinsics, poses, ERRORS)
    assert np.isfinite(found.log_errors).all()
    assert abs(found.log_scale) < 4 * found.log_scale_sigma


@pytest.mark.parametrize("scale", [-0.08, 0.08])
def test_a_large_error_of_the_scale_is_found_in_noise(street, scale):
    poses, depth, _ = driving(street)
    loose = DepthErrors(scale=0.2)
    found = [
        correct_depth(depth * np.exp(fields(k, street.size) + scale), depth < np.inf, street.intrinsics, poses, loose)
        for k in (20, 21, 22)
    ]
    assert np.mean([one.log_scale for one in found]) == pytest.approx(scale, abs=0.02)


def test_a_frame_whose_pose_jumps_shows(street):
    poses, depth, _ = driving(street)
    logs = fields(4, street.size)
    right = correct_depth(depth * np.exp(logs), np.isfinite(depth), street.intrinsics, poses, ERRORS)
    jumped = poses.copy()
    jumped[5, :3, 3] += (6.0, 20.0, 0.0)
    wrong = correct_depth(depth * np.exp(logs), np.isfinite(depth), street.intrinsics, jumped, ERRORS)
    assert right.worst_residual < 0.02
    assert wrong.worst_residual > 0.1
    assert np.argmax(np.nan_to_num(wrong.frame_residuals, nan=1.0)) in (4, 5, 6)


def test_depth_of_another_scene_shows(street):
    poses, depth, _ = driving(street)
    depth[7] = depth[7, ::-1]
    found = correct_depth(depth, np.isfinite(depth), street.intrinsics, poses, ERRORS)
    assert found.frame_residuals[7] > 0.1
