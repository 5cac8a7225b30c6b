"""The Ego-Exo4D reader against a release written with known motion, and its videos through a plain lens."""

import json
import pickle
import re
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native_layouts.ego_exo4d import (
    CALIBRATIONS,
    CAMERAS,
    CROWN,
    FIRST_ROW,
    HEIGHT,
    SPEED,
    START_NS,
    TAKE,
    TRAJECTORY,
    WORLD,
    camera_axes,
    ego_exo4d_tables,
    frame_count,
    frame_times_ns,
    number_in,
    true_device,
    write_ego_exo4d,
)
from scipy.spatial.transform import Rotation

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_boxes
from st_vlm.questions.sightings import look
from st_vlm.recordings import ego_exo4d, open_recordings
from st_vlm.video.decoding import read_frames

TIMESYNC = "captures/unc_soccer_01/timesync.csv"
ARIA_TIME = "aria01_214-1_capture_timestamp_ns"


def opened(root, **options):
    return open_recordings("ego_exo4d", root, **options)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """A take with videos in full size."""
    return write_ego_exo4d(tmp_path_factory.mktemp("egoexo"), ego_exo4d_tables(), videos="full")


@pytest.fixture
def st_vlm(capsys, monkeypatch):
    from st_vlm.cli import main as command_line

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["st-vlm", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            command_line.main()
        return left.value.code, *capsys.readouterr()

    return run


def test_takes_splits_and_sports(tmp_path):
    names = ("unc_soccer_01_2", "sfu_dance_07_1", "nus_cpr_01_1", "iiith_climb_02_4")
    tables = ego_exo4d_tables(names, seconds=1)
    for entry, sport in zip(tables["takes.json"], ("Soccer", "Dance", "Health", "Rock Climbing"), strict=True):
        entry["parent_task_name"] = sport
    del tables["takes.json"][1]["parent_task_name"]
    tables["takes.json"][1]["task_name"] = "Dance"
    source = opened(write_ego_exo4d(tmp_path, tables))
    assert source.recording_ids() == ("sfu_dance_07_1", "unc_soccer_01_2")
    assert source.split("unc_soccer_01_2") == "validation"
    assert source.split("sfu_dance_07_1") == "train"
    assert opened(tmp_path, sports=("rock climbing",)).recording_ids() == ("iiith_climb_02_4",)
    with pytest.raises(InputError, match="has no take of chess; it has Dance, Health, Rock Climbing, Soccer"):
        opened(tmp_path, sports="Chess")
    with pytest.raises(InputError, match="No take 'nus_cpr_01_1' of the wanted sports"):
        source.read("nus_cpr_01_1")
    (tmp_path / "annotations" / "splits.json").rename(tmp_path / "splits.json")
    assert opened(tmp_path).split("unc_soccer_01_2") == "validation"
    (tmp_path / "splits.json").unlink()
    assert opened(tmp_path).split("unc_soccer_01_2") == "train"


def test_the_wearer_is_measured(st_vlm, tmp_path):
    code, out, _ = st_vlm("measure", "ego_exo4d", write_ego_exo4d(tmp_path, ego_exo4d_tables()), "--format", "jsonl")
    assert code == 0
    [line] = map(json.loads, out.splitlines())
    assert (line["recording"], line["track_id"], line["category"]) == (TAKE, "aria01", "sports.player")
    assert line["duration_s"] == pytest.approx(4, abs=0.005)
    assert line["path_m"] == pytest.approx(SPEED * line["duration_s"], abs=1e-3)
    assert line["displacement_m"] == pytest.approx(line["path_m"], abs=1e-3)
    assert line["static"] is False
    assert line["mean_speed_kmh"] == pytest.approx(SPEED * 3.6, abs=1e-3)


def test_one_bad_take_stops_no_other(st_vlm, tmp_path):
    names = ("unc_soccer_01_2", "unc_soccer_02_1", "unc_soccer_03_1")
    write_ego_exo4d(tmp_path, ego_exo4d_tables(names, seconds=1))
    (tmp_path / "takes" / names[1] / TRAJECTORY).unlink()
    code, out, err = st_vlm("measure", "ego_exo4d", tmp_path, "--format", "jsonl")
    assert code == 1
    assert {json.loads(line)["recording"] for line in out.splitlines()} == {names[0], names[2]}
    assert "closed_loop_trajectory.csv is missing" in err


@pytest.mark.parametrize("pitch", [-1.2, 0.0, 0.7])
def test_the_box_stands_below_the_glasses_however_the_head_is_held(tmp_path, pitch):
    recording = opened(write_ego_exo4d(tmp_path, ego_exo4d_tables(pitch=pitch, seconds=1))).read(TAKE)
    assert recording.domain == "sports"
    assert recording.camera is None
    [track] = recording.tracks
    places = np.array([true_device((ns - START_NS) * 1e-9) for ns in track.times_ns])
    top = track.centres[:, 2] + track.sizes[:, 2] / 2
    np.testing.assert_allclose(track.centres[:, :2], places[:, :2], atol=1e-5)
    np.testing.assert_allclose(top, places[:, 2] + CROWN, atol=1e-9)
    np.testing.assert_allclose(track.sizes, [[0.6, 0.6, HEIGHT]] * len(track))
    np.testing.assert_allclose(track.rotations, [np.eye(3)] * len(track), atol=1e-3)


def test_poses_come_every_20_ms_within_the_take(release):
    [track] = opened(release).read(TAKE).tracks
    times = frame_times_ns(frame_count())
    assert times[0] <= track.times_ns[0] < times[0] + 1_000_000
    assert times[-1] - 1_000_000 < track.times_ns[-1] <= times[-1]
    assert np.diff(track.times_ns)[:-1].min() >= 19_000_000
    assert np.diff(track.times_ns).max() <= 21_000_000


@pytest.mark.parametrize("camera", sorted(CAMERAS))
def test_boxes_cover_the_wearer_in_full_videos(release, camera):
    check_boxes_on_wearer(opened(release).read(TAKE, camera), (320, 180))


@pytest.mark.parametrize("size", [(160, 90), (202, 114)], ids=["exact", "rounded"])
def test_boxes_cover_the_wearer_in_downscaled_videos(tmp_path, size):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables(), videos="downscaled", size=size)
    source = opened(root)
    assert source.cameras(TAKE) == ("cam01", "cam02")
    recording = source.read(TAKE, "cam02")
    assert recording.frames.paths[3] == f"takes/{TAKE}/frame_aligned_videos/downscaled/448/cam02.mp4#3"
    check_boxes_on_wearer(recording, size)


