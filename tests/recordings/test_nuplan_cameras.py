"""Cameras of nuPlan: poses, lenses and images against the known motion, and the whole build on top of them."""

import math
import os
import pickle
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from native_layouts.nuplan import (
    DISTORTION,
    LOG,
    MOUNT,
    ego_pose,
    nuplan_tables,
    place,
    token,
    write_log,
    write_nuplan,
)
from native_layouts.scene import CAR_SPEED, OBJECTS, START_US, WALKER_SPEED
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import open_recordings

START_NS = START_US * 1000
SCENE = f"{LOG}-scene-000"


def opened(path, **options):
    return open_recordings("nuplan", path, **options)


@pytest.mark.parametrize("pickles", ["devkit", "lists", "arrays"])
def test_an_image_has_its_own_time_and_ego_pose(tmp_path, pickles):
    recording = opened(write_nuplan(tmp_path, nuplan_tables(pickles=pickles))).read(SCENE, "CAM_F0")
    camera, frames = recording.camera, recording.frames
    # 61 images from 12 ms on; the last comes after the last sweep, where no box tells what it shows.
    np.testing.assert_array_equal(frames.times_ns, START_NS + 12_000_000 + 100_000_000 * np.arange(60))
    for i in (0, 37):
        (x, y, z), yaw = ego_pose(0.012 + 0.1 * i)
        lens = [
            x + MOUNT[0] * math.cos(yaw) - MOUNT[1] * math.sin(yaw),
            y + MOUNT[0] * math.sin(yaw) + MOUNT[1] * math.cos(yaw),
            z + MOUNT[2],
        ]
        np.testing.assert_allclose(camera.poses[i, :3, 3], lens, rtol=0, atol=1e-6)
        np.testing.assert_allclose(camera.poses[i, :3, 2], [math.cos(yaw), math.sin(yaw), 0], atol=1e-9)
        np.testing.assert_allclose(camera.poses[i, :3, 1], [0, 0, -1], atol=1e-9)
    assert camera.size == (160, 90)
    assert camera.distortion == "brown_conrady"
    assert camera.distortion_coefficients == tuple(DISTORTION)
    assert frames.read(3).shape == (90, 160, 3)
    assert frames.paths[0] == f"sensor_blobs/{LOG}/CAM_F0/{token(LOG, 'CAM_F0', 0).hex()}.jpg"
    assert len(frames.paths) == len(frames)


@pytest.mark.parametrize(("channel", "turn", "lag"), [("CAM_F0", 0, 0.012), ("CAM_L0", 55, 0.031)])
def test_a_known_point_falls_on_its_pixel(tmp_path, channel, turn, lag):
    """A point 10 m before the lens, 2 m to its right and 1 m below, through the distortion as OpenCV defines it."""
    camera = opened(write_nuplan(tmp_path, nuplan_tables())).read(SCENE, channel).camera
    (x, y, z), yaw = ego_pose(lag + 0.1 * 20)
    looks = yaw + math.radians(turn)
    lens = (
        x + MOUNT[0] * math.cos(yaw) - MOUNT[1] * math.sin(yaw),
        y + MOUNT[0] * math.sin(yaw) + MOUNT[1] * math.cos(yaw),
    )
    point = [
        lens[0] + 10 * math.cos(looks) + 2 * math.sin(looks),
        lens[1] + 10 * math.sin(looks) - 2 * math.cos(looks),
        z + MOUNT[2] - 1,
    ]
    uv, depth = project_points(
        np.array(point), camera.poses[20], camera.intrinsics, camera.distortion, camera.distortion_coefficients
    )
    np.testing.assert_allclose([*uv, depth], [*distorted(0.2, 0.1), 10], atol=1e-6)


def test_distortion_may_be_short_or_none(tmp_path):
    for stored, model in (
        (pickle.dumps([0.1, 0.2, 0.0, 0.0]), "brown_conrady"),
        (None, "none"),
        (pickle.dumps([]), "none"),
    ):
        tables = nuplan_tables(21)
        tables["camera"][0]["distortion"] = stored
        log = write_log(tmp_path / f"{model}-{stored is None}.db", tables)
        recording_id = opened(log).recording_ids()[0]
        assert opened(log).read(recording_id, "CAM_F0", images=False).camera.distortion == model


def test_without_images_poses_come_from_the_image_table_or_else_from_the_sweeps(tmp_path):
    listed = opened(write_nuplan(tmp_path / "listed", nuplan_tables(21), images=False))
    assert listed.cameras(SCENE) == ()
    assert listed.cameras(SCENE, images=False) == ("CAM_F0", "CAM_L0")
    recording = listed.read(SCENE, "CAM_L0", images=False)
    assert recording.frames.read is None
    np.testing.assert_array_equal(recording.frames.times_ns, START_NS + 31_000_000 + 100_000_000 * np.arange(10))

    bare = opened(write_nuplan(tmp_path / "bare", nuplan_tables(21, images=False)))
    recording = bare.read(SCENE, "CAM_F0", images=False)
    np.testing.assert_array_equal(recording.frames.times_ns, START_NS + 100_000_000 * np.arange(11))
    x, y, z = ego_pose(1.0)[0]
    assert np.linalg.norm(recording.camera.poses[10, :3, 3] - [x, y, z]) == pytest.approx(np.linalg.norm(MOUNT))
    with pytest.raises(InputError, match="no image of CAM_F0"):
        bare.read(SCENE, "CAM_F0")


