"""`st-vlm view`: a built folder as one HTML page to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from st_vlm.cli.output import counted, say
from st_vlm.viewing.folder import open_built
from st_vlm.viewing.page import check_target, make_page, need_libraries, write_page


def view(folder: Path, out: Path, recordings: Sequence[str], most: int, split: str | None, show: bool) -> int:
    """Write the page and return the exit code: 0, or 1 where something of it could not be shown.

    Raises:
        InputError: The folder or one of its tables cannot be read, a recording or split is unknown, or the page cannot
            be written there.
    """
    check_target(out)
    need_libraries()
    built = open_built(folder, split)
    page = make_page(built, recordings, most)
    write_page(out, page.html)
    for problem in page.problems:
        say(f"st-vlm: {problem}")
    say(f"{page.clips} of {counted(page.all_clips, 'clip')} from {counted(page.recordings, 'recording')} in {out}.")
    if show:
        import webbrowser

        webbrowser.open(out.resolve().as_uri())
    return 1 if page.problems else 0
