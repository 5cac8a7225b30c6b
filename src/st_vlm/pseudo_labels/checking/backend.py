"""What whoever checks objects offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments


@dataclass(frozen=True)
class Verdict:
    """What is thought of one object.

    Attributes:
        holds: Whether its boxes hold what it is taken for.
        sure: Probability of that, 0-1.
        views: In how many frames it was looked at.
    """

    holds: bool
    sure: float
    views: int


class ObjectCheck(Protocol):
    """Looks at the objects of a clip. Made once for many clips; what is heavy is loaded on first use.

    Attributes:
        name: As on the command line.
        licence: Of its weights, SPDX identifier or short name.
    """

    name: str
    licence: str

    def check(self, frames: ClipFrames, segments: Segments) -> list[Verdict]:
        """A verdict for each object, in their order.

        Raises:
            InputError: The clip cannot be read, or the weights cannot be had; the sentence says what to do.
        """
        ...
