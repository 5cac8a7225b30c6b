"""The KITTI reader against sequences written with known motion, with both kinds of poses."""

import json
import math

import numpy as np
import pyarrow.parquet as pq
import pytest
from native_layouts.kitti import TRACK_IDS, camera_pose, ego_pose, kitti_files, write_kitti
from native_layouts.scene import CAR_SPEED, INTRINSICS, OBJECTS, WALKER_SPEED, true_centre
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.kinematics.measures import measure_track
from st_vlm.recordings import open_recordings
from st_vlm.recordings.categories import is_person, noun

NAMES = {track_id: name for name, track_id in TRACK_IDS.items()}
POSE_FOLDERS = ["oxts", "poses", "pose_orbslam3"]


def opened(path, **options):
    return open_recordings("kitti", path, **options)


def origin(poses):
    """Where the recording's world begins, in the scene: at the inertial unit, or at the first camera."""
    return np.array(ego_pose(0.0)[0]) if poses == "oxts" else camera_pose(0.0)[:3, 3]


@pytest.mark.parametrize("poses", POSE_FOLDERS)
def test_boxes_come_to_the_world(tmp_path, poses):
    recording = opened(write_kitti(tmp_path, kitti_files(poses=poses))).read("0001")
    assert [NAMES[track.id] for track in recording.tracks] == ["car", "parked", "walker", "cone"]
    assert [len(track) for track in recording.tracks] == [31, 31, 26, 1]
    for track in recording.tracks:
        at = track.times_ns * 1e-9
        truth = [true_centre(NAMES[track.id], t) for t in at] - origin(poses)
        np.testing.assert_allclose(track.centres, truth, atol=1e-4)
        # The objects face +x of the scene however the ego turns.
        np.testing.assert_allclose(track.rotations, np.stack([np.eye(3)] * len(track)), atol=1e-6)
        np.testing.assert_allclose(track.sizes, [OBJECTS[NAMES[track.id]][2]] * len(track))
        assert track.lidar_points is None
    assert (recording.tracks[2].times_ns == np.arange(5, 31) * 100_000_000).all()
    assert recording.camera is None
    assert recording.split == "train"
    assert recording.pose_slack == (0.0 if poses == "oxts" else 0.05)
    truth = [camera_pose(0.1 * i)[:3, 3] for i in range(31)] - origin(poses)
    np.testing.assert_allclose(recording.ego_centres, truth, atol=1e-4)


@pytest.mark.parametrize("poses", POSE_FOLDERS)
def test_what_moves_is_measured(tmp_path, poses):
    tracks = opened(write_kitti(tmp_path, kitti_files(poses=poses))).read("0001").tracks
    found = {
        NAMES[track.id]: measure_track(track.times_ns, track.centres, is_person(track.category))
        for track in tracks
        if len(track) > 1
    }
    assert found["car"].mean_speed_kmh == pytest.approx(CAR_SPEED * 3.6, abs=1e-3)
    assert found["car"].distance_m == pytest.approx(CAR_SPEED * 3, abs=1e-3)
    assert found["walker"].mean_speed_kmh == pytest.approx(WALKER_SPEED * 3.6, abs=1e-3)
    assert found["parked"].static is True
    assert found["parked"].path_m < 1e-3


def test_a_vehicle_that_rolls_and_pitches_leaves_the_world_level(tmp_path):
    """The boxes, whose up is the camera's, lean with it; their places do not."""
    recording = opened(write_kitti(tmp_path, kitti_files(tilt=(0.04, -0.06)))).read("0001", "image_02", images=False)
    for track in recording.tracks:
        truth = [true_centre(NAMES[track.id], t) for t in track.times_ns * 1e-9] - origin("oxts")
        np.testing.assert_allclose(track.centres, truth, atol=1e-4)
    # Left side up by 0.04: the camera's x axis (right) points down. Front up by 0.06: its z axis (ahead) points up.
    assert recording.camera.poses[0][2, 0] == pytest.approx(-math.sin(0.04) * math.cos(0.06), abs=1e-9)
    assert recording.camera.poses[0][2, 2] == pytest.approx(math.sin(0.06), abs=1e-9)


