"""Which objects a phrase such as "red car" means: the noun is their class, the colour is looked up in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments

# Hue in degrees up to which a saturated pixel has a colour's name, from red round the circle.
_HUES = ((18, "red"), (42, "orange"), (68, "yellow"), (165, "green"), (260, "blue"), (330, "purple"), (360, "red"))
_SAME = {"gray": "grey", "silver": "grey", "violet": "purple", "pink": "purple", "golden": "yellow"}
COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "white", "grey", "black")
# Below this saturation a pixel is grey, and of these below and above two brightnesses black and white.
_GREY, _BLACK, _WHITE = 0.25, 0.22, 0.72
_BROWN_BELOW = 0.55
# Of an object's pixels so many must have its colour: half of a car is glass, tyres and shadow.
LEAST_SHARE = 0.2
_FRAMES = 5
# Of a box without a mask only the middle is surely the object.
_MIDDLE = 0.6
_WORDS = {
    "cars": "car",
    "people": "person",
    "man": "person",
    "woman": "person",
    "pedestrian": "person",
    "player": "person",
    "bike": "bicycle",
    "cyclist": "bicycle",
    "motorbike": "motorcycle",
    "lorry": "truck",
    "van": "car",
}


@dataclass(frozen=True)
class Phrase:
    """What a user calls an object.

    Attributes:
        text: The words.
        noun: The class's noun.
        colour: One of `COLOURS`, or None.
    """

    text: str
    noun: str
    colour: str | None


def read_phrase(text: str) -> Phrase:
    """A noun, perhaps with a colour and an article before it.

    >>> read_phrase("the silver car")
    Phrase(text='the silver car', noun='car', colour='grey')

    Raises:
        InputError: There is no noun.
    """
    words = [word for word in text.lower().split() if word not in ("a", "an", "the")]
    colour = None
    if words and _SAME.get(words[0], words[0]) in COLOURS:
        colour = _SAME.get(words[0], words[0])
        words = words[1:]
    if not words:
        raise InputError(f"An object is a noun, perhaps with a colour, such as 'red car', not {text!r}.")
    noun = " ".join(words)
    return Phrase(text, _WORDS.get(noun, noun), colour)


def meant(phrases: Sequence[Phrase], segments: Segments, frames: ClipFrames) -> np.ndarray:
    """(N,) bool: the objects that any of the phrases means; all without a phrase.

    Raises:
        InputError: A phrase means none; the sentence says what there is.
    """
    if not phrases:
        return np.ones(len(segments), bool)
    shares = colour_shares(segments, frames) if any(phrase.colour for phrase in phrases) else None
    found = np.zeros(len(segments), bool)
    for phrase in phrases:
        own = np.array([_WORDS.get(name, name) == phrase.noun for name in segments.categories], bool)
        if phrase.colour is not None:
            own &= shares[:, COLOURS.index(phrase.colour)] >= LEAST_SHARE
        if not own.any():
            raise InputError(f"No {phrase.text} was found. Found: {_listed(segments, shares)}.")
        found |= own
    return found


def colour_shares(segments: Segments, frames: ClipFrames) -> np.ndarray:
    """(N, 10) median shares of each object's pixels that have each of the colours, over a few of its frames."""
    wanted: dict[int, list[int]] = {}
    for k, seen in enumerate(segments.seen):
        there = np.flatnonzero(seen)
        for t in there[np.linspace(0, len(there) - 1, min(_FRAMES, len(there))).astype(int)]:
            wanted.setdefault(int(t), []).append(k)
    shares: list[list[np.ndarray]] = [[] for _ in range(len(segments))]
    for t, image in enumerate(frames.images()):
        for k in wanted.get(t, ()):
            pixels = _pixels(segments, k, t, image)
            if len(pixels):
                shares[k].append(np.bincount(name_pixels(pixels), minlength=len(COLOURS)) / len(pixels))
    return np.array([np.median(own, axis=0) if own else np.zeros(len(COLOURS)) for own in shares])


def name_pixels(pixels: np.ndarray) -> np.ndarray:
    """(P, 3) uint8 RGB to (P,) indices of `COLOURS`."""
    rgb = pixels.astype(np.float64) / 255
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    chroma = high - low
    saturation = chroma / np.maximum(high, 1e-9)
    r, g, b = rgb.T
    safe = np.maximum(chroma, 1e-9)
    hue = np.where(high == r, (g - b) / safe % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4)) * 60
    limits, names = np.array([limit for limit, _ in _HUES]), [COLOURS.index(name) for _, name in _HUES]
    result = np.array(names)[np.minimum(np.searchsorted(limits, hue, side="right"), len(names) - 1)]
    result = np.where((result == COLOURS.index("orange")) & (high < _BROWN_BELOW), COLOURS.index("brown"), result)
    dull = (saturation < _GREY) | (high < _BLACK)
    plain = np.where(high < _BLACK, "black", np.where(high > _WHITE, "white", "grey"))
    return np.where(dull, [COLOURS.index(str(name)) for name in plain], result)


def _pixels(segments: Segments, k: int, t: int, image: np.ndarray) -> np.ndarray:
    mask = segments.mask(k, t)
    if mask is not None and mask.shape == image.shape[:2]:
        return image[mask]
    x1, y1, x2, y2 = segments.boxes[k, t]
    x, y, half_x, half_y = (x1 + x2) / 2, (y1 + y2) / 2, _MIDDLE * (x2 - x1) / 2, _MIDDLE * (y2 - y1) / 2
    rows, columns = (
        slice(max(int(y - half_y), 0), int(y + half_y) + 1),
        slice(max(int(x - half_x), 0), int(x + half_x) + 1),
    )
    return image[rows, columns].reshape(-1, 3)


def _listed(segments: Segments, shares: np.ndarray | None) -> str:
    names = list(segments.categories)
    if shares is not None and len(names):
        names = [f"{COLOURS[int(row.argmax())]} {name}" for row, name in zip(shares, names, strict=True)]
    counts = {name: names.count(name) for name in dict.fromkeys(names)}
    return ", ".join(f"{number} {name}" for name, number in counts.items()) or "nothing"
