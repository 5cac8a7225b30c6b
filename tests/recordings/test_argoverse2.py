"""The Argoverse 2 reader against a log written with known motion, and every way in which the files can be broken."""

import errno
import math
import pathlib
from functools import partialmethod

import numpy as np
import pyarrow.feather
import pytest
from native_layouts import START_US, argoverse2_tables, ego_pose, true_centre, write_argoverse2
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import open_recordings

CAMERA = "ring_front_center"
START_NS = START_US * 1000


def opened(folder):
    return open_recordings("argoverse2", folder)


def test_boxes_come_to_the_city_frame(tmp_path):
    write_argoverse2(tmp_path / "val" / "log", argoverse2_tables())
    recording = opened(tmp_path / "val").read("log")
    tracks = {track.id: track for track in recording.tracks}
    assert list(tracks) == ["car", "cone", "parked", "walker"]
    for name, track in tracks.items():
        at = (track.times_ns - START_NS) * 1e-9
        np.testing.assert_allclose(track.centres, [true_centre(name, t) for t in at], atol=1e-9)
        # The objects face +x of the city however the ego turns.
        np.testing.assert_allclose(track.rotations, np.stack([np.eye(3)] * len(track)), atol=1e-9)
    assert tracks["car"].category == "REGULAR_VEHICLE"
    assert [len(tracks[name]) for name in tracks] == [31, 1, 31, 26]
    np.testing.assert_allclose(tracks["car"].sizes[0], [4.5, 1.9, 1.6])
    np.testing.assert_array_equal(tracks["car"].lidar_points, 7)
    assert recording.camera is None
    assert recording.split == "validation"
    np.testing.assert_allclose(recording.ego_centres[20], ego_pose(1.0)[0])


def test_images_get_poses_between_the_known_ones(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(), images=10)
    source = opened(log)
    assert source.cameras("log") == (CAMERA,)
    recording = source.read("log", CAMERA)
    camera, frames = recording.camera, recording.frames
    np.testing.assert_array_equal(frames.times_ns, START_NS + 20_000_000 + 50_000_000 * np.arange(10))
    # The image 20 ms after a pose, 30 ms before the next: two fifths of the way in place and in angle.
    (ax, ay, az), a_yaw = ego_pose(0.0)
    (bx, by, _), b_yaw = ego_pose(0.05)
    x, y, yaw = ax + 0.4 * (bx - ax), ay + 0.4 * (by - ay), a_yaw + 0.4 * (b_yaw - a_yaw)
    lens = [x + 1.6 * math.cos(yaw), y + 1.6 * math.sin(yaw), az + 1.4]
    np.testing.assert_allclose(camera.poses[0][:3, 3], lens, atol=1e-9)
    np.testing.assert_allclose(camera.poses[0][:3, 2], [math.cos(yaw), math.sin(yaw), 0], atol=1e-9)
    assert camera.size == (160, 90)
    assert camera.distortion == "radial"
    ahead = np.array(lens) + 10 * camera.poses[0][:3, 2]
    uv, depth = project_points(
        ahead, camera.poses[0], camera.intrinsics, camera.distortion, camera.distortion_coefficients
    )
    np.testing.assert_allclose([*uv, depth], [80, 45, 10], atol=1e-6)
    assert frames.read(3).shape == (90, 160, 3)
    assert frames.paths[0] == f"log/sensors/cameras/{CAMERA}/{START_NS + 20_000_000}.jpg"


def test_an_image_at_a_pose_has_that_pose(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(), images=1)
    image = next((log / "sensors/cameras" / CAMERA).iterdir())
    image.rename(image.with_name(f"{START_NS + 50_000_000}.jpg"))
    recording = opened(log).read("log", CAMERA)
    (x, y, z), yaw = ego_pose(0.05)
    expected = [x + 1.6 * math.cos(yaw), y + 1.6 * math.sin(yaw), z + 1.4]
    np.testing.assert_allclose(recording.camera.poses[0][:3, 3], expected, atol=1e-9)


def test_path_may_be_a_log_a_split_or_the_splits(tmp_path, monkeypatch):
    tables = argoverse2_tables(11)
    for name in ("val/b", "val/a", "train/c", "test/d"):
        write_argoverse2(tmp_path / name, tables, images=1)
    # Logs of the test split are published without boxes.
    (tmp_path / "test/d/annotations.feather").unlink()
    source = opened(tmp_path)
    assert source.recording_ids() == ("a", "b", "c")
    assert source.read("c").split == "train"
    assert opened(tmp_path / "val").recording_ids() == ("a", "b")
    monkeypatch.chdir(tmp_path / "val" / "a")
    alone = opened(".")
    assert alone.recording_ids() == ("a",)
    # Split and image paths are the same however the log was opened.
    for opening in (source, alone):
        recording = opening.read("a", CAMERA)
        assert recording.split == "validation"
        assert recording.frames.paths[0].startswith("val/a/sensors/")


