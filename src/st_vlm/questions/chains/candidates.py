"""Which reasoning questions a clip allows, and which facts each is asked with.

Facts, teams and head starts are drawn by the clip's id, the task, the objects and the seed alone, so that they do not
depend on what else is asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations

import numpy as np

from st_vlm.questions.answers import TEAMS
from st_vlm.questions.chains.families import FAMILIES, MARGIN_SHARE, Family, Topic
from st_vlm.questions.chains.solving import Solved, measure, solve
from st_vlm.questions.clips import Clip
from st_vlm.questions.knowledge import Entry, Knowledge, load_knowledge
from st_vlm.questions.motion import SpanMotion
from st_vlm.questions.reasoning import Given
from st_vlm.questions.tasks import Candidate, Task, _common_span, _pair, _single
from st_vlm.recordings.categories import is_person, noun

HEAD_STARTS_M = (10, 20, 50, 100, 200)
# How many sets of facts are tried for a question before it is given up.
_TRIES = 4


def reasoning_candidates(task: str, clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    """The questions of one family about a clip: one an object, or one a pair of objects."""
    family = FAMILIES[task]
    number = 2 if family.measures == "two" else 1
    found = (
        _asked(family, clip, objects, random.Random(f"{_seed(rng)}/{clip.id}/{task}/{objects}"))
        for objects in combinations(range(len(clip.objects)), number)
    )
    return [candidate for candidate in found if candidate is not None]


REASONING_CANDIDATES: dict[str, Task] = {task: partial(reasoning_candidates, task) for task in FAMILIES}


def choose(
    family: Family, motions: Sequence[SpanMotion], kind: str, knowledge: Knowledge, draw: random.Random
) -> Solved | None:
    """A question of a family about these motions, with facts by chance; None where it has none.

    Args:
        family: Which.
        motions: Of one object, or two.
        kind: Noun of the first object.
        knowledge: The table.
        draw: Chance.
    """
    found = measure(family, motions)
    if found is None:
        return None
    supposed = _supposed(family, draw)
    speed = motions[0].mean_speed_kmh
    choices = [_entries(topic, speed, kind, knowledge, draw) for topic in family.topics]
    for number, entries in enumerate(_together(choices)):
        facts = tuple(
            Given(f"{topic.name}/{entry.key}", entry.name, entry.value, entry.unit)
            for topic, entry in zip(family.topics, entries, strict=True)
        )
        solved = solve(family, (*facts, *supposed), found, knowledge.version)
        if solved is not None or number + 1 == _TRIES:
            return solved
    return None


def _asked(family: Family, clip: Clip, objects: tuple[int, ...], draw: random.Random) -> Candidate | None:
    """The question of a family about an object, or about a pair in an order of naming that is drawn."""
    first = clip.objects[objects[0]]
    people = [is_person(clip.objects[k].track.category) for k in objects]
    if (family.kinds == "people" and not all(people)) or (family.kinds == "vehicles" and any(people)):
        return None
    if len(objects) == 2:
        common = _common_span(clip, objects)
        if common is None:
            return None
        start, end, covers = common
        objects = tuple(draw.sample(objects, 2))
        motions = [clip.motion(k, start, end) for k in objects]
    else:
        motions = [first.motion]
    solved = choose(family, motions, noun(first.track.category), load_knowledge(), draw)
    if solved is None:
        return None
    answer, chain = solved
    if len(objects) == 2:
        made = _pair(clip, family.task, objects, start, end, not covers, answer)
    else:
        made = _single(clip, family.task, objects[0], answer)
    metres = chain.premise("metres").value if "metres" in family.supposes else None
    return replace(made, reasoning=chain, metres=metres)


def _together(choices: Sequence[Sequence[Entry]]) -> Iterator[tuple[Entry, ...]]:
    """Sets of one entry a topic: all first ones, all second ones, and so on; short lists begin again."""
    if all(choices):
        longest = max(map(len, choices), default=1)
        for k in range(longest):
            yield tuple(entries[k % len(entries)] for entries in choices)


def _entries(topic: Topic, speed_kmh: float, kind: str, knowledge: Knowledge, draw: random.Random) -> list[Entry]:
    """The entries that may be asked with, in the order in which they are tried."""
    entries = list(knowledge.entries(topic.name))
    if topic.choice == "same":
        return entries[:1]
    if topic.choice == "object":
        key = kind.replace(" ", "_")
        return [knowledge.entry(topic.name, key)] if knowledge.has(topic.name, key) else []
    if topic.choice == "near":
        return _near(entries, speed_kmh, draw)
    draw.shuffle(entries)
    return entries


def _near(entries: Sequence[Entry], speed_kmh: float, draw: random.Random) -> list[Entry]:
    """One of the nearest entries below a speed, or one of the nearest above it, with equal chances.

    Nothing where either side is empty: the answer would be known beforehand. The nearest, so that the entry itself
    does not tell: slow limits would always be broken and fast ones never.
    """
    below = [entry for entry in entries if entry.value <= (1 - MARGIN_SHARE) * speed_kmh]
    above = [entry for entry in entries if speed_kmh <= (1 - MARGIN_SHARE) * entry.value]
    if not below or not above:
        return []
    if draw.random() < 0.5:
        nearest = max(entry.value for entry in below)
        side = below
    else:
        nearest = min(entry.value for entry in above)
        side = above
    return [draw.choice([entry for entry in side if entry.value == nearest])]


def _supposed(family: Family, draw: random.Random) -> tuple[Given, ...]:
    supposed = []
    if "first_team" in family.supposes:
        first, second = draw.sample(TEAMS, 2)
        supposed += [Given("supposed/first_team", first), Given("supposed/second_team", second)]
    if "metres" in family.supposes:
        supposed.append(Given("supposed/metres", "head start", float(draw.choice(HEAD_STARTS_M)), "m"))
    return tuple(supposed)


def _seed(rng: np.random.Generator) -> int:
    """What a generator was made from, whatever has been drawn from it since."""
    return rng.bit_generator.seed_seq.entropy
