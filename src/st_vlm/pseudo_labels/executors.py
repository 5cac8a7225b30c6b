"""A run's stages on datatrove: on this machine, on Ray, on Slurm or as Hugging Face Jobs, with the same result.

Each stage is a job of its own that follows the one before, so that stages that want a GPU and stages that want none
are given different machines.
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
from st_vlm.building.executors import launching_for
from st_vlm.building.plan import WorkFolder
from st_vlm.building.submitted import refuse_if_queued, remove_note, write_note
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.gpus import GPU_STAGES
from st_vlm.pseudo_labels.pipeline import Walk, unit_of
from st_vlm.pseudo_labels.stages import Run
from st_vlm.pseudo_labels.unfinished import due_stages, remove_leftovers, still_due

Kind = Literal["local", "ray", "slurm", "jobs"]
LOGS = "logs"
CLIPS_A_TASK = 50
QUESTIONS_STAGE = "questions"
# What the configuration tells us rather than datatrove.
_OURS = ("tasks", "remote", "secrets")


@dataclass(frozen=True)
class Execution:
    """Where and how the stages run.

    Attributes:
        kind: The executor.
        workers: Tasks at once; on a machine with GPUs one worker takes one of them. On Slurm 1 leaves it to the queue.
        tasks: Into how many tasks a stage is divided; None: as many as workers here and on Ray, one for 50 clips
            elsewhere.
        options: Arguments of the executor for all stages; under `gpu` and `cpu` those of the stages that want a GPU,
            and of the others. `tasks` among them is as the attribute; for Jobs `remote` is a folder that both they
            and this machine reach, and `secrets` names variables of the environment that they get.
    """

    kind: Kind
    workers: int = 1
    tasks: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def all_options(self, stage: str) -> dict[str, Any]:
        """The configuration for one stage.

        Raises:
            InputError: What stands under `gpu` or `cpu` is no mapping of names.
        """
        shared = {name: value for name, value in self.options.items() if name not in ("gpu", "cpu")}
        under = "gpu" if stage in GPU_STAGES else "cpu"
        own = self.options.get(under)
        if own is None:
            return shared
        if not isinstance(own, Mapping) or not all(isinstance(name, str) for name in own):
            raise InputError(f"The executor's options under {under} must be a mapping of names, not {own!r}.")
        return {**shared, **own}

    def options_of(self, stage: str) -> dict[str, Any]:
        """The executor's arguments for one stage.

        Raises:
            InputError: As `all_options`.
        """
        return {name: value for name, value in self.all_options(stage).items() if name not in _OURS}

    def tasks_for(self, stage: str, items: int) -> int:
        """How many tasks a stage over so many clips or videos has.

        Raises:
            InputError: The configuration's number is none.
        """
        given = self.all_options(stage).get("tasks", self.tasks)
        if given is not None and (type(given) is not int or given < 1):
            raise InputError(f"The executor's option tasks is a number from 1, not {given!r}.")
        usual = self.workers if self.kind in ("local", "ray") else -(-items // CLIPS_A_TASK)
        return max(min(given or usual, items), 1)

    def check(self, executor: type, stages: Sequence[str]) -> None:
        """Return when the executor's class takes the configuration of all these stages.

        Raises:
            InputError: It does not; the sentence says which option.
        """
        for under, some in (("gpu", "with"), ("cpu", "without")):
            stage = next((one for one in stages if (one in GPU_STAGES) == (under == "gpu")), None)
            if stage is None:
                continue
            self.tasks_for(stage, 1)
            try:
                check_options(self.kind, executor, self.options_of(stage))
            except InputError as error:
                if not any(isinstance(self.options.get(one), Mapping) for one in ("gpu", "cpu")):
                    raise
                raise InputError(f"Stages {some} a GPU (what stands under {under}, or beside it): {error}") from None


@dataclass(frozen=True)
class Queued:
    """Slurm jobs in the queue, one a stage.

    Attributes:
        name: Of all of them, and of no others.
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
    if execution.kind == "jobs":
        from st_vlm.pseudo_labels.jobs import walk_as_jobs

        return walk_as_jobs(execution)
    executor = launching.EXECUTORS[execution.kind]
    execution.check(executor, ("semantics", "lift"))

    def walk(run: Run, stage: str, items: Sequence[str]) -> None:
        out = run.out.absolute()
        cluster = launching.ray_cluster() if execution.kind == "ray" else nullcontext()
        with alone(out), cluster, launching.quiet():
            remove_leftovers(out)
            options = execution.options_of(stage)
            if execution.kind == "ray" and stage in GPU_STAGES and _ray_has_gpus():
                # Ray hides the GPUs from those who ask for none.
                options = {"gpus_per_task": 1, **options}
            made = executor(
                [steps.DoStage(str(out), stage)],
                tasks=execution.tasks_for(stage, len(run.items(stage))),
                workers=execution.workers,
                logging_dir=str(out / LOGS / f"{stage}-{secrets.token_hex(4)}"),
                skip_completed=False,
                **options,
            )
            with progress(stage, len(items), lambda: still_due(run, stage, items)):
                made.run()
        refuse_unfinished(run, stage, items, out / LOGS)

    return walk


