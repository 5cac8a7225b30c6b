"""`st-vlm score`: how well predictions answer a benchmark's questions."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Literal

from st_vlm.cli.output import print_table, say
from st_vlm.errors import InputError
from st_vlm.evaluation.loading import load_predictions, load_questions
from st_vlm.evaluation.report import SCORE_COLUMNS, score_rows
from st_vlm.evaluation.scoring import score as score_predictions


def score(
    questions: Path, predictions: Path, split: str | None, form: Literal["table", "json"], out: Path | None
) -> int:
    """Print the score, write it to `out` as JSON where given, and return the exit code 0.

    Raises:
        InputError: Questions or predictions that cannot be scored, or an `out` that cannot be written.
    """
    if out is not None and (out.is_dir() or not out.parent.is_dir()):
        raise InputError(f"The score cannot be written to {out}: give a file in a folder that exists.")
    asked = load_questions(questions, split)
    result = score_predictions(asked, load_predictions(predictions, {question.id for question in asked}))
    text = json.dumps(result, indent=2)
    if out is not None:
        _write(out, text + "\n")
    if form == "json":
        print(text)
    else:
        print_table(SCORE_COLUMNS, score_rows(result))
    missing = sum(task["missing"] for task in result["tasks"].values())
    if missing:
        say(f"{missing} of {len(asked)} questions have no prediction and count as wrong.")
    say(
        f"Scorer {result['scorer_version']}, parser {result['parser_version']}, "
        f"questions {result['questions_sha256'][:12]}."
    )
    return 0


def _write(file: Path, text: str) -> None:
    """Whole or not at all: to a temporary name beside it, then renamed."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"The score cannot be written to {file}: {error.strerror}.") from None
