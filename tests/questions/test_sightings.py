"""What a standing camera sees of hand-built tracks, frame by frame, and the spans that follow from it."""

import hand_built as by_hand
import numpy as np
import pytest
from hand_built import recording, straight, track

from st_vlm.questions.sightings import Span, grid_frames, look, object_span, whole_tenths

HALVES = np.arange(0, 10.01, 0.5)


def span_of(seen_track, *others, first=0, last=None, **fields) -> Span | None:
    made = recording(seen_track, *others, **fields)
    sightings = look(made)
    return object_span(sightings, 0, first, len(sightings.frames) - 1 if last is None else last)


def seen_at(*tracks, **fields) -> list[float]:
    """Seconds at which the first track is visible."""
    made = recording(*tracks, **fields)
    sightings = look(made)
    return ((sightings.times_ns[sightings.seen(0)] - by_hand.START_NS) * 1e-9).round(3).tolist()


def test_a_box_is_where_the_pinhole_camera_puts_it():
    """A cuboid 4 x 2 x 2 m from x = 1 to 5: its far left edge is 21 m away, all else of its outline 19 m."""
    made = recording(track("a", straight(3.0, 20.0)), frames_s=[0, 0.5, 1.0])
    near, far = by_hand.FOCAL / 19, by_hand.FOCAL / 21
    expected = [200 + far * 1, 100 - near, 200 + near * 5, 100 + near]
    np.testing.assert_allclose(look(made).boxes[0, 1], expected, atol=1e-9)


def test_an_object_is_seen_while_half_of_it_is_inside_the_image():
    """At a depth of 20 m the image ends at x = 20 m; a slab 4 m long drives out of it at 2 m/s."""
    slab = track("a", straight(10.3, 20.0, 2.0), HALVES, size=(4.0, 0.001, 2.0))
    assert seen_at(slab, frames_s=HALVES) == [t for t in HALVES if 10.3 + 2 * t < 20]


def test_an_object_is_seen_until_it_is_too_small():
    """2 m stand 4.4 % of 200 px, 8.8 px, tall at 200 * 2 / 8.8 = 45.45 m."""
    slab = track("a", straight(0.0, 40.0, 0.0, 1.0), HALVES, size=(4.0, 0.001, 2.0))
    assert seen_at(slab, frames_s=HALVES) == [t for t in HALVES if 40 + t < 45.45]


def test_an_object_is_not_seen_behind_another_unless_lidar_finds_it():
    # In front, 10 m away, a wall as wide as the view from 3 s to 6 s.
    wall = track("wall", straight(0.0, 10.0), np.arange(3, 6.01, 0.5), size=(30.0, 0.1, 8.0), lidar=[99] * 7)
    apart = [t for t in HALVES if not 3 <= t <= 6]
    for points, expected in ((4, apart), (5, HALVES.tolist())):
        car = track("car", straight(0.0, 20.0), HALVES, lidar=[points] * len(HALVES))
        assert seen_at(car, wall, frames_s=HALVES) == expected


def test_a_hole_in_the_track_is_not_seen_and_its_ends_are():
    times = [t for t in HALVES if t <= 3 or t >= 6]
    assert seen_at(track("a", straight(0, 20.0), times), frames_s=HALVES) == times


def test_boxes_follow_the_time_of_the_image_not_that_of_the_annotation():
    """Images 40 ms after the boxes: an object at 10 m/s is drawn 0.4 m further on."""
    times = HALVES[:-1] + 0.04
    slab = track("a", straight(-15.0, 20.0, 10.0, 0.0), HALVES, size=(4.0, 1e-6, 2.0))
    made = recording(slab, frames_s=times)
    boxes = look(made).boxes[0]
    middle = (boxes[:, 0] + boxes[:, 2]) / 2
    visible = np.isfinite(middle)
    inside = np.abs(-15 + 10 * times) < 16  # nothing cut off
    assert inside.sum() >= 6
    expected = 200 + by_hand.FOCAL / 20 * (-15 + 10 * times)
    np.testing.assert_allclose(middle[inside], expected[inside], atol=1e-3)
    assert visible[inside].all()


