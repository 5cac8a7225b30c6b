"""Lifting boxes without depth: cuboids driven by hand on flat and sloping ground, projected corner by corner."""

from types import SimpleNamespace

import numpy as np
import pytest

from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.projection import project_boxes
from st_vlm.pseudo_labels.lifting.ground_lifting import lift_boxes

SIZE = (1280, 720)
INTRINSICS = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
TIMES = np.arange(16) * 0.5
CAR, PERSON = np.array([4.5, 1.9, 1.6]), np.array([0.6, 0.6, 1.72])


def lens(distortion="none", coefficients=()):
    return SimpleNamespace(
        intrinsics=INTRINSICS, size=SIZE, distortion=distortion, distortion_coefficients=coefficients
    )


def upright(yaw, slope=0.0):
    """World from body axes ahead, left, up, for what goes along `yaw` and climbs `slope`."""
    ahead = np.array([np.cos(yaw), np.sin(yaw), slope])
    ahead /= np.linalg.norm(ahead)
    left = np.array([-np.sin(yaw), np.cos(yaw), 0.0])
    return np.stack([ahead, left, np.cross(ahead, left)], axis=1)


def camera(centres, yaw=0.0, pitch=0.05, slope=0.0):
    """(T, 4, 4) poses at (T, 3) centres, looking along the road and `pitch` down from it."""
    body = upright(yaw, slope)
    ahead = np.cos(pitch) * body[:, 0] - np.sin(pitch) * body[:, 2]
    turn = np.stack([-body[:, 1], np.cross(ahead, -body[:, 1]), ahead], axis=1)
    poses = np.tile(np.eye(4), (len(centres), 1, 1))
    poses[:, :3, :3], poses[:, :3, 3] = turn, centres
    return poses


def standing_camera(height=1.5, pitch=0.05):
    return camera(np.tile([0.0, 0.0, height], (len(TIMES), 1)), pitch=pitch)


def seen(places, yaws, size, poses, ground=lambda places: 0.0 * places[:, 0], slope=0.0, through=None):
    """(T, 4) boxes of a cuboid at (T, 2) places, cut to the image; NaN where it is not in it."""
    centres = np.concatenate([places, (ground(places) + size[2] / 2)[:, None]], axis=1)
    turns = np.stack([upright(yaw, slope) for yaw in np.broadcast_to(yaws, len(places))])
    projected = project_boxes(centres, np.tile(size, (len(places), 1)), turns, poses, through or lens())
    return np.where((projected.truncation < 0.5)[:, None], projected.clipped, np.nan)


def straight(start, velocity):
    return np.array(start, float) + TIMES[:, None] * np.array(velocity, float)


def travelled(lifted, k):
    run = lifted.tracks.stretch(k)
    return np.linalg.norm(np.diff(lifted.tracks.places[k, run], axis=0), axis=1).sum()


def test_a_car_that_drives_away_and_one_that_crosses():
    poses = standing_camera()
    away, across = straight([10, 2], [4, 0]), straight([25, 12], [0, -3])
    boxes = np.stack([seen(away, 0.0, CAR, poses), seen(across, -np.pi / 2, CAR, poses)])
    lifted = lift_boxes(TIMES, boxes, ["car", "car"], lens(), poses, 1.5)
    for k, way in enumerate((away, across)):
        run = lifted.tracks.stretch(k)
        assert lifted.tracks.states[k] is Moving.MOVING
        assert np.linalg.norm(lifted.tracks.places[k, run] - way[run], axis=1).max() < 1.0
        true = np.linalg.norm(np.diff(way[run], axis=0), axis=1).sum()
        assert travelled(lifted, k) == pytest.approx(true, rel=0.03)
    np.testing.assert_allclose(lifted.measured.sizes, np.tile(CAR, (2, 1)), rtol=0.05)


