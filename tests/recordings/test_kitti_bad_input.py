"""Every way in which the files of a KITTI sequence can be broken ends as a sentence that names the file."""

import errno
import pathlib
from functools import partialmethod

import pytest
from native_layouts.kitti import kitti_files, write_kitti
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings

LABELS, CALIBRATION, OXTS, POSES = "label_02", "calib", "oxts", "poses"


def opened(path):
    return open_recordings("kitti", path)


def word(folder, line, column, value):
    """Replace a word; lines count from 1, columns from 0."""

    def spoil(files):
        words = files[folder][line - 1].split()
        words[column] = value
        files[folder][line - 1] = " ".join(words)

    return spoil


def no_line(folder, line):
    def spoil(files):
        del files[folder][line - 1]

    return spoil


def twice(folder, line):
    def spoil(files):
        files[folder].append(files[folder][line - 1])

    return spoil


def cut(folder, line):
    def spoil(files):
        files[folder][line - 1] = files[folder][line - 1].rpartition(" ")[0]

    return spoil


def longer(folder, line):
    def spoil(files):
        files[folder][line - 1] = files[folder][line - 1].rstrip() + " 0.5"

    return spoil


def emptied(folder):
    def spoil(files):
        files[folder] = [""]

    return spoil


def swapped(folder, line, other):
    def spoil(files):
        rows = files[folder]
        rows[line - 1], rows[other - 1] = rows[other - 1], rows[line - 1]

    return spoil


def more_rows(folder, count):
    def spoil(files):
        files[folder] += files[folder][-1:] * count

    return spoil


