"""Readers: a dataset's native files to `Recording`s. One reader a file; `open_recordings` finds it by name."""

from __future__ import annotations

import inspect
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from os import PathLike

from st_vlm.errors import InputError
from st_vlm.recordings.recording import Camera, Frames, Recording, Track
from st_vlm.recordings.source import Source, SourceCard, Split

# Name -> module:class. Imported when asked for, so that listing the sources costs nothing.
_SOURCES = {
    "argoverse2": "st_vlm.recordings.argoverse2:Argoverse2",
    "ego_exo4d": "st_vlm.recordings.ego_exo4d:EgoExo4D",
    "kitti": "st_vlm.recordings.kitti:Kitti",
    "nuplan": "st_vlm.recordings.nuplan:NuPlan",
    "nuscenes": "st_vlm.recordings.nuscenes:NuScenes",
    "pseudo": "st_vlm.pseudo_labels.source:PseudoLabelled",
    "simulated": "st_vlm.recordings.simulated:Simulated",
}
SOURCE_NAMES = tuple(sorted(_SOURCES))
# An installed package adds sources by entry points of this group: name = "module:Class".
ENTRY_POINTS = "st_vlm.sources"
_METHODS = ("recording_ids", "split", "cameras", "read")

__all__ = [
    "SOURCE_NAMES",
    "Camera",
    "Frames",
    "Recording",
    "Source",
    "SourceCard",
    "Split",
    "Track",
    "open_recordings",
    "source_class",
    "source_names",
]


def open_recordings(source: str, path: str | PathLike | None = None, **options) -> Source:
    """Open a folder of recordings.

    Args:
        source: One of `SOURCE_NAMES`, a name that an installed package registers, or `module:Class`.
        path: The dataset's root, a split or a single recording, as the source allows. `simulated` needs none.
        options: Passed to the reader (`simulated` takes `seed` and `num_recordings`).

    Raises:
        InputError: An unknown source, an option it does not take, or a path that holds no recording of that source.
    """
    reader = source_class(source)
    if path is None and source != "simulated":
        raise InputError(f"The source {source} needs a path to its recordings.")
    _check_options(source, reader, path, options)
    return reader(path, **options)


def source_class(source: str) -> type[Source]:
    """The reader's class of a source, by name.

    Raises:
        InputError: No such source, its module cannot be imported, or what it names is no reader.
    """
    target = source if ":" in source else {**_registered(), **_SOURCES}.get(source)
    if target is None:
        known = ", ".join(source_names())
        raise InputError(
            f"Unknown source {source!r}: choose one of {known}, or name a reader of your own, module:Class."
        )
    module, _, name = target.partition(":")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        if target in _SOURCES.values():
            raise
        raise InputError(f"The source {source!r} cannot be imported as {target}: {error}.") from None
    if not isinstance(found, type):
        raise InputError(f"{target} is not a source: it is no class. Name the class of a reader.")
    lacking = [method for method in _METHODS if not callable(getattr(found, method, None))]
    if lacking:
        raise InputError(
            f"{target} is not a source: it has no method {', '.join(lacking)}. Name the class of a reader."
        )
    return found


def source_names() -> tuple[str, ...]:
    """The names of our own sources and of those that installed packages register."""
    return tuple(sorted({*_SOURCES, *_registered()}))


@cache
def _registered() -> dict[str, str]:
    """Sources of installed packages: name -> module:class."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINTS)}


def _check_options(source: str, reader: type[Source], path: str | PathLike | None, options: dict) -> None:
    """Refuse options that the reader does not take, and a reader that needs more than is given."""
    signature = inspect.signature(reader)
    takes = list(signature.parameters.values())[1:]  # without the path
    if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in takes):
        known = [one.name for one in takes]
        unknown = [name for name in options if name not in known]
        if unknown:
            raise InputError(
                f"The source {source} has no option {unknown[0]!r}. Its options: {', '.join(known) or 'none'}."
            )
    try:
        signature.bind(path, **options)
    except TypeError as error:
        raise InputError(f"The source {source} cannot be opened with these options: {error}.") from None
