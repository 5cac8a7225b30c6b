"""Worlds, cameras and boxes mirrored, reversed in time, and cropped: pure functions.

The mirror is the world's x-z plane, so that +z stays up. A picture is mirrored left to right about its middle: pixels
count from the picture's left edge, so x becomes width - x.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from st_vlm.recordings import Recording, Track

_MIRROR = np.array([1.0, -1.0, 1.0])
_FLIP_CAMERA = np.array([-1.0, 1.0, 1.0])


def mirrored_track(track: Track) -> Track:
    """A track on the other side of the mirror. A box's own left and right change places, so that its rotation stays
    one: M R diag(1, -1, 1)."""
    rotations = _MIRROR[:, None] * track.rotations * _MIRROR
    return replace(track, centres=track.centres * _MIRROR, rotations=rotations)


def mirrored_poses(poses: np.ndarray) -> np.ndarray:
    """(F, 4, 4) world from camera, for the camera on the other side that takes the mirrored picture."""
    mirrored = poses.copy()
    mirrored[:, :3, :3] = _MIRROR[:, None] * poses[:, :3, :3] * _FLIP_CAMERA
    mirrored[:, :3, 3] *= _MIRROR
    return mirrored


def mirrored_intrinsics(intrinsics: np.ndarray, width: int) -> np.ndarray:
    """(3, 3) for the mirrored picture: the principal point and a skew go to the other side."""
    mirrored = intrinsics.copy()
    mirrored[0, 1], mirrored[0, 2] = -intrinsics[0, 1], width - intrinsics[0, 2]
    return mirrored


def mirrored_lens(distortion: str, coefficients: Sequence[float]) -> list[float]:
    """A lens polynomial for the mirrored picture: of Brown and Conrady's (k1, k2, p1, p2, k3), p2 bends sideways."""
    found = [float(value) for value in coefficients]
    if distortion == "brown_conrady" and len(found) > 3:
        found[3] = -found[3]
    return found


def mirrored_box(box: Sequence[float] | None, width: int) -> list[float] | None:
    """x1, y1, x2, y2 in the mirrored picture.

    >>> mirrored_box([10.0, 5.0, 30.0, 25.0], 100)
    [70.0, 5.0, 90.0, 25.0]
    """
    if box is None:
        return None
    x1, y1, x2, y2 = box
    return [round(width - x2, 2), y1, round(width - x1, 2), y2]


def mirrored_camera(camera: Mapping) -> dict:
    """A row's `camera` in the mirrored world."""
    return {
        **camera,
        "intrinsics": mirrored_intrinsics(np.array(camera["intrinsics"]), camera["size"][0]).tolist(),
        "distortion_coefficients": mirrored_lens(camera["distortion"], camera["distortion_coefficients"]),
        "poses": mirrored_poses(np.array(camera["poses"])).tolist(),
    }


def pivot_ns(recording: Recording) -> int:
    """What a time and its reversed time add up to: the recording's first box and its last change places."""
    first = min(int(track.times_ns[0]) for track in recording.tracks)
    return first + max(int(track.times_ns[-1]) for track in recording.tracks)


def reversed_track(track: Track, pivot: int) -> Track:
    """A track run backwards; boxes keep their orientation, for a filmed car that is shown backwards does."""
    return replace(
        track,
        times_ns=pivot - track.times_ns[::-1],
        centres=track.centres[::-1],
        sizes=track.sizes[::-1],
        rotations=track.rotations[::-1],
    )


def crop_of_marks(
    boxes: np.ndarray, size: Sequence[int], zooms: tuple[float, float], rng: np.random.Generator
) -> tuple[float, float, float] | None:
    """A crop that keeps every box: its left and top, and by how much it is scaled to fill the picture.

    Args:
        boxes: (N, 4) x1, y1, x2, y2 within the picture.
        size: Width and height of the picture.
        zooms: Least and most scale.
        rng: Draws scale and place.

    Returns:
        None where no crop of the least scale keeps them all.
    """
    size = np.array(size, float)
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    least, most = zooms[0], min(zooms[1], float((size / (high - low)).min()))
    if most < least:
        return None
    zoom = rng.uniform(least, most)
    window = size / zoom
    corner = rng.uniform(np.maximum(0.0, high - window), np.minimum(low, size - window))
    return float(corner[0]), float(corner[1]), float(zoom)


def cropped_intrinsics(intrinsics: np.ndarray, crop: tuple[float, float, float]) -> np.ndarray:
    """(3, 3) of the crop scaled to the whole picture."""
    left, top, zoom = crop
    return np.diag([zoom, zoom, 1.0]) @ np.array([[1.0, 0.0, -left], [0.0, 1.0, -top], [0.0, 0.0, 1.0]]) @ intrinsics


def cropped_box(
    box: Sequence[float] | None, crop: tuple[float, float, float], size: Sequence[int]
) -> list[float] | None:
    """x1, y1, x2, y2 in the crop scaled to the whole picture.

    >>> cropped_box([20.0, 10.0, 40.0, 30.0], (10.0, 5.0, 1.5), (90, 60))
    [15.0, 7.5, 45.0, 37.5]
    """
    if box is None:
        return None
    left, top, zoom = crop
    moved = (np.array(box) - [left, top, left, top]) * zoom
    return [round(float(v), 2) + 0.0 for v in np.clip(moved, 0, [*size, *size])]
