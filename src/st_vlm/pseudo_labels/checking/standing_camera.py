"""Whether a camera that is said to stand does so: what is not an object must stay where it is in the image."""

from __future__ import annotations

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments

# Images are compared this wide, in squares of so many pixels, over so many seconds.
_WIDTH, _SQUARE, _APART_S = 160, 10, 2.0
# Grey levels by which a square must vary to be known again, and how alike it must be.
_LEAST_TEXTURE, _ALIKE = 8.0, 0.7
# A hand that holds a camera shakes by some 1 % of the image.
_SHAKE = 2
# Pixels around a box that are left out, too.
_MARGIN = 2
# Fewer squares tell nothing.
_LEAST_SQUARES = 8
_STILL_SHARE, _MOVING_PAIRS = 0.4, 0.25
_SAME_PLACE_M, _SAME_TURN = 1e-3, 1e-4


def check_standing(frames: ClipFrames, segments: Segments, geometry: ClipGeometry) -> None:
    """Refuse poses that stand still where the images show that the camera moves or turns.

    Poses that move are not looked at, nor are images in which too little can be known again.

    Args:
        frames: The images of the clip.
        segments: Its objects, which may move.
        geometry: Its poses.

    Raises:
        InputError: The camera moves; or a frame does not decode.
    """
    if len(frames) < 2 or not _stands(geometry.poses):
        return
    times_s = frames.clip.times_s
    later = np.searchsorted(times_s, times_s + _APART_S - 1e-6)
    pairs = [(t, int(u)) for t, u in enumerate(later) if u < len(times_s)] or [(0, len(times_s) - 1)]
    shares = still_shares(frames, segments, pairs)
    told = shares[np.isfinite(shares)]
    if len(told) and (told < _STILL_SHARE).mean() > _MOVING_PAIRS:
        raise InputError(
            f"The camera of {frames.clip.video} moves or turns, but its poses stand still. Give its poses "
            "(--geometry-option poses=FILE), or let a backend find them (--geometry depthpro-odometry)."
        )


def still_shares(frames: ClipFrames, segments: Segments, pairs: list[tuple[int, int]]) -> np.ndarray:
    """For each of P pairs of the clip's frames the share of the background that both show in one place, 0-1; NaN
    where too little of it can be known again.

    Raises:
        InputError: A frame does not decode.
    """
    width, height = frames.clip.size
    size = _WIDTH, max(2 * round(_WIDTH * height / width / 2), 2 * _SQUARE)
    images = [image.astype(np.float32).mean(axis=-1) for image in frames.images(size)]
    scale = np.tile(np.array(size) / (width, height), 2)
    free = [_free(segments.boxes[:, t] * scale, size) for t in range(len(images))]
    return np.array([_still(images[t], images[u], free[t] & free[u]) for t, u in pairs])


def _stands(poses: np.ndarray) -> bool:
    places, turns = poses[:, :3, 3], poses[:, :3, :3]
    return bool(
        np.ptp(places, axis=0).max(initial=0) < _SAME_PLACE_M and np.ptp(turns, axis=0).max(initial=0) < _SAME_TURN
    )


def _free(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: pixels in none of the (N, 4) boxes."""
    free = np.ones(size[::-1], bool)
    for x1, y1, x2, y2 in boxes[np.isfinite(boxes).all(axis=1)]:
        rows = slice(max(int(y1) - _MARGIN, 0), int(y2) + _MARGIN + 1)
        free[rows, max(int(x1) - _MARGIN, 0) : int(x2) + _MARGIN + 1] = False
    return free


def _still(one: np.ndarray, other: np.ndarray, free: np.ndarray) -> float:
    """Share of an image's squares that another image has within `_SHAKE` pixels of their place."""
    here = _squares(one, 0, 0)
    spread = here.std(axis=-1)
    seen = (spread >= _LEAST_TEXTURE) & _squares(free, 0, 0).all(axis=-1)
    if seen.sum() < _LEAST_SQUARES:
        return np.nan
    here = (here - here.mean(axis=-1, keepdims=True)) / np.maximum(spread, 1.0)[..., None]
    best = np.full(seen.shape, -1.0)
    for down in range(-_SHAKE, _SHAKE + 1):
        for right in range(-_SHAKE, _SHAKE + 1):
            there = _squares(other, down, right)
            there = (there - there.mean(axis=-1, keepdims=True)) / np.maximum(there.std(axis=-1), 1.0)[..., None]
            best = np.maximum(best, (here * there).mean(axis=-1))
    return float((best[seen] >= _ALIKE).mean())


def _squares(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """(R, C, S * S) squares of an image without its border, shifted by whole pixels."""
    rows, columns = ((side - 2 * _SHAKE) // _SQUARE for side in image.shape)
    top, left = _SHAKE + down, _SHAKE + right
    part = image[top : top + rows * _SQUARE, left : left + columns * _SQUARE]
    parts = part.reshape(rows, _SQUARE, columns, _SQUARE).swapaxes(1, 2)
    return parts.reshape(rows, columns, _SQUARE * _SQUARE)