def test_the_road_climbs_as_the_camera_does():
    """On a road of 5 % a level ground plane would put a car at 25 m beyond 60 m."""
    slope = 0.05
    road = straight([0, 0], [5, 0])
    poses = camera(np.concatenate([road, (slope * road[:, 0] + 1.5)[:, None]], axis=1), slope=slope)
    ahead, oncoming = road + np.array([25, 0.5]), straight([75, 3.5], [-4, 0])
    boxes = np.stack(
        [
            seen(way, yaw, CAR, poses, lambda places: slope * places[:, 0], slope * np.cos(yaw))
            for way, yaw in ((ahead, 0.0), (oncoming, np.pi))
        ]
    )
    lifted = lift_boxes(TIMES, boxes, ["car", "car"], lens(), poses, 1.5)
    for k, way in enumerate((ahead, oncoming)):
        run = lifted.tracks.stretch(k)
        assert np.linalg.norm(lifted.tracks.places[k, run] - way[run], axis=1).max() < 2.0
        true = np.linalg.norm(np.diff(way[run], axis=0), axis=1).sum()
        assert travelled(lifted, k) == pytest.approx(true, rel=0.05)


@pytest.mark.parametrize("tilt", [-0.03, 0.03])
def test_known_sizes_tell_that_a_standing_cameras_ground_is_not_level(tilt):
    def ground(places):
        return tilt * places[:, 0]

    poses = standing_camera()
    ways = [straight([12, 4], [2, 0]), straight([18, -5], [1.5, 0.5]), straight([30, -6], [-1, 0.6])]
    yaws = [0.0, np.arctan2(0.5, 1.5), np.arctan2(0.6, -1)]
    boxes = np.stack([seen(way, yaw, CAR, poses, ground) for way, yaw in zip(ways, yaws, strict=True)])
    lifted = lift_boxes(TIMES, boxes, ["car"] * 3, lens(), poses, 1.5)
    assert abs(lifted.ground[1] - tilt) < 0.012
    for k, way in enumerate(ways):
        run = lifted.tracks.stretch(k)
        true = np.linalg.norm(np.diff(way[run], axis=0), axis=1).sum()
        assert travelled(lifted, k) == pytest.approx(true, rel=0.12)


def test_what_a_moving_camera_passes_stands_though_its_size_is_unusual():
    rng = np.random.default_rng(3)
    road = straight([0, 0], [4, 0])
    poses = camera(np.concatenate([road, np.full((len(road), 1), 1.6)], axis=1))
    spots = np.array([[25, 5], [38, -5], [52, 5.5], [60, -6], [70, 6.0]])
    factors = rng.uniform(0.85, 1.15, (len(spots), 1))
    boxes = [
        seen(np.tile(spot, (16, 1)), yaw, CAR * factor, poses)
        for spot, yaw, factor in zip(spots, rng.uniform(0, 3, len(spots)), factors, strict=True)
    ]
    walker = straight([45, 7], [-1.2, 0])
    boxes = np.stack([*boxes, seen(walker, np.pi, PERSON, poses)])
    lifted = lift_boxes(TIMES, boxes, [*["car"] * len(spots), "person"], lens(), poses, 1.6)
    assert lifted.tracks.states[:-1] == (Moving.STATIC,) * len(spots)
    assert lifted.tracks.states[-1] is Moving.MOVING
    for k, spot in enumerate(spots):
        assert np.linalg.norm(lifted.tracks.places[k, lifted.tracks.known[k]] - spot, axis=1).max() < 2.0


def test_what_stands_does_so_in_boxes_that_are_worse_than_thought():
    """A detector is off by 3 % of a side, and for three frames in the same way."""
    road = straight([0, 0], [4, 0])
    poses = camera(np.concatenate([road, np.full((len(road), 1), 1.6)], axis=1))
    spots = np.array([[25, 5], [38, -5], [52, 5.5], [60, -6], [70, 6.0], [45, 5.2], [50, -5.4]])
    exact = np.stack([seen(np.tile(spot, (16, 1)), 0.0, CAR, poses) for spot in spots])
    sides = np.tile(exact[..., 2:] - exact[..., :2], 2)
    standing = 0
    for seed in range(5):
        noise = np.random.default_rng(seed).standard_normal(exact.shape)
        noise = sum(np.roll(noise, k, axis=1) for k in range(3)) / np.sqrt(3)
        lifted = lift_boxes(TIMES, exact + 0.03 * noise * sides, ["car"] * len(spots), lens(), poses, 1.6)
        standing += lifted.tracks.states.count(Moving.STATIC)
    assert standing >= 0.8 * 5 * len(spots)


