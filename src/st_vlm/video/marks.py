"""Marks: the coloured rectangles that point at objects, drawn around them when a clip is read."""

from __future__ import annotations

import math
import re
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
_NAMED_COLOUR = re.compile(rf"\b({'|'.join(COLOURS)})\b")
_NAMED_MARK = re.compile(rf"\b({'|'.join(COLOURS)})[ -](?:box|mark|rectangle|frame|outline|bounding)")


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


def check_inside(marks: Iterable[Mark], size: tuple[int, int], name: str) -> None:
    """Refuse a mark that no frame can show.

    Raises:
        InputError: A mark has boxes, and every one of them lies wholly outside frames of a (width, height).
    """
    for mark in marks:
        boxes = [box for box in mark.boxes if box is not None]
        if boxes and not any(_is_inside(box, size) for box in boxes):
            raise InputError(
                f"{name}: every box of the {mark.color} mark lies outside the {size[0]}x{size[1]} frame; the first is "
                f"{', '.join(f'{edge:g}' for edge in boxes[0])}. Boxes are x1, y1, x2, y2 in pixels of the video."
            )


def check_named_marks(question: str, marks: Iterable[Mark | Mapping] | None) -> None:
    """Refuse a question about marks that are not there.

    Without any mark, every colour of `COLOURS` in the question counts as the name of one. With marks, only what says
    that it is a mark does ("the blue box"): the question may speak of a red car in the blue box.

    Raises:
        InputError: The question names a mark by a colour that none has.
    """
    colours = [mark.color for mark in as_marks(marks)]
    said = question.lower()
    named = _NAMED_MARK if colours else _NAMED_COLOUR
    for colour in named.findall(said):
        if colour not in colours:
            marked = f"the marks are {', '.join(colours)}" if colours else "nothing is marked"
            raise InputError(f"The question names a {colour} mark, but {marked}: give a {colour} mark with its boxes.")


def line_widths(
    size: tuple[int, int], shown_at: tuple[int, int] | None = None, least_shown_px: float = 1.5
) -> tuple[int, int]:
    """Widths in pixels of upright and of level lines, for frames of a (width, height).

    Args:
        size: The frames' width and height.
        shown_at: Width and height the frames are resized to before a model sees them; lines then stay at least
            `least_shown_px` wide there. Frames may be squeezed more in one direction than in the other.
    """
    width = max(LEAST_LINE_PX, round(LINE_SHARE * min(size)))
    if shown_at is None:
        return width, width
    upright, level = (
        max(width, math.ceil(least_shown_px * full / shown)) for full, shown in zip(size, shown_at, strict=True)
    )
    return upright, level


def draw_marks(
    frames: np.ndarray, marks: Iterable[Mark | Mapping], shown_at: tuple[int, int] | None = None
) -> np.ndarray:
    """Frames with their marks drawn around the boxes; the input is left as it is.

    Args:
        frames: (H, W, 3) or (T, H, W, 3), uint8 RGB.
        marks: One box entry a frame each; a single frame takes one entry. Later marks are drawn over earlier ones.
        shown_at: See `line_widths`.

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


def draw_boxes(frame: np.ndarray, boxes: Iterable[tuple[str, Box]], shown_at: tuple[int, int] | None = None) -> None:
    """Draw on a frame itself, (H, W, 3) uint8 RGB; the boxes are those of `boxes_at`."""
    widths = line_widths((frame.shape[1], frame.shape[0]), shown_at)
    for colour, box in boxes:
        _outline(frame, box, RGB[colour], *widths)


def _is_inside(box: Box, size: tuple[int, int]) -> bool:
    """Whether any of a box lies in a frame of a (width, height)."""
    x1, y1, x2, y2 = box
    return x2 > 0 and y2 > 0 and x1 < size[0] and y1 < size[1]


def _outline(frame: np.ndarray, box: Box, colour: tuple[int, int, int], upright: int, level: int) -> None:
    """Colour lines of these widths just outside the box, kept inside the image so that a cut object shows them."""
    height, breadth = frame.shape[:2]
    if not _is_inside(box, (breadth, height)):
        return
    x1, y1, x2, y2 = box
    left, right = max(0, math.floor(x1) - upright), min(breadth, math.ceil(x2) + upright)
    top, bottom = max(0, math.floor(y1) - level), min(height, math.ceil(y2) + level)
    frame[top : top + level, left:right] = colour
    frame[max(top, bottom - level) : bottom, left:right] = colour
    frame[top:bottom, left : left + upright] = colour
    frame[top:bottom, max(left, right - upright) : right] = colour
