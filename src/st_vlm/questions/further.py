"""The tasks beyond the seven: what each may ask about a clip (docs/tasks.md).

As in `tasks`, a task is a function from a clip to its candidates; the truth of each is in `further_measures`.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import STEP_S, positions_at
from st_vlm.kinematics.speeds import steady_acceleration
from st_vlm.questions.clips import Clip
from st_vlm.questions.further_measures import ACCELERATION_SPANS_S, FURTHER_MEASURES, Evidence
from st_vlm.questions.tasks import Candidate, Task, _common_span, _has_directions
from st_vlm.recordings.categories import noun

ROUND_M = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 60, 80, 100, 120, 150, 200, 250, 300, 400, 500)
# Where on its path the distance lies that an object is asked to reach.
_REACHED_SHARES = (0.2, 0.95)
# An object's place at the very start is where the camera sees it; later both have moved.
_EARLIEST_POSITION_S = 1.0


def peak_speed(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    return _of_all([_single(clip, "peak_speed", k) for k in range(len(clip.objects))])


def acceleration(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    """Each object once speeding up and once braking, in a part of its span that is drawn at random."""
    candidates = []
    for k, marked in enumerate(clip.objects):
        if marked.motion.state is not Moving.MOVING:
            continue
        found: dict[bool, Candidate] = {}
        for start, end in _steady_parts(clip, k, rng):
            made = _make(clip, "acceleration", (k,), start, end, True)
            if made is not None:
                found.setdefault(made.answer.value > 0, made)
            if len(found) == 2:
                break
        candidates.extend(found.values())
    return candidates


def number_of_turns(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    if not _has_directions(clip):
        return []
    return _of_all([_single(clip, "number_of_turns", k) for k in range(len(clip.objects))])


def closest_approach(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    candidates = []
    for pair in combinations(range(len(clip.objects)), 2):
        common = _common_span(clip, pair)
        # Which of the two is named first tells nothing.
        named = pair if rng.random() < 0.5 else pair[::-1]
        if common is not None:
            start, end, covers = common
            candidates.append(_make(clip, "closest_approach", named, start, end, not covers))
    return _of_all(candidates)


def time_to_distance(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    """Each moving object once, about a round number of metres that it reaches anywhere on its path."""
    candidates = []
    for k, marked in enumerate(clip.objects):
        least, most = (share * marked.motion.distance_m for share in _REACHED_SHARES)
        within = [metres for metres in ROUND_M if least <= metres <= most]
        # Round numbers are dense among the small ones: a place on the path by chance, then what is nearest to it.
        wanted = rng.uniform(least, most)
        nearest = np.argsort(np.abs(np.array(within) - wanted), kind="stable")
        asked = (_single(clip, "time_to_distance", k, metres=float(within[n])) for n in nearest)
        candidates.append(next((made for made in asked if made), None))
    return _of_all(candidates)


def camera_travel(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    return _of_all([_make(clip, "camera_travel", (), 0.0, float(clip.times_s[-1]), False)])


def object_position(clip: Clip, rng: np.random.Generator) -> list[Candidate]:
    """Each object once, at a half second at which it is seen."""
    candidates = []
    for k, marked in enumerate(clip.objects):
        seconds = STEP_S * np.arange(np.ceil(_EARLIEST_POSITION_S / STEP_S), marked.span.end_s / STEP_S + 1e-6)
        nearest = np.abs(clip.times_s[None] - seconds[:, None]).argmin(axis=1)
        seen = np.isfinite(marked.boxes[nearest, 0]) & (seconds >= marked.span.start_s - 1e-6)
        if seen.any():
            candidates.append(_single(clip, "object_position", k, second=float(rng.choice(seconds[seen]))))
    return _of_all(candidates)


FURTHER_CANDIDATES: dict[str, Task] = {
    task.__name__: task
    for task in (
        peak_speed,
        acceleration,
        number_of_turns,
        closest_approach,
        time_to_distance,
        camera_travel,
        object_position,
    )
}


def _single(clip: Clip, task: str, k: int, **stated: float) -> Candidate | None:
    """A candidate about one object over its span; one that states a second needs no other time."""
    span = clip.objects[k].span
    return _make(clip, task, (k,), span.start_s, span.end_s, not span.covers_clip and "second" not in stated, **stated)


def _make(
    clip: Clip,
    task: str,
    objects: tuple[int, ...],
    start_s: float,
    end_s: float,
    states_span: bool,
    metres: float | None = None,
    second: float | None = None,
) -> Candidate | None:
    """A candidate with its truth, or None where by the task's rules it is not asked."""
    evidence = Evidence(
        motions=tuple(_motion(clip, k, start_s, end_s) for k in objects),
        times_s=clip.times_s,
        poses=clip.recording.camera.poses[clip.frames],
        metres=metres,
        second=second,
        centres=None if second is None else np.stack([_centre(clip, k, second) for k in objects]),
    )
    answer = FURTHER_MEASURES[task](evidence)
    if answer is None:
        return None
    nouns = [noun(clip.objects[k].track.category) for k in objects]
    return Candidate(
        task=task,
        objects=objects,
        start_s=start_s,
        end_s=end_s,
        states_span=states_span,
        answer=answer,
        metres=metres,
        second=second,
        category=nouns[0] if nouns else "",
        mixed=len(set(nouns)) > 1,
        # Of the camera where no object is asked about.
        static=evidence.motions[0].state is Moving.STATIC if len(objects) == 1 else _stands(answer),
    )


def _stands(answer: object) -> bool:
    return getattr(answer, "value", None) == 0.0


def _motion(clip: Clip, k: int, start_s: float, end_s: float):
    """As `Clip.motion`; the whole span is measured already."""
    marked = clip.objects[k]
    whole = (start_s, end_s) == (marked.span.start_s, marked.span.end_s)
    return marked.motion if whole else clip.motion(k, start_s, end_s)


def _centre(clip: Clip, k: int, second: float) -> np.ndarray:
    """(3,) centre of an object in the world at a second of the clip."""
    track = clip.objects[k].track
    return positions_at(track.times_ns, track.centres, np.array([clip.start_ns + round(second * 1e9)]))[0]


def _steady_parts(clip: Clip, k: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """The parts of an object's span, between half seconds, in which its speed changes clearly; in random order."""
    span = clip.objects[k].span
    first, last = int(np.ceil(span.start_s / STEP_S - 1e-6)), int(np.floor(span.end_s / STEP_S + 1e-6))
    shortest, longest = (round(seconds / STEP_S) for seconds in ACCELERATION_SPANS_S)
    if last - first < shortest:
        return []
    # One measurement of the whole holds the grids of all parts.
    whole = clip.motion(k, first * STEP_S, last * STEP_S)
    parts = []
    for a in range(last - first):
        for b in range(a + shortest, min(a + longest, last - first) + 1):
            if steady_acceleration(whole.times_s[a : b + 1], whole.points[a : b + 1]) is not None:
                parts.append(((first + a) * STEP_S, (first + b) * STEP_S))
    return [parts[n] for n in rng.permutation(len(parts))]


def _of_all(candidates: list[Candidate | None]) -> list[Candidate]:
    return [one for one in candidates if one is not None]
