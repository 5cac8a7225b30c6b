"""What a run's folder still lacks, and what workers that were killed left in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from st_vlm.pseudo_labels.files import CLIPS, PROBED
from st_vlm.pseudo_labels.run_settings import STAGES
from st_vlm.pseudo_labels.stages import STAGE_FILES, Run

# As `files.whole_file` names what is not whole yet.
_TEMPORARY = re.compile(r"\.\d+\..+")


def input_files(run: Run, stage: str) -> list[str]:
    """Names of the files that a stage reads beside the clip itself, and of which none may be missing."""
    before = [one for one in run.stages() if one in STAGE_FILES and STAGES.index(one) < STAGES.index(stage)]
    return [STAGE_FILES[one] for one in before]


def lacks_input(run: Run, stage: str, item: str) -> bool:
    """Whether an earlier stage has not been made of a clip yet."""
    if stage == "probe":
        return False
    return any(not (run.out / CLIPS / item / name).is_file() for name in input_files(run, stage))


def still_due(run: Run, stage: str, items: Iterable[str]) -> int:
    """How many of the items neither have a stage's file nor have failed."""
    return sum(run.is_due(stage, item) for item in items)


def due_stages(run: Run, stages: Sequence[str]) -> tuple[str, ...]:
    """The stages from the first on that something is due in."""
    for k, stage in enumerate(stages):
        if still_due(run, stage, run.items(stage)):
            return tuple(stages[k:])
    return ()


def remove_leftovers(out: Path) -> None:
    """Remove what killed workers left half written. No worker may be in the folder."""
    clips = out / CLIPS
    for folder in (out / PROBED, *(clips.iterdir() if clips.is_dir() else ())):
        for file in folder.glob(".*"):
            if _TEMPORARY.fullmatch(file.name):
                with suppress(FileNotFoundError):
                    file.unlink()
