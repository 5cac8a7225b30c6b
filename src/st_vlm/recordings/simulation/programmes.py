"""Kinds of moving objects with true sizes and speeds, and random motion programmes for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.recordings.categories import is_person
from st_vlm.recordings.simulation.motion import Leg, Motion, bend_length, drive

Range = tuple[float, float]


@dataclass(frozen=True)
class ObjectKind:
    """What an object of a category may look and move like. Ranges are (least, largest) in metres and seconds.

    Attributes:
        category: Track category, known to `recordings.categories`.
        length, width, height: Size of the cuboid.
        speed: Cruising speeds, see `draw_cruise`.
        radius: Tightest to widest turning radius.
        acceleration: Along the path.
        lateral: Across it, in turns.
        reverses: Share of programmes that reverse.
    """

    category: str
    length: Range
    width: Range
    height: Range
    speed: Range
    radius: Range
    acceleration: Range
    lateral: Range
    reverses: float = 0.0

    @property
    def on_foot(self) -> bool:
        return is_person(self.category)


KINDS = {
    "car": ObjectKind(
        "vehicle.car", (3.8, 4.9), (1.7, 2.0), (1.4, 1.8), (2.0, 17.0), (5.0, 40.0), (1.2, 3.5), (1.5, 4.0), 0.1
    ),
    "truck": ObjectKind(
        "vehicle.truck", (5.5, 9.0), (2.1, 2.6), (2.5, 3.6), (1.5, 14.0), (7.5, 40.0), (0.8, 2.2), (1.0, 3.0), 0.1
    ),
    "bus": ObjectKind(
        "vehicle.bus.rigid", (9.5, 12.5), (2.5, 2.9), (2.9, 3.5), (1.5, 13.0), (9.0, 40.0), (0.7, 1.8), (1.0, 2.5)
    ),
    "bicycle": ObjectKind(
        "vehicle.bicycle", (1.6, 1.85), (0.55, 0.7), (1.6, 1.85), (1.2, 8.5), (2.0, 15.0), (0.7, 1.8), (1.0, 3.0)
    ),
    "motorcycle": ObjectKind(
        "vehicle.motorcycle", (1.9, 2.3), (0.7, 0.9), (1.5, 1.75), (1.5, 17.0), (3.0, 30.0), (1.2, 3.5), (1.5, 4.0)
    ),
    "pedestrian": ObjectKind(
        "human.pedestrian.adult",
        (0.6, 0.8),
        (0.55, 0.75),
        (1.55, 1.95),
        (0.8, 2.0),
        (0.5, 4.0),
        (0.6, 1.5),
        (0.8, 2.0),
    ),
    "jogger": ObjectKind(
        "human.pedestrian.adult",
        (0.7, 0.9),
        (0.55, 0.75),
        (1.55, 1.95),
        (2.0, 4.5),
        (1.0, 8.0),
        (0.8, 2.0),
        (1.0, 2.5),
    ),
    "player": ObjectKind(
        "player", (0.7, 0.9), (0.6, 0.8), (1.65, 2.05), (0.8, 7.0), (0.6, 8.0), (1.0, 3.5), (1.5, 4.0)
    ),
}
# By the size of the turn in hours: turning back is drawn more often, because it is seen to its end less often.
_HOUR_WEIGHTS = np.array([1.0, 1.0, 1.0, 1.1, 1.2, 2.0, 1.7])
_REVERSING_SPEED = (0.8, 3.0)


def log_uniform(rng: np.random.Generator, bounds: Range) -> float:
    """A number between the bounds whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]))))


def draw_cruise(rng: np.random.Generator, kind: ObjectKind) -> float:
    """A cruising speed in m/s: log-uniform for people, leaning to the fast end for vehicles (turns slow them)."""
    low, high = np.log(kind.speed)
    return float(np.exp(low + (high - low) * rng.random() ** (1.0 if kind.on_foot else 0.6)))


