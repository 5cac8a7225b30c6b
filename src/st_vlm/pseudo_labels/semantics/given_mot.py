"""Boxes in the text format of the MOT challenges (Dendorfer et al. 2021).

A row is frame, object, left, top, width, height, confidence, and in files of true boxes class and visibility; frames
and pixels count from 1. Rows of confidence 0 are those that the challenge ignores. Files of detections name no object
and no class. Confidences beyond 0 to 1 are cut to these.
"""

from __future__ import annotations

import configparser
import math
from pathlib import Path

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.semantics.given_rows import GivenRows

# Of MOT16, MOT17 and MOT20. What else they number are occluders, reflections and things that look like people.
_CLASSES = {
    1: "pedestrian",
    2: "person",
    3: "car",
    4: "bicycle",
    5: "motorcycle",
    6: "vehicle",
    7: "person",
}
# With class and visibility a row has nine columns; with ten, the last three are a place in the world.
_WITH_CLASS = (8, 9)


def read_mot(path: Path, length: int, category: str) -> GivenRows:
    """Read the boxes of one video.

    Args:
        path: The text file. A `seqinfo.ini` in the folder above it tells the size of the images.
        length: How many frames the video has.
        category: The noun of what the file gives no class.

    Raises:
        InputError: The file cannot be read, holds other text, or tells of frames that the video does not have.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as boxes of a MOT challenge ({error}).") from None
    size = _size(path)
    rows = GivenRows()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        values = _values(path, number, line)
        frame, key, left, top, width, height, *rest = values
        # Followers that have no confidence write -1.
        score = rest[0] if rest and rest[0] != -1 else 1.0
        if score == 0:
            continue
        noun = category
        if len(values) in _WITH_CLASS and rest[1] >= 0:
            noun = _CLASSES.get(rest[1])
            if noun is None:
                continue
        if not (frame.is_integer() and 1 <= frame <= length):
            raise InputError(
                f"{path}, line {number}: frame {frame:g} of a video of {length} frames. Its frames count from 1, and "
                "boxes and video must count the same frames."
            )
        whose = int(key) if math.isfinite(key) and key >= 0 else None
        rows.add(whose, int(frame) - 1, [left - 1, top - 1, width, height], noun, score, size=size)
    return rows


def _values(path: Path, number: int, line: str) -> list[float]:
    parts = line.split(",") if "," in line else line.split()
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if not 6 <= len(values) <= 10:
        raise InputError(
            f"{path}, line {number}: {line[:60]!r} is no row of a MOT challenge: frame, object, left, top, width, "
            "height, confidence, class, visibility. Repair the line or give another file."
        )
    return values


def _size(path: Path) -> tuple[int, int] | None:
    """Width and height that a sequence of the challenge states for its images."""
    info = configparser.ConfigParser(interpolation=None)
    try:
        if not info.read(path.parent.parent / "seqinfo.ini", encoding="utf-8"):
            return None
        size = info.getint("Sequence", "imWidth"), info.getint("Sequence", "imHeight")
    except (configparser.Error, ValueError, OSError) as error:
        raise InputError(f"{path.parent.parent / 'seqinfo.ini'} states no size of images ({error}).") from None
    return size