# Line 3 of the labels is the car in frame 0, line 4 the parked car; 5 and 6 are they in frame 1.
SPOILT = [
    ("label: text for a number", word(LABELS, 5, 13, "far"), LABELS, "line 5: 'far' is not a finite number"),
    ("label: NaN", word(LABELS, 5, 13, "nan"), LABELS, "line 5: 'nan' is not a finite number"),
    ("label: infinite size", word(LABELS, 5, 10, "inf"), LABELS, "line 5"),
    ("label: too large for a number", word(LABELS, 5, 10, "1e999"), LABELS, "line 5"),
    ("label: Python's own notation", word(LABELS, 5, 10, "1_5"), LABELS, "line 5"),
    ("label: a column too few", cut(LABELS, 6), LABELS, "line 6: 16 columns instead of 17"),
    ("label: a tracker's score", longer(LABELS, 6), LABELS, "line 6: 18 columns instead of 17"),
    ("label: negative size", word(LABELS, 5, 11, "-1.0"), LABELS, "positive"),
    ("label: no size", word(LABELS, 5, 12, "0"), LABELS, "positive"),
    ("label: beyond reason", word(LABELS, 5, 13, "1e9"), LABELS, "a place in metres"),
    ("label: frames run backwards", swapped(LABELS, 3, 5), LABELS, "backwards"),
    ("label: a track twice in a frame", twice(LABELS, 5), LABELS, "track 0 has two boxes in frame 1"),
    ("label: category changes", word(LABELS, 5, 2, "Van"), LABELS, "line 5: track 0 changes its category from Car"),
    ("label: no track id", word(LABELS, 5, 1, "-1"), LABELS, "line 5: an object has no track id"),
    ("label: half a track id", word(LABELS, 5, 1, "1.5"), LABELS, "line 5: the track id is not a whole number"),
    ("label: half a frame", word(LABELS, 5, 0, "1.5"), LABELS, "line 5: the frame is not a whole number"),
    ("label: negative frame", word(LABELS, 5, 0, "-1"), LABELS, "line 5: the frame"),
    ("label: immense frame", word(LABELS, 5, 0, "1e15"), LABELS, "line 5: the frame"),
    ("label: unknown occlusion", word(LABELS, 5, 4, "7"), LABELS, "line 5: the occlusion"),
    ("label: empty", emptied(LABELS), LABELS, "is empty"),
    ("calibration: no P2", no_line(CALIBRATION, 3), CALIBRATION, "has no P2"),
    ("calibration: no R_rect", no_line(CALIBRATION, 5), CALIBRATION, "has no R_rect"),
    ("calibration: no Tr_velo_cam", no_line(CALIBRATION, 6), CALIBRATION, "has no Tr_velo_cam"),
    ("calibration: no Tr_imu_velo", no_line(CALIBRATION, 7), CALIBRATION, "has no Tr_imu_velo"),
    ("calibration: empty", emptied(CALIBRATION), CALIBRATION, "has no Tr_imu_velo"),
    ("calibration: a number too few", cut(CALIBRATION, 3), CALIBRATION, "line 3: P2: has 11 numbers, not 12"),
    ("calibration: text", word(CALIBRATION, 6, 4, "x"), CALIBRATION, "line 6: 'x' is not a finite number"),
    ("calibration: NaN", word(CALIBRATION, 6, 4, "NaN"), CALIBRATION, "line 6"),
    ("calibration: no rotation", word(CALIBRATION, 6, 1, "2.0"), CALIBRATION, "line 6: Tr_velo_cam is not a rotation"),
    ("calibration: no focal length", word(CALIBRATION, 3, 1, "0"), CALIBRATION, "line 3: P2: is not a projection"),
    ("calibration: no rectified camera", word(CALIBRATION, 3, 5, "9"), CALIBRATION, "line 3: P2: is not a projection"),
    ("oxts: text", word(OXTS, 4, 1, "N/A"), OXTS, "line 4: 'N/A' is not a finite number"),
    ("oxts: a column too few", cut(OXTS, 4), OXTS, "line 4: 29 columns instead of 30"),
    ("oxts: no latitude", word(OXTS, 4, 0, "91.0"), OXTS, "line 4: the latitude"),
    ("oxts: no longitude", word(OXTS, 4, 1, "181.0"), OXTS, "line 4: the longitude"),
    ("oxts: a row too few", no_line(OXTS, 11), OXTS, "has 10 rows"),
    ("oxts: many rows too many", more_rows(OXTS, 11), OXTS, "has 22 rows"),
    ("oxts: a row too many for the images", more_rows(OXTS, 1), "", "images of 11 frames, but there are poses for 12"),
    ("oxts: empty", emptied(OXTS), OXTS, "is empty"),
    ("poses: text", word(POSES, 4, 3, "none"), POSES, "line 4: 'none' is not a finite number"),
    ("poses: a column too many", longer(POSES, 4), POSES, "line 4: 13 columns instead of 12"),
    ("poses: no rotation", word(POSES, 4, 0, "0.5"), POSES, "line 4: the pose does not hold a rotation"),
    ("poses: a row too few", no_line(POSES, 1), POSES, "has 10 rows"),
    ("poses: many rows too many", more_rows(POSES, 11), POSES, "has 22 rows"),
    ("poses: empty", emptied(POSES), POSES, "is empty"),
]


@pytest.mark.parametrize(("spoil", "folder", "words"), [row[1:] for row in SPOILT], ids=[row[0] for row in SPOILT])
def test_a_spoilt_file_stops_only_its_sequence(tmp_path, spoil, folder, words):
    files = kitti_files(11, POSES if folder == POSES else OXTS)
    write_kitti(tmp_path, files, "0002")
    spoil(files)
    write_kitti(tmp_path, files, "0001", images=11)
    source = opened(tmp_path)
    with pytest.raises(InputError) as refused:
        source.read("0001", "image_02")
    assert words in str(refused.value)
    expected = tmp_path / "training" / folder / "0001.txt" if folder else tmp_path / "training/image_02/0001"
    assert str(expected) in str(refused.value)
    assert len(source.read("0002").tracks) == 4


