"""The build as two datatrove steps: write the shards of a plan, and make the finished folder from them.

Everything but the folders' paths is read from the work folder, so a step runs on any machine that sees it.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

import multiprocess
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger

from st_vlm.building.build import BuildReport, finish
from st_vlm.building.plan import WorkFolder
from st_vlm.building.settings import BUILD_FILE
from st_vlm.building.submitted import remove_note
from st_vlm.building.worker import die_with_parent, refuse_unfinished, told_of_a_full_disk, write_in_worker
from st_vlm.errors import InputError

REPORT_FILE = "report.json"


class WriteShards(PipelineStep):
    """Task r of w writes shards r, r + w, ... of the plan, those that are missing.

    Args:
        work: Path of the work folder.
    """

    type = "STKit"
    name = "write shards"

    def __init__(self, work: str) -> None:
        super().__init__()
        self.work = work

    def run(self, data=None, rank: int = 0, world_size: int = 1):
        """Write this task's shards; a recording that cannot be used leaves its sentence, and the others go on.

        Raises:
            InputError: The source cannot be opened here, or this machine has another st-vlm.
            OSError: The disk cannot be written.
        """
        _die_with_pool()
        work = WorkFolder(Path(self.work))
        try:
            plan = work.read_plan()
            _check_code(work)
            mine = plan.jobs[rank::world_size]
            for number, job in enumerate(mine, 1):
                write_in_worker((job, work.path))
                why = work.failure(job)
                logger.info(f"{number}/{len(mine)} {job.recording} ({job.camera}){': ' + why if why else ''}")
        except Exception as error:
            with suppress(OSError):  # A disk may be too full even for the note.
                work.stop(rank, _sentence(error))
            raise
        return data


class Assemble(PipelineStep):
    """One task that makes the finished folder once all shards are there; its report goes to a file beside the log.

    Args:
        work: Path of the work folder.
        out: Path of the wanted folder.
        logs: Path of the folder that holds the logs and gets `report.json`.
    """

    type = "STKit"
    name = "assemble"

    def __init__(self, work: str, out: str, logs: str) -> None:
        super().__init__()
        self.work, self.out, self.logs = work, out, logs

    def run(self, data=None, rank: int = 0, world_size: int = 1):
        """Finish the build; the process ends with exit code 2 and a sentence where that is not possible."""
        work, out = WorkFolder(Path(self.work)), Path(self.out)
        if not work.path.is_dir():
            return data  # Put back in the queue after all was done.
        try:
            with work.locked(wait=True):
                if (out / BUILD_FILE).is_file():
                    work.remove()  # Put back in the queue while cleaning up.
                    return data
                report = self._finish(work, out)
        except InputError as error:
            self._write_report({"error": str(error)})
            logger.error(str(error))
            sys.exit(2)
        self._write_report({"out": self.out, **asdict(report), "domains": sorted(report.domains)})
        for sentence in report.failures:
            logger.warning(sentence)
        logger.info(f"{report.clips} clips in {out}; {len(report.failures)} could not be used.")
        return data

    def _finish(self, work: WorkFolder, out: Path) -> BuildReport:
        plan = work.read_plan()
        try:
            with told_of_a_full_disk(work, plan):
                refuse_unfinished(work, plan, Path(self.logs))
                return finish(work, plan, work.read_settings(), out)
        except BaseException:
            if work.path.is_dir():
                remove_note(work.path)  # Nothing is queued any more: the build may be started again anywhere.
            raise

    def _write_report(self, found: dict) -> None:
        (Path(self.logs) / REPORT_FILE).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def _sentence(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}."
    return f"{type(error).__name__}: {error}."


def _check_code(work: WorkFolder) -> None:
    settings = work.read_settings()
    if not work.is_of(settings):
        raise InputError("The build was planned by another version of st-vlm than the one installed here.")


@cache
def _die_with_pool() -> None:
    """In a process of a pool that a Ray worker made: end when the worker does."""
    parent = multiprocess.parent_process()
    if parent is not None:
        die_with_parent(parent)
