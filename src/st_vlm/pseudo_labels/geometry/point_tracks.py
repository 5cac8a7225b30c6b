"""Points of what stands still, followed from frame to frame through a video, with the depth that is known of them.

Half a second is too far for matching descriptors when a camera drives: the ground ahead looks another way five metres
on. Optical flow through the frames in between (Lucas and Kanade 1981, in pyramids) follows its texture there. Flow is
checked backwards (Kalal et al. 2010): what does not come back to where it started is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError

# Points are followed in images of this width: finer ones cost time and tell little more.
WIDEST_IMAGE = 640
MOST_POINTS = 600
# Between two points, in image widths; and how weak a corner may be against the strongest.
SPACING_SHARE, WEAKEST = 1 / 110, 0.003
WINDOW, LEVELS = 15, 4
# Pixels that a point may miss its start by, followed there and back.
COMES_BACK_PX = 0.7
# Around a moving object so many image widths are left out: masks end a little inside of what moves.
MARGIN_SHARE = 0.012
# A pixel whose neighbours' depths differ by more than this share lies on an edge between two surfaces.
EDGE_SHARE = 0.15


@dataclass(frozen=True, eq=False)
class PointTracks:
    """M sightings of points in the T frames of a clip.

    Attributes:
        frames: (M,) numbers of the clip's frames.
        points: (M,) which point is seen.
        pixels: (M, 2) x, y in pixels of the images.
        depth: (M,) metres along the camera's z axis; NaN where it is not known.
        count: T.
    """

    frames: np.ndarray
    points: np.ndarray
    pixels: np.ndarray
    depth: np.ndarray
    count: int

    def shared(self, a: int, b: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the sightings of the same points in frame `a` and in frame `b`."""
        first, second = np.flatnonzero(self.frames == a), np.flatnonzero(self.frames == b)
        _, i, j = np.intersect1d(self.points[first], self.points[second], assume_unique=True, return_indices=True)
        return first[i], second[j]


def opencv():
    """The module cv2.

    Raises:
        InputError: It is not installed.
    """
    try:
        import cv2
    except ImportError:
        raise InputError(
            'Camera poses from images need OpenCV: pip install "st-vlm[pseudo]", or give poses with the clip.'
        ) from None
    return cv2


def follow_points(
    images: Iterable[np.ndarray],
    stops: Sequence[int],
    depth: np.ndarray,
    moving: np.ndarray | None = None,
    most: int = MOST_POINTS,
) -> PointTracks:
    """Follow points of the still world through a video; they are seen, found and dropped at the clip's own frames.

    Args:
        images: (H, W, 3) uint8 RGB, taken one at a time.
        stops: T increasing numbers of those images that are the clip's frames; the others only lead there.
        depth: (T, h, w) metres along the camera's z axis, inf for the sky, NaN where it is not known.
        moving: (T, h, w) bool of any size, what may move.
        most: How many points a frame has at most.

    Raises:
        InputError: OpenCV is not installed, or the images end before the last of the clip's frames.
    """
    follower = None
    due = dict(zip(stops, range(len(stops)), strict=True))
    for number, image in enumerate(images):
        if follower is None:
            follower = _Follower(image.shape[1::-1], most)
        follower.advance(image)
        if number in due:
            t = due[number]
            follower.stop(t, depth[t], None if moving is None else moving[t])
    if follower is None or follower.stopped < len(stops):
        raise InputError(f"The video ends before the last of the clip's {len(stops)} frames. Cut it again.")
    return follower.result(len(stops))


