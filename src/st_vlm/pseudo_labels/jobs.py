"""A run's stages as Hugging Face Jobs, which see a remote folder and nothing of this machine."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.executors import LOGS, Execution, alone, refuse_unfinished
from st_vlm.pseudo_labels.pipeline import Walk
from st_vlm.pseudo_labels.remote_mirror import RemoteMirror
from st_vlm.pseudo_labels.remote_steps import RemoteStage
from st_vlm.pseudo_labels.remote_store import RemoteStore
from st_vlm.pseudo_labels.stages import Run
from st_vlm.pseudo_labels.unfinished import remove_leftovers

NOTES = "remote.jsonl"
# Makes a datatrove executor of a stage, a step, a number of tasks and an URL for its logs.
Make = Callable[[str, RemoteStage, int, str], Any]


def walk_as_jobs(execution: Execution) -> Walk:
    """How a stage goes over its clips as Hugging Face Jobs; returns when the stage is done and its results are here.

    Raises:
        InputError: An option is refused, or a variable that `secrets` names is not set.
    """
    from datatrove.executor.jobs import JobsPipelineExecutor

    remote = execution.all_options("lift").get("remote")
    if not isinstance(remote, str) or "://" not in remote or remote.startswith(("file:", "local:", "memory:")):
        raise InputError(
            "Jobs do not see this machine: give a folder that both reach in --executor-config, such as "
            "`remote: hf://buckets/NAME/BUCKET/FOLDER`."
        )
    for stage in ("semantics", "lift"):
        if "token" in execution.all_options(stage):
            raise InputError(
                "A token does not belong in a file: log in with `hf auth login`, or set HF_TOKEN, and leave token out."
            )
        packages = execution.all_options(stage).get("dependencies")
        if not packages or not isinstance(packages, list) or not all(isinstance(name, str) for name in packages):
            raise InputError(
                "Jobs begin without any package: list st-vlm and its extras in --executor-config, such as "
                '`dependencies: ["st-vlm[pseudo,scale] @ git+https://…"]`.'
            )
        _secrets(execution.all_options(stage))
    execution.check(JobsPipelineExecutor, ("semantics", "lift"))
    _make_repository(remote)

    def make(stage: str, step: RemoteStage, tasks: int, logs: str):
        return JobsPipelineExecutor(
            [step],
            tasks=tasks,
            workers=execution.workers,
            logging_dir=logs,
            skip_completed=False,
            job_name=f"st-vlm-{stage}",
            secrets=_secrets(execution.all_options(stage)),
            **execution.options_of(stage),
        )

    return walk_remotely(execution, remote, make)


def walk_remotely(execution: Execution, remote: str, make: Make) -> Walk:
    """How a stage goes over its clips on machines that see the remote folder alone.

    The run's folder ends as a run on this machine leaves it. Killed and started again, it fetches what has been made
    meanwhile, and has the rest made.

    Args:
        execution: How many tasks there are.
        remote: URL of the remote folder, of this run alone.
        make: Makes the executor of a stage, whose `run` returns when the stage's tasks have ended.
    """

    def walk(run: Run, stage: str, items: Sequence[str]) -> None:
        out = run.out.absolute()
        store = RemoteStore(remote)
        with alone(out):
            remove_leftovers(out)
            mirror = RemoteMirror(run, store, out / LOGS / NOTES)
            todo = mirror.bring(stage, items)
            logs = f"{store.url}/{LOGS}/{stage}-{secrets.token_hex(4)}"
            if todo:
                tasks = execution.tasks_for(stage, len(todo))
                launch = mirror.share_out(stage, todo, tasks)
                try:
                    make(stage, RemoteStage(store.url, stage, launch), tasks, logs).run()
                except InputError:
                    raise
                except Exception as error:  # The Hub's and the store's libraries have errors of their own.
                    raise InputError(f"The stage {stage} could not be run as Jobs: {error}") from None
            mirror.fetch(stage, items)
        refuse_unfinished(run, stage, items, logs)

    return walk


def _secrets(options: Mapping[str, Any]) -> dict[str, str]:
    """The values of the variables that the configuration names: it holds none itself."""
    names = options.get("secrets") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("The executor's option secrets is a list of names of variables, such as [AWS_ACCESS_KEY_ID].")
    missing = [name for name in names if name not in os.environ]
    if missing:
        raise InputError(f"The variable {missing[0]}, which the executor's option secrets names, is not set.")
    return {name: os.environ[name] for name in names}


def _make_repository(remote: str) -> None:
    """Make the Hub's bucket or repository of a folder, for its owner alone, where there is none.

    Raises:
        InputError: The Hub refuses, or cannot be reached.
    """
    if not remote.startswith("hf://"):
        return
    from huggingface_hub import create_bucket, create_repo

    parts = remote.removeprefix("hf://").split("/")
    kinds = {"datasets": "dataset", "spaces": "space"}
    try:
        if parts[0] == "buckets":
            create_bucket("/".join(parts[1:3]), private=True, exist_ok=True)
        else:
            inner = parts[1:3] if parts[0] in kinds else parts[:2]
            create_repo("/".join(inner), repo_type=kinds.get(parts[0], "model"), private=True, exist_ok=True)
    except Exception as error:  # The Hub's own, and those of its connection.
        raise InputError(f"{remote} cannot be made: {error}") from None
