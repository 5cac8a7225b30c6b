"""From the detections of single frames to objects: ByteTrack (Zhang et al. 2022), as `supervision` has it."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.semantics.coco_classes import group_of
from st_vlm.pseudo_labels.semantics.detections import Detections, overlaps

# How long an object that is not seen is looked for where it should be.
LONGEST_LOSS_S = 1.0
# A track begins with a detection of at least the threshold, and goes on with those that are weaker by this or more.
WEAKER = 0.1
# The tracker takes nothing weaker.
LEAST_SCORE = 0.1
# Cost, 1 - overlap x score, up to which a box belongs to a track. More follows what moves fast in the image for
# longer, but mistakes objects for each other.
_MOST_COST = 0.9
# Its filter expects speeds that change as between the frames of a video, a thirtieth of a second apart.
_ITS_STEP_S = 1 / 30
# The tracker's smoothed box and the box that it comes from overlap at least so much.
_LEAST_OVERLAP = 0.3


def checked_threshold(threshold: object) -> float:
    """A threshold that `follow` can use.

    Raises:
        InputError: It is none.
    """
    if type(threshold) not in (int, float) or not LEAST_SCORE + WEAKER <= threshold <= 1:
        raise InputError(f"A threshold of scores is a number from 0.2 to 1, not {threshold!r}.")
    return float(threshold)


def follow(detections: Sequence[Detections], step_s: float, threshold: float) -> list[np.ndarray]:
    """Tell which detections of successive frames are one object.

    Classes that are not easily taken for each other are followed apart.

    Args:
        detections: Of F frames, in their order.
        step_s: Seconds from one frame to the next.
        threshold: The score from which a detection begins a new track; weaker ones, down to 0.1, only prolong one.

    Returns:
        For each frame the (D,) numbers of the detections' objects, -1 for none.

    Raises:
        InputError: `supervision` is not installed.
    """
    result = [np.full(len(found), -1) for found in detections]
    groups = [np.array([group_of(category) for category in found.categories], dtype=object) for found in detections]
    begun = 0
    for group in sorted({name for names in groups for name in names}):
        tracker = _tracker(step_s, threshold)
        highest = -1
        for found, names, numbers in zip(detections, groups, result, strict=True):
            rows = np.flatnonzero(names == group)
            its = _followed(tracker, found.boxes[rows], found.scores[rows])
            numbers[rows] = np.where(its >= 0, its + begun, -1)
            highest = max(highest, its.max(initial=-1))
        begun += highest + 1
    return result


def _tracker(step_s: float, threshold: float):
    try:
        import supervision
    except ImportError:
        raise InputError(
            'Following detections needs `supervision`, which is not installed: pip install "st-vlm[pseudo]".'
        ) from None
    with warnings.catch_warnings():
        # That a later release moves it elsewhere is no concern of whoever labels videos.
        warnings.simplefilter("ignore", FutureWarning)
        tracker = supervision.ByteTrack(
            # It adds a tenth for tracks that begin.
            track_activation_threshold=threshold - WEAKER,
            minimum_matching_threshold=_MOST_COST,
            # It counts its buffer in frames of a thirtieth of a second.
            frame_rate=1 / _ITS_STEP_S,
            lost_track_buffer=max(round(LONGEST_LOSS_S / step_s), 1),
        )
    for kalman in (tracker.kalman_filter, tracker.shared_kalman):
        # Else it takes five boxes to believe that something moves half its width a step, and has lost it by then.
        kalman._std_weight_velocity *= max(step_s / _ITS_STEP_S, 1.0)
    return tracker


def _followed(tracker, boxes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(D,) numbers of the tracks that a frame's boxes belong to, -1 for none."""
    tracker.update_with_tensors(np.concatenate([boxes, scores[:, None]], axis=1).astype(np.float32))
    # All that this frame has shown, also those whose first box it is: the tracker gives these out a frame late.
    tracks = [track for track in tracker.tracked_tracks if track.frame_id == tracker.frame_id]
    result = np.full(len(scores), -1)
    if not (tracks and len(scores)):
        return result
    shared = overlaps(np.array([track.tlbr for track in tracks], np.float64), boxes)
    for track, row in zip(*linear_sum_assignment(-shared), strict=True):
        if shared[track, row] >= _LEAST_OVERLAP:
            result[row] = tracks[track].internal_track_id
    return result
