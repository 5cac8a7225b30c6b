"""Every way in which an Argoverse 2 log can be broken ends as a sentence that names the file."""

import errno
import math
import pathlib
from functools import partialmethod

import numpy as np
import pyarrow.feather
import pytest
from native_layouts.argoverse2 import argoverse2_tables, for_scenario_mining, write_argoverse2
from native_layouts.scene import START_US
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings

CAMERA = "ring_front_center"
START_NS = START_US * 1000


def opened(folder):
    return open_recordings("argoverse2", folder)


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


def swap(name, one, other):
    def spoil(tables):
        columns = tables[name]
        columns[one], columns[other] = columns[other], columns[one]

    return spoil


def unsigned_times_that_run_backwards(tables):
    swap_times(tables)
    tables["annotations.feather"]["timestamp_ns"] = np.array(tables["annotations.feather"]["timestamp_ns"], np.uint64)


BOXES, POSES = "annotations.feather", "city_SE3_egovehicle.feather"
WITH_EGO = "annotations_with_ego.feather"
LENSES, MOUNTS = "calibration/intrinsics.feather", "calibration/egovehicle_SE3_sensor.feather"
SPOILT = [
    ("NaN position", cell(BOXES, "tx_m", 3, math.nan), BOXES, "tx_m"),
    ("infinite size", cell(BOXES, "length_m", 3, math.inf), BOXES, "length_m"),
    ("empty cell", cell(BOXES, "ty_m", 3, None), BOXES, "row 3"),
    ("no track id", cell(BOXES, "track_uuid", 3, None), BOXES, "track_uuid"),
    ("zero quaternion", no_turn(BOXES), BOXES, "no rotation"),
    ("zero quaternion of the ego", no_turn(POSES), POSES, "no rotation"),
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
    ("place and rotation mixed up", swap(BOXES, "qw", "tx_m"), BOXES, "no rotation"),
    ("place and rotation of the ego mixed up", swap(POSES, "qz", "ty_m"), POSES, "no rotation"),
    ("ids and categories mixed up", swap(BOXES, "track_uuid", "category"), BOXES, "changes its category"),
    ("times and places mixed up", swap(BOXES, "timestamp_ns", "tx_m"), BOXES, "integer"),
    ("times and counts mixed up", swap(BOXES, "timestamp_ns", "num_interior_pts"), POSES, "no pose"),
    ("focal length and distortion mixed up", swap(LENSES, "fx_px", "k1"), LENSES, "focal length"),
    ("half a pixel of height", cell(LENSES, "height_px", 0, 90.5), LENSES, "90.5 pixels"),
    ("unsigned times", unsigned_times_that_run_backwards, BOXES, "backwards"),
    ("zero quaternion of the mount", no_turn(MOUNTS), MOUNTS, "no rotation"),
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
        (rename(f"{START_NS + 20_000_000:022d}.jpg"), "occurs twice"),
        (rename("1" * 30 + ".jpg"), "not named by its time"),
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


def test_images_of_another_time_are_refused(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=3)
    for image in (log / "sensors/cameras" / CAMERA).iterdir():
        image.rename(image.with_name(f"{int(image.stem) + 10**12}.jpg"))
    with pytest.raises(InputError, match=r"no image lies within the times of .*city_SE3_egovehicle\.feather"):
        opened(log).read("log", CAMERA)


def test_upright_images_of_a_lying_camera_are_refused(tmp_path):
    tables = argoverse2_tables(11)
    swap(LENSES, "width_px", "height_px")(tables)
    log = write_argoverse2(tmp_path / "log", tables, images=3)
    with pytest.raises(InputError, match=r"has 90x160 pixels, but .* says 160x90"):
        opened(log).read("log", CAMERA)


@pytest.mark.parametrize("column", ["tx_m", "timestamp_ns", "category"])
def test_a_spoilt_table_with_the_ego_is_named(tmp_path, column):
    tables = for_scenario_mining(argoverse2_tables(11))
    no_column(WITH_EGO, column)(tables)
    log = write_argoverse2(tmp_path / "log", tables)
    with pytest.raises(InputError, match=rf"annotations_with_ego\.feather has no column '{column}'"):
        opened(log).read("log")


def test_a_sweep_of_the_ego_without_a_pose_is_named(tmp_path):
    tables = for_scenario_mining(argoverse2_tables(11))
    tables[WITH_EGO]["timestamp_ns"][-1] += 1
    log = write_argoverse2(tmp_path / "log", tables)
    with pytest.raises(InputError, match=rf"no pose at {START_NS + 10**9 + 1} ns, a time of annotations_with_ego"):
        opened(log).read("log")


@pytest.mark.parametrize("file", [BOXES, POSES, LENSES, MOUNTS])
def test_no_damage_to_a_table_gives_a_traceback(tmp_path, file):
    """Bytes overwritten anywhere: read as a sentence, or where no text or check is hit, as numbers."""
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11), images=3)
    source, path = opened(log), log / file
    whole = path.read_bytes()
    rng = np.random.default_rng(4)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        at = int(rng.integers(len(whole) - 8))
        damaged[at : at + 8] = rng.bytes(8)
        path.write_bytes(damaged[: int(rng.integers(1, len(whole)))] if rng.random() < 0.3 else damaged)
        for images in (True, False):
            try:
                source.read("log", CAMERA, images=images)
            except InputError:
                refused += 1
    assert refused > 20


def test_a_table_with_damaged_column_names_is_named(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    path = log / POSES
    path.write_bytes(path.read_bytes().replace(b"timestamp_ns", b"timestamp\xff\xfe\xfd"))
    with pytest.raises(InputError, match=r"city_SE3_egovehicle\.feather is not a readable feather file"):
        opened(log).read("log")
