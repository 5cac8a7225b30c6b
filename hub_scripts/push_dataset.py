"""Publish a built folder as a dataset repository of the Hugging Face Hub.

    python hub_scripts/push_dataset.py stkit org/stkit --private

Then `load_dataset("org/stkit")` loads it anywhere, streamed or whole. Clips whose licence asks them to stay are left
out: their rows go without, and `st-vlm attach-media` makes them again for whoever has the recordings. Started again,
it uploads what is missing or has changed. Exit codes: 0 done, 2 refused input or a hub that refuses.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from st_vlm.hub_scripts.hub import check_name, push

from st_vlm.building.publishing import Publication, prepare
from st_vlm.cli.output import counted, say
from st_vlm.errors import InputError


def main(argv: list[str] | None = None) -> int:
    options = parse(argv)
    check_name(options.repo_id)
    with tempfile.TemporaryDirectory() as staging:
        found = prepare(
            options.folder, Path(staging), options.repo_id, options.share_media_of, clips=not options.no_media
        )
        tell(found)
        if options.dry_run:
            say(f"{counted(len(found.files), 'file')} of {found.bytes / 1e6:.1f} MB would go to {options.repo_id}.")
            return 0
        done = push(
            found.files,
            options.repo_id,
            private=options.private,
            revision=options.revision,
            message=options.message,
        )
    if done.added or done.deleted:
        say(f"{done.added} files uploaded, {done.deleted} removed, {done.unchanged} unchanged: commit {done.commit}.")
    else:
        say(f"Nothing has changed: all {counted(done.unchanged, 'file')} are there already.")
    print(done.url)
    return 0


def tell(found: Publication) -> None:
    """Say what goes along and what stays."""
    for source, number in found.left_out.items():
        say(f"{counted(number, 'clip')} of {source} not uploaded: st-vlm attach-media joins them to their rows again.")
    if found.not_ours:
        say(f"Not part of the set, so not uploaded: {', '.join(found.not_ours)}.")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="a folder that st-vlm build wrote")
    parser.add_argument("repo_id", help="owner/name; made if missing")
    parser.add_argument("--private", action="store_true", help="for your own eyes")
    parser.add_argument("--revision", help="branch, made if missing; default: main")
    parser.add_argument("--message", default="Upload with st-vlm", help="of the commit")
    parser.add_argument(
        "--share_media_of",
        action="append",
        default=[],
        metavar="SOURCE",
        help="also upload clips of a source whose licence allows it on conditions, which you keep (repeatable)",
    )
    parser.add_argument("--no_media", action="store_true", help="upload no clip at all")
    parser.add_argument("--dry_run", action="store_true", help="say what would be uploaded")
    return parser.parse_args(argv)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except InputError as error:
        print(f"push_dataset.py: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("push_dataset.py: interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
