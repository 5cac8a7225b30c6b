"""How the camera moved between two frames, from points of the first with depth and where the second sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.poses import invert, pose
from st_vlm.pseudo_labels.geometry.point_tracks import PointTracks, opencv

# In image widths: how far a pixel of a good match may be from where the pose puts it.
INLIER_SHARE = 2.5e-3
FEWEST_INLIERS = 12
# Of the points that both frames see and whose depth is known.
LEAST_INLIER_SHARE = 0.15
RANSAC_ROUNDS = 1000
# What is farther tells of the rotation alone, and its depth is guessed worse.
FARTHEST_M = 150.0


@dataclass(frozen=True, eq=False)
class RelativePose:
    """Two frames that see the same points.

    Attributes:
        a, b: Numbers of the frames.
        b_from_a: (4, 4) coordinates in camera `b` from those in camera `a`, metres.
        inliers: How many points agree.
        share: Of the points that could have agreed.
        error_px: Median distance of the inliers' pixels from where the pose puts them.
    """

    a: int
    b: int
    b_from_a: np.ndarray
    inliers: int
    share: float
    error_px: float


def relative_pose(
    tracks: PointTracks, a: int, b: int, intrinsics: np.ndarray, width: int, seed: int = 0
) -> RelativePose | None:
    """The pose between two frames of a clip; None where they do not tell.

    Points of one frame, placed by their depth, must be seen by the other where it sees them: PnP within RANSAC
    (Fischler and Bolles 1981), refined by Levenberg-Marquardt on the inliers. Whichever frame has more known depth
    gives the points.

    Args:
        tracks: What both frames see.
        a, b: The frames' numbers.
        intrinsics: (3, 3) pinhole matrix.
        width: Of the image in pixels.
        seed: Of the random choices.
    """
    sightings = tracks.shared(a, b)
    known = [np.isfinite(tracks.depth[rows]) & (tracks.depth[rows] < FARTHEST_M) for rows in sightings]
    backwards = known[1].sum() > known[0].sum()
    source, target = sightings[::-1] if backwards else sightings
    usable = known[1] if backwards else known[0]
    if usable.sum() < FEWEST_INLIERS:
        return None
    points = places_in_camera(tracks.pixels[source[usable]], tracks.depth[source[usable]], intrinsics)
    found = _solve(points, tracks.pixels[target[usable]], intrinsics, INLIER_SHARE * width, seed)
    if found is None:
        return None
    transform, inliers, error = found
    return RelativePose(a, b, invert(transform) if backwards else transform, inliers, inliers / usable.sum(), error)


def places_in_camera(pixels: np.ndarray, depth: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """(N, 3) places in the camera's axes of (N, 2) pixels with (N,) depth."""
    rays = (pixels - intrinsics[:2, 2]) / np.diag(intrinsics)[:2]
    return np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * depth[:, None]


def _solve(points: np.ndarray, pixels: np.ndarray, intrinsics: np.ndarray, gate: float, seed: int):
    """The (4, 4) pose, how many points agree, and their median error in pixels; None where too few do."""
    cv2 = opencv()
    cv2.setRNGSeed(seed)
    lens = intrinsics.astype(np.float64)
    try:
        good, turn, shift, inliers = cv2.solvePnPRansac(
            points, pixels, lens, None, iterationsCount=RANSAC_ROUNDS, reprojectionError=gate, confidence=0.999,
            flags=cv2.SOLVEPNP_AP3P,
        )  # fmt: skip
    except cv2.error:
        # Degenerate points, such as all in one place.
        return None
    needed = max(FEWEST_INLIERS, LEAST_INLIER_SHARE * len(points))
    if not good or inliers is None or len(inliers) < needed:
        return None
    inliers = inliers[:, 0]
    for _ in range(2):
        turn, shift = cv2.solvePnPRefineLM(points[inliers], pixels[inliers], lens, None, turn, shift)
        seen = cv2.projectPoints(points, turn, shift, lens, None)[0].reshape(-1, 2)
        away = np.linalg.norm(seen - pixels, axis=1)
        inliers = np.flatnonzero(away < gate)
        if len(inliers) < needed:
            return None
    return pose(cv2.Rodrigues(turn)[0], shift[:, 0]), len(inliers), float(np.median(away[inliers]))
