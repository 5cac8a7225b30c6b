"""The stages of a run as datatrove steps: task r of w makes a stage of items r, r + w, ... that are due.

The clips' own files say what is done, not datatrove's marks, so any task may be run again anywhere.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger

from st_vlm.pseudo_labels.files import RUN_FILE, read_json
from st_vlm.pseudo_labels.pipeline import ask
from st_vlm.pseudo_labels.quality_table import quality_table, write_quality
from st_vlm.pseudo_labels.run_settings import RunSettings
from st_vlm.pseudo_labels.stages import Run

GPU_STAGES = ("semantics", "check", "geometry", "self-check")


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

        Raises:
            InputError: The run's settings cannot be read.
            OSError: The disk cannot be written.
        """
        if self.stage in GPU_STAGES:
            _take_gpu(rank)
        run = _run(self.out)
        mine = run.items(self.stage)[rank::world_size]
        for number, item in enumerate(mine, 1):
            if run.is_due(self.stage, item):
                why = run.do(self.stage, item)
                logger.info(f"{self.stage} {number}/{len(mine)} {item}{': ' + why if why else ''}")
        return data


class Ask(PipelineStep):
    """One task that builds the questions and writes the quality table.

    Args:
        out: Path of the run's folder.
    """

    type = "STKit"
    name = "questions"

    def __init__(self, out: str) -> None:
        super().__init__()
        self.out = out

    def run(self, data=None, rank: int = 0, world_size: int = 1):
        """Build the questions; where there is nothing to ask, the log says why."""
        run = _run(self.out)
        _, without = ask(run)
        write_quality(run.out, quality_table(run.out))
        logger.info(without or "The questions are built.")
        return data


@cache
def _run(out: str) -> Run:
    """A process keeps its backends, and so their weights, from one task to the next."""
    return Run(Path(out), RunSettings.from_json(read_json(Path(out) / RUN_FILE)))


@cache
def _take_gpu(rank: int) -> None:
    """Let this process see one GPU of several: the first task that a worker gets says which."""
    if _TAKEN:
        return
    _TAKEN.append(rank)
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        import torch

        # Counted by the driver's library, which does not take hold of a device.
        seen = ",".join(map(str, range(torch.cuda.device_count())))
    devices = [one for one in seen.split(",") if one]
    if len(devices) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[rank % len(devices)]


_TAKEN: list[int] = []