def check_boxes_on_wearer(recording, size):
    """The red wearer lies in the box of every frame, in its middle, and fills nearly all of its height."""
    assert recording.camera.size == size
    sightings = look(recording)
    assert sightings.seen(0).all()
    for frame, (x1, y1, x2, y2) in zip(sightings.frames, sightings.boxes[0], strict=True):
        red, green, _ = np.moveaxis(recording.frames.read(frame).astype(int), -1, 0)
        v, u = np.nonzero(red - green > 100)
        assert x1 - 1 <= u.min() < u.max() + 1 <= x2 + 1
        assert y1 - 1 <= v.min() < v.max() + 1 <= y2 + 1
        assert v.max() + 1 - v.min() >= 0.88 * (y2 - y1)
        assert abs((u.min() + u.max() + 1) / 2 - (x1 + x2) / 2) <= 1.5


def test_a_frame_has_its_own_rows_time(tmp_path):
    tables = ego_exo4d_tables()
    rows = tables[TIMESYNC][ARIA_TIME]
    rows[FIRST_ROW + 10] = ""  # no frame of the Aria
    rows[FIRST_ROW + 40] = rows[FIRST_ROW + 39]  # the same frame again
    recording = opened(write_ego_exo4d(tmp_path, tables, videos="full")).read(TAKE, "cam01")
    kept = [k for k in range(frame_count()) if k not in (10, 40)]
    times = frame_times_ns(frame_count())
    assert recording.frames.times_ns.tolist() == [times[k] for k in kept]
    assert recording.frames.paths == tuple(f"takes/{TAKE}/frame_aligned_videos/cam01.mp4#{k}" for k in kept)
    for index in (0, 9, 10, 11, 38, 39, 40, len(kept) - 1, 5):
        assert number_in(recording.frames.read(index)) == kept[index]


def test_times_may_be_written_as_floats(tmp_path):
    tables = ego_exo4d_tables(seconds=1)
    rows = tables[TIMESYNC][ARIA_TIME]
    tables[TIMESYNC][ARIA_TIME] = [time and f"{time}.0" for time in rows]
    frames = opened(write_ego_exo4d(tmp_path, tables)).read(TAKE, "cam01", images=False).frames
    assert frames.times_ns.tolist() == frame_times_ns(frame_count(1))


