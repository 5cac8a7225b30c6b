"""A detector that is asked now and then, and a tracker that carries its boxes as masks through all frames between."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Protocol

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.semantics.detections import Detections
from st_vlm.pseudo_labels.semantics.mask_following import follow_masks
from st_vlm.pseudo_labels.semantics.mask_tracker import MaskTracker
from st_vlm.pseudo_labels.semantics.merging import coco, confirmed, merge, segments_of, set_apart

# Of masks: finer than what lifting looks at.
WIDEST_MASK = 640
# Models look at smaller images than this; what is bigger need not be kept.
_WIDEST_IMAGE = 2048
# An object that has not been seen for so long is begun anew when it comes back.
_PATIENCE_S = 4.0
_SLACK_S = 0.02


class Detector(Protocol):
    """Finds boxes in single images."""

    def detect(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> list[Detections]:
        """What some images of one size show, with boxes in pixels of an image of width and height `size`."""
        ...


class GroundedMasks:
    """Semantics of a detector and a tracker.

    Args:
        detector, tracker: The two.
        every_s: Seconds from one image that the detector is asked about to the next.
        step_s: Seconds between the images that the tracker sees; its limit is how far things move in between.
        most: Objects that are seen at once; of more, the most certain are followed.
        batch: Images that the detector is asked about together.

    Raises:
        InputError: A number that cannot be.
    """

    name = "grounded"
    licence = ""

    def __init__(
        self,
        detector: Detector,
        tracker: MaskTracker,
        every_s: float = 2.0,
        step_s: float = 0.25,
        most: int = 24,
        batch: int = 4,
    ) -> None:
        if not (every_s > 0 and 0 < step_s <= 0.5):
            raise InputError(
                f"Detections every {every_s} s (every_s) and images every {step_s} s (step_s) cannot be: the first "
                "must be positive, the second at most 0.5."
            )
        if most < 1 or batch < 1:
            raise InputError(f"At least one object and one image are looked at, not most={most} and batch={batch}.")
        self.detector, self.tracker = detector, tracker
        self.every_s, self.step_s, self.most, self.batch = every_s, step_s, most, batch

    def segment(self, frames: ClipFrames) -> Segments:
        """As `SemanticsBackend.segment`."""
        coco()  # or else all the work is done before it is missed
        clip = frames.clip
        numbers = frames.between(self.step_s)
        own = np.searchsorted(numbers, clip.frames)
        size = mask_size(clip.size)
        found: dict[int, Detections] = {}
        asked = {int(own[k]) for k in prompt_frames(clip, self.every_s)}
        tracking = self.tracker.open(self._images(frames, numbers, asked, size, found))
        objects = follow_masks(
            tracking,
            found,
            wanted=frozenset(own.tolist()),
            images=len(numbers),
            size=size,
            most=self.most,
            patience=max(round(_PATIENCE_S / self.step_s), 1),
        )
        objects = set_apart(confirmed(merge(objects, size)), size)
        return segments_of(objects, own.tolist(), clip, size, self.name, self.licence)

    def _images(
        self,
        frames: ClipFrames,
        numbers: np.ndarray,
        asked: Collection[int],
        size: tuple[int, int],
        found: dict[int, Detections],
    ) -> Iterator[np.ndarray]:
        """The images for the tracker; on their way the detector sees those that it is asked about."""
        waiting: dict[int, np.ndarray] = {}
        last = max(asked)
        for place, image in enumerate(frames.at(numbers, image_size(frames.clip.size))):
            if place in asked:
                waiting[place] = image
                if len(waiting) == self.batch or place == last:
                    answers = self.detector.detect(list(waiting.values()), size)
                    found.update(zip(waiting, answers, strict=True))
                    waiting.clear()
            yield image


def prompt_frames(clip: Clip, every_s: float) -> list[int]:
    """Which of a clip's T frames the detector is asked about: the first, and then one every so many seconds."""
    result = [0]
    for k, time in enumerate(clip.times_s):
        if time >= clip.times_s[result[-1]] + every_s - _SLACK_S:
            result.append(k)
    return result


def mask_size(size: tuple[int, int], widest: int = WIDEST_MASK) -> tuple[int, int]:
    """Width and height of the masks of a video of that width and height."""
    width = min(size[0], widest)
    return width, max(round(size[1] * width / size[0]), 1)


def image_size(size: tuple[int, int]) -> tuple[int, int]:
    """Width and height that a video's frames are kept at while models look at them."""
    scale = min(_WIDEST_IMAGE / max(size), 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
