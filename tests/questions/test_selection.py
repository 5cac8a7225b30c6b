"""What counts as a repeat within a recording."""

import numpy as np
import pytest
from hand_built import recording, straight, track

from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity
from st_vlm.questions.clips import Clip, MarkedObject
from st_vlm.questions.selection import Asked, without_repeats
from st_vlm.questions.sightings import Span
from st_vlm.questions.tasks import Candidate

STREET = recording(*(track(name, straight(0, 20.0)) for name in "abc"))
OTHER_STREET = recording(*(track(name, straight(0, 20.0)) for name in "abc"), name="other")


def window(start_s: float, end_s: float, where=STREET) -> Clip:
    """A clip of all three objects; their motion plays no part here."""
    frames = np.arange(round(2 * start_s), round(2 * end_s) + 1)
    span = Span(0.0, end_s - start_s, True)
    boxes = np.zeros((len(frames), 4))
    objects = tuple(MarkedObject(one, "red", boxes, span, None) for one in where.tracks)
    return Clip(f"{start_s}-{end_s}", where, frames, where.frames.times_ns[frames], objects)


def asked(clip: Clip, answer, task="traveled_distance", objects=(0,), hour=None) -> Asked:
    return Asked(clip, Candidate(task, objects, 0.0, 3.0, False, answer, hour=hour))


def test_windows_of_one_object_overlap_by_at_most_three_tenths():
    apart = [asked(window(0, 10), Quantity(5, "m")), asked(window(5.5, 15.5), Quantity(6, "m"))]
    assert without_repeats(apart) == apart  # 4.5 / 15.5 = 0.29
    near = [asked(window(0, 10), Quantity(5, "m")), asked(window(5, 15), Quantity(6, "m"))]
    assert without_repeats(near) == near[:1]  # 5 / 15 = 0.33


def test_other_objects_tasks_and_recordings_do_not_count_as_repeats():
    clip = window(0, 10)
    different = [
        asked(clip, Quantity(5, "m")),
        asked(clip, Quantity(5, "m"), objects=(1,)),
        asked(clip, Quantity(5, "km/h"), task="traveling_speed"),
        asked(window(0, 10, OTHER_STREET), Quantity(5, "m")),
    ]
    assert without_repeats(different) == different


def test_an_object_gets_at_most_three_questions_a_task():
    many = [asked(window(t, t + 3), Quantity(5 + t, "m")) for t in range(0, 16, 4)]
    assert without_repeats(many) == many[:3]


def test_a_pair_is_the_same_pair_in_either_order():
    first = asked(window(0, 6), Choice("red"), "traveled_distance_comparison", (0, 1))
    again = asked(window(1, 7), Choice("blue"), "traveled_distance_comparison", (1, 0))
    assert without_repeats([first, again]) == [first]


@pytest.mark.parametrize(("second", "kept"), [(20.0, 1), (24.9, 1), (25.1, 2), (15.1, 1), (14.9, 2), (0.0, 2)])
def test_a_speed_is_asked_again_only_if_it_differs_by_a_quarter(second, kept):
    one = asked(window(0, 4), Quantity(20.0, "km/h"), "traveling_speed")
    two = asked(window(10, 14), Quantity(second, "km/h"), "traveling_speed")
    assert len(without_repeats([one, two])) == kept


def test_a_standing_object_is_asked_its_speed_once():
    speeds = [asked(window(t, t + 3), Quantity(0.0, "km/h"), "traveling_speed") for t in (0, 6, 12)]
    assert without_repeats(speeds) == speeds[:1]


def test_one_question_an_object_and_hour():
    hours = [asked(window(t, t + 3), ClockHour(h), "moving_direction") for t, h in ((0, 12), (5, 12), (10, 3))]
    assert without_repeats(hours) == [hours[0], hours[2]]
    clip = window(0, 10)
    intervals = [
        asked(clip, Interval(0, 4), "direction_timestamp", hour=12),
        asked(clip, Interval(4, 9), "direction_timestamp", hour=3),
        asked(window(12, 18), Interval(1, 4), "direction_timestamp", hour=3),
    ]
    assert without_repeats(intervals) == intervals[:2]


def test_two_relations_of_one_pair_in_one_clip_both_stay():
    clip = window(0, 10)
    both = [asked(clip, Choice(c), "moving_direction_comparison", (0, 1)) for c in ("same", "different")]
    assert without_repeats(both) == both
