"""What a control changes: the form that every control has, and the reasons for which it leaves questions out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings import Recording
from st_vlm.video.decoding import probe, read_frames
from st_vlm.video.encoding import Fitter, write_video

# A clip is coded a second time: finer than the first, so that hardly more is lost.
SECOND_CRF = 16

# Why a question is not in a variant: key -> "it is left out because …".
REASONS = {
    "not_asked": "on the changed tracks it is too close to call, or has no single answer",
    "not_measured": "its truth cannot be measured again from the stored tracks",
    "no_clip": "the folder has no video of its clip",
    "no_crop": "its marks fill too much of the picture to be cropped",
    "slow_camera": "its camera took no image half-way between two of its frames",
    "too_long": "twice its frames are more than the 40 that a model is given",
}


class LeftOut(Exception):
    """A clip or a question that a control cannot have; `reason` is one of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason


@dataclass(frozen=True)
class Change:
    """What becomes of a clip.

    Attributes:
        columns: The row's columns that change for all its questions.
        write: Writes the new video from the stored one's path to another; None: the stored one stays.
    """

    columns: dict
    write: Callable[[Path, Path], None] | None = None


def same_world(recording: Recording) -> Recording:
    """The tracks as they are."""
    return recording


def same_time(row: Mapping, second: float) -> float:
    """A second of the clip as it is."""
    return second


@dataclass(frozen=True)
class Control:
    """One control variant.

    Attributes:
        name: As in `--control`.
        about: What it changes and what it tells, for the help and the dataset card.
        change: A clip's row, its recording and the build's seed to its `Change`. Raises LeftOut.
        world: Changes the tracks as the clips are changed.
        time: Where a second of the clip goes, given its row.
        words: `kept` as they are, worded `again` from the same phrasing, or from one that is `held_out`.
        video: Whether its rows have a video.
    """

    name: str
    about: str
    change: Callable[[Mapping, Recording, int], Change]
    world: Callable[[Recording], Recording] = field(default=same_world)
    time: Callable[[Mapping, float], float] = field(default=same_time)
    words: Literal["kept", "again", "held_out"] = "kept"
    video: bool = True


def rewritten(change: Callable[[np.ndarray], np.ndarray], timestamps: list[float]) -> Callable[[Path, Path], None]:
    """A `Change.write` that decodes the stored clip, changes its (F, H, W, 3) frames and codes them again.

    Args:
        change: To frames, one for each of the new timestamps.
        timestamps: Seconds of the new frames.
    """

    def write(stored: Path, target: Path) -> None:
        frames = change(read_frames(stored))
        # All pictures live until they are coded: one at a time, a clip in a hundred got other bytes on a busy machine.
        fit = Fitter((frames.shape[2], frames.shape[1]))
        write_video(target, [fit(frame) for frame in frames], timestamps, crf=SECOND_CRF, least_frames=1)

    return write


def check_clip(path: Path, row: Mapping) -> None:
    """Refuse a stored clip that is not what its row says.

    Raises:
        InputError: It cannot be read, or has other frames or another size.
    """
    info, size = probe(path), row["camera"]["size"]
    if len(info) != len(row["timestamps"]) or list(info.size) != list(size):
        raise InputError(
            f"{path} has {len(info)} frames of {info.size[0]}x{info.size[1]}, but the table says "
            f"{len(row['timestamps'])} of {size[0]}x{size[1]}: copy it again."
        )


def drawn_by(seed: int, purpose: str, clip_id: str) -> np.random.Generator:
    """A generator of a clip's own, the same wherever and in whatever order clips are changed."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{clip_id}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))
