"""The nuPlan reader against logs written with known motion."""

import json
import math
import os
import pickle
import sqlite3
from itertools import pairwise

import numpy as np
import pytest
from native_layouts.nuplan import (
    CATEGORIES,
    LOG,
    ORIGIN,
    ego_pose,
    nuplan_tables,
    place,
    token,
    write_log,
    write_nuplan,
)
from native_layouts.scene import CAR_SPEED, OBJECTS, START_US, WALKER_SPEED

from st_vlm.errors import InputError
from st_vlm.kinematics.measures import measure_track
from st_vlm.recordings import open_recordings, source_class
from st_vlm.recordings.categories import is_person, noun
from st_vlm.recordings.nuplan_log import LogDatabase, open_log

START_NS = START_US * 1000
SCENE = f"{LOG}-scene-000"
NAMES = {token(LOG, "track", name).hex(): name for name in OBJECTS}


def opened(path, **options):
    return open_recordings("nuplan", path, **options)


def by_name(recording):
    return {NAMES[track.id]: track for track in recording.tracks}


def test_boxes_lie_in_the_frame_of_the_map(tmp_path):
    recording = opened(write_nuplan(tmp_path, nuplan_tables(images=False))).read(SCENE)
    tracks = by_name(recording)
    assert {name: len(track) for name, track in tracks.items()} == {
        "car": 121,
        "parked": 121,
        "walker": 116,
        "cone": 1,
    }
    for name, track in tracks.items():
        at = (track.times_ns - START_NS) * 1e-9
        np.testing.assert_allclose(track.centres, [place(name, t) for t in at], rtol=0, atol=1e-6)
        np.testing.assert_allclose(track.sizes, [OBJECTS[name][2]] * len(track))
        assert track.category == CATEGORIES[name]
        assert track.lidar_points is None
        forward = [0, 1, 0] if name == "walker" else [1, 0, 0]
        np.testing.assert_allclose(track.rotations[:, :, 0], [forward] * len(track), atol=1e-12)
    assert [track.id for track in recording.tracks] == sorted(NAMES)
    np.testing.assert_array_equal(np.diff(tracks["car"].times_ns), 50_000_000)
    np.testing.assert_allclose(recording.ego_centres[40], ego_pose(2.0)[0])
    assert (recording.camera, recording.domain, recording.pose_slack) == (None, "driving", 0)


def test_measures_are_the_truth(tmp_path):
    tracks = by_name(opened(write_nuplan(tmp_path, nuplan_tables(images=False))).read(SCENE))
    found = {
        name: measure_track(track.times_ns, track.centres, is_person(track.category))
        for name, track in tracks.items()
        if len(track) > 1
    }
    assert found["car"].static is False
    assert found["car"].path_m == pytest.approx(CAR_SPEED * 6, abs=1e-6)
    assert found["car"].mean_speed_kmh == pytest.approx(3.6 * CAR_SPEED, abs=1e-6)
    assert found["parked"].static is True
    assert found["parked"].distance_m == 0
    assert found["walker"].duration_s == pytest.approx(5.75)
    assert found["walker"].displacement_m == pytest.approx(WALKER_SPEED * 5.75, abs=1e-6)


def test_the_command_line_measures_what_the_tables_say(st_vlm, tmp_path):
    """Truth by plain SQL and arithmetic on the tables, per track and scene."""
    log = write_nuplan(tmp_path, nuplan_tables(sweeps=240, scenes=2, images=False))
    code, out, _ = st_vlm("measure", "nuplan", tmp_path, "--format", "jsonl")
    assert code == 0
    lines = {(line["recording"], line["track_id"]): line for line in map(json.loads, out.splitlines())}
    places, starts = {}, {}
    query = (
        "SELECT scene.name, track_token, timestamp, x, y, z FROM lidar_box, lidar_pc, scene "
        "WHERE lidar_pc_token = lidar_pc.token AND scene_token = scene.token ORDER BY timestamp"
    )
    for scene, track, time, *at in sqlite3.connect(log).execute(query):
        starts.setdefault(f"{LOG}-{scene}", time)
        places.setdefault((f"{LOG}-{scene}", track.hex()), []).append((time, at))
    several = {key: seen for key, seen in places.items() if len(seen) > 1}
    assert set(lines) == set(several)
    assert {key[0] for key in lines} == set(starts)
    for key, seen in several.items():
        grid = seen[::10] + ([seen[-1]] if (len(seen) - 1) % 10 else [])
        path = sum(math.dist(a, b) for (_, a), (_, b) in pairwise(grid))
        assert lines[key]["path_m"] == pytest.approx(path, abs=1e-3)
        assert lines[key]["displacement_m"] == pytest.approx(math.dist(seen[0][1], seen[-1][1]), abs=1e-3)
        assert lines[key]["start_s"] == pytest.approx((seen[0][0] - starts[key[0]]) * 1e-6)
        assert lines[key]["duration_s"] == pytest.approx((seen[-1][0] - seen[0][0]) * 1e-6)
        assert lines[key]["static"] is (NAMES[key[1]] == "parked")


