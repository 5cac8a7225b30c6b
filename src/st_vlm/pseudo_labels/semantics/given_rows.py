"""What a file of boxes says of one video, whatever its format."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from st_vlm.errors import InputError

NAN_BOX = (float("nan"),) * 4


@dataclass(eq=False)
class GivenRows:
    """M rows of a file, as they stand there.

    Attributes:
        keys: Whose boxes they are; None where the file does not say.
        frames: Numbers of the video's frames, from 0.
        boxes: x1, y1, x2, y2 in pixels of an image of the size stated; NaN where there is none to be read.
        scores: 0-1; 1 where the file does not say.
        categories: Nouns.
        outlines: COCO's `segmentation`: polygons or run lengths; None where there is a box alone.
        sizes: Width and height of the image that boxes and polygons count in; None where the file does not say.
    """

    keys: list[Hashable | None] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    outlines: list[object] = field(default_factory=list)
    sizes: list[tuple[int, int] | None] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.keys)

    def add(
        self,
        key: Hashable | None,
        frame: int,
        corner_and_sides: object,
        category: str,
        score: object = 1.0,
        outline: object = None,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Add a row whose box is x, y, width, height."""
        x, y, width, height = numbers(corner_and_sides, 4)
        self.keys.append(key)
        self.frames.append(frame)
        self.boxes.append((x, y, x + width, y + height) if width > 0 and height > 0 else NAN_BOX)
        self.scores.append(numbers([score], 1)[0])
        self.categories.append(category)
        self.outlines.append(outline)
        self.sizes.append(size)


def numbers(value: object, count: int) -> tuple[float, ...]:
    """A list of so many numbers; NaN where it is none."""
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return (float("nan"),) * count
    return tuple(float(item) if type(item) in (int, float) else float("nan") for item in value)


def from_zero(stated: list[int], length: int, whose: str) -> list[int]:
    """Stated numbers of frames, counted from 0 or 1, as numbers of a video's frames.

    As many numbers in even steps as the video has frames are its frames in their order. Else numbers count from 0,
    unless the highest is just one too high for that.

    Raises:
        InputError: Numbers beyond the video's end.
    """
    distinct = np.unique(stated)
    if len(distinct) == length and len(np.unique(np.diff(distinct))) <= 1:
        return np.searchsorted(distinct, stated).tolist()
    if not len(distinct):
        return []
    first = int(distinct[0] > 0 and distinct[-1] == length)
    if distinct[0] < 0 or distinct[-1] - first >= length:
        raise InputError(
            f"{whose} tells of frame {distinct[-1 if distinct[0] >= 0 else 0]} of a video of {length} frames. "
            "Boxes and video must count the same frames."
        )
    return [number - first for number in stated]
