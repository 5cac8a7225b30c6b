"""What a question tells whoever never looks at its video, beside its truth: all that guessing can go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from st_vlm.questions.answers import Answer
from st_vlm.questions.forms import from_target


@dataclass(frozen=True, slots=True)
class Glance:
    """A question without its video.

    Attributes:
        task: Task id.
        nouns: Of the objects asked about, in the question's order.
        colours: Of their marks.
        start_s, end_s: The span that the question is about, in the clip's seconds.
        clip_s: The clip's length.
        hour: The hour that the question states, if any.
        answer: The truth.
    """

    task: str
    nouns: tuple[str, ...]
    colours: tuple[str, ...]
    start_s: float
    end_s: float
    clip_s: float
    hour: int | None
    answer: Answer

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


# The columns of a dataset row that a glance needs; of `marks` only these two fields.
GLANCE_COLUMNS = (
    "task",
    "target",
    "span",
    "timestamps",
    "asked",
    "marks.list.element.category",
    "marks.list.element.color",
)


def glance_of(row: Mapping) -> Glance:
    """The glance at a dataset row, of which `GLANCE_COLUMNS` suffice.

    Raises:
        InputError: A target that does not fit the task, or an unknown task.
    """
    asked, marks = row["asked"], row["marks"]
    return Glance(
        task=row["task"],
        nouns=tuple(marks[k]["category"] for k in asked["objects"]),
        colours=tuple(marks[k]["color"] for k in asked["objects"]),
        start_s=row["span"]["start"],
        end_s=row["span"]["end"],
        clip_s=row["timestamps"][-1],
        hour=asked["hour"],
        answer=from_target(row["task"], row["target"]),
    )
