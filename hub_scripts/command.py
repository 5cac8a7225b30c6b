"""What the upload commands share: their arguments, what they say at the end, and how they end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from st_vlm.hub_scripts.hub import push

from st_vlm.cli.output import counted, say
from st_vlm.errors import InputError


def parser(about: str, folder: str) -> argparse.ArgumentParser:
    """A parser with the arguments that every upload takes.

    Args:
        about: The script's docstring; its first line describes the command.
        folder: What the folder is.
    """
    made = argparse.ArgumentParser(description=about.splitlines()[0])
    made.add_argument("folder", help=folder)
    made.add_argument("repo_id", help="owner/name; made if missing")
    made.add_argument("--private", action="store_true", help="for your own eyes")
    made.add_argument("--revision", help="branch, made if missing; default: main")
    made.add_argument("--message", default="Upload with st-vlm", help="of the commit")
    made.add_argument("--dry_run", action="store_true", help="say what would be uploaded")
    return made


def upload(found, options: argparse.Namespace, repo_type: str) -> int:
    """Upload what was prepared, or with `--dry_run` say how much that is; returns the exit code.

    Args:
        found: With `files` (path in the repository to file) and `bytes`.
        options: Of `parser`.
        repo_type: `model` or `dataset`.
    """
    if options.dry_run:
        say(f"{counted(len(found.files), 'file')} of {found.bytes / 1e6:.1f} MB would go to {options.repo_id}.")
        return 0
    done = push(
        found.files,
        options.repo_id,
        repo_type=repo_type,
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


def run(main: Callable[[], int], script: str) -> None:
    """Run a command: refused input is one sentence and exit code 2, an interruption 130."""
    name = Path(script).name
    try:
        sys.exit(main())
    except InputError as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; run the same command again to go on.", file=sys.stderr)
        sys.exit(130)
