"""Every way in which a release of Ego-Exo4D can be broken ends as a sentence that names the file."""

import json
import os

import pytest
from native_layouts.ego_exo4d import (
    CALIBRATIONS,
    FIRST_ROW,
    TAKE,
    TRAJECTORY,
    ego_exo4d_tables,
    frame_count,
    frame_times_ns,
    numbered,
    write_ego_exo4d,
    write_pictures,
)

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings

TIMESYNC = "captures/unc_soccer_01/timesync.csv"
ARIA_TIME = "aria01_214-1_capture_timestamp_ns"
POSES = f"takes/{TAKE}/{TRAJECTORY}"
CAMERAS = f"takes/{TAKE}/{CALIBRATIONS}"
SECONDS = 1


def opened(root):
    return open_recordings("ego_exo4d", root)


def put(table, column, row, value):
    """Change one cell."""

    def spoil(tables):
        tables[table][column][row] = value

    return spoil


def drop(table, column):
    return lambda tables: tables[table].pop(column)


def set_in_take(key, value):
    return lambda tables: tables["takes.json"][0].update({key: value})


def video_of_cam01(path):
    return set_in_take("frame_aligned_videos", {"cam01": {"0": {"relative_path": path}}})


def test_paths_without_takes(tmp_path):
    with pytest.raises(InputError, match=r"takes\.json is missing. Give the folder"):
        opened(tmp_path)
    with pytest.raises(InputError, match=r"takes\.json is missing"):
        opened(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[{", "is not valid JSON"),
        ("{}", "is not a list of takes"),
        ("[3]", "entry 0 has no take_name"),
        ('[{"take_name": ""}]', "entry 0 has no take_name"),
        ("[]", "has no take of basketball, dance, soccer; it has none at all"),
        ('[{"take_name": "a", "parent_task_name": null}]', "it has unnamed"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_broken_takes_json(tmp_path, content, words):
    (tmp_path / "takes.json").write_text(content)
    with pytest.raises(InputError, match=rf"takes\.json.*{words}"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("nothing", "is not valid JSON"),
        ("[]", "has no table take_uid_to_split"),
        ('{"take_uid_to_split": {"a": "dev"}}', "the split of a is 'dev'"),
        ('{"take_uid_to_split": {"a": []}}', r"the split of a is \[\]"),
    ],
)
def test_broken_splits(tmp_path, content, words):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=SECONDS))
    (root / "annotations" / "splits.json").write_text(content)
    with pytest.raises(InputError, match=rf"splits\.json.*{words}"):
        opened(root)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (set_in_take("capture", None), "has no usable capture"),
        (set_in_take("capture", {"capture_name": "unc_soccer_01"}), "no usable list of cameras"),
        (set_in_take("capture", {"capture_name": "../up", "cameras": []}), "no Aria glasses"),
        (lambda t: t["takes.json"][0]["capture"].update(capture_name="../../up"), r"'captures/../../up' leads out"),
        (lambda t: t["takes.json"][0]["capture"]["cameras"].append({"cam_id": "aria02", "is_ego": 1}), "has 2 Aria"),
        (set_in_take("root_dir", "/etc"), "'/etc' leads out"),
        (set_in_take("root_dir", 3), "no usable root_dir"),
        (set_in_take("timesync_start_idx", "7"), "no usable timesync_start_idx"),
        (set_in_take("timesync_end_idx", None), "no usable timesync_start_idx and timesync_end_idx"),
        (set_in_take("frame_aligned_videos", []), "no usable frame_aligned_videos"),
        (lambda t: t["takes.json"].append(t["takes.json"][0]), f"has the take {TAKE} more than once"),
        (set_in_take("timesync_end_idx", 9_000), r"timesync\.csv has 43 rows, but .* rows 7 to 9000"),
        (set_in_take("timesync_start_idx", -1), r"timesync\.csv has 43 rows, but .* rows -1 to 38"),
        (set_in_take("timesync_end_idx", FIRST_ROW), r"timesync\.csv has 43 rows, but .* rows 7 to 7"),
        (set_in_take("timesync_end_idx", 10**30), r"timesync\.csv has 43 rows"),
        (drop(TIMESYNC, ARIA_TIME), rf"timesync\.csv has no column '{ARIA_TIME}'"),
        (put(TIMESYNC, ARIA_TIME, FIRST_ROW + 2, "soon"), "does not hold numbers"),
        (put(TIMESYNC, ARIA_TIME, FIRST_ROW + 2, "1.5"), "not whole nanoseconds"),
        (put(TIMESYNC, ARIA_TIME, FIRST_ROW + 2, "inf"), "holds inf, not whole nanoseconds"),
        (put(TIMESYNC, ARIA_TIME, FIRST_ROW + 2, -5), "negative time"),
        (put(TIMESYNC, ARIA_TIME, FIRST_ROW + 2, frame_times_ns(9)[8]), r"timesync\.csv: .* runs backwards"),
        (put(POSES, "tracking_timestamp_us", -1, -(2**63)), f"the times do not increase at {-(2**63)} us"),
        (put(POSES, "tx_world_device", 701, "nan"), "'tx_world_device' at 250202234 us is empty or not finite"),
        (put(POSES, "qw_world_device", 701, "inf"), "'qw_world_device' at 250202234 us is empty or not finite"),
        (put(POSES, "tz_world_device", 701, ""), "'tz_world_device' at 250202234 us is empty or not finite"),
        (
            put(POSES, "tx_world_device", 701, 1e12),
            r"closed_loop_trajectory\.csv: Track aria01 .*: centres at 250202234000 ns must be finite numbers",
        ),
        (put(POSES, "tx_world_device", 701, "left"), r"closed_loop_trajectory\.csv is not a whole CSV file"),
        (put(POSES, "tracking_timestamp_us", 700, ""), "'tracking_timestamp_us' has an empty cell"),
        (put(POSES, "tracking_timestamp_us", 700, 1), "the times do not increase at 1 us"),
        (put(POSES, "tracking_timestamp_us", 700, 250_001_433), "the times do not increase at 250001433 us"),
        (put(POSES, "gravity_x_world", 701, 5.0), "gravity turns during the take"),
        (drop(POSES, "graph_uid"), r"closed_loop_trajectory\.csv has no column 'graph_uid'"),
        (drop(POSES, "quality_score"), r"closed_loop_trajectory\.csv has no column 'quality_score'"),
    ],
)
def test_broken_takes(tmp_path, spoil, words):
    tables = ego_exo4d_tables(seconds=SECONDS)
    spoil(tables)
    source = opened(write_ego_exo4d(tmp_path, tables))
    assert source.recording_ids() == (TAKE,)
    assert source.split(TAKE) == "validation"
    with pytest.raises(InputError, match=words):
        source.read(TAKE)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("quality_score", 0.2, "no pose during the take has a quality of 0.5"),
        ("gravity_z_world", 0.0, "gravity has no direction"),
        ("qx_world_device", 0.0, None),
    ],
)
def test_whole_columns_of_poses(tmp_path, column, value, words):
    tables = ego_exo4d_tables(seconds=SECONDS)
    tables[POSES][column] = [value] * len(tables[POSES][column])
    if words is None:
        tables[POSES] |= {f"q{axis}_world_device": tables[POSES][column] for axis in "yzw"}
        words = "zero quaternion"
    with pytest.raises(InputError, match=words):
        opened(write_ego_exo4d(tmp_path, tables)).read(TAKE)


