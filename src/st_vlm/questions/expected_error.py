"""How wrong an answer may be expected to be, where tracks carry equally likely others (`Track.centre_draws`).

The answer is measured again on each draw. That takes in everything the draws know: what frames, objects and the two
sides of a comparison have in common, and how far a turn is from the next hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from st_vlm.questions.answers import Answer, Interval, Position, Quantity
from st_vlm.questions.measuring import Measured, true_answer
from st_vlm.recordings import Recording

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
    drawn: list[tuple[Recording, Measured]] = [(other, {}) for other in drawn_recordings(recording)]
    errors = []
    for row, answer in zip(rows, answers, strict=True):
        # Of the camera's own way the draws tell nothing.
        others = [true_answer(row, *draw) for draw in drawn] if row["asked"]["objects"] else []
        known = [answer_error(answer, other) for other in others if other is not None]
        errors.append(float(np.mean(known)) if known and len(known) >= MOST_UNASKED * len(drawn) else 1.0)
    return errors


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
