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


Source = Annotated[
    str,
    typer.Argument(
        help="argoverse2, ego_exo4d, kitti, nuplan, nuscenes, simulated, or a reader of your own as module:Class.",
        show_default=False,
    ),
]
SourcePath = Annotated[
    Path | None,
    typer.Argument(help="Dataset root, split or single log; not needed for simulated.", show_default=False),
]
SourceOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--option", help="Option of the source, NAME=VALUE, such as sweeps=true (repeatable).", show_default=False
    ),
]


@app.command()
def measure(
    source: Source,
    path: SourcePath = None,
    form: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="A table, or one JSON object a line.")
    ] = "table",
    num_recordings: Annotated[
        int | None, typer.Option(min=1, help="How many recordings to simulate.", show_default=False)
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the simulation.", show_default=False)] = None,
    option: SourceOptions = None,
) -> None:
    """Print path, displacement, static or moving, distance and mean speed of every track."""
    options = {"num_recordings": num_recordings, "seed": seed}
    options = {name: given for name, given in options.items() if given is not None}
    if options and source != "simulated":
        raise typer.BadParameter("--num-recordings and --seed are for the source simulated only.")
    from st_vlm.cli.measure import measure as run

    raise typer.Exit(run(source, path, form, options | _source_options(option)))


@app.command()
def build(
    source: Source,
    path: SourcePath = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; it must not exist yet, or be empty.", show_default=False)
    ] = None,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of clips, marks, words, balance and simulated scenes.")] = 0,
    camera: Annotated[
        list[str] | None, typer.Option(help="Use this camera (repeatable); default: all with images.")
    ] = None,
    task: Annotated[
        list[str] | None,
        typer.Option(
            help="Ask this task (repeatable), such as peak_speed of docs/tasks.md, or a group: seven, further, "
            "reasoning; default: the seven."
        ),
    ] = None,
    balance: Annotated[
        Literal["full", "partial", "none"],
        typer.Option(
            help="Drop questions until guessing does not pay: in full, or not at all where the set is too small for "
            "that; as far as there are enough; or never."
        ),
    ] = "full",
    video: Annotated[bool, typer.Option(help="Write clips; without, rows of logs that have no images.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and estimate; write nothing.")] = False,
    num_recordings: Annotated[
        int | None, typer.Option(min=1, help="How many recordings to simulate.", show_default=False)
    ] = None,
    option: SourceOptions = None,
    executor: Annotated[
        Literal["local", "slurm", "ray"] | None,
        typer.Option(help="Write shards with datatrove, on this machine or a cluster.", show_default=False),
    ] = None,
    num_tasks: Annotated[
        int | None, typer.Option(min=1, help="Into how many tasks an executor divides the shards.", show_default=False)
    ] = None,
    executor_config: Annotated[
        Path | None,
        typer.Option(help="YAML with arguments of the executor, such as partition and time.", show_default=False),
    ] = None,
) -> None:
    """Turn recordings into a dataset folder of clips, questions and answers."""
    options = {"seed": seed} if source == "simulated" else {}
    if num_recordings is not None:
        if source != "simulated":
            raise typer.BadParameter("--num-recordings is for the source simulated only.")
        options["num_recordings"] = num_recordings
    if out is None and not dry_run:
        raise typer.BadParameter("give --out, the folder to write, or --dry-run.")
    if executor is None and (num_tasks is not None or executor_config is not None):
        raise typer.BadParameter("--num-tasks and --executor-config are for --executor only.")
    if executor == "slurm" and num_proc != 1:
        raise typer.BadParameter("--num-proc is for this machine; the option workers of --executor-config is Slurm's.")
    from st_vlm.building.settings import BuildSettings
    from st_vlm.cli.build import execution_of, run_build, run_dry
    from st_vlm.questions.forms import TASKS

    settings = BuildSettings(
        source=source,
        path=None if path is None else str(path),
        seed=seed,
        cameras=tuple(dict.fromkeys(camera)) if camera else None,
        tasks=tuple(dict.fromkeys(task or TASKS)),
        balance=balance,
        video=video,
        source_options=options | _source_options(option),
    )
    if dry_run:
        raise typer.Exit(run_dry(settings, form))
    execution = None if executor is None else execution_of(executor, num_tasks, num_proc, executor_config)
    raise typer.Exit(run_build(settings, out, form, num_proc, execution))


