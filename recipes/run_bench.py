"""Ask a model every question of a dataset's split and score its answers.

    python recipes/run_bench.py --model outputs/sft-tiny --dataset stkit-folder --split test

Writes predictions.jsonl, run.json and scores.json into --out (by default MODEL/bench-SPLIT) and prints the table.
--model ground_plane answers by geometry instead, from the boxes and the camera of each row.
With --control NAME it asks about a control variant of the folder instead (docs/controls.md), made in --out (by
default MODEL/bench-SPLIT-NAME).
Started again after a kill, it goes on where it was. Exit codes: 0 done, 1 some questions could not be asked (listed at
the end and scored as unanswered), 2 refused input.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from tqdm import tqdm

from st_vlm.building.settings import BUILD_FILE, METADATA_FILE
from st_vlm.building.tables import open_tables, read_json
from st_vlm.cli.output import counted, print_table, report_failures, say
from st_vlm.errors import InputError
from st_vlm.evaluation.controls import CONTROLS, REASONS, control_named, make_control
from st_vlm.evaluation.controls.batches import Origin
from st_vlm.evaluation.controls.making import split_sha256
from st_vlm.evaluation.ground_plane import ground_plane_predictions
from st_vlm.evaluation.loading import BenchQuestion, questions_from_rows, questions_sha256
from st_vlm.evaluation.report import SCORE_COLUMNS, score_rows
from st_vlm.evaluation.runners import PREDICTIONS_FILE, RunReport, answer_questions, model_identity, write_whole
from st_vlm.evaluation.scoring import score
from st_vlm.training.loading import load_model
from st_vlm.training.rows import DEFAULT_DATASET, load_rows

# Instead of a model: the baseline of boxes and camera.
GROUND_PLANE = "ground_plane"


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    out = Path(options.out or Path(options.model) / "-".join(filter(None, ("bench", options.split, options.control))))
    lost = 0
    if options.control:
        options.dataset, lost = _variant(options, out)
    questions, report = _by_geometry(options, out) if options.model == GROUND_PLANE else _by_model(options, out)
    result = score(questions, report.texts)
    write_whole(out / "scores.json", json.dumps(result, indent=2) + "\n")
    print_table(SCORE_COLUMNS, score_rows(result))
    say(f"{len(report.texts)} answers ({report.kept} from an earlier run) are in {out / PREDICTIONS_FILE}.")
    report_failures(report.failures, "questions")
    if report.failures:
        say(f"{len(report.failures)} of {len(questions)} questions could not be asked.")
    return 1 if report.failures or lost else 0


def _by_model(options: argparse.Namespace, out: Path) -> tuple[list[BenchQuestion], RunReport]:
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    model, processor = load_model(options.model, dtype=options.dtype)
    rows, questions = _rows(options, with_video=not getattr(processor, "track_tokens", False))
    named = Path(options.model).is_dir()
    identity = {
        "model": model_identity(options.model) if named else _hub_identity(options.model, model),
        "questions": questions_sha256(questions),
        "dtype": options.dtype,
    }
    report = answer_questions(
        model.to(device), processor, rows, out, identity, options.batch_size, options.max_new_tokens
    )
    return questions, report


def _by_geometry(options: argparse.Namespace, out: Path) -> tuple[list[BenchQuestion], RunReport]:
    """What geometry cannot tell has no answer, and is scored as unanswered; that is no failure."""
    rows, questions = _rows(options, with_video=False)
    texts, failures = ground_plane_predictions(tqdm(rows.remove_columns("video"), "questions", disable=None))
    out.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"id": name, "text": text}) + "\n" for name, text in texts.items())
    write_whole(out / PREDICTIONS_FILE, "".join(lines))
    return questions, RunReport(texts, failures)


def _rows(options: argparse.Namespace, with_video: bool):
    rows = load_rows(
        options.dataset,
        options.config_name,
        options.split,
        options.data_dir,
        max_rows=options.limit,
        with_video=with_video,
    )
    return rows, questions_from_rows(rows.select_columns(["id", "task", "question", "target"]), options.dataset)


def _variant(options: argparse.Namespace, out: Path) -> tuple[str, int]:
    """The folder of the control variant, made unless an earlier run left it, and how many clips it could not use."""
    control_named(options.control)
    if not Path(options.dataset).is_dir():
        raise InputError(
            f"A control variant is made of a folder that `st-vlm build` wrote; {options.dataset} is none. Build one."
        )
    origin = None
    if options.control == "double_frame_rate" and options.data_dir:
        origin = Origin(str(open_tables(options.dataset).about.get("source")), options.data_dir)
    folder = out / "dataset"
    table = Path(options.dataset) / options.split / METADATA_FILE
    if (folder / BUILD_FILE).is_file() and table.is_file():
        about = read_json(folder / BUILD_FILE)
        if (about.get("control"), about.get("made_of")) == (options.control, split_sha256(table)):
            return str(folder), about.get("failures", 0)
    made = make_control(options.dataset, options.control, folder, options.split, origin=origin)
    for reason, count in made.left_out.items():
        say(f"{counted(count, 'question')} left out, each because {REASONS[reason]}.")
    for sentence in made.failures:
        say(f"run_bench.py: {sentence}")
    return str(folder), len(made.failures)


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a folder, a name on the Hub, tiny, or ground_plane: no model")
    parser.add_argument("--dataset", default=DEFAULT_DATASET, help="a built folder, stkit, or a name on the Hub")
    parser.add_argument("--config_name", help="source of stkit; simulated if not given")
    parser.add_argument("--data_dir", help="the source's recordings, for stkit")
    parser.add_argument("--split", default="test")
    parser.add_argument("--control", help=f"ask about a control variant: {', '.join(CONTROLS)}")
    parser.add_argument("--out", help="folder for answers and scores")
    parser.add_argument("--batch_size", type=_at_least_one, default=16)
    parser.add_argument("--max_new_tokens", type=_at_least_one, default=64)
    parser.add_argument("--limit", type=_at_least_one, help="ask the first so many questions only")
    parser.add_argument("--dtype", default="auto", choices=("auto", "float32", "bfloat16", "float16"))
    return parser.parse_args(argv)


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def _hub_identity(name: str, model) -> str:
    return f"{name}@{getattr(model.config, '_commit_hash', None)}"


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"run_bench.py: {error}", file=sys.stderr)
        sys.exit(2)
