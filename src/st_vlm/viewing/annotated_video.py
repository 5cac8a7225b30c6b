"""A video with its objects' boxes and what was measured of them, drawn frame by frame."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# As matplotlib's tab10, so that plots beside the video match it.
PALETTE = (
    (31, 119, 180),
    (255, 127, 14),
    (44, 160, 44),
    (214, 39, 40),
    (148, 103, 189),
    (140, 86, 75),
    (227, 119, 194),
    (127, 127, 127),
    (188, 189, 34),
    (23, 190, 207),
)
_LETTERS_SHARE, _SMALLEST_LETTERS = 0.028, 11
_MOST_GAP_S = 1.05
# Places that are tried for a caption above its box, and below.
_TRIES = 4
# A caption stays where it is beside its box until a better place has been free for so many seconds.
_STAYS_S = 1.0


@dataclass(frozen=True, eq=False)
class Labelled:
    """One object of the video.

    Attributes:
        name: What its box is headed with.
        boxes: (T, 4) x1, y1, x2, y2 in pixels at the T times; NaN where it is not seen.
        captions: T texts that stand behind its name.
    """

    name: str
    boxes: np.ndarray
    captions: Sequence[str]


def annotated(
    frames: Iterable[np.ndarray], times_s: np.ndarray, objects: Sequence[Labelled], known_s: np.ndarray
) -> Iterator[np.ndarray]:
    """Frames with boxes and captions drawn on copies of them.

    Args:
        frames: F images, (H, W, 3) uint8 RGB.
        times_s: (F,) seconds.
        objects: With boxes and captions at `known_s`; between two at most a second apart boxes are interpolated.
        known_s: (T,) seconds.
    """
    places: dict[int, _Place] = {}
    for image, second in zip(frames, times_s, strict=True):
        picture = Image.fromarray(image)
        draw = ImageDraw.Draw(picture)
        letters = max(round(_LETTERS_SHARE * image.shape[0]), _SMALLEST_LETTERS)
        font = ImageFont.load_default(size=letters)
        shown = [(k, box) for k, one in enumerate(objects) if (box := box_at(known_s, one.boxes, second)) is not None]
        for k, box in shown:
            draw.rectangle(tuple(box.tolist()), outline=PALETTE[k % len(PALETTE)], width=max(image.shape[0] // 240, 2))
        at = int(np.clip(np.searchsorted(known_s, second + 1e-6, side="right") - 1, 0, len(known_s) - 1))
        taken: list[tuple[float, float, float, float]] = []
        # From the nearest, whose boxes reach lowest, to the farthest, whose captions have to give way.
        for k, box in sorted(shown, key=lambda one: -one[1][3]):
            text = f"{objects[k].name}  {objects[k].captions[at]}".strip()
            place = places.setdefault(k, _Place())
            _caption(draw, font, box, text, PALETTE[k % len(PALETTE)], image.shape, taken, place, float(second))
        yield np.asarray(picture)


def box_at(known_s: np.ndarray, boxes: np.ndarray, second: float) -> np.ndarray | None:
    """(4,) box at a time, interpolated between two that are at most a second apart; None where there are none."""
    seen = np.flatnonzero(np.isfinite(boxes[:, 0]))
    if not len(seen):
        return None
    times = known_s[seen]
    after = int(np.searchsorted(times, second - 1e-6))
    if after < len(times) and abs(times[after] - second) < 1e-3:
        return boxes[seen[after]]
    if after == 0 or after == len(times) or times[after] - times[after - 1] > _MOST_GAP_S:
        return None
    share = (second - times[after - 1]) / (times[after] - times[after - 1])
    return (1 - share) * boxes[seen[after - 1]] + share * boxes[seen[after]]


@dataclass
class _Place:
    """Where an object's caption stands: which of the rows at its box, and since when a better one is free."""

    row: int | None = None
    better_since: float | None = None

    def choose(self, free: Sequence[int], second: float) -> int:
        """The row for a moment, of those that are free; the first where none is."""
        best = free[0] if free else 0
        if self.row not in free:
            self.row, self.better_since = best, None
        elif self.row == best:
            self.better_since = None
        elif self.better_since is None:
            self.better_since = second
        elif second - self.better_since >= _STAYS_S:
            self.row, self.better_since = best, None
        return self.row


def _caption(
    draw: ImageDraw.ImageDraw,
    font,
    box: np.ndarray,
    text: str,
    colour,
    shape,
    taken: list,
    place: _Place,
    second: float,
) -> None:
    """A caption at its box, where it hides no other; where there is no such place, above the box."""
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    wide, high = right - left + 6, bottom - top + 6
    x = min(max(float(box[0]), 0.0), max(shape[1] - wide, 0.0))
    above = max(float(box[1]) - high, 0.0)
    rows = [above - step * (high + 1) for step in range(_TRIES)] + [
        float(box[3]) + step * (high + 1) for step in range(_TRIES)
    ]
    free = [
        row
        for row, y in enumerate(rows)
        if 0 <= y <= shape[0] - high and not _meets((x, y, x + wide, y + high), taken)
    ]
    y = rows[place.choose(free, second)]
    taken.append((x, y, x + wide, y + high))
    draw.rectangle(taken[-1], fill=colour)
    draw.text((x + 3 - left, y + 3 - top), text, font=font, fill=(255, 255, 255))


def _meets(one: tuple[float, ...], others: Sequence[tuple[float, ...]]) -> bool:
    return any(one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3] for other in others)