def test_lidar_counts_are_optional(tmp_path):
    tables = argoverse2_tables(11)
    del tables["annotations.feather"]["num_interior_pts"]
    recording = opened(write_argoverse2(tmp_path / "log", tables)).read("log")
    assert recording.tracks[0].lidar_points is None


def cell(name, column, row, value):
    def spoil(tables):
        tables[name][column][row] = value

    return spoil


def no_rows(name):
    def spoil(tables):
        tables[name] = {column: np.array(values)[:0] for column, values in tables[name].items()}

    return spoil


def no_column(name, column):
    def spoil(tables):
        del tables[name][column]

    return spoil


def as_text(name, column):
    def spoil(tables):
        tables[name][column] = [str(number) for number in tables[name][column]]

    return spoil


def no_turn(name):
    def spoil(tables):
        for column in ("qw", "qx", "qy", "qz"):
            tables[name][column][0] = 0.0

    return spoil


def as_lists(name, column):
    def spoil(tables):
        tables[name][column] = [[cell] for cell in tables[name][column]]

    return spoil


def as_numbers(name, column):
    def spoil(tables):
        tables[name][column] = list(range(len(tables[name][column])))

    return spoil


def swap_times(tables):
    times = tables["annotations.feather"]["timestamp_ns"]
    times[3], times[4] = times[4], times[3]


def float_times(tables):
    tables["annotations.feather"]["timestamp_ns"] = [float(t) for t in tables["annotations.feather"]["timestamp_ns"]]


BOXES, POSES = "annotations.feather", "city_SE3_egovehicle.feather"
LENSES, MOUNTS = "calibration/intrinsics.feather", "calibration/egovehicle_SE3_sensor.feather"
SPOILT = [
    ("NaN position", cell(BOXES, "tx_m", 3, math.nan), BOXES, "tx_m"),
    ("infinite size", cell(BOXES, "length_m", 3, math.inf), BOXES, "length_m"),
    ("empty cell", cell(BOXES, "ty_m", 3, None), BOXES, "row 3"),
    ("no track id", cell(BOXES, "track_uuid", 3, None), BOXES, "track_uuid"),
    ("zero quaternion", no_turn(BOXES), BOXES, "zero quaternion"),
    ("zero quaternion of the ego", no_turn(POSES), POSES, "zero quaternion"),
    ("box between the poses", cell(BOXES, "timestamp_ns", 3, START_NS + 1), POSES, str(START_NS + 1)),
    ("box after the poses", cell(BOXES, "timestamp_ns", 10, START_NS + 10**12), POSES, "no pose"),
    ("boxes out of order", swap_times, BOXES, "backwards"),
    ("two boxes at one time", cell(BOXES, "timestamp_ns", 3, START_NS + 200_000_000), BOXES, "twice"),
    ("times as floats", float_times, BOXES, "integer"),
    ("category changes", cell(BOXES, "category", 3, "BUS"), BOXES, "category"),
    ("no column", no_column(BOXES, "qw"), BOXES, "qw"),
    ("numbers as text", as_text(BOXES, "tx_m"), BOXES, "numbers"),
    ("ids in lists", as_lists(BOXES, "track_uuid"), BOXES, "does not hold text"),
    ("categories as numbers", as_numbers(BOXES, "category"), BOXES, "does not hold text"),
    ("camera names as numbers", as_numbers(LENSES, "sensor_name"), LENSES, "does not hold text"),
    ("negative size", cell(BOXES, "length_m", 3, -4.5), BOXES, "positive"),
    ("no focal length", cell(LENSES, "fx_px", 0, 0.0), LENSES, "focal length"),
    ("poses out of order", cell(POSES, "timestamp_ns", 5, START_NS), POSES, "backwards"),
    ("a pose twice", cell(POSES, "timestamp_ns", 1, START_NS), POSES, "twice"),
    ("no poses", no_rows(POSES), POSES, "no pose"),
    ("unknown camera", cell(LENSES, "sensor_name", 0, "other"), LENSES, CAMERA),
    ("NaN focal length", cell(LENSES, "fx_px", 0, math.nan), LENSES, "fx_px"),
    ("camera without a mount", cell(MOUNTS, "sensor_name", 0, "other"), MOUNTS, CAMERA),
    ("zero quaternion of the mount", no_turn(MOUNTS), MOUNTS, "zero quaternion"),
]


