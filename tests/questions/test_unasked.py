"""What a standing camera leaves out of hand-built recordings, and why."""

from collections import Counter

import numpy as np
import pytest
from hand_built import CAR, START_NS, recording, straight, track

from st_vlm.questions.clips import cut_clips
from st_vlm.questions.sightings import look
from st_vlm.questions.unasked import is_asked, span_drops
from st_vlm.recordings import open_recordings
from st_vlm.recordings.drops import SPAN_RULES
from st_vlm.recordings.quality import assess

HALVES = np.arange(0, 20.01, 0.5)


def dropped(*tracks, of="a"):
    """(rule, start, end) in seconds of what is left out of one track."""
    made = recording(*tracks)
    drops = span_drops(made, look(made))
    return [
        (d.rule, round((d.start_ns - START_NS) * 1e-9, 3), round((d.end_ns - START_NS) * 1e-9, 3))
        for d in drops
        if d.track_id == of
    ]


def wall(*seconds):
    return track("wall", straight(0, 8.0), seconds, size=(40.0, 0.1, 8.0))


def test_an_object_in_full_view_is_not_left_out():
    assert dropped(track("a", straight(-5, 20.0, 0.5))) == []
    assert dropped(track("a", straight(-5, 20.0))) == []


def test_what_is_too_small_until_it_comes_near():
    """2 m stand 8.8 px tall at 45.5 m."""
    coming = track("a", straight(0, 60.0, 0, -2.0), size=(2.0, 0.001, 2.0))
    assert dropped(coming) == [("small", 0.0, 7.0)]


def test_what_leaves_the_image_is_truncated_and_then_gone():
    """An object 4 m long, half outside from x = 20 m on and all outside from x = 22 m."""
    leaving = track("a", straight(-0.1, 20.0, 1.25), size=(4.0, 0.001, 2.0))
    assert dropped(leaving) == [("truncated", 16.5, 17.5)]


def test_what_is_hidden_for_long_is_told_and_what_is_bridged_is_not():
    car = track("a", straight(-5, 20.0, 0.5))
    assert dropped(car, wall(*np.arange(8, 12.01, 0.5))) == [("occluded", 8.0, 12.0)]
    assert dropped(car, wall(8.0)) == []
    assert dropped(car, wall(8.0, 8.5)) == [("occluded", 8.0, 8.5)]


def test_the_rule_that_is_broken_in_most_frames_names_the_stretch():
    """Small up to second 2 at 45.5 m, hidden from second 0 to 9."""
    coming = track("a", straight(0, 49.6, 0, -2.0), size=(2.0, 0.001, 2.0))
    assert dropped(coming, wall(*np.arange(0, 9.01, 0.5))) == [("occluded", 0.0, 9.0)]
    assert dropped(coming, wall(*np.arange(1, 2.51, 0.5)))[0][0] == "small"


def test_on_a_tie_the_first_rule_names_the_stretch():
    coming = track("a", straight(0, 60.0, 0, -2.0), size=(2.0, 0.001, 2.0))
    assert dropped(coming, wall(*np.arange(0, 7.01, 0.5)))[0] == ("small", 0.0, 7.0)


def test_what_is_seen_for_less_than_two_seconds_is_short():
    car = track("a", straight(-5, 20.0, 0.5))
    hidden = [t for t in HALVES if not 9 <= t <= 10.5]
    assert dropped(car, wall(*hidden)) == [("occluded", 0.0, 8.5), ("occluded", 11.0, 20.0), ("short", 9.0, 10.5)]
    assert dropped(track("a", straight(0, 20.0), [3.0, 3.5, 4.0])) == [("short", 3.0, 4.0)]


def test_what_neither_moves_nor_stands_is_undecided():
    assert dropped(track("a", straight(0, 20.0, 0.06))) == [("undecided", 0.0, 20.0)]


def test_a_traffic_cone_is_not_asked_about():
    cone = track("a", straight(0, 20.0), category="movable_object.trafficcone", size=(1, 1, 2))
    assert dropped(cone) == [("not_asked", 0.0, 20.0)]
    assert dropped(track("a", straight(0, 20.0), [1, 1.5], category="BOLLARD")) == [("short", 1.0, 1.5)]


def test_where_a_track_is_not_trusted_the_camera_leaves_nothing_out():
    assert dropped(track("a", straight(0, 90.0), [4.0])) == []
    fast = track("a", straight(-15, 100.0, 0, 80.0))
    assert dropped(fast) == []


@pytest.mark.parametrize("category", ["vehicle.car", "PEDESTRIAN", "player", "animal", "DOG", "Van"])
def test_what_moves_by_itself_is_asked_about(category):
    assert is_asked(category)


@pytest.mark.parametrize("category", ["movable_object.barrier", "CONSTRUCTION_CONE", "traffic_cone", "generic_object"])
def test_things_are_not(category):
    assert not is_asked(category)


def test_clips_come_with_what_was_left_out():
    made = recording(track("a", straight(-5, 20.0, 0.5)), track("far", straight(0, 300.0)))
    clips, drops = cut_clips(made, assess(made), np.random.default_rng(0))
    assert clips
    assert [(d.rule, d.track_id, d.category) for d in drops] == [("small", "far", CAR)]


def test_a_real_street(real_data):
    """Every frame in which an object is in the image is seen, bridged, or told with a reason, and none twice."""
    made = open_recordings("nuscenes", real_data / "nuscenes").read("scene-0103", "CAM_FRONT", images=False)
    quality = assess(made)
    sightings = look(made, quality)
    drops = span_drops(made, sightings)
    counts = Counter(drop.rule for drop in drops)
    assert set(counts) <= set(SPAN_RULES)
    assert counts["occluded"] > counts["small"] > 5  # a busy street, and 4.4 % of the height is a car at 70 m
    for k, one in enumerate(made.tracks):
        hidden = sightings.failed[k].any(axis=1)
        told = [d for d in drops if d.track_id == one.id and d.rule in ("small", "truncated", "occluded")]
        covered = np.array([sum(d.start_ns <= t <= d.end_ns for d in told) for t in sightings.times_ns])
        assert covered.max(initial=0) <= 1
        assert not (covered[~hidden] > 0).any()
        for g in np.flatnonzero(hidden & (covered == 0)):
            near = np.abs(sightings.times_ns[sightings.seen(k)] - sightings.times_ns[g]) * 1e-9
            assert near.min() <= 0.7
