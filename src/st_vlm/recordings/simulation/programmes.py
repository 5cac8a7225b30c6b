"""Kinds of moving objects with true sizes and speeds, and random motion programmes for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.recordings.categories import is_person
from st_vlm.recordings.simulation.motion import Leg, Motion, bend_length, drive
from st_vlm.recordings.simulation.settings import Range, SceneSettings


@dataclass(frozen=True, kw_only=True)
class ObjectKind:
    """What an object of a category may look and move like. Ranges are (least, largest) in metres and seconds.

    Attributes:
        category: Track category, known to `recordings.categories`.
        length, width, height: Size of the cuboid.
        speed: Cruising speeds, see `draw_cruise`.
        odd: Speeds that are rare for the kind, slower or faster.
        radius: Tightest to widest turning radius.
        acceleration: Along the path.
        lateral: Across it, in turns.
        has_reverse: Whether it can go backwards.
        room: Metres it goes straight at most while it still turns; what stays in a small place turns more often.
    """

    category: str
    length: Range
    width: Range
    height: Range
    speed: Range
    odd: tuple[Range, ...]
    radius: Range
    acceleration: Range
    lateral: Range
    has_reverse: bool = False
    room: float = np.inf

    @property
    def on_foot(self) -> bool:
        return is_person(self.category)

    @property
    def speeds(self) -> Range:
        """The slowest and the fastest, odd or not."""
        return min(self.speed[0], *(odd[0] for odd in self.odd)), max(self.speed[1], *(odd[1] for odd in self.odd))


# Below 0.55 m/s nothing moves by the static test.
KINDS = {
    "car": ObjectKind(
        category="vehicle.car",
        length=(3.8, 4.9),
        width=(1.7, 2.0),
        height=(1.4, 1.8),
        speed=(2.0, 17.0),
        odd=((0.6, 2.0),),
        radius=(5.0, 40.0),
        acceleration=(1.2, 3.5),
        lateral=(1.5, 4.0),
        has_reverse=True,
    ),
    "truck": ObjectKind(
        category="vehicle.truck",
        length=(5.5, 9.0),
        width=(2.1, 2.6),
        height=(2.5, 3.6),
        speed=(1.5, 14.0),
        odd=((0.6, 1.5),),
        radius=(7.5, 40.0),
        acceleration=(0.8, 2.2),
        lateral=(1.0, 3.0),
        has_reverse=True,
    ),
    "bus": ObjectKind(
        category="vehicle.bus.rigid",
        length=(9.5, 12.5),
        width=(2.5, 2.9),
        height=(2.9, 3.5),
        speed=(1.5, 13.0),
        odd=((0.6, 1.5),),
        radius=(9.0, 40.0),
        acceleration=(0.7, 1.8),
        lateral=(1.0, 2.5),
        has_reverse=True,
    ),
    "bicycle": ObjectKind(
        category="vehicle.bicycle",
        length=(1.6, 1.85),
        width=(0.55, 0.7),
        height=(1.6, 1.85),
        speed=(1.2, 8.5),
        odd=((0.6, 1.2), (8.5, 12.0)),
        radius=(2.0, 15.0),
        acceleration=(0.7, 1.8),
        lateral=(1.0, 3.0),
    ),
    "motorcycle": ObjectKind(
        category="vehicle.motorcycle",
        length=(1.9, 2.3),
        width=(0.7, 0.9),
        height=(1.5, 1.75),
        speed=(1.5, 17.0),
        odd=((0.6, 1.5),),
        radius=(3.0, 30.0),
        acceleration=(1.2, 3.5),
        lateral=(1.5, 4.0),
    ),
    "pedestrian": ObjectKind(
        category="human.pedestrian.adult",
        length=(0.6, 0.8),
        width=(0.55, 0.75),
        height=(1.55, 1.95),
        speed=(0.8, 2.0),
        odd=((0.55, 0.8),),
        radius=(0.5, 4.0),
        acceleration=(0.6, 1.5),
        lateral=(0.8, 2.0),
    ),
    "jogger": ObjectKind(
        category="human.pedestrian.adult",
        length=(0.7, 0.9),
        width=(0.55, 0.75),
        height=(1.55, 1.95),
        speed=(2.0, 4.5),
        odd=((4.5, 8.0),),
        radius=(1.0, 8.0),
        acceleration=(0.8, 2.0),
        lateral=(1.0, 2.5),
    ),
    "player": ObjectKind(
        category="player",
        length=(0.7, 0.9),
        width=(0.6, 0.8),
        height=(1.65, 2.05),
        speed=(0.8, 7.0),
        odd=((0.55, 0.8), (7.0, 8.5)),
        radius=(0.6, 8.0),
        acceleration=(1.0, 3.5),
        lateral=(1.5, 4.0),
    ),
    # Remote-control models of about 1:10 to 1:6.
    "toy car": ObjectKind(
        category="toy.car",
        length=(0.35, 0.6),
        width=(0.2, 0.32),
        height=(0.15, 0.25),
        speed=(0.7, 4.5),
        odd=((4.5, 6.0),),
        radius=(0.4, 4.0),
        acceleration=(1.0, 3.5),
        lateral=(1.5, 4.2),
        has_reverse=True,
        room=2.5,
    ),
    "toy truck": ObjectKind(
        category="toy.truck",
        length=(0.45, 0.7),
        width=(0.3, 0.46),
        height=(0.24, 0.36),
        speed=(0.7, 3.5),
        odd=((3.5, 5.0),),
        radius=(0.5, 4.0),
        acceleration=(0.8, 3.0),
        lateral=(1.2, 4.0),
        has_reverse=True,
        room=2.5,
    ),
}
# Headings that follow one another differ by hours of these weights, by the hours' distance from 12: large turns are
# seen to their end less often.
_HOUR_WEIGHTS = np.array([0.0, 0.3, 0.4, 0.8, 2.5, 3.0, 3.0])
# Slowest and fastest, as shares of the cruising speed, of what goes unevenly.
_UNEVEN = (0.25, 2.0)
_REVERSING_SPEED = (0.3, 0.9)
_FAST = 9.0
# Radians a second on average: a turn at a crossing, and a sweep, of which every hour on the way is seen for a while.
_TURN_RATE = (np.radians(60), np.radians(150))
_SWEEP_RATE = (np.radians(11), np.radians(20))


def log_uniform(rng: np.random.Generator, bounds: Range) -> float:
    """A number between the bounds whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def draw_cruise(rng: np.random.Generator, kind: ObjectKind, odd_speeds: float) -> float:
    """A cruising speed in m/s, from one of the kind's odd ranges for a share `odd_speeds`.

    Log-uniform, but leaning to the fast end of what is usual: stops and turns slow it, and fast ones are seen briefly.
    """
    if rng.random() < odd_speeds:
        return log_uniform(rng, kind.odd[rng.integers(len(kind.odd))])
    low, high = np.log(kind.speed)
    return float(np.exp(low + (high - low) * rng.random() ** 0.75))


