"""What a reader offers: the recordings under a path, and each one on demand, so that a bad one stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from st_vlm.recordings.recording import Recording


class Source(Protocol):
    """A folder of recordings in one dataset's native layout.

    A source is made from a path. Making it reads no more than is needed to list the recordings and raises
    InputError for a path that holds none.
    """

    name: str

    def recording_ids(self) -> Sequence[str]:
        """The recordings, in a stable order. Costs no reading of single recordings."""
        ...

    def cameras(self, recording_id: str) -> Sequence[str]:
        """The cameras of a recording that have images to read; empty for a recording without images.

        A camera that is listed in the tables but has none of its files on disk is left out; one with some of its
        files missing is listed, and `read` refuses it.
        """
        ...

    def read(self, recording_id: str, camera: str | None = None) -> Recording:
        """One recording seen by one camera, or its tracks alone.

        Raises:
            InputError: The recording cannot be used; the sentence names the file and what to do.
        """
        ...
