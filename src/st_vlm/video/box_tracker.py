"""One object followed from frame to frame: median flow, checked and corrected by what the object looked like.

Median flow (see `median_flow`) moves and scales the box; the camera's own motion is taken out first. What the object
looks like is kept in a few small pictures ("looks"), compared by normalised cross-correlation, and in its colours
against those around it: both pull a drifting box back, tell that something else stands in front, and find the
object again near the place where it should be.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from st_vlm.errors import InputError
from st_vlm.video.appearance import Colours, crop
from st_vlm.video.median_flow import camera_motion, carry, centre_of, median_flow

try:
    import cv2
except ImportError:  # said when a tracker is made: marks that come with all their boxes need none
    cv2 = None

# Looks are about this many pixels large, their shape is that of the box.
LOOK_AREA = 28 * 28
MOST_LOOKS = 6
# Correlation with the best look. Below LOST it is not the object whatever its colours; from FOUND, or from REFOUND
# when it has been missing for more than SHORTLY frames, it may be; from ALIKE it is. Between KEPT and KNOWN it looks
# new enough to be remembered.
LOST, FOUND, REFOUND, ALIKE = 0.4, 0.65, 0.75, 0.92
KEPT, KNOWN = 0.77, 0.9
SHORTLY = 5
# Share of the object's colours in a box, relative to the frame where the box was given.
FADED, CLEAR = 0.7, 0.8
COLOUR_WEIGHT = 0.5
# How far a box moves to the one around the object's colours, each frame.
FIT_PULL = 0.3
# How fast the speed follows, and what of it is left after each frame without the object.
SPEED_GAIN, FADING = 0.4, 0.98
# Frames in a row in doubt after which a box is given up.
PATIENCE = 2
LEAST_SIDE_PX = 4.0
LEAST_INSIDE = 0.25


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it OpenCV uses one thread: its pictures are so small here that more only wait for each other."""
    if cv2 is None:
        yield
        return
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


