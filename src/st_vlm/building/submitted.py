"""The note that jobs of a cluster work in a folder, and the question whether they still do."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from st_vlm.errors import InputError

NOTE_FILE = "submitted.json"


def write_note(folder: Path, name: str) -> None:
    """Note that Slurm jobs of that name, which no other jobs bear, work in the folder."""
    (folder / NOTE_FILE).write_text(json.dumps({"job_name": name}), encoding="utf-8")


def remove_note(folder: Path) -> None:
    (folder / NOTE_FILE).unlink(missing_ok=True)


def refuse_if_queued(folder: Path) -> None:
    """Return when no Slurm job works in the folder or will; a note of jobs that ended is removed.

    Raises:
        InputError: Jobs are in the queue or run, or Slurm cannot be asked.
    """
    note = folder / NOTE_FILE
    if not note.is_file():
        return
    try:
        name = json.loads(note.read_text(encoding="utf-8"))["job_name"]
        asked = subprocess.run(["squeue", "-h", "-n", name, "-o", "%i"], capture_output=True, text=True, check=True)
    except (ValueError, KeyError, OSError, subprocess.CalledProcessError):
        raise InputError(
            f"Slurm jobs were submitted for {folder}, and squeue cannot say here whether they have ended. Run the "
            f"command where Slurm is, or, if they have ended for certain, remove {note}."
        ) from None
    jobs = asked.stdout.split()
    if jobs:
        raise InputError(
            f"Slurm jobs ({', '.join(jobs)}) are writing to {folder}. Wait for them, or end them with "
            f"`scancel --name={name}` and run the same command again to go on."
        )
    remove_note(folder)
