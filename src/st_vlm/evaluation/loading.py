"""Questions from a built folder or a Parquet file, and predictions from JSON lines, checked before scoring."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.errors import InputError
from st_vlm.questions.answers import Answer, to_target
from st_vlm.questions.forms import from_target

SPLITS = ("train", "validation", "test")
_COLUMNS = ("id", "task", "question", "target")


@dataclass(frozen=True)
class BenchQuestion:
    """A question with its true answer: all that scoring needs of a dataset row."""

    id: str
    task: str
    question: str
    truth: Answer


def questions_from_rows(rows: Iterable[Mapping], source: str = "The questions") -> list[BenchQuestion]:
    """Dataset rows (columns `id`, `task`, `question`, `target`) as benchmark questions.

    Args:
        rows: Mappings; other columns are ignored.
        source: What the rows come from; it begins the sentence of an error.

    Raises:
        InputError: No row, a column without a value, an id that occurs twice, an unknown task, or a target that does
            not fit its task.
    """
    questions: dict[str, BenchQuestion] = {}
    for number, row in enumerate(rows):
        empty = [name for name in _COLUMNS if row.get(name) is None]
        if empty:
            raise InputError(f"{source}: row {number} ({row.get('id')}) has no {empty[0]}.")
        if row["id"] in questions:
            raise InputError(f"{source}: the question id {row['id']!r} occurs twice.")
        try:
            truth = from_target(row["task"], row["target"])
        except InputError as error:
            raise InputError(f"{source}: question {row['id']!r}: {error}") from None
        questions[row["id"]] = BenchQuestion(row["id"], row["task"], row["question"], truth)
    if not questions:
        raise InputError(f"{source}: there is no question to score.")
    return list(questions.values())


def load_questions(path: str | PathLike, split: str | None = None) -> list[BenchQuestion]:
    """Questions of a Parquet file, or of one split of a built folder (`{split}/metadata.parquet`).

    Args:
        path: A `.parquet` file or a folder that `st-vlm build` wrote.
        split: Which split of a folder; by default `test`, or the only one there is. Not for a file.

    Raises:
        InputError: No such file or split, several splits without `test` and none chosen, a file that is not Parquet
            or lacks a column, or rows that `questions_from_rows` refuses.
    """
    file = _question_file(Path(path), split)
    try:
        names = pq.read_schema(file).names
        missing = [name for name in _COLUMNS if name not in names]
        if missing:
            raise InputError(f"{file} has no column {missing[0]}: it is not a file of questions.")
        rows = pq.read_table(file, columns=list(_COLUMNS)).to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0].rstrip('.')}.") from None
    return questions_from_rows(rows, str(file))


def load_predictions(path: str | PathLike, ids: Collection[str]) -> dict[str, str]:
    """Predictions, one JSON object a line: `{"id": …, "text": …}`; other keys are ignored, blank lines skipped.

    Args:
        path: The JSON lines file.
        ids: The questions' ids; a prediction for any other is refused.

    Raises:
        InputError: An unreadable file, or a line that is not such an object, or whose id is unknown or occurs twice;
            the sentence names the file and the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"The predictions {path} cannot be read: {reason}.") from None
    known = set(ids)
    texts: dict[str, str] = {}
    first_line: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            prediction = json.loads(line)
        except (ValueError, RecursionError):
            raise InputError(f"{where}: not valid JSON; every line must be one object with id and text.") from None
        if not isinstance(prediction, dict) or not isinstance(prediction.get("id"), str):
            raise InputError(f"{where}: not an object with a string id.")
        question_id = prediction["id"]
        if not isinstance(prediction.get("text"), str):
            raise InputError(f"{where}: the prediction for {question_id!r} has no text.")
        if question_id in texts:
            raise InputError(f"{where}: {question_id!r} was already predicted on line {first_line[question_id]}.")
        if question_id not in known:
            raise InputError(
                f"{where}: there is no question {question_id!r}; are these predictions for other questions?"
            )
        texts[question_id] = prediction["text"]
        first_line[question_id] = number
    return texts


def questions_sha256(questions: Sequence[BenchQuestion]) -> str:
    """SHA-256 over what the questions ask and what is true, sorted by id, whatever file or order they came in."""
    digest = hashlib.sha256()
    for question in sorted(questions, key=lambda question: question.id):
        content = [question.id, question.task, question.question, to_target(question.truth)]
        digest.update(json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _question_file(path: Path, split: str | None) -> Path:
    if path.is_file():
        if split is not None:
            raise InputError(f"{path} is one file of questions and has no splits: leave --split out.")
        return path
    if not path.is_dir():
        raise InputError(f"There is no file or folder of questions at {path}.")
    there = [name for name in SPLITS if (path / name / "metadata.parquet").is_file()]
    if not there:
        raise InputError(f"{path} holds no split with a metadata.parquet: give a folder that st-vlm build wrote.")
    if split is None and "test" not in there and len(there) > 1:
        raise InputError(f"{path} has no test split: choose one of {', '.join(there)} with --split.")
    if split is not None and split not in there:
        raise InputError(f"{path} has no split {split!r}: it has {', '.join(there)}.")
    return path / (split or ("test" if "test" in there else there[0])) / "metadata.parquet"