def test_cameras_are_those_with_images_of_the_scene(tmp_path):
    log = write_nuplan(tmp_path, nuplan_tables(sweeps=80, scenes=2))
    left = sorted((tmp_path / "sensor_blobs" / LOG / "CAM_L0").iterdir())
    for image in left[1:]:
        image.unlink()
    source = opened(log)
    kept = {left[0].name}
    first = {f"{token(LOG, 'CAM_L0', i).hex()}.jpg" for i in range(0, 40, 2)}
    with_it, without = (0, 1) if kept <= first else (1, 0)
    # One image of the scene is enough to be listed, and then the missing ones are told.
    assert source.cameras(f"{LOG}-scene-00{with_it}") == ("CAM_F0", "CAM_L0")
    assert source.cameras(f"{LOG}-scene-00{without}") == ("CAM_F0",)
    with pytest.raises(InputError, match=r"CAM_L0/.*\.jpg is missing"):
        source.read(f"{LOG}-scene-00{with_it}", "CAM_L0")


def test_a_disk_without_images_is_not_asked_for_each(tmp_path, monkeypatch):
    """Logs without published images list thousands: one question for a camera's folder, in the whole log."""
    log = write_nuplan(tmp_path, nuplan_tables(sweeps=80, scenes=2))
    shutil.rmtree(tmp_path / "sensor_blobs" / LOG / "CAM_L0")
    source = opened(log)
    asked = []
    stat = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **options: asked.append(str(path)) or stat(path, **options))
    assert [source.cameras(name) for name in source.recording_ids()] == [("CAM_F0",)] * 2
    assert len([path for path in asked if "CAM_L0" in path]) == 1
    assert len([path for path in asked if "CAM_F0" in path]) == 3


def test_images_may_lie_elsewhere(tmp_path):
    log = write_nuplan(tmp_path / "here", nuplan_tables(11))
    (tmp_path / "here" / "sensor_blobs").rename(tmp_path / "there")
    assert opened(log).cameras(SCENE) == ()
    with pytest.raises(InputError, match="option sensor_blobs"):
        opened(log).read(SCENE, "CAM_F0")
    source = opened(log, sensor_blobs=tmp_path / "there")
    assert source.cameras(SCENE) == ("CAM_F0", "CAM_L0")
    assert source.read(SCENE, "CAM_F0").frames.read(0).shape == (90, 160, 3)
    with pytest.raises(InputError, match="is not a folder"):
        opened(log, sensor_blobs=tmp_path / "nowhere")


def test_an_image_of_another_size_is_refused(tmp_path):
    log = write_nuplan(tmp_path, nuplan_tables(11))
    image = next((tmp_path / "sensor_blobs" / LOG / "CAM_F0").iterdir())
    Image.new("RGB", (80, 45)).save(image)
    with pytest.raises(InputError, match="80x45"):
        opened(log).read(SCENE, "CAM_F0")
    assert len(opened(log).read(SCENE, "CAM_L0").frames) == 5


@pytest.mark.parametrize("video", [True, False])
def test_logs_are_built(st_vlm, tmp_path, video):
    """Rows against the known speeds, and marks against each object's centre through the lens as OpenCV defines it."""
    for split, log in (("train_boston", "log-a"), ("val", "log-b")):
        write_nuplan(tmp_path / "data", nuplan_tables(201, log=log), split, images=video)
    write_log(tmp_path / "data" / "splits" / "val" / "log-c.db", {"log": []}, indices=False)
    arguments = ["build", "nuplan", tmp_path / "data", "--out", tmp_path / "built", "--balance", "none"]
    code, _, err = st_vlm(*arguments, *([] if video else ["--no-video"]))
    assert code == 1
    assert "log-c.db has no table scene" in err
    speeds = {"car": CAR_SPEED, "parked": 0.0, "walker": WALKER_SPEED}
    seen = set()
    for split, log in (("train", "log-a"), ("validation", "log-b")):
        names = {token(log, "track", name).hex(): name for name in OBJECTS}
        rows = pq.read_table(tmp_path / "built" / split / "metadata.parquet").to_pylist()
        assert {row["recording"] for row in rows} == {f"{log}-scene-000"}
        assert {row["licence"] for row in rows} == {"CC-BY-NC-SA-4.0"}
        for row in rows:
            objects = [names[mark["track_id"]] for mark in row["marks"]]
            seen |= {(row["task"], name) for name in objects}
            if row["task"] in ("traveled_distance", "traveling_speed") and len(objects) == 1:
                seconds = row["span"]["end"] - row["span"]["start"]
                factor = 3.6 if row["task"] == "traveling_speed" else seconds
                assert row["target"]["value"] == pytest.approx(speeds[objects[0]] * factor, abs=0.01)
            for mark, name in zip(row["marks"], objects, strict=True):
                for second, world_from_camera, box in zip(
                    row["timestamps"], row["camera"]["poses"], mark["boxes"], strict=True
                ):
                    if box is not None:
                        u, v = pixel(place(name, (row["start_ns"] - START_NS) * 1e-9 + second), world_from_camera)
                        assert box[0] <= u <= box[2]
                        assert box[1] <= v <= box[3]
    assert {("traveled_distance", "car"), ("traveling_speed", "car")} <= seen
    assert len(list((tmp_path / "built").rglob("*.mp4"))) >= 2 * video


def pixel(point, world_from_camera):
    camera_from_world = np.linalg.inv(world_from_camera)
    x, y, z, _ = camera_from_world @ [*point, 1]
    return distorted(x / z, y / z)


def distorted(a, b):
    """Pixel of a ray (a, b, 1), by OpenCV's formula."""
    k1, k2, p1, p2, k3 = DISTORTION
    r2 = a * a + b * b
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    return (
        80 + 120 * (a * radial + 2 * p1 * a * b + p2 * (r2 + 2 * a * a)),
        45 + 120 * (b * radial + p1 * (r2 + 2 * b * b) + 2 * p2 * a * b),
    )
