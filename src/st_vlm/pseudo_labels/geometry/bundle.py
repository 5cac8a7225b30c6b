"""Camera poses, points and the scales of depth maps, all at once, from where frames see the points and how far away.

Bundle adjustment (Triggs et al. 2000) with depth: a sighting of a point gives two pixels, and where depth is known its
logarithm. What frames see from several places fixes the shape of the way; depth alone fixes its length. Each frame's
depth map has a scale of its own, which its neighbours betray. Gauss-Newton with the points eliminated (Schur
complement), weights that fade with the residual (Cauchy).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import bsr_matrix, csr_matrix
from scipy.spatial.transform import Rotation

from st_vlm.pseudo_labels.geometry.point_tracks import PointTracks
from st_vlm.pseudo_labels.geometry.relative_poses import FARTHEST_M, places_in_camera

ITERATIONS, SETTLED = 12, 1e-4
# In image widths, and of the logarithm of depth: about what good sightings are wrong by. Errors of a depth map are
# smooth, so that its many points tell no more than a few: hence more than the error of one.
PIXEL_SHARE, DEPTH_NOISE = 1e-3, 0.15
# Of a frame's depth scale against the clip's.
SCALE_NOISE = 0.05
NEAREST_M = 0.3
DAMPING = 1e-6


@dataclass(frozen=True, eq=False)
class Bundle:
    """What is sought.

    Attributes:
        camera_from_world: (G, 4, 4) poses; frames in which the camera stands share one.
        log_scales: (T,) logarithm of how much too large each frame's depth is.
        places: (P, 3) points in the world, metres.
        errors_px: (M,) distance of each sighting from where its point is seen.
    """

    camera_from_world: np.ndarray
    log_scales: np.ndarray
    places: np.ndarray
    errors_px: np.ndarray


def adjust(
    tracks: PointTracks,
    camera_from_world: np.ndarray,
    pose_of: np.ndarray,
    intrinsics: np.ndarray,
    width: int,
    turns_only: bool = False,
) -> Bundle:
    """Refine poses.

    Args:
        tracks: What is seen.
        camera_from_world: (G, 4, 4) first guesses; the first stays.
        pose_of: (T,) which pose a frame has.
        intrinsics: (3, 3) pinhole matrix.
        width: Of the image in pixels.
        turns_only: Whether the camera turns in one place.
    """
    problem = _Problem(tracks, pose_of, intrinsics, width, turns_only)
    places = problem.first_places(camera_from_world)
    state = Bundle(camera_from_world.copy(), np.zeros(tracks.count), places, np.empty(0))
    cost, residuals = problem.cost(state)
    damping = DAMPING
    for _ in range(ITERATIONS):
        proposal = problem.step(state, damping)
        new_cost, new_residuals = problem.cost(proposal)
        if new_cost < cost:
            settled = cost - new_cost < SETTLED * cost
            state, cost, residuals, damping = proposal, new_cost, new_residuals, max(damping / 10, DAMPING)
            if settled:
                break
        else:
            damping *= 100
    return replace(state, errors_px=np.linalg.norm(residuals[:, :2], axis=1) * PIXEL_SHARE * width)


class _Problem:
    """Residuals in units of their noise, and their derivatives."""

    def __init__(self, tracks: PointTracks, pose_of, intrinsics, width: int, turns_only: bool) -> None:
        self.tracks, self.turns_only = tracks, turns_only
        self.poses = pose_of[tracks.frames]
        self.focal, self.centre = np.diag(intrinsics)[:2], intrinsics[:2, 2]
        self.intrinsics, self.noise_px = intrinsics, PIXEL_SHARE * width
        self.known = np.isfinite(tracks.depth) & (tracks.depth < FARTHEST_M)
        self.log_depth = np.log(np.where(self.known, tracks.depth, 1.0))
        self.count = int(pose_of.max()) + 1
        names, self.point = np.unique(tracks.points, return_inverse=True)
        self.points = len(names)

    def first_places(self, camera_from_world: np.ndarray) -> np.ndarray:
        """(P, 3) where a point's sightings put it on the average; those without depth lie far ahead."""
        depth = np.where(self.known, self.tracks.depth, FARTHEST_M)
        local = places_in_camera(self.tracks.pixels, depth, self.intrinsics)
        turns, shifts = camera_from_world[self.poses, :3, :3], camera_from_world[self.poses, :3, 3]
        world = ((local - shifts)[:, None] @ turns)[:, 0]
        weights = np.where(self.known, 1.0, 1e-6)
        total = np.bincount(self.point, weights, self.points)
        sums = [np.bincount(self.point, weights * world[:, k], self.points) for k in range(3)]
        return np.stack(sums, axis=-1) / total[:, None]

    def local(self, state: Bundle) -> np.ndarray:
        turns, shifts = state.camera_from_world[self.poses, :3, :3], state.camera_from_world[self.poses, :3, 3]
        return (turns @ state.places[self.point][..., None])[..., 0] + shifts

    def residuals(self, state: Bundle, local: np.ndarray) -> np.ndarray:
        """(M, 3) pixels and the logarithm of depth, in units of their noise."""
        z = np.maximum(local[:, 2], NEAREST_M)
        pixels = (local[:, :2] / z[:, None] * self.focal + self.centre - self.tracks.pixels) / self.noise_px
        scales = state.log_scales[self.tracks.frames]
        depth = np.where(self.known, (np.log(z) + scales - self.log_depth) / DEPTH_NOISE, 0.0)
        return np.concatenate([pixels, depth[:, None]], axis=1)

    def cost(self, state: Bundle) -> tuple[float, np.ndarray]:
        residuals = self.residuals(state, self.local(state))
        parts = np.log1p((residuals[:, :2] ** 2).sum(axis=1)).sum() + np.log1p(residuals[:, 2] ** 2).sum()
        return float(parts + ((state.log_scales / SCALE_NOISE) ** 2).sum()), residuals

    def step(self, state: Bundle, damping: float) -> Bundle:
        """The state after one step of Gauss-Newton."""
        local = self.local(state)
        residuals = self.residuals(state, local)
        in_front = local[:, 2] > NEAREST_M
        weights = np.empty_like(residuals)
        weights[:, :2] = (in_front / (1 + (residuals[:, :2] ** 2).sum(axis=1)))[:, None]
        weights[:, 2] = in_front / (1 + residuals[:, 2] ** 2)
        by_camera, by_place = self._derivatives(state, local)
        rooted = np.sqrt(weights)
        residuals, by_camera, by_place = (
            residuals * rooted,
            by_camera * rooted[..., None],
            by_place * rooted[..., None],
        )
        return self._moved(state, *self._solve(state, residuals, by_camera, by_place, damping))

    def _derivatives(self, state: Bundle, local: np.ndarray):
        """(M, 3, 7) by the camera's turn, shift and depth scale, (M, 3, 3) by the point's place."""
        x, y, z = local[:, 0], local[:, 1], np.maximum(local[:, 2], NEAREST_M)
        by_local = np.zeros((len(local), 3, 3))
        by_local[:, 0, 0], by_local[:, 0, 2] = self.focal[0] / z, -self.focal[0] * x / z**2
        by_local[:, 1, 1], by_local[:, 1, 2] = self.focal[1] / z, -self.focal[1] * y / z**2
        by_local[:, :2] /= self.noise_px
        by_local[:, 2, 2] = self.known / z / DEPTH_NOISE
        cross = np.zeros((len(local), 3, 3))
        cross[:, 0, 1], cross[:, 0, 2], cross[:, 1, 2] = local[:, 2], -local[:, 1], local[:, 0]
        cross -= cross.swapaxes(1, 2)
        by_camera = np.zeros((len(local), 3, 7))
        by_camera[:, :, :3] = by_local @ cross
        if not self.turns_only:
            by_camera[:, :, 3:6] = by_local
        # The first pose is where the world is.
        by_camera[self.poses == 0, :, :6] = 0
        by_camera[:, 2, 6] = self.known / DEPTH_NOISE
        return by_camera, by_local @ state.camera_from_world[self.poses, :3, :3]

    def _solve(self, state: Bundle, residuals, by_camera, by_place, damping: float):
        """Changes of the cameras' unknowns and of the points."""
        cameras, unknowns = 6 * self.count, 6 * self.count + self.tracks.count
        columns = np.concatenate(
            [6 * self.poses[:, None] + np.arange(6), cameras + self.tracks.frames[:, None]], axis=1
        )
        by_camera = _sparse(by_camera, columns, unknowns)
        by_place = _sparse(by_place, 3 * self.point[:, None] + np.arange(3), 3 * self.points)
        residuals = residuals.ravel()
        hessian = (by_camera.T @ by_camera).toarray()
        gradient = by_camera.T @ residuals
        scales = np.arange(cameras, unknowns)
        hessian[scales, scales] += SCALE_NOISE**-2
        gradient[scales] += state.log_scales / SCALE_NOISE**2
        diagonal = np.arange(unknowns)
        hessian[diagonal, diagonal] += damping * hessian[diagonal, diagonal] + 1e-6

        own = (by_place.T @ by_place).tobsr((3, 3))
        own.sort_indices()
        inverse = own.data.copy()
        # Points that a single direction fixes stay where they are along it.
        inverse[:, range(3), range(3)] += damping * inverse[:, range(3), range(3)] + 1e-4
        inverse = bsr_matrix((np.linalg.inv(inverse), own.indices, own.indptr), own.shape)
        pull = by_place.T @ residuals
        both = by_place.T @ by_camera
        dense = both.toarray()
        reduced = hessian - dense.T @ (inverse @ dense)
        change = -cho_solve(cho_factor(reduced, check_finite=False), gradient - both.T @ (inverse @ pull))
        return change, -(inverse @ (pull + both @ change)).reshape(-1, 3)

    def _moved(self, state: Bundle, change: np.ndarray, moved: np.ndarray) -> Bundle:
        cameras = 6 * self.count
        turns, shifts = np.split(change[:cameras].reshape(-1, 6), 2, axis=1)
        poses = state.camera_from_world.copy()
        turned = Rotation.from_rotvec(turns).as_matrix()
        poses[:, :3, :3] = turned @ poses[:, :3, :3]
        poses[:, :3, 3] = (turned @ poses[:, :3, 3:])[..., 0] + shifts
        return replace(
            state, camera_from_world=poses, log_scales=state.log_scales + change[cameras:], places=state.places + moved
        )


def _sparse(values: np.ndarray, columns: np.ndarray, width: int) -> csr_matrix:
    """(3 M, width) matrix of (M, 3, K) values, whose columns are (M, K)."""
    count, _, each = values.shape
    starts = np.arange(0, 3 * count * each + 1, each)
    return csr_matrix((values.ravel(), np.repeat(columns, 3, axis=0).ravel(), starts), (3 * count, width))
