"""The Argoverse 2 reader's boxes and splits against logs written with known motion."""

import math

import numpy as np
import pyarrow.feather
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_layouts.argoverse2 import argoverse2_tables, ego_pose, for_scenario_mining, write_argoverse2
from native_layouts.scene import START_US, true_centre

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings

BOXES, WITH_EGO = "annotations.feather", "annotations_with_ego.feather"
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


def turned(wxyz, point):
    """A point turned by a unit quaternion: p + 2w(v x p) + 2 v x (v x p)."""
    w, *v = wxyz
    once = cross(v, point)
    twice = cross(v, once)
    return [p + 2 * w * a + 2 * b for p, a, b in zip(point, once, twice, strict=True)]


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


parts = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: math.hypot(*q) > 0.1)
places = st.lists(st.floats(-5000, 5000), min_size=3, max_size=3)


@settings(max_examples=30, deadline=None)
@given(ego=parts, at=places, box=parts, place=st.lists(st.floats(-100, 100), min_size=3, max_size=3))
def test_any_box_at_any_attitude_of_the_ego(tmp_path_factory, ego, at, box, place):
    ego, box = ([number / math.hypot(*q) for number in q] for q in (ego, box))
    names = ("qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
    tables = {
        BOXES: {
            **{"timestamp_ns": [START_NS], "track_uuid": ["one"], "category": ["BUS"]},
            **{"length_m": [11.0], "width_m": [2.9], "height_m": [3.3]},
            **{name: [number] for name, number in zip(names, (*box, *place), strict=True)},
        },
        "city_SE3_egovehicle.feather": {
            "timestamp_ns": [START_NS],
            **{name: [number] for name, number in zip(names, (*ego, *at), strict=True)},
        },
    }
    (track,) = opened(write_argoverse2(tmp_path_factory.mktemp("any") / "log", tables)).read("log").tracks
    np.testing.assert_allclose(track.centres[0], np.add(turned(ego, place), at), atol=1e-8)
    for axis in range(3):
        along = [float(axis == k) for k in range(3)]
        np.testing.assert_allclose(track.rotations[0][:, axis], turned(ego, turned(box, along)), atol=1e-9)


def test_a_log_for_scenario_mining_is_the_same_without_its_own_vehicle(tmp_path):
    tables = argoverse2_tables(11)
    write_argoverse2(tmp_path / "plain", tables)
    write_argoverse2(tmp_path / "mining", for_scenario_mining(tables))
    source = opened(tmp_path)
    assert source.recording_ids() == ("mining", "plain")
    plain, mining = source.read("plain"), source.read("mining")
    assert [track.id for track in mining.tracks] == ["car", "cone", "parked", "walker"]
    for one, other in zip(plain.tracks, mining.tracks, strict=True):
        np.testing.assert_array_equal(one.times_ns, other.times_ns)
        np.testing.assert_array_equal(one.centres, other.centres)
        np.testing.assert_array_equal(one.lidar_points, other.lidar_points)
    np.testing.assert_array_equal(plain.ego_centres, mining.ego_centres)


def test_the_table_without_the_ego_wins(tmp_path):
    tables = argoverse2_tables(11)
    both = for_scenario_mining(tables) | tables
    both[WITH_EGO] = {name: values[:1] for name, values in both[WITH_EGO].items()}
    recording = opened(write_argoverse2(tmp_path / "log", both)).read("log")
    assert len(recording.tracks) == 4


def test_the_order_of_rows_and_columns_does_not_matter_between_tracks(tmp_path):
    tables = argoverse2_tables(11)
    columns = tables[BOXES]
    by_sweep = sorted(range(len(columns["timestamp_ns"])), key=lambda row: columns["timestamp_ns"][row])
    tables[BOXES] = {name: [columns[name][row] for row in by_sweep] for name in reversed(columns)}
    tracks = opened(write_argoverse2(tmp_path / "log", tables)).read("log").tracks
    assert [(track.id, len(track)) for track in tracks] == [("car", 11), ("cone", 1), ("parked", 11), ("walker", 6)]
    np.testing.assert_allclose(tracks[3].centres, [true_centre("walker", 0.1 * i) for i in range(5, 11)], atol=1e-9)


def test_path_may_be_a_log_a_split_or_the_splits(tmp_path, monkeypatch):
    tables = argoverse2_tables(11)
    for name in ("val/b", "val/a", "train/c", "test/d"):
        write_argoverse2(tmp_path / name, tables, images=1)
    # Logs of the test split are published without boxes, unless somebody made them for scenario mining.
    (tmp_path / "test/d" / BOXES).unlink()
    write_argoverse2(tmp_path / "test/e", for_scenario_mining(tables))
    source = opened(tmp_path)
    assert source.recording_ids() == ("a", "b", "c", "e")
    assert source.read("c").split == "train"
    assert source.read("e").split == source.split("e") == "test"
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


def test_folders_without_logs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"holds no log of .* or annotations_with_ego\.feather\.$"):
        opened(tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        opened(tmp_path / "none")
    write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    with pytest.raises(InputError, match="other"):
        opened(tmp_path).read("other")


@pytest.mark.parametrize(
    ("log", "named"),
    [
        ("sensor/val/a", "sensor"),
        ("sensor/test/a", "sensor"),
        ("val-logs/mine/a", "val-logs/mine"),
        ("mine/a", "mine"),
    ],
)
def test_a_folder_too_far_above_its_logs_is_told_where_they_are(tmp_path, log, named):
    write_argoverse2(tmp_path / log, argoverse2_tables(11))
    (tmp_path / "another" / "folder" / "here").mkdir(parents=True)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"holds no log .*There are logs further down: give ") as refusal:
        opened(tmp_path)
    folder = str(refusal.value).split(": give ")[1].removesuffix(".")
    assert folder == str(tmp_path / named)
    assert opened(folder).recording_ids() == ("a",)


def test_a_log_without_boxes_has_no_tracks(tmp_path):
    log = write_argoverse2(tmp_path / "log", argoverse2_tables(11))
    table = pyarrow.feather.read_table(log / BOXES)
    pyarrow.feather.write_feather(table.slice(0, 0), str(log / BOXES))
    source = opened(log)
    assert source.read("log").tracks == ()
    with pytest.raises(InputError, match=r"annotations\.feather has no box"):
        source.read("log", CAMERA, images=False)


def test_a_log_of_the_ego_alone_has_sweeps_but_no_tracks(tmp_path):
    tables = for_scenario_mining(argoverse2_tables(11))
    tables[WITH_EGO] = {name: values[-11:] for name, values in tables[WITH_EGO].items()}
    recording = opened(write_argoverse2(tmp_path / "log", tables)).read("log", CAMERA, images=False)
    assert recording.tracks == ()
    np.testing.assert_array_equal(recording.frames.times_ns, START_NS + 100_000_000 * np.arange(11))
