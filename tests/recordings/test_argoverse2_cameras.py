"""Argoverse 2's cameras: where each stood at each of its times, and what it sees, against plain trigonometry."""

import logging
import math

import numpy as np
import pytest
from native_layouts.argoverse2 import RIG, argoverse2_tables, ego_pose, for_scenario_mining, write_argoverse2
from native_layouts.scene import START_US, true_centre

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import open_recordings

CAMERA = "ring_front_center"
START_NS = START_US * 1000


def opened(folder):
    return open_recordings("argoverse2", folder)


def ego_between(t):
    """Place and yaw of the ego, straight between its poses at 20 Hz."""
    before = math.floor(t / 0.05 + 1e-9) * 0.05
    share = (t - before) / 0.05
    (a, a_yaw), (b, b_yaw) = ego_pose(before), ego_pose(before + 0.05)
    return [p + share * (q - p) for p, q in zip(a, b, strict=True)], a_yaw + share * (b_yaw - a_yaw)


def seen_at(lens, t, point):
    """Pixel and depth of a point of the city, by turning it level into the ego and then the camera."""
    (x, y, z), yaw = ego_between(t)
    ahead, left = into(yaw, point[0] - x, point[1] - y)
    forward, side = into(lens.yaw, ahead - lens.place[0], left - lens.place[1])
    up = point[2] - z - lens.place[2]
    u = lens.middle[0] - lens.focal * side / forward
    return u, lens.middle[1] - lens.focal * up / forward, forward


def into(yaw, x, y):
    return math.cos(yaw) * x + math.sin(yaw) * y, -math.sin(yaw) * x + math.cos(yaw) * y


def around(lens, t):
    """Points of the city in front of a camera: one on its axis, and others off it."""
    (x, y, z), yaw = ego_between(t)
    for forward, side, up in ((10, 0, 0), (8, 3, -1), (25, -9, 6), (4, 1, 3)):
        ahead, left = into(-lens.yaw, forward, side)
        east, north = into(-yaw, ahead + lens.place[0], left + lens.place[1])
        yield np.array([x + east, y + north, z + lens.place[2] + up])


@pytest.mark.parametrize("name", RIG)
def test_every_camera_sees_things_where_they_are(tmp_path, name):
    lens = RIG[name]
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(), images=30, cameras=tuple(RIG))
    source = opened(log)
    assert source.cameras("log") == tuple(sorted(RIG))
    recording = source.read("log", name)
    camera, frames = recording.camera, recording.frames
    assert (camera.name, camera.size) == (name, lens.size)
    np.testing.assert_array_equal(frames.times_ns, START_NS + 20_000_000 + 50_000_000 * np.arange(30))
    for k in (0, 7, 29):
        t = 0.02 + 0.05 * k
        for point in around(lens, t):
            uv, depth = project_points(
                point, camera.poses[k], camera.intrinsics, camera.distortion, camera.distortion_coefficients
            )
            np.testing.assert_allclose([*uv, depth], seen_at(lens, t, point), atol=1e-6)
    assert frames.read(3).shape == (lens.size[1], lens.size[0], 3)
    assert frames.paths[0] == f"log/sensors/cameras/{name}/{START_NS + 20_000_000}.jpg"


def test_images_have_no_lens_distortion_left(tmp_path):
    """The coefficients in the calibration tell of the lens before the images were straightened."""
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=2)
    for images in (True, False):
        camera = opened(log).read("log", CAMERA, images=images).camera
        assert (camera.distortion, camera.distortion_coefficients) == ("none", ())


def test_an_image_at_a_pose_has_that_pose(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(), images=1)
    image = next((log / "sensors/cameras" / CAMERA).iterdir())
    image.rename(image.with_name(f"{START_NS + 50_000_000}.jpg"))
    recording = opened(log).read("log", CAMERA)
    (x, y, z), yaw = ego_pose(0.05)
    expected = [x + 1.6 * math.cos(yaw), y + 1.6 * math.sin(yaw), z + 1.4]
    np.testing.assert_allclose(recording.camera.poses[0][:3, 3], expected, atol=1e-9)


