"""The tasks beyond the seven on hand-built recordings whose truth is known by hand, and on simulated ones whose truth
is worked out again from the tracks in plain Python."""

import cmath
import math
from dataclasses import replace

import numpy as np
import plain_truth
import pytest
from hand_built import CAMERA_HEIGHT, CAR, PERSON, along, recording, straight, track, trusting

from st_vlm.building.shard import interview
from st_vlm.kinematics.motion import Moving
from st_vlm.questions.answers import Count, Position, Quantity
from st_vlm.questions.asking import ALL_CANDIDATES
from st_vlm.questions.clips import Clip, MarkedObject
from st_vlm.questions.forms import FURTHER_TASKS, from_target
from st_vlm.questions.further import FURTHER_CANDIDATES, ROUND_M
from st_vlm.questions.further_measures import FURTHER_MEASURES, Evidence
from st_vlm.questions.motion import span_motion
from st_vlm.questions.parsing import parse_answer
from st_vlm.questions.sightings import look, object_span
from st_vlm.recordings import open_recordings

COLOURS = ("red", "blue", "green", "yellow")


def clip_of(*tracks, length_s=10.0, start_s=0.0, poses=None, **fields) -> Clip:
    """One clip with all the tracks marked; `poses` replaces the standing camera's after the boxes are found."""
    made = recording(*tracks, **fields)
    sightings = look(made, trusting(made))
    first, last = round(start_s * 2), round((start_s + length_s) * 2)
    objects = []
    for k, one in enumerate(made.tracks):
        span = object_span(sightings, k, first, last)
        assert span is not None, f"{one.id} is not seen long enough"
        motion = span_motion(made, one, int(sightings.times_ns[first]), span.start_s, span.end_s)
        objects.append(MarkedObject(one, COLOURS[k], sightings.boxes[k, first : last + 1], span, motion))
    if poses is not None:
        made = replace(made, camera=replace(made.camera, poses=poses(made.camera.poses)))
    window = slice(first, last + 1)
    return Clip("clip", made, sightings.frames[window], sightings.times_ns[window], tuple(objects))


def ask(task, clip, seed=0):
    return FURTHER_CANDIDATES[task](clip, np.random.default_rng(seed))


def one(task, clip, seed=0):
    (candidate,) = ask(task, clip, seed)
    assert candidate.task == task
    return candidate


def seen(name, path, times_s=None, **fields):
    """A track that lidar finds whatever stands before it."""
    return track(name, path, times_s, lidar=[99] * (41 if times_s is None else len(times_s)), **fields)


def ramp(x, y, speed, acceleration, begin=0.0, end=math.inf):
    """Along +x: constant speed, and between two times a constant acceleration."""

    def path(t):
        inside = min(max(t - begin, 0.0), end - begin)
        after = max(t - end, 0.0)
        return x + speed * t + acceleration * (inside**2 / 2 + inside * after), y

    return path


# One object.


def test_every_task_has_candidates_a_measure_and_a_form():
    assert list(FURTHER_TASKS) == list(FURTHER_CANDIDATES) == list(FURTHER_MEASURES)
    assert set(FURTHER_TASKS) <= set(ALL_CANDIDATES)


def test_the_peak_speed_is_that_of_the_fastest_second():
    """3 m/s, from 4.0 to 6.0 s speeding up by 2 m/s^2 to 7 m/s: a whole second at 7 m/s is 25.2 km/h."""
    clip = clip_of(seen("a", ramp(-19, 24, 3.0, 2.0, 4.0, 6.0)), length_s=8.0)
    peak = one("peak_speed", clip)
    assert peak.answer == Quantity(25.2, "km/h")
    assert (peak.start_s, peak.end_s, peak.states_span, peak.static) == (0.0, 8.0, False, False)


def test_what_stands_has_neither_peak_nor_turns_nor_time():
    clip = clip_of(seen("a", lambda t: (0.25 * (-1) ** round(2 * t), 20.0)))
    for task in ("peak_speed", "acceleration", "number_of_turns", "time_to_distance"):
        assert ask(task, clip) == []
    assert ask("object_position", clip)


@pytest.mark.parametrize(("speed", "acceleration"), [(3.0, 1.5), (9.0, -1.5)])
def test_speeding_up_is_positive_and_braking_negative_over_a_stated_part(speed, acceleration):
    clip = clip_of(seen("a", ramp(-20, 26, speed, acceleration, 1.0, 4.0)), length_s=6.0)
    for seed in range(6):
        found = one("acceleration", clip, seed)
        assert found.states_span
        assert 2.0 <= found.end_s - found.start_s <= 4.0
        assert math.copysign(1, found.answer.value) == math.copysign(1, acceleration)
        # Wholly within the change it is exact; a part that reaches out of it must still be nearly even.
        inside = found.start_s >= 1.0 and found.end_s <= 4.0
        assert found.answer.value == pytest.approx(acceleration, abs=0.001 if inside else 0.45)


