"""The seven tasks on hand-built recordings whose truth is known by hand, and their rules once more in plain Python."""

import cmath
import math
from dataclasses import replace

import numpy as np
import plain_truth
import pytest
from hand_built import CAR, PERSON, along, recording, straight, track, trusting
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.kinematics.motion import Moving
from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity
from st_vlm.questions.clips import Clip, MarkedObject
from st_vlm.questions.motion import span_motion
from st_vlm.questions.sightings import look, object_span
from st_vlm.questions.tasks import TASK_CANDIDATES, Candidate

seeds = st.integers(0, 2**32 - 1)
COLOURS = ("red", "blue", "green", "yellow")


def clip_of(*tracks, length_s: float = 10.0, start_s: float = 0.0, domain: str = "driving", **fields) -> Clip:
    """One clip with all the tracks marked, in order, that have a span in it."""
    made = recording(*tracks, domain=domain, **fields)
    sightings = look(made, trusting(made))
    first, last = round(start_s * 2), round((start_s + length_s) * 2)
    objects = []
    for k, one in enumerate(made.tracks):
        span = object_span(sightings, k, first, last)
        assert span is not None, f"{one.id} is not seen long enough"
        motion = span_motion(made, one, int(sightings.times_ns[first]), span.start_s, span.end_s)
        objects.append(MarkedObject(one, COLOURS[k], sightings.boxes[k, first : last + 1], span, motion))
    window = slice(first, last + 1)
    return Clip("clip", made, sightings.frames[window], sightings.times_ns[window], tuple(objects))


def ask(task: str, clip: Clip, seed: int = 0) -> list[Candidate]:
    return TASK_CANDIDATES[task](clip, np.random.default_rng(seed))


def one(task: str, clip: Clip, seed: int = 0) -> Candidate:
    (candidate,) = ask(task, clip, seed)
    assert candidate.task == task
    return candidate


def seen(name, path, times_s=None, **fields):
    """A track that lidar finds whatever stands before it."""
    return track(name, path, times_s, lidar=[99] * (41 if times_s is None else len(times_s)), **fields)


def late(path, seconds):
    return lambda t: path(max(0.0, t - seconds))


# One object.


def test_distance_and_speed_of_a_car_that_stops():
    """6 m/s for 4 s, then standing for 6 s: 24 m in 10 s are 8.64 km/h."""
    clip = clip_of(track("a", along(6.0, (-12, 20), (12, 20))))
    assert one("traveled_distance", clip).answer == Quantity(24.0, "m")
    speed = one("traveling_speed", clip)
    assert speed.answer == Quantity(8.64, "km/h")
    assert (speed.start_s, speed.end_s, speed.states_span, speed.static) == (0.0, 10.0, False, False)


def test_what_stands_travels_nothing_and_has_no_direction_though_its_annotation_wobbles():
    """Half a metre of wobble is a path of metres, but no motion."""
    wobble = track("a", lambda t: (0.25 * (-1) ** round(2 * t), 20.0))
    clip = clip_of(wobble)
    assert clip.objects[0].motion.path_m == pytest.approx(10.0)
    distance, speed = one("traveled_distance", clip), one("traveling_speed", clip)
    assert distance.answer == Quantity(0.0, "m")
    assert speed.answer == Quantity(0.0, "km/h")
    assert distance.static
    assert speed.static
    assert ask("moving_direction", clip) == []
    assert ask("direction_timestamp", clip) == []


def test_the_climb_of_a_slope_does_not_count():
    made = track("a", straight(-10.0, 20.0, 2.0, 0.0))
    steep = replace(
        made, centres=made.centres + np.stack([0 * made.times_ns, 0 * made.times_ns, np.arange(41) / 9], 1)
    )
    assert one("traveled_distance", clip_of(steep)).answer == Quantity(20.0, "m")


def test_a_span_that_does_not_cover_the_clip_is_stated_and_measured():
    wall = track("wall", straight(0, 8.0), np.arange(0, 3.01, 0.5), size=(30, 0.1, 8))
    car = track("a", straight(-10.0, 20.0, 2.0, 0.0))
    clip = clip_of(car, wall)
    distance = ask("traveled_distance", clip)[0]
    assert (distance.start_s, distance.end_s, distance.states_span) == (3.5, 10.0, True)
    assert distance.answer == Quantity(13.0, "m")


def test_truth_is_that_of_the_clip_not_of_the_recording():
    car = track("a", along(2.0, (-10, 20), (0, 20), (0, 38)))
    clip = clip_of(car, start_s=6.0, length_s=4.0)
    assert one("traveled_distance", clip).answer == Quantity(8.0, "m")
    # Within this clip it goes straight: its own first movement is already the one after the turn.
    assert one("moving_direction", clip).answer == ClockHour(12)
    assert one("moving_direction", clip_of(car)).answer == ClockHour(9)


