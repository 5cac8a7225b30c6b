"""Frames that are read when they are gone through, one at a time: of a video file, or of a list of images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.models.torchcodec_frames import Unreadable, torchcodec_frames, why_unusable
from st_vlm.video.decoding import VideoInfo, VideoSource, iterate_frames, source_name

BACKENDS = ("auto", "pyav", "torchcodec")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


class LazyFrames:
    """Frames (T, H, W, 3) uint8 RGB that are not in memory; `np.asarray` reads them all.

    Attributes:
        shape: (T, H, W, 3).
    """

    shape: tuple[int, int, int, int]

    def each(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yields (t, frame t), each frame once, mostly in order; the caller may change the frame."""
        raise NotImplementedError

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        frames = np.empty(self.shape, np.uint8)
        for t, frame in self.each():
            frames[t] = frame
        return frames if dtype is None else frames.astype(dtype, copy=False)


class StoredFrames(LazyFrames):
    """The sampled frames of a video file.

    Args:
        source: The video.
        indices: (T,) positions in `info.times_s`, strictly increasing.
        info: What `probe` returned for it.
        backend: One of `BACKENDS`. "auto" takes torchcodec where it works and its frames have the times that the
            file states, and PyAV for every other frame.

    Raises:
        InputError: An unknown backend; "torchcodec" where it does not work.
    """

    def __init__(self, source: VideoSource, indices: np.ndarray, info: VideoInfo, backend: str = "auto") -> None:
        if backend not in BACKENDS:
            raise InputError(f"Unknown video backend {backend!r}: choose from {', '.join(BACKENDS)}.")
        if backend == "torchcodec" and why_unusable():
            raise InputError(
                f"torchcodec does not work here ({why_unusable()}): install it with FFmpeg's libraries, or choose the "
                "video backend pyav."
            )
        self.source, self.indices, self.info, self.backend = source, indices, info, backend
        self.shape = (len(indices), info.size[1], info.size[0], 3)

    def each(self) -> Iterator[tuple[int, np.ndarray]]:
        """As `LazyFrames.each`.

        Raises:
            InputError: A frame that does not decode.
        """
        left = np.arange(len(self.indices))
        if self.backend != "pyav" and not why_unusable():
            try:
                for t, frame in torchcodec_frames(self.source, self.indices, self.info):
                    yield t, frame
                    left = left[1:]
            except Unreadable as error:
                if self.backend == "torchcodec":
                    raise InputError(
                        f"{source_name(self.source)} cannot be read by torchcodec ({error}): choose the video backend "
                        "pyav."
                    ) from error
        if len(left):
            for row, frame in iterate_frames(self.source, self.indices[left], self.info):
                yield int(left[row]), frame


class ImageFrames(LazyFrames):
    """A list of images of one size: PIL images, (H, W, 3) or (3, H, W) uint8 arrays, or paths of image files.

    Args:
        name: How error messages call the video.
        images: At least one.

    Raises:
        InputError: Images of different sizes, or a file that is no image.
    """

    def __init__(self, name: str, images: Sequence) -> None:
        self.name, self.images = name, images
        sizes = {self._size(image) for image in images}
        if len(sizes) != 1:
            raise InputError(f"{name}: its frames have different sizes.")
        width, height = sizes.pop()
        self.shape = (len(images), height, width, 3)

    def __getitem__(self, indices: np.ndarray) -> ImageFrames:
        return ImageFrames(self.name, [self.images[i] for i in indices])

    def each(self) -> Iterator[tuple[int, np.ndarray]]:
        """As `LazyFrames.each`.

        Raises:
            InputError: An image file that is damaged.
        """
        for t, image in enumerate(self.images):
            yield t, self._read(image)

    def _size(self, image) -> tuple[int, int]:
        if isinstance(image, Image.Image):
            return image.size
        if isinstance(image, (str, os.PathLike)):
            with self._opened(image) as opened:
                return opened.size
        return _as_rgb(self.name, image).shape[1::-1]

    def _read(self, image) -> np.ndarray:
        if isinstance(image, Image.Image):
            return np.array(image.convert("RGB"))
        if not isinstance(image, (str, os.PathLike)):
            return np.array(_as_rgb(self.name, image))
        with self._opened(image) as opened:
            try:
                return np.array(opened.convert("RGB"))
            except (OSError, SyntaxError, ValueError) as error:
                raise InputError(f"{os.fspath(image)} cannot be read as an image ({error}). Copy it again.") from error

    def _opened(self, path: str | os.PathLike) -> Image.Image:
        if not os.path.exists(path):
            raise InputError(f"There is no image at {os.fspath(path)}.")
        try:
            return Image.open(path)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{os.fspath(path)} is not an image. Give PNG or JPEG files.") from error


def each_frame(frames: np.ndarray | LazyFrames) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (t, frame t) of frames in memory or not; only a `LazyFrames`' frames may be changed."""
    return frames.each() if isinstance(frames, LazyFrames) else enumerate(frames)


def is_image_path(value) -> bool:
    """Whether a value is the path of an image file, by its name."""
    return isinstance(value, (str, os.PathLike)) and os.fspath(value).lower().endswith(IMAGE_SUFFIXES)


def _as_rgb(name: str, image) -> np.ndarray:
    """An array or tensor as (H, W, 3) uint8."""
    array = np.asarray(image)
    if array.ndim == 3 and array.shape[-1] != 3 and array.shape[0] == 3:
        array = array.transpose(1, 2, 0)
    if array.ndim != 3 or array.shape[-1] != 3 or array.dtype != np.uint8:
        raise InputError(f"{name}: expected (H, W, 3) uint8 RGB frames, not {array.dtype} of shape {array.shape}.")
    return array