def test_a_driven_camera_nods_without_the_poses_telling():
    """Boxes that all go up and down together are the camera's doing; one that stands still has no springs."""
    rng = np.random.default_rng(5)
    nods = 0.012 * np.sin(TIMES)
    found = {}
    for speed in (4.0, 0.0):
        road = straight([0, 0], [speed, 0])
        centres = np.concatenate([road, np.full((len(road), 1), 1.6)], axis=1)
        true = [camera(centre[None], pitch=0.05 + nod) for centre, nod in zip(centres, nods, strict=True)]
        true = np.concatenate(true)
        spots = np.array([[25, 5], [38, -5], [52, 5.5], [60, -6], [70, 6.0]])
        ahead = straight([30, 0.5], [4.5, 0])
        boxes = [seen(np.tile(spot, (16, 1)), 0.0, CAR * rng.uniform(0.9, 1.1), true) for spot in spots]
        boxes = np.stack([*boxes, seen(ahead, 0.0, CAR, true)])
        lifted = lift_boxes(TIMES, boxes, ["car"] * 6, lens(), camera(centres), 1.6)
        found[speed] = lifted.nods
        if speed:
            assert lifted.tracks.states == (Moving.STATIC,) * 5 + (Moving.MOVING,)
            assert travelled(lifted, 5) == pytest.approx(4.5 * 7.5, rel=0.02)
    assert np.corrcoef(found[4.0], nods)[0, 1] > 0.8
    assert np.abs(found[0.0]).max() < 1e-4


def test_two_thirds_of_the_stated_intervals_hold_the_true_distance():
    """Sizes, the ground's tilt, the camera's height and the boxes are all drawn from what is expected of them."""
    rng = np.random.default_rng(1)
    inside, off = [], []
    for _ in range(14):
        poses = standing_camera()
        tilt = rng.normal(0, 0.02, 2)
        ways, boxes = [], []
        for place in rng.uniform([10, -8], [32, 8], (6, 2)):
            yaw = rng.uniform(0, 2 * np.pi)
            way = straight(place, 2.5 * np.array([np.cos(yaw), np.sin(yaw)]))
            size = CAR * np.exp(rng.normal(0, 0.055) + rng.normal(0, 0.084, 3))
            exact = seen(way, yaw, size, poses, lambda places: places @ tilt)  # noqa: B023
            sides = np.tile(exact[:, 2:] - exact[:, :2], 2)
            boxes.append(exact + rng.standard_normal(exact.shape) * np.maximum(1.0, 0.015 * sides))
            ways.append(way)
        height = 1.5 * np.exp(rng.normal(0, 0.03))
        lifted = lift_boxes(TIMES, np.stack(boxes), ["car"] * 6, lens(), poses, height)
        for k, way in enumerate(ways):
            run = lifted.tracks.stretch(k)
            if run.stop - run.start < 5 or lifted.tracks.states[k] is not Moving.MOVING:
                continue
            true = np.linalg.norm(np.diff(way[run], axis=0), axis=1).sum()
            drawn = np.linalg.norm(np.diff(lifted.tracks.draws[:, k, run], axis=1), axis=-1).sum(axis=1)
            inside.append(abs(travelled(lifted, k) - true) < drawn.std())
            off.append(abs(travelled(lifted, k) - true) / true)
    assert len(inside) > 50
    assert np.median(off) < 0.12
    assert 0.5 < np.mean(inside) < 0.88


def test_exchanged_identities_are_given_back():
    poses = standing_camera()
    one, other = straight([14, 6], [0, -1.6]), straight([18, -6], [0, 1.6])
    boxes = np.stack([seen(one, -np.pi / 2, PERSON, poses), seen(other, np.pi / 2, PERSON, poses)])
    boxes[:, 8:] = boxes[::-1, 8:].copy()
    lifted = lift_boxes(TIMES, boxes, ["person", "person"], lens(), poses, 1.5)
    assert len(lifted.switches) == 1
    assert np.linalg.norm(lifted.tracks.places[0] - one, axis=1).max() < 1.5


