"""The commands that run a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(
    out: Annotated[Path, typer.Option(help="Folder for dataset, answers, scores and the picture.")] = Path("demo"),
    model_dir: Annotated[Path, typer.Option(help="Folder for the tuned model.")] = Path("st-vlm"),
    num_recordings: Annotated[int, typer.Option(min=10, help="Simulated scenes; a tenth are the test split.")] = 60,
    max_steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 1500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of scenes, build and weights.")] = 0,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
) -> None:
    """Simulate, build, tune and evaluate a tiny model on a CPU, without a download."""
    from st_vlm.cli.demo import run_demo

    raise typer.Exit(run_demo(out, model_dir, num_recordings, max_steps, seed, form))


def ask(
    video: Annotated[Path, typer.Argument(help="A video file.", show_default=False)],
    question: Annotated[str, typer.Argument(help="Call a marked object by its colour.", show_default=False)],
    mark: Annotated[
        list[str] | None,
        typer.Option(
            help="An object on one frame, COLOUR=x1,y1,x2,y2@SECONDS in pixels (repeatable); it is followed.",
            show_default=False,
        ),
    ] = None,
    marks: Annotated[
        Path | None, typer.Option(help="JSON file of marks with a box a frame: color, boxes.", show_default=False)
    ] = None,
    model: Annotated[str, typer.Option(help="Folder of the model.")] = "st-vlm",
    task: Annotated[
        str | None, typer.Option(help="Read the answer as this task's, such as peak_speed.", show_default=False)
    ] = None,
    camera_height: Annotated[
        float | None, typer.Option(help="Metres of the camera above the ground.", show_default=False)
    ] = None,
    focal: Annotated[
        float | None, typer.Option(help="Focal length in pixels of the video.", show_default=False)
    ] = None,
    fixed_camera: Annotated[
        float | None,
        typer.Option(help="The camera stands still, so many degrees below the horizontal.", show_default=False),
    ] = None,
    save_frames: Annotated[
        Path | None, typer.Option(help="Write a PNG of the marked frames here.", show_default=False)
    ] = None,
    form: Annotated[Literal["text", "json"], typer.Option("--format", help="Lines, or one JSON object.")] = "text",
) -> None:
    """Ask a model a question about a video whose objects are marked on one frame each."""
    from st_vlm.cli.ask import AskOptions
    from st_vlm.cli.ask import ask as run

    options = AskOptions(tuple(mark or ()), marks, model, task, camera_height, focal, fixed_camera, save_frames)
    raise typer.Exit(run(video, question, options, form))
