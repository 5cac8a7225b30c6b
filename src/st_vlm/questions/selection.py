"""Which candidates become questions: no repeats within a recording, and a balanced set over all of them.

DEFINITIONS, "Spans and clips" (limits an object and task) and "Balance" (shares of a set). A set too small to be
balanced keeps a few rows of every kind: one street where everybody drives straight still asks which way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.questions.answers import Choice, ClockHour, Quantity
from st_vlm.questions.clips import MOST_OVERLAP, Clip, overlap
from st_vlm.questions.tasks import Candidate

MOST_AN_OBJECT_AND_TASK = 3
SPEED_DIFFERS_BY = 0.25
ALWAYS_KEEP = 4

WALKING_KMH = (3.2, 6.4)
MOST_WALKING = 0.2
MOST_STATIC = 0.1
MOST_AHEAD = {"moving_direction": 0.25, "direction_timestamp": 0.2}
MOST_MIXED = 0.2
# Over the whole clip farther is faster: were most stated parts to reverse that, the slower would be the answer.
MOST_REVERSED = 0.5


@dataclass(frozen=True, eq=False)
class Asked:
    """A candidate with its clip."""

    clip: Clip
    candidate: Candidate


@dataclass(frozen=True, slots=True)
class Traits:
    """What balancing looks at in one row."""

    task: str
    walking: bool
    static: bool
    ahead: bool
    mixed: bool
    choice: str | None
    reversed_winner: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """What of a question decides whether another repeats it.

    Attributes:
        task: Task id.
        objects: The track ids of the objects asked about, sorted.
        clip: The clip's id.
        window_ns, span_ns: Start and end of the clip, and of what the truth is measured over, in the source's clock.
        answer: The truth: a number, an hour, or a choice.
        hour: The hour that is asked for or answered, if any.
    """

    task: str
    objects: tuple[str, ...]
    clip: str
    window_ns: tuple[int, int]
    span_ns: tuple[int, int]
    answer: float | str | None
    hour: int | None = None


class Repeats:
    """Tells which questions repeat what one recording has been asked before, whatever the camera.

    An object gets at most three questions a task, from clips and over spans that overlap by at most 0.3; its speed is
    asked again only where it differs by a quarter, and each of its hours once.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, list[Ask]] = {}

    def add(self, ask: Ask) -> bool:
        """Whether a question is new; if so it counts from now on."""
        earlier = self._kept.setdefault((ask.task, ask.objects), [])
        if len(earlier) >= MOST_AN_OBJECT_AND_TASK or any(_repeats(ask, other) for other in earlier):
            return False
        earlier.append(ask)
        return True


def ask_of(one: Asked) -> Ask:
    """What of an asked candidate decides about repeats."""
    candidate, answer = one.candidate, one.candidate.answer
    return Ask(
        task=candidate.task,
        objects=tuple(sorted(one.clip.objects[k].track.id for k in candidate.objects)),
        clip=one.clip.id,
        window_ns=(one.clip.start_ns, int(one.clip.times_ns[-1])),
        span_ns=tuple(one.clip.start_ns + round(second * 1e9) for second in (candidate.start_s, candidate.end_s)),
        answer=answer.value if isinstance(answer, Quantity) else getattr(answer, "option", None),
        hour=answer.hour if isinstance(answer, ClockHour) else candidate.hour,
    )


def without_repeats(asked: Sequence[Asked]) -> list[Asked]:
    """Drop, in the given order, what a recording has been asked already by the same camera (`Repeats`)."""
    of_recording: dict[str, Repeats] = {}
    return [one for one in asked if of_recording.setdefault(one.clip.recording.id, Repeats()).add(ask_of(one))]


def balanced(traits: Sequence[Traits], rng: np.random.Generator) -> list[int]:
    """Indices, ascending, of the rows that a balanced set keeps.

    Caps, each within one task: walking pace 20 % and static 10 % of distances and speeds, 12 o'clock 25 % of
    directions and 20 % of intervals, pairs of different kinds 20 %, reversed winners 50 %; the
    answers of a choice come equally often.
    """
    kept: list[int] = []
    for task in dict.fromkeys(one.task for one in traits):
        rows = [k for k, one in enumerate(traits) if one.task == task]
        before = None
        # Each cap takes from the total that another is a share of, so they are gone through until none bites.
        while before != len(rows):
            before = len(rows)
            for crowd, share in (
                (lambda k: traits[k].walking, MOST_WALKING),
                (lambda k: traits[k].static, MOST_STATIC),
                (lambda k: traits[k].ahead, MOST_AHEAD.get(task, 1.0)),
                (lambda k: traits[k].mixed, MOST_MIXED),
                (lambda k: traits[k].reversed_winner, MOST_REVERSED),
            ):
                rows = _capped(rows, crowd, share, rng)
            rows = _levelled(rows, lambda k: traits[k].choice, rng)
        kept.extend(rows)
    return sorted(kept)


def traits_of(candidate: Candidate, people: bool) -> Traits:
    """The traits of a candidate; `people` says whether its object is a person."""
    answer = candidate.answer
    speed = 0.0
    if isinstance(answer, Quantity):
        speed = answer.value if answer.unit == "km/h" else 3.6 * answer.value / (candidate.end_s - candidate.start_s)
    hour = answer.hour if isinstance(answer, ClockHour) else candidate.hour
    return Traits(
        task=candidate.task,
        walking=people and WALKING_KMH[0] <= speed <= WALKING_KMH[1],
        static=candidate.static,
        ahead=hour == 12,
        mixed=candidate.mixed,
        choice=answer.option if isinstance(answer, Choice) and answer.option in ("same", "different") else None,
        reversed_winner=candidate.reversed_winner,
    )


def _repeats(one: Ask, other: Ask) -> bool:
    shared = max(overlap(one.window_ns, other.window_ns), overlap(one.span_ns, other.span_ns))
    if shared > MOST_OVERLAP:
        # One clip may ask an object about two hours, or two spans of one pair.
        if one.clip != other.clip:
            return True
        return one.hour == other.hour and one.answer == other.answer
    if one.task == "traveling_speed":
        return abs(one.answer - other.answer) <= SPEED_DIFFERS_BY * max(other.answer, 0.01)
    return one.hour is not None and one.hour == other.hour


def _capped(rows: list[int], crowd: Callable[[int], bool], share: float, rng: np.random.Generator) -> list[int]:
    """Drop members of a crowd until it is at most `share` of what is left, but never below `ALWAYS_KEEP` of it."""
    members = [k for k in rows if crowd(k)]
    others = len(rows) - len(members)
    if share >= 1.0:
        return rows
    most = max(ALWAYS_KEEP, int(share * others / (1.0 - share)))
    return _drop_to(rows, members, most, rng)


def _levelled(rows: list[int], answer: Callable[[int], str | None], rng: np.random.Generator) -> list[int]:
    """Drop rows until the answers of a choice come equally often, but never below `ALWAYS_KEEP` of one."""
    counts = Counter(answer(k) for k in rows if answer(k) is not None)
    if not counts:
        return rows
    most = max(ALWAYS_KEEP, min(counts.values()) if len(counts) > 1 else 0)
    for option in counts:
        rows = _drop_to(rows, [k for k in rows if answer(k) == option], most, rng)
    return rows


def _drop_to(rows: list[int], members: list[int], most: int, rng: np.random.Generator) -> list[int]:
    if len(members) <= most:
        return rows
    dropped = set(rng.permutation(members)[most:].tolist())
    return [k for k in rows if k not in dropped]
