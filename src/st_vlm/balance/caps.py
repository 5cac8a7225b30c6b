"""Caps on what is common in a set of questions (DEFINITIONS, "Balance", "Headings", "Comparisons").

Each cap names a crowd among some rows, and the largest share of these rows that it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from math import floor, log

import numpy as np

from st_vlm.evaluation.glance import Glance
from st_vlm.questions.answers import Choice, ClockHour, Count, Quantity
from st_vlm.questions.forms import task_form
from st_vlm.recordings.categories import is_person
from st_vlm.video.marks import COLOURS

WALKING_KMH = (3.2, 6.4)
MOST_WALKING = 0.2
MOST_STATIC = 0.1
MOST_AHEAD = {"moving_direction": 0.25, "direction_timestamp": 0.2}
MOST_MIXED = 0.2
# Over the whole clip farther is faster: were most stated parts to reverse that, the slower would be the answer.
MOST_REVERSED = 0.5
MOST_COUNTING_NONE = 0.5
MOST_OF_ONE_HOUR = 0.15
MOST_OF_ONE_KIND = 0.3
# A cell of log-speed spans a factor of 1.5; one guess meets truths within a factor of 1.67.
SPEED_FACTOR = 1.5
MOST_OF_ONE_SPEED = 0.2
# Where there are too few kinds, speeds or places for a share, they come at most so much more often than equally.
_UNEVEN = 1.25

_END_WITHIN_S = 0.25


def capped(
    rows: Sequence[int],
    glances: Sequence[Glance],
    reversed_winner: Sequence[bool],
    rng: np.random.Generator,
    floor_rows: int = 0,
) -> list[int]:
    """Of some rows of one task, ascending, those that stay so that every cap holds.

    Args:
        rows: Indices into `glances` and `reversed_winner`.
        glances: Of a whole set.
        reversed_winner: Of each, whether the faster of two is behind over the whole clip.
        rng: Picks the rows that go.
        floor_rows: Of every crowd at least so many stay, whatever its share.
    """
    rows = list(rows)
    before = None
    # Each cap takes from the total that another is a share of, so they are gone through until none bites.
    while before != len(rows) and rows:
        before = len(rows)
        task = glances[rows[0]].task
        for crowd, share in crowds(task, glances, reversed_winner):
            rows = _capped(rows, crowd, share, rng, floor_rows)
        for cell, whole, share in _cells(task):
            keys = {k: (whole(glances[k]), cell(glances[k])) for k in rows}
            rows = _even(rows, keys, share, rng, floor_rows)
    return rows


def crowds(
    task: str, glances: Sequence[Glance], reversed_winner: Sequence[bool]
) -> list[tuple[Callable[[int], bool], float]]:
    """What is common among the questions of a task, as a test of their indices, and the largest share it may have."""
    return [
        (lambda k: is_walking(glances[k]), MOST_WALKING),
        (lambda k: is_static(glances[k]), MOST_STATIC),
        (lambda k: hour_of(glances[k]) == 12, MOST_AHEAD.get(task, 1.0)),
        (lambda k: len(set(glances[k].nouns)) > 1, MOST_MIXED),
        (lambda k: reversed_winner[k], MOST_REVERSED),
        (lambda k: glances[k].answer == Count(0), MOST_COUNTING_NONE),
    ]


def is_walking(glance: Glance) -> bool:
    """A distance or speed of a person at walking pace."""
    return bool(glance.nouns) and is_person(glance.nouns[0]) and WALKING_KMH[0] <= speed_kmh(glance) <= WALKING_KMH[1]


def is_static(glance: Glance) -> bool:
    """A distance or speed of 0."""
    return isinstance(glance.answer, Quantity) and glance.answer.value == 0


def hour_of(glance: Glance) -> int | None:
    """The hour that is answered or asked for."""
    return glance.answer.hour if isinstance(glance.answer, ClockHour) else glance.hour


def speed_kmh(glance: Glance) -> float:
    """The true mean speed where a distance or a speed is asked for, else 0."""
    match glance.answer:
        case Quantity(value, "km/h"):
            return value
        case Quantity(value, "m"):
            return 3.6 * value / glance.duration_s
    return 0.0


def place_of(glance: Glance) -> str | None:
    """Where an interval lies in the span that is asked about: at its `start`, its `end`, or `inside`."""
    if glance.hour is None or glance.task != "direction_timestamp":
        return None
    if glance.answer.start_s <= glance.start_s + _END_WITHIN_S:
        return "start"
    return "end" if glance.answer.end_s >= glance.end_s - _END_WITHIN_S else "inside"


Key = Callable[[Glance], Hashable]


def _cells(task: str) -> list[tuple[Key, Key, float]]:
    """What comes evenly: (cell, of which rows it is a share, largest share); a cell of None is never capped."""
    if task in ("traveled_distance", "traveling_speed"):
        return [(_speed_cell, _kind, MOST_OF_ONE_SPEED), (_kind, _all, MOST_OF_ONE_KIND)]
    if task == "moving_direction":
        return [(_turned_hour, _all, MOST_OF_ONE_HOUR)]
    if task == "direction_timestamp":
        return [(place_of, hour_of, 0.0), (_turned_hour, _all, MOST_OF_ONE_HOUR)]
    form = task_form(task)
    if form.answer is Choice and form.options != COLOURS:
        return [(lambda glance: glance.answer.option, _all, 0.0)]
    return []


def _all(glance: Glance) -> None:
    return None


def _kind(glance: Glance) -> str | None:
    return None if is_static(glance) else glance.nouns[0]


def _speed_cell(glance: Glance) -> int | None:
    return None if is_static(glance) else floor(log(max(speed_kmh(glance), 0.1)) / log(SPEED_FACTOR))


def _turned_hour(glance: Glance) -> int | None:
    hour = hour_of(glance)
    return None if hour == 12 else hour


def _capped(
    rows: list[int], crowd: Callable[[int], bool], share: float, rng: np.random.Generator, floor_rows: int
) -> list[int]:
    """Drop members of a crowd until it is at most `share` of what is left."""
    if share >= 1.0:
        return rows
    members = [k for k in rows if crowd(k)]
    others = len(rows) - len(members)
    return drop_to(rows, members, max(floor_rows, int(share * others / (1.0 - share) + 1e-9)), rng)


def _even(
    rows: list[int],
    keys: dict[int, tuple[Hashable, Hashable]],
    share: float,
    rng: np.random.Generator,
    floor_rows: int,
) -> list[int]:
    """Drop members of the cells that are more than a share of their whole, or than an even share and a quarter.

    Args:
        keys: Of each row its whole and its cell.
    """
    members: dict[Hashable, dict[Hashable, list[int]]] = {}
    for k in rows:
        whole, cell = keys[k]
        if cell is not None:
            members.setdefault(whole, {}).setdefault(cell, []).append(k)
    for of_whole in members.values():
        if len(of_whole) < 2:
            continue
        sizes = [len(found) for found in of_whole.values()]
        # A few rows in a tail do not make one more cell to share among: this counts the cells by their weight.
        weighty = sum(sizes) ** 2 / sum(size**2 for size in sizes) if share else len(sizes)
        most = _level(sizes, max(share, _UNEVEN / weighty))
        for found in of_whole.values():
            rows = drop_to(rows, found, max(floor_rows, most), rng)
    return rows


def _level(sizes: list[int], share: float) -> int:
    """The largest size to which all can be cut so that none is more than `share` of what is left of them."""
    for level in sorted(set(sizes), reverse=True):
        if level <= share * sum(min(size, level) for size in sizes) + 1e-9:
            return level
        # Between this size and the next smaller one only the larger shrink: solve for the level.
        larger = sum(size >= level for size in sizes)
        below = max((size for size in sizes if size < level), default=0)
        rest = sum(size for size in sizes if size < level)
        if share * larger < 1.0:
            fitting = int(share * rest / (1.0 - share * larger) + 1e-9)
            if fitting >= below:
                return min(level, fitting)
    return min(sizes)


def drop_to(rows: list[int], members: list[int], most: int, rng: np.random.Generator) -> list[int]:
    """Rows without so many random members that `most` of these are left."""
    if len(members) <= most:
        return rows
    gone = {members[k] for k in rng.permutation(len(members))[most:]}
    return [k for k in rows if k not in gone]
