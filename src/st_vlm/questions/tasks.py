"""The seven tasks: what each may ask about a clip, and the truth (DEFINITIONS, "Headings …" and "Comparisons").

A task is a function from a clip to its candidates. Which of them become rows is decided later, over all clips
(`selection`), and their words later still (`writer`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import STEP_S
from st_vlm.questions.answers import Answer, Choice, ClockHour, Interval, Quantity
from st_vlm.questions.clips import Clip
from st_vlm.questions.measuring import farther, relation
from st_vlm.questions.parts import DIFFERENT, NONE, SAME, first_that, half_second_parts
from st_vlm.questions.reasoning import Reasoning
from st_vlm.questions.sightings import whole_tenths
from st_vlm.questions.turns import asked_hour, asked_runs
from st_vlm.recordings.categories import noun

SHORTEST_COMPARED_S = 2.0
LONGEST_COMPARED_PART_S = 6.0
DIRECTION_SPANS_S = (1.0, 3.0)
_RELATIONS = ((SAME, "same"), (DIFFERENT, "different"))


@dataclass(frozen=True)
class Candidate:
    """A question that could be asked, with its truth.

    Attributes:
        task: Task id.
        objects: Indices of the clip's objects, in the order in which the question names them.
        start_s, end_s: The clip's seconds over which the truth is measured.
        states_span: Whether the question must state them; otherwise it is about the whole clip.
        answer: The truth.
        hour, metres, second: What the question states beside objects and time (`forms.TaskForm.states`).
        category: Noun of the first object.
        mixed: Whether a comparison is between objects of different nouns.
        static: Whether a single object stands still.
        reversed_winner: Whether the faster of two travels the shorter distance over the clip.
        reasoning: The chain that leads to the answer of a reasoning task.
    """

    task: str
    objects: tuple[int, ...]
    start_s: float
    end_s: float
    states_span: bool
    answer: Answer
    hour: int | None = None
    metres: float | None = None
    second: float | None = None
    category: str = ""
    mixed: bool = False
    static: bool = False
    reversed_winner: bool = False
    reasoning: Reasoning | None = None


def traveled_distance(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    return [
        _single(clip, "traveled_distance", k, Quantity(clip.objects[k].motion.distance_m, "m"))
        for k in range(len(clip.objects))
    ]


def traveling_speed(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    return [
        _single(clip, "traveling_speed", k, Quantity(clip.objects[k].motion.mean_speed_kmh, "km/h"))
        for k in range(len(clip.objects))
    ]


def moving_direction(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    hours = [asked_hour(marked.motion) if _has_directions(clip) else None for marked in clip.objects]
    return [_single(clip, "moving_direction", k, ClockHour(hour)) for k, hour in enumerate(hours) if hour]


def direction_timestamp(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    return [
        _single(clip, "direction_timestamp", k, Interval(run.start_s, run.end_s), hour=run.hour)
        for k, marked in enumerate(clip.objects)
        if _has_directions(clip)
        for run in asked_runs(marked.motion)
    ]


def traveled_distance_comparison(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    candidates = []
    for pair in _pairs(clip, rng):
        common = _common_span(clip, pair)
        if common is None:
            continue
        start, end, covers = common
        winner = _farther(clip, pair, start, end)
        if winner is not None:
            answer = Choice(clip.objects[winner].colour)
            candidates.append(_pair(clip, "traveled_distance_comparison", pair, start, end, not covers, answer))
    return candidates


def traveling_speed_comparison(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    """Over one span farther is faster, so each pair is asked about a part of its span, at best one where the object
    that is behind over the whole is ahead."""
    candidates = []
    for pair in _pairs(clip, rng):
        common = _common_span(clip, pair)
        if common is None:
            continue
        start, end, _ = common
        overall = _farther(clip, pair, start, end)
        parts = _Parts(pair, start, end, rng)
        verdicts = parts.verdicts(clip.half_seconds.farther)

        def measure(k: int, pair: tuple[int, int] = pair, parts: _Parts = parts) -> int:
            winner = _farther(clip, pair, *parts.span(k))
            return NONE if winner is None else pair.index(winner)

        reversing = None if overall is None else first_that(verdicts, [1 - pair.index(overall)], measure)
        part = first_that(verdicts, [0, 1], measure) if reversing is None else reversing
        if part is not None:
            answer, turned = Choice(clip.objects[pair[verdicts[part]]].colour), reversing is not None
            span = parts.span(part)
            made = _pair(clip, "traveling_speed_comparison", pair, *span, True, answer, reversed_winner=turned)
            candidates.append(made)
    return candidates


def moving_direction_comparison(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    candidates = []
    for pair in _pairs(clip, rng):
        common = _common_span(clip, pair)
        if common is None or not _has_directions(clip):
            continue
        parts = _Parts(pair, common[0], common[1], rng, DIRECTION_SPANS_S)
        verdicts = parts.verdicts(clip.half_seconds.relation)

        def measure(k: int, pair: tuple[int, int] = pair, parts: _Parts = parts) -> int:
            start_s, end_s = parts.span(k)
            said = relation([clip.motion(k, start_s, end_s) for k in pair], end_s - start_s)
            return {None: NONE, "same": SAME, "different": DIFFERENT}[said]

        firsts = [(first_that(verdicts, [code], measure), said) for code, said in _RELATIONS]
        for part, said in sorted(one for one in firsts if one[0] is not None):
            span = parts.span(part)
            candidates.append(_pair(clip, "moving_direction_comparison", pair, *span, True, Choice(said)))
    return candidates


Task = Callable[[Clip, np.random.Generator], list[Candidate]]
TASK_CANDIDATES: dict[str, Task] = {
    task.__name__: task
    for task in (
        traveled_distance,
        traveling_speed,
        moving_direction,
        direction_timestamp,
        traveled_distance_comparison,
        traveling_speed_comparison,
        moving_direction_comparison,
    )
}


def _single(clip: Clip, task: str, k: int, answer: Answer, hour: int | None = None) -> Candidate:
    marked = clip.objects[k]
    return Candidate(
        task=task,
        objects=(k,),
        start_s=marked.span.start_s,
        end_s=marked.span.end_s,
        states_span=not marked.span.covers_clip,
        answer=answer,
        hour=hour,
        category=noun(marked.track.category),
        static=marked.motion.state is Moving.STATIC,
    )


def _pair(
    clip: Clip,
    task: str,
    pair: tuple[int, int],
    start_s: float,
    end_s: float,
    states_span: bool,
    answer: Answer,
    reversed_winner: bool = False,
) -> Candidate:
    first, second = (noun(clip.objects[k].track.category) for k in pair)
    return Candidate(
        task=task,
        objects=pair,
        start_s=start_s,
        end_s=end_s,
        states_span=states_span,
        answer=answer,
        category=first,
        mixed=first != second,
        reversed_winner=reversed_winner,
    )


def _has_directions(clip: Clip) -> bool:
    """Sports recordings follow a person's own device and get distances and speeds only."""
    return clip.recording.domain != "sports"


