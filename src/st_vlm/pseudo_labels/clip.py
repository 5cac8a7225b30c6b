"""A clip of a video: which of its frames are looked at, and what is known of its camera beforehand."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import read_json, write_json


@dataclass(frozen=True)
class Clip:
    """A stretch of a video without a cut, at most 40 frames half a second apart.

    Attributes:
        id: Unique within a run, and a file's name.
        video: Path of the video relative to the run's folder of videos, with `/`.
        frames: T numbers of the video's frames in the order of presentation, nearest the grid of half seconds.
        times_ns: T nanoseconds from the video's first frame, as the file holds them.
        size: Width and height of the video in pixels, as players show it.
        first, last: Numbers of the first and last frame of the stretch, for those who look at more frames than T.
        domain: As `Recording.domain`.
        licence: Of the video, as its owner states it.
        split: `train`, `validation` or `test`, where the videos' layout tells it.
        intrinsics: Row-major 3x3 pinhole matrix for `size`, where it is known.
        camera_height: Metres above the ground, where it is known.
    """

    id: str
    video: str
    frames: tuple[int, ...]
    times_ns: tuple[int, ...]
    size: tuple[int, int]
    first: int
    last: int
    domain: str = "general"
    licence: str = "unknown"
    split: Literal["train", "validation", "test"] | None = None
    intrinsics: tuple[float, ...] | None = None
    camera_height: float | None = None

    @property
    def times_s(self) -> np.ndarray:
        """(T,) seconds from the clip's first frame."""
        return (np.array(self.times_ns, np.int64) - self.times_ns[0]) * 1e-9

    @property
    def matrix(self) -> np.ndarray | None:
        """(3, 3) intrinsics, or None."""
        return None if self.intrinsics is None else np.array(self.intrinsics, np.float64).reshape(3, 3)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, asdict(self))

    @classmethod
    def read(cls, path: Path) -> Clip:
        """Read it again.

        Raises:
            InputError: The file is missing, or not one that `write` wrote.
        """
        value = read_json(path)
        known = {field.name for field in fields(cls)}
        if missing := [name for name in ("id", "video", "frames", "times_ns", "size") if name not in value]:
            raise InputError(f"{path} lacks {missing[0]!r}. Remove it and run `st-vlm pseudo-label` again.")
        lists = {name: tuple(item) if isinstance(item, list) else item for name, item in value.items()}
        return cls(**{name: item for name, item in lists.items() if name in known})
