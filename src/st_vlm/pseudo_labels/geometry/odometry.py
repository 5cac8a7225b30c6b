"""Where the camera was in each frame of a clip, from its images and their depth: RGB-D odometry.

Points of the still world are followed through the video (`point_tracks`), frames that share points are joined by PnP
within RANSAC (`relative_poses`), the surest joints make a tree that gives each frame a first pose, and all frames,
points and depth scales are then adjusted together (`bundle`). Frames in which nothing moves share one pose, so that
noise cannot make a standing camera drift.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial.transform import Rotation

from st_vlm.kinematics.poses import invert
from st_vlm.pseudo_labels.geometry.bundle import Bundle, adjust
from st_vlm.pseudo_labels.geometry.point_tracks import PointTracks, follow_points
from st_vlm.pseudo_labels.geometry.relative_poses import (
    FEWEST_INLIERS,
    INLIER_SHARE,
    RelativePose,
    relative_pose,
)

FRAME_STEPS = (1, 2, 4)
# A camera stands while this share of the points stays within so many image widths of where they were first seen.
STANDING_SHARE, STANDING_POINTS = 1.2e-3, 0.8
# A camera that turns in one place: letting it move may explain the points better by at most this factor.
TURNING_GAIN = 0.85
# A camera that moved farther than this share of the points' median depth does not turn in one place.
TURNING_REACH = 0.1


@dataclass(frozen=True, eq=False)
class Odometry:
    """The camera's way, and how it was found.

    Attributes:
        poses: (T, 4, 4) world from camera, metres; the world's axes are the first camera's.
        depth_scales: (T,) how many times too large each frame's depth is against the clip's; 1 where nothing tells.
        standing: (T,) bool, whether the camera stands as in the frame before (the first: as in the next).
        turns_only: Whether the camera only turns, in one place.
        bridged: Numbers of frames that share too few points with those before: their motion is that of their
            neighbours.
        points: How many points were followed.
        error_px: Median distance of sightings from where their points are seen.
    """

    poses: np.ndarray
    depth_scales: np.ndarray
    standing: np.ndarray
    turns_only: bool
    bridged: tuple[int, ...]
    points: int
    error_px: float


def camera_poses(
    images: Iterable[np.ndarray],
    stops: Sequence[int],
    depth: np.ndarray,
    intrinsics: np.ndarray,
    moving: np.ndarray | None,
    times_s: np.ndarray,
    seed: int = 0,
) -> Odometry:
    """The camera's poses in T frames.

    Args:
        images: (H, W, 3) uint8 RGB of one size, taken one at a time. Images between the clip's frames, about a tenth
            of a second apart, let points be followed where the camera is fast.
        stops: T increasing numbers of those images that are the clip's frames.
        depth: (T, h, w) metres along the camera's z axis, inf for the sky, NaN where it is not known.
        intrinsics: (3, 3) pinhole matrix in pixels of the images.
        moving: (T, h, w) bool of any size: what may move; None: nothing.
        times_s: (T,) seconds, strictly increasing.
        seed: Of the random choices.

    Raises:
        InputError: OpenCV is not installed, or the images end too early.
    """
    widths = []
    tracks = follow_points(_noting_width(images, widths), stops, depth, moving)
    return poses_from_tracks(tracks, intrinsics, widths[0], times_s, seed)


def poses_from_tracks(
    tracks: PointTracks, intrinsics: np.ndarray, width: int, times_s: np.ndarray, seed: int = 0
) -> Odometry:
    """The camera's poses from points that have been followed.

    Args:
        tracks: Of T frames.
        intrinsics: (3, 3) pinhole matrix.
        width: Of the image in pixels.
        times_s: (T,) seconds, strictly increasing.
        seed: Of the random choices.
    """
    count = tracks.count
    pose_of = standing_groups(tracks, width)
    first = np.unique(pose_of, return_index=True)[1]
    guess = _first_poses(_joints(tracks, first, intrinsics, width, seed), times_s[first])
    bundle, turns_only = Bundle(guess, np.zeros(count), np.empty((0, 3)), np.empty(0)), False
    if len(tracks.frames):
        bundle = adjust(tracks, guess, pose_of, intrinsics, width)
        if len(guess) > 1 and _near_one_place(bundle, tracks):
            here = guess.copy()
            here[:, :3, 3] = 0
            turned = adjust(tracks, here, pose_of, intrinsics, width, turns_only=True)
            turns_only = np.median(turned.errors_px) * TURNING_GAIN <= np.median(bundle.errors_px)
            bundle = turned if turns_only else bundle
    standing = np.diff(pose_of, prepend=pose_of[:1]) == 0
    standing[0] = count > 1 and standing[1]
    return Odometry(
        poses=invert(bundle.camera_from_world)[pose_of],
        depth_scales=np.exp(bundle.log_scales),
        standing=standing,
        turns_only=bool(turns_only),
        bridged=tuple(first[_unsupported(tracks, pose_of, bundle.errors_px, INLIER_SHARE * width)].tolist()),
        points=len(np.unique(tracks.points)),
        error_px=float(np.median(bundle.errors_px)) if len(bundle.errors_px) else float("nan"),
    )


def standing_groups(tracks: PointTracks, width: int) -> np.ndarray:
    """(T,) number of the pose that each frame has: it grows by one where the camera has moved.

    A frame is compared with the first of its group and not with the one before, so that a slow motion adds up.
    """
    result = np.zeros(tracks.count, np.int64)
    anchor = 0
    for t in range(1, tracks.count):
        before, now = tracks.shared(anchor, t)
        moved = np.linalg.norm(tracks.pixels[now] - tracks.pixels[before], axis=1)
        still = len(moved) >= FEWEST_INLIERS and np.mean(moved < STANDING_SHARE * width) >= STANDING_POINTS
        if not still:
            anchor = t
        result[t] = result[t - 1] + (not still)
    return result


def _near_one_place(bundle: Bundle, tracks: PointTracks) -> bool:
    known = tracks.depth[np.isfinite(tracks.depth)]
    reach = np.linalg.norm(invert(bundle.camera_from_world)[:, :3, 3], axis=1).max()
    return not len(known) or reach < TURNING_REACH * np.median(known)


def _noting_width(images: Iterable[np.ndarray], widths: list[int]) -> Iterable[np.ndarray]:
    for image in images:
        widths.append(image.shape[1])
        yield image


def _joints(tracks: PointTracks, frames: np.ndarray, intrinsics, width: int, seed: int) -> list[RelativePose]:
    """Relative poses of frames one, two and four poses apart, numbered by pose."""
    found = []
    for step in FRAME_STEPS:
        for k in range(len(frames) - step):
            joint = relative_pose(tracks, frames[k], frames[k + step], intrinsics, width, seed)
            if joint is not None:
                found.append(RelativePose(k, k + step, joint.b_from_a, joint.inliers, joint.share, joint.error_px))
    return found


def _first_poses(joints: list[RelativePose], times_s: np.ndarray) -> np.ndarray:
    """(G, 4, 4) camera from world along the tree of the surest joints."""
    count = len(times_s)
    # Many points that agree within a fraction of a pixel, over few frames.
    weights = [(joint.error_px + 0.3) * (joint.b - joint.a) / (joint.inliers * joint.share) for joint in joints]
    ends = np.array([(joint.a, joint.b) for joint in joints], np.int64).reshape(-1, 2)
    graph = csr_matrix((weights, (ends[:, 0], ends[:, 1])), (count, count))
    tree = minimum_spanning_tree(graph)
    parts = connected_components(tree, directed=False)[1]
    transforms = {(joint.a, joint.b): joint.b_from_a for joint in joints}
    local = np.tile(np.eye(4), (count, 1, 1))
    for part in np.unique(parts):
        order, before = breadth_first_order(tree, int(np.flatnonzero(parts == part)[0]), directed=False)
        for k in order[1:]:
            p = int(before[k])
            step = transforms[p, k] if (p, k) in transforms else invert(transforms[k, p])
            local[k] = step @ local[p]
    return _bridge(invert(local), parts, times_s)


def _bridge(poses: np.ndarray, parts: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """Parts of the way one after another: where nothing joins them, the camera goes on as it went before.

    Parts may interleave; a pose belongs where its part's first pose is put.
    """
    placed = {int(parts[0]): np.eye(4)}
    result = poses.copy()
    for k in range(len(poses)):
        part = int(parts[k])
        if part not in placed:
            placed[part] = _going_on(result[:k], times_s[: k + 1]) @ invert(poses[k])
        result[k] = placed[part] @ poses[k]
    return invert(result)


def _unsupported(tracks: PointTracks, pose_of: np.ndarray, errors_px: np.ndarray, gate: float) -> np.ndarray:
    """(K,) numbers of the poses that too few points of known depth tie to an earlier one."""
    good = errors_px < gate if len(errors_px) else np.zeros(len(tracks.frames), bool)
    good &= np.isin(tracks.points, tracks.points[good & np.isfinite(tracks.depth)])
    points, poses = tracks.points[good], pose_of[tracks.frames[good]]
    earliest = np.full(int(points.max()) + 1 if len(points) else 0, len(pose_of))
    np.minimum.at(earliest, points, poses)
    ties = np.bincount(poses[earliest[points] < poses], minlength=int(pose_of.max()) + 1)
    return 1 + np.flatnonzero(ties[1:] < FEWEST_INLIERS)


def _going_on(poses: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    """The (4, 4) pose after K others at K + 1 times, at the velocity of the last two."""
    if len(poses) < 2:
        return poses[-1]
    step = invert(poses[-2]) @ poses[-1]
    share = (times_s[-1] - times_s[-2]) / (times_s[-2] - times_s[-3])
    scaled = np.eye(4)
    scaled[:3, :3] = Rotation.from_rotvec(share * Rotation.from_matrix(step[:3, :3]).as_rotvec()).as_matrix()
    scaled[:3, 3] = share * step[:3, 3]
    return poses[-1] @ scaled
