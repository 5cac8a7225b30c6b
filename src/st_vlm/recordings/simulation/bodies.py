"""What objects are made of: coloured cuboid parts whose union fills the annotated box."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np


class Paint(IntEnum):
    """How a part's faces are painted. Coordinates on faces are shares of the part, except for BUILDING."""

    PLAIN = 0
    LAMPS = 1  # pale lamps on the front face, dull ones on the rear face
    GLASS = 2  # dark panes on the upright faces, with posts between them
    COACH = 3  # a band of windows along the upright faces, and lamps
    BUILDING = 4  # a grid of windows, 3 m apart
    PANELS = 5  # upright seams


@dataclass(frozen=True, eq=False)
class Parts:
    """P cuboids in the frame of the object they belong to (x forward, y left, z up, origin in the box centre).

    Attributes:
        low, high: (P, 3) corners in metres.
        colours: (P, 3) RGB 0-255.
        paints: (P,) `Paint`.
    """

    low: np.ndarray
    high: np.ndarray
    colours: np.ndarray
    paints: np.ndarray


_TYRE = (28, 28, 30)
_GLASS = (42, 50, 58)
_SKIN = ((224, 187, 160), (198, 150, 118), (150, 105, 78), (98, 68, 52))
_HAIR = ((40, 32, 28), (78, 56, 40), (120, 96, 66), (150, 148, 145))


def muted_colour(rng: np.random.Generator) -> tuple[float, float, float]:
    """A paint or cloth colour of low saturation: saturated red, blue, green and yellow are the colours of marks."""
    value = rng.uniform(45, 225)
    hue = rng.uniform(0, 2 * np.pi)
    saturation = 0.22 * rng.random() ** 0.7
    wheel = np.cos(hue - np.array([0.0, 2.0, 4.0]) * np.pi / 3)
    return tuple(np.clip(value * (1 + saturation * wheel), 15, 245))


def _parts(size: np.ndarray, rows: list) -> Parts:
    """Rows of (x0, x1, y0, y1, z0, z1, colour, paint): shares of the size, x and y from the middle, z from below."""
    bounds = np.array([row[:6] for row in rows])
    bounds[:, 4:] -= 0.5
    return Parts(
        low=bounds[:, 0::2] * size,
        high=bounds[:, 1::2] * size,
        colours=np.array([row[6] for row in rows], np.float32),
        paints=np.array([row[7] for row in rows]),
    )


def _wheels(places: tuple[float, ...], radius: float, height: float) -> list:
    return [
        (x - radius, x + radius, side - 0.06, side + 0.06, 0.0, height, _TYRE, Paint.PLAIN)
        for x in places
        for side in (-0.44, 0.44)
    ]