class BoxTracker:
    """Follows one box. Boxes are (x1, y1, x2, y2) in pixels of the frames given, as float64.

    Args:
        frame: (h, w, 3) uint8 RGB, the frame with the known box.
        box: The box there, at least partly inside the frame.

    Raises:
        InputError: OpenCV is not installed.
    """

    def __init__(self, frame: np.ndarray, box: np.ndarray) -> None:
        if cv2 is None:
            raise InputError("Following a mark needs OpenCV, which is not installed: pip install 'st-vlm[track]'.")
        self.frame = frame
        self.box = np.asarray(box, np.float64)
        width, height = np.maximum(self.box[2:] - self.box[:2], 1.0)
        scale = np.sqrt(LOOK_AREA / (width * height))
        self.shape = max(6, round(width * scale)), max(6, round(height * scale))
        self.looks = [crop(frame, self.box, self.shape)]
        self.colours = Colours(frame, self.box)
        self.full = 1.0
        self.full = max(1e-3, self._colour(frame, self.box))
        self.offset = np.zeros(4)
        self.offset = self.colours.fitted(frame, self.box, self.shape) - self.box
        self.offset /= np.tile(self.box[2:] - self.box[:2], 2)
        self.seen = True
        self.doubts = 0
        self.lost_for = 0
        self.well_seen = True
        self.speed, self.expected = np.zeros(2), self.box

    def follow(self, frame: np.ndarray) -> np.ndarray | None:
        """The box on the next frame, or None where the object is not found there."""
        motion = camera_motion(self.frame, frame, self.box)
        carried = carry(self.box, motion)
        # Where it would be had it gone on as it did when it was last seen well.
        self.expected = carry(self.expected, motion) + np.tile(self.speed, 2)
        result = self._flow(frame, carried) if self.seen else self._find(frame)
        self.frame = frame
        if result is None:
            self.seen = False
            self.lost_for += 1
            self.box = self.expected
            self.speed *= FADING
            return None
        if self.doubts == 0 and self.well_seen:
            if self.seen:
                self.speed += SPEED_GAIN * (centre_of(result) - centre_of(carried) - self.speed)
            self.expected = result
        self.seen, self.lost_for, self.box = True, 0, result
        return result

    def _flow(self, frame: np.ndarray, carried: np.ndarray) -> np.ndarray | None:
        """Median flow, then a look within a few pixels."""
        guess = carried + np.tile(self.speed, 2)
        flowed = median_flow(self.frame, frame, self.box, guess)
        if flowed is None:
            box, likeness = self._search(frame, guess, 0.5, (0.92, 1.0, 1.08))
            if likeness < LOST:
                box = guess
        else:
            box, likeness = self._search(frame, flowed, 0.15, (0.96, 1.0, 1.04))
            # A weak likeness pulls weakly.
            box = flowed + np.clip((likeness - 0.4) / 0.6, 0.0, 1.0) * (box - flowed)
        if not _inside(box, frame):
            return None
        if likeness >= FOUND:
            box = box + FIT_PULL * (self._fitted(frame, box) - box)
            if not _inside(box, frame):
                return None
        colour = self._colour(frame, box)
        sure = _believed(likeness, colour)
        self.well_seen = likeness >= FOUND and colour >= CLEAR
        self.doubts = 0 if sure else self.doubts + 1
        if self.doubts > PATIENCE:
            return None
        if KEPT <= likeness < KNOWN and colour >= CLEAR:
            # The first look is never forgotten.
            if len(self.looks) == MOST_LOOKS:
                del self.looks[1]
            self.looks.append(crop(frame, box, self.shape))
        if likeness >= KEPT and colour >= CLEAR:
            self.colours.learn(frame, box)
        return box

    def _find(self, frame: np.ndarray) -> np.ndarray | None:
        """The object near where it was lost, in a window that grows while it is missing."""
        reach = min(2.0, 0.6 + 0.05 * self.lost_for)
        box, likeness = self._search(frame, self.expected, reach, (0.8, 0.9, 1.0, 1.11, 1.25))
        # The longer it is missing, the more else may look like it.
        needed = FOUND if self.lost_for <= SHORTLY else REFOUND
        colour = self._colour(frame, box)
        if likeness < needed or not _believed(likeness, colour) or not _inside(box, frame):
            return None
        self.doubts, self.well_seen = 0, colour >= CLEAR
        return box

    def _search(self, frame: np.ndarray, box: np.ndarray, reach: float, scales) -> tuple[np.ndarray, float]:
        """The box near `box` that looks most like the object, and its correlation from -1 to 1.

        Args:
            frame: Where to look.
            box: The first guess.
            reach: How far to look, in widths and heights of the box.
            scales: Sizes to try, relative to the guess.
        """
        best, likeness, most = box, -1.0, -np.inf
        width, height = self.shape
        margin = max(1, round(reach * width)), max(1, round(reach * height))
        for scale in scales:
            sides = scale * (box[2:] - box[:2])
            region = np.concatenate((centre_of(box) - sides / 2, centre_of(box) + sides / 2))
            pixel = sides / (width, height)
            region += np.concatenate((-pixel * margin, pixel * margin))
            picture = crop(frame, region, (width + 2 * margin[0], height + 2 * margin[1]))
            scores = np.max([cv2.matchTemplate(picture, look, cv2.TM_CCOEFF_NORMED) for look in self.looks], axis=0)
            share = cv2.blur(self.colours.likelihood(picture), (width, height), anchor=(0, 0))
            share = share[: scores.shape[0], : scores.shape[1]] / self.full
            total = np.nan_to_num(scores, nan=-1.0, posinf=-1.0) + COLOUR_WEIGHT * np.minimum(share, 1.0)
            _, score, _, (x, y) = cv2.minMaxLoc(total)
            if score > most:
                most, likeness = score, float(scores[y, x])
                corner = region[:2] + pixel * (x, y)
                best = np.concatenate((corner, corner + sides))
        return best, likeness

    def _colour(self, frame: np.ndarray, box: np.ndarray) -> float:
        return float(self.colours.likelihood(crop(frame, box, self.shape)).mean()) / self.full

    def _fitted(self, frame: np.ndarray, box: np.ndarray) -> np.ndarray:
        """The box around the object's colours, as much wider or tighter as the given box was."""
        fitted = self.colours.fitted(frame, box, self.shape)
        return fitted - self.offset * np.tile(fitted[2:] - fitted[:2], 2)


def _believed(likeness: float, colour: float) -> bool:
    """Whether what is in a box is the object: what looks less like it must have its colours more."""
    return likeness >= ALIKE or (likeness >= FOUND and colour >= FADED) or (likeness >= LOST and colour >= CLEAR)


def _inside(box: np.ndarray, frame: np.ndarray) -> bool:
    """Whether enough of the box lies in the frame, and it is large enough to say anything."""
    sides = box[2:] - box[:2]
    if not np.isfinite(box).all() or (sides < LEAST_SIDE_PX).any():
        return False
    limits = np.array([frame.shape[1], frame.shape[0]], np.float64)
    seen = np.clip(box[2:], 0, limits) - np.clip(box[:2], 0, limits)
    return bool(np.prod(seen) >= LEAST_INSIDE * np.prod(sides))
