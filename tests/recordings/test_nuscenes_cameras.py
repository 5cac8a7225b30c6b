"""Cameras, sweeps and splits of the nuScenes reader."""

import numpy as np
import pytest
from native_layouts.nuscenes import CAMERAS, nuscenes_tables, write_nuscenes
from native_layouts.scene import START_US
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import nuscenes, open_recordings
from st_vlm.recordings.nuscenes_splits import MINI_VALIDATION, VALIDATION

EGO_SPEED = 5.0  # m/s along +x


def opened(folder, **options):
    return open_recordings("nuscenes", folder, **options)


def test_every_camera_has_its_own_images_times_and_pose(tmp_path):
    source = opened(write_nuscenes(tmp_path, nuscenes_tables(cameras=CAMERAS)))
    assert source.cameras("scene-0001") == tuple(sorted(CAMERAS))
    for number, camera in enumerate(CAMERAS):
        recording = source.read("scene-0001", camera)
        at_us = START_US - 35_000 + 5_000 * number
        assert recording.frames.times_ns[0] == at_us * 1000
        assert all(path.startswith(f"samples/{camera}/") for path in recording.frames.paths)
        assert recording.camera.name == camera
        np.testing.assert_allclose(
            recording.camera.poses[0][:3, 3], [EGO_SPEED * (at_us - START_US) * 1e-6 + 1.7, 0, 1.5], atol=1e-9
        )
        # A place 10 m along the optical axis and 1 m to the left of the car is left of the middle seen ahead, and
        # right of it seen backwards.
        back = camera.startswith("CAM_BACK")
        place = recording.camera.poses[0][:3, 3] + [-10 if back else 10, 1, 0]
        uv, depth = project_points(place, recording.camera.poses[0], recording.camera.intrinsics)
        np.testing.assert_allclose(uv, [80 + (12 if back else -12), 45], atol=1e-9)
        assert depth == pytest.approx(10)
        assert [track.id for track in recording.tracks] == [track.id for track in source.read("scene-0001").tracks]


def test_cameras_without_images(tmp_path):
    root = write_nuscenes(tmp_path, nuscenes_tables(cameras=CAMERAS), images=False)
    source = opened(root)
    assert source.cameras("scene-0001") == ()
    assert source.cameras("scene-0001", images=False) == tuple(sorted(CAMERAS))
    recording = source.read("scene-0001", "CAM_BACK", images=False)
    assert recording.frames.read is None
    with pytest.raises(InputError, match="missing"):
        source.read("scene-0001", "CAM_BACK")

    write_nuscenes(tmp_path, nuscenes_tables(cameras=CAMERAS))
    seen = source.read("scene-0001", "CAM_BACK")
    np.testing.assert_array_equal(recording.frames.times_ns, seen.frames.times_ns)
    np.testing.assert_array_equal(recording.camera.poses, seen.camera.poses)
    assert recording.frames.paths == seen.frames.paths


def test_no_image_is_touched_when_none_is_wanted(tmp_path, monkeypatch):
    source = opened(write_nuscenes(tmp_path, nuscenes_tables()))
    source.read("scene-0001")
    monkeypatch.setattr("pathlib.Path.is_file", None)
    monkeypatch.setattr(Image, "open", None)
    assert source.cameras("scene-0001", images=False) == ("CAM_FRONT",)
    assert len(source.read("scene-0001", "CAM_FRONT", images=False).frames) == 9


def test_sweeps_are_all_images_in_the_order_of_time(tmp_path):
    tables = nuscenes_tables(sweeps=5)
    root = write_nuscenes(tmp_path, tables)
    key_frames = opened(root).read("scene-0001", "CAM_FRONT")
    tables["sample_data"].reverse()
    sweeps = opened(write_nuscenes(tmp_path, tables, images=False), sweeps=True).read("scene-0001", "CAM_FRONT")
    assert (len(key_frames.frames), len(sweeps.frames)) == (9, 54)
    np.testing.assert_array_equal(sweeps.frames.times_ns[::6], key_frames.frames.times_ns)
    np.testing.assert_array_equal(sweeps.camera.poses[::6], key_frames.camera.poses)
    assert [path.split("/")[0] for path in sweeps.frames.paths] == (["samples"] + ["sweeps"] * 5) * 9
    # Between key frames the camera moves on with the car.
    seconds = (sweeps.frames.times_ns - START_US * 1000) * 1e-9
    np.testing.assert_allclose(sweeps.camera.poses[:, 0, 3], 1.7 + EGO_SPEED * seconds, atol=1e-6)
    np.testing.assert_allclose(sweeps.ego_centres[:, 0], EGO_SPEED * seconds, atol=1e-6)
    assert sweeps.frames.read(53).shape == (90, 160, 3)
    # Boxes are annotated at key frames, with sweeps or without.
    for one, other in zip(key_frames.tracks, sweeps.tracks, strict=True):
        np.testing.assert_array_equal(one.times_ns, other.times_ns)


