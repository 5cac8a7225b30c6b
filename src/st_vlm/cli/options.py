"""Arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
NumRecordings = Annotated[int | None, typer.Option(min=1, help="How many recordings to simulate.", show_default=False)]


def simulated_options(source: str, num_recordings: int | None, seed: int) -> dict:
    """What a build passes to the simulated source; `--num-recordings` is refused for any other."""
    if source == "simulated":
        return {"seed": seed} | ({} if num_recordings is None else {"num_recordings": num_recordings})
    if num_recordings is not None:
        raise typer.BadParameter("--num-recordings is for the source simulated only.")
    return {}


def source_options(given: list[str] | None, option: str = "--option") -> dict:
    """`NAME=VALUE` pairs; a value is read as YAML, so that numbers, lists and true are what they look like.

    Args:
        given: The pairs.
        option: How the option that takes them is called.
    """
    import yaml

    options = {}
    for pair in given or ():
        name, equals, text = pair.partition("=")
        if not equals or not name.isidentifier() or (option == "--option" and name in ("source", "path")):
            raise typer.BadParameter(f"{option} takes NAME=VALUE, not {pair!r}.")
        try:
            options[name] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise typer.BadParameter(f"the value of {option} {pair!r} cannot be read.") from None
    return options