@pytest.mark.parametrize(
    ("corners", "hour"),
    [
        ([(-10, 20), (0, 20), (0, 30)], 9),
        ([(10, 20), (0, 20), (0, 30)], 3),
        ([(-5, 20), (5, 20), (5, 23), (-5, 23)], 6),
        ([(-10, 20), (10, 20)], 12),
        ([(0, 16), (0, 24), (6 * math.sqrt(3), 30)], 2),
    ],
)
def test_hours_of_turns(corners, hour):
    assert one("moving_direction", clip_of(track("a", along(2.5, *corners)))).answer == ClockHour(hour)


def test_motion_counts_and_not_the_nose():
    """It backs out to the left of its nose, then drives off to the right: noses are no part of the truth."""
    backing = along(2.0, (0, 24), (0, 16), (10, 16))
    hours = {
        heading: one("moving_direction", clip_of(track("a", backing, heading=heading))).answer
        for heading in (0.0, math.pi / 2, math.pi)
    }
    assert set(hours.values()) == {ClockHour(9)}
    straight_back = clip_of(track("a", straight(10.0, 20.0, -2.0, 0.0), heading=0.0))
    assert one("moving_direction", straight_back).answer == ClockHour(12)


@pytest.mark.parametrize(("turned", "asked"), [(9.0, True), (11.0, False), (19.0, False), (21.0, True), (30.0, True)])
def test_hours_more_than_ten_degrees_off_their_centre_are_not_asked(turned, asked):
    angle = math.radians(turned)
    path = along(2.0, (-5, 20), (0, 20), (12 * math.cos(angle), 20 - 12 * math.sin(angle)))
    candidates = ask("moving_direction", clip_of(track("a", path)))
    assert [c.answer for c in candidates] == ([ClockHour(round(turned / 30) or 12)] if asked else [])


def test_when_a_car_moves_in_the_direction_of_each_hour():
    """5.5 s straight, then 4.5 s to the right: both are at most 60 % of the 10 s."""
    path = along(2.5, (11.25, 18), (-2.5, 18), (-2.5, 30))
    found = {c.hour: c for c in ask("direction_timestamp", clip_of(track("a", path)))}
    assert set(found) == {12, 3}
    for hour, start, end in ((12, 0.0, 5.5), (3, 5.5, 10.0)):
        assert found[hour].answer.start_s == pytest.approx(start, abs=0.5)
        assert found[hour].answer.end_s == pytest.approx(end, abs=0.5)
    longer = along(2.5, (14.5, 18), (-3.0, 18), (-3.0, 25.5))  # 7 s and 3 s
    assert [c.hour for c in ask("direction_timestamp", clip_of(track("a", longer)))] == [3]


def test_an_hour_that_comes_twice_is_not_asked():
    path = along(2.0, (-8, 18), (-2, 18), (-2, 24), (6, 24))  # straight, left, straight again
    assert [c.hour for c in ask("direction_timestamp", clip_of(track("a", path)))] == [9]


def test_a_second_in_a_direction_is_too_short_to_ask():
    path = along(4.0, (-10, 18), (-10, 23), (10, 23), (10, 28))
    hours = [c.hour for c in ask("direction_timestamp", clip_of(track("a", path), length_s=7.0))]
    assert 12 not in hours


def test_sports_have_no_directions():
    tracks = [
        track(f"t{k}", along(2.0, (-10 + k, 15 + 3 * k), (0, 15 + 3 * k), (0, 30 + k)), category=PERSON)
        for k in range(2)
    ]
    driving, sports = clip_of(*tracks), clip_of(*tracks, domain="sports")
    for task in ("moving_direction", "direction_timestamp", "moving_direction_comparison"):
        assert ask(task, driving)
        assert ask(task, sports) == []
    assert ask("traveled_distance", sports)


@settings(max_examples=60)
@given(seeds)
def test_intervals_are_the_only_run_of_their_hour_and_neither_short_nor_most_of_the_span(seed):
    rng = np.random.default_rng(seed)
    corners = np.cumsum([(-8, 14), *rng.normal(0, 4, (5, 2))], axis=0)
    corners = np.clip(corners, [-11, 12], [11, 34])
    clip = clip_of(track("a", along(rng.uniform(1, 5), *corners)))
    runs = clip.objects[0].motion.runs
    hours = [run.hour for run in runs]
    expected = {
        run.hour: (round(run.start_s, 1), round(run.end_s, 1))
        for run in runs
        if run.hour and hours.count(run.hour) == 1 and 1.5 <= run.end_s - run.start_s <= 6.0
    }
    if clip.objects[0].motion.state is not Moving.MOVING:
        expected = {}
    candidates = ask("direction_timestamp", clip)
    assert {c.hour: (c.answer.start_s, c.answer.end_s) for c in candidates} == expected
    assert all(isinstance(c.answer, Interval) for c in candidates)


