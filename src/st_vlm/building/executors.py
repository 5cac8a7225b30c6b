"""A build whose shards are written by datatrove: on this machine, on Slurm or on Ray, with the same result.

The shards in the work folder, not datatrove's own marks, say what is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from st_vlm.building.build import BuildReport, finish, free_folder
from st_vlm.building.executor_options import check_options
from st_vlm.building.plan import Plan, WorkFolder, make_plan
from st_vlm.building.settings import BuildSettings
from st_vlm.building.worker import refuse_unfinished, told_of_a_full_disk
from st_vlm.errors import InputError

if TYPE_CHECKING:
    from st_vlm.building.launching import Submitted

Kind = Literal["local", "slurm", "ray"]

_MOST_SLURM_TASKS = 100


@dataclass(frozen=True)
class Execution:
    """Where and how shards are written.

    Attributes:
        kind: The executor.
        tasks: Into how many tasks the shards are divided; None: as many as workers, on Slurm one a shard, 100 at most.
        workers: How many tasks run at once; on Slurm its queue decides, or the option `workers`.
        options: Further arguments of the executor, such as Slurm's `partition` and `time`.
    """

    kind: Kind
    tasks: int | None = None
    workers: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)


def build_on(execution: Execution, settings: BuildSettings, out: str | os.PathLike) -> BuildReport | Submitted:
    """Build a dataset folder as `build` does, the shards written by an executor.

    All workers must see the work folder beside `out` and the source under the same paths. On Slurm the folder is
    made by the last job, and this returns when the jobs are in the queue.

    Raises:
        InputError: As `build`; datatrove or Ray is not installed, an option is refused, or jobs submitted for this
            folder are still in the queue.
    """
    launching = launching_for(execution.kind)
    check_options(execution.kind, launching.EXECUTORS[execution.kind], execution.options)
    out = free_folder(out)
    if execution.kind == "slurm":
        launching.refuse_where_no_slurm(out)
    settings = settings.anywhere()
    plan = make_plan(settings.open(), settings)
    work = WorkFolder.beside(out)
    most = _MOST_SLURM_TASKS if execution.kind == "slurm" else execution.workers
    tasks = min(execution.tasks or most, len(plan.jobs))
    with told_of_a_full_disk(work, plan), work.held(settings):
        work.write_plan(plan)
        if plan.jobs and execution.kind == "slurm":
            return launching.submit_to_slurm(work, out, tasks, execution.options)
        if plan.jobs:
            run = launching.run_local if execution.kind == "local" else launching.run_ray
            with _progress(work, plan):
                run(work, tasks, execution.workers, execution.options)
        refuse_unfinished(work, plan, work.path / launching.LOGS)
        return finish(work, plan, settings, out)


def launching_for(kind: str):
    """The module that needs datatrove.

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
    return import_module("st_vlm.building.launching")


@contextmanager
def _progress(work: WorkFolder, plan: Plan) -> Iterator[None]:
    """A bar that counts what lies in the work folder, whoever writes it."""
    ended = Event()
    with tqdm(total=len(plan.jobs), initial=work.count_tried(), desc="Recordings", unit="camera", disable=None) as bar:

        def watch() -> None:
            while not ended.wait(1.0):
                bar.update(work.count_tried() - bar.n)

        thread = Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            bar.update(work.count_tried() - bar.n)
