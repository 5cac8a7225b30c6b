"""Marks: the coloured rectangles that point at objects, drawn around them when a clip is read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError

RGB = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0), "yellow": (255, 255, 0)}
COLOURS = tuple(RGB)
# Line width: a share of the frame's shorter side, but never hair-thin.
LINE_SHARE = 0.008
LEAST_LINE_PX = 2
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Mark:
    """One marked object.

    Attributes:
        color: One of `COLOURS`.
        boxes: One entry a frame: x1, y1, x2, y2 in pixels of the video, or None where the object is not seen.

    Raises:
        InputError: An unknown colour, or a box that is not four finite numbers with x1 < x2 and y1 < y2.
    """

    color: str
    boxes: tuple[Box | None, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.color, str) or self.color not in RGB:
            raise InputError(f"Unknown mark colour {self.color!r}: choose from {', '.join(COLOURS)}.")
        object.__setattr__(self, "boxes", tuple(self._box(i, box) for i, box in enumerate(self.boxes)))

    def _box(self, index: int, box: Sequence[float] | None) -> Box | None:
        if box is None:
            return None
        try:
            x1, y1, x2, y2 = numbers = tuple(map(float, box))
        except (TypeError, ValueError):
            x1, y1, x2, y2 = numbers = (math.nan,) * 4
        if not all(map(math.isfinite, numbers)) or x1 >= x2 or y1 >= y2:
            raise InputError(
                f"The {self.color} mark's box at frame {index} is {box}; it must be x1, y1, x2, y2 with "
                "x1 < x2 and y1 < y2, or null where the object is not seen."
            )
        return numbers


def as_marks(marks: Iterable[Mark | Mapping] | None) -> tuple[Mark, ...]:
    """Marks of one video from `Mark`s or mappings with `color` and `boxes` (other keys are ignored).

    Raises:
        InputError: A mark without colour or boxes, a colour used twice, or more marks than colours.
    """
    made = []
    for mark in marks or ():
        if isinstance(mark, Mapping):
            if "color" not in mark or mark.get("boxes") is None:
                raise InputError(f"A mark needs `color` and `boxes`; this one has {', '.join(map(str, mark))}.")
            if not isinstance(mark["boxes"], Iterable) or isinstance(mark["boxes"], str | bytes | Mapping):
                raise InputError(f"The boxes of a mark are a list with one entry a frame, not {mark['boxes']!r}.")
            mark = Mark(mark["color"], tuple(mark["boxes"]))
        elif not isinstance(mark, Mark):
            raise InputError(f"A mark needs `color` and `boxes`; this one is {mark!r}.")
        made.append(mark)
    if len(made) > len(COLOURS):
        raise InputError(f"{len(made)} marks, but only {len(COLOURS)} colours: {', '.join(COLOURS)}.")
    for i, mark in enumerate(made):
        if mark.color in [other.color for other in made[:i]]:
            raise InputError(f"Two marks are {mark.color}: give each object a colour of its own.")
    return tuple(made)


def line_width(size: tuple[int, int], shown_at: tuple[int, int] | None = None, least_shown_px: float = 1.5) -> int:
    """Line width in pixels for frames of a (width, height).

    Args:
        size: The frames' width and height.
        shown_at: Width and height the frames are resized to before a model sees them; the line then stays at least
            `least_shown_px` wide there.
    """
    width = max(LEAST_LINE_PX, round(LINE_SHARE * min(size)))
    if shown_at is not None:
        shrink = min(shown / full for shown, full in zip(shown_at, size, strict=True))
        width = max(width, math.ceil(least_shown_px / shrink))
    return width


def draw_marks(
    frames: np.ndarray, marks: Iterable[Mark | Mapping], shown_at: tuple[int, int] | None = None
) -> np.ndarray:
    """Frames with their marks drawn around the boxes; the input is left as it is.

    Args:
        frames: (H, W, 3) or (T, H, W, 3), uint8 RGB.
        marks: One box entry a frame each; a single frame takes one entry. Later marks are drawn over earlier ones.
        shown_at: See `line_width`.

    Raises:
        InputError: As `as_marks`, or another number of boxes than frames.
    """
    drawn = np.array(frames)
    stack = drawn[None] if drawn.ndim == 3 else drawn
    marks = as_marks(marks)
    for mark in marks:
        if len(mark.boxes) != len(stack):
            raise InputError(
                f"The {mark.color} mark has {len(mark.boxes)} boxes but the video has {len(stack)} frames; "
                "give one entry a frame, null where the object is not seen."
            )
    for index, frame in enumerate(stack):
        draw_boxes(frame, boxes_at(marks, index), shown_at)
    return drawn


def boxes_at(marks: Iterable[Mark], index: int) -> tuple[tuple[str, Box], ...]:
    """Colour and box of each mark that is seen in a frame."""
    return tuple((mark.color, mark.boxes[index]) for mark in marks if mark.boxes[index] is not None)


def draw_boxes(
    frame: np.ndarray, boxes: Iterable[tuple[str, Box]], shown_at: tuple[int, int] | None = None
) -> None:
    """Draw on a frame itself, (H, W, 3) uint8 RGB; the boxes are those of `boxes_at`."""
    width = line_width((frame.shape[1], frame.shape[0]), shown_at)
    for colour, box in boxes:
        _outline(frame, box, RGB[colour], width)


def _outline(frame: np.ndarray, box: Box, colour: tuple[int, int, int], width: int) -> None:
    """Colour a frame of `width` pixels just outside the box, kept inside the image so that a cut object shows it."""
    height, breadth = frame.shape[:2]
    x1, y1, x2, y2 = box
    if x2 <= 0 or y2 <= 0 or x1 >= breadth or y1 >= height:
        return
    left, right = max(0, math.floor(x1) - width), min(breadth, math.ceil(x2) + width)
    top, bottom = max(0, math.floor(y1) - width), min(height, math.ceil(y2) + width)
    frame[top : top + width, left:right] = colour
    frame[max(top, bottom - width) : bottom, left:right] = colour
    frame[top:bottom, left : left + width] = colour
    frame[top:bottom, max(left, right - width) : right] = colour