# Two objects.


def pair(first: float, second: float, **fields) -> Clip:
    """Two cars that drive at these speeds (m/s) to the right."""
    return clip_of(
        seen("first", straight(-12.0, 20.0, first, 0.0)),
        seen("second", straight(-14.0, 26.0, second, 0.0)),
        **fields,
    )


def test_the_farther_one_wins_whoever_is_named_first():
    named = set()
    for seed in range(8):
        comparison = one("traveled_distance_comparison", pair(1.0, 2.0), seed)
        assert comparison.answer == Choice("blue")
        assert (comparison.start_s, comparison.end_s, comparison.states_span) == (0.0, 10.0, False)
        named.add(comparison.objects)
    assert named == {(0, 1), (1, 0)}
    assert one("traveled_distance_comparison", pair(2.0, 1.0)).answer == Choice("red")
    assert one("traveled_distance_comparison", pair(0.0, 1.0)).answer == Choice("blue")


@pytest.mark.parametrize(
    ("first", "second", "length_s", "asked"),
    [
        (2.0, 1.72, 10, False),  # 14 %
        (2.0, 1.68, 10, True),  # 16 %
        (0.0, 0.0, 10, False),
        (1.25, 1.1, 4, False),  # 0.6 m, but 12 %
    ],
)
def test_margins_of_comparisons(first, second, length_s, asked):
    assert bool(ask("traveled_distance_comparison", pair(first, second, length_s=length_s))) is asked


def test_a_margin_of_half_a_metre_is_needed_too():
    """Walkers: 1.2 m against 1.6 m is 25 %, and only 0.4 m."""

    def walkers(first, second):
        tracks = [
            seen(name, straight(x, 20.0, speed, 0.0), category=PERSON, size=(0.7, 0.7, 1.8))
            for name, x, speed in (("a", -5, first), ("b", 5, second))
        ]
        return clip_of(*tracks, length_s=2.0)

    assert ask("traveled_distance_comparison", walkers(0.6, 0.8)) == []
    assert one("traveled_distance_comparison", walkers(0.6, 0.9)).answer == Choice("blue")


def test_only_the_seconds_in_which_both_are_seen_are_compared():
    """The first drives 20 m of which 8 m are in the seconds of the second; the second drives 12 m."""
    first = seen("first", straight(-10.0, 20.0, 2.0, 0.0))
    second = seen("second", straight(-6.0, 26.0, 3.0, 0.0), np.arange(0, 4.01, 0.5))
    comparison = one("traveled_distance_comparison", clip_of(first, second))
    assert (comparison.start_s, comparison.end_s, comparison.states_span) == (0.0, 4.0, True)
    assert comparison.answer == Choice("blue")


def test_an_object_in_the_dead_zone_over_the_compared_seconds_is_not_compared():
    """1.6 m in the common 4 s: it neither stands nor moves for sure, though over its 10 s it does."""
    first = seen("first", straight(-5.0, 20.0, 0.4, 0.0))
    second = seen("second", straight(-6.0, 26.0, 3.0, 0.0), np.arange(0, 4.01, 0.5))
    clip = clip_of(first, second)
    assert clip.objects[0].motion.state is Moving.UNDECIDED or clip.motion(0, 0.0, 4.0).state is Moving.UNDECIDED
    assert ask("traveled_distance_comparison", clip) == []


def test_two_spans_that_hardly_meet_are_not_compared():
    first = seen("first", straight(-10.0, 20.0, 2.0, 0.0), np.arange(0, 5.01, 0.5))
    second = seen("second", straight(-6.0, 26.0, 2.0, 0.0), np.arange(3.5, 10.01, 0.5))
    clip = clip_of(first, second)
    for task in ("traveled_distance_comparison", "traveling_speed_comparison", "moving_direction_comparison"):
        assert ask(task, clip) == []


def test_the_speed_comparison_states_a_part_and_reverses_the_winner_where_it_can():
    """Blue drives 20 m at once and stands; red starts late and drives 12 m: blue is farther, red faster in the end."""
    red = seen("red", late(along(3.0, (-6, 20), (6, 20)), 6.0))
    blue = seen("blue", along(4.0, (-10, 26), (10, 26)))
    clip = clip_of(red, blue)
    assert one("traveled_distance_comparison", clip).answer == Choice("blue")
    for seed in range(5):
        speed = one("traveling_speed_comparison", clip, seed)
        assert speed.answer == Choice("red")
        assert speed.reversed_winner
        assert speed.states_span
        assert 2.0 <= speed.end_s - speed.start_s <= 6.0
        assert (2 * speed.start_s) % 1 == (2 * speed.end_s) % 1 == 0
        assert speed.end_s > 5.5  # red wins only where it moves