def test_a_car_that_speeds_up_and_brakes_is_asked_about_both():
    def path(t):
        return ramp(-20, 26, 2.0, 2.0, 0.0, 3.0)(t)[0] - 2.0 * max(t - 4.0, 0) ** 2 / 2, 26

    found = ask("acceleration", clip_of(seen("a", path), length_s=7.0))
    assert sorted(candidate.answer.value > 0 for candidate in found) == [False, True]


@pytest.mark.parametrize(
    ("corners", "turns"),
    [
        ([(-15, 24), (15, 24)], 0),
        ([(-8, 20), (4, 20), (4, 34)], 1),
        ([(-10, 20), (-1, 20), (-1, 29), (8, 29)], 2),
    ],
)
def test_turns_of_a_path_with_corners(corners, turns):
    assert one("number_of_turns", clip_of(seen("a", along(2.5, *corners)))).answer == Count(turns)


def test_spans_without_room_for_a_turn_are_not_asked_about_turns():
    car = seen("a", straight(-12, 24, 2.5, 0))
    assert ask("number_of_turns", clip_of(car, length_s=4.5)) == []
    assert one("number_of_turns", clip_of(car, length_s=5.0)).answer == Count(0)


def test_sports_have_no_turns_but_speeds():
    clip = clip_of(seen("a", along(2.0, (-8, 20), (4, 20), (4, 34)), category=PERSON), domain="sports")
    assert ask("number_of_turns", clip) == []
    assert ask("peak_speed", clip)


def test_the_time_to_a_round_distance():
    """2 m/s after standing for 3 s: n metres after 3 + n / 2 seconds."""
    clip = clip_of(seen("a", lambda t: (-7 + 2.0 * max(0.0, t - 3.0), 24.0)))
    asked = set()
    for seed in range(30):
        found = one("time_to_distance", clip, seed)
        assert found.metres in ROUND_M
        assert found.answer == Quantity(3 + found.metres / 2, "s")
        asked.add(found.metres)
    assert len(asked) >= 4


def test_the_time_counts_from_the_start_of_the_stated_span():
    wall = track("wall", straight(0, 8.0), np.arange(0, 3.01, 0.5), size=(30, 0.1, 8))
    clip = clip_of(track("a", straight(-12.0, 24.0, 2.0, 0.0)), wall)
    found = next(c for c in ask("time_to_distance", clip) if c.objects == (0,))
    assert (found.start_s, found.states_span) == (3.5, True)
    assert found.answer == Quantity(found.metres / 2, "s")


# Two objects and the camera.


def test_the_closest_approach_of_two_cars_that_pass():
    first, second = seen("a", straight(-15, 24, 4, 0)), seen("b", straight(16, 27, -3, 0))
    for seed in range(4):
        found = one("closest_approach", clip_of(first, second, length_s=8.0), seed)
        assert found.answer == Quantity(3.0, "m")
        assert set(found.objects) == {0, 1}
    assert {one("closest_approach", clip_of(first, second, length_s=8.0), s).objects for s in range(8)} == {
        (0, 1),
        (1, 0),
    }


@pytest.mark.parametrize(
    "second",
    [
        straight(16, 24.9, -3, 0),  # 0.9 m
        straight(-15, 27, 4, 0),  # always 3 m
        straight(-15, 27, 5, 0),  # nearest at the start
        straight(-3, 40, 4, -1),  # nearest at the end
    ],
)
def test_an_approach_that_touches_or_is_nearest_at_an_end_is_not_asked(second):
    assert ask("closest_approach", clip_of(seen("a", straight(-15, 24, 4, 0)), seen("b", second), length_s=6.0)) == []


