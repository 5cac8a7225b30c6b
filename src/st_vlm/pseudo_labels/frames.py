"""The images of a clip, read from its video when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.video.decoding import VideoInfo, iterate_frames, probe


class ClipFrames:
    """A clip with its images. It can be pickled: the file is opened when frames are asked for, each time anew.

    Args:
        clip: The clip.
        videos: The folder that its `video` is relative to.
    """

    def __init__(self, clip: Clip, videos: Path) -> None:
        self.clip = clip
        self.path = confined(videos, clip.video)

    def __len__(self) -> int:
        return len(self.clip.frames)

    @property
    def info(self) -> VideoInfo:
        """What the video's file holds.

        Raises:
            InputError: As `video.decoding.probe`.
        """
        return probed(self.path)

    def images(self, size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        """The clip's T frames in their order, (H, W, 3) uint8 RGB, as players show them.

        Args:
            size: Width and height to bring them to; None: as they are.

        Raises:
            InputError: A frame does not decode.
        """
        return self.at(self.clip.frames, size)

    def at(self, numbers: Sequence[int], size: tuple[int, int] | None = None) -> Iterator[np.ndarray]:
        """Some of the video's frames by increasing numbers, as `images`. One is held at a time."""
        for _, image in iterate_frames(self.path, numbers, self.info, size):
            yield image

    def between(self, step_s: float) -> np.ndarray:
        """(D,) increasing numbers of frames about `step_s` apart over the clip's stretch, all of the clip's own among
        them: for trackers, which half a second is too long a step for."""
        times = self.info.times_s[self.clip.first : self.clip.last + 1]
        wanted = np.arange(times[0], times[-1], step_s)
        after = np.clip(np.searchsorted(times, wanted), 1, max(len(times) - 1, 1))
        before = after - 1
        near = np.where(wanted - times[before] <= times[np.minimum(after, len(times) - 1)] - wanted, before, after)
        near = np.minimum(near, len(times) - 1) + self.clip.first
        return np.unique(np.concatenate([near, np.array(self.clip.frames)]))


def probed(path: Path) -> VideoInfo:
    """`video.decoding.probe` of a file, kept for the next clip of the same video: it reads the whole file.

    Raises:
        InputError: As `probe`.
    """
    try:
        state = os.stat(path)
    except OSError:
        return probe(path)
    return _probed(path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _probed(path: Path, changed_ns: int, size: int) -> VideoInfo:
    return probe(path)


def confined(folder: Path, relative: str) -> Path:
    """A file inside a folder.

    Raises:
        InputError: The path leads out of the folder.
    """
    inner = PurePosixPath(relative)
    # Links within the folder may point elsewhere: whoever keeps it has put them there.
    if inner.is_absolute() or ".." in inner.parts or Path(relative).is_absolute():
        raise InputError(f"{relative} leads out of {folder}. Paths of videos must stay in their folder.")
    return folder / inner
