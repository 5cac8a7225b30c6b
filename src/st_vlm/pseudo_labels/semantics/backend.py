"""What a backend of the semantics stage offers."""

from __future__ import annotations

from typing import Protocol

from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments


class SemanticsBackend(Protocol):
    """Finds the objects of a clip and follows them. Made once for many clips; what is heavy is loaded on first use.

    Attributes:
        name: As on the command line.
        licence: Of its weights, SPDX identifier or short name; empty where it has none.
        from_files: Whether what it finds was made beforehand, for these very videos; False where it is not there.
    """

    name: str
    licence: str

    def segment(self, frames: ClipFrames) -> Segments:
        """The objects of one clip, each in all of the clip's frames in which it is seen.

        Raises:
            InputError: The clip cannot be read, or the weights cannot be had; the sentence says what to do.
        """
        ...