@pytest.mark.parametrize("off", [-2, 2])
def test_a_video_a_little_shorter_or_longer_is_cut_to_both(tmp_path, off):
    tables = ego_exo4d_tables(seconds=1)
    root = write_ego_exo4d(tmp_path, tables, videos="full")
    entry = tables["takes.json"][0]
    entry["timesync_end_idx"] -= off
    (root / "takes.json").write_text(json.dumps(tables["takes.json"]))
    frames = opened(root).read(TAKE, "cam01").frames
    assert len(frames) == frame_count(1) - max(off, 0)
    assert number_in(frames.read(len(frames) - 1)) == len(frames) - 1


def test_without_images_the_calibrated_cameras_are_known(tmp_path):
    source = opened(write_ego_exo4d(tmp_path, ego_exo4d_tables()))
    assert source.cameras(TAKE) == ()
    assert source.cameras(TAKE, images=False) == ("cam01", "cam02")
    recording = source.read(TAKE, "cam01", images=False)
    camera = recording.camera
    assert recording.frames.read is None
    assert recording.frames.paths == ()
    assert recording.frames.times_ns.tolist() == frame_times_ns(frame_count())
    assert (camera.size, camera.distortion) == ((3840, 2160), "kannala_brandt")
    np.testing.assert_allclose(camera.poses[5][:3, 3], CAMERAS["cam01"][0])
    np.testing.assert_allclose(camera.poses[5][:3, :3], camera_axes("cam01"), atol=1e-9)


def test_cameras_that_cannot_be_used_are_left_out(tmp_path):
    tables = ego_exo4d_tables(seconds=1)
    calibrations = tables[f"takes/{TAKE}/{CALIBRATIONS}"]
    for column, values in calibrations.items():
        values += [values[0], values[0], values[0]]
        if column == "cam_uid":
            values[2:] = ["cam03", "cam04", "aria01"]
    calibrations["quality"][2] = 0
    calibrations["end_frame_idx"][3] = 500
    root = write_ego_exo4d(tmp_path, tables, videos="full")
    source = opened(root)
    assert source.cameras(TAKE) == source.cameras(TAKE, images=False) == ("cam01", "cam02")
    for camera in ("cam03", "cam04", "cam09"):
        with pytest.raises(InputError, match=f"no calibration that holds throughout for the camera {camera}"):
            source.read(TAKE, camera, images=False)
    with pytest.raises(InputError, match="aria01 is worn"):
        source.read(TAKE, "aria01", images=False)


def test_a_missing_video_is_told_where_others_of_the_take_are_there(st_vlm, tmp_path):
    tables = ego_exo4d_tables(seconds=3)
    root = write_ego_exo4d(tmp_path / "release", tables, videos="full")
    videos = root / "takes" / TAKE / "frame_aligned_videos"
    (videos / "cam02.mp4").unlink()
    source = opened(root)
    assert source.cameras(TAKE) == ("cam01", "cam02")
    sentence = r"no video of .*frame_aligned_videos/cam02\.mp4"
    with pytest.raises(InputError, match=sentence):
        source.read(TAKE, "cam02")
    code, _, err = st_vlm("build", "ego_exo4d", root, "--out", tmp_path / "out", "--balance", "none")
    assert code == 1
    assert re.search(sentence, err)
    rows = pq.read_table(next((tmp_path / "out").glob("*/metadata.parquet"))).to_pylist()
    assert {row["camera"]["name"] for row in rows} == {"cam01"}
    # Without any, nobody downloaded the take's videos; and what takes.json does not name is not missed.
    (videos / "cam01.mp4").rename(tmp_path / "cam01.mp4")
    assert opened(root).cameras(TAKE) == ()
    (tmp_path / "cam01.mp4").rename(videos / "cam01.mp4")
    tables["takes.json"][0]["frame_aligned_videos"].pop("cam02")
    (root / "takes.json").write_text(json.dumps(tables["takes.json"]))
    assert opened(root).cameras(TAKE) == ("cam01",)


def test_a_camera_is_taken_in_the_world_of_the_trajectory(tmp_path):
    tables = ego_exo4d_tables(seconds=1)
    calibrations = tables[f"takes/{TAKE}/{CALIBRATIONS}"]
    for column, values in calibrations.items():
        values.append({"graph_uid": "another-world", "tx_world_cam": 99.0}.get(column, values[0]))
    calibrations["graph_uid"][1] = "another-world"
    source = opened(write_ego_exo4d(tmp_path, tables))
    np.testing.assert_allclose(source.read(TAKE, "cam01", False).camera.poses[0][:3, 3], CAMERAS["cam01"][0])
    with pytest.raises(InputError, match=f"cam02 is calibrated in another world .*{WORLD}"):
        source.read(TAKE, "cam02", images=False)


