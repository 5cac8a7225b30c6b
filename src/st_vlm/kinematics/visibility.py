"""Which objects a person can see in a frame (DEFINITIONS, "Spans and clips")."""

from __future__ import annotations

import numpy as np

LEAST_HEIGHT = 0.044
MOST_TRUNCATION = 0.5
MOST_OCCLUSION = 0.7
LIDAR_POINTS_OVERRULE = 5
_SAMPLES = 20


def occlusion(boxes: np.ndarray, depths: np.ndarray) -> np.ndarray:
    """Share of every box that nearer boxes cover.

    Args:
        boxes: (N, 4) xyxy pixels inside the image.
        depths: (N,) metres along the camera's axis.

    Returns:
        (N,) shares from 0 to 1, counted on a grid of 20 x 20 points in each box.
    """
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    covered = np.zeros(len(boxes))
    for k, (x1, y1, x2, y2) in enumerate(boxes):
        nearer = boxes[depths < depths[k]]
        nearer = nearer[(nearer[:, 0] < x2) & (nearer[:, 2] > x1) & (nearer[:, 1] < y2) & (nearer[:, 3] > y1)]
        if len(nearer) == 0:
            continue
        x, y = x1 + steps * (x2 - x1), y1 + steps * (y2 - y1)
        inside_x = (x >= nearer[:, :1]) & (x <= nearer[:, 2:3])
        inside_y = (y >= nearer[:, 1:2]) & (y <= nearer[:, 3:4])
        covered[k] = (inside_x[:, :, None] & inside_y[:, None, :]).any(axis=0).mean()
    return covered


def visible(
    boxes: np.ndarray,
    truncation: np.ndarray,
    depths: np.ndarray,
    image_height: int,
    lidar_points: np.ndarray | None = None,
    shares: np.ndarray | None = None,
) -> np.ndarray:
    """Whether each object of a frame is visible: tall enough, little cut off, little hidden.

    Args:
        boxes: (N, 4) xyxy pixels, clipped to the image.
        truncation: (N,) share of the projected box that lies outside the image; 1 when all of it does.
        depths: (N,) metres along the camera's axis.
        image_height: Pixels.
        lidar_points: (N,) points inside each object; five of them overrule a box that seems to hide it.
        shares: (N,) visible share of each object where the source knows it exactly, NaN where not; it stands in place
            of what the boxes say, for walls and trees hide objects too.

    Returns:
        (N,) bool.
    """
    seen = (truncation < 1) & (depths > 0)
    result = np.zeros(len(boxes), bool)
    covered = occlusion(boxes[seen], depths[seen])
    if shares is not None:
        covered = np.where(np.isfinite(shares[seen]), 1.0 - shares[seen], covered)
    hidden = covered > MOST_OCCLUSION
    if lidar_points is not None:
        hidden &= lidar_points[seen] < LIDAR_POINTS_OVERRULE
    result[seen] = ~hidden
    tall = boxes[:, 3] - boxes[:, 1] >= LEAST_HEIGHT * image_height
    return result & tall & (truncation <= MOST_TRUNCATION)
