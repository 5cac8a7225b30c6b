"""Arguments of an executor given by the user: read from YAML, and held against what the executor takes."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from st_vlm.errors import InputError

# What a build sets itself, or what would break its promise that the folder appears when all shards are there.
_OURS = {
    "depends",
    "depends_job_id",
    "job_id_retriever",
    "job_name",
    "local_rank_offset",
    "local_tasks",
    "log_first",
    "logging_dir",
    "max_array_launch_parallel",
    "nodes_per_task",
    "pipeline",
    "run_on_dependency_fail",
    "skip_completed",
    "slurm_logs_folder",
    "stagger_max_array_jobs",
    "start_method",
    "tasks",
}
_OURS_IN_SBATCH = {"array", "dependency", "error", "export", "job-name", "output"}


def read_options(path: str | os.PathLike) -> dict[str, Any]:
    """An executor's arguments from a YAML file.

    Raises:
        InputError: The file cannot be read, or is no mapping of names.
    """
    try:
        found = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The executor's configuration {path} cannot be read: {error.strerror}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where is not None else ""
        raise InputError(f"The executor's configuration {path} is no valid YAML{line}.") from None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InputError(f"The executor's configuration {path} must be a mapping, such as `partition: cpu`.")
    return found


def check_options(kind: str, executor: type, options: Mapping[str, Any]) -> None:
    """Return when the executor's class takes these arguments and needs no more.

    Raises:
        InputError: It takes no such argument, or none of that type; a build sets it itself; one is missing.
    """
    ours = _OURS if kind == "slurm" else _OURS | {"workers"}
    parameters = dict(list(inspect.signature(executor.__init__).parameters.items())[1:])
    hints = get_type_hints(executor.__init__)
    for name, value in options.items():
        if name not in parameters:
            known = ", ".join(sorted(set(parameters) - ours))
            raise InputError(f"The executor {kind} takes no option {name}. It takes: {known}.")
        if name in ours:
            raise InputError(f"The executor's option {name} is set by st-vlm itself: leave it out.")
        if value is not None and not _is_a(value, hints.get(name)):
            # YAML reads an unquoted 20:00:00 as a number, which Slurm would take for minutes.
            quotes = " Write text in quotes." if isinstance(value, int) else ""
            raise InputError(f"The executor's option {name} cannot be {value!r}.{quotes}")
    clash = _OURS_IN_SBATCH & set(options.get("sbatch_args") or ())
    if clash:
        raise InputError(f"The option {min(clash)} of sbatch_args is set by st-vlm itself: leave it out.")
    needed = [name for name, p in parameters.items() if p.default is p.empty and name not in ours]
    missing = [name for name in needed if options.get(name) is None]
    if missing:
        raise InputError(f"The executor {kind} needs {' and '.join(missing)}: give them in --executor-config, a file.")


def _is_a(value: object, hint: Any) -> bool:
    """Whether a value read from YAML is of an annotated type; anything is of one that is none of Python's plain."""
    union = get_args(hint) if type(None) in get_args(hint) else (hint,)
    kinds = tuple(getattr(kind, "__origin__", kind) for kind in union if kind is not type(None))
    if not all(kind in (int, float, str, bool, dict, tuple) for kind in kinds):
        return True
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, int | list):
        return isinstance(value, kinds) or (float if isinstance(value, int) else tuple) in kinds
    return isinstance(value, kinds)