@pytest.mark.parametrize("folder", [LABELS, CALIBRATION, OXTS, POSES])
@pytest.mark.parametrize("how", ["missing", "binary", "a picture", "a folder"])
def test_a_broken_file_is_named(tmp_path, folder, how):
    write_kitti(tmp_path, kitti_files(11, POSES if folder == POSES else OXTS), images=11)
    source = opened(tmp_path)
    path = tmp_path / "training" / folder / "0001.txt"
    path.unlink()
    if how == "binary":
        path.write_bytes(bytes(range(256)) * 20)
    elif how == "a picture":
        Image.new("RGB", (8, 8)).save(path, "PNG")
    elif how == "a folder":
        path.mkdir()
    with pytest.raises(InputError) as refused:
        source.read("0001", "image_02")
    if how == "missing" and folder in (OXTS, POSES):
        assert "has no poses: put" in str(refused.value)
        assert str(tmp_path / "training/oxts/0001.txt") in str(refused.value)
        assert str(tmp_path / "training/poses/0001.txt") in str(refused.value)
    elif how == "a folder" and folder in (OXTS, POSES):
        assert "has no poses" in str(refused.value)
    else:
        assert str(path) in str(refused.value)


def test_text_that_is_no_table_is_named(tmp_path):
    write_kitti(tmp_path, kitti_files(11))
    (tmp_path / "training/label_02/0001.txt").write_text("<html>404\n")
    with pytest.raises(InputError, match=r"label_02/0001\.txt, line 1: 1 columns"):
        opened(tmp_path).read("0001")


def test_windows_line_ends_and_blank_lines_are_read(tmp_path):
    write_kitti(tmp_path, kitti_files(11))
    path = tmp_path / "training/label_02/0001.txt"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")
    assert len(opened(tmp_path).read("0001").tracks) == 4


def missing(folder):
    (folder / "000003.png").unlink()
    (folder / "000005.png").unlink()


def only_one(folder):
    for path in folder.glob("*"):
        if path.stem != "000004":
            path.unlink()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, "000003.png is missing, the first of 2"),
        (only_one, "000000.png is missing"),
        (lambda folder: (folder / "000004.png").write_text("no image"), "000004.png cannot be decoded"),
        (lambda folder: Image.new("RGB", (320, 180)).save(folder / "000004.png"), "000004.png has 320x180 pixels"),
        (lambda folder: (folder / "000004.png").rename(folder / "first.png"), "not named by its frame"),
        (lambda folder: (folder / "000004.png").rename(folder / "000099.png"), "images of 100 frames"),
        (lambda folder: (folder / "000010.png").unlink(), "images of 10 frames, but there are poses for 11"),
    ],
)
def test_a_bad_image_is_named(tmp_path, spoil, words):
    write_kitti(tmp_path, kitti_files(11), images=11)
    folder = tmp_path / "training/image_02/0001"
    spoil(folder)
    source = opened(tmp_path)
    with pytest.raises(InputError, match=words) as refused:
        source.read("0001", *source.cameras("0001") if "named" not in words else ["image_02"])
    assert str(folder) in str(refused.value)
    assert len(source.read("0001").tracks) == 4


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="holds no labels"):
        opened(tmp_path)
    with pytest.raises(InputError, match="holds no labels"):
        opened(tmp_path / "none")
    write_kitti(tmp_path, kitti_files(11), images=11)
    with pytest.raises(InputError, match="holds no labels"):
        opened(tmp_path / "training/calib/0001.txt")
    source = opened(tmp_path)
    for ask in (source.read, source.split, source.cameras):
        with pytest.raises(InputError, match="No sequence '0009'"):
            ask("0009")
    with pytest.raises(InputError, match="no camera 'image_00'"):
        source.read("0001", "image_00")
    with pytest.raises(InputError, match="image_03/0001 has no image"):
        source.read("0001", "image_03")


def test_a_closed_folder_is_a_sentence(tmp_path, monkeypatch):
    write_kitti(tmp_path, kitti_files(11), images=11)
    source = opened(tmp_path)
    closed = tmp_path / "training/image_02/0001"
    monkeypatch.setattr(pathlib.Path, "iterdir", partialmethod(_denied, closed, pathlib.Path.iterdir))
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        source.cameras("0001")


def _denied(path, folder, real):
    if path == folder:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))
    return real(path)
