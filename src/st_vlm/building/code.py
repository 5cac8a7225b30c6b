"""The identity of the code that rows depend on, so that nothing made by older code is taken for new."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import st_vlm

_FOLDERS = ("balance", "building", "evaluation", "kinematics", "questions", "recordings", "video")


@cache
def code_hash() -> str:
    """SHA-256 over the files from which a build makes its rows and videos."""
    package = Path(st_vlm.__file__).parent
    paths = [path for name in _FOLDERS for path in (package / name).rglob("*") if path.suffix in (".py", ".yaml")]
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.relative_to(package).as_posix()):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