def shifted(x, y):
    """A camera that moves through the world by x(t), y(t), and turns right by a tenth of a radian a second."""

    def poses(standing):
        moved = standing.copy()
        for k in range(len(moved)):
            t, angle = 0.5 * k, -0.05 * k
            turn = np.array([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
            moved[k, :3, :3] = turn @ standing[k, :3, :3]
            moved[k, :3, 3] += (x(t), y(t), 0.3 * math.sin(t))
        return moved

    return poses


def test_the_cameras_path_is_horizontal_and_of_the_clip_alone():
    car = seen("a", straight(0, 24, 0.5, 0))
    travelled = one(
        "camera_travel", clip_of(car, start_s=2.0, length_s=6.0, poses=shifted(lambda t: 3 * t, lambda t: 4 * t))
    )
    assert travelled.answer == Quantity(30.0, "m")
    assert (travelled.objects, travelled.states_span, travelled.static) == ((), False, False)
    assert (travelled.start_s, travelled.end_s) == (0.0, 6.0)


def test_a_camera_that_stands_travels_nothing_and_one_in_between_is_not_asked():
    car = seen("a", straight(0, 24, 0.5, 0))
    sways = one("camera_travel", clip_of(car, poses=shifted(lambda t: 0.3 * math.sin(9 * t), lambda t: 0)))
    assert sways.answer == Quantity(0.0, "m")
    assert sways.static
    assert ask("camera_travel", clip_of(car, poses=shifted(lambda t: 0.12 * t, lambda t: 0))) == []


def test_a_position_is_in_the_axes_of_the_first_frames_camera():
    """The camera looks along +y from the origin, 1 m up, as the centres are: x stays, depth is y, and down is 0.

    That it moves and turns afterwards changes nothing.
    """
    car = seen("a", straight(-8.0, 24.0, 2.0, 0.5))
    for clip in (clip_of(car), clip_of(car, poses=shifted(lambda t: 2 * t, lambda t: 5 * t))):
        for seed in range(8):
            found = one("object_position", clip, seed)
            t = found.second
            assert found.answer == Position((-8 + 2 * t, CAMERA_HEIGHT - 1.0, 24 + 0.5 * t))
            assert 1.0 <= t <= 10.0
            assert (2 * t) % 1 == 0
            assert not found.states_span
    # A clip that begins later begins with a camera that is elsewhere.
    later = clip_of(car, start_s=4.0, length_s=6.0, poses=shifted(lambda t: 0, lambda t: 5 * t))
    found = one("object_position", later)
    t = 4 + found.second
    ahead = complex(-8 + 2 * t, 24 + 0.5 * t - 20) * cmath.exp(0.4j)
    down = 0.3 * math.sin(4.0)
    assert found.answer == Position((ahead.real, down, ahead.imag))


def test_positions_are_asked_only_where_the_object_is_seen():
    wall = track("wall", straight(0, 8.0), np.arange(0, 3.01, 0.5), size=(30, 0.1, 8))
    clip = clip_of(track("a", straight(-10.0, 20.0, 2.0, 0.0)), wall)
    for seed in range(10):
        (second,) = [c.second for c in ask("object_position", clip, seed) if c.objects == (0,)]
        assert second >= 3.5


# Simulated recordings, against plain Python.


@pytest.fixture(scope="module")
def rows():
    """(row, recording) of everything that can be asked beyond the seven about some simulated recordings."""
    source = open_recordings("simulated", seed=5, num_recordings=6)
    found = []
    for name in source.recording_ids():
        made = source.read(name, "camera", images=False)
        found += [(row, made) for row in interview(made, 0, tuple(FURTHER_TASKS)).rows()]
    return found


def places(row, made, k):
    """Times in clip seconds and places x + iy of the row's object k, in plain Python."""
    name = row["marks"][row["asked"]["objects"][k]]["track_id"]
    (found,) = [one for one in made.tracks if one.id == name]
    times = [(int(t) - row["start_ns"]) / 1e9 for t in found.times_ns]
    return times, [complex(x, y) for x, y, _ in found.centres.tolist()], found


def test_every_simulated_row_agrees_with_its_definition_spelt_out(rows):
    checked = dict.fromkeys(FURTHER_TASKS, 0)
    for row, made in rows:
        truth = from_target(row["task"], row["target"])
        start, end = row["span"]["start"], row["span"]["end"]
        checked[row["task"]] += 1
        if row["task"] == "camera_travel":
            spots = [complex(pose[0][3], pose[1][3]) for pose in row["camera"]["poses"]]
            wide = max(abs(p - q) for p in spots for q in spots)
            assert truth.value == pytest.approx(0.0 if wide <= 0.75 else plain_truth.path_length(spots), abs=0.01)
            continue
        if row["task"] == "object_position":
            times, _, found = places(row, made, 0)
            centre = [np.interp(row["asked"]["second"], times, found.centres[:, d]) for d in range(3)]
            # The world's place is what the first camera's axes make of the answer.
            pose = np.array(row["camera"]["poses"][0])
            np.testing.assert_allclose(pose[:3, :3] @ truth.metres + pose[:3, 3], centre, atol=0.01)
            continue
        grids = [
            plain_truth.on_grid(*places(row, made, k)[:2], start, end) for k in range(len(row["asked"]["objects"]))
        ]
        grid, path = grids[0]
        seconds = [abs(b - a) for a, b in zip(path, path[2:], strict=False)]
        whole = [s for s, a, b in zip(seconds, grid, grid[2:], strict=False) if abs(b - a - 1) < 1e-6]
        if row["task"] == "peak_speed":
            last = abs(path[-1] - plain_truth.place_at(grid, path, end - 1))
            assert truth.value == pytest.approx(3.6 * max(*whole, last), abs=0.05)
        elif row["task"] == "acceleration":
            assert 2 <= end - start <= 4
            assert row["asked"]["states_span"]
            assert truth.value == pytest.approx((whole[-1] - whole[0]) / (end - start - 1), abs=0.02)
            assert abs(whole[-1] - whole[0]) >= 1.5 - 1e-6
        elif row["task"] == "time_to_distance":
            gone = plain_truth.path_length(
                [p for t, p in zip(grid, path, strict=True) if t <= start + truth.value]
                + [plain_truth.place_at(grid, path, start + truth.value)]
            )
            assert gone == pytest.approx(row["asked"]["metres"], abs=0.2)
        elif row["task"] == "closest_approach":
            fine = [start + (end - start) * k / 4000 for k in range(4001)]
            gaps = [abs(plain_truth.place_at(*grids[0], t) - plain_truth.place_at(*grids[1], t)) for t in fine]
            assert truth.value == pytest.approx(min(gaps), abs=0.02)
            assert truth.value >= 1.0
            assert min(gaps[0], gaps[-1]) >= truth.value + 0.49
    assert min(checked.values()) >= 5, checked


def test_every_simulated_row_is_read_back_and_says_what_it_states(rows):
    for row, _ in rows:
        assert parse_answer(row["task"], row["answer"], row["question"]) == from_target(row["task"], row["target"])
        assert set(row["asked"]) == {"objects", "states_span", "hour", "metres", "second"}
        for name in ("metres", "second"):
            assert (row["asked"][name] is not None) == (name in FURTHER_TASKS[row["task"]].states)


def test_the_same_seed_asks_the_same():
    source = open_recordings("simulated", seed=5, num_recordings=1)
    made = source.read(source.recording_ids()[0], "camera", images=False)
    asked = [interview(made, 3, tuple(FURTHER_TASKS)).rows() for _ in range(2)]
    assert asked[0] == asked[1]


def test_the_seven_are_asked_alike_whether_or_not_others_are():
    """Other tasks after them change none of their questions."""
    source = open_recordings("simulated", seed=5, num_recordings=1)
    made = source.read(source.recording_ids()[0], "camera", images=False)
    alone = interview(made, 3, ("traveled_distance", "moving_direction")).rows()
    both = interview(made, 3, ("traveled_distance", "moving_direction", "peak_speed", "camera_travel")).rows()
    assert alone == [row for row in both if row["task"] in ("traveled_distance", "moving_direction")]


def test_measures_need_only_what_a_row_and_its_tracks_hold(rows):
    """`Evidence` made from the row gives the target again."""
    again = 0
    for row, made in rows:
        asked = row["asked"]
        tracks = [places(row, made, k)[2] for k in range(len(asked["objects"]))]
        centres = None
        if asked["second"] is not None:
            times = [(t.times_ns - row["start_ns"]) / 1e9 for t in tracks]
            centres = np.array(
                [
                    [np.interp(asked["second"], t, c.centres[:, d]) for d in range(3)]
                    for t, c in zip(times, tracks, strict=True)
                ]
            )
        motions = tuple(
            span_motion(made, t, row["start_ns"], row["span"]["start"], row["span"]["end"]) for t in tracks
        )
        evidence = Evidence(
            motions,
            np.array(row["timestamps"]),
            np.array(row["camera"]["poses"]),
            asked["metres"],
            asked["second"],
            centres,
        )
        answer, truth = FURTHER_MEASURES[row["task"]](evidence), from_target(row["task"], row["target"])
        if isinstance(truth, Quantity) and answer is not None:
            # Spans are stored to the millisecond.
            assert answer.value == pytest.approx(truth.value, abs=0.05)
        elif answer is not None:
            assert answer == truth
        again += answer is not None
    assert again >= 0.99 * len(rows)


def test_undecided_objects_are_not_asked_about_motion():
    clip = clip_of(seen("a", straight(0.0, 20.0, 0.12, 0.0), category=CAR))
    assert clip.objects[0].motion.state is Moving.UNDECIDED
    for task in ("peak_speed", "acceleration", "number_of_turns", "time_to_distance"):
        assert ask(task, clip) == []


def test_a_second_at_which_the_object_is_hidden_is_not_asked():
    clip = clip_of(seen("a", straight(-8.0, 24.0, 2.0, 0.0)))
    boxes = clip.objects[0].boxes.copy()
    boxes[7:20] = np.nan
    clip = replace(clip, objects=(replace(clip.objects[0], boxes=boxes),))
    seconds = {one("object_position", clip, seed).second for seed in range(40)}
    assert seconds <= {1.0, 1.5, 2.0, 2.5, 3.0, 10.0}
    assert len(seconds) >= 4
