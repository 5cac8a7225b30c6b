"""Objects that somebody pointed at: a box in one moment each, followed through the video without a detector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.video.marks import COLOURS
from st_vlm.video.tracking import MarkedOnce, follow_marks


class PointedAt:
    """Follows at most four objects, each marked by a box in one moment.

    Args:
        boxes: Each x1, y1, x2, y2 in pixels of the video.
        times_s: Seconds of the video for each of them.
        categories: Their nouns.

    Raises:
        InputError: Other numbers of boxes, times and categories, none, or more than four.
    """

    name = "pointed"
    licence = ""
    from_files = True

    def __init__(
        self, boxes: Sequence[Sequence[float]], times_s: Sequence[float], categories: Sequence[str] = ()
    ) -> None:
        categories = tuple(categories) or ("car",) * len(boxes)
        if not 1 <= len(boxes) <= len(COLOURS):
            raise InputError(f"One to {len(COLOURS)} objects can be pointed at, not {len(boxes)}.")
        if len(times_s) != len(boxes) or len(categories) != len(boxes):
            raise InputError(
                f"{len(boxes)} boxes need as many times and nouns, not {len(times_s)} and {len(categories)}."
            )
        if any(len(box) != 4 for box in boxes):
            raise InputError("A box is four numbers: x1, y1, x2, y2 in pixels.")
        self._marked = tuple(
            MarkedOnce(colour, tuple(float(value) for value in box), float(second))
            for colour, box, second in zip(COLOURS, boxes, times_s, strict=False)
        )
        self._categories = categories

    def segment(self, frames: ClipFrames) -> Segments:
        """The boxes of a clip, NaN from where an object is lost.

        Raises:
            InputError: As `video.tracking.follow_marks`; none of the objects is in the clip.
        """
        followed = follow_marks(frames.path, self._marked, np.array(frames.clip.frames), frames.info)
        boxes = np.array(
            [[(np.nan,) * 4 if box is None else box for box in one.mark.boxes] for one in followed], np.float64
        )
        seen = np.isfinite(boxes[..., 0])
        if not seen.any():
            raise InputError("The objects that were pointed at are not in this clip.")
        size = tuple(frames.clip.size)
        return Segments(self._categories, boxes, np.where(seen, 1.0, np.nan), size, size, backend=self.name)