def test_files_of_the_whole_capture_do_too(tmp_path):
    root = write_ego_exo4d(tmp_path, ego_exo4d_tables())
    whole = root / "captures" / "unc_soccer_01" / "trajectory"
    expected = opened(root).read(TAKE, "cam01", images=False)
    shutil.move(root / "takes" / TAKE / "trajectory", whole)
    found = opened(root).read(TAKE, "cam01", images=False)
    np.testing.assert_array_equal(found.tracks[0].centres, expected.tracks[0].centres)
    np.testing.assert_array_equal(found.camera.poses, expected.camera.poses)


def test_bad_poses_and_those_of_another_world_make_gaps(tmp_path):
    tables = ego_exo4d_tables()
    trajectory = tables[f"takes/{TAKE}/{TRAJECTORY}"]
    trajectory["quality_score"][:1200] = [0.5] * 1200
    trajectory["quality_score"][1500:2000] = [0.4] * 500
    trajectory["graph_uid"][3000:3600] = ["lost"] * 600
    trajectory["tx_world_device"][3000:3600] = [500.0] * 600
    [track] = opened(write_ego_exo4d(tmp_path, tables)).read(TAKE).tracks
    times_s = (track.times_ns - START_NS) * 1e-9
    assert times_s[0] < 0.002
    assert not ((times_s > 1.002) & (times_s < 1.498)).any()
    assert not ((times_s > 2.502) & (times_s < 3.098)).any()
    assert np.diff(times_s).max() == pytest.approx(0.6, abs=0.03)
    np.testing.assert_allclose(track.centres[:, 0], [true_device(t)[0] for t in times_s], atol=1e-5)


def test_a_trajectory_of_a_part_gives_that_part(tmp_path):
    tables = ego_exo4d_tables()
    trajectory = tables[f"takes/{TAKE}/{TRAJECTORY}"]
    tables[f"takes/{TAKE}/{TRAJECTORY}"] = {name: values[1500:] for name, values in trajectory.items()}
    recording = opened(write_ego_exo4d(tmp_path, tables)).read(TAKE, "cam01", images=False)
    assert (recording.tracks[0].times_ns[0] - START_NS) * 1e-9 == pytest.approx(1.0, abs=0.002)
    assert len(recording.frames) == frame_count()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turn=st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_world_that_is_not_upright_is_turned(tmp_path, turn):
    """All of a release in a turned world, gravity too: the same boxes in the images, and up is up."""
    tables = ego_exo4d_tables(seconds=0.5)
    expected = boxes_of(write_ego_exo4d(tmp_path / "upright", tables))
    turned = Rotation.from_rotvec(turn)
    for name, frame in ((TRAJECTORY, "device"), (CALIBRATIONS, "cam")):
        table = tables[f"takes/{TAKE}/{name}"]
        places = np.stack([table[f"t{axis}_world_{frame}"] for axis in "xyz"], axis=1)
        quaternions = np.stack([table[f"q{axis}_world_{frame}"] for axis in "xyzw"], axis=1)
        places, quaternions = turned.apply(places), (turned * Rotation.from_quat(quaternions)).as_quat()
        table |= {f"t{axis}_world_{frame}": places[:, k].tolist() for k, axis in enumerate("xyz")}
        table |= {f"q{axis}_world_{frame}": quaternions[:, k].tolist() for k, axis in enumerate("xyzw")}
        if frame == "device":
            gravity = turned.apply([0, 0, -9.81])
            table |= {f"gravity_{axis}_world": [g] * len(places) for axis, g in zip("xyz", gravity, strict=True)}
    found = boxes_of(write_ego_exo4d(tmp_path / "turned", tables))
    np.testing.assert_allclose(found, expected, atol=0.02)
    [track] = opened(tmp_path / "turned").read(TAKE).tracks
    assert np.ptp(track.centres[:, 2]) < 1e-6


def boxes_of(root):
    recording = opened(root).read(TAKE, "cam01", images=False)
    [track], camera = recording.tracks, recording.camera
    return project_boxes(track.centres, track.sizes, track.rotations, camera.poses[0], camera).boxes


