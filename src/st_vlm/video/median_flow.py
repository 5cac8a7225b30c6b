"""Median flow: a box moved and scaled as most of its points are, and the motion of the picture around it.

Kalal, Mikolajczyk and Matas ("Forward-Backward Error: Automatic Detection of Tracking Failures", 2010): points are
followed by pyramidal Lucas-Kanade, those that do not come back when followed in reverse are dropped, and medians over
the others are the box's motion. Boxes are (x1, y1, x2, y2) in pixels, float64; frames (h, w, 3) uint8 RGB.
"""

from __future__ import annotations

import numpy as np

try:
    import cv2
except ImportError:  # `box_tracker.BoxTracker` says what to install
    cv2 = None

LEAST_POINTS = 8
# A point that comes back farther from where it started is not trusted, in pixels.
RETURN_PX = 1.0
# The most that a box changes its sides in one frame.
LEAST_RATIO, MOST_RATIO = 0.85, 1.18
_LUCAS_KANADE = {"winSize": (15, 15), "maxLevel": 3, "flags": 4}  # 4: cv2.OPTFLOW_USE_INITIAL_FLOW


def camera_motion(before: np.ndarray, after: np.ndarray, box: np.ndarray) -> np.ndarray:
    """(2, 3) affine motion of the picture around the object from one frame to the next."""
    still = np.eye(2, 3)
    mask = np.full(before.shape[:2], 255, np.uint8)
    x1, y1, x2, y2 = np.round(box).astype(int)
    mask[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] = 0
    grey = cv2.cvtColor(before, cv2.COLOR_RGB2GRAY)
    points = cv2.goodFeaturesToTrack(grey, 150, 0.01, 12, mask=mask)
    if points is None or len(points) < LEAST_POINTS:
        return still
    found, good = _forward_backward(before, after, points.reshape(-1, 2), points.reshape(-1, 2))
    if good.sum() < LEAST_POINTS:
        return still
    matrix, inliers = cv2.estimateAffinePartial2D(points.reshape(-1, 2)[good], found[good], ransacReprojThreshold=2.0)
    if matrix is None or inliers.sum() < LEAST_POINTS:
        return still
    return matrix


def carry(box: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The box where something that stands still would be after a motion of `camera_motion`."""
    scale = np.sqrt(max(1e-6, np.linalg.det(motion[:, :2])))
    half = np.clip(scale, LEAST_RATIO, MOST_RATIO) * (box[2:] - box[:2]) / 2
    centre = motion[:, :2] @ centre_of(box) + motion[:, 2]
    return np.concatenate((centre - half, centre + half))


def _forward_backward(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, guess: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(N, 2) places of points on the next frame, found from a guess, and (N,) which of them come back when followed
    in reverse."""
    points, guess = np.float32(points), np.float32(guess)
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, points, guess.copy(), **_LUCAS_KANADE)
    back, returned, _ = cv2.calcOpticalFlowPyrLK(after, before, there, points.copy(), **_LUCAS_KANADE)
    near = np.linalg.norm(back - points, axis=1) < RETURN_PX
    return there, (found.ravel() == 1) & (returned.ravel() == 1) & near


def median_flow(before: np.ndarray, after: np.ndarray, box: np.ndarray, guess: np.ndarray) -> np.ndarray | None:
    """The box moved and scaled as most of its points are; None where too few can be followed."""
    sides = box[2:] - box[:2]
    limits = np.array([before.shape[1], before.shape[0]])
    low, high = np.clip(box[:2] + 0.05 * sides, 0, limits - 1), np.clip(box[2:] - 0.05 * sides, 0, limits - 1)
    steps = np.linspace(0, 1, 10)
    grid = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2) * (high - low) + low
    points = [grid]
    first, last = np.round(low).astype(int), np.round(high).astype(int) + 1
    part = cv2.cvtColor(before[first[1] : last[1], first[0] : last[0]], cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(part, 60, 0.02, 2) if min(part.shape) > 4 else None
    if corners is not None:
        points.append(corners.reshape(-1, 2) + first)
    points = np.concatenate(points)
    where = (points - box[:2]) / sides
    found, good = _forward_backward(before, after, points, where * (guess[2:] - guess[:2]) + guess[:2])
    if good.sum() < LEAST_POINTS:
        return None
    points, found = points[good], found[good].astype(np.float64)
    ratio = [_slope(points[:, k], found[:, k], 0.2 * sides[k]) for k in range(2)]
    # Both sides mostly change alike; a turning object changes one more than the other.
    both = np.sqrt(ratio[0] * ratio[1])
    ratio = np.clip([np.sqrt(both * r) for r in ratio], LEAST_RATIO, MOST_RATIO)
    centre = centre_of(box)
    shift = np.median(found - (centre + ratio * (points - centre)), axis=0)
    half = ratio * sides / 2
    return np.concatenate((centre + shift - half, centre + shift + half))


def _slope(before: np.ndarray, after: np.ndarray, least: float) -> float:
    """Median of how much farther apart two points are afterwards, over pairs at least so far apart."""
    first, second = np.triu_indices(len(before), 1)
    apart = before[first] - before[second]
    far = np.abs(apart) > max(least, 1.0)
    if far.sum() < LEAST_POINTS:
        return 1.0
    return float(max(0.1, np.median((after[first] - after[second])[far] / apart[far])))


def centre_of(box: np.ndarray) -> np.ndarray:
    """(2,) x and y."""
    return (box[:2] + box[2:]) / 2
