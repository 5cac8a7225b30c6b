"""A real Argoverse 2 log against the same truth worked out a box at a time, and a real log that lacks a table."""

import numpy as np
import pyarrow.feather
import pytest

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import open_recordings


@pytest.fixture(scope="module")
def log(real_data):
    (folder,) = (real_data / "argoverse2" / "sensor" / "val").iterdir()
    return folder


def opened(folder):
    return open_recordings("argoverse2", folder)


def rows(path):
    return pyarrow.feather.read_table(path).to_pylist()


def rotation(row):
    """Matrix of a row's quaternion, written out."""
    w, x, y, z = (row[name] for name in ("qw", "qx", "qy", "qz"))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def place(row):
    return np.array([row["tx_m"], row["ty_m"], row["tz_m"]])


def test_every_box_is_where_its_own_sweep_puts_it(log):
    recording = opened(log.parent).read(log.name)
    poses = {row["timestamp_ns"]: row for row in rows(log / "city_SE3_egovehicle.feather")}
    expected = {}
    for row in rows(log / "annotations.feather"):
        ego = poses[row["timestamp_ns"]]
        centre = rotation(ego) @ place(row) + place(ego)
        expected.setdefault(row["track_uuid"], []).append((row["timestamp_ns"], row, centre, rotation(ego)))
    assert recording.split == "validation"
    assert recording.camera is None
    assert [track.id for track in recording.tracks] == sorted(expected)
    for track in recording.tracks:
        boxes = sorted(expected[track.id], key=lambda box: box[0])
        assert track.times_ns.tolist() == [time for time, *_ in boxes]
        np.testing.assert_allclose(track.centres, [centre for _, _, centre, _ in boxes], atol=1e-6)
        np.testing.assert_allclose(track.rotations[0], boxes[0][3] @ rotation(boxes[0][1]), atol=1e-6)
        assert {track.category} == {row["category"] for _, row, *_ in boxes}
        assert track.lidar_points.tolist() == [row["num_interior_pts"] for _, row, *_ in boxes]
        np.testing.assert_array_equal(
            track.sizes, [[row["length_m"], row["width_m"], row["height_m"]] for _, row, *_ in boxes]
        )


def test_every_camera_stands_at_the_sweeps(log):
    source = opened(log)
    lenses = {row["sensor_name"]: row for row in rows(log / "calibration/intrinsics.feather")}
    mounts = {row["sensor_name"]: row for row in rows(log / "calibration/egovehicle_SE3_sensor.feather")}
    poses = {row["timestamp_ns"]: row for row in rows(log / "city_SE3_egovehicle.feather")}
    boxes = rows(log / "annotations.feather")
    sweeps = sorted({row["timestamp_ns"] for row in boxes})
    assert source.cameras(log.name) == ()
    names = source.cameras(log.name, images=False)
    assert list(names) == sorted(lenses)
    assert len(names) == 9
    seen = 0
    for name in names:
        recording = source.read(log.name, name, images=False)
        camera, lens, mount = recording.camera, lenses[name], mounts[name]
        assert recording.frames.read is None
        assert recording.frames.times_ns.tolist() == sweeps
        assert camera.size == ((1550, 2048) if name == "ring_front_center" else (2048, 1550))
        for k in (0, 77, 155):
            ego = poses[sweeps[k]]
            for row in (row for row in boxes if row["timestamp_ns"] == sweeps[k]):
                # The box is annotated in the ego frame: no pose is needed to tell where it is in the image.
                x, y, z = rotation(mount).T @ (place(row) - place(mount))
                city = rotation(ego) @ place(row) + place(ego)
                uv, depth = project_points(city, camera.poses[k], camera.intrinsics, camera.distortion)
                assert depth == pytest.approx(z, abs=1e-5)
                if z > 1:
                    pixel = [lens["fx_px"] * x / z + lens["cx_px"], lens["fy_px"] * y / z + lens["cy_px"]]
                    np.testing.assert_allclose(uv, pixel, atol=0.02)
                    seen += 0 < uv[0] < camera.size[0] and 0 < uv[1] < camera.size[1]
    assert seen > 100


def test_a_log_without_images_refuses_to_give_them(log):
    with pytest.raises(InputError, match="has no image"):
        opened(log).read(log.name, "ring_side_left")


def test_a_log_without_poses_is_refused(real_data):
    source = opened(real_data / "argoverse2" / "incomplete")
    for camera, images in ((None, True), ("ring_front_center", False)):
        with pytest.raises(
            InputError, match=r"city_SE3_egovehicle\.feather is missing\. Download the whole log again"
        ):
            source.read(*source.recording_ids(), camera, images=images)
