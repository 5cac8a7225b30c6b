"""Semantics from files: boxes or masks that somebody else, or an earlier run, has made."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments, read_segments
from st_vlm.pseudo_labels.semantics.coco_classes import class_noun
from st_vlm.pseudo_labels.semantics.detections import Detections, inside_image, strongest
from st_vlm.pseudo_labels.semantics.given_coco import CocoFile
from st_vlm.pseudo_labels.semantics.given_files import SEGMENTS, belongs, find_file
from st_vlm.pseudo_labels.semantics.given_masks import box_around, compressed, fits, resized
from st_vlm.pseudo_labels.semantics.given_mot import read_mot
from st_vlm.pseudo_labels.semantics.given_rows import GivenRows
from st_vlm.pseudo_labels.semantics.observations import Observations, to_segments
from st_vlm.pseudo_labels.semantics.tracking import checked_threshold, follow

_LOG = logging.getLogger(__name__)
# Widths and heights scale by the same number, but for rounding to whole and even pixels.
_SAME_ASPECT = 0.02
# Of objects that the file itself does not tell apart, as for any detector.
_LEAST_FRAMES = 3


class GivenSegments:
    """Boxes or masks from a file: our Parquet, COCO's JSON, or the text of the MOT challenges.

    A file's numbers of frames are those of the video's frames. The clip's own are picked; where they lie between two
    boxes of an object at most 0.5 s apart, its box is interpolated linearly in time. Rows that name no object are
    followed by ByteTrack. Boxes in images of another size than the video's are scaled where the file states the size.
    Rows that cannot be right (no numbers, sides that are not positive, wholly outside the image, a mask that does not
    fill its image, an object twice in a frame) are left out, and their number is logged as a warning.

    Args:
        path: A file; or a folder with `<clip id>.parquet`, `<clip id>/segments.parquet` or `segments.parquet`, or
            one laid out as the videos are: for `a/b.mp4` `a/b.parquet`, `a/b.json`, `a/b.txt`, `a/b/gt/gt.txt` or
            `a/b/det/det.txt`.
        category: The noun of what a file gives no class.
        threshold: Score from which a row that names no object begins one.

    Raises:
        InputError: There is nothing at `path`; a threshold that is none.
    """

    name = "given"
    licence = ""
    from_files = True

    def __init__(self, path: str | Path, category: str = "pedestrian", threshold: float = 0.45) -> None:
        self.path, self.category = Path(str(path)), class_noun(str(category))
        self.threshold = checked_threshold(threshold)
        if not self.path.exists():
            raise InputError(f"There are no boxes at {self.path}. Give a file or a folder of files.")
        self._coco: CocoFile | None = None
        self._told: set[Path] = set()

    def segment(self, frames: ClipFrames) -> Segments:
        """The objects of one clip, each in all of the clip's frames in which the file has or implies it.

        Raises:
            InputError: There is no file for the clip or it cannot be read; it belongs to another video; it tells of
                frames that the video does not have, or of images of another shape; an extra is not installed.
        """
        path = find_file(self.path, frames)
        if path.suffix == SEGMENTS:
            return self._fitting(read_segments(path, refuse_broken=False), path, frames.clip)
        return self._segments(self._rows(path, frames), path, frames)

    def _rows(self, path: Path, frames: ClipFrames) -> GivenRows:
        its_own, length = belongs(path, self.path, frames), len(frames.info)
        if path.suffix == ".json":
            if self._coco is None or self._coco.path != path:
                self._coco = CocoFile(path)
            return self._coco.rows(frames.clip.video, length, its_own)
        if not its_own:
            raise InputError(
                f"{path} does not say whose boxes it holds. Name it as {PurePosixPath(frames.clip.video).name}, or "
                "give a folder of files that are named as the videos are."
            )
        return read_mot(path, length, self.category)

    def _segments(self, rows: GivenRows, path: Path, frames: ClipFrames) -> Segments:
        clip = frames.clip
        seen, bad = self._observations(rows, path, clip)
        self._tell(path, bad)
        near = (seen.frames >= clip.first) & (seen.frames <= clip.last)
        seen = seen.only(near)
        nameless = seen.objects < 0
        if nameless.any():
            seen = _followed(seen, frames, self.threshold)
        least = _LEAST_FRAMES if len(nameless) and nameless.all() else 1
        return to_segments(seen, frames, self.name, self.licence, least)

    def _observations(self, rows: GivenRows, path: Path, clip: Clip) -> tuple[Observations, int]:
        """The rows in pixels of the video, and how many were left out."""
        numbers = {key: k for k, key in enumerate(dict.fromkeys(key for key in rows.keys if key is not None))}
        objects = np.array([-1 if key is None else numbers[key] for key in rows.keys], np.int64)
        at = np.array(rows.frames, np.int64)
        boxes, masks = np.array(rows.boxes, np.float64).reshape(-1, 4), {}
        scales = {size: _scale(size, clip.size, path) for size in set(rows.sizes)}
        spoilt = np.zeros(len(rows), bool)
        wanted = set(clip.frames)
        for k, outline in enumerate(rows.outlines):
            # Masks of other frames are not needed, but for boxes that the file does not state.
            if outline is None or not (at[k] in wanted or np.isnan(boxes[k, 0])):
                continue
            mask = compressed(outline, rows.sizes[k] or clip.size)
            if mask is None:
                spoilt[k] = True
                continue
            _scale(mask[1], clip.size, path)
            masks[k] = mask
            around = box_around(*mask) if np.isnan(boxes[k, 0]) else None
            if around is not None:
                boxes[k] = around * _factors(mask[1], rows.sizes[k] or clip.size)
        boxes = boxes * np.array([scales[size] for size in rows.sizes]).reshape(-1, 4)
        boxes, good = inside_image(boxes, clip.size)
        scores = np.array(rows.scores, np.float64)
        good &= np.isfinite(scores) & ~spoilt
        scores = np.clip(scores, 0, 1)
        good &= _first_of_each(objects, at, np.where(good, scores, -1.0))
        size = next((size for _, size in masks.values()), None)
        table = Observations(
            objects, at, boxes, scores, np.array(rows.categories, dtype=object),
            {k: resized(*mask, size) for k, mask in masks.items() if good[k]}, size,
        )  # fmt: skip
        return table.only(good), int((~good).sum())

    def _fitting(self, segments: Segments, path: Path, clip: Clip) -> Segments:
        """Segments of a file for a clip; their backend and licence stay what they were."""
        count = segments.boxes.shape[1]
        if count != len(clip.frames):
            raise InputError(
                f"{path} is of a clip of {count} frames, {clip.id} has {len(clip.frames)}. Make it again."
            )
        named = clip.id in (path.stem, path.parent.name)
        if not named and clip.first > 0:
            raise InputError(
                f"{path} is of one clip, and not named as {clip.id}. Give a folder of `<clip id>.parquet`."
            )
        if segments.masks:
            _scale(segments.mask_size, clip.size, path)
        boxes, inside = inside_image(segments.boxes * _scale(segments.size, clip.size, path), clip.size)
        good = inside & np.isfinite(segments.scores)
        for (k, t), counts in segments.masks.items():
            good[k, t] &= fits(counts, segments.mask_size)
        self._tell(path, int((segments.seen & ~good).sum()))
        fitting = replace(
            segments,
            categories=tuple(class_noun(name) for name in segments.categories),
            boxes=np.where(good[..., None], boxes, np.nan),
            scores=np.where(good, np.clip(segments.scores, 0, 1), np.nan),
            masks={key: counts for key, counts in segments.masks.items() if good[key]},
            size=tuple(clip.size),
        )
        return fitting.only(good.any(axis=1))

    def _tell(self, path: Path, bad: int) -> None:
        if bad and path not in self._told:
            self._told.add(path)
            _LOG.warning("%s: %d boxes are left out: no numbers, no sides, outside, no mask, or twice.", path, bad)


def _factors(size: tuple[int, int], wanted: tuple[int, int]) -> np.ndarray:
    return np.array([wanted[0] / size[0], wanted[1] / size[1]] * 2)


def _scale(size: tuple[int, int] | None, wanted: tuple[int, int], path: Path) -> np.ndarray:
    """(4,) what brings a box from one size of image to another."""
    if size is None:
        return np.ones(4)
    if min(size) <= 0 or abs(size[0] * wanted[1] / (size[1] * wanted[0]) - 1) > _SAME_ASPECT:
        raise InputError(
            f"{path} is of images of {size[0]}x{size[1]}, the video is {wanted[0]}x{wanted[1]}: another shape. Give "
            "boxes and masks of this video, uncropped."
        )
    return _factors(size, wanted)


def _first_of_each(objects: np.ndarray, frames: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(M,) bool: the most certain row of each object and frame; all of no object."""
    order = np.lexsort((-scores, frames, objects))
    pairs = np.stack([objects[order], frames[order]])
    first = np.ones(len(order), bool)
    first[1:] = (pairs[:, 1:] != pairs[:, :-1]).any(axis=0)
    result = np.empty(len(order), bool)
    result[order] = first
    return result | (objects < 0)


def _followed(seen: Observations, frames: ClipFrames, threshold: float) -> Observations:
    """Give numbers to what has none, by ByteTrack."""
    objects = seen.objects.copy()
    rows_of = [np.flatnonzero((seen.frames == number) & (objects < 0)) for number in np.unique(seen.frames)]
    found = []
    for k, rows in enumerate(rows_of):
        each = Detections(seen.boxes[rows], seen.scores[rows], seen.categories[rows])
        # In crowds people stand before people: what is mostly covered is left to the file.
        kept = strongest(each, most_covered=1.0)
        rows_of[k] = rows[kept]
        found.append(each.only(kept))
    times = frames.info.times_s[np.unique(seen.frames)]
    step = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    begun = objects.max(initial=-1) + 1
    for rows, numbers in zip(rows_of, follow(found, step, threshold), strict=True):
        objects[rows] = np.where(numbers >= 0, numbers + begun, -1)
    return replace(seen, objects=objects)
