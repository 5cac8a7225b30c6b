"""What of hand-built and of real tracks is trusted, and what is told of the rest."""

import re
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hand_built import CAR, PERSON, START_NS, along, nanoseconds, recording, straight, track
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.recordings import Recording, open_recordings
from st_vlm.recordings.drops import SPAN_RULES, TRACK_RULES
from st_vlm.recordings.quality import assess, bounds_of

NUMBER = re.compile(r"\d+(?:\.\d+)?")
TENTHS = np.arange(0, 20.01, 0.1)
seeds = st.integers(0, 2**32 - 1)


def assessed(one, **fields):
    """Stretches of a track, in boxes, and its drops as (rule, start, end) in seconds."""
    quality = assess(recording(one, **fields))
    seconds = [(d.rule, *(round((ns - START_NS) * 1e-9, 3) for ns in (d.start_ns, d.end_ns))) for d in quality.drops]
    assert all((d.track_id, d.category) == (one.id, one.category) for d in quality.drops)
    return quality.stretches[0], seconds


def test_a_track_without_a_fault_is_one_stretch_from_end_to_end():
    assert assessed(track("a", straight(0, 10, 2.0))) == (((0, 40),), [])
    assert assessed(track("a", straight(0, 10, 2.0), TENTHS)) == (((0, 200),), [])


def test_a_track_with_one_box_is_not_trusted_and_told():
    assert assessed(track("a", straight(0, 10), [3.0])) == ((), [("single_box", 3.0, 3.0)])


def test_more_than_a_second_without_a_box_ends_a_stretch_and_a_second_does_not():
    times = [*np.arange(0, 5.01, 0.5), *np.arange(6, 10.01, 0.5), *np.arange(11.5, 15.01, 0.5)]
    assert assessed(track("a", straight(0, 10), times)) == (((0, 19), (20, 27)), [("gap", 10.0, 11.5)])


def test_every_gap_is_told_once_and_a_box_between_two_is_kept():
    times = [0, 0.5, 1.0, 4.0, 8.0, 8.5]
    assert assessed(track("a", straight(0, 10), times)) == (
        ((0, 2), (3, 3), (4, 5)),
        [("gap", 1.0, 4.0), ("gap", 4.0, 8.0)],
    )


@pytest.mark.parametrize(
    ("step", "points", "stretches", "drops"),
    [
        # Key frames: one box without points is bridged, two are not.
        (0.5, [9, 0, 9, 9], ((0, 3),), []),
        (0.5, [9, 9, 0, 0, 9, 9], ((0, 1), (4, 5)), [("no_evidence", 0.5, 2.0)]),
        # Ten a second: a second of boxes without points is bridged, two are not.
        (0.1, [9] * 5 + [0] * 10 + [9] * 5, ((0, 19),), []),
        (0.1, [9] * 5 + [0] * 20 + [9] * 5, ((0, 4), (25, 29)), [("no_evidence", 0.4, 2.5)]),
        # At either end and all along.
        (0.5, [0, 0, 0, 9, 9], ((3, 4),), [("no_evidence", 0.0, 1.5)]),
        (0.5, [9, 9, 0, 0, 0, 0], ((0, 1),), [("no_evidence", 0.5, 2.5)]),
        (0.5, [0, 0, 9, 9, 0], ((0, 4),), []),
        (0.5, [0] * 8, (), [("no_evidence", 0.0, 3.5)]),
        (0.5, [1] * 8, ((0, 7),), []),
    ],
)
def test_boxes_in_which_nothing_was_measured_for_more_than_a_second_are_a_gap(step, points, stretches, drops):
    one = track("a", straight(0, 10), np.arange(len(points)) * step, lidar=points)
    assert assessed(one) == (stretches, drops)


def test_a_source_that_counts_no_points_loses_nothing_by_it():
    assert assessed(track("a", straight(0, 10))) == (((0, 40),), [])


@pytest.mark.parametrize("times", [np.arange(0, 20.01, 0.5), TENTHS])
def test_a_teleport_cuts_a_life_in_two(times):
    one = track("a", lambda t: (2 * t + (30 if t > 10.2 else 0), 10), times)
    k = int((times <= 10.2).sum())
    stretches, drops = assessed(one)
    assert stretches == ((0, k - 1), (k, len(times) - 1))
    assert drops == [("identity_jump", round(times[k - 1], 3), round(times[k], 3))]


def test_a_box_that_leaves_and_comes_back_is_left_out():
    one = track("a", lambda t: (2 * t + (30 if t == 10 else 0), 10))
    assert assessed(one) == (
        ((0, 19), (21, 40)),
        [("identity_jump", 9.5, 10.0), ("identity_jump", 10.0, 10.5)],
    )


