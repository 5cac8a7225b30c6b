"""Which candidates repeat what a recording has been asked before (DEFINITIONS, "Spans and clips").

How a whole set is balanced: `st_vlm.balance`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from st_vlm.questions.answers import ClockHour, Quantity
from st_vlm.questions.clips import MOST_OVERLAP, Clip, overlap
from st_vlm.questions.tasks import Candidate

MOST_AN_OBJECT_AND_TASK = 3
SPEED_DIFFERS_BY = 0.25


@dataclass(frozen=True, eq=False)
class Asked:
    """A candidate with its clip."""

    clip: Clip
    candidate: Candidate


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
