"""Which objects a person can see in a frame, and why not the others (DEFINITIONS, "Spans and clips")."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

LEAST_HEIGHT = 0.044
MOST_TRUNCATION = 0.5
MOST_OCCLUSION = 0.7
LIDAR_POINTS_OVERRULE = 5
_SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Sight:
    """What the rules say of the N objects of a frame.

    Attributes:
        inside: (N,) bool: some of the box is in front of the camera and in the image.
        small, truncated, occluded: (N,) bool: inside, and breaks the rule; one object may break several.
    """

    inside: np.ndarray
    small: np.ndarray
    truncated: np.ndarray
    occluded: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """(N,) bool: inside, and breaks no rule."""
        return self.inside & ~(self.small | self.truncated | self.occluded)


def occlusion(boxes: np.ndarray, depths: np.ndarray, wanted: np.ndarray | None = None) -> np.ndarray:
    """Share of every box that nearer boxes cover.

    Args:
        boxes: (N, 4) xyxy pixels inside the image.
        depths: (N,) metres along the camera's axis.
        wanted: (N,) bool: whose share is needed; all by default.

    Returns:
        (N,) shares from 0 to 1, counted on a grid of 20 x 20 points in each box; 0 for those not wanted.
    """
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    low, high = boxes[:, :2], boxes[:, 2:]
    meets = (low[:, None] < high[None]).all(axis=-1)
    hides = meets & meets.T & (depths[None] < depths[:, None])
    covered = np.zeros(len(boxes))
    hidden = hides.any(axis=1) if wanted is None else hides.any(axis=1) & wanted
    for k in np.flatnonzero(hidden):
        nearer = boxes[hides[k]]
        # What covers the whole box needs no counting, and is common in a crowded street.
        if ((nearer[:, :2] <= low[k]) & (nearer[:, 2:] >= high[k])).all(axis=1).any():
            covered[k] = 1.0
            continue
        x, y = (low[k, d] + steps * (high[k, d] - low[k, d]) for d in (0, 1))
        inside_x = (x >= nearer[:, :1]) & (x <= nearer[:, 2:3])
        inside_y = (y >= nearer[:, 1:2]) & (y <= nearer[:, 3:4])
        # The sum over the nearer boxes of points in both, as one product of matrices.
        covered[k] = (inside_x.T.astype(np.float32) @ inside_y.astype(np.float32) > 0).mean()
    return covered


def judge(
    boxes: np.ndarray,
    truncation: np.ndarray,
    depths: np.ndarray,
    image_height: int,
    lidar_points: np.ndarray | None = None,
    shares: np.ndarray | None = None,
    frames: np.ndarray | None = None,
) -> Sight:
    """Hold each object of a frame, or of several, against the rules: tall enough, little cut off, little hidden.

    Args:
        boxes: (N, 4) xyxy pixels, clipped to the image.
        truncation: (N,) share of the projected box that lies outside the image; 1 when all of it does, or all of the
            object is behind the camera.
        depths: (N,) metres of the centres along the camera's axis. One that is not positive is not inside, but may
            hide others: of a long bus beside the camera, the part ahead.
        image_height: Pixels.
        lidar_points: (N,) points inside each object, NaN or negative where unknown; five of them overrule a box that
            seems to hide it.
        shares: (N,) visible share of each object where the source knows it exactly, NaN where not; it stands in place
            of what the boxes say, for walls and trees hide objects too.
        frames: (N,) number of the frame that each object is seen in, ascending; one frame by default. Objects hide
            others of their own frame.
    """
    in_image = truncation < 1
    inside = in_image & (depths > 0)
    covered = np.zeros(len(boxes))
    unknown = in_image
    if shares is not None:
        known = np.isfinite(shares)
        covered, unknown = np.where(known, 1.0 - shares, covered), in_image & ~known
    ends = (
        np.array([0, len(boxes)]) if frames is None else np.searchsorted(frames, np.arange(frames.max(initial=-1) + 2))
    )
    for own in (slice(first, end) for first, end in pairwise(ends) if unknown[first:end].any()):
        there, wanted = in_image[own], unknown[own]
        shares_hidden = occlusion(boxes[own][there], depths[own][there], wanted[there])
        covered[own][wanted] = shares_hidden[wanted[there]]
    occluded = covered > MOST_OCCLUSION
    if lidar_points is not None:
        occluded &= ~(lidar_points >= LIDAR_POINTS_OVERRULE)
    tall = boxes[:, 3] - boxes[:, 1] >= LEAST_HEIGHT * image_height
    return Sight(inside, inside & ~tall, inside & (truncation > MOST_TRUNCATION), inside & occluded)