def test_images_beyond_the_poses_are_left_out_and_told_of(tmp_path, caplog):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=24)  # poses end at 1 s, images at 1.17 s
    folder = log / "sensors/cameras" / CAMERA
    first = folder / f"{START_NS + 20_000_000}.jpg"
    first.with_name(f"{START_NS - 30_000_000}.jpg").write_bytes(first.read_bytes())
    with caplog.at_level(logging.WARNING):
        recording = opened(log).read("log", CAMERA)
    np.testing.assert_array_equal(recording.frames.times_ns, START_NS + 20_000_000 + 50_000_000 * np.arange(20))
    assert recording.frames.paths[-1].endswith(f"/{START_NS + 970_000_000}.jpg")
    assert len(recording.camera.poses) == 20
    (line,) = caplog.messages
    assert str(folder) in line
    assert "5 of 25 images are left out" in line


def test_images_beyond_the_boxes_have_their_poses(tmp_path):
    tables = argoverse2_tables(21)
    tables["annotations.feather"] = {
        name: [
            value
            for value, time in zip(values, tables["annotations.feather"]["timestamp_ns"], strict=True)
            if 500_000_000 <= time - START_NS <= 1_500_000_000
        ]
        for name, values in tables["annotations.feather"].items()
    }
    recording = opened(write_argoverse2(tmp_path / "log", tables, images=40)).read("log", CAMERA)
    assert len(recording.frames) == 40
    point = next(around(RIG[CAMERA], 1.97))
    uv, _ = project_points(point, recording.camera.poses[39], recording.camera.intrinsics)
    np.testing.assert_allclose(uv, RIG[CAMERA].middle, atol=1e-6)


@pytest.mark.parametrize("mining", [False, True])
def test_without_images_the_cameras_stand_at_the_sweeps(tmp_path, mining):
    tables = argoverse2_tables(11)
    log = write_argoverse2(tmp_path / "log", for_scenario_mining(tables) if mining else tables)
    source = opened(log)
    assert source.cameras("log") == ()
    assert source.cameras("log", images=False) == tuple(sorted(RIG))
    for name, lens in RIG.items():
        recording = source.read("log", name, images=False)
        assert recording.frames.read is None
        assert recording.frames.paths == ()
        np.testing.assert_array_equal(recording.frames.times_ns, START_NS + 100_000_000 * np.arange(11))
        assert recording.camera.size == lens.size
        for k in (0, 6, 10):
            car = np.array(true_centre("car", 0.1 * k))
            uv, depth = project_points(car, recording.camera.poses[k], recording.camera.intrinsics)
            u, v, forward = seen_at(lens, 0.1 * k, car)
            assert depth == pytest.approx(forward, abs=1e-9)
            if depth > 0:
                np.testing.assert_allclose(uv, [u, v], atol=1e-6)


def test_images_are_not_looked_for_when_not_wanted(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=3)
    for image in (log / "sensors/cameras" / CAMERA).iterdir():
        image.write_text("no image")
    recording = opened(log).read("log", CAMERA, images=False)
    assert len(recording.frames) == 11


def test_a_camera_without_calibration_stops_no_other(tmp_path):
    tables = argoverse2_tables(11)
    for name in ("calibration/intrinsics.feather", "calibration/egovehicle_SE3_sensor.feather"):
        table = tables[name]
        row = table["sensor_name"].index("ring_side_left" if "intrinsics" in name else "ring_rear_right")
        tables[name] = {column: values[:row] + values[row + 1 :] for column, values in table.items()}
    log = write_argoverse2(tmp_path / "log", tables, images=2, cameras=tuple(RIG))
    source = opened(log)
    assert source.cameras("log") == tuple(sorted(RIG))
    assert source.cameras("log", images=False) == (CAMERA,)
    assert len(source.read("log", CAMERA).frames) == 2
    for name, file in (("ring_side_left", "intrinsics"), ("ring_rear_right", "egovehicle_SE3_sensor")):
        for images in (True, False):
            with pytest.raises(InputError, match=rf"{file}\.feather has no rows for the camera '{name}'.*{CAMERA}"):
                source.read("log", name, images=images)
