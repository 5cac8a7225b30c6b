"""The commands that read recordings and make dataset folders of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from st_vlm.cli.options import NumRecordings, Source, SourceOptions, SourcePath, simulated_options, source_options


def measure(
    source: Source,
    path: SourcePath = None,
    form: Annotated[
        Literal["table", "jsonl"], typer.Option("--format", help="A table, or one JSON object a line.")
    ] = "table",
    num_recordings: NumRecordings = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the simulation.", show_default=False)] = None,
    option: SourceOptions = None,
) -> None:
    """Print path, displacement, static or moving, distance and mean speed of every track."""
    options = {"num_recordings": num_recordings, "seed": seed}
    options = {name: given for name, given in options.items() if given is not None}
    if options and source != "simulated":
        raise typer.BadParameter("--num-recordings and --seed are for the source simulated only.")
    from st_vlm.cli.measure import measure as run

    raise typer.Exit(run(source, path, form, options | source_options(option)))


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
    num_recordings: NumRecordings = None,
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
    options = simulated_options(source, num_recordings, seed)
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
        source_options=options | source_options(option),
    )
    if dry_run:
        raise typer.Exit(run_dry(settings, form))
    execution = None if executor is None else execution_of(executor, num_tasks, num_proc, executor_config)
    raise typer.Exit(run_build(settings, out, form, num_proc, execution))


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


def report(
    folder: Annotated[Path, typer.Argument(help="A folder that build wrote.", show_default=False)],
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="Tables, or one JSON object.")] = "table",
) -> None:
    """Tell what baselines that never look at a video would score on a dataset folder, task by task."""
    from st_vlm.cli.report import report as run

    raise typer.Exit(run(folder, form))


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

    raise typer.Exit(run(folder, source, data, out, revision, num_proc, source_options(option)))