def draw_turns(rng: np.random.Generator, straight: float) -> list[float]:
    """The heading changes of a programme in radians; their sum is one of the twelve clock hours.

    The share `straight` goes straight on; 12 o'clock of the others is several turns that cancel.
    """
    count = rng.choice(
        [0, 1, 2, 3], p=np.array([1.0, 0.0, 0.0, 0.0]) * straight + np.array([0.0, 0.56, 0.31, 0.13]) * (1 - straight)
    )
    if count == 0:
        return []
    hours = np.arange(-5, 7)
    likely = _HOUR_WEIGHTS[np.abs(hours)] * ((hours != 0) | (count > 1))
    total = 30.0 * rng.choice(hours, p=likely / likely.sum())
    if abs(total) == 180:
        total *= rng.choice([-1, 1])
    turns = list(rng.choice([-120, -90, -60, -30, 30, 60, 90, 120], size=count - 1))
    turns.append((total - sum(turns) + 180) % 360 - 180)
    return [float(np.radians(turn + rng.uniform(-4, 4))) for turn in turns if abs(turn) > 1]


def draw_legs(rng: np.random.Generator, kind: ObjectKind, cruise: float, duration_s: float) -> list[Leg]:
    """Legs that last at least `duration_s`: straights, turns, changes of speed, stops, reversing."""
    lateral = rng.uniform(*kind.lateral)
    legs: list[Leg] = []
    if rng.random() < 0.12:
        legs.append(Leg(cruise, 0.0, pause=rng.uniform(1.0, 5.0)))
    for turn in draw_turns(rng, 0.35 if cruise > 9.0 else 0.1):
        legs.append(Leg(cruise, cruise * rng.uniform(2.0, 5.0)))
        # A turn takes some seconds, not half the recording, unless the object cannot turn tighter.
        widest = min(kind.radius[1], cruise * rng.uniform(2.0, 6.0) / (1.5 * abs(turn)))
        # Nor does anyone brake from a high speed to a crawl where there is room for a wide turn.
        tightest = min(max(kind.radius[0], (0.5 * cruise) ** 2 / lateral), max(widest, kind.radius[0]))
        radius = log_uniform(rng, (tightest, max(widest, tightest * 1.01)))
        legs.append(Leg(min(cruise, float(np.sqrt(lateral * radius))), bend_length(turn, radius), turn))
    legs.append(Leg(cruise, cruise * rng.uniform(3.0, 8.0)))
    legs.append(Leg(cruise, cruise * duration_s + kind.speed[1]))
    if rng.random() < 0.3:
        change = float(np.clip(cruise * rng.uniform(0.4, 2.0), *kind.speed))
        at = rng.integers(len(legs))
        legs[at:] = [Leg(change, g.length * change / cruise, 0.0, g.pause) if g.turn == 0 else g for g in legs[at:]]
    if rng.random() < 0.3:
        at = rng.integers(len(legs) - 1)
        pause = duration_s if rng.random() < 0.2 else rng.uniform(1.5, 4.0)
        legs[at] = Leg(legs[at].speed, legs[at].length, legs[at].turn, pause)
    if rng.random() < kind.reverses:
        at = rng.integers(1, len(legs))
        legs[at - 1] = Leg(legs[at - 1].speed, legs[at - 1].length, legs[at - 1].turn, rng.uniform(1.0, 2.5))
        back = rng.uniform(*_REVERSING_SPEED)
        legs[at:] = [Leg(-back, g.length, g.turn, g.pause) for g in legs[at:-1]] + [Leg(-back, back * 2 * duration_s)]
    return legs


def draw_motion(rng: np.random.Generator, kind: ObjectKind, cruise: float, duration_s: float) -> Motion:
    """A random motion of this kind around a cruising speed in m/s, with its accelerations within the kind's bounds."""
    return drive(draw_legs(rng, kind, cruise, duration_s), rng.uniform(*kind.acceleration), duration_s)


def draw_size(rng: np.random.Generator, kind: ObjectKind) -> np.ndarray:
    """(3,) length, width, height in metres."""
    return np.array([rng.uniform(*bounds) for bounds in (kind.length, kind.width, kind.height)])
