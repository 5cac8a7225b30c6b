"""A script in a Python process of its own, with this package or as if it were not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

# Also without the libraries that only this package needs, so that nothing leans on them unseen.
HIDDEN = ("st_vlm", "wrapt", "datasets", "pyarrow", "pandas", "scipy")
_HIDE = f"import sys\nfor name in {HIDDEN}: sys.modules[name] = None\n"


def lone(script: str, *arguments: object, home: Path, package: bool, **environment: str) -> dict:
    """Run a script and return what it prints as its last line, as JSON.

    Args:
        script: Python source.
        arguments: Its `sys.argv[1:]`.
        home: Folder for what transformers caches, so that no earlier copy of a model's code is found.
        package: Whether it imports `st_vlm` first; else it cannot.
        environment: Variables beside those of this process.
    """
    offline = {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", ("import st_vlm\n" if package else _HIDE) + script, *map(str, arguments)],
        env=os.environ | offline | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
