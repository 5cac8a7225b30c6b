"""The files of a run: one folder a clip, a file a stage, each written whole or not at all.

OUT/run.json                    what the run depends on
OUT/probed/NAME.json            probe: a video's clips, and what was dropped of it
OUT/clips/ID/clip.json          probe: one clip
OUT/clips/ID/segments.parquet   semantics
OUT/clips/ID/check.json         check: whether each object is what it is taken for
OUT/clips/ID/geometry.npz       geometry
OUT/clips/ID/self_check.json    self-check: how the clip played backwards agrees
OUT/clips/ID/tracks.parquet     lift, smooth, filter; its metadata tell the clip's quality
OUT/clips/ID/failed.json        why a clip was dropped, and at which stage
OUT/quality.parquet             a line a clip
OUT/stkit/                      the built questions
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from st_vlm.errors import InputError

RUN_FILE = "run.json"
PROBED = "probed"
CLIPS = "clips"
CLIP_FILE = "clip.json"
SEGMENTS_FILE = "segments.parquet"
CHECK_FILE = "check.json"
SELF_CHECK_FILE = "self_check.json"
GEOMETRY_FILE = "geometry.npz"
TRACKS_FILE = "tracks.parquet"
FAILED_FILE = "failed.json"
QUALITY_FILE = "quality.parquet"
QUESTIONS = "stkit"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary name in a file's folder that becomes the file at the end of the `with`, and vanishes on an error."""
    # The ending stays: some writers go by it.
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: dict) -> None:
    """Write a JSON object, whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict:
    """Read a JSON object.

    Raises:
        InputError: There is no such file, or it holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}). Run `st-vlm pseudo-label` again.") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} holds no JSON object. Run `st-vlm pseudo-label` again.")
    return value