def test_an_image_slightly_before_the_first_box_or_after_the_last_still_shows_it():
    life = np.arange(2, 6.01, 0.5)
    early, late = HALVES - 0.06, HALVES + 0.06
    assert seen_at(track("a", straight(0, 20.0), life), frames_s=early) == (life - 0.06).round(3).tolist()
    assert seen_at(track("a", straight(0, 20.0), life), frames_s=late) == (life + 0.06).round(3).tolist()
    assert seen_at(track("a", straight(0, 20.0), life), frames_s=HALVES + 0.2)[-1] == 5.7


def test_grid_frames_of_a_fast_camera_are_half_a_second_apart():
    rng = np.random.default_rng(0)
    times = by_hand.nanoseconds(np.arange(0, 9.55, 0.1) + rng.uniform(-0.01, 0.01, 96))
    chosen = grid_frames(times)
    assert chosen.tolist() == list(range(0, 96, 5))


def test_grid_frames_leave_out_what_the_camera_skipped():
    seconds = [t for t in np.arange(0, 9.55, 0.1).round(1) if not 2.8 < t < 4.2]
    found = np.array(seconds)[grid_frames(by_hand.nanoseconds(seconds))]
    assert found.round(1).tolist() == [0, 0.5, 1.0, 1.5, 2.0, 2.5, 2.8, 4.2, 4.5, *np.arange(5, 10, 0.5)]


def test_grid_frames_of_few_frames():
    assert grid_frames(by_hand.nanoseconds([0.0])).tolist() == [0]
    assert grid_frames(by_hand.nanoseconds([0.0, 0.1])).tolist() == [0]
    assert grid_frames(by_hand.nanoseconds([0.0, 0.45])).tolist() == [0, 1]


def test_grid_frames_never_repeat_one_and_lie_within_a_quarter_second():
    rng = np.random.default_rng(1)
    for _ in range(50):
        seconds = np.cumsum(rng.uniform(0.03, 0.9, 60))
        times = by_hand.nanoseconds(seconds)
        chosen = grid_frames(times)
        assert (np.diff(chosen) > 0).all()
        for t in np.arange(seconds[0], seconds[-1], 0.5):
            near = np.abs(seconds - t).min()
            if near < 0.249:
                assert np.abs(seconds[chosen] - t).min() == pytest.approx(near, abs=1e-6)


def test_an_object_seen_from_end_to_end_covers_the_clip():
    assert span_of(track("a", straight(0, 20.0), HALVES), frames_s=HALVES) == Span(0.0, 10.0, True)


def test_within_a_second_of_both_ends_still_covers_the_clip():
    """Hidden in the first second only: the question says "throughout the video", and the track is there."""
    wall = track("wall", straight(0, 10.0), [0.0, 0.5], size=(30.0, 0.1, 8.0))
    assert span_of(track("a", straight(0, 20.0), HALVES), wall, frames_s=HALVES) == Span(0.0, 10.0, True)


def test_what_comes_later_states_its_own_span():
    wall = track("wall", straight(0, 10.0), [0.0, 0.5, 1.0], size=(30.0, 0.1, 8.0))
    assert span_of(track("a", straight(0, 20.0), HALVES), wall, frames_s=HALVES) == Span(1.5, 10.0, False)


def test_a_short_hidden_stretch_does_not_end_a_span_and_a_longer_one_does():
    car = track("a", straight(0, 20.0), HALVES)

    def hidden(*times):
        return track("wall", straight(0, 10.0), list(times), size=(30.0, 0.1, 8.0))

    assert span_of(car, hidden(4.0), frames_s=HALVES) == Span(0.0, 10.0, True)
    assert span_of(car, hidden(4.0, 4.5), frames_s=HALVES) == Span(5.0, 10.0, False)


def test_seen_in_every_other_frame_is_too_little():
    wall = track("wall", straight(0, 10.0), [0.5, 1.0], size=(30.0, 0.1, 8.0))
    blinks = [track(f"w{t}", straight(0, 10.0), [t, t + 0.01], size=(30.0, 0.1, 8.0)) for t in np.arange(1.5, 10, 1.0)]
    assert span_of(track("a", straight(0, 20.0), HALVES), wall, *blinks, frames_s=HALVES) is None


