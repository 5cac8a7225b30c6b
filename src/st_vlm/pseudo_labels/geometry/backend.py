"""What a backend of the geometry stage offers."""

from __future__ import annotations

from typing import Protocol

from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments


class GeometryBackend(Protocol):
    """Finds depth, lens and poses of a clip. Made once for many clips; what is heavy is loaded on first use.

    Intrinsics and a camera height that the clip states always win over what the backend would find.

    Attributes:
        name: As on the command line.
        licence: Of its weights, SPDX identifier or short name; empty where it has none.
        from_files: Whether what it finds was made beforehand, for these very videos; False where it is not there.
    """

    name: str
    licence: str

    def measure(self, frames: ClipFrames, segments: Segments) -> ClipGeometry:
        """The geometry of one clip; `segments` tell what may move.

        Raises:
            InputError: The clip cannot be read, its geometry cannot be found, or the weights cannot be had; the
                sentence says what to do.
        """
        ...
