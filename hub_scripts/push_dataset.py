"""Publish a built folder as a dataset repository of the Hugging Face Hub.

    python hub_scripts/push_dataset.py stkit org/stkit --private

Then `load_dataset("org/stkit")` loads it anywhere, streamed or whole. Clips whose licence asks them to stay are left
out: their rows go without, and `st-vlm attach-media` makes them again for whoever has the recordings. Started again,
it uploads what is missing or has changed. Exit codes: 0 done, 2 refused input or a hub that refuses.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from st_vlm.hub_scripts.command import parser, run, upload
from st_vlm.hub_scripts.hub import check_name

from st_vlm.building.publishing import Publication, prepare
from st_vlm.cli.output import counted, say


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    check_name(options.repo_id)
    with tempfile.TemporaryDirectory() as staging:
        found = prepare(
            options.folder, Path(staging), options.repo_id, options.share_media_of, clips=not options.no_media
        )
        tell(found)
        return upload(found, options, "dataset")


def tell(found: Publication) -> None:
    """Say what goes along and what stays."""
    for source, number in found.left_out.items():
        say(f"{counted(number, 'clip')} of {source} not uploaded: st-vlm attach-media joins them to their rows again.")
    if found.not_ours:
        say(f"Not part of the set, so not uploaded: {', '.join(found.not_ours)}.")


def parse(argv: list[str] | None) -> argparse.Namespace:
    made = parser(__doc__, "a folder that st-vlm build wrote")
    made.add_argument(
        "--share_media_of",
        action="append",
        default=[],
        metavar="SOURCE",
        help="also upload clips of a source whose licence allows it on conditions, which you keep (repeatable)",
    )
    made.add_argument("--no_media", action="store_true", help="upload no clip at all")
    return made.parse_args(argv)


if __name__ == "__main__":
    run(main, __file__)
