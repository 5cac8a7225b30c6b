"""Boxes of followed objects in any frames of a video, and how they become the segments of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.semantics.detections import overlaps

# Between boxes this far apart an object is taken to be seen, and to have moved evenly.
LONGEST_GAP_S = 0.5
# Videos state times to a fraction of a millisecond.
_SLACK_S = 0.002


@dataclass(frozen=True, eq=False)
class Observations:
    """M boxes of objects in frames of a video.

    Attributes:
        objects: (M,) int, which object; equal numbers are one object, negative ones are not known to be any.
        frames: (M,) int, numbers of the video's frames.
        boxes: (M, 4) x1, y1, x2, y2 in pixels of the video.
        scores: (M,) 0-1.
        categories: (M,) nouns.
        masks: Numbers of observations to COCO's compressed run lengths of their masks.
        mask_size: Width and height of all masks.
    """

    objects: np.ndarray
    frames: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    categories: np.ndarray
    masks: Mapping[int, bytes] = field(default_factory=dict)
    mask_size: tuple[int, int] | None = None

    def __len__(self) -> int:
        return len(self.objects)

    def only(self, kept: np.ndarray) -> Observations:
        """Some of them: (M,) bool."""
        numbers = np.cumsum(kept) - 1
        return Observations(
            *(part[kept] for part in (self.objects, self.frames, self.boxes, self.scores, self.categories)),
            {int(numbers[k]): mask for k, mask in self.masks.items() if kept[k]},
            self.mask_size,
        )


def to_segments(
    seen: Observations, frames: ClipFrames, backend: str, licence: str = "", least_frames: int = 1
) -> Segments:
    """The objects of a clip in the clip's own frames.

    Boxes of a frame between two of an object's boxes at most 0.5 s apart are interpolated linearly in time, and as
    certain as the less certain of the two; masks are not interpolated. An object's class is the one that most of its
    scores together speak for.

    Args:
        seen: Each object at most once a frame; what is of no object is left out.
        frames: The clip.
        backend, licence: As of `Segments`.
        least_frames: Objects that are seen in fewer of the clip's frames are left out.
    """
    clip, times = frames.clip, frames.info.times_s
    wanted = np.array(clip.frames)
    categories, boxes, scores, masks = [], [], [], {}
    for number in np.unique(seen.objects[seen.objects >= 0]):
        rows = np.flatnonzero(seen.objects == number)
        rows = rows[np.argsort(seen.frames[rows], kind="stable")]
        box, score = _at(times[wanted], times[seen.frames[rows]], seen.boxes[rows], seen.scores[rows])
        if np.isfinite(score).sum() < least_frames:
            continue
        place = {int(seen.frames[row]): int(row) for row in rows}
        for t, frame in enumerate(clip.frames):
            if place.get(frame) in seen.masks:
                masks[len(categories), t] = seen.masks[place[frame]]
        names, which = np.unique(seen.categories[rows].astype(str), return_inverse=True)
        categories.append(str(names[np.bincount(which, seen.scores[rows]).argmax()]))
        boxes.append(box)
        scores.append(score)
    count, size = len(wanted), tuple(clip.size)
    return Segments(
        categories=tuple(categories),
        boxes=np.array(boxes).reshape(-1, count, 4),
        scores=np.array(scores).reshape(-1, count),
        size=size,
        mask_size=seen.mask_size if masks else size,
        masks=masks,
        backend=backend,
        licence=licence,
    )


def _at(wanted: np.ndarray, times: np.ndarray, boxes: np.ndarray, scores: np.ndarray):
    """An object's (T, 4) boxes and (T,) scores at T times, NaN where it is not seen."""
    after = np.searchsorted(times, wanted)
    exact = times[np.minimum(after, len(times) - 1)] == wanted
    before = np.where(exact, after, after - 1)
    known = (before >= 0) & (after < len(times))
    before, after = np.clip(before, 0, None), np.minimum(after, len(times) - 1)
    gap = times[after] - times[before]
    known &= gap <= LONGEST_GAP_S + _SLACK_S
    share = np.where(gap > 0, (wanted - times[before]) / np.where(gap > 0, gap, 1), 0)[:, None]
    box = boxes[before] * (1 - share) + boxes[after] * share
    score = np.minimum(scores[before], scores[after])
    return np.where(known[:, None], box, np.nan), np.where(known, score, np.nan)


def without_doubles(segments: Segments, most_overlap: float = 0.7, least_common: int = 3) -> Segments:
    """Two objects of one class that lie on each other in most of the frames that show both become one.

    The one seen in more frames stays; what the other shows in further frames is added to it.

    Args:
        segments: The objects.
        most_overlap: Boxes with a greater intersection over union lie on each other.
        least_common: In fewer common frames two objects may just pass each other.
    """
    boxes, scores, masks = segments.boxes.copy(), segments.scores.copy(), dict(segments.masks)
    order = np.argsort(-segments.seen.sum(axis=1), kind="stable")
    kept = np.ones(len(segments), bool)
    for place, k in enumerate(order):
        for other in order[place + 1 :]:
            if not (kept[k] and kept[other]) or segments.categories[k] != segments.categories[other]:
                continue
            both = np.isfinite(scores[k]) & np.isfinite(scores[other])
            shared = overlaps(boxes[k, both, None], boxes[other, both, None])[:, 0, 0] > most_overlap
            if both.sum() < least_common or 2 * shared.sum() <= both.sum():
                continue
            kept[other] = False
            more = np.isfinite(scores[other]) & ~both
            boxes[k, more], scores[k, more] = boxes[other, more], scores[other, more]
            for t in np.flatnonzero(more):
                if (other, t) in masks:
                    masks[int(k), int(t)] = masks[other, t]
    return replace(segments, boxes=boxes, scores=scores, masks=masks).only(kept)
