"""A balanced set: every cap and every goal of DEFINITIONS holds in what is left, by plain counting."""

from collections import Counter

import numpy as np
import pytest
from glances import direction, distance, farther, interval, relation, single, speed
from hypothesis import given, settings
from hypothesis import strategies as st

from st_vlm.balance.caps import place_of
from st_vlm.balance.selection import ALWAYS_KEEP, LEAST_TRIMMED, balanced
from st_vlm.evaluation.baselines import above_goal, baseline_shares
from st_vlm.questions.answers import Choice, Quantity

NOUNS = ("car", "truck", "bus", "pedestrian", "bicycle")


def made(seed: int, count: int = 600):
    """Lopsided questions of five tasks, and which of them reverse a winner."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(5, 1.0))
    glances, turned = [], []
    for _ in range(count):
        noun = NOUNS[rng.choice(5, p=shares)]
        kind = rng.integers(5)
        kmh = 0.0 if rng.random() < 0.2 else float(np.exp(rng.normal(1.6 if noun == "pedestrian" else 3.0, 0.7)))
        length = float(rng.choice([3.0, 6.0, 12.0]))
        hour = int(rng.choice(12, p=np.array([6, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 4]) / 20)) or 12
        if kind == 0:
            glances.append(distance(kmh / 3.6 * length, noun, (0.0, length)))
        elif kind == 1:
            glances.append(speed(kmh, noun))
        elif kind == 2:
            glances.append(direction(hour))
        elif kind == 3:
            start = float(rng.choice([0.0, 3.0, 8.0])) if rng.random() < 0.7 else float(rng.uniform(0, 8))
            glances.append(interval(hour, start, start + rng.uniform(1.5, 4.0), (0.0, 12.0)))
        else:
            first = ("red", "blue")[int(rng.random() < 0.7)]
            mixed = rng.random() < 0.4
            glances.append(farther("red", "blue", first, ("car", "pedestrian") if mixed else ("car", "car")))
        turned.append(bool(kind == 4 and rng.random() < 0.8))
    return glances, turned


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_in_full_every_cap_and_goal_holds(seed):
    glances, turned = made(seed)
    kept = balanced(glances, turned, np.random.default_rng(seed), "full")
    assert kept == sorted(set(kept)) == balanced(glances, turned, np.random.default_rng(seed), "full")
    left = [glances[k] for k in kept]
    for task in {glance.task for glance in left}:
        rows = [glance for glance in left if glance.task == task]

        def most(crowd, share, rows=rows):
            assert sum(map(crowd, rows)) <= share * len(rows) + 1e-9

        if task in ("traveled_distance", "traveling_speed"):
            most(lambda g: g.answer.value == 0, 0.1)
            pace = [g.answer.value * (3.6 / g.duration_s if g.answer.unit == "m" else 1) for g in rows]
            walking = [3.2 <= v <= 6.4 and g.nouns == ("pedestrian",) for v, g in zip(pace, rows, strict=True)]
            assert sum(walking) <= 0.2 * len(rows) + 1e-9
        if task == "moving_direction":
            most(lambda g: g.answer.hour == 12, 0.25)
        if task == "direction_timestamp":
            most(lambda g: g.hour == 12, 0.2)
        if task.endswith("comparison"):
            most(lambda g: g.nouns[0] != g.nouns[1], 0.2)
            assert sum(turned[k] for k in kept if glances[k].task == task) <= 0.5 * len(rows) + 1e-9
        if len(rows) >= LEAST_TRIMMED:
            shares = baseline_shares(rows, rows)
            assert not [found for found in above_goal(shares) if found[2] > found[3] + 0.015]


def test_a_log_uniform_set_is_hardly_touched():
    rng = np.random.default_rng(1)
    glances = [speed(float(np.exp(rng.uniform(1, 4.2))), noun) for _ in range(150) for noun in NOUNS[:3] + NOUNS[4:]]
    kept = balanced(glances, [False] * len(glances), rng, "full")
    assert len(kept) > 0.8 * len(glances)


def test_the_places_of_intervals_within_an_hour_come_equally_often():
    ends = [interval(3, 8.5, 12.0, (0.0, 12.0))] * 100
    inside = [interval(3, 2.0 + 0.05 * k, 5.0 + 0.1 * k, (0.0, 12.0)) for k in range(40)]
    others = [interval(h, 4.0, 6.0, (0.0, 12.0)) for h in (1, 2, 4, 5, 6, 7, 8, 9, 10, 11) for _ in range(60)]
    glances = ends + inside + others
    kept = balanced(glances, [False] * len(glances), np.random.default_rng(0), "partial")
    places = Counter(place_of(glances[k]) for k in kept if glances[k].hour == 3)
    assert abs(places["end"] - places["inside"]) <= max(2, 0.7 * min(places.values()))


@pytest.mark.parametrize(
    ("glance", "place"),
    [
        (interval(12, 0.0, 3.0), "start"),
        (interval(12, 2.0, 4.0, (2.0, 8.0)), "start"),
        (interval(3, 5.0, 8.0), "end"),
        (interval(3, 2.0, 5.0), "inside"),
        (interval(3, 5.0, 7.9), "end"),
        (direction(3), None),
    ],
)
def test_where_an_interval_lies(glance, place):
    assert place_of(glance) == place


def test_relations_and_yes_or_no_come_equally_often():
    def question(option):
        return single("over_speed_limit", Choice(option)) if option in ("yes", "no") else relation(option)

    for pair in (("same", "different"),):
        glances = [question(pair[0])] * 300 + [question(pair[1])] * 120
        kept = balanced(glances, [False] * len(glances), np.random.default_rng(0), "full")
        counts = Counter(glances[k].answer.option for k in kept)
        assert counts[pair[1]] == 120
        assert 120 <= counts[pair[0]] <= 1.25 * 120 + 1
        assert counts[pair[0]] <= 0.55 * len(kept)


def test_a_one_sided_set_keeps_nothing_in_full_and_a_few_in_part():
    rows = [direction(12)] * 100
    assert balanced(rows, [False] * 100, np.random.default_rng(0), "full") == []
    assert len(balanced(rows, [False] * 100, np.random.default_rng(0), "partial")) == ALWAYS_KEEP
    assert len(balanced(rows, [False] * 100, np.random.default_rng(0), "none")) == 100


@given(st.integers(1, ALWAYS_KEEP), st.integers(0, 1000))
def test_in_part_a_small_set_keeps_every_row(count, seed):
    kinds = [
        distance(5.0 / 3.6 * 8, "pedestrian"),
        distance(0.0),
        direction(12),
        interval(12, 0.0, 3.0),
        farther("red", "blue", nouns=("car", "bus")),
        relation("same"),
    ]
    rows = kinds * count
    assert balanced(rows, [False] * len(rows), np.random.default_rng(seed), "partial") == list(range(len(rows)))


def test_which_rows_go_depends_on_the_seed():
    rows = [distance(0.0)] * 20 + [single("traveled_distance", Quantity(5.0 * 1.7**k, "m")) for k in range(9)] * 5
    kept = [balanced(rows, [False] * len(rows), np.random.default_rng(seed), "partial") for seed in (0, 1)]
    assert kept[0] != kept[1]


def test_another_split_is_thinned_out_for_guessers_that_know_the_training_split_too():
    rng = np.random.default_rng(3)

    def pairs(count, winner_first):
        winners = [("red", "blue") if rng.random() < 0.5 else ("blue", "red") for _ in range(count)]
        return [farther(w, other, first=w if rng.random() < winner_first else other) for w, other in winners]

    # In training bicycles go 20 km/h and buses 60, in the other split the other way round; some of both do in each.
    train = [speed(v, n) for n, v in (("bicycle", 20.0), ("bus", 60.0)) for _ in range(90)]
    train += [speed(float(v), n) for n in ("bicycle", "bus") for v in np.geomspace(3, 180, 160)]
    test = [speed(v, n) for n, v in (("bicycle", 60.0), ("bus", 20.0)) for _ in range(60)]
    test += [speed(float(v), n) for n in ("bicycle", "bus") for v in np.geomspace(3, 180, 120)]
    train, test = train + pairs(300, 0.54), test + pairs(300, 0.62)
    kept = balanced(test, [False] * len(test), np.random.default_rng(0), "full", train)
    shares = baseline_shares(train, [test[k] for k in kept])
    assert len(kept) >= 2 * LEAST_TRIMMED
    assert not above_goal(shares)
