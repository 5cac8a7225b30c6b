"""How often an object turns, counted between straight stretches, or None where people would count differently."""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.headings import step_headings, wrap

# A turn changes the heading by at least 45 degrees. What lies between the two limits is near it, and not asked.
NO_TURN_WITHIN_RAD = np.deg2rad(20.0)
TURN_FROM_RAD = np.deg2rad(55.0)
# More than a U-turn is a loop, which some would count twice.
TURN_UP_TO_RAD = np.deg2rad(200.0)

# A straight stretch: 1.5 s or more in which the headings of the steps differ by at most this.
_WINDOW = 3
_STRAIGHT_WITHIN_RAD = np.deg2rad(10.0)
# Within half a second only a reversal changes the heading so much, and that is no turn.
_REVERSAL_RAD = np.deg2rad(90.0)
_SWINGS_BACK_RAD = np.deg2rad(10.0)
# Where a turn is slower than this share of its mean rate for a second, it might be two.
_SLOWEST_SHARE = 0.5


def count_turns(times_s: np.ndarray, points: np.ndarray, chord_m: float) -> int | None:
    """Number of turns in a span, or None where it cannot be told for sure.

    The headings of the grid's steps (`headings.step_headings`; standing steps have none and are left out) are cut
    into straight stretches of at least 1.5 s. Between one stretch and the next the heading changes by at most 20
    degrees, and that is no turn, or by 55 to 200, steadily and to one side, and that is one. Not told: any other
    change, a bend so wide that its pieces look straight, a change across a standstill, a reversal, a turn that the
    span cuts off, and what is never straight.

    Args:
        times_s: (G,) seconds of the grid.
        points: (G, 2) positions in the ground plane, metres.
        chord_m: Least length of a chord that gives a heading.
    """
    headings = _unwrapped(step_headings(times_s, points, chord_m))
    if headings is None or len(headings) < _WINDOW:
        return None
    stretches = _straight_stretches(headings)
    if not stretches:
        return None
    ends = np.concatenate([headings[: stretches[0][0]], headings[stretches[-1][1] + 1 :]])
    # The middle one: the outer steps of a stretch may lie in the turn.
    courses = [float(np.median(headings[begin : end + 1])) for begin, end in stretches]
    first, last = courses[0], courses[-1]
    targets = np.repeat([first, last], [stretches[0][0], len(headings) - stretches[-1][1] - 1])
    if (np.abs(ends - targets) > NO_TURN_WITHIN_RAD).any():
        return None
    turns = 0
    low = high = first
    for number, (begin, end) in enumerate(stretches):
        means = [_mean(headings, k) for k in range(begin, end - _WINDOW + 2)]
        if number:
            before, after = courses[number - 1], courses[number]
            between = headings[stretches[number - 1][1] + 1 : begin]
            if abs(after - before) > NO_TURN_WITHIN_RAD:
                if not _is_one_turn(before, between, after):
                    return None
                turns += 1
                low = high = after
            elif (np.abs(between - before) > NO_TURN_WITHIN_RAD).any():
                return None
        # A straight leg may not drift away in small pieces.
        low, high = min(low, *means), max(high, *means)
        if high - low > NO_TURN_WITHIN_RAD:
            return None
    return turns


def _unwrapped(headings: list[float | None]) -> np.ndarray | None:
    """The headings of the moving steps as continuous angles, or None where they jump."""
    moving = [k for k, heading in enumerate(headings) if heading is not None]
    if not moving:
        return None
    known = np.array([headings[k] for k in moving])
    changes = wrap(np.diff(known))
    stood = np.diff(moving) > 1
    if (np.abs(changes) > np.where(stood, NO_TURN_WITHIN_RAD, _REVERSAL_RAD)).any():
        return None
    return known[0] + np.concatenate([[0.0], np.cumsum(changes)])


def _straight_stretches(headings: np.ndarray) -> list[tuple[int, int]]:
    """First and last step of every run of straight windows; two runs may share a step."""
    windows = np.lib.stride_tricks.sliding_window_view(headings, _WINDOW)
    straight = windows.max(axis=-1) - windows.min(axis=-1) <= _STRAIGHT_WITHIN_RAD
    edges = np.flatnonzero(np.diff(straight, prepend=False, append=False))
    return [(int(a), int(b) + _WINDOW - 2) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _mean(headings: np.ndarray, first: int) -> float:
    """Heading of the window that begins with a step."""
    return float(headings[first : first + _WINDOW].mean())


def _is_one_turn(before: float, between: np.ndarray, after: float) -> bool:
    side, size = np.sign(after - before), abs(after - before)
    if not TURN_FROM_RAD <= size <= TURN_UP_TO_RAD:
        return False
    progress = side * (np.concatenate([[before], between, [after]]) - before)
    if progress.min() < -_SWINGS_BACK_RAD or progress.max() > size + _SWINGS_BACK_RAD:
        return False
    # Two steps at a time, and not the first and last, in which a turn begins and ends.
    rates = progress[3:-1] - progress[1:-3]
    return len(rates) == 0 or bool(rates.min() >= _SLOWEST_SHARE * 2 * size / (len(progress) - 1))
