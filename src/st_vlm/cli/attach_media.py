"""`st-vlm attach-media`: clips for a published set that came without them."""

from __future__ import annotations

from pathlib import Path

from st_vlm.building.attaching import Own
from st_vlm.building.attaching import attach_media as attach
from st_vlm.cli.output import counted, report_failures, say
from st_vlm.errors import InputError


def attach_media(
    folder: str, source: str, data: Path | None, out: Path | None, revision: str | None, num_proc: int, options: dict
) -> int:
    """Attach, say what came out, and return the exit code: 0, 1 where some clips could not be made, 130 by Ctrl-C.

    Raises:
        InputError: No set of STKit's, no recordings of the source, no clip that could be made, or a hub that refuses.
    """
    place = _local(folder, out, revision)
    own = Own(source, None if data is None else str(data), options)
    try:
        done = attach(place, own, out, num_proc)
    except KeyboardInterrupt:
        say("st-vlm: interrupted. Finished clips are kept: run the same command again to go on.")
        return 130
    report_failures(done.failures, "recordings")
    say(f"{counted(done.made, 'clip')} made, {done.there} there already, in {done.folder}.")
    if done.failures:
        say(
            f"Clips of {counted(len(done.failures), 'recording')} are still missing: once they are repaired, run "
            f"st-vlm attach-media {done.folder} --source {source} --data PATH."
        )
    return 1 if done.failures else 0


def _local(folder: str, out: Path | None, revision: str | None) -> Path:
    """The folder itself, or that of a repository, downloaded."""
    if Path(folder).exists() or folder.count("/") != 1 or folder.startswith((".", "/", "~")):
        if revision is not None:
            raise InputError(f"--revision is for a set on the Hub, but {folder} is a folder.")
        return Path(folder)
    from st_vlm.hub_scripts.hub import fetch

    if out is None:
        raise InputError(f"{folder} comes from the Hub: give --out, a folder for the set with its clips.")
    return fetch(folder, revision=revision)
