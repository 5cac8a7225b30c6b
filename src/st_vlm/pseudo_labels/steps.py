"""The stages of a run as datatrove steps: task r of w makes a stage of items r, r + w, ... that are due.

The clips' own files say what is done, not datatrove's marks, so any task may be run again anywhere.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger

from st_vlm.building.submitted import remove_note
from st_vlm.pseudo_labels.files import RUN_FILE, read_json
from st_vlm.pseudo_labels.gpus import GPU_STAGES, take_gpu
from st_vlm.pseudo_labels.pipeline import ask
from st_vlm.pseudo_labels.quality_table import quality_table, write_quality
from st_vlm.pseudo_labels.run_settings import RunSettings
from st_vlm.pseudo_labels.stages import Run
from st_vlm.pseudo_labels.unfinished import lacks_input


class DoStage(PipelineStep):
    """One stage over a task's share of the videos or clips.

    Args:
        out: Path of the run's folder.
        stage: Name of the stage.
    """

    type = "STKit"
    name = "pseudo-labels"

    def __init__(self, out: str, stage: str) -> None:
        super().__init__()
        self.out, self.stage = out, stage

    def run(self, data=None, rank: int = 0, world_size: int = 1):
        """Make the stage; a clip that fails leaves its sentence, and the others go on.

        A clip that an earlier stage did not get to, for its worker was killed, is left as it is.

        Raises:
            InputError: The run's settings cannot be read.
            OSError: The disk cannot be written.
        """
        if self.stage in GPU_STAGES:
            take_gpu()
        run = _run(self.out)
        mine = run.items(self.stage)[rank::world_size]
        for number, item in enumerate(mine, 1):
            if not run.is_due(self.stage, item):
                continue
            if lacks_input(run, self.stage, item):
                logger.warning(f"{self.stage} {number}/{len(mine)} {item} waits for an earlier stage.")
                continue
            why = run.do(self.stage, item)
            logger.info(f"{self.stage} {number}/{len(mine)} {item}{': ' + why if why else ''}")
        return data


class Ask(PipelineStep):
    """One task that builds the questions and writes the quality table: the last of a run's jobs.

    Args:
        out: Path of the run's folder.
        num_proc: Worker processes of the questions' build.
    """

    type = "STKit"
    name = "questions"

    def __init__(self, out: str, num_proc: int = 1) -> None:
        super().__init__()
        self.out, self.num_proc = out, num_proc

    def run(self, data=None, rank: int = 0, world_size: int = 1):
        """Build the questions; where there is nothing to ask, the log says why."""
        run = _run(self.out)
        _, without = ask(run, self.num_proc)
        write_quality(run.out, quality_table(run.out))
        logger.info(without or "The questions are built.")
        remove_note(run.out)
        return data


def _run(out: str) -> Run:
    return _made(out, json.dumps(read_json(Path(out) / RUN_FILE)))


@lru_cache(maxsize=1)
def _made(out: str, settings: str) -> Run:
    """A process keeps its backends, and so their weights, from one task to the next."""
    return Run(Path(out), RunSettings.from_json(json.loads(settings)))