def test_cameras_of_a_take_share_one_reading_of_its_trajectory(tmp_path, monkeypatch):
    names = ("unc_soccer_01_2", "unc_soccer_02_1")
    source = opened(write_ego_exo4d(tmp_path, ego_exo4d_tables(names, seconds=1)))
    parsed = []
    for reader in ("read_trajectory", "read_frame_times"):
        read = getattr(ego_exo4d, reader)
        monkeypatch.setattr(
            ego_exo4d, reader, lambda path, *rest, read=read: parsed.append(path.name) or read(path, *rest)
        )
    both = ["timesync.csv", "closed_loop_trajectory.csv"]
    first = [source.read(names[0], camera, images=False) for camera in (*CAMERAS, None)]
    assert parsed == both
    np.testing.assert_array_equal(first[0].tracks[0].centres, opened(tmp_path).read(names[0]).tracks[0].centres)
    parsed.clear()
    # One take is held at a time, and none goes to another process.
    assert source.read(names[1], "cam01", images=False).id == names[1]
    assert source.read(names[0], "cam02", images=False).id == names[0]
    assert parsed == 2 * both
    copy = pickle.loads(pickle.dumps(source))
    assert len(pickle.dumps(source)) == len(pickle.dumps(opened(tmp_path)))
    np.testing.assert_array_equal(copy.read(names[0]).tracks[0].times_ns, first[0].tracks[0].times_ns)
    assert parsed == 3 * both


def test_a_take_that_fails_is_not_taken_for_the_one_before(tmp_path):
    names = ("unc_soccer_01_2", "unc_soccer_02_1")
    source = opened(write_ego_exo4d(tmp_path, ego_exo4d_tables(names, seconds=1)))
    (tmp_path / "takes" / names[1] / TRAJECTORY).unlink()
    source.read(names[0])
    for _ in range(2):
        with pytest.raises(InputError, match=r"closed_loop_trajectory\.csv is missing"):
            source.read(names[1])


def test_upside_down_is_turned_too(tmp_path):
    tables = ego_exo4d_tables(seconds=1)
    trajectory = tables[f"takes/{TAKE}/{TRAJECTORY}"]
    trajectory["gravity_z_world"] = [9.81] * len(trajectory["gravity_z_world"])
    [track] = opened(write_ego_exo4d(tmp_path, tables)).read(TAKE).tracks
    np.testing.assert_allclose(track.centres[:, 2] + HEIGHT / 2 - CROWN, -true_device(0)[2], atol=1e-9)


def test_a_release_is_built(st_vlm, tmp_path):
    """Distances and speeds by the known speed, marks on the wearer in the clips, and the frames' numbers."""
    names = ("unc_soccer_01_2", "unc_soccer_02_1")
    root = write_ego_exo4d(tmp_path / "release", ego_exo4d_tables(names), videos="full")
    code, _, _ = st_vlm("build", "ego_exo4d", root, "--out", tmp_path / "built", "--balance", "none")
    assert code == 0
    folders = {name: tmp_path / "built" / split for name, split in zip(names, ("validation", "train"), strict=True)}
    for name, folder in folders.items():
        rows = pq.read_table(folder / "metadata.parquet").to_pylist()
        assert {row["recording"] for row in rows} == {name}
        assert {row["task"] for row in rows} == {"traveled_distance", "traveling_speed"}
        for row in rows:
            seconds = row["span"]["end"] - row["span"]["start"]
            value = row["target"]["value"]
            truth = SPEED * 3.6 if row["task"] == "traveling_speed" else SPEED * seconds
            assert value == pytest.approx(truth, abs=0.01)
            check_clip(folder / "clips" / f"{row['clip_id']}.mp4", row)


def check_clip(path, row):
    numbers = [int(name.rpartition("#")[2]) for name in row["source_frames"]]
    pictures = read_frames(path)
    assert [number_in(picture) for picture in pictures] == numbers
    [mark] = row["marks"]
    assert mark["category"] == "player"
    for picture, box in zip(pictures.astype(int), mark["boxes"], strict=True):
        v, u = np.nonzero(picture[..., 0] - picture[..., 1] > 100)
        assert box[0] <= u.mean() <= box[2]
        assert box[1] <= v.min() + 2
        assert v.max() - 2 <= box[3]


def test_a_release_without_videos_is_built(st_vlm, tmp_path):
    root = write_ego_exo4d(tmp_path / "release", ego_exo4d_tables())
    code, _, _ = st_vlm("build", "ego_exo4d", root, "--out", tmp_path / "built", "--balance", "none", "--no-video")
    assert code == 0
    rows = pq.read_table(tmp_path / "built" / "validation" / "metadata.parquet").to_pylist()
    assert {row["task"] for row in rows} == {"traveled_distance", "traveling_speed"}
    assert all(row["marks"][0]["boxes"] for row in rows)
