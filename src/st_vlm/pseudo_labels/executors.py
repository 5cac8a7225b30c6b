"""A run's stages on datatrove: on this machine, on Ray, on Slurm or as Hugging Face Jobs, with the same result.

Each stage is a job of its own that waits for the one before (`depends`), so that stages that want a GPU and stages
that want none are given different machines.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Any, Literal

from tqdm import tqdm

from st_vlm.building.executor_options import check_options
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.pipeline import Walk, unit_of
from st_vlm.pseudo_labels.stages import Run

Kind = Literal["local", "ray", "slurm", "jobs"]
LOGS = "logs"
CLIPS_A_TASK = 50


@dataclass(frozen=True)
class Execution:
    """Where and how the stages run.

    Attributes:
        kind: The executor.
        workers: Tasks at once; on a machine with GPUs one worker takes one of them.
        tasks: Into how many tasks a stage is divided; None: as many as workers here and on Ray, one for 50 clips
            elsewhere.
        options: Arguments of the executor for all stages; under `gpu` and `cpu` those of the stages that want a GPU,
            and of the others.
    """

    kind: Kind
    workers: int = 1
    tasks: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def options_of(self, stage: str, gpu_stages: Sequence[str]) -> dict[str, Any]:
        """The executor's arguments for one stage."""
        shared = {name: value for name, value in self.options.items() if name not in ("gpu", "cpu")}
        return {**shared, **(self.options.get("gpu" if stage in gpu_stages else "cpu") or {})}

    def tasks_for(self, clips: int) -> int:
        """How many tasks a stage over so many clips has."""
        usual = self.workers if self.kind in ("local", "ray") else -(-clips // CLIPS_A_TASK)
        return max(min(self.tasks or usual, clips), 1)


@dataclass(frozen=True)
class Queued:
    """Slurm jobs in the queue, one a stage.

    Attributes:
        name: Of all of them.
        jobs: Their ids, by stage.
        logs: The folder of their logs.
    """

    name: str
    jobs: dict[str, str]
    logs: Path


def walk_on(execution: Execution) -> Walk:
    """How a stage goes over its clips on this machine's workers, on Ray or as Jobs; returns when the stage is done.

    Raises:
        InputError: datatrove or Ray is not installed, or an option is refused.
    """
    launching, steps = needed(execution.kind)
    executor = _class_of(execution.kind, launching)
    for stage in ("semantics", "lift"):
        check_options(execution.kind, executor, execution.options_of(stage, steps.GPU_STAGES))

    def walk(run: Run, stage: str, items: Sequence[str]) -> None:
        made = executor(
            [steps.DoStage(str(run.out), stage)],
            tasks=execution.tasks_for(len(run.items(stage))),
            workers=execution.workers,
            logging_dir=str(run.out / LOGS / f"{stage}-{secrets.token_hex(4)}"),
            skip_completed=False,
            **execution.options_of(stage, steps.GPU_STAGES),
        )
        cluster = launching.ray_cluster() if execution.kind == "ray" else nullcontext()
        with progress(stage, len(items), lambda: still_due(run, stage, items)), cluster, launching.quiet():
            made.run()
        if left := still_due(run, stage, items):
            raise InputError(
                f"The stage {stage} ended before {left} of {len(items)} {unit_of(stage)}s were done: look into "
                f"{run.out / LOGS}, and run the same command again to go on."
            )

    return walk


def still_due(run: Run, stage: str, items: Sequence[str]) -> int:
    """How many of the items neither have a stage's file nor have failed."""
    return sum(run.is_due(stage, item) for item in items)


@contextmanager
def progress(stage: str, total: int, left: Callable[[], int]) -> Iterator[None]:
    """A bar that counts what lies on disk, whoever writes it."""
    ended = Event()
    with tqdm(total=total, desc=stage, unit=unit_of(stage), disable=None) as bar:

        def watch() -> None:
            while not ended.wait(1.0):
                bar.update(total - left() - bar.n)

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            bar.update(total - left() - bar.n)


def submit(run: Run, execution: Execution, stages: Sequence[str]) -> Queued:
    """Submit a run's stages to Slurm, each after the one before, and return at once.

    A later stage waits for an earlier one to end well; what its clips lack then, the next start makes.

    Raises:
        InputError: There is no Slurm, or it refuses a job; nothing is left in the queue then.
    """
    launching, steps = needed("slurm")
    launching.refuse_where_no_slurm(run.out)
    executor = launching.SlurmExecutor
    for stage in (*stages, "questions"):
        check_options("slurm", executor, execution.options_of(stage, steps.GPU_STAGES))
    name = f"st-vlm-{secrets.token_hex(4)}"
    logs = run.out / LOGS / name
    before, made = None, {}
    for stage in (*stages, "questions"):
        options = execution.options_of(stage, steps.GPU_STAGES)
        ends = stage == "questions"
        before = executor(
            [steps.Ask(str(run.out)) if ends else steps.DoStage(str(run.out), stage)],
            # Before the probe nobody knows how many clips there will be.
            tasks=1 if ends else execution.tasks_for(len(run.clip_ids()) or len(run.videos)),
            logging_dir=str(logs / stage),
            depends=before,
            job_name=name,
            skip_completed=False,
            **launching.this_environment(options),
            **options,
        )
        made[stage] = before
    with launching.taken_back_where_refused(name, logs), launching.quiet():
        before.launch_job()
    return Queued(name, {stage: one.job_id for stage, one in made.items()}, logs)


def needed(kind: Kind):
    """The modules that need datatrove: launching and steps.

    Raises:
        InputError: It or Ray is not installed.
    """
    extra = "ray" if kind == "ray" else "scale"
    for package in ("datatrove", "ray") if kind == "ray" else ("datatrove",):
        try:
            import_module(package)
        except ImportError:
            raise InputError(
                f'The executor {kind} needs the package {package}: pip install "st-vlm[{extra}]".'
            ) from None
    return import_module("st_vlm.building.launching"), import_module("st_vlm.pseudo_labels.steps")


def _class_of(kind: Kind, launching) -> type:
    if kind == "jobs":
        from datatrove.executor.jobs import JobsPipelineExecutor

        return JobsPipelineExecutor
    return launching.EXECUTORS[kind]