@pytest.mark.parametrize("poses", POSE_FOLDERS)
def test_each_camera_sees_from_its_own_lens(tmp_path, poses):
    source = opened(write_kitti(tmp_path, kitti_files(poses=poses), images=31))
    assert source.cameras("0001") == ("image_02",)
    assert source.cameras("0001", images=False) == ("image_02", "image_03")
    for name, images in (("image_02", True), ("image_02", False), ("image_03", False)):
        recording = source.read("0001", name, images=images)
        camera, frames = recording.camera, recording.frames
        # The lens is at -t of K [I | t]: 6 cm left and 47 cm right of camera 0, both 3 mm behind it.
        right, down, ahead = {"image_02": (-0.06, -0.001, -0.003), "image_03": (0.47, -0.002, -0.003)}[name]
        for i in (0, 20):
            pose = camera_pose(0.1 * i)
            lens = pose[:3, 3] + pose[:3, :3] @ [right, down, ahead] - origin(poses)
            np.testing.assert_allclose(camera.poses[i][:3, 3], lens, atol=1e-4)
            np.testing.assert_allclose(camera.poses[i][:3, :3], pose[:3, :3], atol=1e-6)
        np.testing.assert_allclose(camera.intrinsics, INTRINSICS)
        assert camera.size == (160, 90)
        np.testing.assert_array_equal(frames.times_ns, np.arange(31) * 100_000_000)
        assert (frames.read is not None) == images
        if images:
            assert frames.read(3).shape == (90, 160, 3)
            assert frames.paths[12] == "training/image_02/0001/000012.png"
        else:
            assert frames.paths == ()


def test_occlusion_is_a_share(tmp_path):
    tracks = opened(write_kitti(tmp_path, kitti_files())).read("0001").tracks
    shares = {NAMES[track.id]: set(track.visibility) for track in tracks}
    assert shares["car"] == {1.0}
    assert shares["parked"] == {0.6}
    assert shares["walker"] == {0.2}
    assert np.isnan(tracks[3].visibility).all()


def test_nouns():
    names = ("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Person", "Cyclist", "Tram", "Misc")
    nouns = ["car", "van", "truck", "pedestrian", "person", "person", "cyclist", "tram", "object"]
    assert [noun(name) for name in names] == nouns
    assert [name for name in names if is_person(name)] == ["Pedestrian", "Person_sitting", "Person"]


def test_path_may_be_the_root_the_training_folder_or_a_file(tmp_path, monkeypatch):
    for sequence in ("0007", "0003"):
        write_kitti(tmp_path, kitti_files(11), sequence, images=11)
    testing = tmp_path / "testing" / "calib"
    testing.mkdir(parents=True)
    (testing / "0000.txt").write_text("")
    monkeypatch.chdir(tmp_path / "training")
    for path in (tmp_path, tmp_path / "training", "."):
        assert opened(path).recording_ids() == ("0003", "0007")
    alone = opened(tmp_path / "training/label_02/0007.txt")
    assert alone.recording_ids() == ("0007",)
    # Paths of images are the same however the sequence was opened.
    for source in (alone, opened(".")):
        assert source.read("0007", "image_02").frames.paths[0] == "training/image_02/0007/000000.png"
    assert alone.split("0007") == "train"


def test_oxts_wins_unless_another_folder_is_named(tmp_path):
    write_kitti(tmp_path, kitti_files(11, "oxts"))
    write_kitti(tmp_path, kitti_files(11, "poses"))
    write_kitti(tmp_path, kitti_files(11, "pose_other"))
    assert opened(tmp_path).read("0001").pose_slack == 0
    assert opened(tmp_path, poses="oxts").read("0001").pose_slack == 0
    assert opened(tmp_path, poses="pose_other").read("0001").pose_slack == 0.05
    (tmp_path / "training/oxts/0001.txt").unlink()
    with pytest.raises(InputError, match="poses in pose_other and poses"):
        opened(tmp_path).read("0001")
    with pytest.raises(InputError, match="no folder 'pose_none'"):
        opened(tmp_path, poses="pose_none")


def test_tracks_alone_need_no_calibration_with_a_pose_file(tmp_path):
    write_kitti(tmp_path, kitti_files(11, "poses"))
    (tmp_path / "training/calib/0001.txt").unlink()
    source = opened(tmp_path)
    assert len(source.read("0001").tracks) == 4
    for read in (lambda: source.read("0001", "image_02"), lambda: source.cameras("0001", images=False)):
        with pytest.raises(InputError, match=r"0001\.txt is missing"):
            read()


def test_labels_may_end_before_the_drive(tmp_path):
    files = kitti_files(31)
    files["label_02"] = [line for line in files["label_02"] if int(line.split()[0]) < 25]
    recording = opened(write_kitti(tmp_path, files, images=31)).read("0001", "image_02")
    assert len(recording.frames) == 31
    assert recording.tracks[0].times_ns[-1] == 2_400_000_000


def test_a_sequence_of_regions_alone_has_no_tracks(tmp_path):
    files = kitti_files(3)
    files["label_02"] = [f"{i} " + files["label_02"][0].partition(" ")[2] for i in range(3)]
    assert opened(write_kitti(tmp_path, files)).read("0001").tracks == ()


