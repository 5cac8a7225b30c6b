"""A stand-in for Slurm's commands: `sbatch` queues a script that runs at once, one task of its array after the other.

It stands in for the scheduler alone: the scripts and all they start are real.
"""

import os
import subprocess
import sys
from pathlib import Path

COMMANDS = ("sbatch", "scancel", "scontrol", "squeue", "srun")


def install(folder: Path) -> dict[str, str]:
    """Put the commands into a folder; returns an environment whose PATH has them, and nothing of our Python."""
    folder.mkdir()
    (folder / "queue").mkdir()
    for name in COMMANDS:
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "$@"\n')
        command.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:/usr/bin:/bin", "STAND_IN_SLURM": str(folder / "queue")}


def sbatch(*arguments: str) -> None:
    """Options are `--name=value`; a partition `nowhere` is refused."""
    script = Path(arguments[-1]).read_text()
    directives = dict(
        line.removeprefix("#SBATCH --").partition("=")[::2]
        for line in script.splitlines()
        if line.startswith("#SBATCH --")
    )
    if directives["partition"] == "nowhere":
        sys.exit("sbatch: error: invalid partition specified: nowhere")
    given = dict(argument.removeprefix("--").partition("=")[::2] for argument in arguments[:-1])
    number = 100 + len(list(queue().glob("*.script")))
    (queue() / f"{number}.script").write_text(script)
    (queue() / f"{number}.queued").write_text(directives["job-name"])
    exports = [pair for pair in given["export"].split(",") if pair != "ALL"]
    after = given.get("dependency", "")
    what = ["run", str(number), directives["array"], directives["output"], after, *exports]
    subprocess.Popen(
        [sys.executable, __file__, *what],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    print("Submitted batch job", number)


def run(number: str, array: str, output: str, after: str, *exports: str) -> None:
    import time

    condition, _, other = after.partition(":")
    while other and (queue() / f"{other}.queued").exists():
        time.sleep(0.05)
    if condition == "afterok" and (queue() / f"{other}.failed").exists():
        return  # It stays in the queue for ever, as on Slurm.
    first, _, last = array.partition("%")[0].partition("-")
    for index in range(int(first), int(last) + 1):
        inside = {
            "SLURM_JOB_ID": number,
            "SLURM_ARRAY_TASK_ID": str(index),
            "SLURM_NODELIST": "localhost",
            **dict(pair.partition("=")[::2] for pair in exports),
        }
        with open(output.replace("%A", number).replace("%a", str(index)), "w") as log:
            task = subprocess.Popen(
                ["bash", str(queue() / f"{number}.script")],
                env=os.environ | inside,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            (queue() / f"{number}_{index}.pid").write_text(str(task.pid))
            if task.wait() != 0:
                (queue() / f"{number}.failed").touch()
    (queue() / f"{number}.queued").unlink()


def squeue(*arguments: str) -> None:
    name = arguments[arguments.index("-n") + 1]
    for job in sorted(queue().glob("*.queued")):
        if job.read_text() == name:
            print(job.stem)


def scancel(*arguments: str) -> None:
    """Nothing: the tests end tasks themselves."""


def scontrol(show: str, hostnames: str, nodes: str) -> None:
    print(nodes)


def srun(*arguments: str) -> None:
    """Run what follows the options `-l -n 1`."""
    command = arguments[arguments.index("-n") + 2 :]
    os.execvp(command[0], command)


def queue() -> Path:
    return Path(os.environ["STAND_IN_SLURM"])


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