@pytest.mark.parametrize("name", [TIMESYNC, POSES])
@pytest.mark.parametrize("how", ["missing", "empty", "cut off", "a folder", "bytes"])
def test_broken_files(tmp_path, name, how):
    path = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=SECONDS)) / name
    spoil_file(path, how)
    with pytest.raises(InputError, match=path.name.replace(".", r"\.")):
        opened(tmp_path).read(TAKE)


@pytest.mark.parametrize("how", ["missing", "empty", "cut off", "a folder", "bytes"])
def test_broken_files_of_calibrations(tmp_path, how):
    path = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=SECONDS), videos="full") / CAMERAS
    spoil_file(path, how)
    for ask in (lambda s: s.cameras(TAKE), lambda s: s.read(TAKE, "cam01")):
        with pytest.raises(InputError, match=r"gopro_calibs\.csv"):
            ask(opened(tmp_path))
    assert len(opened(tmp_path).read(TAKE).tracks) == 1


def spoil_file(path, how):
    content = path.read_bytes()
    path.unlink()
    if how == "empty":
        path.touch()
    elif how == "cut off":
        path.write_bytes(content[: content.rindex(b",")])
    elif how == "bytes":
        path.write_bytes(os.urandom(5000))
    elif how == "a folder":
        path.mkdir()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("intrinsics_type", "FISHEYE624", "cam01 has intrinsics of type 'FISHEYE624'; KANNALABRANDTK3 alone"),
        ("intrinsics_0", "nan", "'intrinsics_0' of the camera cam01 is 'nan'"),
        ("intrinsics_7", "", "'intrinsics_7' of the camera cam01 is ''"),
        ("tx_world_cam", "here", "'tx_world_cam' of the camera cam01 is 'here'"),
        ("quality", "good", "'quality' of the camera cam01 is 'good'"),
        ("intrinsics_1", -3.0, "size or focal length that is not positive"),
        ("image_width", 0, "size or focal length that is not positive"),
    ],
)
def test_a_broken_camera_stops_no_other(tmp_path, column, value, words):
    tables = ego_exo4d_tables(seconds=SECONDS)
    tables[CAMERAS][column][0] = value
    source = opened(write_ego_exo4d(tmp_path, tables, videos="full"))
    assert source.cameras(TAKE) == ("cam01", "cam02")
    with pytest.raises(InputError, match=rf"gopro_calibs\.csv.*{words}"):
        source.read(TAKE, "cam01")
    assert source.read(TAKE, "cam02").camera.name == "cam02"


