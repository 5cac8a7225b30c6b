"""Which of a machine's workers a process is, for those who share out what the machine has one of for each."""

from __future__ import annotations

import os

_VARIABLE = "ST_VLM_WORKER"


def number_worker(begun) -> None:
    """Take the next number, from 0: begins each process of a pool.

    Args:
        begun: A `multiprocessing.Value` of the pool that counts its processes.
    """
    with begun.get_lock():
        os.environ[_VARIABLE] = str(begun.value)
        begun.value += 1


def worker_number() -> int | None:
    """This process's number; None outside such a pool."""
    number = os.environ.get(_VARIABLE)
    return int(number) if number is not None else None