def test_a_change_of_size_cuts_a_life_in_two():
    one = track("a", straight(0, 10, 1.0))
    sizes = np.where(np.arange(41)[:, None] < 20, (4.5, 1.9, 1.6), (12.0, 2.6, 3.4))
    assert assessed(replace(one, sizes=sizes)) == (((0, 19), (20, 40)), [("identity_jump", 9.5, 10.0)])


def test_too_fast_and_too_hard_is_cut_out_and_both_sides_stay():
    fast = track("a", lambda t: (10 * t + 70 * np.clip(t - 8, 0, 2), 10))
    assert assessed(fast) == (((0, 16), (20, 40)), [("speed", 8.0, 10.0)])
    crash = track("a", lambda t: (20 * min(t, 10.0), 10))
    assert assessed(crash) == (((0, 19), (21, 40)), [("acceleration", 9.5, 10.5)])


@pytest.mark.parametrize(
    ("category", "possible", "impossible"),
    [
        (PERSON, 12.0, 15.0),
        ("PEDESTRIAN", 12.0, 15.0),
        ("player", 12.0, 15.0),
        ("vehicle.bicycle", 24.0, 28.0),
        ("BICYCLIST", 24.0, 28.0),
        ("vehicle.motorcycle", 58.0, 65.0),
        (CAR, 58.0, 65.0),
        ("BUS", 58.0, 65.0),
        ("something.new", 58.0, 65.0),
    ],
)
def test_every_class_has_its_own_bound_on_speed(category, possible, impossible):
    assert assessed(track("a", straight(0, 10, possible), category=category)) == (((0, 40),), [])
    drops = [("speed", 0.0, 20.0)]
    assert assessed(track("a", straight(0, 10, impossible), category=category)) == ((), drops)


def test_heights_are_not_looked_at():
    one = track("a", straight(0, 10, 2.0))
    centres = one.centres + np.outer(np.arange(41) % 2, (0, 0, 30.0))
    assert assessed(replace(one, centres=centres)) == (((0, 40),), [])


def test_noisy_poses_and_unsure_centres_widen_the_bounds():
    """A parked car that shakes by a metre on each axis: 12 m/s^2 on average, 25 at times."""
    noise = np.random.default_rng(1).normal(0, 1.0, (41, 2))
    still = track("a", lambda t: (noise[int(2 * t), 0], 10 + noise[int(2 * t), 1]))
    assert assessed(still)[1] != []
    unsure = replace(still, centre_sigma=np.full(41, 1.0))
    assert assessed(unsure) == (((0, 40),), [])
    plain, odometry = bounds_of(still), bounds_of(still, odometry=True)
    assert 0.8 < odometry.speed - plain.speed < 1.5
    assert 3 < odometry.acceleration - plain.acceleration < 6
    ego = {"ego_times_ns": nanoseconds([0, 20]), "ego_centres": np.zeros((2, 3))}
    stop = track("a", lambda t: (7.5 * min(t, 10.0), 10))
    assert assessed(stop)[1] == [("acceleration", 9.5, 10.5)]
    assert assessed(stop, pose_slack=0.05, **ego)[1] == []


def test_drops_say_what_was_found_against_what_is_allowed():
    (fast,) = assess(recording(track("a", straight(0, 10, 80.0)))).drops
    assert fast.detail.startswith("80.0 m/s, at most 60.")
    (gap,) = assess(recording(track("a", straight(0, 10), [0, 0.5, 3.0, 3.5]))).drops
    assert gap.detail == "2.5 s"
    (jump,) = assess(recording(track("a", lambda t: (0 if t < 9 else 20, 10)))).drops
    assert jump.detail.startswith("20.0 m ")


def scene(seed):
    """Tracks with every kind of fault, for what must not change them."""
    rng = np.random.default_rng(seed)
    tracks = []
    for k in range(4):
        times = np.sort(rng.choice(np.arange(0, 20, 0.1), 120, replace=False))
        jumps = rng.uniform(0, 20, 2), rng.uniform(-40, 40, (2, 2))
        speed = rng.choice([2.0, 12.0, 40.0, 70.0])

        def path(t, jumps=jumps, speed=speed):
            there = along(speed, (0, 0), (100, 0), (100, 200), (900, 200))(t)
            return sum((jump for at, jump in zip(*jumps, strict=True) if t > at), np.array(there))

        lidar = np.repeat(rng.integers(0, 3, 12), 10)
        tracks.append(track(f"t{k}", path, times, category=str(rng.choice([CAR, PERSON])), lidar=lidar))
    return recording(*tracks)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(-3, 3), st.floats(-1e4, 1e4), st.integers(-(10**17), 10**17))