def _source_options(given: list[str] | None) -> dict:
    """`NAME=VALUE` pairs; a value is read as YAML, so that numbers, lists and true are what they look like."""
    import yaml

    options = {}
    for pair in given or ():
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier() or name in ("source", "path"):
            raise typer.BadParameter(f"--option takes NAME=VALUE, not {pair!r}.")
        try:
            options[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise typer.BadParameter(f"the value of --option {pair!r} cannot be read.") from None
    return options


@app.command()
def view(
    folder: Annotated[Path, typer.Argument(help="A folder that build wrote.", show_default=False)],
    out: Annotated[
        Path,
        typer.Option(
            help="The page to write; an earlier page is replaced, any other file is left alone.", show_default=False
        ),
    ],
    recording: Annotated[
        list[str] | None, typer.Option(help="Show this recording (repeatable); default: all.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option(min=1, help="Most clips shown, spread over recordings and tasks.")] = 20,
    split: Annotated[str | None, typer.Option(help="Show this split; default: all.", show_default=False)] = None,
    open_it: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = False,
) -> None:
    """Write one HTML page of a built folder: marked clips, maps of the tracks, what was left out and why."""
    from st_vlm.cli.view import view as run

    raise typer.Exit(run(folder, out, recording or (), most, split, open_it))


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
def bench(
    out: Annotated[
        Path, typer.Option(help="Folder to write; it must not exist yet, or be empty.", show_default=False)
    ],
    manifest: Annotated[
        Path | None, typer.Option(help="Manifest of the benchmark; default: the simulated one.", show_default=False)
    ] = None,
    source: Annotated[str, typer.Option(help="Which source's part of it.")] = "simulated",
    data: Annotated[
        Path | None, typer.Option(help="The source's recordings; not needed for simulated.", show_default=False)
    ] = None,
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 1,
    video: Annotated[bool, typer.Option(help="Write clips.")] = True,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
) -> None:
    """Build a frozen benchmark and check it against its manifest; the simulated one needs no download."""
    from st_vlm.cli.bench import bench as run

    raise typer.Exit(run(out, manifest, source, data, num_proc, video, form))


@app.command()
def freeze(
    source: Source,
    path: SourcePath = None,
    out: Annotated[Path, typer.Option(help="The manifest to write.", show_default=False)] = ...,
    name: Annotated[str, typer.Option(help="Name of the benchmark.")] = "stkit-bench",
    version: Annotated[int, typer.Option(min=1, help="Its version.")] = 1,
    per_task: Annotated[int, typer.Option(min=1, help="Questions of each of the seven tasks.")] = 200,
    fewer: Annotated[bool, typer.Option("--fewer", help="Take what there is where a task has not so many.")] = False,
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 1,
    video: Annotated[
        bool, typer.Option(help="For builds with clips; without, also logs that have no images, for builds without.")
    ] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of clips, marks, words and choice.")] = 0,
    num_recordings: Annotated[
        int | None, typer.Option(min=1, help="How many recordings to simulate.", show_default=False)
    ] = None,
    option: SourceOptions = None,
) -> None:
    """Choose balanced questions from a source's test recordings and freeze them in a manifest."""
    options = {"seed": seed} if source == "simulated" else {}
    if num_recordings is not None:
        if source != "simulated":
            raise typer.BadParameter("--num-recordings is for the source simulated only.")
        options["num_recordings"] = num_recordings
    from st_vlm.building.settings import BuildSettings
    from st_vlm.cli.bench import freeze_bench

    settings = BuildSettings(
        source,
        None if path is None else str(path),
        seed=seed,
        video=video,
        source_options=options | _source_options(option),
    )
    raise typer.Exit(freeze_bench(out, [settings], name, version, per_task, fewer, num_proc))


@app.command()
def control(
    folder: Annotated[Path, typer.Argument(help="A folder that build wrote.", show_default=False)],
    name: Annotated[
        str,
        typer.Option(
            "--control",
            help="mirrored, time_reversed, half_frame_rate, double_frame_rate, no_video, one_frame, blank_frames, "
            "crop_zoom, colours_swapped or paraphrased.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder to write; it must not exist yet, or be empty.", show_default=False)
    ],
    split: Annotated[
        str | None, typer.Option(help="Split of the folder; test where there is one.", show_default=False)
    ] = None,
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 1,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="A table, or one JSON object.")] = "table",
    source: Annotated[
        str | None,
        typer.Option(help="For double_frame_rate: the source; default: the folder's own.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="For double_frame_rate: its recordings; not needed for simulated.", show_default=False),
    ] = None,
    option: SourceOptions = None,
) -> None:
    """Make a control variant of a split: the same questions on clips changed so that looking is what tells."""
    from st_vlm.cli.control import control as run

    raise typer.Exit(run(folder, name, out, split, num_proc, form, source, data, _source_options(option)))


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="A folder that build wrote.", show_default=False)],
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="Tables, or one JSON object.")] = "table",
) -> None:
    """Tell what baselines that never look at a video would score on a dataset folder, task by task."""
    from st_vlm.cli.report import report as run

    raise typer.Exit(run(folder, form))


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


@app.command()
def attach_media(
    folder: Annotated[
        str,
        typer.Argument(help="A published set, downloaded; or owner/name of one on the Hub.", show_default=False),
    ],
    source: Annotated[str, typer.Option(help="Source whose clips are missing, as in build.", show_default=False)],
    data: Annotated[Path | None, typer.Option(help="Your copy of its recordings.", show_default=False)] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the set with its clips here; default: into the folder itself.", show_default=False),
    ] = None,
    revision: Annotated[str | None, typer.Option(help="Branch or commit of the Hub.", show_default=False)] = None,
    num_proc: Annotated[int, typer.Option(min=1, help="Worker processes; the result does not depend on it.")] = 1,
    option: SourceOptions = None,
) -> None:
    """Make the clips that a published set came without again, from your own copy of the recordings."""
    from st_vlm.cli.attach_media import attach_media as run

    raise typer.Exit(run(folder, source, data, out, revision, num_proc, _source_options(option)))


@app.command()
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
