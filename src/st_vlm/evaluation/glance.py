"""What a question tells whoever never looks at its video, beside its truth: all that guessing can go by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.errors import InputError
from st_vlm.evaluation.loading import SPLITS
from st_vlm.questions.answers import Answer, Choice, Interval
from st_vlm.questions.forms import from_target, task_form
from st_vlm.video.marks import COLOURS


@dataclass(frozen=True, slots=True)
class Glance:
    """A question without its video.

    Attributes:
        task: Task id.
        nouns: Of the objects asked about, in the question's order.
        colours: Of their marks.
        start_s, end_s: The span that the question is about, in the clip's seconds.
        hour: The hour that the question states, if any.
        answer: The truth.
    """

    task: str
    nouns: tuple[str, ...]
    colours: tuple[str, ...]
    start_s: float
    end_s: float
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
    "asked",
    "marks.list.element.category",
    "marks.list.element.color",
)


def glance_of(row: Mapping) -> Glance:
    """The glance at a dataset row, of which `GLANCE_COLUMNS` suffice.

    Raises:
        InputError: An unknown task, or a target, a span or objects that do not fit it.
    """
    asked, marks = row["asked"], row["marks"]
    glance = Glance(
        task=row["task"],
        nouns=tuple(marks[k]["category"] for k in asked["objects"]),
        colours=tuple(marks[k]["color"] for k in asked["objects"]),
        start_s=row["span"]["start"],
        end_s=row["span"]["end"],
        hour=asked["hour"],
        answer=from_target(row["task"], row["target"]),
    )
    _refuse_unlike(glance)
    return glance


def _refuse_unlike(glance: Glance) -> None:
    """Refuse a question whose columns do not fit together, such as an answer that is none of its objects."""
    if not (math.isfinite(glance.duration_s) and glance.duration_s > 0):
        raise InputError(f"A {glance.task} question cannot be about {glance.start_s} to {glance.end_s} s.")
    form = task_form(glance.task)
    if len(glance.nouns) != form.marks:
        raise InputError(f"A {glance.task} question names {form.marks} marked objects, not {len(glance.nouns)}.")
    if "hour" in form.states and glance.hour not in range(1, 13):
        raise InputError(f"A {glance.task} question states an hour from 1 to 12, not {glance.hour}.")
    answer = glance.answer
    if isinstance(answer, Choice) and form.options == COLOURS and answer.option not in glance.colours:
        raise InputError(f"The answer {answer.option} of a {glance.task} question is none of its objects' colours.")
    # Rounded to tenths of a second, an interval may stick out of its span a little.
    if isinstance(answer, Interval) and not glance.start_s - 1 < answer.start_s < answer.end_s < glance.end_s + 1:
        raise InputError(f"The answer of a {glance.task} question lies outside the time that it is about.")


def load_glances(folder: str | PathLike) -> dict[str, list[Glance]]:
    """The questions of every split of a built folder.

    Raises:
        InputError: No such folder, no question in it, or a table that is not one of questions; the sentence names it.
    """
    folder = Path(folder)
    files = {split: folder / split / "metadata.parquet" for split in SPLITS}
    files = {split: file for split, file in files.items() if file.is_file()}
    if not files:
        raise InputError(f"{folder} holds no split with a metadata.parquet: give a folder that st-vlm build wrote.")
    found = {split: _read(file) for split, file in files.items()}
    if not any(found.values()):
        raise InputError(f"{folder} holds no question.")
    return found


def _read(file: Path) -> list[Glance]:
    try:
        with pq.ParquetFile(file) as opened:
            names = set(opened.schema_arrow.names)
            missing = [name for name in GLANCE_COLUMNS if name.partition(".")[0] not in names]
            if missing:
                raise InputError(
                    f"{file} has no column {missing[0].partition('.')[0]}: it is not a file of questions, or an older "
                    "st-vlm wrote it; build it again."
                )
            rows = opened.read(columns=list(GLANCE_COLUMNS)).to_pylist()
        return [glance_of(row) for row in rows]
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0].rstrip('.')}.") from None
    except InputError as error:
        raise InputError(str(error) if str(file) in str(error) else f"{file}: {error}") from None
    except (KeyError, TypeError, IndexError, AttributeError):
        raise InputError(f"{file} holds a row that is no question: build the folder again.") from None
