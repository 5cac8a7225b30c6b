"""The commands about videos without 3D labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from st_vlm.cli.options import NumRecordings, SourceOptions, simulated_options, source_options


def pseudo_label(
    evaluate: Annotated[
        str,
        typer.Option(
            help="Source of recordings whose truth is known: simulated, or a reader of your own as module:Class.",
            show_default=False,
        ),
    ],
    path: Annotated[
        Path | None, typer.Argument(help="Its recordings; not needed for simulated.", show_default=False)
    ] = None,
    semantics: Annotated[str, typer.Option(help="Where masks come from.")] = "given",
    geometry: Annotated[str, typer.Option(help="Where depth, lens and poses come from.")] = "given",
    noise: Annotated[str, typer.Option(help="What is added to them: none, bar or hard.")] = "none",
    num_recordings: NumRecordings = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the simulated scenes and of the noise.")] = 0,
    causes: Annotated[bool, typer.Option("--causes", help="Put one true part after another in place.")] = False,
    form: Annotated[Literal["table", "json"], typer.Option("--format", help="Tables, or one JSON object.")] = "table",
    option: SourceOptions = None,
) -> None:
    """How wrong pseudo-labels are where the truth is known."""
    from st_vlm.cli.pseudo_label import evaluate as run

    options = {**simulated_options(evaluate, num_recordings, seed), **source_options(option)}
    raise typer.Exit(run(evaluate, path, semantics, geometry, noise, seed, causes, form, options))
