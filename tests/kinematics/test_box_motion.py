"""The numbers of track tokens, against scenes whose truth is known."""

from dataclasses import replace

import numpy as np
import pytest

from st_vlm.kinematics.box_motion import BOX_FEATURES, FEATURES, box_motion
from st_vlm.kinematics.ground_tracks import Sight
from st_vlm.kinematics.projection import project_boxes

SIZE = (1280, 720)
INTRINSICS = np.array([[900.0, 0, 640], [0, 900, 360], [0, 0, 1]])
TIMES = np.arange(12) * 0.5
HEIGHT = 1.6


def camera_poses(count, speed=0.0, world_yaw=0.0):
    """Level poses of a camera that drives straight ahead, in a world turned by `world_yaw` and far from its origin."""
    flat = np.array([np.cos(world_yaw), np.sin(world_yaw), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([[flat[1], -flat[0], 0.0], [0.0, 0.0, -1.0], flat], axis=1)
    poses = np.tile(pose, (count, 1, 1))
    poses[:, :3, 3] = [5000.0, -300.0, 20.0 + HEIGHT] + 0.5 * speed * np.arange(count)[:, None] * flat
    return poses


def seen(path, sight, poses, world_yaw=0.0):
    """(1, T, 4) boxes of a person on a path (T, 2) given in the first camera's level frame."""
    turn = np.array([[np.cos(world_yaw), -np.sin(world_yaw)], [np.sin(world_yaw), np.cos(world_yaw)]])
    centres = np.concatenate([path @ turn.T + poses[0, :2, 3], np.full((len(path), 1), 20.86)], axis=1)
    count = len(path)
    boxes = project_boxes(
        centres, np.tile([0.5, 0.5, 1.72], (count, 1)), np.tile(np.eye(3), (count, 1, 1)), poses, sight
    )
    return boxes.clipped[None]


def numbers(path, speed=0.0, world_yaw=0.0, **changes):
    poses = camera_poses(len(path), speed, world_yaw)
    sight = Sight(SIZE, INTRINSICS, height_m=HEIGHT, poses=poses)
    boxes = seen(path, sight, poses, world_yaw)
    values = box_motion(TIMES[: len(path)], boxes, replace(sight, **changes))
    return dict(zip(FEATURES, np.moveaxis(values[0], -1, 0), strict=True))


def straight_then_right(count=12):
    """2 m a step ahead, then 2 m a step to the right."""
    steps = np.where(np.arange(count)[:, None] < 6, [2.0, 0.0], [0.0, -2.0])
    steps[0] = 0
    return np.add(np.cumsum(steps, axis=0), (14.0, 6.0))


@pytest.mark.parametrize("speed", [0.0, 1.0])
@pytest.mark.parametrize("world_yaw", [0.0, 2.4])
def test_path_turn_and_place_are_those_of_the_scene(speed, world_yaw):
    path = straight_then_right()
    told = numbers(path, speed, world_yaw)
    assert np.exp(told["log_path"][-1]) - 0.1 == pytest.approx(22.0, rel=0.08)
    assert np.arctan2(told["net_sin"], told["net_cos"])[-1] == pytest.approx(np.arctan2(-12, 10), abs=0.1)
    assert told["turn_hours"][0] == pytest.approx(0.0, abs=0.1)
    assert told["last_turn_hours"][-1] == pytest.approx(1.0, abs=0.15)  # a quarter of a turn clockwise
    # 12 o'clock up to the corner, then 3 o'clock; each frame knows when its run begins and ends.
    hours = np.arctan2(told["run_sin"], told["run_cos"]) * 6 / np.pi
    assert hours[[*range(5), *range(8, 12)]] == pytest.approx([0.0] * 5 + [3.0] * 4, abs=1e-6)
    assert told["run_start"][[0, -1]] * 10 == pytest.approx([0.0, 2.5], abs=1.1)
    assert told["run_end"][[0, -1]] * 10 == pytest.approx([2.5, 5.5], abs=1.1)
    assert np.sinh(told["place_x"]) == pytest.approx(path[:, 0], abs=1.2)
    assert np.sinh(told["place_y"]) == pytest.approx(path[:, 1], abs=1.2)
    assert np.exp(told["log_object_height"][0]) == pytest.approx(1.72, rel=0.05)
    assert np.sinh(told["velocity_x"][2]) == pytest.approx(4.0, rel=0.1)


def test_who_stands_is_told_from_who_moves_whatever_the_camera_does():
    standing, moving = (
        numbers(np.array([22.0, 2.0]) + np.arange(12)[:, None] * [0.0, step], 2.0)["log_extent_in_sigmas"][0]
        for step in (0.0, 1.0)
    )
    assert standing < 0.3 < 1.0 < moving


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({}, set(FEATURES)),
        ({"height_m": None}, {*BOX_FEATURES, "log_focal", "camera_x", "camera_step_yaw", "log_angular_height"}),
        ({"poses": None}, {*BOX_FEATURES, "log_focal", "log_camera_height", "log_angular_height"}),
        ({"intrinsics": None}, {*BOX_FEATURES, "log_camera_height", "camera_x"}),
        ({"intrinsics": None, "height_m": None, "poses": None}, set(BOX_FEATURES)),
    ],
)
def test_only_what_follows_from_what_is_known_is_told(changes, known):
    told = numbers(straight_then_right(), **changes)
    there = {name for name, values in told.items() if np.isfinite(values[1:]).all()}
    assert known <= there
    places = {"place_x", "log_path", "turn_hours"}
    assert bool(places & there) == (not changes)


def test_an_unseen_frame_tells_times_and_camera_alone():
    path = straight_then_right()
    poses = camera_poses(12)
    sight = Sight(SIZE, INTRINSICS, height_m=HEIGHT, poses=poses)
    boxes = seen(path, sight, poses)
    boxes[0, [0, 5, 10, 11]] = np.nan
    values = dict(zip(FEATURES, np.moveaxis(box_motion(TIMES, boxes, sight)[0], -1, 0), strict=True))
    assert np.isnan(values["x"][[0, 5, 10, 11]]).all()
    assert np.isfinite(values["time"]).all()
    assert np.isfinite(values["place_x"][5])  # between sightings
    assert np.isnan(values["place_x"][[0, 10, 11]]).all()  # beyond them
    assert np.isnan(values["log_path"][[0, 10, 11]]).all()


def test_boxes_at_the_border_are_known_as_cut():
    boxes = np.array([[[0, 100, 50, 200], [100, 0, 200, 100], [100, 600, 200, 720], [1200, 300, 1280, 400]]], float)
    values = dict(zip(FEATURES, np.moveaxis(box_motion(TIMES[:4], boxes, Sight(SIZE))[0], -1, 0), strict=True))
    assert values["cut_at_side"].tolist() == [1, 0, 0, 1]
    assert values["cut_at_top"].tolist() == [0, 1, 0, 0]
    assert values["cut_at_bottom"].tolist() == [0, 0, 1, 0]


def test_no_mark_and_a_single_frame():
    assert box_motion(TIMES[:3], np.empty((0, 3, 4)), Sight(SIZE)).shape == (0, 3, len(FEATURES))
    one = numbers(np.array([[15.0, 1.0]]))
    assert np.isfinite(one["place_x"]).all()
