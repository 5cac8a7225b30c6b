"""The commands about benchmarks and scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from st_vlm.cli.options import NumRecordings, Source, SourceOptions, SourcePath, simulated_options, source_options


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
    num_recordings: NumRecordings = None,
    option: SourceOptions = None,
) -> None:
    """Choose balanced questions from a source's test recordings and freeze them in a manifest."""
    options = simulated_options(source, num_recordings, seed)
    from st_vlm.building.settings import BuildSettings
    from st_vlm.cli.bench import freeze_bench

    settings = BuildSettings(
        source,
        None if path is None else str(path),
        seed=seed,
        video=video,
        source_options=options | source_options(option),
    )
    raise typer.Exit(freeze_bench(out, [settings], name, version, per_task, fewer, num_proc))


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

    raise typer.Exit(run(folder, name, out, split, num_proc, form, source, data, source_options(option)))