def test_key_frames_give_the_ego_path_without_a_camera(tmp_path):
    root = write_nuscenes(tmp_path, nuscenes_tables(sweeps=5), images=False)
    np.testing.assert_array_equal(
        opened(root, sweeps=True).read("scene-0001").ego_times_ns, opened(root).read("scene-0001").ego_times_ns
    )


def test_a_missing_sweep_is_named(tmp_path):
    root = write_nuscenes(tmp_path, nuscenes_tables(sweeps=2))
    path = sorted((root / "sweeps" / "CAM_FRONT").iterdir())[3]
    path.unlink()
    assert len(opened(root).read("scene-0001", "CAM_FRONT").frames) == 9
    source = opened(root, sweeps=True)
    assert source.cameras("scene-0001") == ("CAM_FRONT",)
    with pytest.raises(InputError, match="is missing") as refused:
        source.read("scene-0001", "CAM_FRONT")
    assert str(path) in str(refused.value)
    assert source.read("scene-0001", "CAM_FRONT", images=False).frames.read is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ego_pose_token": "none"}, "ego_pose.json"),
        ({"calibrated_sensor_token": "none"}, "calibrated_sensor.json"),
        ({"timestamp": "12"}, "timestamp"),
        ({"timestamp": START_US - 35_000}, "twice"),
        ({"width": 320}, "change within the scene"),
        ({"filename": "../../sweep.jpg"}, "leads out"),
        ({"is_key_frame": True}, "several key frames"),
    ],
)
def test_a_spoilt_sweep_stops_only_its_scene(tmp_path, fields, words):
    tables = nuscenes_tables(("bad", "good"), sweeps=2)
    root = write_nuscenes(tmp_path, tables)
    next(row for row in tables["sample_data"] if row["token"] == "bad/3/camera/1").update(fields)
    source = opened(write_nuscenes(tmp_path, tables, images=False), sweeps=True)
    with pytest.raises(InputError, match=words):
        source.read("bad", "CAM_FRONT")
    assert len(source.read("good", "CAM_FRONT").frames) == 27
    if words not in ("several key frames", "calibrated_sensor.json"):
        assert len(opened(root).read("bad", "CAM_FRONT").frames) == 9


def test_the_official_validation_scenes():
    """Numbers at the ends of the published list and between, and how many there are."""
    assert len(VALIDATION) == 150
    assert {"scene-0003", "scene-0103", "scene-0916", "scene-1073", "scene-0553", "scene-0802"} <= VALIDATION
    assert not {"scene-0001", "scene-0061", "scene-0655", "scene-0757", "scene-0796", "scene-0918"} & (
        VALIDATION - {"scene-0796"}
    )
    assert MINI_VALIDATION <= VALIDATION


@pytest.mark.parametrize(
    ("version", "scene", "split"),
    [
        ("v1.0-trainval", "scene-0001", "train"),
        ("v1.0-trainval", "scene-0003", "validation"),
        ("v1.0-trainval", "scene-0553", "validation"),
        ("v1.0-mini", "scene-0553", "train"),
        ("v1.0-mini", "scene-0916", "validation"),
        ("v1.0-test", "scene-0077", "test"),
        ("v1.0-part-of-mine", "scene-0103", "validation"),
        ("v1.0-part-of-mine", "my-scene", "train"),
    ],
)
def test_splits_are_known_without_reading_large_tables(tmp_path, monkeypatch, version, scene, split):
    source = opened(write_nuscenes(tmp_path, nuscenes_tables((scene,)), version=version, images=False))
    monkeypatch.setattr(nuscenes, "Samples", None)
    assert source.split(scene) == split
    monkeypatch.undo()
    assert source.read(scene).split == split


def test_the_card_says_what_may_be_done_with_it():
    card = nuscenes.NuScenes.card
    assert card.licence == "CC-BY-NC-SA-4.0"
    assert "non-commercial" in card.licence_note
    assert "terms-of-use" in card.licence_note
    assert card.citation.startswith("@inproceedings{")
    assert card.citation.count("{") == card.citation.count("}")
