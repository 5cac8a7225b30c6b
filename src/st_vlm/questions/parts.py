"""Parts of a clip that begin and end on half seconds: comparisons try them all, and most say plainly what they say.

The rules are those of `measuring`; here they are applied to all parts at once, and what lies so near to a limit that
the last digits count is left open, to be measured by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache

import numpy as np

from st_vlm.kinematics.headings import wrap
from st_vlm.kinematics.motion import LEAST_METRES_IN_SOME_SECOND, OTHERS, PEOPLE
from st_vlm.kinematics.resampling import STEP_S, positions_at
from st_vlm.questions.measuring import (
    DIFFERENT_BEYOND_RAD,
    MARGIN_M,
    MARGIN_SHARE,
    SAME_WITHIN_RAD,
    STRAIGHTEST,
)
from st_vlm.questions.motion import centre_sigma
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.categories import is_person

STEP_NS = round(STEP_S * 1e9)
LONGEST_PART_STEPS = 12
# Verdicts about a pair in a part, beside the number of the winner, or `SAME` and `DIFFERENT`.
NONE, OPEN = -1, -2
SAME, DIFFERENT = 0, 1
# Of a net displacement, in metres and in metres a second of the part.
_LEAST_NET_M, _LEAST_NET_MS = 1.0, 0.5
# Metres, or radians: nearer than this to a limit a verdict is left open.
_NEAR = 1e-6


class HalfSeconds:
    """A clip's objects on its half seconds.

    Args:
        recording: Of the clip.
        tracks: The clip's K objects.
        start_ns: The clip's first frame.
        seconds: Its length.
    """

    def __init__(self, recording: Recording, tracks: Sequence[Track], start_ns: int, seconds: float) -> None:
        # One more than fits, for spans are rounded.
        count = int(seconds / STEP_S) + 2
        self._times_ns = start_ns + STEP_NS * np.arange(count)
        self._recording, self._tracks = recording, tracks
        self._points = np.array([positions_at(t.times_ns, t.centres[:, :2], self._times_ns) for t in tracks])
        lives = np.array([(track.times_ns[0], track.times_ns[-1]) for track in tracks])
        self._alive = (self._times_ns >= lives[:, :1]) & (self._times_ns <= lives[:, 1:])

    def farther(self, pair: tuple[int, int], starts: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Which of a pair, 0 or 1, travels farther (`measuring.farther`) in each of P parts: (P,), `NONE` or `OPEN`.

        Args:
            pair: Two of the clip's objects.
            starts: (P,) the half second at which a part begins.
            steps: (P,) its length in half seconds, 2 to `LONGEST_PART_STEPS`.
        """
        static, moving, undecided = self._states
        at = np.array(pair)[:, None], steps, starts
        stands, goes, none = static[at], moving[at], undecided[at]
        lengths = np.where(stands, 0.0, self._lengths(*at))
        lead, longest = np.abs(lengths[0] - lengths[1]), lengths.max(axis=0)
        beyond = lead - np.maximum(MARGIN_M, MARGIN_SHARE * longest)
        verdicts = np.where(beyond < 0, NONE, lengths.argmax(axis=0))
        verdicts[(np.abs(beyond) < _NEAR) | ~(stands | goes).all(axis=0)] = OPEN
        verdicts[none.any(axis=0)] = NONE
        return self._where_alive(verdicts, pair, starts, steps)

    def relation(self, pair: tuple[int, int], starts: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """Whether a pair goes the `SAME` way or `DIFFERENT` ones (`measuring.relation`) in each of P parts, or `NONE`,
        or `OPEN`; arguments as in `farther`."""
        whose = np.array(pair)[:, None]
        nets = self._points[whose, starts + steps] - self._points[whose, starts]
        nets_m = np.hypot(nets[..., 0], nets[..., 1])
        least = np.maximum(_LEAST_NET_M, _LEAST_NET_MS * STEP_S * steps)
        beyond = nets_m - np.maximum(least, STRAIGHTEST * self._lengths(whose, steps, starts))
        angles = np.abs(wrap(np.subtract(*np.arctan2(nets[..., 1], nets[..., 0]))))
        verdicts = np.full(len(starts), NONE)
        verdicts[angles <= SAME_WITHIN_RAD] = SAME
        verdicts[angles >= DIFFERENT_BEYOND_RAD] = DIFFERENT
        near = np.abs(angles[:, None] - [SAME_WITHIN_RAD, DIFFERENT_BEYOND_RAD]).min(axis=1) < _NEAR
        verdicts[near | (np.abs(beyond) < _NEAR).any(axis=0)] = OPEN
        verdicts[(beyond <= -_NEAR).any(axis=0)] = NONE
        return self._where_alive(verdicts, pair, starts, steps)

    def _where_alive(
        self, verdicts: np.ndarray, pair: tuple[int, int], starts: np.ndarray, steps: np.ndarray
    ) -> np.ndarray:
        """An end that sticks out of a track's life by rounding is moved by whoever measures the part by itself."""
        whose = np.array(pair)[:, None]
        alive = (self._alive[whose, starts] & self._alive[whose, starts + steps]).all(axis=0)
        return np.where(alive, verdicts, OPEN)

    def _lengths(self, whose: np.ndarray, steps: np.ndarray, starts: np.ndarray) -> np.ndarray:
        return self._travelled[whose, starts + steps] - self._travelled[whose, starts]

    @cached_property
    def _travelled(self) -> np.ndarray:
        """(K, G) metres along each path from the clip's start."""
        return _along(self._points)

    @cached_property
    def _states(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The static test of each part: surely static, surely moving, surely neither, each (K, L, G) by the object,
        the part's steps, and where it begins."""
        tracks, points = self._tracks, self._points
        people = np.array([is_person(track.category) for track in tracks])
        count = points.shape[1]
        extents = np.zeros((len(tracks), LONGEST_PART_STEPS + 1, count))
        fastest = np.zeros_like(extents)
        for steps in range(1, min(LONGEST_PART_STEPS, count - 1) + 1):
            chords = points[:, steps:] - points[:, :-steps]
            far = np.hypot(chords[..., 0], chords[..., 1])
            both = np.maximum(extents[:, steps - 1, :-steps], extents[:, steps - 1, 1 : count - steps + 1])
            extents[:, steps, :-steps] = np.maximum(both, far)
            if steps == 2:
                # Two steps are a second.
                fastest[:, 2, :-2] = far
            elif steps > 2:
                before = fastest[:, steps - 1]
                fastest[:, steps, :-steps] = np.maximum(before[:, :-steps], before[:, 1 : count - steps + 1])
        slack = self._pose_slack + np.array([3 * centre_sigma(track) for track in tracks])[:, None, None]
        below, above = (
            np.where(people, getattr(PEOPLE, name), getattr(OTHERS, name))[:, None, None] + slack
            for name in ("static_below", "moving_above")
        )
        fast, slow = (fastest > LEAST_METRES_IN_SOME_SECOND + _NEAR), (fastest < LEAST_METRES_IN_SOME_SECOND - _NEAR)
        large = extents > above + _NEAR
        between = (extents > below + _NEAR) & (extents < above - _NEAR)
        return extents < below - _NEAR, large & fast, between | (large & slow)

    @property
    def _pose_slack(self) -> np.ndarray | float:
        """(1, L, G) allowance for drifting poses in each part (`motion.pose_slack`), or 0."""
        recording = self._recording
        if not recording.pose_slack:
            return 0.0
        ego = positions_at(recording.ego_times_ns, recording.ego_centres[:, :2], self._times_ns)
        travelled = _along(ego[None])[0]
        starts, steps = np.arange(len(travelled)), np.arange(LONGEST_PART_STEPS + 1)[:, None]
        ends = np.minimum(starts + steps, len(travelled) - 1)
        return recording.pose_slack * (travelled[ends] - travelled)[None]


def half_second_parts(
    start_s: float, end_s: float, shortest_s: float, longest_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """Parts of a span that begin and end on half seconds and are shorter than it: (P,) starts and (P,) lengths, both
    in half seconds, by start and then by length."""
    first, last = int(np.ceil(start_s / STEP_S - 1e-6)), int(np.floor(end_s / STEP_S + 1e-6))
    lengths = [n for n in range(1, last - first + 1) if shortest_s <= n * STEP_S <= longest_s]
    starts, steps = _parts(max(last - first, 0), tuple(n for n in lengths if n * STEP_S < end_s - start_s))
    return starts + first, steps


def first_that(verdicts: np.ndarray, wanted: Sequence[int], measure: Callable[[int], int]) -> int | None:
    """The first of (P,) verdicts that is one of those wanted; open ones are measured on the way, and kept."""
    looked_at = verdicts == OPEN
    for one in wanted:
        looked_at |= verdicts == one
    for k in np.flatnonzero(looked_at).tolist():
        if verdicts[k] == OPEN:
            verdicts[k] = measure(k)
        if verdicts[k] in wanted:
            return k
    return None


@lru_cache(maxsize=1024)
def _parts(count: int, lengths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    starts, steps = np.repeat(np.arange(count), len(lengths)), np.tile(np.array(lengths, int), count)
    inside = starts + steps <= count
    return starts[inside], steps[inside]


def _along(points: np.ndarray) -> np.ndarray:
    """(K, G, 2) points to (K, G) metres along their paths."""
    steps = np.diff(points, axis=1)
    travelled = np.zeros(points.shape[:2])
    np.cumsum(np.hypot(steps[..., 0], steps[..., 1]), axis=1, out=travelled[:, 1:])
    return travelled
