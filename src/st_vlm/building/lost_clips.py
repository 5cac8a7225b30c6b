"""Clips made again from their rows and the source's own files: the same bytes as the build wrote.

A row names the frames' files (`source_frames`), their times and the clip's size. Where it names none, or the files do
not lie under the folder that is given, the recording is read again and its frames are found by their times.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import numpy as np

from st_vlm.building.shard import FRAMES_KEPT, MOST_PIXELS_A_SIDE, FrameReader
from st_vlm.errors import InputError
from st_vlm.recordings import Recording, Source
from st_vlm.recordings.images import path_inside, read_image
from st_vlm.recordings.video_frames import VideoFrames
from st_vlm.video.encoding import Fitter, fit_size, write_video

# Rows tell times to a microsecond.
_NEAR_NS = 1_000


@dataclass(frozen=True)
class LostClip:
    """What a row tells of its clip.

    Attributes:
        id: Its name.
        start_ns: Of its first frame on the source's clock.
        timestamps: (T,) seconds from the first frame.
        size: Width and height in pixels.
        frames: (T,) the frames' files within the source's folder, those of a video with `#` and their number; or none.
    """

    id: str
    start_ns: int
    timestamps: tuple[float, ...]
    size: tuple[int, int]
    frames: tuple[str, ...]


@dataclass(frozen=True)
class LostRecording:
    """Lost clips of one recording seen by one camera, all of one size, in the order of their starts."""

    split: str
    recording: str
    camera: str
    clips: tuple[LostClip, ...]


class ClipMaker:
    """Makes the clips of one recording again.

    Args:
        lost: Which.
        root: The source's folder, or None for a source without files.
        source: Opens the source; called only where the rows' own files are not enough.
        table: Of the rows, for sentences.
    """

    def __init__(self, lost: LostRecording, root: Path | None, source: Callable[[], Source], table: Path) -> None:
        self._lost, self._root, self._source, self._table = lost, root, source, table
        self._pictures = _Pictures()

    def write(self, clip: LostClip, folder: Path) -> None:
        """Write a clip's video, whole or not at all.

        Raises:
            InputError: A file is missing, broken, of another size, or outside the source's folder; or the source has
                no such recording, or no frame at one of the clip's times.
        """
        files = self._files(clip)
        frames = self._by_reading(clip) if files is None else self._by_files(clip, files)
        write_video(folder / f"{clip.id}.mp4", frames, clip.timestamps)

    def _files(self, clip: LostClip) -> list[tuple[Path, int | None]] | None:
        """Each frame's file and, of a video's frame, its number; None where one is not there or none is named."""
        if self._root is None or not clip.frames:
            return None
        if len(clip.frames) != len(clip.timestamps):
            raise InputError(f"{self._table}: the clip {clip.id} has not as many source_frames as timestamps.")
        found = [_file_of(self._root, name, self._table) for name in clip.frames]
        return found if all(path.is_file() for path in dict.fromkeys(path for path, _ in found)) else None

    def _by_files(self, clip: LostClip, files: list[tuple[Path, int | None]]) -> Iterable[av.VideoFrame]:
        for path, number in files:
            yield self._pictures.get(path, number, clip)

    def _by_reading(self, clip: LostClip) -> Iterable[av.VideoFrame]:
        if isinstance(self._read, InputError):
            raise self._why_not(clip, self._read)
        recording, reader = self._read
        times = clip.start_ns + np.array([round(t * 1e6) * 1_000 for t in clip.timestamps], np.int64)
        there = recording.frames.times_ns
        nearest = np.searchsorted(there, times - _NEAR_NS).clip(0, len(there) - 1)
        far = np.abs(there[nearest] - times) > _NEAR_NS
        if far.any():
            raise InputError(
                f"There is no image {clip.timestamps[int(far.argmax())]:.3f} s after the start of the clip {clip.id}. "
                "Give the source the options of the build, such as --option sweeps=true."
            )
        return (reader(int(frame)) for frame in nearest)

    @cached_property
    def _read(self) -> tuple[Recording, FrameReader] | InputError:
        size = self._lost.clips[0].size
        try:
            recording = self._source().read(self._lost.recording, self._lost.camera, images=True)
        except InputError as error:
            return error
        fitted = fit_size(recording.camera.size, MOST_PIXELS_A_SIDE)
        if fitted != size:
            return InputError(
                f"The images of {self._lost.recording} ({self._lost.camera}) give clips of {fitted[0]}x{fitted[1]} "
                f"pixels, but the rows are for {size[0]}x{size[1]}. Use the source's original images."
            )
        return recording, FrameReader(recording, size)

    def _why_not(self, clip: LostClip, error: InputError) -> InputError:
        """The sentence where neither way leads to the images."""
        if self._root is None or not clip.frames:
            return error
        files = [_file_of(self._root, name, self._table)[0] for name in clip.frames]
        missing = next((path for path in files if not path.is_file()), None)
        return (
            error if missing is None else InputError(f"{missing} is missing. Restore it, or give the folder it is in.")
        )


class _Pictures:
    """Frames read from their files, as the encoder takes them; the last few are kept, for clips overlap."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, int | None], av.VideoFrame] = OrderedDict()
        self._video: VideoFrames | None = None
        self._fit: Fitter | None = None

    def get(self, path: Path, number: int | None, clip: LostClip) -> av.VideoFrame:
        if (path, number) not in self._kept:
            self._kept[path, number] = self._make(path, number, clip)
            if len(self._kept) > FRAMES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end((path, number))
        return self._kept[path, number]

    def _make(self, path: Path, number: int | None, clip: LostClip) -> av.VideoFrame:
        image = read_image(path) if number is None else self._frame(path, number)
        height, width = image.shape[:2]
        if fit_size((width, height), MOST_PIXELS_A_SIDE) != clip.size:
            raise InputError(
                f"{path} has {width}x{height} pixels, from which no clip of {clip.size[0]}x{clip.size[1]} is made as "
                f"the rows of {clip.id} want it. Use the source's original images."
            )
        if self._fit is None or self._fit.size != clip.size:
            self._fit = Fitter(clip.size)
        return self._fit(image)

    def _frame(self, path: Path, number: int) -> np.ndarray:
        if self._video is None or self._video.path != path:
            self._video = VideoFrames(path)
        return self._video.read(number)


def _file_of(root: Path, name: str, table: Path) -> tuple[Path, int | None]:
    """The file that a row names, and the frame's number in it where it is a video."""
    path, mark, number = name.rpartition("#")
    if mark and number.isascii() and number.isdigit():
        return path_inside(root, path, table), int(number)
    return path_inside(root, name, table), None
