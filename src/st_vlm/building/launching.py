"""The datatrove executors that run a build's steps: on this machine, on Slurm, on Ray."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.ray import RayPipelineExecutor
from datatrove.utils.logging import logger

from st_vlm.building.plan import WorkFolder
from st_vlm.building.steps import Assemble, WriteShards
from st_vlm.building.submitted import remove_note, write_note
from st_vlm.building.worker import die_with_parent, told_of_a_killed_worker, without_main_module
from st_vlm.building.worker_number import number_worker
from st_vlm.errors import InputError

LOGS = "logs"
# The job that assembles is one of its own, whatever the others are grouped or limited to.
_NOT_FOR_ASSEMBLY = ("tasks_per_job", "workers", "randomize_start_duration")


@dataclass(frozen=True)
class Submitted:
    """Slurm jobs in the queue.

    Attributes:
        name: Of all of them, and of no others.
        jobs: Ids of the array that writes shards (its last part if Slurm takes it in several) and of the one that
            assembles.
        logs: The folder that gets their logs and `report.json`.
    """

    name: str
    jobs: tuple[str, ...]
    logs: Path


class LocalExecutor(LocalPipelineExecutor):
    """datatrove's local executor with another pool.

    The stock one's manager process outlives a killed build, and holds its lock; and its pool waits for ever for a
    worker that was killed.
    """

    def run(self) -> None:
        """Run all tasks.

        Raises:
            InputError: A step refused, or a worker was killed.
        """
        context = get_context("spawn")
        pool = ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_begin_worker, initargs=(context.Value("i", 0),)
        )
        with told_of_a_killed_worker(), pool:
            with without_main_module():
                results = pool.map(self._run_for_rank, range(self.tasks))
            deque(results, maxlen=0)


class SlurmExecutor(SlurmPipelineExecutor):
    """datatrove's Slurm executor without its third job, which sums up statistics that we have no use for."""

    def launch_merge_stats(self) -> None:
        """Nothing."""


EXECUTORS = {"local": LocalExecutor, "slurm": SlurmExecutor, "ray": RayPipelineExecutor}


def run_local(work: WorkFolder, tasks: int, workers: int, options: Mapping) -> None:
    """Write the shards in processes of this machine.

    Raises:
        InputError: As `LocalExecutor.run`.
        OSError: The disk cannot be written.
    """
    with quiet():
        LocalExecutor(
            [WriteShards(str(work.path))],
            tasks=tasks,
            workers=min(workers, tasks),
            logging_dir=_new_logs(work),
            skip_completed=False,
            **options,
        ).run()


def run_ray(work: WorkFolder, tasks: int, workers: int, options: Mapping) -> None:
    """Write the shards on the Ray cluster that this process or `RAY_ADDRESS` is connected to, or on one made here.

    A task that fails leaves its sentence in the work folder.

    Raises:
        InputError: The cluster cannot be reached.
    """
    with ray_cluster(), quiet():
        RayPipelineExecutor(
            [WriteShards(str(work.path))],
            tasks=tasks,
            workers=min(workers, tasks),
            logging_dir=_new_logs(work),
            skip_completed=False,
            **options,
        ).run()


@contextmanager
def ray_cluster() -> Iterator[None]:
    """A Ray cluster to run on: the one that this process or `RAY_ADDRESS` is connected to, or one made here.

    Raises:
        InputError: The cluster cannot be reached.
    """
    import ray

    connected = ray.is_initialized()
    if not connected:
        try:
            ray.init(log_to_driver=False, logging_level="ERROR")
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise InputError(f"Ray cannot be started or reached: {error}") from None
    try:
        yield
    finally:
        if not connected:
            ray.shutdown()


def refuse_where_no_slurm(out: Path) -> None:
    """Return when jobs that write `out` can be submitted from here.

    Raises:
        InputError: There is no Slurm, or its scripts cannot name the folder.
    """
    if any(character.isspace() or character == "%" for character in str(out)):
        raise InputError(f"Slurm's scripts cannot name {out}: choose a folder without spaces and percent signs.")
    if shutil.which("sbatch") is None:
        raise InputError("There is no sbatch on this machine: submit where Slurm is.")


def submit_to_slurm(work: WorkFolder, out: Path, tasks: int, options: Mapping) -> Submitted:
    """Submit an array that writes the shards and a job after it that assembles them; return at once.

    The second runs however the first ends: it says what is missing.

    Raises:
        InputError: Slurm refuses a job; nothing is left in the queue then.
    """
    name = f"st-vlm-{secrets.token_hex(4)}"
    # Not in the work folder, which goes when all is done, while these are still written to.
    logs = out.with_name(f"{out.name}.slurm") / name
    shared = {"job_name": name, "skip_completed": False, **this_environment(options), **options}
    write = SlurmExecutor([WriteShards(str(work.path))], tasks=tasks, logging_dir=str(logs / "write"), **shared)
    assemble = SlurmExecutor(
        [Assemble(str(work.path), str(out), str(logs))],
        tasks=1,
        logging_dir=str(logs / "assemble"),
        depends=write,
        run_on_dependency_fail=True,
        **{key: value for key, value in shared.items() if key not in _NOT_FOR_ASSEMBLY},
    )
    write_note(work.path, name)
    try:
        with taken_back_where_refused(name, logs), quiet():
            # Not `run`, which inside a job of an array takes itself for a task.
            assemble.launch_job()
    except BaseException:
        with suppress(OSError):
            logs.parent.rmdir()  # Stays where it holds the logs of an earlier start.
        remove_note(work.path)
        if not work.count_tried():
            work.remove()
        raise
    return Submitted(name, (write.job_id, assemble.job_id), logs)


@contextmanager
def taken_back_where_refused(name: str, logs: Path) -> Iterator[None]:
    """Submit within this: where Slurm refuses a job, those of the same name are cancelled and their logs removed.

    Raises:
        InputError: It refused one.
    """
    try:
        yield
    except BaseException as error:
        subprocess.run(["scancel", f"--name={name}"], capture_output=True, check=False)
        shutil.rmtree(logs, ignore_errors=True)
        if not isinstance(error, subprocess.CalledProcessError | IndexError):
            raise
        raise InputError("Slurm did not take the jobs; what sbatch says about it stands above.") from None


def this_environment(options: Mapping) -> dict:
    """How a job finds this Python's programs, unless the options say it."""
    if any(options.get(name) for name in ("env_command", "condaenv", "venv_path")):
        return {}
    return {"env_command": f'export PATH="{Path(sys.executable).parent}:$PATH"'}


def _new_logs(work: WorkFolder) -> str:
    """A folder of its own for every start: datatrove must not take an earlier start's tasks for done."""
    return str(work.path / LOGS / secrets.token_hex(4))


def _begin_worker(begun) -> None:
    die_with_parent()
    number_worker(begun)
    # What matters stands in the work folder or is raised.
    for package in ("datatrove", "st_vlm"):
        logger.disable(package)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep datatrove's own log off standard error."""
    logger.disable("datatrove")
    try:
        yield
    finally:
        logger.enable("datatrove")
