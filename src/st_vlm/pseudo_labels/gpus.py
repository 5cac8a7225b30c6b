"""A GPU for each of a machine's workers."""

from __future__ import annotations

import os

from st_vlm.building.worker_number import worker_number

# The others want none.
GPU_STAGES = ("semantics", "check", "geometry", "self-check")
_SEEN = "CUDA_VISIBLE_DEVICES"


def take_gpu() -> None:
    """Let this worker of the local executor see one GPU of several, before it takes hold of any.

    Worker 0 gets the first of those that the machine, or `CUDA_VISIBLE_DEVICES`, has, worker 1 the next, and round
    again. Called once more, and in other processes, it changes nothing: what Slurm, Ray or a Job lets a task see is
    that task's own.
    """
    number = worker_number()
    if number is None:
        return
    seen = os.environ.get(_SEEN)
    devices = list(map(str, range(count_gpus()))) if seen is None else [one for one in seen.split(",") if one.strip()]
    if len(devices) > 1:
        os.environ[_SEEN] = devices[number % len(devices)].strip()


def count_gpus() -> int:
    """How many GPUs the machine has."""
    import torch

    # By NVML, so without the CUDA runtime, which would take `CUDA_VISIBLE_DEVICES` for good as it finds it.
    return torch.cuda.device_count()
