"""`st-vlm demo`: simulate, build, tune, evaluate, on a CPU and without a download.

Every stage leaves its result in the output folder and is skipped when that is there, so a demo that was stopped goes
on.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq

from st_vlm.building.build import build
from st_vlm.building.settings import BUILD_FILE, METADATA_FILE, BuildSettings
from st_vlm.cli.output import print_table, say
from st_vlm.errors import InputError
from st_vlm.evaluation.constants import constant_predictions
from st_vlm.evaluation.ground_plane import ground_plane_predictions
from st_vlm.evaluation.loading import load_questions
from st_vlm.evaluation.scoring import score
from st_vlm.questions.forms import TASKS
from st_vlm.video.contact_sheet import Panel, contact_sheet
from st_vlm.video.decoding import read_frames
from st_vlm.video.marks import as_marks, draw_marks

COLUMNS = ("task", "questions", "untuned %", "best constant %", "geometry %", "tuned %", "tuned error")
_WHO = ("untuned", "constant", "ground_plane", "tuned")
# Scenes without images cost little to make and to learn from: most of the learning is done on many of them, with the
# track tokens alone.
SCENES_PER_RECORDING = 20
# One step in so many is on clips.
CLIPS_SHARE = 15
# The steps on clips start from a model that answers already.
GENTLY = ("--learning_rate", "5e-4", "--muon_learning_rate", "1.5e-3", "--warmup_steps", "10")
_FRAMES_A_PANEL = 4
# What a tuning run leaves beside the model: for going on with it, not for using the model.
_RUN_FILES = ("checkpoint-*", "training_args.bin", "sft_settings.json", "README.md")


def run_demo(
    out: Path, model_dir: Path, num_recordings: int, max_steps: int, seed: int, form: Literal["table", "json"]
) -> int:
    """Run the whole line and print one table; returns the exit code.

    Args:
        out: Gets `dataset`, `scenes`, `untuned`, `tuning-scenes`, `tuning`, the predictions and scores of both models,
            and `clips.png`.
        model_dir: Gets the tuned model and its processor.
        num_recordings: Simulated scenes; a tenth of them is the test split.
        max_steps: Optimiser steps; one in `CLIPS_SHARE` on clips, those before on scenes without images.
        seed: Of scenes, build and weights.

    Raises:
        InputError: `model_dir` holds something that is no ST-VLM, or `out` holds another demo.
    """
    _check_model_dir(model_dir)
    _check_settings(out, {"num_recordings": num_recordings, "max_steps": max_steps, "seed": seed})
    with _stage("simulating scenes and building the dataset"):
        dataset = _build(out / "dataset", num_recordings, seed, video=True)
    with _stage("asking the untuned model"):
        untuned = _ask(_untuned(out / "untuned", seed), dataset, out / "answers-untuned")
    on_clips = max(1, max_steps // CLIPS_SHARE)
    with _stage("tuning on scenes without images"):
        scenes = _build(out / "scenes", SCENES_PER_RECORDING * num_recordings, seed + 1, video=False)
        first = _tune(scenes, out / "tuning-scenes", "tiny", max(1, max_steps - on_clips), seed)
    with _stage("tuning on clips"):
        _publish(_tune(dataset, out / "tuning", str(first), on_clips, seed, *GENTLY), model_dir)
    with _stage("asking the tuned model"):
        tuned = _ask(model_dir, dataset, out / "answers-tuned")
    questions = load_questions(dataset, "test")
    constant = constant_predictions(load_questions(dataset, "train"), questions)
    results = {
        "untuned": score(questions, untuned),
        "constant": score(questions, constant),
        "ground_plane": score(questions, _geometry(dataset)),
        "tuned": score(questions, tuned),
    }
    (out / "scores.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _draw(dataset, untuned, tuned, out / "clips.png")
    if form == "json":
        print(json.dumps(results, indent=2))
    else:
        print_table(COLUMNS, _table(results))
    say(f"Tuned model: {model_dir}. Dataset, answers, scores.json and clips.png: {out}.")
    return 0


def _check_model_dir(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        ours = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type") == "st_vlm"
    except (OSError, ValueError, AttributeError):
        ours = False
    if not ours:
        raise InputError(f"{folder} exists and holds no ST-VLM model: remove it or choose another --model-dir.")


def _check_settings(out: Path, settings: dict) -> None:
    note = out / "demo.json"
    if note.is_file() and json.loads(note.read_text(encoding="utf-8")) != settings:
        raise InputError(f"{out} holds a demo with other settings: remove it or choose another --out.")
    out.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(settings), encoding="utf-8")


@contextmanager
def _stage(name: str) -> Iterator[None]:
    say(f"* {name} …")
    start = time.monotonic()
    yield
    say(f"  {name}: {time.monotonic() - start:.0f} s")


def _build(folder: Path, num_recordings: int, seed: int, video: bool) -> Path:
    if not (folder / BUILD_FILE).is_file():
        options = {"seed": seed, "num_recordings": num_recordings}
        settings = BuildSettings(source="simulated", seed=seed, video=video, source_options=options)
        build(settings, folder, num_proc=os.cpu_count() or 1)
    return folder


def _untuned(folder: Path, seed: int) -> Path:
    from st_vlm.models.tiny import make_tiny

    make_tiny(folder, seed=seed)
    return folder


def _tune(dataset: Path, work: Path, model: str, max_steps: int, seed: int, *options: str) -> Path:
    """Run the recipe as a user would, in a process of its own; returns `work`, which holds the model then."""
    if not (work / "model.safetensors").is_file():
        command = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", "1", "--num_machines", "1"]
        command += ["--quiet", "--cpu", "--num_cpu_threads_per_process", str(os.cpu_count() or 1)]
        command += ["--mixed_precision", "no", "--dynamo_backend", "no", "-m", "st_vlm.recipes.sft"]
        command += ["--model_name_or_path", model, "--dataset", str(dataset), "--output_dir", str(work)]
        command += ["--max_steps", str(max_steps), "--seed", str(seed), *options]
        # Everything it prints is progress; standard output is for the table.
        code = subprocess.run(command, stdout=sys.stderr, check=False).returncode
        if code:
            raise InputError(f"Tuning ended with code {code}; what went wrong is said above. Run the demo again.")
    return work


def _publish(work: Path, model_dir: Path) -> None:
    """Put a tuned model where it belongs, without what only its run needs."""
    temporary = model_dir.with_name(f".{model_dir.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(work, temporary, ignore=shutil.ignore_patterns(*_RUN_FILES))
    shutil.rmtree(model_dir, ignore_errors=True)
    temporary.rename(model_dir)


def _ask(model: Path, dataset: Path, out: Path) -> dict[str, str]:
    """Answers of a model to the test split, question id to text."""
    from st_vlm.evaluation.loading import questions_from_rows, questions_sha256
    from st_vlm.evaluation.runners import answer_questions, model_identity
    from st_vlm.training.loading import load_model
    from st_vlm.training.rows import load_rows

    rows = load_rows(str(dataset), split="test")
    questions = questions_from_rows(rows.select_columns(["id", "task", "question", "target"]), str(dataset))
    identity = {"model": model_identity(model), "questions": questions_sha256(questions)}
    return answer_questions(*load_model(str(model)), rows, out, identity).texts


def _table(results: dict[str, dict]) -> list[list[object]]:
    rows = []
    for task, tuned in results["tuned"]["tasks"].items():
        accuracies = [100 * results[who]["tasks"][task]["accuracy"] for who in _WHO]
        rows.append([task, tuned["n"], *accuracies, _error(task, tuned)])
    total = sum(task["n"] for task in results["tuned"]["tasks"].values())
    averages = [100 * results[who]["average"] for who in _WHO]
    return [*rows, ["average", total, *averages, None]]


def _error(task: str, measures: dict) -> str | None:
    if measures["mean_iou"] is not None:
        return f"IoU {measures['mean_iou']:.2f}"
    if measures["mae"] is None:
        return None
    return f"{measures['mae']:.2f} {TASKS[task].unit or 'h'}"


def _geometry(dataset: Path) -> dict[str, str]:
    """What geometry alone answers to the test split, question id to text."""
    columns = ["id", "task", "question", "marks", "timestamps", "camera"]
    rows = pq.read_table(dataset / "test" / METADATA_FILE, columns=columns).to_pylist()
    return ground_plane_predictions(rows)[0]


def _draw(dataset: Path, untuned: dict[str, str], tuned: dict[str, str], path: Path) -> None:
    """A picture with one question of each task: some marked frames, the question, the truth and both answers."""
    rows = pq.read_table(dataset / "test" / METADATA_FILE).to_pylist()
    panels = []
    for row in _one_of_each_task(rows):
        frames = read_frames(dataset / "test" / row["file_name"])
        picked = np.linspace(0, len(frames) - 1, _FRAMES_A_PANEL).round().astype(int)
        lines = [
            f"{row['task']}: {row['question']}",
            f"truth: {row['answer']}",
            f"tuned: {tuned.get(row['id'], 'no answer')}",
            f"untuned: {_printable(untuned.get(row['id'], 'no answer'))}",
        ]
        captions = [f"{row['timestamps'][k]:.2f} s" for k in picked]
        panels.append(Panel(draw_marks(frames, as_marks(row["marks"]))[picked], captions, lines))
    contact_sheet(panels).save(path)


def _one_of_each_task(rows: Sequence[dict]) -> list[dict]:
    """A row a task, from recordings and clips that were shown least."""
    shown: list[dict] = []
    for task in TASKS:
        recordings = Counter(row["recording"] for row in shown)
        clips = Counter(row["clip_id"] for row in shown)
        of_task = [row for row in rows if row["task"] == task]
        if of_task:
            shown.append(min(of_task, key=lambda row: (recordings[row["recording"]], clips[row["clip_id"]])))
    return shown


def _printable(text: str, most: int = 100) -> str:
    """Random weights write anything; a picture shows a piece of it."""
    plain = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in text)
    return plain if len(plain) <= most else plain[:most] + " …"
