"""The frames of one video file by number, for recordings whose images lie in videos."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np

from st_vlm.errors import InputError
from st_vlm.video.decoding import probe

# A recording is read while others are: each thread of a decoder holds frames of its own.
DECODER_THREADS = 2


class VideoFrames:
    """A video file read one frame at a time, in any order.

    A frame is known by its number in the order of presentation and found by the time that the file holds for it,
    never by a frame rate. What lies ahead of the last frame read, with no keyframe between, is reached by decoding
    on; anything else by one seek to the keyframe before it. So frames asked for in order are each decoded once at
    most, however far apart the keyframes are. One frame is held. It can be pickled: a copy opens the file again.
    The file is closed with the object.

    Args:
        path: The file. Its packets are read through once, not decoded, for the frames' times and keyframes.

    Raises:
        InputError: The file is missing, unreadable, cut off, has no video stream, fewer than two frames, or lasts
            less than 0.5 s.
    """

    def __init__(self, path: str | os.PathLike) -> None:
        self._forget()
        self.path = Path(path)
        self._info = probe(self.path)
        self._key_numbers = np.flatnonzero(self._info.keyframes)

    def __len__(self) -> int:
        return len(self._info)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as players show it."""
        return self._info.size

    def read(self, number: int) -> np.ndarray:
        """Frame `number` as (H, W, 3) uint8 RGB, turned as the file says.

        Raises:
            InputError: There is no such frame, it does not decode, or the file is gone.
        """
        if not 0 <= number < len(self):
            raise InputError(f"{self.path} has frames 0 to {len(self) - 1}; asked for {number}.")
        if number != self._number:
            try:
                frame = self._decode(number)
                image = self._info.turned(frame.to_ndarray(format="rgb24"))
            except (av.FFmpegError, OSError) as error:
                self.close()
                reason = getattr(error, "strerror", None) or error
                raise InputError(f"{self.path}: frame {number} does not decode ({reason}). Copy it again.") from None
            width, height = self.size
            if image.shape != (height, width, 3):
                self.close()
                raise InputError(f"{self.path} changes its picture size at frame {number}, which is not supported.")
            self._number, self._image = number, image
        # A copy, so that a caller who draws on a frame does not draw on the one that is held.
        return self._image.copy()

    def close(self) -> None:
        """Close the file; the next `read` opens it again."""
        if self._container is not None:
            self._container.close()
        self._forget()

    def __del__(self) -> None:
        # PyAV's container and its streams refer to each other: left alone, they stay open until the next collection.
        if self.__dict__.get("_container") is not None:
            self._container.close()

    def _forget(self) -> None:
        self._container = self._decoded = None
        self._number: int | None = None
        self._image: np.ndarray | None = None

    def _decode(self, number: int) -> av.VideoFrame:
        if not self._is_ahead(number):
            self._seek(number)
        frame = self._next_at(number)
        if frame is None:
            # A seek that came out behind the frame (an inexact index), or a decoder that skipped it.
            self.close()
            self._open()
            frame = self._next_at(number)
        if frame is None:
            self.close()
            raise InputError(f"{self.path}: frame {number} does not decode. The file is cut off or damaged.")
        return frame

    def _is_ahead(self, number: int) -> bool:
        """Whether decoding on from the last frame is the shortest way to `number`."""
        if self._number is None or number < self._number:
            return False
        return not ((self._key_numbers > self._number) & (self._key_numbers <= number)).any()

    def _seek(self, number: int) -> None:
        if self._container is None:
            self._open()
        before = self._key_numbers[self._key_numbers <= number]
        stream = self._container.streams.video[0]
        # The very start is reached by seeking before the first frame: it need not be marked as a keyframe.
        start = self._info.ticks[before[-1]] if len(before) else self._info.ticks[0]
        self._container.seek(int(start), stream=stream, backward=True)
        self._decoded = self._container.decode(stream)

    def _open(self) -> None:
        self._container = av.open(str(self.path))
        stream = self._container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = DECODER_THREADS
        self._decoded = self._container.decode(stream)

    def _next_at(self, number: int) -> av.VideoFrame | None:
        """Decode up to the frame's time; None where the decoder passes it or ends."""
        wanted = int(self._info.ticks[number])
        for frame in self._decoded:
            if frame.pts is not None and frame.pts >= wanted:
                return frame if frame.pts == wanted else None
        return None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_container": None, "_decoded": None, "_number": None, "_image": None}
