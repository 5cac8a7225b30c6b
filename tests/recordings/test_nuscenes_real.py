"""The nuScenes reader on a real scene, against plain reading of its tables."""

import json
from collections import defaultdict

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from st_vlm.recordings import open_recordings

SCENE = "scene-0103"


@pytest.fixture(scope="module")
def tables(real_data):
    folder = real_data / "nuscenes" / "v1.0-mini"
    return {file.stem: {row["token"]: row for row in json.loads(file.read_text())} for file in folder.glob("*.json")}


@pytest.fixture(scope="module")
def recording(real_data):
    source = open_recordings("nuscenes", real_data / "nuscenes")
    assert source.cameras(SCENE) == ("CAM_FRONT",)
    return source.read(SCENE, "CAM_FRONT")


def matrix(row):
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(np.roll(row["rotation"], -1)).as_matrix()
    pose[:3, 3] = row["translation"]
    return pose


def test_tracks(recording, tables):
    boxes = defaultdict(list)
    for box in tables["sample_annotation"].values():
        boxes[box["instance_token"]].append((tables["sample"][box["sample_token"]]["timestamp"], box))
    assert len(recording.tracks) == 123
    assert sum(map(len, recording.tracks)) == 2090
    assert [track.id for track in recording.tracks] == sorted(boxes)
    for track in recording.tracks:
        own = sorted(boxes[track.id], key=lambda timed: timed[0])
        assert track.category == tables["category"][tables["instance"][track.id]["category_token"]]["name"]
        assert track.times_ns.tolist() == [at_us * 1000 for at_us, _ in own]
        assert track.centres.tolist() == [box["translation"] for _, box in own]
        assert track.sizes.tolist() == [[box["size"][1], box["size"][0], box["size"][2]] for _, box in own]
        assert track.lidar_points.tolist() == [box["num_lidar_pts"] for _, box in own]
        assert np.isnan(track.visibility).all()
        np.testing.assert_allclose(track.rotations, [matrix(box)[:3, :3] for _, box in own], atol=1e-12)


def test_frames_and_poses(recording, tables):
    def channel(row):
        return tables["sensor"][tables["calibrated_sensor"][row["calibrated_sensor_token"]]["sensor_token"]]["channel"]

    files = [row for row in tables["sample_data"].values() if row["is_key_frame"] and channel(row) == "CAM_FRONT"]
    files.sort(key=lambda row: row["timestamp"])
    assert len(files) == 40
    assert recording.frames.times_ns.tolist() == [row["timestamp"] * 1000 for row in files]
    assert list(recording.frames.paths) == [row["filename"] for row in files]
    assert recording.frames.read(0).shape == (450, 800, 3)
    mount = tables["calibrated_sensor"][files[0]["calibrated_sensor_token"]]
    assert recording.camera.intrinsics.tolist() == mount["camera_intrinsic"]
    poses = [matrix(tables["ego_pose"][row["ego_pose_token"]]) @ matrix(mount) for row in files]
    np.testing.assert_allclose(recording.camera.poses, poses, atol=1e-9)
    assert recording.split == "validation"


def test_the_car_drove_118_m(real_data):
    """By the lidar's poses, which are those of the samples; the length is a fact of the recording."""
    centres = open_recordings("nuscenes", real_data / "nuscenes").read(SCENE).ego_centres
    assert np.linalg.norm(np.diff(centres, axis=0), axis=1).sum() == pytest.approx(118, abs=0.5)


def test_the_cameras_that_the_tables_know(real_data, tables):
    source = open_recordings("nuscenes", real_data / "nuscenes")
    known = {row["channel"] for row in tables["sensor"].values() if row["modality"] == "camera"}
    used = {
        tables["sensor"][tables["calibrated_sensor"][row["calibrated_sensor_token"]]["sensor_token"]]["channel"]
        for row in tables["sample_data"].values()
    }
    assert source.cameras(SCENE, images=False) == tuple(sorted(known & used))
    for camera in source.cameras(SCENE, images=False):
        assert len(source.read(SCENE, camera, images=False).camera.poses) == 40
