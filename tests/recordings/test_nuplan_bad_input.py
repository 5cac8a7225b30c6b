"""Every way in which a log of nuPlan can be broken ends as a sentence that names it, and stops no other log."""

import json
import math
import os
import pickle
import re
import sqlite3

import pytest
from native_layouts.nuplan import LOG, nuplan_tables, token, write_log, write_nuplan
from native_layouts.scene import START_US

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings

SCENE = f"{LOG}-scene-000"
NOWHERE = b"nowhere!"


def cell(table, row, column, value):
    def spoil(tables):
        tables[table][row][column] = value

    return spoil


def no_rows(*names):
    def spoil(tables):
        for name in names:
            tables[name] = []

    return spoil


def without(table, row):
    def spoil(tables):
        del tables[table][row]

    return spoil


def sql(*statements):
    """Spoils the written file instead of its tables."""

    def spoil(log):
        with sqlite3.connect(log) as connection:
            for statement in statements:
                connection.execute(statement)

    spoil.on_file = True
    return spoil


def zero_quaternion(row):
    def spoil(tables):
        tables["ego_pose"][row].update(qw=0.0, qx=0.0, qy=0.0, qz=0.0)

    return spoil


POSE = token(LOG, "pose", START_US)
IMAGE = token(LOG, "CAM_F0", 0)
BOX = f"the box of track {token(LOG, 'track', 'car').hex()} at {START_US + 100_000} us"
MATRIX = [[1.0] * 3] * 3
FAULTS = [
    ("no track", cell("lidar_box", 3, "track_token", NOWHERE), f"refers to the track {NOWHERE.hex()}"),
    ("track is empty", cell("lidar_box", 3, "track_token", None), "refers to the track None"),
    ("no category", cell("track", 0, "category_token", NOWHERE), f"refers to the category {NOWHERE.hex()}"),
    ("category without a name", cell("category", 2, "name", None), "has no name"),
    ("no ego pose of a sweep", without("ego_pose", 2), "of lidar_pc refers to an ego pose that is not there"),
    ("no sweep", no_rows("lidar_pc"), "no sweep in the table lidar_pc"),
    ("infinite position", cell("lidar_box", 4, "x", math.inf), f"'x' of {BOX} in lidar_box"),
    ("NaN position", cell("lidar_box", 4, "y", math.nan), r"'y' of the box .*\(found None\)"),
    ("empty yaw", cell("lidar_box", 4, "yaw", None), "'yaw' of the box"),
    ("text for a size", cell("lidar_box", 4, "length", "long"), r"'length' of the box .*\(found 'long'\)"),
    ("bytes for a size", cell("lidar_box", 4, "length", b"4.5"), "'length' of the box"),
    ("negative size", cell("lidar_box", 4, "width", -1.9), "positive"),
    ("position beyond Earth", cell("lidar_box", 4, "z", 1e12), "place in metres"),
    ("two sweeps at one time", cell("lidar_pc", 5, "timestamp", START_US + 200_000), "occurs twice"),
    ("sweeps out of order", cell("lidar_pc", 5, "timestamp", START_US + 425_000), "is not later"),
    ("time as text", cell("lidar_pc", 5, "timestamp", "soon"), "'soon' in the column timestamp"),
    ("time as a fraction", cell("lidar_pc", 5, "timestamp", 0.5), "0.5 in the column timestamp"),
    ("empty time", cell("lidar_pc", 5, "timestamp", None), "None in the column timestamp"),
    ("impossible time", cell("lidar_pc", 5, "timestamp", 2**62), "is no time in us"),
    ("zero quaternion", zero_quaternion(0), f"row {POSE.hex()} of ego_pose is a zero quaternion"),
    ("pose not finite", cell("ego_pose", 0, "qw", math.inf), f"'qw' of the row {POSE.hex()} in ego_pose"),
    ("no table", sql("DROP TABLE lidar_box"), "has no table lidar_box"),
    ("no scenes' table", sql("DROP TABLE scene"), "has no table scene"),
    ("no column", sql("ALTER TABLE lidar_box DROP COLUMN yaw"), "has no column"),
    (
        "one box twice",
        sql(
            "CREATE TABLE two AS SELECT * FROM lidar_box",
            "DROP TABLE lidar_box",
            "INSERT INTO two SELECT * FROM two LIMIT 1",
            "ALTER TABLE two RENAME TO lidar_box",
        ),
        "occurs twice",
    ),
    (
        "one track twice",
        sql(
            "CREATE TABLE two AS SELECT * FROM track",
            "DROP TABLE track",
            "INSERT INTO two SELECT * FROM two LIMIT 1",
            "ALTER TABLE two RENAME TO track",
        ),
        "occurs more than once",
    ),
]
CAMERA_FAULTS = [
    ("no camera of an image", cell("image", 0, "camera_token", NOWHERE), f"refers to the camera {NOWHERE.hex()}"),
    ("no pose of an image", cell("image", 0, "ego_pose_token", NOWHERE), f"{IMAGE.hex()} of image refers to an ego"),
    ("two images at one time", cell("image", 1, "timestamp", START_US + 12_000), "CAM_F0: .* occurs twice"),
    ("image without a time", sql("UPDATE image SET timestamp = timestamp + 0.5"), "in the column timestamp of image"),
    ("image without a name", cell("image", 0, "filename_jpg", None), "no file name"),
    ("image outside the folder", cell("image", 0, "filename_jpg", "../../secret.jpg"), "leads out of"),
    ("image that is missing", cell("image", 0, "filename_jpg", "none.jpg"), r"none\.jpg is missing"),
    ("no such camera", without("camera", 0), "has no camera CAM_F0; it has CAM_L0"),
    ("camera twice", cell("camera", 1, "channel", "CAM_F0"), "several rows for CAM_F0"),
    ("camera without a channel", cell("camera", 1, "channel", None), "has no channel"),
    ("no intrinsics", cell("camera", 0, "intrinsic", None), "column intrinsic is missing"),
    ("intrinsics as text", cell("camera", 0, "intrinsic", "[[1]]"), "column intrinsic is missing"),
    ("truncated pickle", cell("camera", 0, "intrinsic", pickle.dumps(MATRIX)[:-4]), "intrinsic does not hold 3x3"),
    ("garbage for a pickle", cell("camera", 0, "rotation", b"\x00\x01garbage"), "rotation does not hold 4"),
    ("another shape", cell("camera", 0, "translation", pickle.dumps([1, 2])), r"does not hold 3 .*\[1, 2\]"),
    ("NaN in a matrix", cell("camera", 0, "intrinsic", pickle.dumps([[math.nan] * 3] * 3)), "3x3 finite numbers"),
    ("zero quaternion", cell("camera", 0, "rotation", pickle.dumps([0.0] * 4)), "rotation of CAM_F0 is a zero"),
    ("no focal length", cell("camera", 0, "intrinsic", pickle.dumps([[0.0] * 3] * 3)), "focal length"),
    ("seven coefficients", cell("camera", 0, "distortion", pickle.dumps([0.0] * 7)), "7 numbers, not k1, k2"),
    ("no width", cell("camera", 0, "width", None), "width and height of CAM_F0 are None and 90"),
    ("negative height", cell("camera", 0, "height", -90), "-90"),
    ("no table of images", sql("DROP TABLE image"), "has no table image"),
    ("no column of images", sql("ALTER TABLE image DROP COLUMN filename_jpg"), "has no column"),
]


