"""Repeats within a recording and the balance of a set, both against plain counting."""

from collections import Counter

import numpy as np
import pytest
from hand_built import recording, straight, track
from hypothesis import given
from hypothesis import strategies as st

from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity
from st_vlm.questions.clips import Clip, MarkedObject
from st_vlm.questions.selection import ALWAYS_KEEP, Asked, Traits, balanced, traits_of, without_repeats
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


# Balance.


def row(task="traveled_distance", **traits) -> Traits:
    plain = {"walking": False, "static": False, "ahead": False, "mixed": False, "choice": None}
    return Traits(task=task, **plain | traits)


@st.composite
def sets(draw):
    """Rows of every task with random traits, each trait more or less common."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    common = rng.uniform(0, 1, 6)
    tasks = ["traveled_distance", "traveling_speed", "moving_direction", "direction_timestamp"]
    rows = []
    for _ in range(int(rng.integers(0, 300))):
        comparison = rng.random() < 0.4
        task = "moving_direction_comparison" if comparison else tasks[rng.integers(4)]
        walking, static, ahead, mixed, same, reversed_winner = rng.random(6) < common
        rows.append(
            row(
                task,
                walking=bool(walking and not static and task in tasks[:2]),
                static=bool(static and task in tasks[:2]),
                ahead=bool(ahead and task in tasks[2:]),
                mixed=bool(mixed and comparison),
                choice=("same" if same else "different") if comparison else None,
                reversed_winner=bool(reversed_winner and comparison),
            )
        )
    return rows


@given(sets(), st.integers(0, 1000))
def test_every_cap_holds_in_what_is_left_and_few_of_a_kind_are_always_kept(rows, seed):
    kept = balanced(rows, np.random.default_rng(seed))
    assert kept == sorted(set(kept))
    assert kept == balanced(rows, np.random.default_rng(seed))
    caps = {"walking": 0.2, "static": 0.1, "mixed": 0.2, "reversed_winner": 0.5}
    for task in {one.task for one in rows}:
        left = [rows[k] for k in kept if rows[k].task == task]
        shares = caps | {"ahead": {"moving_direction": 0.25, "direction_timestamp": 0.2}.get(task, 1.0)}
        for trait, share in shares.items():
            count = sum(getattr(one, trait) for one in left)
            assert count <= max(ALWAYS_KEEP, share * len(left) + 1e-9), (task, trait)
        choices = Counter(one.choice for one in left if one.choice)
        if len(choices) == 2:
            assert max(choices.values()) <= max(ALWAYS_KEEP, min(choices.values()))
        # What no cap speaks of is kept whole.
        plain = [k for k, one in enumerate(rows) if one == row(task)]
        assert set(plain) <= set(kept)


@given(st.integers(1, ALWAYS_KEEP), st.integers(0, 1000))
def test_a_small_set_keeps_every_row(count, seed):
    kinds = [
        row(walking=True),
        row(static=True),
        row("moving_direction", ahead=True),
        row("direction_timestamp", ahead=True),
        row("traveled_distance_comparison", mixed=True),
        row("moving_direction_comparison", choice="same"),
    ]
    rows = kinds * count
    assert balanced(rows, np.random.default_rng(seed)) == list(range(len(rows)))


def test_a_large_one_sided_set_keeps_a_few():
    rows = [row("moving_direction", ahead=True)] * 100
    assert len(balanced(rows, np.random.default_rng(0))) == ALWAYS_KEEP


def test_which_rows_go_depends_on_the_seed():
    rows = [row(static=True)] * 50 + [row()] * 100
    kept = [balanced(rows, np.random.default_rng(seed)) for seed in (0, 1)]
    assert len(kept[0]) == len(kept[1]) == 111  # 11 of 111 are just below a tenth
    assert kept[0] != kept[1]


def test_traits_of_candidates():
    def traits(task, answer, people=False, **fields):
        return traits_of(Candidate(task, (0,), 1.0, 5.0, False, answer, **fields), people)

    assert traits("traveling_speed", Quantity(5.0, "km/h"), people=True).walking
    assert not traits("traveling_speed", Quantity(5.0, "km/h")).walking
    assert not traits("traveling_speed", Quantity(6.5, "km/h"), people=True).walking
    assert traits("traveled_distance", Quantity(5.0, "m"), people=True).walking  # 4.5 km/h
    assert not traits("traveled_distance", Quantity(8.0, "m"), people=True).walking  # 7.2 km/h
    assert traits("moving_direction", ClockHour(12)).ahead
    assert traits("direction_timestamp", Interval(1, 3), hour=12).ahead
    assert not traits("direction_timestamp", Interval(1, 3), hour=1).ahead
    assert traits("moving_direction_comparison", Choice("same")).choice == "same"
    assert traits("traveled_distance_comparison", Choice("red")).choice is None
    assert traits("traveled_distance", Quantity(0, "m"), static=True).static
    assert traits("traveled_distance_comparison", Choice("red"), mixed=True).mixed
