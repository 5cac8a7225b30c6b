"""Many spans at once: the grids of several objects' spans one after another, and what is told of each of them.

Clips are cut by trying every window, and a window's objects have a span each: hundreds in a recording. Each function
here gives, number for number, what the function of one span that it names gives for every span by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from st_vlm.kinematics.motion import LEAST_METRES_IN_SOME_SECOND, OTHERS, PEOPLE, Moving, static_test
from st_vlm.kinematics.resampling import STEP_S, interpolate

STEP_NS = round(STEP_S * 1e9)
# Metres. What is nearer than this to a limit is left to the function of one span, whose last digits may differ.
_NEAR_M = 1e-6


@dataclass(frozen=True, eq=False)
class ManySpans:
    """The 0.5 s grids of S spans, laid one after another into P points.

    Attributes:
        times_s: (P,) seconds.
        points: (P, 2) positions in the ground plane, metres.
        firsts, lasts: (S,) numbers of each span's first and last point.
    """

    times_s: np.ndarray
    points: np.ndarray
    firsts: np.ndarray
    lasts: np.ndarray

    def __len__(self) -> int:
        return len(self.firsts)

    @cached_property
    def counts(self) -> np.ndarray:
        """(S,) points of each span."""
        return self.lasts - self.firsts + 1

    @cached_property
    def owner(self) -> np.ndarray:
        """(P,) number of the span that a point belongs to."""
        return np.repeat(np.arange(len(self)), self.counts)

    def span(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(G,) seconds and (G, 2) points of one span."""
        own = slice(self.firsts[index], self.lasts[index] + 1)
        return self.times_s[own], self.points[own]

    def chosen(self, wanted: np.ndarray) -> ManySpans:
        """Those spans for which the (S,) booleans are true, in their order."""
        kept = np.repeat(wanted, self.counts)
        lasts = np.cumsum(self.counts[wanted]) - 1
        return ManySpans(self.times_s[kept], self.points[kept], lasts - self.counts[wanted] + 1, lasts)


def lay_out(
    times_ns: Sequence[np.ndarray],
    centres: Sequence[np.ndarray],
    track: np.ndarray,
    start_ns: np.ndarray,
    end_ns: np.ndarray,
    origin_ns: np.ndarray,
) -> ManySpans:
    """The grids of spans of tracks, as `time_grid` and `positions_at` make each of them.

    Args:
        times_ns, centres: Of each of T tracks, (N,) int64 nanoseconds and (N, 2) or more metres.
        track: (S,) whose span it is, in ascending order.
        start_ns, end_ns: (S,) int64, within the track's life.
        origin_ns: (S,) from where its seconds count.
    """
    counts = -((start_ns - end_ns) // STEP_NS) + 1
    lasts = np.cumsum(counts) - 1
    firsts = lasts - counts + 1
    grid_ns = STEP_NS * (np.arange(counts.sum()) - np.repeat(firsts, counts)) + np.repeat(start_ns, counts)
    grid_ns[lasts] = end_ns
    points = np.empty((len(grid_ns), 2))
    of_point = np.repeat(track, counts)
    bounds = np.searchsorted(of_point, np.arange(len(times_ns) + 1))
    for k in np.unique(track):
        own, known = slice(bounds[k], bounds[k + 1]), times_ns[k]
        at, query = ((times - known[0]).astype(np.float64) for times in (known, grid_ns[own]))
        points[own] = interpolate(at, centres[k][:, :2], query)
    return ManySpans((grid_ns - np.repeat(origin_ns, counts)) * 1e-9, points, firsts, lasts)


def static_tests(
    spans: ManySpans, person: np.ndarray, slack_m: np.ndarray | float = 0.0, sigma_m: np.ndarray | float = 0.0
) -> np.ndarray:
    """`static_test` of each span: (S,) objects of `Moving`.

    Args:
        spans: Of at least two points each.
        person: (S,) bool.
        slack_m, sigma_m: (S,) metres, or one number for all.
    """
    person, slack_m, sigma_m = (np.broadcast_to(value, len(spans)) for value in (person, slack_m, sigma_m))
    found = np.full(len(spans), None)
    if not len(spans):
        return found
    slack = slack_m + 3 * sigma_m
    static_below = np.where(person, PEOPLE.static_below, OTHERS.static_below) + slack
    moving_above = np.where(person, PEOPLE.moving_above, OTHERS.moving_above) + slack
    x, y = spans.points.T
    sides = [np.maximum.reduceat(c, spans.firsts) - np.minimum.reduceat(c, spans.firsts) for c in (x, y)]
    large = np.maximum(*sides) >= moving_above
    found[~large & (np.hypot(*sides) <= static_below - _NEAR_M)] = Moving.STATIC
    # Two steps of the grid are one second, unless they lead to a span's end or into the next span.
    ahead = np.zeros(len(x))
    ahead[:-2] = np.square(x[2:] - x[:-2]) + np.square(y[2:] - y[:-2])
    ahead[spans.lasts] = ahead[spans.lasts - 1] = 0.0
    longer = spans.counts > 2
    before_end = spans.lasts[longer] - 2
    whole = spans.times_s[before_end + 2] - spans.times_s[before_end] >= 2 * STEP_S - 1e-9
    ahead[before_end[~whole]] = 0.0
    fast = np.maximum.reduceat(ahead, spans.firsts) >= (LEAST_METRES_IN_SOME_SECOND + _NEAR_M) ** 2
    found[large & fast] = Moving.MOVING
    for k in np.flatnonzero(found == None):  # noqa: E711 (compared element by element)
        found[k] = static_test(*spans.span(k), bool(person[k]), float(slack_m[k]), float(sigma_m[k]))
    return found