def test_a_log_is_cut_into_its_scenes(tmp_path):
    source = opened(write_nuplan(tmp_path, nuplan_tables(sweeps=90, scenes=3)))
    assert source.recording_ids() == tuple(f"{LOG}-scene-{i:03d}" for i in range(3))
    recordings = [source.read(name, "CAM_L0") for name in source.recording_ids()]
    for i, recording in enumerate(recordings):
        car = by_name(recording)["car"]
        np.testing.assert_array_equal(car.times_ns, START_NS + 50_000_000 * np.arange(30 * i, 30 * i + 30))
        # Only images between the scene's own sweeps.
        assert recording.frames.times_ns[0] > car.times_ns[0]
        assert recording.frames.times_ns[-1] < car.times_ns[-1]
        assert len(recording.frames) in (14, 15)
    assert [sorted(by_name(recording)) for recording in recordings] == [
        ["car", "cone", "parked", "walker"],
        ["car", "parked", "walker"],
        ["car", "parked", "walker"],
    ]


def test_scene_names_that_cannot_tell_apart_give_way_to_tokens(tmp_path):
    tables = nuplan_tables(sweeps=90, scenes=4)
    for row, name in zip(tables["scene"], ("twice", "twice", None, "a/b c"), strict=True):
        row["name"] = name
    source = opened(write_nuplan(tmp_path, tables))
    tokens = [token(LOG, "scene", i).hex() for i in range(3)]
    assert source.recording_ids() == tuple(f"{LOG}-{label}" for label in (*tokens, "a_b_c"))
    assert len(source.read(f"{LOG}-a_b_c").tracks) == 3


def test_a_log_without_scenes(tmp_path):
    whole = opened(write_log(tmp_path / "short.db", nuplan_tables(sweeps=1201, scenes=0, images=False)))
    assert whole.recording_ids() == ("short",)
    tables = nuplan_tables(sweeps=1401, scenes=0, images=False)
    # A hole from 20.5 s to 42 s: one window has no sweep.
    hole = {row["token"] for row in tables["lidar_pc"][410:840]}
    tables["lidar_pc"] = [row for row in tables["lidar_pc"] if row["token"] not in hole]
    tables["lidar_box"] = [row for row in tables["lidar_box"] if row["lidar_pc_token"] not in hole]
    tables["lidar_pc"][409]["next_token"] = tables["lidar_pc"][410]["token"]
    cut = opened(write_log(tmp_path / "long.db", tables))
    assert cut.recording_ids() == ("long-000", "long-001", "long-002", "long-003")
    cars = [by_name(cut.read(name))["car"] for name in cut.recording_ids()]
    assert [len(car) for car in cars] == [400, 10, 360, 201]
    assert sum(map(len, cars)) == len(tables["lidar_pc"])


def test_a_scene_reads_its_own_tracks_alone(tmp_path, monkeypatch):
    """Of 5,000 tracks in the log, the 2,100 that the first scene's boxes name, and with their right categories."""
    tables = nuplan_tables(sweeps=30, scenes=3, images=False)
    categories = sorted(set(CATEGORIES.values()))
    template = {**tables["lidar_box"][0], "lidar_pc_token": tables["lidar_pc"][0]["token"]}
    kinds = {}
    for i in range(5000):
        name = token("many", i)
        kinds[name.hex()] = categories[i % len(categories)]
        tables["track"].append({"token": name, "category_token": token("category", kinds[name.hex()])})
        if i < 2100:
            tables["lidar_box"].append({**template, "token": token("box", i), "track_token": name})
    source = opened(write_nuplan(tmp_path, tables))
    read = []
    rows = LogDatabase.rows

    def counted(self, query, values=()):
        found = rows(self, query, values)
        read.extend(found if "FROM track " in query else ())
        return found

    monkeypatch.setattr(LogDatabase, "rows", counted)
    tracks = source.read(f"{LOG}-scene-000").tracks
    assert len(tracks) == 2100 + len(OBJECTS)
    assert {track.id: track.category for track in tracks if track.id in kinds} == dict(list(kinds.items())[:2100])
    assert len(read) == len(tracks)


def test_sweeps_of_no_scene_are_not_lost(tmp_path):
    tables = nuplan_tables(sweeps=60, scenes=2, images=False)
    for row in tables["lidar_pc"][:10]:
        row["scene_token"] = None
    source = opened(write_nuplan(tmp_path, tables))
    assert source.recording_ids() == (LOG, f"{LOG}-scene-000", f"{LOG}-scene-001")
    assert [len(by_name(source.read(name))["car"]) for name in source.recording_ids()] == [10, 20, 30]


