"""A track at the times of a camera's frames: where it is, and what is known of it there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.resampling import MAX_GAP_S, positions_at, steps_at
from st_vlm.recordings import Track

# Image and annotation clocks differ by tens of milliseconds, so the first image may precede the first box.
HOLD_NS = 100_000_000


@dataclass(frozen=True, eq=False)
class Placed:
    """A track at the times of G frames: whether it is annotated, its trusted stretch (-1 where none), where it is.

    Its rotation is a share of the way from that of the box before to that of the box after.

    Boxes in the image, (G, 4), are those of the boxes at these times; NaN where the image does not show the object, or
    where objects are not found in images (`found_in_image` is False). NaN where a source tells nothing.
    """

    annotated: np.ndarray
    stretch: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations_before: np.ndarray
    rotations_after: np.ndarray
    rotation_shares: np.ndarray
    lidar_points: np.ndarray
    visibility: np.ndarray
    image_boxes: np.ndarray
    found_in_image: np.ndarray


def lives_of(track: Track, stretches: tuple[tuple[int, int], ...]) -> np.ndarray:
    """(S, 2) first and last time of each trusted stretch, nanoseconds."""
    return track.times_ns[np.array(stretches, int).reshape(-1, 2)]


def place(track: Track, lives: np.ndarray, times_ns: np.ndarray) -> Placed:
    """A track at (G,) nanoseconds, given its trusted stretches."""
    known = track.times_ns
    stretch = np.full(len(times_ns), -1)
    at = times_ns
    if len(lives):
        # The nearest stretch; just outside it the object is held at its end, not drawn on the way to the next.
        inside = np.clip(times_ns, lives[:, :1], lives[:, 1:])
        away = np.abs(inside - times_ns)
        nearest = away.argmin(axis=0)
        columns = np.arange(len(times_ns))
        stretch = np.where(away[nearest, columns] <= HOLD_NS, nearest, -1)
        at = np.where(stretch >= 0, inside[nearest, columns], times_ns)
    after = np.clip(np.searchsorted(known, at), 0, len(known) - 1)
    before = np.maximum(after - 1, 0)
    box = np.where(np.abs(known[before] - at) <= np.abs(known[after] - at), before, after)
    between = (at >= known[0]) & (at <= known[-1]) & (known[after] - known[before] <= round(MAX_GAP_S * 1e9))
    unknown = np.full(len(at), np.nan)
    step, share = steps_at(known, at) if len(known) > 1 else (np.zeros(len(at), int), np.zeros(len(at)))
    return Placed(
        annotated=(stretch >= 0) | between | (np.abs(known[box] - at) <= HOLD_NS),
        stretch=stretch,
        centres=positions_at(known, track.centres, at),
        sizes=track.sizes[box],
        rotations_before=track.rotations[step],
        rotations_after=track.rotations[np.minimum(step + 1, len(known) - 1)],
        rotation_shares=share,
        lidar_points=unknown if track.lidar_points is None else track.lidar_points[box],
        visibility=unknown if track.visibility is None else track.visibility[box],
        image_boxes=_image_boxes(track, box, at),
        found_in_image=np.full(len(at), track.image_boxes is not None),
    )


def _image_boxes(track: Track, box: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(G, 4) boxes in the image of a track's nearest boxes, where these are of the times themselves."""
    if track.image_boxes is None:
        return np.full((len(at), 4), np.nan)
    near = np.abs(track.times_ns[box] - at) <= HOLD_NS
    return np.where(near[:, None], track.image_boxes[box], np.nan)