@pytest.mark.parametrize(
    ("focal", "size"),
    [(721.5377, (1242, 375)), (707.0493, (1224, 370)), (718.3351, (1238, 374)), (718.856, (1241, 376))],
)
def test_the_size_follows_from_kittis_focal_lengths(tmp_path, focal, size):
    files = kitti_files(3)
    numbers = [focal, 0, 609.6, 44.9, 0, focal, 172.9, 0.2, 0, 0, 1, 0.003]
    files["calib"] = [line for line in files["calib"] if not line.startswith("P")]
    files["calib"].append("P2: " + " ".join(map(str, numbers)))
    source = opened(write_kitti(tmp_path, files, images=3))
    assert source.read("0001", "image_02", images=False).camera.size == size
    # Images that were made smaller do not fit it.
    with pytest.raises(InputError, match="160x90"):
        source.read("0001", "image_02")


def test_the_size_is_an_images_or_the_labels(tmp_path):
    source = opened(write_kitti(tmp_path, kitti_files(3), images=1))
    assert source.read("0001", "image_03", images=False).camera.size == (160, 90)
    (tmp_path / "training/image_02/0001/000000.png").unlink()
    assert source.read("0001", "image_02", images=False).camera.size == (160, 90)
    Image.new("RGB", (60, 40)).save(tmp_path / "training/image_02/0001/000000.png")
    with pytest.raises(InputError, match="principal point"):
        source.read("0001", "image_02", images=False)


def test_the_command_line_measures_it(tmp_path, capsys, monkeypatch):
    write_kitti(tmp_path, kitti_files(old_spelling=True))
    write_kitti(tmp_path, kitti_files(poses="poses"), "0002")
    write_kitti(tmp_path, {**kitti_files(), "calib": []}, "0003")
    code, out, err = run_command(monkeypatch, capsys, "measure", "kitti", tmp_path, "--format", "jsonl")
    assert code == 1
    assert "0003.txt has no Tr_imu_velo" in err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(line["recording"], NAMES[line["track_id"]]) for line in lines] == [
        (sequence, name) for sequence in ("0001", "0002") for name in ("car", "parked", "walker")
    ]
    for line in lines:
        speed = {"car": CAR_SPEED, "parked": 0, "walker": WALKER_SPEED}[NAMES[line["track_id"]]]
        assert line["mean_speed_kmh"] == pytest.approx(3.6 * speed, abs=1e-3)
        assert line["static"] is (speed == 0)
        assert line["start_s"] == (0.5 if speed == WALKER_SPEED else 0)


@pytest.mark.parametrize("video", [True, False], ids=["with images", "without images"])
def test_the_command_line_builds_it(tmp_path, capsys, monkeypatch, video):
    labels = {}
    for sequence, poses in (("0001", "oxts"), ("0002", "poses")):
        files = kitti_files(61, poses)
        write_kitti(tmp_path / "kitti", files, sequence, images=61 * video)
        for row in (line.split() for line in files["label_02"][2:]):
            labels[sequence, row[1], int(row[0])] = [float(number) for number in row[6:10]]
    extra = [] if video else ["--no-video", "--camera", "image_02"]
    code, _, err = run_command(
        monkeypatch,
        capsys,
        "build",
        "kitti",
        tmp_path / "kitti",
        "--out",
        tmp_path / "built",
        "--balance",
        "partial",
        *extra,
    )
    assert code == 0, err
    rows = pq.read_table(tmp_path / "built" / "train" / "metadata.parquet").to_pylist()
    assert {row["recording"] for row in rows} == {"0001", "0002"}
    speeds = {"car": CAR_SPEED, "parked": 0.0, "walker": WALKER_SPEED}
    asked = [row for row in rows if row["task"] == "traveling_speed" and len(row["marks"]) == 1]
    assert asked
    for row in asked:
        speed = speeds[NAMES[row["marks"][0]["track_id"]]]
        assert row["target"]["value"] == pytest.approx(3.6 * speed, abs=0.01)
    # Marks are where the labels' own 2D boxes are, though the reader never saw those.
    for row in rows:
        first = row["start_ns"] // 100_000_000
        for mark in row["marks"]:
            for time, box in zip(row["timestamps"], mark["boxes"], strict=True):
                label = labels.get((row["recording"], mark["track_id"], first + round(10 * time)))
                if box is not None:
                    np.testing.assert_allclose(box, label, atol=1.1)


def run_command(monkeypatch, capsys, *arguments):
    from st_vlm.cli import main

    monkeypatch.setattr("sys.argv", ["st-vlm", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main.main()
    return left.value.code, *capsys.readouterr()