def test_a_span_lasts_at_least_two_seconds():
    assert span_of(track("a", straight(0, 20.0), np.arange(4, 6.01, 0.5)), frames_s=HALVES) == Span(4.0, 6.0, False)
    assert span_of(track("a", straight(0, 20.0), np.arange(4, 5.51, 0.5)), frames_s=HALVES) is None


def test_a_stated_span_is_on_tenths_of_a_second_inside_what_is_seen_and_annotated():
    """Images at 0.04, 0.54, …; boxes from 3.07 to 8.03 s: stated is what one decimal can say of both."""
    boxes = np.append(np.arange(3.07, 8.0, 0.4), 8.03)
    found = span_of(track("a", straight(0, 20.0), boxes), frames_s=HALVES + 0.04)
    # Seconds count from the first image, at 0.04: the boxes last from 3.03 to 7.99, images show them 3.0 to 8.0.
    assert (round(found.start_s, 6), round(found.end_s, 6), found.covers_clip) == (3.1, 7.9, False)


def test_of_a_track_with_a_hole_the_longer_side_counts():
    boxes = [*np.arange(0, 3.01, 0.5), *np.arange(4.5, 10.01, 0.5)]
    assert span_of(track("a", straight(0, 20.0), boxes), frames_s=HALVES) == Span(4.5, 10.0, False)
    # The image just after the last box before the hole shows the object, but its motion is known up to the box only.
    boxes = [*np.arange(0, 5.01, 0.5), *np.arange(7.0, 10.01, 0.5)]
    assert span_of(track("a", straight(0, 20.0), boxes), frames_s=HALVES + 0.06).end_s == pytest.approx(4.9)


def test_seconds_of_a_later_clip_count_from_its_own_first_frame():
    car = track("a", straight(0, 20.0), np.arange(4, 9.01, 0.5))
    assert span_of(car, frames_s=HALVES, first=4, last=20) == Span(2.0, 7.0, False)
    assert span_of(car, frames_s=HALVES, first=8, last=16) == Span(0.0, 4.0, True)


def test_a_track_is_not_seen_where_it_is_not_trusted():
    """No point for two seconds: drawn from memory, though the box is in full view."""
    points = [9] * 6 + [0] * 4 + [9] * 11
    car = track("a", straight(0, 20.0), HALVES, lidar=points)
    assert seen_at(car, frames_s=HALVES) == [t for t in HALVES if t <= 2.5 or t >= 5]
    assert span_of(car, frames_s=HALVES) == Span(5.0, 10.0, False)


def test_what_is_not_trusted_hides_others_all_the_same():
    """One box alone, one faster than anything, and one drawn from memory: each wide enough to hide the view."""
    car = track("a", straight(0, 20.0), HALVES)
    for wall, hidden in (
        (track("one", straight(0, 10.0), [4.0], size=(40.0, 0.1, 8.0)), [4.0]),
        (track("fast", straight(-300, 10.0, 80.0), [3, 3.5, 4, 4.5], size=(200.0, 0.1, 8.0)), [3, 3.5, 4, 4.5]),
        (track("guess", straight(0, 10.0), np.arange(2, 6.01, 0.5), size=(40.0, 0.1, 8.0), lidar=[0] * 9), None),
    ):
        expected = np.arange(2, 6.01, 0.5) if hidden is None else hidden
        assert seen_at(car, wall, frames_s=HALVES) == [t for t in HALVES if t not in expected]
        made = recording(car, wall, frames_s=HALVES)
        assert not look(made).seen(1).any()
        assert not look(made).failed[1].any()