def test_a_bent_lens_tells_the_same():
    through = lens("radial", (-0.2, 0.04, 0.0))
    poses, way = standing_camera(), straight([12, 5], [3, -1])
    yaw = np.arctan2(-1, 3)
    bent = lift_boxes(TIMES, seen(way, yaw, CAR, poses, through=through)[None], ["car"], through, poses, 1.5)
    plain = lift_boxes(TIMES, seen(way, yaw, CAR, poses)[None], ["car"], lens(), poses, 1.5)
    assert np.linalg.norm(bent.tracks.places - plain.tracks.places, axis=-1).max() < 0.6


def test_the_same_seed_draws_the_same():
    poses = standing_camera()
    boxes = seen(straight([12, 5], [3, -1]), -0.3, CAR, poses)[None]
    first, again, other = (lift_boxes(TIMES, boxes, ["car"], lens(), poses, 1.5, seed=s) for s in (4, 4, 5))
    np.testing.assert_array_equal(first.tracks.draws, again.tracks.draws)
    assert not np.allclose(first.tracks.draws, other.tracks.draws)


def test_boxes_that_are_none_leave_nothing():
    poses = standing_camera()
    boxes = np.full((3, 16, 4), np.nan)
    boxes[1] = [700, 400, 600, 500]
    boxes[2, 3] = [600, 300, 700, 420]
    lifted = lift_boxes(TIMES, boxes, ["car", "car", "person"], lens(), poses, 1.5)
    assert lifted.tracks.states == (Moving.UNDECIDED,) * 3
    assert not lifted.usable[:2].any()
    assert not lifted.tracks.known[:2].any()
    empty = lift_boxes(TIMES, np.empty((0, 16, 4)), [], lens(), poses, 1.5)
    assert empty.tracks.states == ()


def test_a_wild_box_among_good_ones_hardly_matters():
    poses, way = standing_camera(), straight([12, 3], [2, 0])
    boxes = seen(way, 0.0, CAR, poses)
    boxes[7] = [100, 80, 160, 110]
    lifted = lift_boxes(TIMES, boxes[None], ["car"], lens(), poses, 1.5)
    assert travelled(lifted, 0) == pytest.approx(15.0, rel=0.15)


def seen_in_part(places, yaw, parts, poses):
    """(T, 4) boxes around what the image holds of several cuboids: (size, metres ahead of the place) of each."""
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    boxes = []
    for size, offset in parts:
        at = places + offset * ahead
        centres = np.concatenate([at, np.full((len(at), 1), size[2] / 2)], axis=1)
        turns = np.tile(upright(yaw), (len(at), 1, 1))
        projected = project_boxes(centres, np.tile(size, (len(at), 1)), turns, poses, lens())
        boxes.append(np.where((projected.truncation < 0.95)[:, None], projected.clipped, np.nan))
    boxes = np.stack(boxes)
    none = np.isnan(boxes).all(axis=0)
    low = np.where(np.isnan(boxes[..., :2]), np.inf, boxes[..., :2]).min(axis=0)
    high = np.where(np.isnan(boxes[..., 2:]), -np.inf, boxes[..., 2:]).max(axis=0)
    return np.where(none, np.nan, np.concatenate([low, high], axis=1))


def test_a_hood_at_the_images_side_is_no_low_car():
    """The camera turns away from a parked car until the image holds its hood alone, which is no car's height."""
    poses = np.concatenate([camera(np.array([[0.6 * k, 0.0, 1.6]]), yaw=0.025 * k) for k in range(len(TIMES))])
    parts = [(np.array([4.5, 1.9, 0.9]), 0.0), (np.array([2.2, 1.8, 1.6]), -0.9)]
    boxes = seen_in_part(np.tile([20.0, -5.0], (16, 1)), np.pi / 2, parts, poses)
    lifted = lift_boxes(TIMES, boxes[None], ["car"], lens(), poses, 1.6)
    assert lifted.tracks.states == (Moving.STATIC,)