def depth_at(depth: np.ndarray, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(N,) depth at (N, 2) pixels of an image of width and height `size`; NaN on edges and where it is not known.

    The inverse of depth is interpolated, since it is linear over the image of a plane.
    """
    height, width = depth.shape
    x, y = ((pixels + 0.5) * (np.array([width, height]) / np.array(size)) - 0.5).T
    i = np.clip(np.floor(x).astype(int), 0, max(width - 2, 0))
    j = np.clip(np.floor(y).astype(int), 0, max(height - 2, 0))
    right, below = np.minimum(i + 1, width - 1), np.minimum(j + 1, height - 1)
    corners = np.stack([depth[j, i], depth[j, right], depth[below, i], depth[below, right]]).astype(np.float64)
    p, q = np.clip(x - i, 0, 1), np.clip(y - j, 0, 1)
    weights = np.stack([(1 - p) * (1 - q), p * (1 - q), (1 - p) * q, p * q])
    with np.errstate(invalid="ignore", divide="ignore"):
        good = (np.isfinite(corners) & (corners > 0)).all(axis=0)
        good &= corners.max(axis=0) <= corners.min(axis=0) * (1 + EDGE_SHARE)
        return np.where(good, 1 / (weights / corners).sum(axis=0), np.nan)


class _Follower:
    """Points under way."""

    def __init__(self, size: tuple[int, int], most: int) -> None:
        self.cv2 = opencv()
        self.full, self.most = size, most
        scale = min(1.0, WIDEST_IMAGE / size[0])
        self.size = (max(round(size[0] * scale), 1), max(round(size[1] * scale), 1))
        self.spacing = max(self.size[0] * SPACING_SHARE, 2.0)
        self.grey = None
        self.pixels = np.empty((0, 2), np.float32)
        self.names = np.empty(0, np.int64)
        self.named, self.stopped = 0, 0
        self.seen: list[tuple[np.ndarray, ...]] = []

    def advance(self, image: np.ndarray) -> None:
        """Follow all points into the next image."""
        grey = self.cv2.cvtColor(image, self.cv2.COLOR_RGB2GRAY)
        if grey.shape[::-1] != self.size:
            grey = self.cv2.resize(grey, self.size, interpolation=self.cv2.INTER_AREA)
        before, self.grey = self.grey, grey
        if before is None or not len(self.pixels):
            return
        options = {"winSize": (WINDOW, WINDOW), "maxLevel": LEVELS}
        there, found, _ = self.cv2.calcOpticalFlowPyrLK(before, grey, self.pixels, None, **options)
        back, returned, _ = self.cv2.calcOpticalFlowPyrLK(grey, before, there, None, **options)
        kept = (found[:, 0] > 0) & (returned[:, 0] > 0)
        kept &= np.linalg.norm(back - self.pixels, axis=1) < COMES_BACK_PX
        kept &= ((there >= 0) & (there <= np.array(self.size, np.float32) - 1)).all(axis=1)
        self.pixels, self.names = there[kept], self.names[kept]

    def stop(self, frame: int, depth: np.ndarray, moving: np.ndarray | None) -> None:
        """Note where points are in a frame of the clip, drop those on what moves, and find new ones."""
        allowed = _allowed(self.cv2, self.size, depth, moving)
        column, row = np.round(self.pixels).astype(int).T
        kept = allowed[row, column] > 0
        self.pixels, self.names = self.pixels[kept], self.names[kept]
        for x, y in np.round(self.pixels).astype(int).tolist():
            self.cv2.circle(allowed, (x, y), round(self.spacing), 0, -1)
        room = self.most - len(self.pixels)
        if room > 0:
            new = self.cv2.goodFeaturesToTrack(self.grey, room, WEAKEST, self.spacing, mask=allowed, blockSize=5)
            if new is not None:
                self.pixels = np.concatenate([self.pixels, new.reshape(-1, 2).astype(np.float32)])
                self.names = np.concatenate([self.names, self.named + np.arange(len(new))])
                self.named += len(new)
        # A pixel's middle has whole coordinates at every size.
        pixels = (self.pixels + 0.5) * (np.array(self.full) / np.array(self.size)) - 0.5
        here = np.full(len(pixels), frame)
        self.seen.append((here, self.names, pixels, depth_at(depth, pixels, self.full)))
        self.stopped += 1

    def result(self, count: int) -> PointTracks:
        """All sightings of points that were seen more than once."""
        frames, points, pixels, depth = (np.concatenate(part) for part in zip(*self.seen, strict=True))
        often = np.bincount(points, minlength=self.named)[points] > 1
        _, names = np.unique(points[often], return_inverse=True)
        return PointTracks(frames[often], names, pixels[often], depth[often], count)


def _allowed(cv2, size: tuple[int, int], depth: np.ndarray, moving: np.ndarray | None) -> np.ndarray:
    """(H, W) uint8, 255 where points may lie: neither in the sky, whose clouds move, nor on what moves."""
    left_out = np.zeros(size[::-1], np.uint8)
    for mask in (moving, np.isposinf(depth)):
        if mask is not None and mask.any():
            left_out |= cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    margin = 2 * max(round(MARGIN_SHARE * size[0]), 1) + 1
    left_out = cv2.dilate(left_out, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin)))
    return np.where(left_out > 0, 0, 255).astype(np.uint8)
