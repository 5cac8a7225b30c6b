"""The camera's way from followed points and depth, against ways that are known; a standing camera stands."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert, pose
from st_vlm.pseudo_labels.calibration.noise import NOISES, noisy_depth
from st_vlm.pseudo_labels.geometry.odometry import camera_poses, poses_from_tracks
from st_vlm.pseudo_labels.geometry.point_tracks import PointTracks, follow_points
from st_vlm.questions.sightings import look
from st_vlm.recordings import open_recordings

LENS = np.array([[500.0, 0, 319.5], [0, 500, 179.5], [0, 0, 1]])
WIDTH, HEIGHT = 640, 360


def driving(count: int = 12) -> np.ndarray:
    """(T, 4, 4) world from camera: 1.5 m a frame, turning; in the first camera's axes."""
    yaw = np.radians(np.linspace(0, 25, count))
    turns = Rotation.from_rotvec(yaw[:, None] * [0, 1, 0]).as_matrix()
    steps = 1.5 * turns[:-1, :, 2]
    return pose(turns, np.concatenate([np.zeros((1, 3)), np.cumsum(steps, axis=0)]))


def sightings(
    poses: np.ndarray, pixel_noise: float = 0.3, depth_noise: float = 0.0, scales: np.ndarray | None = None
) -> PointTracks:
    """What cameras see of a street: points on the ground and on walls at both sides."""
    rng = np.random.default_rng(0)
    along = rng.uniform(0, 60, 1400)
    ground = np.stack([rng.uniform(-15, 15, 1400), np.full(1400, 1.6), along], axis=-1)
    walls = np.stack([rng.choice([-12.0, 18.0], 1400), rng.uniform(-8, 1.6, 1400), along], axis=-1)
    points = np.concatenate([ground[:700], walls[700:]])
    frames, names, pixels, depth = [], [], [], []
    for t, world_from_camera in enumerate(poses):
        local = points @ invert(world_from_camera)[:3, :3].T + invert(world_from_camera)[:3, 3]
        seen = local[:, :2] / np.maximum(local[:, 2:], 0.1) * 500 + [319.5, 179.5]
        inside = (local[:, 2] > 1) & (seen > 0).all(axis=1) & (seen < [WIDTH, HEIGHT]).all(axis=1)
        some = np.flatnonzero(inside)
        frames.append(np.full(len(some), t))
        names.append(some)
        pixels.append(seen[some] + pixel_noise * rng.standard_normal((len(some), 2)))
        factor = np.exp(depth_noise * rng.standard_normal(len(some))) * (1 if scales is None else scales[t])
        depth.append(local[some, 2] * factor)
    return PointTracks(*map(np.concatenate, (frames, names, pixels, depth)), count=len(poses))


def degrees_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.degrees(Rotation.from_matrix(a[:, :3, :3].swapaxes(1, 2) @ b[:, :3, :3]).magnitude())


def test_a_way_is_found_and_frames_depth_scales_with_it():
    true = driving()
    scales = np.exp(0.04 * np.random.default_rng(1).standard_normal(len(true)))
    found = poses_from_tracks(sightings(true, 0.3, 0.05, scales), LENS, WIDTH, 0.5 * np.arange(len(true)))
    # The scales' mean is nobody's to know; what is left is the way's length.
    known = true.copy()
    known[:, :3, 3] *= np.exp(np.log(scales).mean())
    path = 1.5 * (len(true) - 1)
    assert np.linalg.norm(found.poses[:, :3, 3] - known[:, :3, 3], axis=1).max() < 0.01 * path
    assert degrees_between(found.poses, true).max() < 0.2
    relative = np.log(scales) - np.log(scales).mean()
    np.testing.assert_allclose(np.log(found.depth_scales) - np.log(found.depth_scales).mean(), relative, atol=0.01)
    assert not found.standing.any()
    assert not found.turns_only
    assert found.bridged == ()


def test_wrong_sightings_do_no_harm():
    true = driving()
    tracks = sightings(true)
    rng = np.random.default_rng(2)
    # A third of the points goes with something that drives ahead.
    wrong = np.isin(tracks.points, np.flatnonzero(rng.random(1400) < 0.33))
    tracks.pixels[wrong] += (tracks.frames[wrong] * 4.0)[:, None] * [1.0, 0.2]
    found = poses_from_tracks(tracks, LENS, WIDTH, 0.5 * np.arange(len(true)))
    assert np.linalg.norm(found.poses[:, :3, 3] - true[:, :3, 3], axis=1).max() < 0.02 * 16.5