@pytest.mark.parametrize(("spoil", "file", "words"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_a_spoilt_table_stops_only_its_log(tmp_path, spoil, file, words):
    tables = argoverse2_tables(11)
    write_argoverse2(tmp_path / "good", tables)
    spoil(tables)
    bad = write_argoverse2(tmp_path / "bad", tables, images=3)
    source = opened(tmp_path)
    with pytest.raises(InputError) as refused:
        source.read("bad", CAMERA)
    assert str(bad / file) in str(refused.value)
    assert words in str(refused.value)
    assert len(source.read("good").tracks) == 4


@pytest.mark.parametrize("file", [BOXES, POSES, LENSES, MOUNTS])
@pytest.mark.parametrize("how", ["missing", "empty", "not feather", "cut short"])
def test_a_broken_file_is_named(tmp_path, file, how):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=3)
    source = opened(log)
    path = log / file
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "not feather": b"no table", "cut short": path.read_bytes()[:-200]}[how])
    with pytest.raises(InputError, match="missing" if how == "missing" else "not a readable feather") as refused:
        source.read("log", CAMERA)
    assert str(path) in str(refused.value)


def test_a_column_that_occurs_twice_is_named(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    table = pyarrow.feather.read_table(log / BOXES)
    pyarrow.feather.write_feather(table.append_column("tx_m", table["tx_m"]), str(log / BOXES))
    with pytest.raises(InputError, match=r"annotations\.feather has several columns 'tx_m'"):
        opened(log).read("log")


def test_a_closed_log_is_listed_and_refused(tmp_path, monkeypatch):
    write_argoverse2(tmp_path / "good", argoverse2_tables(11), images=1)
    closed = write_argoverse2(tmp_path / "closed", argoverse2_tables(11), images=1)
    for name in ("is_file", "is_dir"):
        real = getattr(pathlib.Path, name)
        monkeypatch.setattr(pathlib.Path, name, partialmethod(_denied_in, closed, real))
    source = opened(tmp_path)
    assert source.recording_ids() == ("closed", "good")
    assert source.cameras("good") == (CAMERA,)
    for read in (source.read, source.cameras):
        with pytest.raises(InputError, match=r"closed.* cannot be read: Permission denied"):
            read("closed")


def _denied_in(path, folder, real):
    if folder in path.parents:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return real(path)


def test_a_log_that_lost_its_boxes_is_listed_and_refused(tmp_path):
    tables = argoverse2_tables(11)
    write_argoverse2(tmp_path / "good", tables)
    (write_argoverse2(tmp_path / "lost", tables) / BOXES).unlink()
    source = opened(tmp_path)
    assert source.recording_ids() == ("good", "lost")
    with pytest.raises(InputError, match=r"annotations\.feather is missing"):
        source.read("lost")


def missing_folder(path):
    for image in path.parent.iterdir():
        image.unlink()


def rename(name):
    def spoil(path):
        path.rename(path.with_name(name))

    return spoil


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing_folder, "has no image"),
        (lambda path: path.write_text("no image"), "cannot be decoded"),
        (lambda path: Image.new("RGB", (320, 180)).save(path), "320x180"),
        (rename("first.jpg"), "not named by its time"),
        (rename(f"{START_NS - 10**9}.jpg"), "no pose around the image"),
        (rename(f"{START_NS + 10**12}.jpg"), "no pose around the image"),
    ],
)
def test_a_bad_image_is_named(tmp_path, spoil, words):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=5)
    spoil(sorted((log / "sensors/cameras" / CAMERA).iterdir())[2])
    with pytest.raises(InputError, match=words) as refused:
        opened(log).read("log", CAMERA)
    assert str(tmp_path) in str(refused.value)


def test_a_hole_in_the_poses_is_not_bridged(tmp_path):
    tables = argoverse2_tables(11)
    poses = tables[POSES]
    for column in poses:
        poses[column] = poses[column][:1] + poses[column][6:]  # 0.3 s without a pose
    tables[BOXES] = {column: values[6:11] for column, values in tables[BOXES].items()}
    log = write_argoverse2(tmp_path / "log", tables, images=3)
    with pytest.raises(InputError, match="no pose around the image"):
        opened(log).read("log", CAMERA)


def test_folders_without_logs_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no log"):
        opened(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        opened(tmp_path / "none")
    write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    with pytest.raises(InputError, match="other"):
        opened(tmp_path).read("other")


def test_a_log_without_boxes_has_no_tracks(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    table = pyarrow.feather.read_table(log / BOXES)
    pyarrow.feather.write_feather(table.slice(0, 0), str(log / BOXES))
    assert opened(log).read("log").tracks == ()


def test_the_real_log(real_data):
    source = opened(real_data / "argoverse2" / "sensor" / "val")
    (log,) = source.recording_ids()
    assert source.cameras(log) == ()
    recording = source.read(log)
    assert len(recording.tracks) == 114
    assert sum(map(len, recording.tracks)) == 11_364
    assert recording.split == "validation"


def test_the_real_incomplete_log(real_data):
    source = opened(real_data / "argoverse2" / "incomplete")
    with pytest.raises(InputError, match=r"city_SE3_egovehicle\.feather is missing"):
        source.read(*source.recording_ids())
