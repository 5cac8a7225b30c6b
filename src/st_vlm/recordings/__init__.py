"""Readers: a dataset's native files to `Recording`s. One reader a file; `open_recordings` finds it by name."""

from __future__ import annotations

from importlib import import_module
from os import PathLike

from st_vlm.errors import InputError
from st_vlm.recordings.recording import Camera, Frames, Recording, Track
from st_vlm.recordings.source import Source

# Imported when asked for, so that listing the sources costs nothing.
_SOURCES = {
    "argoverse2": ("st_vlm.recordings.argoverse2", "Argoverse2"),
    "nuscenes": ("st_vlm.recordings.nuscenes", "NuScenes"),
    "simulated": ("st_vlm.recordings.simulated", "Simulated"),
}
SOURCE_NAMES = tuple(sorted(_SOURCES))

__all__ = ["SOURCE_NAMES", "Camera", "Frames", "Recording", "Source", "Track", "open_recordings"]


def open_recordings(source: str, path: str | PathLike | None = None, **options) -> Source:
    """Open a folder of recordings.

    Args:
        source: One of `SOURCE_NAMES`.
        path: The dataset's root, a split or a single recording, as the source allows. `simulated` needs none.
        options: Passed to the reader (`simulated` takes `seed` and `num_recordings`).

    Raises:
        InputError: An unknown source, or a path that holds no recording of that source.
    """
    if source not in _SOURCES:
        raise InputError(f"Unknown source {source!r}: choose one of {', '.join(SOURCE_NAMES)}.")
    if path is None and source != "simulated":
        raise InputError(f"The source {source} needs a path to its recordings.")
    module, name = _SOURCES[source]
    return getattr(import_module(module), name)(path, **options)