def test_without_a_part_that_reverses_it_the_winner_is_the_farther_one():
    speed = one("traveling_speed_comparison", pair(1.0, 2.0))
    assert speed.answer == Choice("blue")
    assert not speed.reversed_winner
    assert speed.states_span


def test_directions_of_two_objects():
    same = one("moving_direction_comparison", pair(1.5, 2.0))
    assert same.answer == Choice("same")
    assert 1.0 <= same.end_s - same.start_s <= 3.0
    assert same.states_span
    first = seen("first", straight(-12.0, 20.0, 2.0, 0.0))
    crossing = clip_of(first, seen("second", straight(8.0, 15.0, 0.0, 2.0)))
    assert one("moving_direction_comparison", crossing).answer == Choice("different")
    slanted = clip_of(first, seen("second", straight(-8.0, 22.0, 2.0, 2.0 * math.tan(math.radians(30)))))
    assert ask("moving_direction_comparison", slanted) == []
    standing = clip_of(first, seen("second", straight(5.0, 26.0)))
    assert ask("moving_direction_comparison", standing) == []


def test_two_objects_can_be_asked_about_before_and_after_one_turns():
    first = seen("first", straight(-12.0, 20.0, 2.0, 0.0))
    second = seen("second", along(2.0, (-10, 24), (0, 24), (0, 34)))
    found = {c.answer.option: c for c in ask("moving_direction_comparison", clip_of(first, second))}
    assert set(found) == {"same", "different"}
    assert found["same"].end_s <= 5.5
    assert found["different"].start_s >= 4.0


def test_kinds_of_a_pair():
    car = seen("first", straight(-12.0, 20.0, 2.0, 0.0))
    walker = seen("second", straight(-5.0, 26.0, 1.0, 0.0), category=PERSON, size=(0.7, 0.7, 1.8))
    mixed = one("traveled_distance_comparison", clip_of(car, walker))
    assert mixed.mixed
    assert mixed.category == ("car" if mixed.objects[0] == 0 else "pedestrian")
    assert not one("traveled_distance_comparison", pair(1.0, 2.0)).mixed


def on_grid(clip: Clip, k: int, start: float, end: float) -> tuple[list[float], list[complex]]:
    """Grid and places of a stretch of the clip, in plain Python."""
    made = clip.objects[k].track
    times = [(int(t) - clip.start_ns) / 1e9 for t in made.times_ns]
    return plain_truth.on_grid(times, [complex(x, y) for x, y, _ in made.centres], start, end)


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_comparisons_agree_with_the_definition_spelt_out(seed):
    rng = np.random.default_rng(seed)
    tracks = []
    for k, category in enumerate((CAR, PERSON, CAR)):
        corners = np.clip(np.cumsum([(0, 22), *rng.normal(0, 6, (3, 2))], axis=0), [-9, 12], [9, 34])
        speed = rng.choice([0.1, 0.4, 1.5, 3.0])
        path = late(along(speed, *corners), rng.uniform(0, 4))
        tracks.append(seen(f"t{k}", path, category=category, size=(0.3, 0.3, 3.0)))
    clip = clip_of(*tracks, length_s=6.0)
    people = [False, True, False]
    for task in ("traveled_distance_comparison", "traveling_speed_comparison", "moving_direction_comparison"):
        for candidate in ask(task, clip, seed):
            stretches = [on_grid(clip, k, candidate.start_s, candidate.end_s) for k in candidate.objects]
            if task == "moving_direction_comparison":
                nets = [path[-1] - path[0] for _, path in stretches]
                seconds = candidate.end_s - candidate.start_s
                for (_, path), net in zip(stretches, nets, strict=True):
                    assert abs(net) >= max(1.0, 0.5 * seconds) - 1e-9
                    assert abs(net) >= 0.9 * plain_truth.path_length(path) - 1e-9
                angle = abs(math.degrees(cmath.phase(nets[0] / nets[1])))
                assert angle <= 15 + 1e-6 if candidate.answer.option == "same" else angle >= 45 - 1e-6
                continue
            metres = [
                plain_truth.distance(*stretch, people[k])
                for stretch, k in zip(stretches, candidate.objects, strict=True)
            ]
            winner, loser = metres if candidate.answer.option == COLOURS[candidate.objects[0]] else metres[::-1]
            assert winner - loser >= 0.5 - 1e-9
            assert winner - loser >= 0.15 * winner - 1e-9
    # What is not asked about distances is too close, or in the dead zone.
    asked = {tuple(sorted(c.objects)) for c in ask("traveled_distance_comparison", clip)}
    for a, b in {(0, 1), (0, 2), (1, 2)} - asked:
        first, second = (plain_truth.distance(*on_grid(clip, k, 0.0, 6.0), people[k]) for k in (a, b))
        if first is not None and second is not None:
            assert abs(first - second) < max(0.5, 0.15 * max(first, second)) + 1e-9