def _car(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour = muted_colour(rng)
    front, rear = rng.uniform(0.1, 0.22), rng.choice([-0.46, -0.4, -0.34])
    return _parts(
        size,
        [
            (-0.5, 0.5, -0.47, 0.47, 0.14, 0.58, colour, Paint.LAMPS),
            (rear, front, -0.42, 0.42, 0.58, 0.95, colour, Paint.GLASS),
            (rear + 0.02, front - 0.06, -0.4, 0.4, 0.95, 1.0, colour, Paint.PLAIN),
            *_wheels((-0.3, 0.31), 0.075, 0.42),
        ],
    )


def _truck(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour, cargo = muted_colour(rng), muted_colour(rng)
    cab = 0.5 - 1.9 / size[0]
    return _parts(
        size,
        [
            (cab, 0.5, -0.46, 0.46, 0.12, 0.45, colour, Paint.LAMPS),
            (cab, 0.49, -0.45, 0.45, 0.45, 0.8, colour, Paint.GLASS),
            (-0.5, cab - 0.02, -0.5, 0.5, 0.26, 1.0, cargo, Paint.PANELS),
            (-0.49, cab, -0.3, 0.3, 0.14, 0.26, (50, 50, 52), Paint.LAMPS),
            *_wheels((-0.32, 0.36), 0.5 / size[0], 0.3),
        ],
    )


def _bus(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour = muted_colour(rng)
    return _parts(
        size,
        [
            (-0.5, 0.5, -0.49, 0.49, 0.1, 1.0, colour, Paint.COACH),
            *_wheels((-0.28, 0.3), 0.5 / size[0], 0.29),
        ],
    )


def _rider(colour: tuple, trousers: tuple, rng: np.random.Generator, seat: float, width: float) -> list:
    skin = _SKIN[rng.integers(len(_SKIN))]
    return [
        (-0.14, 0.12, -0.3 * width, 0.3 * width, seat - 0.25, seat, trousers, Paint.PLAIN),
        (-0.16, 0.04, -0.36 * width, 0.36 * width, seat, 0.86, colour, Paint.PLAIN),
        (0.0, 0.24, -0.42 * width, 0.42 * width, seat + 0.2, seat + 0.28, colour, Paint.PLAIN),
        (-0.1, 0.05, -0.17 * width, 0.17 * width, 0.86, 0.97, skin, Paint.PLAIN),
        (-0.11, 0.05, -0.18 * width, 0.18 * width, 0.95, 1.0, _HAIR[rng.integers(len(_HAIR))], Paint.PLAIN),
    ]


def _bicycle(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour = muted_colour(rng)
    return _parts(
        size,
        [
            (-0.5, -0.13, -0.05, 0.05, 0.0, 0.37, _TYRE, Paint.PLAIN),
            (0.13, 0.5, -0.05, 0.05, 0.0, 0.37, _TYRE, Paint.PLAIN),
            (-0.3, 0.3, -0.05, 0.05, 0.3, 0.42, colour, Paint.PLAIN),
            (0.2, 0.27, -0.5, 0.5, 0.54, 0.58, (60, 60, 62), Paint.PLAIN),
            *_rider(muted_colour(rng), muted_colour(rng), rng, 0.5, 1.0),
        ],
    )


def _motorcycle(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour = muted_colour(rng)
    return _parts(
        size,
        [
            (-0.5, -0.2, -0.12, 0.12, 0.0, 0.36, _TYRE, Paint.PLAIN),
            (0.2, 0.5, -0.12, 0.12, 0.0, 0.36, _TYRE, Paint.PLAIN),
            (-0.42, 0.38, -0.22, 0.22, 0.24, 0.5, colour, Paint.LAMPS),
            (0.16, 0.25, -0.5, 0.5, 0.56, 0.61, (60, 60, 62), Paint.PLAIN),
            *_rider(muted_colour(rng), muted_colour(rng), rng, 0.5, 1.0),
        ],
    )


def _person(rng: np.random.Generator, size: np.ndarray) -> Parts:
    shirt, trousers = muted_colour(rng), muted_colour(rng)
    skin, hair = _SKIN[rng.integers(len(_SKIN))], _HAIR[rng.integers(len(_HAIR))]
    # The first four parts swing: see `stride`.
    return _parts(
        size,
        [
            (-0.13, 0.13, -0.28, -0.04, 0.0, 0.48, trousers, Paint.PLAIN),
            (-0.13, 0.13, 0.04, 0.28, 0.0, 0.48, trousers, Paint.PLAIN),
            (-0.1, 0.1, -0.5, -0.34, 0.46, 0.8, skin, Paint.PLAIN),
            (-0.1, 0.1, 0.34, 0.5, 0.46, 0.8, skin, Paint.PLAIN),
            (-0.2, 0.2, -0.36, 0.36, 0.48, 0.83, shirt, Paint.PLAIN),
            (-0.13, 0.17, -0.16, 0.16, 0.83, 0.95, skin, Paint.PLAIN),
            (-0.17, 0.12, -0.17, 0.17, 0.93, 1.0, hair, Paint.PLAIN),
        ],
    )


def _toy_car(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour, second = muted_colour(rng), muted_colour(rng)
    return _parts(
        size,
        [
            (-0.46, 0.5, -0.34, 0.34, 0.2, 0.5, colour, Paint.LAMPS),
            (-0.26, 0.14, -0.28, 0.28, 0.5, 0.8, second, Paint.GLASS),
            (-0.46, -0.42, -0.22, 0.22, 0.5, 0.88, (48, 48, 50), Paint.PLAIN),
            (-0.5, -0.36, -0.42, 0.42, 0.88, 1.0, second, Paint.PLAIN),
            *_toy_wheels((-0.33, 0.33), 0.1, 0.52, 0.36),
        ],
    )


def _toy_truck(rng: np.random.Generator, size: np.ndarray) -> Parts:
    colour, second = muted_colour(rng), muted_colour(rng)
    return _parts(
        size,
        [
            (-0.36, 0.36, -0.16, 0.16, 0.3, 0.44, (52, 52, 54), Paint.PLAIN),
            (-0.46, 0.46, -0.34, 0.34, 0.44, 0.7, colour, Paint.LAMPS),
            (-0.12, 0.22, -0.32, 0.32, 0.7, 1.0, colour, Paint.GLASS),
            (-0.46, -0.2, -0.34, 0.34, 0.7, 0.78, second, Paint.PLAIN),
            *_toy_wheels((-0.33, 0.33), 0.17, 0.62, 0.3),
        ],
    )


def _toy_wheels(places: tuple[float, ...], radius: float, height: float, inside: float) -> list:
    """Broad wheels that stand out beside the body."""
    return [
        (x - radius, x + radius, *sorted((side * inside, side * 0.5)), 0.0, height, _TYRE, Paint.PLAIN)
        for x in places
        for side in (-1, 1)
    ]


_BUILDERS = {
    "car": _car,
    "truck": _truck,
    "bus": _bus,
    "bicycle": _bicycle,
    "motorcycle": _motorcycle,
    "pedestrian": _person,
    "jogger": _person,
    "player": _person,
    "toy car": _toy_car,
    "toy truck": _toy_truck,
}
_WALKERS = {"pedestrian", "jogger", "player"}


def draw_parts(rng: np.random.Generator, kind: str, size: np.ndarray) -> Parts:
    """The parts of an object of this kind (a key of `programmes.KINDS`) and (3,) size, in random colours."""
    return _BUILDERS[kind](rng, size)


def stride(kind: str, length: float, odometer_m: float, speed: float) -> np.ndarray | None:
    """(4,) forward shifts in metres of legs and arms of someone walking, within the box; None for others.

    Legs follow the distance walked, so that feet do not slide, and come together at a standstill.
    """
    if kind not in _WALKERS:
        return None
    reach = 0.35 * length * min(1.0, speed / 1.2)
    swing = reach * np.sin(2 * np.pi * odometer_m / (1.3 + 0.35 * speed))
    return np.array([swing, -swing, -swing, swing])
