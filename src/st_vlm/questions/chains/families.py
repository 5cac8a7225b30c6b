"""The families of reasoning questions: what each takes from the knowledge table, how it calculates, what it concludes.

A family is data: its topics, its formulas over named numbers, and the rule that turns the last of them into an answer.
The names of the measured numbers: `distance` (metres) and `duration` (seconds) of one object, `distance_1`,
`distance_2` and `duration` of two, `leg_1`, `leg_2`, … of a path with turns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from st_vlm.questions.answers import Answer, Choice, Quantity

# Below this a number of two decimals is too coarse to be an answer.
LEAST_VALUE = 0.5
# As for comparisons of two objects, nothing is asked about what is nearly as fast as something.
MARGIN_SHARE = 0.15
LEAST_GAIN_KMH = 1.0
LEAST_BRAKING_KMH = 10.0

Numbers = Mapping[str, float]


@dataclass(frozen=True)
class Topic:
    """A topic of the knowledge table in a family's sentences and formulas.

    Attributes:
        name: In `knowledge.TOPICS`.
        words: Placeholder of its name.
        number: Placeholder of its value, and what formulas call it.
        choice: How an entry is chosen: `any` by chance; `near` one just above or below the object's speed, by chance;
            `object` the one of the object's kind; `same` always the same.
    """

    name: str
    words: str
    number: str
    choice: Literal["any", "near", "object", "same"] = "any"


@dataclass(frozen=True)
class Rule:
    """How a step is calculated: its name, what it is, its formula and unit."""

    name: str
    text: str
    formula: str
    unit: str


@dataclass(frozen=True)
class Family:
    """One kind of question.

    Attributes:
        task: Task id.
        measures: What is measured: one object, two, or one object's path leg by leg.
        rules: The steps in their order; a path's sum is added by itself.
        conclude: The answer from all numbers of the chain, or None where it would be too close, too small or odd.
        topics: What is known.
        supposes: Numbers and words that the question itself supposes.
        kinds: Of objects that are asked about: `any`, or only `people` or what is none (`vehicles`).
    """

    task: str
    measures: Literal["one", "two", "legs"]
    rules: tuple[Rule, ...]
    conclude: Callable[[Numbers], Answer | None]
    topics: tuple[Topic, ...] = ()
    supposes: tuple[str, ...] = ()
    kinds: Literal["any", "people", "vehicles"] = "any"


def _quantity(name: str, unit: str, least: float = LEAST_VALUE) -> Callable[[Numbers], Answer | None]:
    return lambda numbers: Quantity(numbers[name], unit) if numbers[name] >= least else None


def _is_above(name: str, other: str) -> Callable[[Numbers], Answer | None]:
    """Yes where a number exceeds another, no where it is below; None within the margin."""

    def conclude(numbers: Numbers) -> Answer | None:
        one, two = numbers[name], numbers[other]
        if abs(one - two) < MARGIN_SHARE * max(one, two):
            return None
        return Choice("yes" if one > two else "no")

    return conclude


def _times_slower(numbers: Numbers) -> Answer | None:
    return Quantity(numbers["ratio"], "times") if numbers["ratio"] >= 1 / (1 - MARGIN_SHARE) else None


def _stops_within(numbers: Numbers) -> Answer | None:
    return Quantity(numbers["total"], "m") if numbers["speed"] >= LEAST_BRAKING_KMH else None


def _catches_up(numbers: Numbers) -> Answer | None:
    clear = numbers["gain"] >= LEAST_GAIN_KMH and min(numbers["speed_1"], numbers["speed_2"]) > 0
    return Quantity(numbers["seconds"], "s") if clear else None


def _team_of_faster(numbers: Numbers) -> Answer | None:
    first_is_home, first_is_faster = numbers["first_is_home"] == 1.0, numbers["speed_1"] > numbers["speed_2"]
    return Choice("home" if first_is_home == first_is_faster else "away")


_SPEED = Rule("speed", "average speed", "3.6 * distance / duration", "km/h")
_SPEEDS = tuple(
    Rule(f"speed_{k}", f"average speed of the {nth}", f"3.6 * distance_{k} / duration", "km/h")
    for k, nth in ((1, "first"), (2, "second"))
)
_RATE = Rule("rate", "average speed in metres per second", "speed / 3.6", "m/s")
_EVENT = Topic("durations", "event", "event_min")
_MOVER = Topic("typical_speeds", "mover", "mover_kmh")

FAMILIES: dict[str, Family] = {
    family.task: family
    for family in (
        Family(
            "city_travel_time",
            "one",
            (_SPEED, Rule("hours", "time for the distance between the cities", "cities_km / speed", "h")),
            _quantity("hours", "h"),
            (Topic("city_distances", "cities", "cities_km"),),
        ),
        Family(
            "times_slower",
            "one",
            (_SPEED, Rule("ratio", "ratio of the two speeds", "mover_kmh / speed", "times")),
            _times_slower,
            (_MOVER,),
        ),
        Family("faster_team", "two", _SPEEDS, _team_of_faster, supposes=("first_team", "second_team"), kinds="people"),
        Family("path_length", "legs", (), _quantity("length", "m")),
        Family(
            "over_speed_limit",
            "one",
            (_SPEED,),
            _is_above("speed", "limit_kmh"),
            (Topic("speed_limits", "place", "limit_kmh", "near"),),
            kinds="vehicles",
        ),
        Family(
            "race_time",
            "one",
            (_SPEED, Rule("hours", "time for the race", "race_km / speed", "h")),
            _quantity("hours", "h"),
            (Topic("race_lengths", "race", "race_km"),),
        ),
        Family(
            "laps_in_time",
            "one",
            (
                _SPEED,
                Rule("metres", "distance in that time", "1000 * speed * event_min / 60", "m"),
                Rule("laps", "number of laps", "metres / track_m", "laps"),
            ),
            _quantity("laps", "laps"),
            (Topic("lap_lengths", "track", "track_m"), _EVENT),
        ),
        Family(
            "stopping_distance",
            "one",
            (
                _SPEED,
                _RATE,
                Rule("reaction", "distance while the driver reacts", "rate * reaction_s", "m"),
                Rule("braking", "braking distance", "rate * rate / (2 * surface_ms2)", "m"),
                Rule("total", "stopping distance", "reaction + braking", "m"),
            ),
            _stops_within,
            (
                Topic("decelerations", "surface", "surface_ms2"),
                Topic("reaction_times", "reaction_name", "reaction_s", "same"),
            ),
            kinds="vehicles",
        ),
        Family(
            "catching_up",
            "two",
            (
                *_SPEEDS,
                Rule("gain", "difference of the speeds", "fast - slow", "km/h"),
                Rule("seconds", "time to make up the head start", "3.6 * metres / gain", "s"),
            ),
            _catches_up,
            supposes=("metres",),
        ),
        Family(
            "kinetic_energy",
            "one",
            (_SPEED, _RATE, Rule("energy", "kinetic energy", "kind_kg * rate * rate / 2 / 1000", "kJ")),
            _quantity("energy", "kJ"),
            (Topic("masses", "kind", "kind_kg", "object"),),
        ),
        Family(
            "keeping_pace",
            "one",
            (_SPEED,),
            _is_above("mover_kmh", "speed"),
            (Topic("typical_speeds", "mover", "mover_kmh", "near"),),
        ),
        Family(
            "distance_in_time",
            "one",
            (_SPEED, Rule("kilometres", "distance in that time", "speed * event_min / 60", "km")),
            _quantity("kilometres", "km"),
            (_EVENT,),
        ),
    )
}
