"""Points, speeds and stretches of the map, against motion that is known."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from native_layouts.scene import CAR_SPEED, WALKER_SPEED, true_centre

from st_vlm.building.shard import TRACK_SCHEMA
from st_vlm.errors import InputError
from st_vlm.viewing.folder import open_built
from st_vlm.viewing.tracks_map import camera_path, cut_stretches, footprint, read_tracks, tracks_map

SECOND = 1_000_000_000
# Nanoseconds since 1970 exceed what a float holds exactly.
START = 1_533_151_603_547_590_123


def boxes(track_id, times_s, places, category="vehicle.car", size=(4.0, 2.0, 1.5), yaw=0.0):
    c, s = math.cos(yaw), math.sin(yaw)
    return [
        {
            "recording": "r",
            "track_id": track_id,
            "category": category,
            "time_ns": START + round(t * SECOND),
            "centre": [float(x), float(y), 0.75],
            "size": list(size),
            "rotation": [c, -s, 0.0, s, c, 0.0, 0.0, 0.0, 1.0],
        }
        for t, (x, y) in zip(times_s, places, strict=True)
    ]


def tracks_of(*rows, drops=()):
    table = pa.Table.from_pylist([row for of in rows for row in of], schema=TRACK_SCHEMA)
    return {track.track_id: track for track in read_tracks(table, drops, "here")}


def drop(track_id, start_s, end_s, rule="speed"):
    times = {"start_ns": START + round(start_s * SECOND), "end_ns": START + round(end_s * SECOND)}
    return {"track_id": track_id, "rule": rule, "camera": None, "category": "vehicle.car", "detail": "", **times}


@given(
    hertz=st.sampled_from([2, 10, 20]),
    seconds=st.floats(1.0, 9.0),
    speed=st.floats(2.0, 30.0),
    way=st.floats(-3.1, 3.1),
)
def test_a_steady_object_has_its_speed_everywhere(hertz, seconds, speed, way):
    times = np.arange(0, seconds, 1 / hertz)
    if len(times) < 2:
        return
    track = tracks_of(boxes("a", times, [(9 + speed * t * math.cos(way), speed * t * math.sin(way)) for t in times]))
    [stretch] = track["a"].stretches
    assert stretch.trusted
    assert stretch.speeds_kmh == pytest.approx(3.6 * speed, rel=1e-6)
    assert track["a"].path_m == pytest.approx(speed * times[-1], rel=1e-9)
    assert np.diff(stretch.times_ns).max() <= 0.75 * SECOND
    assert stretch.points[-1] == pytest.approx(
        [9 + speed * times[-1] * math.cos(way), speed * times[-1] * math.sin(way)]
    )


def test_times_since_1970_keep_their_nanoseconds():
    [stretch] = tracks_of(boxes("a", [0.0, 0.5, 1.0], [(0, 0), (1, 0), (2, 0)]))["a"].stretches
    assert stretch.times_ns.tolist() == [START, START + SECOND // 2, START + SECOND]


def test_a_last_step_that_would_be_noise_is_joined():
    times = [0.0, 0.5, 1.0, 1.03]
    [stretch] = tracks_of(boxes("a", times, [(0, 0), (1, 0), (2, 0), (2.3, 0)]))["a"].stretches
    assert (stretch.times_ns - START).tolist() == [0, SECOND // 2, 1_030_000_000]
    assert stretch.speeds_kmh.tolist() == pytest.approx([7.2, 3.6 * 1.3 / 0.53])


def test_what_a_rule_about_the_track_took_away_is_not_trusted():
    times = np.arange(0, 5.5, 0.5)
    places = [(4 * t, 0) for t in times]
    rows = boxes("a", times, places), boxes("b", times, places)
    found = tracks_of(*rows, drops=[drop("a", 1.5, 2.5), drop("b", 1.5, 2.5, rule="small")])
    parts = [
        (s.trusted, (s.times_ns[0] - START) / SECOND, (s.times_ns[-1] - START) / SECOND) for s in found["a"].stretches
    ]
    assert parts == [(True, 0.0, 1.5), (False, 1.5, 2.5), (True, 2.5, 5.0)]
    assert found["a"].path_m == pytest.approx(16.0)
    # Small in one camera's image is no reason to distrust the track.
    assert [one.trusted for one in found["b"].stretches] == [True]


def test_a_gap_of_more_than_a_second_is_not_trusted():
    found = cut_stretches(START + np.array([0, 1, 2, 4, 5]) * SECOND, np.arange(10.0).reshape(5, 2), ())
    assert [(one.trusted, len(one.points)) for one in found] == [(True, 5), (False, 2), (True, 3)]


def test_one_box_alone_has_no_stretch_and_does_not_stand():
    track = tracks_of(boxes("a", [0.0], [(1, 2)]))["a"]
    assert (track.stretches, track.standing, track.top_speed_kmh, track.path_m) == ((), False, None, 0)


@pytest.mark.parametrize(("category", "reach", "stands"), [
    ("vehicle.car", 0.7, True),
    ("vehicle.car", 3.0, False),
    ("human.pedestrian.adult", 0.45, True),
    ("human.pedestrian.adult", 0.7, False),
])  # fmt: skip
def test_standing_follows_the_rule_of_the_questions(category, reach, stands):
    track = tracks_of(boxes("a", [0.0, 0.5, 1.0], [(0, 0), (reach, 0), (0, 0)], category))["a"]
    assert track.standing is stands


def test_a_footprint_is_the_box_from_above():
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    corners = footprint(np.array([10.0, 20.0, 1.0]), np.array([4.0, 2.0, 1.5]), quarter)
    # Ahead is +y, left is -x.
    assert corners.tolist() == [[9, 22], [11, 22], [11, 18], [9, 18]]


@pytest.mark.parametrize("spoil", [
    lambda row: row.update(centre=[math.nan, 0.0, 0.0]),
    lambda row: row.update(time_ns=None),
    lambda row: row.update(time_ns=START),
])  # fmt: skip
def test_broken_boxes_are_a_sentence(spoil):
    rows = boxes("a", [0.0, 0.5], [(0, 0), (1, 0)])
    spoil(rows[1])
    with pytest.raises(InputError, match="here"):
        tracks_of(rows)


def clip(start_s, times, places, name="front", ahead=(1.0, 0.0)):
    poses = [
        [[0.0, 0.0, ahead[0], x], [0.0, 0.0, ahead[1], y], [0.0, -1.0, 0.0, 1.5], [0.0, 0.0, 0.0, 1.0]]
        for x, y in places
    ]
    marks = [{"track_id": "b"}, {"track_id": "a"}]
    return {
        "clip_id": f"{start_s}",
        "start_ns": START + round(start_s * SECOND),
        "timestamps": times,
        "marks": marks,
        "camera": {"name": name, "poses": poses},
    }


def test_the_cameras_way_is_joined_from_clips_and_broken_where_none_is():
    clips = [
        clip(0.5, [0.0, 0.5], [(1, 0), (2, 0)]),
        clip(0.0, [0.0, 0.5, 1.0], [(0, 0), (1, 0), (2, 0)]),
        clip(5.0, [0.0, 0.5], [(10, 0), (11, 0)]),
        clip(0.0, [0.0, 0.5], [(7, 7), (8, 8)], name="left", ahead=(0.0, 1.0)),
    ]
    path = camera_path(clips)
    assert path.name == "front"
    assert [piece.tolist() for piece in path.pieces] == [[[0, 0], [1, 0], [2, 0]], [[10, 0], [11, 0]]]
    assert (path.start.tolist(), path.view.tolist()) == ([0, 0], [1, 0])


def test_poses_that_do_not_fit_give_no_way():
    assert camera_path([clip(0.0, [0.0, 0.5], [(0, 0)]), {**clip(0.0, [0.0], [(0, 0)]), "camera": None}]) is None


def test_numbers_follow_the_first_appearance():
    found = tracks_of(boxes("a", [1.0, 1.5], [(0, 0), (0, 0)]), boxes("b", [0.0, 0.5], [(5, 5), (5, 5)]))
    shown = tracks_map(list(found.values()), [clip(0.0, [0.0], [(0, 0)])], "here")
    assert (shown.numbers, shown.origin_ns) == ({"b": 1, "a": 2}, START)


def test_a_built_scene_shows_its_known_motion(built_once):
    folder = open_built(built_once)
    name, split = folder.recordings[0], folder.splits[0]
    tracks = read_tracks(folder.tracks(name), folder.dropped(name), "here")
    shown = tracks_map(tracks, folder.overview(split, name), "here")
    tracks = {track.track_id.split("/")[-1]: track for track in shown.tracks}
    for who, speed in (("car", CAR_SPEED), ("walker", WALKER_SPEED)):
        [stretch] = tracks[who].trusted
        assert stretch.speeds_kmh == pytest.approx(3.6 * speed, rel=1e-6)
        seconds = (stretch.times_ns - shown.origin_ns) * 1e-9
        assert stretch.points == pytest.approx(np.array([true_centre(who, t)[:2] for t in seconds]), abs=1e-6)
    assert tracks["parked"].standing
    assert tracks["cone"].stretches == ()
    # The camera, 1.7 m ahead of the ego's origin, drives along +x at 5 m/s and looks there.
    [piece] = shown.camera.pieces
    assert np.ptp(piece[:, 1]) == pytest.approx(0.0, abs=1e-6)
    assert shown.camera.view == pytest.approx([1.0, 0.0], abs=1e-6)
