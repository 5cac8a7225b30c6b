"""Semantics on a CPU: a detector in an ONNX file, and ByteTrack."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.semantics import fastestdet
from st_vlm.pseudo_labels.semantics.coco_classes import COCO_NAMES, class_noun, moves
from st_vlm.pseudo_labels.semantics.detections import Detections
from st_vlm.pseudo_labels.semantics.observations import Observations, to_segments, without_doubles
from st_vlm.pseudo_labels.semantics.onnx_detector import FASTESTDET, OnnxDetector
from st_vlm.pseudo_labels.semantics.tracking import LEAST_SCORE, checked_threshold, follow

# A box or two of something may be anything, and tell nothing of its motion.
LEAST_FRAMES = 3
# A clip's own frames are half a second apart.
LONGEST_STEP_S = 0.5


class OnnxTracking:
    """Boxes of a detector, followed over more frames than the clip's own.

    Args:
        model: An ONNX file: FastestDet, or a YOLO of version 5, 7, 8 or later.
        names: A text file with the model's classes, one a line; None: those that the model states, else COCO's.
        threshold: The score from which a box begins a track, 0.2-1; weaker boxes only prolong tracks.
        step_s: Seconds between the frames that are looked at; a video with fewer frames is looked at whole.
        classes: What to look for, as nouns or as the model names them, also in one text with commas; None: whatever
            moves.
        licence: Of the model's weights; None: BSD-3-Clause for FastestDet with COCO's classes, else unknown.
        threads: How many cores one image is worked on with.

    Raises:
        InputError: A threshold, step or number of threads that is none.
    """

    name = "onnx"

    def __init__(
        self,
        model: str | Path,
        names: str | Path | None = None,
        threshold: float = 0.45,
        step_s: float = 0.1,
        classes: Sequence[str] | str | None = None,
        licence: str | None = None,
        threads: int = 1,
    ) -> None:
        if type(step_s) not in (int, float) or not 0 < step_s <= LONGEST_STEP_S:
            raise InputError(
                f"Frames must be looked at every {LONGEST_STEP_S} s or more often, not every {step_s!r} s."
            )
        if type(threads) is not int or threads < 1:
            raise InputError(f"A detector's threads are a whole number from 1, not {threads!r}.")
        self.model, self.threshold, self.step_s = Path(str(model)), checked_threshold(threshold), float(step_s)
        names_of = classes.split(",") if isinstance(classes, str) else classes
        self._classes = None if names_of is None else [str(name) for name in names_of]
        self._names, self._licence, self._threads = names, licence, threads

    @cached_property
    def detector(self) -> OnnxDetector:
        """The detector, read on first use.

        Raises:
            InputError: As `OnnxDetector`.
        """
        return OnnxDetector(self.model, self._names, self._threads)

    @cached_property
    def licence(self) -> str:
        """Of the weights."""
        if self._licence is not None:
            return self._licence
        known = self.detector.family == FASTESTDET and len(self.detector.names) == len(COCO_NAMES)
        return fastestdet.LICENCE if known else "unknown"

    @cached_property
    def _kept(self) -> np.ndarray:
        """(C,) bool: the model's classes that are looked for."""
        nouns = self.detector.categories
        if self._classes is None:
            return np.array([moves(category) for category in nouns])
        wanted = {class_noun(name) for name in self._classes}
        if not self._classes or (unknown := sorted(wanted - set(nouns))):
            what = ", ".join(unknown) if self._classes else "nothing"
            raise InputError(f"{self.model} does not know {what}. It knows {', '.join(sorted(set(nouns)))}.")
        return np.isin(nouns.astype(str), sorted(wanted))

    def segment(self, frames: ClipFrames) -> Segments:
        """The objects of one clip that are seen in at least three of its frames, as boxes.

        Raises:
            InputError: The clip or the model cannot be read, an extra is not installed, or the model does not know a
                class.
        """
        numbers = frames.between(self.step_s)
        found = [self.detector.detect(image, LEAST_SCORE, self._kept) for image in frames.at(numbers)]
        objects = follow(found, _step(frames.info.times_s[numbers], self.step_s), self.threshold)
        segments = to_segments(
            observed(found, numbers, objects), frames, self.name, self.licence, least_frames=LEAST_FRAMES
        )
        return without_doubles(segments)


def observed(found: Sequence[Detections], numbers: np.ndarray, objects: Sequence[np.ndarray]) -> Observations:
    """The detections of F frames as one table; those of no object are left out.

    Args:
        found: Of F frames.
        numbers: (F,) the frames' numbers in the video.
        objects: As `follow` returns them.
    """
    table = Observations(
        objects=np.concatenate(objects),
        frames=np.repeat(numbers, [len(each) for each in found]),
        boxes=np.concatenate([each.boxes for each in found]),
        scores=np.concatenate([each.scores for each in found]),
        categories=np.concatenate([each.categories for each in found]),
    )
    return table.only(table.objects >= 0)


def _step(times_s: np.ndarray, wanted: float) -> float:
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else wanted