def _pairs(clip: Clip, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Every pair of objects, in a random order of naming."""
    pairs = list(combinations(range(len(clip.objects)), 2))
    return [(b, a) if rng.random() < 0.5 else (a, b) for a, b in pairs]


def _common_span(clip: Clip, pair: tuple[int, int]) -> tuple[float, float, bool] | None:
    """Start, end and whether it is the whole clip, of the longest time in which every frame shows both objects."""
    key = min(pair), max(pair)
    if key not in clip.common_spans:
        clip.common_spans[key] = _measured_common_span(clip, key)
    return clip.common_spans[key]


def _measured_common_span(clip: Clip, pair: tuple[int, int]) -> tuple[float, float, bool] | None:
    spans = [clip.objects[k].span for k in pair]
    start, end = max(s.start_s for s in spans), min(s.end_s for s in spans)
    seen = np.isfinite(np.stack([clip.objects[k].boxes[:, 0] for k in pair])).all(axis=0)
    if seen.all() and all(s.covers_clip for s in spans):
        return start, end, True
    runs = np.split(np.arange(len(seen)), np.flatnonzero(np.diff(seen)) + 1)
    times = clip.times_s
    first, last = max(
        ((max(start, times[run[0]]), min(end, times[run[-1]])) for run in runs if seen[run[0]]),
        key=lambda ends: ends[1] - ends[0],
        default=(0.0, 0.0),
    )
    first, last = map(float, whole_tenths(first, last))
    return (first, last, False) if last - first >= SHORTEST_COMPARED_S - 1e-6 else None


def _farther(clip: Clip, pair: tuple[int, int], start_s: float, end_s: float) -> int | None:
    """The object of a pair that travels farther by more than the margin, or None where it is too close to ask."""
    ahead = farther([clip.motion(k, start_s, end_s) for k in pair])
    return None if ahead is None else pair[ahead]


class _Parts:
    """Parts of a span of a pair that begin and end on half seconds, shorter than the span, in random order."""

    def __init__(
        self,
        pair: tuple[int, int],
        start_s: float,
        end_s: float,
        rng: np.random.Generator,
        lengths_s: tuple[float, float] = (SHORTEST_COMPARED_S, LONGEST_COMPARED_PART_S),
    ) -> None:
        starts, steps = half_second_parts(start_s, end_s, *lengths_s)
        order = rng.permutation(len(starts))
        self._pair, self._starts, self._steps = pair, starts[order], steps[order]

    def verdicts(self, rule: Callable[[tuple[int, int], np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """(P,) what `HalfSeconds` says of the pair in each part."""
        return rule(self._pair, self._starts, self._steps)

    def span(self, k: int) -> tuple[float, float]:
        """Start and end of a part, seconds."""
        return int(self._starts[k]) * STEP_S, int(self._starts[k] + self._steps[k]) * STEP_S
