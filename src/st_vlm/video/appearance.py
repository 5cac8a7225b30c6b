"""What an object looks like: small pictures cut from frames, and which colours are its own.

Boxes are (x1, y1, x2, y2) in pixels, float64; frames (h, w, 3) uint8 RGB.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

try:
    import cv2
except ImportError:  # `box_tracker.BoxTracker` says what to install
    cv2 = None

# Colours are counted in 2^BITS steps a channel, and blurred by SMOOTH steps: light changes from frame to frame.
BITS, SMOOTH = 4, 0.7
# How fast the counts follow the object, and how fast its surroundings, a frame.
LEARNING, LEARNING_AROUND = 0.05, 0.1
# A colour that is rare in the box and around it says nothing: it counts as the object's to 0.3.
_RARE, _RARE_SHARE = 2e-4, 0.3
# A box is fitted by moving its sides by these shares of its width and height.
_STEPS = (-0.1, -0.05, 0.0, 0.05, 0.1)
_TRIES = np.array([(a, b, c, d) for a in _STEPS for b in _STEPS for c in _STEPS for d in _STEPS])
_EFFORT = 0.02


def crop(frame: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The part of a frame in a box, resized to (width, height); beyond the frame's edge its border goes on."""
    scale = (box[2:] - box[:2]) / size
    matrix = np.array([[scale[0], 0, box[0] + scale[0] / 2 - 0.5], [0, scale[1], box[1] + scale[1] / 2 - 0.5]])
    # Shrinking needs a low pass first.
    if scale.max() >= 2:
        low, high = np.floor(box[:2]).astype(int), np.ceil(box[2:]).astype(int)
        inner_low = np.clip(low, 0, (frame.shape[1] - 1, frame.shape[0] - 1))
        inner_high = np.clip(high, inner_low + 1, (frame.shape[1], frame.shape[0]))
        part = frame[inner_low[1] : inner_high[1], inner_low[0] : inner_high[0]]
        ratio = 1 / scale
        shrunk = np.maximum(1, np.round(np.array(part.shape[1::-1]) * ratio)).astype(int)
        part = cv2.resize(part, tuple(shrunk.tolist()), interpolation=cv2.INTER_AREA)
        offset = (box[:2] - inner_low) * ratio
        matrix = np.array([[1.0, 0, offset[0]], [0, 1.0, offset[1]]])
        frame = part
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


class Colours:
    """How likely a pixel is the object's, by its colour: the box against a strip around it of half its sides.

    Args:
        frame: The frame with the known box.
        box: The box there.
    """

    def __init__(self, frame: np.ndarray, box: np.ndarray) -> None:
        self._inside, self._outside = _counts(frame, box)
        self._weigh()

    def learn(self, frame: np.ndarray, box: np.ndarray) -> None:
        """Take in what the object and its surroundings look like now, a little."""
        inside, outside = _counts(frame, box)
        self._inside += LEARNING * (inside - self._inside)
        self._outside += LEARNING_AROUND * (outside - self._outside)
        self._weigh()

    def likelihood(self, picture: np.ndarray) -> np.ndarray:
        """(h, w) float32 from 0, the surroundings', to 1, the object's."""
        return self._table[_bins(picture)]

    def fitted(self, frame: np.ndarray, box: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The box near `box` that holds the object's colours while the strip around it does not.

        Args:
            frame: Where to look.
            box: The first guess.
            size: Width and height at which it is looked at.
        """
        margin = np.round(0.5 * np.array(size)).astype(int)
        sides = box[2:] - box[:2]
        pixel = sides / size
        region = box + np.concatenate((-pixel * margin, pixel * margin))
        picture = self.likelihood(crop(frame, region, tuple((size + 2 * margin).tolist())))
        sums = cv2.integral(picture)
        middle = np.concatenate((margin, margin + size))
        inner = np.round(middle + _TRIES * np.tile(size, 2)).astype(int)
        outer = inner + np.round(np.array([-0.25, -0.25, 0.25, 0.25]) * np.tile(size, 2)).astype(int)
        outer = np.clip(outer, 0, np.tile(picture.shape[::-1], 2))
        within, around = _sums(sums, inner), _sums(sums, outer)
        area, area_around = (np.prod(some[:, 2:] - some[:, :2], axis=1) for some in (inner, outer))
        score = within / area - (around - within) / (area_around - area) - _EFFORT * np.abs(_TRIES).sum(1)
        return box + _TRIES[score.argmax()] * np.tile(sides, 2)

    def _weigh(self) -> None:
        odds = (self._inside + _RARE_SHARE * _RARE) / (self._inside + self._outside + _RARE)
        self._table = odds.astype(np.float32)


def _bins(picture: np.ndarray) -> np.ndarray:
    """(h, w) number of each pixel's colour."""
    steps = (picture >> (8 - BITS)).astype(np.int32)
    return (steps[..., 0] << 2 * BITS) + (steps[..., 1] << BITS) + steps[..., 2]


def _counts(frame: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of each colour in the box and in the strip around it."""
    sides = box[2:] - box[:2]
    limits = np.array([frame.shape[1], frame.shape[0]])
    low = np.clip(np.round(box[:2] - 0.5 * sides).astype(int), 0, limits - 1)
    high = np.clip(np.round(box[2:] + 0.5 * sides).astype(int), low + 1, limits)
    part = _bins(frame[low[1] : high[1], low[0] : high[0]])
    first, last = np.clip(np.round(box[:2]).astype(int) - low, 0, None), np.round(box[2:]).astype(int) - low
    inside = np.zeros(part.shape, bool)
    inside[first[1] : last[1], first[0] : last[0]] = True
    cube = (1 << BITS,) * 3
    shares = []
    for mask in (inside, ~inside):
        count = np.bincount(part[mask], minlength=1 << 3 * BITS) / max(1, mask.sum())
        shares.append(gaussian_filter(count.reshape(cube), SMOOTH, mode="nearest").ravel())
    return shares[0], shares[1]


def _sums(integral: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(N,) sums over (N, 4) whole-numbered boxes of a picture, from its integral."""
    x1, y1, x2, y2 = boxes.T
    return integral[y2, x2] - integral[y1, x2] - integral[y2, x1] + integral[y1, x1]