def test_where_the_world_lies_and_when_it_was_changes_nothing(seed, angle, shift, later):
    made = scene(seed)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    tracks = tuple(
        replace(t, times_ns=t.times_ns + later, centres=t.centres @ turn.T + shift, rotations=turn @ t.rotations)
        for t in made.tracks
    )
    before, after = assess(made), assess(Recording("b", "handmade", "CC0-1.0", tracks))
    assert after.stretches == before.stretches
    assert [(d.rule, d.track_id, d.start_ns - later, d.end_ns - later) for d in after.drops] == [
        (d.rule, d.track_id, d.start_ns, d.end_ns) for d in before.drops
    ]
    for was, now in zip(before.drops, after.drops, strict=True):
        assert NUMBER.sub("#", now.detail) == NUMBER.sub("#", was.detail)
        # A number halfway between two tenths is written as either.
        assert [*map(float, NUMBER.findall(now.detail))] == pytest.approx(
            [*map(float, NUMBER.findall(was.detail))], abs=0.11
        )


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_stretches_are_apart_in_order_and_hold_no_fault_and_drops_fill_the_time_between(seed):
    made = scene(seed)
    quality = assess(made)
    for one, stretches in zip(made.tracks, quality.stretches, strict=True):
        drops = [d for d in quality.drops if d.track_id == one.id]
        assert [d.start_ns for d in drops] == sorted(d.start_ns for d in drops)
        assert all(a <= b for a, b in stretches)
        assert all(b < c for (_, b), (c, _) in pairwise(stretches))
        trusted = np.zeros(len(one), bool)
        for a, b in stretches:
            trusted[a : b + 1] = True
            names = ("times_ns", "centres", "sizes", "rotations", "lidar_points")
            alone = replace(one, **{name: getattr(one, name)[a : b + 1] for name in names})
            if b > a:
                assert assess(recording(alone)).stretches == (((0, b - a),),)
        for box in np.flatnonzero(~trusted):
            assert any(d.start_ns <= one.times_ns[box] <= d.end_ns for d in drops)
        for (_, b), (c, _) in pairwise(stretches):
            assert any(d.start_ns >= one.times_ns[b] and d.end_ns <= one.times_ns[c] for d in drops)


def test_every_rule_has_a_sentence_and_track_and_span_rules_are_apart():
    assert not set(TRACK_RULES) & set(SPAN_RULES)
    assert all(text[0].islower() and text[-1] != "." for text in (*TRACK_RULES.values(), *SPAN_RULES.values()))


def test_simulated_objects_move_as_real_ones_can():
    source = open_recordings("simulated", num_recordings=12)
    for name in source.recording_ids():
        assert assess(source.read(name)).drops == ()


def evidence_holes(one, most=1.2):
    """Seconds between boxes with points, or to an end of the track, that exceed `most`."""
    times = [ns * 1e-9 for ns in one.times_ns - one.times_ns[0]]
    seen = [t for t, points in zip(times, one.lidar_points, strict=True) if points > 0]
    edges = [times[0], *seen, times[-1]]
    return [(a, b) for a, b in pairwise(edges) if b - a > most]


@pytest.mark.parametrize(
    ("source", "folder", "tracks", "least_kept"),
    [("nuscenes", "nuscenes", 123, 0.8), ("argoverse2", "argoverse2/sensor/val", 114, 0.85)],
)
def test_real_tracks_are_possible_and_some_were_drawn_without_being_seen(
    real_data, source, folder, tracks, least_kept
):
    opened = open_recordings(source, real_data / folder)
    made = opened.read(opened.recording_ids()[0])
    quality = assess(made)
    rules = [drop.rule for drop in quality.drops]
    assert len(made.tracks) == tracks
    assert rules.count("single_box") == sum(len(one) == 1 for one in made.tracks)
    assert rules.count("no_evidence") == sum(len(evidence_holes(one)) for one in made.tracks if len(one) > 1)
    # Both were chosen by people who looked at them, and neither holds a gap or a jump.
    assert set(rules) == {"single_box", "no_evidence"}
    life = sum(one.duration_s for one in made.tracks)
    kept = sum(
        (one.times_ns[b] - one.times_ns[a]) * 1e-9
        for one, stretches in zip(made.tracks, quality.stretches, strict=True)
        for a, b in stretches
    )
    assert least_kept < kept / life < 0.95


def test_noisy_odometry_of_a_real_sequence_cuts_nothing(real_data):
    opened = open_recordings("kitti", real_data / "kitti_tracking")
    made = opened.read("0001")
    assert len(made.tracks) == 98
    assert {drop.rule for drop in assess(made).drops} <= {"gap", "single_box"}