def spoilt(tmp_path, spoil, images=False):
    tables = nuplan_tables(21)
    if not hasattr(spoil, "on_file"):
        spoil(tables)
    if images:  # those of the sound tables
        write_nuplan(tmp_path, nuplan_tables(21)).unlink()
    log = write_nuplan(tmp_path, tables, images=False)
    if hasattr(spoil, "on_file"):
        spoil(log)
    return log


def failure(log, camera=None):
    source = open_recordings("nuplan", log)
    [recording] = source.recording_ids()
    with pytest.raises(InputError) as refused:
        source.read(recording, camera)
    return str(refused.value)


@pytest.mark.parametrize(("spoil", "words"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_spoilt_log_is_a_sentence_and_stops_no_other(st_vlm, tmp_path, spoil, words):
    log = spoilt(tmp_path, spoil)
    sentence = failure(log)
    assert re.search(words, sentence), sentence
    assert str(log) in sentence
    write_log(log.with_name("sound.db"), nuplan_tables(21, images=False))
    code, out, err = st_vlm("measure", "nuplan", log.parent, "--format", "jsonl")
    assert code == 1
    assert {json.loads(line)["recording"] for line in out.splitlines()} == {"sound-scene-000"}
    assert "1 of 2 recordings failed" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("spoil", "words"), [row[1:] for row in CAMERA_FAULTS], ids=[row[0] for row in CAMERA_FAULTS])
def test_a_spoilt_camera_is_a_sentence_and_leaves_the_tracks(tmp_path, spoil, words):
    log = spoilt(tmp_path, spoil, images=True)
    sentence = failure(log, "CAM_F0")
    assert re.search(words, sentence), sentence
    assert str(tmp_path) in sentence
    assert len(open_recordings("nuplan", log).read(SCENE).tracks) == 4


class Attack:
    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("column", ["intrinsic", "translation", "rotation", "distortion"])
def test_a_pickle_that_imports_is_refused_by_name_and_does_not_run(st_vlm, tmp_path, column):
    marker = tmp_path / "ran"
    log = spoilt(tmp_path / "data", cell("camera", 0, column, pickle.dumps(Attack(marker))), images=True)
    sentence = failure(log, "CAM_F0")
    assert (
        f"{log}, camera CAM_F0: the pickle in the column {column} tries to import {os.system.__module__}.system."
        in sentence
    )
    assert "refused for safety" in sentence
    source = open_recordings("nuplan", log)
    assert source.cameras(SCENE) == ("CAM_F0", "CAM_L0")
    assert len(source.read(SCENE, "CAM_L0").frames) == 10
    code, _, _ = st_vlm("measure", "nuplan", log, "--format", "jsonl")
    assert code == 0
    assert not marker.exists()


def truncated(log):
    log.write_bytes(log.read_bytes()[: log.stat().st_size // 2])


def torn(log):
    """The pages after the first, overwritten: the schema can still be read."""
    content = log.read_bytes()
    log.write_bytes(content[:8192] + b"\xa5" * (len(content) - 8192))


def stopped_while_changing(log):
    log.with_name(log.name + "-wal").write_bytes(b"pages that never came home")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (truncated, "database disk image is malformed"),
        (torn, "malformed|not an SQLite database|cannot be read as an SQLite"),
        (lambda log: log.write_bytes(b""), "is not an SQLite database"),
        (lambda log: log.write_text("token,timestamp\n"), "is not an SQLite database"),
        (stopped_while_changing, "while it was being changed"),
        (lambda log: (log.unlink(), sqlite3.connect(log).execute("CREATE TABLE a (b)")), "has no table scene"),
    ],
)
def test_a_file_that_is_no_log_is_one_failed_recording(st_vlm, tmp_path, spoil, words):
    log = write_nuplan(tmp_path, nuplan_tables(41, scenes=2), images=False)
    sound = write_log(log.with_name("sound.db"), nuplan_tables(21, images=False))
    spoil(log)
    source = open_recordings("nuplan", tmp_path)
    assert source.recording_ids() == (LOG, "sound-scene-000")
    for ask in (source.read, source.cameras):
        with pytest.raises(InputError, match=words) as refused:
            ask(LOG)
        assert str(log) in str(refused.value)
    assert source.split(LOG) == "train"
    code, out, err = st_vlm("measure", "nuplan", tmp_path, "--format", "jsonl")
    assert code == 1
    assert "1 of 2 recordings failed" in err
    assert len(out.splitlines()) == 3
    assert sound.exists()


def test_a_scene_without_sweeps_is_not_passed_over(tmp_path):
    tables = nuplan_tables(21, images=False)
    tables["scene"].append({"token": NOWHERE, "log_token": NOWHERE, "name": "empty"})
    source = open_recordings("nuplan", write_nuplan(tmp_path, tables))
    assert source.recording_ids() == (SCENE, f"{LOG}-empty")
    with pytest.raises(InputError, match=r"no sweep of the table lidar_pc belongs to .*empty"):
        source.read(f"{LOG}-empty")


def test_a_scene_that_is_not_there_is_told_by_the_sweeps(tmp_path):
    tables = nuplan_tables(40, scenes=2, images=False)
    del tables["scene"][1]
    source = open_recordings("nuplan", write_nuplan(tmp_path, tables))
    lost = token(LOG, "scene", 1).hex()
    assert source.recording_ids() == (SCENE, f"{LOG}-{lost}")
    assert len(source.read(SCENE).tracks) == 4
    for ask in (source.read, source.cameras):
        with pytest.raises(InputError, match=f"sweeps refer to the scene {lost}, which is not there"):
            ask(f"{LOG}-{lost}")


def test_a_scene_without_boxes_has_no_tracks(tmp_path):
    tables = nuplan_tables(21, images=False)
    tables["lidar_box"] = []
    assert open_recordings("nuplan", write_nuplan(tmp_path, tables)).read(SCENE).tracks == ()


def test_recordings_of_one_id_are_refused(tmp_path):
    tables = nuplan_tables(1401, images=False)
    tables["scene"][0]["name"] = "000"
    for row in tables["lidar_pc"][100:]:
        row["scene_token"] = None
    assert "make the recording" in failure(write_nuplan(tmp_path, tables))


def test_logs_whose_recordings_share_an_id_are_refused(tmp_path):
    for log, scene in (("a", "b-c"), ("a-b", "c")):
        tables = nuplan_tables(21, log=log, images=False)
        tables["scene"][0]["name"] = scene
        write_nuplan(tmp_path, tables)
    with pytest.raises(InputError, match="The logs a and a-b would both make the recording a-b-c"):
        open_recordings("nuplan", tmp_path).recording_ids()


@pytest.mark.parametrize(
    ("path", "words"),
    [("none", "is no file or folder"), ("empty", "holds no log of nuPlan"), ("folder.db", "holds no log")],
)
def test_paths_without_logs(tmp_path, path, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.db" / "x.db").mkdir(parents=True)
    with pytest.raises(InputError, match=words):
        open_recordings("nuplan", tmp_path / path)


@pytest.fixture
def closed(monkeypatch):
    """Closes a folder as the system would: root, who runs tests in containers, may read anything."""
    scandir, shut = os.scandir, set()

    def closing(path="."):
        if os.fspath(path) in shut:
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closing)
    return lambda path: shut.add(os.fspath(path))


@pytest.mark.parametrize("given", ["", "splits", "splits/mini"])
def test_a_folder_of_logs_that_may_not_be_read_is_named(tmp_path, closed, given):
    (tmp_path / "splits" / "mini").mkdir(parents=True)
    closed(tmp_path / "splits" / "mini")
    with pytest.raises(InputError, match=r"splits/mini cannot be read: Permission denied\. Give yourself the right"):
        open_recordings("nuplan", tmp_path / given)


def test_a_closed_split_is_not_passed_over_but_other_folders_are(tmp_path, closed):
    for split in ("train", "mini"):
        (tmp_path / "splits" / split).mkdir(parents=True)
    write_log(tmp_path / "splits" / "train" / f"{LOG}.db", nuplan_tables(21, images=False))
    (tmp_path / "sensor_blobs").mkdir()
    closed(tmp_path / "sensor_blobs")
    assert open_recordings("nuplan", tmp_path).recording_ids()
    closed(tmp_path / "splits" / "mini")
    with pytest.raises(InputError, match=r"splits/mini cannot be read"):
        open_recordings("nuplan", tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read anything")
def test_a_folder_closed_by_its_mode_is_named(tmp_path):
    folder = tmp_path / "splits" / "mini"
    folder.mkdir(parents=True)
    folder.chmod(0)
    try:
        with pytest.raises(InputError, match=r"splits/mini cannot be read: Permission denied"):
            open_recordings("nuplan", tmp_path)
    finally:
        folder.chmod(0o700)
