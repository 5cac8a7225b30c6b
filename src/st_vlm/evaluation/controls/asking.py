"""A question asked again on a changed clip: its time, its truth from the changed tracks, its words."""

from __future__ import annotations

import math
from collections.abc import Mapping

from st_vlm.evaluation.controls.change import Control, LeftOut
from st_vlm.kinematics.headings import Run
from st_vlm.questions.answers import Answer, Interval, Quantity, to_target
from st_vlm.questions.forms import from_target
from st_vlm.questions.measuring import exact_span, reasoned_again, row_motions, true_answer
from st_vlm.questions.rows import messages, worded
from st_vlm.questions.turns import asked_runs
from st_vlm.recordings import Recording

# An interval of the changed tracks is the one that was asked about if they share this much.
LEAST_IOU = 0.5


def asked_again(
    row: Mapping, columns: Mapping, before: Recording, after: Recording, control: Control, seed: int
) -> dict:
    """A row of the variant.

    Args:
        row: The row it is made from.
        columns: What changes for all questions of the clip.
        before, after: The tracks as they are stored, and as they are changed.
        control: Which variant.
        seed: Of the build, from which its words were drawn.

    Raises:
        LeftOut: The stored truth is not what the stored tracks say, or the changed ones allow no such question.
        InputError: A target that does not fit the task, or a track that is not there.
    """
    stored = from_target(row["task"], row["target"])
    measured = true_answer(row, before)
    if measured is None or not _agree(measured, stored):
        raise LeftOut("not_measured")
    made = {**row, **columns}
    made["span"] = _moved_span(row, before, control)
    made["asked"] = _moved_asked(row, made, stored, after, control)
    answer = stored
    if control.words == "again":
        again = true_answer(made, after)
        if again is None:
            raise LeftOut("not_asked")
        # Not another rounding of the same.
        answer = stored if again == measured else again
    made["target"] = to_target(answer)
    if control.words != "kept":
        made |= _words(made, answer, after, control, seed)
    if not control.video:
        made["messages"] = _without_video(messages(made["question"], made["answer"]))
    return made


def _words(made: dict, answer: Answer, after: Recording, control: Control, seed: int) -> dict:
    """The columns that depend on the wording; of a reasoning task with its chain, calculated again."""
    chain = {}
    if made.get("reasoning") is not None:
        chain["reasoning"] = reasoned_again(made, row_motions(made, after))[1].to_column()
    colours = [mark["color"] for mark in made["marks"]]
    held_out = control.words == "held_out"
    words = worded(made["id"], made["task"], answer, made["asked"], made["span"], colours, seed, held_out, **chain)
    return words | chain


def _moved_span(row: Mapping, before: Recording, control: Control) -> dict:
    """The time that the question is about, in the seconds of the changed clip.

    A stated span keeps its length and goes to the nearest tenths of a second that lie in the clip.
    """
    start, end = sorted(control.time(row, second) for second in exact_span(row, before))
    if not row["asked"]["states_span"]:
        return {"start": round(start, 9) + 0.0, "end": round(end, 9)}
    length = round(row["span"]["end"] - row["span"]["start"], 1)
    first = round(start, 1)
    if first < 0 or first + length > row["timestamps"][-1] + 1e-6:
        first = math.floor(start * 10 + 1e-6) / 10
    return {"start": round(max(0.0, first), 1) + 0.0, "end": round(max(0.0, first) + length, 1)}


def _moved_asked(row: Mapping, made: Mapping, stored: Answer, after: Recording, control: Control) -> dict:
    """What else the question states: an hour is that of the run which the asked interval has become."""
    asked = dict(row["asked"])
    if asked["second"] is not None:
        asked["second"] = round(control.time(row, asked["second"]), 1)
    if isinstance(stored, Interval) and asked["hour"] is not None:
        ends = sorted(control.time(row, second) for second in (stored.start_s, stored.end_s))
        runs = asked_runs(row_motions(made, after)[0])
        best = max(runs, key=lambda run: _iou(run, *ends), default=None)
        if best is None or _iou(best, *ends) < LEAST_IOU:
            raise LeftOut("not_asked")
        asked["hour"] = best.hour
    return asked


def _iou(run: Run, start_s: float, end_s: float) -> float:
    both = min(run.end_s, end_s) - max(run.start_s, start_s)
    return max(0.0, both) / (max(run.end_s, end_s) - min(run.start_s, start_s))


def _agree(one: Answer, other: Answer) -> bool:
    """Whether two truths differ at most by their rounding."""
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return one.unit == other.unit and abs(one.value - other.value) < 0.0101
    if isinstance(one, Interval) and isinstance(other, Interval):
        return max(abs(one.start_s - other.start_s), abs(one.end_s - other.end_s)) < 0.101
    return one == other


def _without_video(turns: list[dict]) -> list[dict]:
    return [{**turn, "content": [part for part in turn["content"] if part["type"] != "video"]} for turn in turns]
