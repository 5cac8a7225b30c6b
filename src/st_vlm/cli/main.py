"""The `st-vlm` command. What each subcommand does lives in its own module, imported when it runs.

Exit codes: 0 done, 1 done but some items failed (listed at the end), 2 refused input or usage.
"""

from __future__ import annotations

import sys

import typer

from st_vlm.cli.bench_commands import bench, control, freeze, score
from st_vlm.cli.dataset_commands import attach_media, build, measure, report, view
from st_vlm.cli.model_commands import ask, demo
from st_vlm.cli.pseudo_label_commands import measure_video, pseudo_label
from st_vlm.errors import InputError

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def st_vlm() -> None:
    """How far, how fast and which way things move in a video."""


for command in (
    measure,
    build,
    view,
    score,
    bench,
    freeze,
    control,
    report,
    demo,
    attach_media,
    ask,
    pseudo_label,
    measure_video,
):
    app.command()(command)


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