def test_other_faults_of_calibrations(tmp_path):
    tables = ego_exo4d_tables(seconds=SECONDS)
    for axis in "xyzw":
        tables[CAMERAS][f"q{axis}_world_cam"][0] = 0.0
    for values in tables[CAMERAS].values():
        values.append(values[1])
    source = opened(write_ego_exo4d(tmp_path, tables, videos="full"))
    with pytest.raises(InputError, match="cam01: A rotation quaternion is zero"):
        source.read(TAKE, "cam01")
    with pytest.raises(InputError, match="several rows for the camera cam02"):
        source.read(TAKE, "cam02")
    del tables[CAMERAS]["intrinsics_7"]
    with pytest.raises(InputError, match="has no column 'intrinsics_7'"):
        opened(write_ego_exo4d(tmp_path, tables)).cameras(TAKE)


def test_a_take_that_the_trajectory_does_not_reach(tmp_path):
    tables = ego_exo4d_tables(seconds=SECONDS)
    tables[POSES] = {name: values[:400] for name, values in tables[POSES].items()}
    with pytest.raises(InputError, match=r"closed_loop_trajectory\.csv has no pose during the take"):
        opened(write_ego_exo4d(tmp_path, tables)).read(TAKE)


def test_a_take_without_times(tmp_path):
    tables = ego_exo4d_tables(seconds=SECONDS)
    tables[TIMESYNC][ARIA_TIME] = [""] * len(tables[TIMESYNC][ARIA_TIME])
    with pytest.raises(InputError, match="is empty in rows 7 to 38, so the take has no time"):
        opened(write_ego_exo4d(tmp_path, tables)).read(TAKE)


@pytest.mark.parametrize("path", ["../../../else/cam01.mp4", "/else/cam01.mp4", "..\\..\\cam01.mp4"])
def test_a_video_outside_the_folder_is_refused(tmp_path, path):
    tables = ego_exo4d_tables(seconds=SECONDS)
    video_of_cam01(path)(tables)
    source = opened(write_ego_exo4d(tmp_path / "release", tables))
    write_pictures(tmp_path / "else" / "cam01.mp4", (numbered(k) for k in range(frame_count(SECONDS))))
    outcomes = []
    for ask in (lambda: source.cameras(TAKE), lambda: source.read(TAKE, "cam01")):
        try:
            outcomes.append(ask())
        except InputError as error:
            outcomes.append(str(error))
    # An absolute path hangs below the take's folder once joined to it: a file that is not there.
    assert outcomes[0] == () or "leads out of" in outcomes[0]
    assert "leads out of" in outcomes[1] or "There is no video of" in outcomes[1]


def test_missing_videos(tmp_path):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=SECONDS), videos="full")
    videos = root / "takes" / TAKE / "frame_aligned_videos"
    (videos / "cam01.mp4").unlink()
    assert opened(root).cameras(TAKE) == ("cam01", "cam02")  # so that reading tells of it
    with pytest.raises(InputError, match=r"There is no video of .*cam01\.mp4, in full or downscaled"):
        opened(root).read(TAKE, "cam01")
    (videos / "cam02.mp4").unlink()
    assert opened(root).cameras(TAKE) == ()
    assert len(opened(root).read(TAKE).tracks) == 1
    tables = ego_exo4d_tables(seconds=SECONDS)
    tables["takes.json"][0]["frame_aligned_videos"] = {"cam01": None, "best_exo": {"0": {"relative_path": None}}}
    (root / "takes.json").write_text(json.dumps(tables["takes.json"]))
    assert opened(root).cameras(TAKE) == ()
    with pytest.raises(InputError, match=r"no video of the camera cam01, which takes\.json lacks"):
        opened(root).read(TAKE, "cam01")


@pytest.mark.parametrize("how", ["empty", "half", "bytes"])
def test_broken_videos(tmp_path, how):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=SECONDS), videos="full")
    path = root / "takes" / TAKE / "frame_aligned_videos" / "cam01.mp4"
    content = path.read_bytes()
    path.write_bytes({"empty": b"", "half": content[: len(content) // 2], "bytes": os.urandom(2000)}[how])
    with pytest.raises(InputError, match=r"cam01\.mp4 (cannot be read as a video|is cut off)"):
        opened(root).read(TAKE, "cam01")
    assert len(opened(root).read(TAKE, "cam02").frames) == frame_count(SECONDS)


def test_videos_of_another_length_or_shape(tmp_path):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=SECONDS))
    videos = root / "takes" / TAKE / "frame_aligned_videos"
    write_pictures(videos / "cam01.mp4", (numbered(k) for k in range(frame_count(SECONDS) + 3)))
    write_pictures(videos / "cam02.mp4", (numbered(k, (320, 240)) for k in range(frame_count(SECONDS))))
    with pytest.raises(InputError, match=r"cam01\.mp4 has 34 frames, but .*takes\.json gives the take 31 rows"):
        opened(root).read(TAKE, "cam01")
    with pytest.raises(InputError, match=r"cam02\.mp4 has 320x240 pixels, which is no scaled 3840x2160"):
        opened(root).read(TAKE, "cam02")