def refuse_unfinished(run: Run, stage: str, items: Sequence[str], logs: Path | str) -> None:
    """Return when a stage has been made of all the items, or has failed on them.

    Raises:
        InputError: It was not, for workers stopped or were killed.
    """
    if left := still_due(run, stage, items):
        raise InputError(
            f"The stage {stage} ended before {left} of {len(items)} {unit_of(stage)}s were done: look into "
            f"{logs}, and run the same command again to go on."
        )


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other executors out of a run's folder.

    Raises:
        InputError: One is at work in it, or Slurm jobs for it are still in the queue.
    """
    with WorkFolder(out / LOGS).locked():
        refuse_if_queued(out)
        yield


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


def submit(run: Run, execution: Execution, stages: Sequence[str], questions: bool = True) -> Queued:
    """Submit a run's stages to Slurm, each after the one before, and return at once.

    Stages before the first that has something to do are left out. A stage runs however the one before it ended: it
    passes over the clips that one did not get to, which the next submission, or a start here, goes on with.

    Args:
        run: The run, as `pipeline.prepare` returns it.
        execution: How.
        stages: Names of the stages, in their order.
        questions: Whether a last job builds the questions and the quality table.

    Raises:
        InputError: There is no Slurm, it refuses a job (nothing is left in the queue then), an option is refused, or
            jobs submitted for this folder are still in the queue.
    """
    launching, steps = needed("slurm")
    out = run.out.absolute()
    launching.refuse_where_no_slurm(out)
    executor = launching.SlurmExecutor
    stages = (*due_stages(run, stages), *((QUESTIONS_STAGE,) if questions else ()))
    if not stages:
        raise InputError(f"All of these stages are done in {out}: there is nothing to submit.")
    execution.check(executor, (*stages, "semantics"))
    name = f"st-vlm-{secrets.token_hex(4)}"
    logs = out / LOGS / name
    # Before the probe nobody knows how many clips there will be.
    items = {stage: max(len(run.clip_ids()), len(run.videos)) for stage in stages} | {"probe": len(run.videos)}
    before, made = None, {}
    for stage in stages:
        options = execution.options_of(stage)
        ends = stage == QUESTIONS_STAGE
        if execution.workers > 1:
            options.setdefault("workers", execution.workers)
        before = executor(
            [steps.Ask(str(out), options.get("cpus_per_task") or 1) if ends else steps.DoStage(str(out), stage)],
            tasks=1 if ends else execution.tasks_for(stage, items[stage]),
            logging_dir=str(logs / stage),
            depends=before,
            run_on_dependency_fail=True,
            job_name=name,
            skip_completed=False,
            **launching.this_environment(options),
            **options,
        )
        made[stage] = before
    with alone(out):
        remove_leftovers(out)
        write_note(out, name)
        try:
            with launching.taken_back_where_refused(name, logs), launching.quiet():
                # Not `run`, which inside a job of an array takes itself for a task.
                before.launch_job()
        except BaseException:
            remove_note(out)
            raise
    return Queued(name, {stage: one.job_id for stage, one in made.items()}, logs)


def needed(kind: Kind):
    """The modules that need datatrove: launching and steps.

    Raises:
        InputError: It or Ray is not installed.
    """
    return launching_for(kind), import_module("st_vlm.pseudo_labels.steps")


def _ray_has_gpus() -> bool:
    import ray

    return ray.cluster_resources().get("GPU", 0) >= 1
