"""A check without truth: a clip played backwards must show the same objects in the same places, and the same camera.

What looks for objects or poses goes from frame to frame, and errs from frame to frame. Backwards it errs otherwise, so
that the difference of both runs tells how far either is to be believed (forward-backward error: Kalal et al. 2010).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.video.encoding import Fitter, fit_size, write_video

# Of the reversed video: as dense as any tracker asks for.
STEP_S = 0.1
_CHUNK = 16
# At most so wide: no backend looks at more.
MOST_PIXELS_A_SIDE = 1280
# Masks are compared as small as this.
_COMPARED = 160


@dataclass(frozen=True)
class SelfCheck:
    """How the two runs agree. A number is None where a backend has no reversed run, since it reads from files.

    Attributes:
        overlap: Mean intersection over union of objects and their counterparts, 0-1; an object without one counts 0.
        path: How far the camera's places differ, root mean square, as a share of its path (of a metre, where it
            stands).
        turn_deg: How far its directions differ, root mean square.
        depth: Median relative difference of the depths.
    """

    overlap: float | None = None
    path: float | None = None
    turn_deg: float | None = None
    depth: float | None = None


@dataclass(frozen=True)
class Agreement:
    """How well both runs must agree, in the terms of `SelfCheck`."""

    overlap: float = 0.5
    path: float = 0.1
    turn_deg: float = 3.0
    depth: float = 0.15


def check_backwards(found: SelfCheck, wanted: Agreement | None = None) -> None:
    """Refuse a clip whose two runs disagree.

    Raises:
        InputError: They do.
    """
    wanted = wanted or Agreement()
    if found.overlap is not None and found.overlap < wanted.overlap:
        raise InputError(
            f"Played backwards, the clip shows other objects: they overlap by {100 * found.overlap:.0f} % "
            f"(at least {100 * wanted.overlap:.0f} %)."
        )
    for what, value, most, unit, factor in (
        ("the camera's way", found.path, wanted.path, "% of its path", 100),
        ("the camera's directions", found.turn_deg, wanted.turn_deg, "degrees", 1),
        ("the depth", found.depth, wanted.depth, "%", 100),
    ):
        if value is not None and value > most:
            raise InputError(
                f"Played backwards, {what} differs by {factor * value:.1f} {unit} (at most {factor * most:g})."
            )


def reversed_frames(frames: ClipFrames, folder: Path) -> ClipFrames:
    """The clip played backwards, as a video in a folder.

    Its clip has the same number of frames; frame t of it is frame T - 1 - t of the original.

    Raises:
        InputError: A frame does not decode.
    """
    clip, info = frames.clip, frames.info
    numbers = frames.between(STEP_S)
    times_s = info.times_s[numbers]
    size = fit_size(tuple(clip.size), MOST_PIXELS_A_SIDE)
    backwards = (times_s[-1] - times_s)[::-1]
    write_video(folder / "reversed.mp4", _backwards(frames, numbers, size), backwards.tolist())
    places = len(numbers) - 1 - np.searchsorted(numbers, clip.frames)[::-1]
    scale = np.array(size) / np.array(clip.size)
    intrinsics = clip.matrix
    if intrinsics is not None:
        intrinsics = tuple((np.diag([*scale, 1.0]) @ intrinsics).ravel().tolist())
    turned = replace(
        clip,
        video="reversed.mp4",
        frames=tuple(places.tolist()),
        times_ns=tuple(np.round(backwards[places] * 1e9).astype(np.int64).tolist()),
        size=size,
        first=0,
        last=len(numbers) - 1,
        intrinsics=intrinsics,
    )
    return ClipFrames(turned, folder)


def run_backwards(
    frames: ClipFrames, folder: Path, semantics, geometry, segments: Segments, measured: ClipGeometry
) -> SelfCheck:
    """Run both backends on the reversed clip, and compare.

    Args:
        frames: The clip.
        folder: For the reversed video; it may be large.
        semantics, geometry: The backends; one that reads from files (`from_files`) is not run.
        segments, measured: What they found in the clip.

    Raises:
        InputError: The clip cannot be read.
    """
    runs = [not getattr(backend, "from_files", False) for backend in (semantics, geometry)]
    if not any(runs):
        return SelfCheck()
    turned = reversed_frames(frames, folder)
    result = SelfCheck()
    if runs[0]:
        result = replace(result, overlap=round(compare_segments(segments, semantics.segment(turned)), 4))
    if runs[1]:
        again = geometry.measure(turned, reversed_segments(segments, turned.clip.size))
        path, turn, depth = compare_geometry(measured, again)
        result = replace(
            result, path=round(path, 4), turn_deg=round(turn, 3), depth=None if depth is None else round(depth, 4)
        )
    return result


def reversed_segments(segments: Segments, size: tuple[int, int]) -> Segments:
    """The objects of a clip as the reversed clip shows them, boxes in pixels of its size."""
    last = segments.boxes.shape[1] - 1
    scale = np.tile(np.array(size) / np.array(segments.size), 2)
    masks = {(k, last - t): mask for (k, t), mask in segments.masks.items()}
    boxes, scores = (segments.boxes * scale)[:, ::-1], segments.scores[:, ::-1]
    return replace(segments, boxes=boxes, scores=scores, masks=masks, size=tuple(size))


def _backwards(frames: ClipFrames, numbers: np.ndarray, size: tuple[int, int]) -> Iterator:
    """The frames from the last to the first; a few are held at a time."""
    fit = Fitter(size)
    for start in range((len(numbers) - 1) // _CHUNK * _CHUNK, -1, -_CHUNK):
        held = [fit(image) for image in frames.at(numbers[start : start + _CHUNK])]
        yield from reversed(held)


def compare_segments(forward: Segments, backward: Segments) -> float:
    """Mean overlap of the objects of a clip with those of the reversed clip, each with its best counterpart.

    Args:
        forward: Of the clip.
        backward: Of the reversed clip.
    """
    if not len(forward) and not len(backward):
        return 1.0
    high = max(round(_COMPARED * forward.size[1] / forward.size[0]), 1)
    one, other = forward.labels((_COMPARED, high)), backward.labels((_COMPARED, high))[::-1]
    # Pixels that show object i here and object j there, of all frames together.
    both = np.zeros((len(forward) + 1, len(backward) + 1))
    np.add.at(both, (one.ravel() + 1, other.ravel() + 1), 1)
    inner = both[1:, 1:]
    union = both[1:].sum(axis=1)[:, None] + both[:, 1:].sum(axis=0)[None] - inner
    overlap = inner / np.maximum(union, 1)
    rows, columns = linear_sum_assignment(-overlap)
    return float(overlap[rows, columns].sum() / max(len(forward), len(backward)))


def compare_geometry(forward: ClipGeometry, backward: ClipGeometry) -> tuple[float, float, float | None]:
    """How far the geometry of a reversed clip differs: places (as a share of the path), directions (degrees), depth.

    The worlds of both runs may differ by a rigid movement, which is taken from the middle frame.
    """
    mine, other = forward.poses, backward.poses[::-1]
    middle = len(mine) // 2
    other = mine[middle] @ np.linalg.inv(other[middle]) @ other
    steps = np.linalg.norm(np.diff(mine[:, :3, 3], axis=0), axis=1)
    off = np.linalg.norm(mine[:, :3, 3] - other[:, :3, 3], axis=1)
    path = float(np.sqrt((off**2).mean()) / max(steps.sum(), 1.0))
    between = np.einsum("tji,tjk->tik", mine[:, :3, :3], other[:, :3, :3])
    cosine = np.clip((np.trace(between, axis1=1, axis2=2) - 1) / 2, -1, 1)
    turn = float(np.rad2deg(np.sqrt((np.arccos(cosine) ** 2).mean())))
    depth = None
    if forward.depth is not None and backward.depth is not None and forward.depth.shape == backward.depth.shape:
        a, b = forward.depth, backward.depth[::-1]
        known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
        if known.any():
            depth = float(np.median(np.abs(np.log(a[known] / b[known]))))
    return path, turn, depth