def test_path_may_be_a_log_a_split_the_splits_or_the_root(tmp_path, monkeypatch):
    root = tmp_path / "nuplan-v1.1"
    for split, log in (("train_boston", "log-a"), ("val", "log-b"), ("test", "log-c"), ("mini", "log-d")):
        write_nuplan(root, nuplan_tables(11, log=log), split)
    names = tuple(f"log-{letter}-scene-000" for letter in "abcd")
    for path in (tmp_path, root, root / "splits"):
        assert opened(path).recording_ids() == names
    source = opened(root)
    assert [source.split(name) for name in names] == ["train", "validation", "test", "train"]
    assert opened(root / "splits" / "val").recording_ids() == names[1:2]
    monkeypatch.chdir(root / "splits" / "test")
    for path in (".", "log-c.db"):
        alone = opened(path)
        assert alone.recording_ids() == names[2:3]
        assert alone.split(names[2]) == "test"
        # The images are found from any of them.
        assert alone.cameras(names[2]) == ("CAM_F0", "CAM_L0")
    with pytest.raises(InputError, match="log-c-scene-001"):
        source.read("log-c-scene-001")


def test_mini_repeats_logs_of_other_splits(tmp_path):
    for split in ("mini", "val"):
        write_nuplan(tmp_path, nuplan_tables(11), split, images=False)
    source = opened(tmp_path)
    assert source.recording_ids() == (SCENE,)
    assert source.split(SCENE) == "validation"
    write_nuplan(tmp_path, nuplan_tables(11), "test", images=False)
    with pytest.raises(InputError, match="same log in two splits"):
        opened(tmp_path)


def test_a_reader_goes_to_another_process_and_leaves_the_log_alone(tmp_path):
    log = write_nuplan(tmp_path / "a#b?c d%41", nuplan_tables(21))
    connection = sqlite3.connect(log)
    connection.execute("PRAGMA journal_mode = WAL")  # opened in the usual way, such a log gets two files beside it
    connection.close()
    before = log.read_bytes()
    with open_log(log) as database:
        assert len(database.rows("SELECT token FROM lidar_pc")) == 21
        assert [file.name for file in log.parent.iterdir()] == [log.name]
        with pytest.raises(InputError, match="readonly"):
            database.rows("DELETE FROM lidar_pc")
    source = pickle.loads(pickle.dumps(opened(log)))
    recording = source.read(SCENE, "CAM_F0")
    assert len(pickle.loads(pickle.dumps(source)).read(SCENE).tracks) == len(recording.tracks)
    assert log.read_bytes() == before
    assert [file.name for file in log.parent.iterdir()] == [log.name]
    assert not [name for name in map(os.readlink, _open_files()) if name == str(log)]


def _open_files():
    folder = "/proc/self/fd"
    return [f"{folder}/{fd}" for fd in os.listdir(folder) if os.path.islink(f"{folder}/{fd}")]


@pytest.mark.parametrize("indices", [True, False])
def test_the_order_of_rows_and_the_indices_change_nothing(tmp_path, indices):
    tables = nuplan_tables(sweeps=60, scenes=2)
    expected = opened(write_log(tmp_path / "a" / "log.db", tables)).read("log-scene-001", "CAM_F0", images=False)
    shuffled = {
        name: [rows[i] for i in np.random.default_rng(1).permutation(len(rows))] for name, rows in tables.items()
    }
    found = opened(write_log(tmp_path / "b" / "log.db", shuffled, indices)).read(
        "log-scene-001", "CAM_F0", images=False
    )
    assert [track.id for track in found.tracks] == [track.id for track in expected.tracks]
    for track, other in zip(found.tracks, expected.tracks, strict=True):
        np.testing.assert_array_equal(track.times_ns, other.times_ns)
        np.testing.assert_array_equal(track.centres, other.centres)
    np.testing.assert_array_equal(found.camera.poses, expected.camera.poses)


def test_categories_have_nouns():
    categories = ("vehicle", "bicycle", "pedestrian", "traffic_cone", "barrier", "czone_sign", "generic_object")
    assert [noun(name) for name in categories] == [
        *("vehicle", "bicycle", "pedestrian", "traffic cone", "barrier", "sign", "object")
    ]
    assert [name for name in categories if is_person(name)] == ["pedestrian"]


def test_the_card_says_what_the_licence_asks():
    card = source_class("nuplan").card
    assert card.title == "nuPlan"
    assert "CC BY-NC-SA 4.0" in card.licence_note
    assert "Caesar" in card.citation


def test_far_from_the_origin_nothing_is_rounded(tmp_path):
    """UTM coordinates are kept in double precision: steps of a tenth of a millimetre survive."""
    tables = nuplan_tables(11, images=False)
    for i, row in enumerate(row for row in tables["lidar_box"] if row["track_token"] == token(LOG, "track", "parked")):
        row["x"] = ORIGIN[0] + 30 + 1e-4 * i
    parked = by_name(opened(write_nuplan(tmp_path, tables)).read(SCENE))["parked"]
    np.testing.assert_allclose(np.diff(parked.centres[:, 0]), 1e-4, atol=1e-8)