def draw_turns(rng: np.random.Generator, kind: ObjectKind) -> list[float]:
    """The heading changes of a programme in radians, each within some degrees of a clock hour.

    Mostly several: what turns again shows the heading between for a while.
    """
    hours = np.arange(-5, 7)
    likely = _HOUR_WEIGHTS[np.abs(hours)]
    count = rng.choice([1, 2, 3, 4], p=[0.1, 0.25, 0.35, 0.3]) if np.isinf(kind.room) else rng.integers(3, 11)
    turns = 30.0 * rng.choice(hours, size=count, p=likely / likely.sum())
    turns = np.where(np.abs(turns) == 180, turns * rng.choice([-1, 1], size=len(turns)), turns)
    return [float(np.radians(turn + rng.uniform(-4, 4))) for turn in turns]


def draw_legs(
    rng: np.random.Generator, kind: ObjectKind, cruise: float, duration_s: float, settings: SceneSettings
) -> list[Leg]:
    """Legs that last at least `duration_s`: straights, turns, changes of speed, stops, reversing."""
    lateral = rng.uniform(*kind.lateral)
    legs: list[Leg] = []
    stops, at_first = rng.random() < settings.stopping, rng.random() < 0.5
    if stops and at_first:
        legs.append(Leg(cruise, 0.0, pause=rng.uniform(1.0, 6.0)))
    bends = rng.random() < settings.turning * (0.7 if cruise > _FAST else 1.0)
    for turn in draw_turns(rng, kind) if bends else []:
        legs.append(Leg(cruise, min(cruise * rng.uniform(1.6, 3.2), kind.room * rng.uniform(0.4, 1.0))))
        # At this rate, unless the object cannot turn as tightly, or would have to brake from a high speed to a crawl
        # where there is room for a wide turn.
        rate = log_uniform(rng, _SWEEP_RATE if rng.random() < 0.1 else _TURN_RATE)
        tightest = max(kind.radius[0], (0.5 * cruise) ** 2 / lateral)
        radius = max(tightest, min(kind.radius[1], cruise / (1.5 * rate)))
        legs.append(Leg(min(cruise, float(np.sqrt(lateral * radius))), bend_length(turn, radius), turn))
    legs.append(Leg(cruise, cruise * rng.uniform(3.0, 8.0)))
    legs.append(Leg(cruise, cruise * duration_s + kind.speed[1]))
    if rng.random() < settings.speed_changes:
        legs = _uneven(rng, kind, legs, duration_s)
    if stops and not at_first:
        at = rng.integers(len(legs) - 1)
        pause = duration_s if rng.random() < 0.2 else rng.uniform(1.5, 5.0)
        legs[at] = Leg(legs[at].speed, legs[at].length, legs[at].turn, pause)
    if kind.has_reverse and rng.random() < settings.reversing:
        legs = _reversed(rng, legs, cruise, duration_s)
    return legs


