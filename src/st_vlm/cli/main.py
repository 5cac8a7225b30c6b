"""The `st-vlm` command. Each subcommand lives in its own module, imported when it runs.

Exit codes: 0 done, 1 done but some items failed (listed at the end), 2 refused input or usage.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from st_vlm.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


# A callback makes it a group whose commands are called by name even while there is only one.
@app.callback()
def st_vlm() -> None:
    """How far, how fast and which way things move in a video."""


Source = Annotated[str, typer.Argument(help="nuscenes, argoverse2 or simulated.", show_default=False)]


@app.command()
def measure(
    source: Source,
    path: Annotated[
        Path | None,
        typer.Argument(help="Dataset root, split or single log; not needed for simulated.", show_default=False),
    ] = None,
    form: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="A table, or one JSON object a line.")
    ] = "table",
    num_recordings: Annotated[
        int | None, typer.Option(min=1, help="How many recordings to simulate.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the simulation.", show_default=False)] = None,
) -> None:
    """Print path, displacement, static or moving, distance and mean speed of every track."""
    options = {"num_recordings": num_recordings, "seed": seed}
    options = {name: given for name, given in options.items() if given is not None}
    if options and source != "simulated":
        raise typer.BadParameter("--num-recordings and --seed are for the source simulated only.")
    from st_vlm.cli.measure import measure as run

    raise typer.Exit(run(source, path, form, options))


@app.command()
def build(
    source: Source,
    path: Annotated[
        Path | None,
        typer.Argument(help="Dataset root, split or single log; not needed for simulated.", show_default=False),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder to write; it must not exist yet, or be empty.", show_default=False)
    ] = ...,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of clips, marks, words, balance and simulated scenes.")] = 0,
    camera: Annotated[
        list[str] | None, typer.Option(help="Use this camera (repeatable); default: all with images.")
    ] = None,
    task: Annotated[list[str] | None, typer.Option(help="Ask this task (repeatable); default: all seven.")] = None,
    balance: Annotated[bool, typer.Option(help="Drop rows until answers are balanced.")] = True,
    num_recordings: Annotated[
        int | None, typer.Option(min=1, help="How many recordings to simulate.", show_default=False)
    ] = None,
) -> None:
    """Turn recordings into a dataset folder of clips, questions and answers."""
    options = {"seed": seed} if source == "simulated" else {}
    if num_recordings is not None:
        if source != "simulated":
            raise typer.BadParameter("--num-recordings is for the source simulated only.")
        options["num_recordings"] = num_recordings
    from st_vlm.cli.build import run_build

    raise typer.Exit(run_build(source, path, out, form, num_proc, seed, camera, task, balance, options))


@app.command()
def score(
    questions: Annotated[
        Path, typer.Argument(help="A folder that build wrote, or a Parquet file of questions.", show_default=False)
    ],
    predictions: Annotated[
        Path, typer.Argument(help='JSON lines, each {"id": ..., "text": ...}.', show_default=False)
    ],
    split: Annotated[
        str | None, typer.Option(help="Split of the folder; test where there is one.", show_default=False)
    ] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
    out: Annotated[Path | None, typer.Option(help="Also write the JSON to this file.", show_default=False)] = None,
) -> None:
    """Score a model's free-text predictions, task by task."""
    from st_vlm.cli.score import score as run

    raise typer.Exit(run(questions, predictions, split, form, out))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for dataset, answers, scores and the picture.")] = Path("demo"),
    model_dir: Annotated[Path, typer.Option(help="Folder for the tuned model.")] = Path("st-vlm"),
    num_recordings: Annotated[int, typer.Option(min=10, help="Simulated scenes; a tenth are the test split.")] = 60,
    max_steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 450,
    seed: Annotated[int, typer.Option(min=0, help="Seed of scenes, build and weights.")] = 0,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
) -> None:
    """Simulate, build, tune and evaluate a tiny model on a CPU, without a download."""
    from st_vlm.cli.demo import run_demo

    raise typer.Exit(run_demo(out, model_dir, num_recordings, max_steps, seed, form))


def main() -> None:
    """Entry point: refused input is one sentence on standard error, never a traceback."""
    try:
        app()
    except InputError as error:
        print(f"st-vlm: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        # Readers name their own files; what is left is a disk that is full or a folder that may not be written.
        where = f"{error.filename} cannot be read or written: " if error.filename else ""
        print(f"st-vlm: {where}{error.strerror or error}.", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
