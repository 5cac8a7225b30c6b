"""What a reader offers: the recordings under a path, and each one on demand, so that a bad one stops no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from st_vlm.recordings.recording import Recording

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class SourceCard:
    """What a dataset card says of a source.

    Attributes:
        title: The dataset's own name.
        homepage: Where it is published; empty where nowhere.
        licence: SPDX identifier or short name of the licence of its data, as in `Recording.licence`.
        licence_note: One or two sentences: what the licence asks of whoever uses or passes on what was built.
        text: A paragraph of Markdown: what was recorded how, which frames, boxes and splits the reader takes.
        media_may_be_shared: Whether the licence lets the recordings' images be passed on with a built dataset.
        citation: BibTeX entry, or empty.
    """

    title: str
    homepage: str
    licence: str
    licence_note: str
    text: str
    media_may_be_shared: bool
    citation: str = ""


class Source(Protocol):
    """A folder of recordings in one dataset's native layout.

    A source is made from a path. Making it reads no more than is needed to list the recordings and raises
    InputError for a path that holds none.
    """

    name: ClassVar[str]
    card: ClassVar[SourceCard]

    def recording_ids(self) -> Sequence[str]:
        """The recordings, in a stable order. Costs no reading of single recordings."""
        ...

    def split(self, recording_id: str) -> Split:
        """The source's own split of a recording. Costs no reading of the recording."""
        ...

    def cameras(self, recording_id: str, images: bool = True) -> Sequence[str]:
        """The cameras of a recording, in a stable order; empty where there are none.

        Args:
            recording_id: One of `recording_ids()`.
            images: True: the cameras that have images to read. One that is listed in the tables but has none of its
                files on disk is left out; one with some of its files missing is listed, and `read` refuses it.
                False: all cameras whose calibration, poses and times are known, with images or without.

        Raises:
            InputError: The recording's list of cameras cannot be read.
        """
        ...

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        """One recording seen by one camera, or its tracks alone.

        Args:
            recording_id: One of `recording_ids()`.
            camera: One of `cameras(recording_id, images)`.
            images: False: no image file is looked for, and `frames.read` is None. The camera then has poses at the
                times of the images that the tables list, or else at the times of the boxes.

        Raises:
            InputError: The recording cannot be used; the sentence names the file and what to do.
        """
        ...