def test_a_span_stays_on_one_side_of_a_jump_and_the_box_does_not_fly_across():
    """At 4.25 s it jumps 10 m to the right; images between the boxes show it where the nearer box is."""
    tenths = np.arange(0, 10.01, 0.1)
    jumping = track("a", lambda t: (-5.0 if t < 4.25 else 5.0, 20.0), tenths, size=(1.0, 1e-6, 2.0))
    frames = np.array([*np.arange(0, 4.1, 0.5), 4.26, *np.arange(5, 10.01, 0.5)])
    made = recording(jumping, frames_s=frames)
    sightings = look(made)
    assert [run.grid.tolist() for run in sightings.runs[0]] == [list(range(9)), list(range(9, 21))]
    middles = sightings.boxes[0][:, [0, 2]].mean(axis=1)
    np.testing.assert_allclose(np.abs(middles - 200), 50, atol=1e-6)
    assert object_span(sightings, 0, 0, len(sightings.frames) - 1).start_s == pytest.approx(4.3, abs=0.3)


def test_the_longest_run_that_is_seen_enough_counts():
    """The first six seconds show it in every other frame only; the last four without a break."""
    blinks = [track(f"w{t}", straight(0, 10.0), [t, t + 0.01], size=(30.0, 0.1, 8.0)) for t in np.arange(0.5, 5.1, 1)]
    hidden = track("wall", straight(0, 10.0), [5.0, 5.5], size=(30.0, 0.1, 8.0))
    car = track("a", straight(0, 20.0), HALVES)
    assert span_of(car, hidden, *blinks, frames_s=HALVES) == Span(6.0, 10.0, False)


def test_frames_in_which_it_is_in_the_image_but_not_visible_say_which_rules_it_breaks():
    wall = track("wall", straight(0, 10.0), np.arange(3, 6.01, 0.5), size=(30.0, 0.1, 8.0))
    leaving = track("a", straight(-0.2, 20.0, 2.5), np.arange(0, 20.01, 0.5), size=(4.0, 0.001, 2.0))
    seconds = np.arange(0, 20.01, 0.5)
    sightings = look(recording(leaving, wall))
    small, truncated, occluded = sightings.failed[0].T
    assert not small.any()
    assert seconds[occluded].tolist() == np.arange(3, 6.01, 0.5).tolist()
    # Half of it is outside from x = 20 m on, all of it from 22 m.
    assert seconds[truncated].tolist() == [t for t in seconds if 20 < 2.5 * t - 0.2 < 22]
    assert not (sightings.seen(0) & sightings.failed[0].any(axis=1)).any()


@pytest.mark.parametrize(
    ("span", "stated"),
    [((0.0, 2.0), ("0.0", "2.0")), ((0.35, 2.95), ("0.4", "2.9")), ((0.3, 2.9), ("0.3", "2.9"))],
)
def test_a_stated_span_lies_within_the_seen_one_and_never_starts_at_minus_zero(span, stated):
    assert tuple(map(str, map(float, whole_tenths(*span)))) == stated


@pytest.mark.parametrize(
    ("clip_s", "seen_s", "expected"),
    [
        (3.0, (1.0, 2.0), None),  # within a second of both ends, but seen for one second alone
        (4.0, (1.0, 3.0), (1.0, 3.0, False)),  # five of nine frames are not "throughout"
        (10.0, (1.0, 9.0), (0.0, 10.0, True)),  # seventeen of twenty-one are
    ],
)
def test_throughout_the_video_is_said_of_what_fills_four_fifths_of_it(clip_s, seen_s, expected):
    """A car stands 20 m away; a wall in front of it hides it outside of `seen_s`."""
    times = np.arange(0, clip_s + 0.01, 0.5)
    car = track("car", straight(0, 20.0), np.arange(0, clip_s + 0.01, 0.1))

    def wall(t: float) -> tuple[float, float]:
        return (0.0, 10.0) if not seen_s[0] - 0.05 < t < seen_s[1] + 0.05 else (0.0, 500.0)

    hiding = track("wall", wall, np.arange(0, clip_s + 0.01, 0.1), size=(8.0, 0.5, 6.0))
    made = recording(car, hiding, frames_s=times)
    # The wall's own jumps are no matter: what is not trusted hides all the same.
    assert seen_at(car, hiding, frames_s=times) == [t for t in times if seen_s[0] <= t <= seen_s[1]]
    found = object_span(look(made), 0, 0, len(times) - 1)
    assert (found and (found.start_s, found.end_s, found.covers_clip)) == expected
