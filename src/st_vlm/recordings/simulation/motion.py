"""Planar unicycle motion from a list of legs: bounded acceleration, bounded lateral acceleration, stops, reversing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

STEP_S = 0.02
_SMOOTHING_S = 0.2
_MARGIN_S = 1.0


@dataclass(frozen=True)
class Leg:
    """A stretch of a path.

    Attributes:
        speed: Cruising speed in m/s; negative when reversing.
        length: Metres travelled, 0 or more.
        turn: Change of the nose's heading over the leg in radians, counter-clockwise positive.
        pause: Seconds at a standstill after the leg. Legs of opposite gear need one between them.
    """

    speed: float
    length: float
    turn: float = 0.0
    pause: float = 0.0


@dataclass(frozen=True, eq=False)
class Motion:
    """A motion in its own plane, starting at the origin along +x, sampled every `STEP_S`.

    Attributes:
        times_s: (N,) from 0.
        points: (N, 2) metres.
        yaws: (N,) heading of the nose in radians, unwrapped.
        odometer: (N,) metres travelled, never decreasing.
    """

    times_s: np.ndarray
    points: np.ndarray
    yaws: np.ndarray
    odometer: np.ndarray


def bend_length(turn: float, radius: float) -> float:
    """Metres a turn takes when its tightest point has this radius (the heading follows a smoothstep)."""
    return 1.5 * abs(turn) * radius


def stand(duration_s: float) -> Motion:
    """The motion of something that does not move."""
    return drive([Leg(1.0, 0.0, pause=2 * duration_s), Leg(1.0, 1.0)], 1.0, duration_s)


def drive(legs: Sequence[Leg], acceleration: float, duration_s: float, cell: float = 0.05) -> Motion:
    """Drive the legs in order, as fast as their speeds and the acceleration (m/s^2) allow.

    Speed as a function of the distance is the largest that no leg's limit, no pause and no acceleration forbids:
    v^2 is a lower envelope of cones of slope 2a. Time follows cell by cell; a Gaussian of 0.2 s then takes the
    corners off the acceleration. The legs must last at least `duration_s`; the object starts at cruising speed.
    """
    # Distance knots, with the squared speed allowed at each, the nose's heading, and the signed distance.
    along, limit, heading, signed, pauses = (
        [np.zeros(1)],
        [np.full(1, legs[0].speed ** 2)],
        [np.zeros(1)],
        [np.zeros(1)],
        {},
    )
    count = 1
    for leg in legs:
        if leg.length > 0:
            cells = max(8, int(np.ceil(leg.length / cell)))
            share = np.arange(1, cells + 1) / cells
            limit[-1][-1] = min(limit[-1][-1], leg.speed**2)
            along.append(along[-1][-1] + share * leg.length)
            limit.append(np.full(cells, leg.speed**2))
            heading.append(heading[-1][-1] + leg.turn * share**2 * (3 - 2 * share))
            signed.append(signed[-1][-1] + np.sign(leg.speed) * share * leg.length)
            count += cells
        if leg.pause > 0:
            pauses[count - 1] = pauses.get(count - 1, 0.0) + leg.pause
            limit[-1][-1] = 0.0
    along, limit, heading, signed = (np.concatenate(parts) for parts in (along, limit, heading, signed))
    cone = 2 * acceleration * along
    limit = np.minimum.accumulate(limit - cone) + cone
    limit = np.minimum.accumulate((limit + cone)[::-1])[::-1] - cone
    speed = np.sqrt(np.maximum(limit, 0.0))
    seconds = 2 * np.diff(along) / (speed[:-1] + speed[1:])
    # A pause is a second knot at the same distance.
    wait = np.zeros(count)
    wait[list(pauses)] = list(pauses.values())
    arrival = np.concatenate([[0.0], np.cumsum(seconds + wait[:-1])])
    knot_times = np.stack([arrival, arrival + wait], axis=1).ravel()
    times = np.arange(-round(_MARGIN_S / STEP_S), round((duration_s + _MARGIN_S) / STEP_S) + 1) * STEP_S
    odometer = np.interp(times, knot_times, np.repeat(along, 2))
    gone = np.interp(times, knot_times, np.repeat(signed, 2))
    rolling = speed[0] if wait[0] == 0 else 0.0
    before = times < 0
    odometer[before] = rolling * times[before]
    gone[before] = np.sign(legs[0].speed) * rolling * times[before]
    odometer = gaussian_filter1d(odometer, _SMOOTHING_S / STEP_S, mode="nearest")
    gone = gaussian_filter1d(gone, _SMOOTHING_S / STEP_S, mode="nearest")
    yaws = np.interp(odometer, along, heading)
    middle = (yaws[1:] + yaws[:-1]) / 2
    steps = np.diff(gone)[:, None] * np.stack([np.cos(middle), np.sin(middle)], axis=-1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    inside = slice(round(_MARGIN_S / STEP_S), len(times) - round(_MARGIN_S / STEP_S))
    odometer, points = odometer[inside], points[inside]
    return Motion(times[inside], points - points[0], yaws[inside], odometer - odometer[0])