def _uneven(rng: np.random.Generator, kind: ObjectKind, legs: list[Leg], duration_s: float) -> list[Leg]:
    """Legs of which the straight ones are cut into stretches of some seconds, each at a speed of its own."""
    cut: list[Leg] = []
    for leg in legs:
        if leg.turn != 0 or leg.length == 0:
            cut.append(leg)
            continue
        left = min(leg.length / leg.speed, duration_s)
        while left > 0:
            speed = float(np.clip(leg.speed * log_uniform(rng, _UNEVEN), *kind.speeds))
            seconds = min(left, rng.uniform(1.5, 3.0))
            cut.append(Leg(speed, speed * seconds))
            left -= seconds
    return [*cut, legs[-1]]


def _reversed(rng: np.random.Generator, legs: list[Leg], cruise: float, duration_s: float) -> list[Leg]:
    """Legs that from one of them on are driven backwards, after a stop."""
    # Early, so that it is seen.
    at = rng.integers(1, min(len(legs), 6))
    back = min(cruise * rng.uniform(*_REVERSING_SPEED), 4.0)
    before = [*legs[: at - 1], Leg(legs[at - 1].speed, legs[at - 1].length, legs[at - 1].turn, rng.uniform(1.0, 2.5))]
    return [*before, *(Leg(-back, g.length, g.turn, g.pause) for g in legs[at:-1]), Leg(-back, back * 2 * duration_s)]


def draw_motion(
    rng: np.random.Generator, kind: ObjectKind, cruise: float, duration_s: float, settings: SceneSettings
) -> Motion:
    """A random motion of this kind around a cruising speed in m/s, with its accelerations within the kind's bounds."""
    return drive(draw_legs(rng, kind, cruise, duration_s, settings), rng.uniform(*kind.acceleration), duration_s)


def draw_size(rng: np.random.Generator, kind: ObjectKind) -> np.ndarray:
    """(3,) length, width, height in metres."""
    return np.array([rng.uniform(*bounds) for bounds in (kind.length, kind.width, kind.height)])