def test_where_nothing_joins_two_parts_the_camera_goes_on_as_before_and_it_is_said():
    turns = np.tile(np.eye(3), (10, 1, 1))
    true = pose(turns, 1.2 * np.arange(10)[:, None] * [0.0, 0, 1])
    tracks = sightings(true)
    late = tracks.frames >= 5
    tracks.points[late] += tracks.points.max() + 1
    found = poses_from_tracks(tracks, LENS, WIDTH, 0.5 * np.arange(10))
    assert found.bridged == (5,)
    np.testing.assert_allclose(found.poses[:, :3, 3], true[:, :3, 3], atol=0.1)


def test_no_points_at_all_leave_the_camera_where_it_was():
    empty = PointTracks(np.empty(0, int), np.empty(0, int), np.empty((0, 2)), np.empty(0), 4)
    found = poses_from_tracks(empty, LENS, WIDTH, 0.5 * np.arange(4))
    np.testing.assert_array_equal(found.poses, np.tile(np.eye(4), (4, 1, 1)))
    assert found.bridged == (1, 2, 3)
    assert found.points == 0


def test_a_camera_that_stops_stands_in_those_frames_alone():
    true = driving()[[0, 1, 2, 3, 3, 3, 3, 4, 5]]
    found = poses_from_tracks(sightings(true, 0.1, 0.05), LENS, WIDTH, 0.5 * np.arange(len(true)))
    assert found.standing.tolist() == [False] * 4 + [True] * 3 + [False] * 2
    assert (found.poses[3:7] == found.poses[3]).all()
    assert np.linalg.norm(found.poses[:, :3, 3] - true[:, :3, 3], axis=1).max() < 0.15


