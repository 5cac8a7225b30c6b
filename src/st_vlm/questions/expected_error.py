"""How wrong an answer may be expected to be, where tracks carry equally likely others (`Track.centre_draws`).

The answer is measured again on each draw. That takes in everything the draws know: what frames, objects and the two
sides of a comparison have in common, and how far a turn is from the next hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from st_vlm.kinematics.headings import chord_length
from st_vlm.kinematics.many_spans import lay_out, static_tests
from st_vlm.questions.answers import Answer, Interval, Position, Quantity
from st_vlm.questions.measuring import asked_tracks, exact_span, true_answer
from st_vlm.questions.motion import SpanMotion, centre_sigma, pose_slacks
from st_vlm.recordings import Recording
from st_vlm.recordings.categories import is_person

# A question that more of the draws would not ask, for they lie within its margins, is not known at all.
MOST_UNASKED = 0.5


def expected_errors(rows: Sequence[Mapping], answers: Sequence[Answer], recording: Recording) -> list[float]:
    """The expected error of each row's answer, from 0 to 1 and over.

    Args:
        rows: Dataset rows about the recording.
        answers: Theirs.
        recording: With `centre_draws` in all of its tracks.

    Returns:
        Of a number the mean relative error (of one that is 0, the share of draws in which it is not); of an interval
        1 less the mean overlap; of a place its mean distance as a share of its own; of anything else the share of
        draws that say otherwise. 1 where most draws would not ask, and where no object is asked about.
    """
    drawn = list(drawn_recordings(recording))
    asked = [_spans_of(row, recording) for row in rows]
    motions = _drawn_motions(recording, list(dict.fromkeys(span for spans in asked for span in spans)))
    errors = []
    for row, answer, spans in zip(rows, answers, asked, strict=True):
        # Of the camera's own way the draws tell nothing.
        others = [
            true_answer(row, other, [motions[span][k] for span in spans]) for k, other in enumerate(drawn) if spans
        ]
        known = [answer_error(answer, other) for other in others if other is not None]
        errors.append(float(np.mean(known)) if known and len(known) >= MOST_UNASKED * len(drawn) else 1.0)
    return errors


@dataclass(frozen=True)
class _Span:
    """A track's number, and start and end of what is measured of it after a clip's start."""

    track: int
    clip_start_ns: int
    start_s: float
    end_s: float


def _spans_of(row: Mapping, recording: Recording) -> list[_Span]:
    """What a row asks about; none for a question about the camera alone."""
    if not row["asked"]["objects"]:
        return []
    ends = exact_span(row, recording)
    numbers = {track.id: number for number, track in enumerate(recording.tracks)}
    return [_Span(numbers[track.id], row["start_ns"], *ends) for track in asked_tracks(row, recording)]


def _drawn_motions(recording: Recording, spans: Sequence[_Span]) -> dict[_Span, list[SpanMotion]]:
    """The motion over each span in each of the draws: as `span_motion` measures it, all at once."""
    tracks = recording.tracks
    spans = sorted(spans, key=lambda span: span.track)
    draws = min((len(track.centre_draws) for track in tracks), default=0)
    if not spans or not draws:
        return {span: [] for span in spans}
    owners = np.array([span.track for span in spans])
    life = np.array([(tracks[k].times_ns[0], tracks[k].times_ns[-1]) for k in owners])
    origins = np.array([span.clip_start_ns for span in spans])
    starts = np.maximum(origins + [round(span.start_s * 1e9) for span in spans], life[:, 0])
    ends = np.minimum(origins + [round(span.end_s * 1e9) for span in spans], life[:, 1])
    # Draw k of track n is track k * N + n.
    laid = lay_out(
        [track.times_ns for track in tracks] * draws,
        [track.centre_draws[k, :, :2] for k in range(draws) for track in tracks],
        np.concatenate([k * len(tracks) + owners for k in range(draws)]),
        *(np.tile(values, draws) for values in (starts, ends, origins)),
    )
    person = np.array([is_person(tracks[k].category) for k in owners])
    sigma = np.array([centre_sigma(tracks[k]) for k in owners])
    states = static_tests(
        laid, *(np.tile(values, draws) for values in (person, pose_slacks(recording, starts, ends), sigma))
    )
    found: dict[_Span, list[SpanMotion]] = {span: [] for span in spans}
    for number, (first, last, state) in enumerate(zip(laid.firsts, laid.lasts, states, strict=True)):
        k = number % len(spans)
        part = slice(first, last + 1)
        chord = chord_length(bool(person[k]), float(sigma[k]))
        found[spans[k]].append(SpanMotion(laid.times_s[part], laid.points[part], state, chord))
    return found


def drawn_recordings(recording: Recording) -> Iterator[Recording]:
    """The recording with its tracks as each draw has them."""
    for draw in range(min((len(track.centre_draws) for track in recording.tracks), default=0)):
        tracks = tuple(
            replace(track, centres=track.centre_draws[draw], centre_draws=None) for track in recording.tracks
        )
        yield replace(recording, tracks=tracks)


def answer_error(answer: Answer, other: Answer) -> float:
    """How far another answer to the same question is off.

    >>> answer_error(Quantity(10, "m"), Quantity(12, "m"))
    0.2
    """
    if isinstance(answer, Quantity) and isinstance(other, Quantity):
        return abs(other.value - answer.value) / abs(answer.value) if answer.value else float(other.value != 0)
    if isinstance(answer, Interval) and isinstance(other, Interval):
        shared = max(min(answer.end_s, other.end_s) - max(answer.start_s, other.start_s), 0.0)
        return 1 - shared / (max(answer.end_s, other.end_s) - min(answer.start_s, other.start_s))
    if isinstance(answer, Position) and isinstance(other, Position):
        off, own = np.subtract(other.metres, answer.metres), np.linalg.norm(answer.metres)
        return float(np.linalg.norm(off) / max(own, 1e-9))
    return float(answer != other)
