"""Writing the shards of a plan, in this process or several, on this machine."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread

from tqdm import tqdm

from st_vlm.building.plan import Job, Plan, WorkFolder
from st_vlm.building.settings import BuildSettings
from st_vlm.building.shard import write_shard
from st_vlm.errors import InputError
from st_vlm.recordings import Source

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_shards(
    jobs: Sequence[Job], settings: BuildSettings, work: WorkFolder, num_proc: int, source: Source | None
) -> None:
    """Write the shards that are missing; a job that fails leaves its sentence in the work folder.

    Args:
        jobs, settings, work: What to write where.
        num_proc: Worker processes, each with a source of its own.
        source: For one process; None with several, so that nobody holds its tables in vain.

    Raises:
        InputError: A worker process was killed.
        OSError: The disk cannot be written.
    """
    todo = [job for job in jobs if not work.is_done(job)]
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(todo), desc="Recordings", unit="camera", disable=None)
    with bar, told_of_a_killed_worker():
        if source is not None:
            for job in todo:
                write_one(source, job, settings, work)
                bar.update()
            return
        # Spawned, not forked: a caller's threads (PyTorch, Arrow) would be copied into a state that can hang.
        workers = min(num_proc, max(1, len(todo)))
        pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=die_with_parent)
        try:
            with without_main_module():
                results = pool.map(write_in_worker, [(job, work.path) for job in todo])
            for _ in results:
                bar.update()
        finally:
            # By Ctrl-C or a full disk, what waits is not begun.
            pool.shutdown(cancel_futures=True)


@contextmanager
def without_main_module() -> Iterator[None]:
    """Let processes that are spawned here leave the user's script alone.

    `multiprocessing` would run it again in each of them, and a script without `if __name__ == "__main__"` would start
    its own build there, or wait for ever on a lock that its parent holds.
    """
    main = sys.modules["__main__"]
    kept = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    for name in kept:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(main, name, value)


@contextmanager
def told_of_a_full_disk(work: WorkFolder, plan: Plan) -> Iterator[None]:
    """Turn the system's error of a full disk into a sentence that says what is kept.

    Raises:
        InputError: The disk is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        done = sum(map(work.is_done, plan.jobs))
        raise InputError(
            f"The disk of {work.path} is full. {done} of {len(plan.jobs)} shards are finished and kept there: free "
            "some space and run the same command again to go on."
        ) from None


@contextmanager
def told_of_a_killed_worker(
    advice: str = "Finished shards are kept: run the same command again to go on",
) -> Iterator[None]:
    """Turn a process pool's error into a sentence that says what to do.

    Args:
        advice: The sentence's second half, up to what memory is told of.

    Raises:
        InputError: A worker of the pool was killed.
    """
    try:
        yield
    except BrokenProcessPool:
        raise InputError(
            f"A worker process was killed, perhaps for want of memory. {advice}, with a smaller --num-proc if memory "
            "was short."
        ) from None


def refuse_unfinished(work: WorkFolder, plan: Plan, logs: Path) -> None:
    """Return when every job gave a shard or a sentence in its place.

    Raises:
        InputError: Some did not, for their workers stopped or were killed.
    """
    missing = [job for job in plan.jobs if not work.is_done(job) and work.failure(job) is None]
    if not missing:
        return
    stops = work.stops()
    why = stops[0] if stops else f"Their workers were killed or ran out of time or memory: see {logs}."
    raise InputError(
        f"{len(missing)} of {len(plan.jobs)} shards are missing. {why} Finished shards are kept: run the same command "
        "again to go on."
    )


def write_one(source: Source, job: Job, settings: BuildSettings, work: WorkFolder) -> None:
    """Write one shard unless it is there; if the recording cannot be used, leave a sentence in its place.

    Raises:
        OSError: The disk cannot be written.
    """
    if work.is_done(job):
        return
    try:
        recording = source.read(job.recording, job.camera, images=settings.video)
        write_shard(recording, work.shard(job), settings.seed, settings.tasks, settings.video, settings.questions)
    except InputError as error:
        work.fail(job, str(error))
    except OSError as error:
        if error.errno not in _DISK_FULL:
            raise
        # A plain one: those of PyAV and Arrow do not all survive the way between processes.
        raise OSError(error.errno, os.strerror(error.errno), str(work.path)) from None


# A worker's own source, opened once: it lives as long as the worker, so for one build.
_opened: list[tuple[BuildSettings, Source]] = []


def write_in_worker(task: tuple[Job, Path]) -> None:
    """Write one shard of the build in the work folder of that path, in a process that lives for this build alone."""
    job, path = task
    work = WorkFolder(path)
    if not _opened:
        settings = work.read_settings()
        _opened.append((settings, settings.open()))
    settings, source = _opened[0]
    write_one(source, job, settings, work)


def die_with_parent(parent: BaseProcess | None = None) -> None:
    """End this process when its parent does, even when that is killed: nobody would read what it goes on to write.

    Args:
        parent: What `parent_process` of a library like `multiprocessing` returns; default: that of `multiprocessing`.
    """
    sentinel = (parent or parent_process()).sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