def texture(rng, height, width) -> np.ndarray:
    """(H, W, 3) uint8 with detail at several sizes."""
    import cv2

    total = sum(
        cv2.resize(rng.uniform(0, 255, (height // k, width // k)), (width, height), interpolation=cv2.INTER_CUBIC)
        for k in (4, 9, 24)
    )
    return np.repeat(np.clip(total / 3, 0, 255)[..., None], 3, axis=2)


def wobbling_depth(count: int) -> np.ndarray:
    """(T, 90, 160) of a slanted wall, wrong by 5 % in a way of its own in each frame."""
    flat = np.tile(8 + np.linspace(0, 30, 90)[::-1, None] + np.linspace(0, 5, 160), (count, 1, 1))
    return noisy_depth(flat, NOISES["bar"], (3,))


def test_noise_does_not_make_a_standing_camera_drift():
    rng = np.random.default_rng(3)
    still = texture(rng, HEIGHT, WIDTH)
    moving = np.zeros((8, 90, 160), bool)
    images = []
    for t in range(8):
        image = still.copy()
        # One thing crosses the image masked, another one unmasked.
        image[100:160, 40 * t : 40 * t + 60] = texture(np.random.default_rng(9), 60, 60)
        moving[t, 25:40, 10 * t : 10 * t + 15] = True
        image[200:260, 600 - 40 * t - 60 : 600 - 40 * t] = texture(np.random.default_rng(8), 60, 60)
        images.append(np.clip(image + rng.normal(0, 6, image.shape), 0, 255).astype(np.uint8))
    found = camera_poses(images, range(8), wobbling_depth(8), LENS, moving, 0.5 * np.arange(8))
    assert found.standing.all()
    np.testing.assert_array_equal(found.poses, np.tile(np.eye(4), (8, 1, 1)))


def test_a_camera_that_turns_in_one_place_stays_there():
    import cv2

    rng = np.random.default_rng(4)
    wide = texture(rng, 800, 1600)
    # The wide picture is a wall 500 pixels away from the lens.
    wide_lens = np.array([[500.0, 0, 800], [0, 500, 400], [0, 0, 1]])
    turns = Rotation.from_euler("yx", np.stack([np.arange(8) * 3.0, np.arange(8) * 0.5], axis=-1), degrees=True)
    images = []
    for turn in turns.as_matrix():
        homography = LENS @ turn.T @ np.linalg.inv(wide_lens)
        image = cv2.warpPerspective(wide, homography, (WIDTH, HEIGHT))
        images.append(np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8))
    found = camera_poses(images, range(8), wobbling_depth(8), LENS, None, 0.5 * np.arange(8))
    assert found.turns_only
    assert not found.standing.any()
    np.testing.assert_allclose(found.poses[:, :3, 3], 0, atol=1e-9)
    true = pose(turns.as_matrix(), np.zeros((8, 3)))
    assert degrees_between(found.poses, true).max() < 0.1


def test_a_video_that_ends_early_is_refused():
    images = [np.zeros((90, 160, 3), np.uint8)] * 3
    with pytest.raises(InputError, match="ends before"):
        camera_poses(images, [0, 2, 4], np.ones((3, 9, 16)), LENS, None, np.arange(3.0))


def rendered(index: int, count: int, size: tuple[int, int], noise: str) -> tuple:
    """Found and true way over the first frames of a simulated recording, and how long it is."""
    source = open_recordings("simulated", seed=0, num_recordings=index + 1, image_size=size)
    recording = source.read(source.recording_ids()[index], camera="camera")
    grid = look(recording).frames[:count]
    frames = recording.frames
    depth = np.stack([frames.depth(int(k))[::2, ::2] for k in grid])
    moving = np.stack([frames.instances(int(k)) >= 0 for k in grid])
    numbers = np.arange(grid[0], grid[-1] + 1)
    found = camera_poses(
        (frames.read(int(k)) for k in numbers),
        (grid - grid[0]).tolist(),
        noisy_depth(depth, NOISES[noise], (0, index)),
        recording.camera.intrinsics,
        moving,
        (frames.times_ns[grid] - frames.times_ns[grid[0]]) * 1e-9,
    )
    true = invert(recording.camera.poses[grid[0]]) @ recording.camera.poses[grid]
    return found, true, np.linalg.norm(np.diff(true[:, :3, 3], axis=0), axis=1).sum()


def test_rendered_images_give_the_way():
    found, true, path = rendered(4, 5, (400, 228), "none")
    assert np.linalg.norm(found.poses[:, :3, 3] - true[:, :3, 3], axis=1).max() < 0.01 * path
    assert degrees_between(found.poses, true).max() < 0.3
    assert found.bridged == ()


@pytest.mark.slow
@pytest.mark.parametrize("index", [0, 3, 4])
def test_rendered_ways_with_noisy_depth(index):
    found, true, path = rendered(index, 21, (640, 366), "bar")
    places, known = found.poses[:, :3, 3], true[:, :3, 3]
    # The clip's scale error, of 3 %, is in depth and way alike.
    scale = (places * known).sum() / (places**2).sum()
    assert abs(scale - 1) < 0.06
    assert np.linalg.norm(scale * places - known, axis=1).max() < 0.005 * path
    assert degrees_between(found.poses, true).max() < 0.5


def test_one_frame_and_depth_that_is_not_known_leave_the_camera_where_it_is():
    image = texture(np.random.default_rng(5), HEIGHT, WIDTH).astype(np.uint8)
    one = camera_poses([image], [0], np.full((1, 9, 16), 5.0), LENS, None, np.zeros(1))
    np.testing.assert_array_equal(one.poses, np.eye(4)[None])
    unknown = np.full((3, 90, 160), np.nan)
    unknown[:, :40] = np.inf
    shifted = [np.roll(image, 12 * t, axis=1) for t in range(3)]
    found = camera_poses(shifted, range(3), unknown, LENS, None, 0.5 * np.arange(3))
    assert np.isfinite(found.poses).all()


def test_points_followed_through_real_images_tell_the_true_turns(real_data):
    """Driving, half a second apart, with nothing in between: harder than any video. Depth is not known here."""
    import cv2

    source = open_recordings("nuscenes", real_data / "nuscenes")
    recording = source.read(source.recording_ids()[0], camera="CAM_FRONT")
    camera, count = recording.camera, 10
    unknown = np.full((count, 45, 80), np.nan)
    tracks = follow_points((recording.frames.read(t) for t in range(count)), range(count), unknown)
    errors = []
    for t in range(count - 1):
        before, now = (tracks.pixels[rows] for rows in tracks.shared(t, t + 1))
        assert len(before) > 100
        matrix, inliers = cv2.findEssentialMat(before, now, camera.intrinsics, cv2.RANSAC, 0.999, 1.0)
        _, turn, _, _ = cv2.recoverPose(matrix, before, now, camera.intrinsics, mask=inliers)
        true = invert(camera.poses[t + 1]) @ camera.poses[t]
        errors.append(np.degrees(Rotation.from_matrix(turn @ true[:3, :3].T).magnitude()))
    assert np.median(errors) < 0.3


def test_what_no_depth_ties_to_the_rest_is_said():
    true = driving()
    tracks = sightings(true)
    tracks.depth[:] = np.nan
    assert poses_from_tracks(tracks, LENS, WIDTH, 0.5 * np.arange(12)).bridged == tuple(range(1, 12))
