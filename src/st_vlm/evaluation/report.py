"""A score as rows for a table."""

from __future__ import annotations

from st_vlm.questions.answers import ClockHour, Count, Position
from st_vlm.questions.forms import task_form

SCORE_COLUMNS = (
    "task",
    "n",
    "accuracy %",
    "MAE",
    "mean IoU",
    "within 1 h %",
    "per hour %",
    "not parsed",
    "missing",
)


def score_rows(result: dict) -> list[list[object]]:
    """The rows under `SCORE_COLUMNS` for a result of `scoring.score`: one a task, then the average."""
    rows: list[list[object]] = []
    for task, measures in result["tasks"].items():
        mae = measures["mae"]
        rows.append(
            [
                task,
                measures["n"],
                _percent(measures["accuracy"]),
                None if mae is None else f"{mae:.2f} {error_unit(task)}".rstrip(),
                measures["mean_iou"],
                _percent(measures["within_one"]),
                _percent(measures["accuracy_balanced"]),
                measures["parse_failures"],
                measures["missing"],
            ]
        )
    totals = [
        sum(measures[key] for measures in result["tasks"].values()) for key in ("n", "parse_failures", "missing")
    ]
    rows.append(["average", totals[0], _percent(result["average"]), None, None, None, None, *totals[1:]])
    return rows


def error_unit(task: str) -> str:
    """The unit of a task's mean absolute error; empty for counts."""
    form = task_form(task)
    return form.unit or {ClockHour: "h", Position: "m", Count: ""}[form.answer]


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share
