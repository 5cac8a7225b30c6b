"""Identities that were exchanged: two tracks that meet and go on as each other.

Where the boxes of two objects come near, each track's way up to there and its way from there on are continued to the
moment between. When the ways fit together better crosswise, by more than chance allows, the later parts are exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from st_vlm.pseudo_labels.lifting.object_views import ObjectViews

# Over so many seconds before and after the meeting a way is taken to be straight.
WINDOW_S = 2.0
# What a straight line may be off after that, in m/s^2: brakes and bends.
ACCELERATION = 1.0
# How much better crosswise must fit: a difference of two chi-squares with four degrees of freedom.
LEAST_GAIN = 20.0
# And what is left must be a fit.
MOST_LEFT = 0.5
MOST_SWITCHES = 20
_LEAST_VIEWS = 2
# Between two frames objects may pass each other: boxes so many times as large are to overlap.
_REACH = 2.5


@dataclass(frozen=True)
class Switch:
    """Two objects that exchange their identities from one frame on."""

    first: int
    second: int
    frame: int


def find_switches(times_s: np.ndarray, places: np.ndarray, covariances: np.ndarray, boxes: np.ndarray) -> list[Switch]:
    """Exchanges that make all tracks go on as they came, in the order in which they are to be undone.

    Args:
        times_s: (T,) seconds.
        places: (N, T, 2) measured, metres; NaN where an object is not seen.
        covariances: (N, T, 2, 2) of each.
        boxes: (N, T, 4) in pixels; NaN where an object is not seen.
    """
    places, covariances = places.copy(), covariances.copy()
    meetings = _meetings(boxes)
    found: list[Switch] = []
    while len(found) < MOST_SWITCHES:
        gains = _gains(times_s, places, covariances, meetings)
        if not gains or max(gains) < LEAST_GAIN:
            break
        best = meetings[int(np.argmax(gains))]
        found.append(best)
        for array in (places, covariances):
            exchange(array, best)
        # An exchange undone is not made again.
        meetings = [switch for switch in meetings if switch != best]
    return found


def exchanged(views: ObjectViews, switches: Sequence[Switch]) -> ObjectViews:
    """The views with the objects' later parts exchanged."""
    arrays = {field.name: getattr(views, field.name).copy() for field in fields(views)}
    for switch in switches:
        for array in arrays.values():
            exchange(array, switch)
    return ObjectViews(**arrays)


def exchange(array: np.ndarray, switch: Switch) -> None:
    """Exchange, in place, what an (N, T, ...) array holds of two objects from a frame on."""
    pair = [switch.first, switch.second]
    array[pair, switch.frame :] = array[pair[::-1], switch.frame :]


def _meetings(boxes: np.ndarray) -> list[Switch]:
    """Pairs of objects and the frames at which they may have been taken for each other: from where they overlap to
    just behind."""
    found = []
    objects, count = boxes.shape[:2]
    middle, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2
    boxes = np.concatenate([middle - _REACH * half, middle + _REACH * half], axis=-1)
    for a in range(objects):
        low = np.maximum(boxes[a, :, :2], boxes[a + 1 :, :, :2])
        high = np.minimum(boxes[a, :, 2:], boxes[a + 1 :, :, 2:])
        with np.errstate(invalid="ignore"):
            meets = (high > low).all(axis=-1)
        for b, row in enumerate(meets, start=a + 1):
            frames = np.flatnonzero(row)
            near = {int(frame) + step for frame in frames for step in (0, 1)}
            found += [Switch(a, b, frame) for frame in sorted(near) if 0 < frame < count]
    return found


def _gains(times_s: np.ndarray, places: np.ndarray, covariances: np.ndarray, meetings: list[Switch]) -> list[float]:
    """How much better the four ways of each meeting fit crosswise; -inf where there is too little of one."""
    ways = {}
    for frame in {switch.frame for switch in meetings}:
        moment = (times_s[frame - 1] + times_s[frame]) / 2
        ways[frame] = [
            _ways(times_s[part] - moment, places[:, part], covariances[:, part])
            for part in (slice(None, frame), slice(frame, None))
        ]
    return [_gain(*ways[switch.frame], switch.first, switch.second) for switch in meetings]


def _gain(before: list, after: list, first: int, second: int) -> float:
    if any(ways[k] is None for ways in (before, after) for k in (first, second)):
        return -np.inf
    straight = _misfit(before[first], after[first]) + _misfit(before[second], after[second])
    crossed = _misfit(before[first], after[second]) + _misfit(before[second], after[first])
    return straight - crossed if crossed < MOST_LEFT * straight else -np.inf


def _ways(
    times: np.ndarray, places: np.ndarray, covariances: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray] | None]:
    """Place and velocity of N objects at time 0, of the views near it, with their covariance: (4,) and (4, 4).

    None for an object with too few views.
    """
    near = np.abs(times) <= WINDOW_S
    times, places, covariances = times[near], places[:, near], covariances[:, near]
    usable = np.isfinite(places).all(axis=-1)
    bend = (ACCELERATION * times**2 / 2) ** 2
    known = np.where(usable[..., None, None], covariances, np.eye(2)) + bend[:, None, None] * np.eye(2)
    inverse = np.linalg.inv(known) * usable[..., None, None]
    pulls = inverse @ np.where(usable[..., None], places, 0.0)[..., None]
    # Of a place p + t v each view measures t^0 and t^1 of it, and 30 m/s is thought of as fast.
    information, vector = np.zeros((len(places), 4, 4)), np.empty((len(places), 4, 1))
    for i in (0, 1):
        for j in (0, 1):
            weighted = times[:, None, None] ** (i + j) * inverse
            information[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] = weighted.sum(axis=1)
        vector[:, 2 * i : 2 * i + 2] = (times[:, None, None] ** i * pulls).sum(axis=1)
    information[:, 2:, 2:] += np.eye(2) / 900
    enough = usable.sum(axis=1) >= _LEAST_VIEWS
    covariance = np.linalg.inv(np.where(enough[:, None, None], information, np.eye(4)))
    states = (covariance @ vector)[..., 0]
    return [(states[k], covariance[k]) if enough[k] else None for k in range(len(places))]


def _misfit(one, other) -> float:
    off = one[0] - other[0]
    return float(off @ np.linalg.solve(one[1] + other[1], off))
