"""Measured places of objects: where each view puts an object's centre on the ground plane, and how surely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ive

from st_vlm.kinematics.smoothing import SmoothTracks, smooth
from st_vlm.pseudo_labels.lifting.cuboid_views import HEADINGS, ImageGeometry, average_offsets, centre_offsets
from st_vlm.pseudo_labels.lifting.object_views import ObjectViews
from st_vlm.pseudo_labels.lifting.size_priors import SizePrior
from st_vlm.pseudo_labels.lifting.static_background import DepthCorrection

# How far a mask's middle is off, in pixels and as a share of the object's width.
PIXEL_SIGMA, WIDTH_SHARE = 0.5, 0.05
# How far one measurement of an object's height in the image is off, relative.
HEIGHT_SIGMA = 0.1
# How far a real thing's visible middle is from a cuboid's, as a share of its mean side: anew in each view; and always
# the same for the same side of it, along the ray and across. Sides turned by `SIDE_RAD` have little in common.
# Measured on simulated things with exact depth.
VIEW_SHARE, SIDE_SHARES, SIDE_RAD = 0.06, (0.12, 0.07), 0.6
# How far the middle of what is left of a cut or hidden object is from what is expected, as a share of its mean side.
PART_SHARE = 0.15
# A view whose place is off by a square of so many standard deviations is of something else: an occluder, what shows
# through a mask. At most so large a share of a track may be.
OUTLIER_SQUARE, MOST_OUTLIERS = 20.0, 0.3
# A heading is believed where the velocity is so many times its own standard deviation.
LEAST_CERTAIN_SPEED = 2.0


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A pinhole camera that moves.

    Attributes:
        intrinsics: (3, 3) in pixels of the depth maps.
        poses: (T, 4, 4) world from camera.
    """

    intrinsics: np.ndarray
    poses: np.ndarray

    def world(self, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
        """(..., T, 2) pixels at (..., T) metres of depth to (..., T, 3) places in the world."""
        focal, middle = np.diag(self.intrinsics)[:2], self.intrinsics[:2, 2]
        local = np.concatenate([(pixels - middle) / focal, np.ones((*pixels.shape[:-1], 1))], axis=-1)
        return (self.poses[:, :3, :3] @ (local * depth[..., None])[..., None])[..., 0] + self.poses[:, :3, 3]


@dataclass(frozen=True, eq=False)
class MeasuredPlaces:
    """N objects in T frames.

    Attributes:
        places: (N, T, 2) of the centres in the ground plane, metres; NaN where a view is not usable.
        covariances: (N, T, 2, 2) of what each view adds by itself; what views share is in `draws`.
        draws: (S, N, T, 2) equally likely other measurements, with what views share and what they do not.
        heights: (N, T) of the centres above the world's origin, metres.
        sizes: (N, 3) length, width, height in metres.
        smoothed: The places smoothed.
        by_heading: (N, T, H, 2) the places if the object had one of `cuboid_views.HEADINGS`.
        own: (N, T, 2, 2) covariances of what each view adds, for a known heading.
        shared: (S, N, T, 2) metres by which equally likely measurements differ in what views share: depth, drift,
            shape and size, but not the heading. These three are None where places did not come from surfaces.
    """

    places: np.ndarray
    covariances: np.ndarray
    draws: np.ndarray
    heights: np.ndarray
    sizes: np.ndarray
    smoothed: SmoothTracks
    by_heading: np.ndarray | None = None
    own: np.ndarray | None = None
    shared: np.ndarray | None = None


def measure_places(
    times_s: np.ndarray,
    views: ObjectViews,
    camera: Calibrated,
    correction: DepthCorrection,
    priors: list[SizePrior],
    seed: int = 0,
) -> MeasuredPlaces:
    """Places of N objects, from their views and the corrected depth.

    The heading that turns a surface into a centre comes from the movement, and the movement from the centres: both are
    found in two rounds.

    Args:
        times_s: (T,) seconds.
        views: Of the objects.
        camera: Of the depth maps.
        correction: From `correct_depth`.
        priors: N, of the objects' classes.
        seed: Of the draws.
    """
    objects, count = views.depth.shape
    good = views.usable
    camera = Calibrated(camera.intrinsics, correction.poses(camera.poses))
    errors = correction.errors_at(views.pixels)
    image = ImageGeometry(camera.intrinsics, correction.field.size)
    depth = np.where(good, views.depth * np.exp(-errors[0]), np.nan)
    sizes, size_sigma = _sizes(views, depth, camera.intrinsics, priors)
    surface = camera.world(views.pixels, depth)
    away = surface[..., :2] - camera.poses[:, :2, 3]
    away /= np.linalg.norm(away, axis=-1, keepdims=True)
    acceleration = np.array([prior.acceleration for prior in priors])
    # What a frame's depth error has by itself, beside what it shares with the object's other frames.
    off = errors[1:] - errors[0]
    own = off - _mean_over_time(off, good)
    alone = np.sqrt((own**2).mean(axis=0)) * depth
    width = (views.boxes[..., 2] - views.boxes[..., 0]) * WIDTH_SHARE
    across = np.hypot(PIXEL_SIGMA, width) * depth / camera.intrinsics[0, 0]
    side = np.sqrt(sizes[:, 0] * sizes[:, 1])[:, None]
    part = np.where(views.whole, 0.0, PART_SHARE * side)
    rest = _covariance(away, np.hypot(views.depth_sigma, np.hypot(VIEW_SHARE * side, part)), np.hypot(across, part))
    noise = rest + _covariance(away, alone, np.zeros_like(alone))
    filled = np.array([(prior.filled, prior.filled, 1.0) for prior in priors]).reshape(-1, 3)
    n, t = np.nonzero(good)
    by_heading = np.full((objects, count, len(HEADINGS), 2), np.nan)
    by_heading[n, t] = centre_offsets(surface[n, t], camera.poses[t], image, (sizes * filled)[n])
    headings, sigmas = np.zeros((objects, count)), np.full((objects, count), np.inf)
    offsets, scatter = np.full((objects, count, 2), np.nan), np.full((objects, count, 2, 2), np.nan)
    for _ in range(2):
        offsets[n, t], scatter[n, t] = average_offsets(by_heading[n, t], headings[n, t], sigmas[n, t])
        places = surface[..., :2] + offsets
        covariances = noise + scatter
        places, smoothed = _without_outliers(times_s, places, covariances, acceleration)
        headings, sigmas = _headings(smoothed)
    rng = np.random.default_rng(seed)
    shift = depth * (np.exp(errors[0] - errors[1:]) - 1)
    aspects = headings - np.arctan2(away[..., 1], away[..., 0])
    along, aside = (share * side * _sides(aspects, len(shift), rng) for share in SIDE_SHARES)
    left = np.stack([-away[..., 1], away[..., 0]], axis=-1)
    size = size_sigma[:, None] * rng.standard_normal((len(shift), objects, 1))
    drifts = correction.path[:, None] * (correction.drift_draws - correction.drift)[:, None, None, :2]
    shared = (shift + along)[..., None] * away + aside[..., None] * left + offsets * size[..., None] - drifts
    draws = places + shared + _scatter(rest, scatter, len(shift), rng)
    by_heading += surface[:, :, None, :2]
    return MeasuredPlaces(places, covariances, draws, surface[..., 2], sizes, smoothed, by_heading, rest, shared)


def smooth_each(
    times_s: np.ndarray, places: np.ndarray, covariances: np.ndarray, acceleration: np.ndarray
) -> SmoothTracks:
    """`smoothing.smooth` of (N, T, 2) places with an acceleration for each of the N tracks."""
    results = [np.empty_like(places), np.empty_like(places), np.empty((*places.shape[:2], 4, 4))]
    for value in np.unique(acceleration):
        of = acceleration == value
        part = smooth(times_s, places[of], covariances[of], float(value))
        for result, values in zip(results, (part.places, part.velocities, part.covariances), strict=True):
            result[of] = values
    return SmoothTracks(*results)


def _sizes(views: ObjectViews, depth: np.ndarray, intrinsics: np.ndarray, priors: list[SizePrior]):
    """(N, 3) metres: the class's usual size, drawn towards the height that is seen; and (N,) what is left unsure."""
    usual = np.array([(prior.length, prior.width, prior.height) for prior in priors]).reshape(-1, 3)
    spread = np.array([prior.spread for prior in priors])
    tall = (views.boxes[..., 3] - views.boxes[..., 1]) / intrinsics[1, 1] * depth
    known = np.isfinite(tall) & views.whole
    seen = known.any(axis=1)
    off = np.zeros(len(priors))
    off[seen] = [np.median(np.log(row[ok])) for row, ok in zip(tall[seen], known[seen], strict=True)]
    off[seen] -= np.log(usual[seen, 2])
    weight = np.where(seen, spread**2 / (spread**2 + HEIGHT_SIGMA**2), 0.0)
    factor = np.exp(np.clip(weight * off, -1, 1))
    return usual * factor[:, None], np.sqrt(1 - weight) * spread


def _headings(smoothed: SmoothTracks) -> tuple[np.ndarray, np.ndarray]:
    """(N, T) headings of the movement in radians, and their standard deviations; infinite where an object stands."""
    velocity = smoothed.velocities
    speed = np.linalg.norm(velocity, axis=-1)
    across = np.stack([-velocity[..., 1], velocity[..., 0]], axis=-1) / np.maximum(speed, 1e-6)[..., None]
    variance = np.einsum("nti,ntij,ntj->nt", across, smoothed.covariances[..., 2:, 2:], across)
    sigma = np.sqrt(variance)
    certain = speed > LEAST_CERTAIN_SPEED * np.sqrt(smoothed.covariances[..., 2:, 2:].trace(axis1=-2, axis2=-1))
    angle = np.arctan2(velocity[..., 1], velocity[..., 0])
    return angle, np.where(certain, sigma / np.maximum(speed, 1e-6), np.inf)


def _without_outliers(
    times_s: np.ndarray, places: np.ndarray, covariances: np.ndarray, acceleration: np.ndarray
) -> tuple[np.ndarray, SmoothTracks]:
    """Places with NaN where a view does not fit its track, and the rest smoothed.

    The worst view of each track goes first: it may have pulled the others away.
    """
    places = places.copy()
    seen = np.isfinite(places[..., 0])
    left = (MOST_OUTLIERS * seen.sum(axis=1)).astype(int)
    while True:
        smoothed = smooth_each(times_s, places, covariances, acceleration)
        off = places - smoothed.places
        inverse = np.linalg.inv(np.where(seen[..., None, None], covariances, np.eye(2)))
        square = np.nan_to_num(np.einsum("nti,ntij,ntj->nt", off, inverse, off))
        worst = square.argmax(axis=1) if square.size else np.zeros(len(places), int)
        drop = np.flatnonzero((square.max(axis=1, initial=0.0) > OUTLIER_SQUARE) & (left > 0))
        if not len(drop):
            return places, smoothed
        places[drop, worst[drop]] = np.nan
        left[drop] -= 1


def _covariance(away: np.ndarray, along: np.ndarray, across: np.ndarray) -> np.ndarray:
    """(..., 2, 2) covariances with standard deviations along (..., 2) unit vectors and across them."""
    outer = away[..., :, None] * away[..., None, :]
    return along[..., None, None] ** 2 * outer + across[..., None, None] ** 2 * (np.eye(2) - outer)


def _scatter(own: np.ndarray, turned: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(S, N, T, 2) metres by which equally likely measurements differ: what a view adds, and the heading."""
    objects, count = own.shape[:2]
    scatter = _root(own) @ rng.standard_normal((draws, objects, count, 2, 1))
    # A heading that is off is off in all frames.
    return (scatter + _root(turned) @ rng.standard_normal((draws, objects, 1, 2, 1)))[..., 0]


def _sides(aspects: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(S, N, T) standard normal numbers that are alike where (N, T) aspects, in radians, are: one function of the
    aspect for each object, with the correlation exp((cos(d) - 1) / SIDE_RAD^2)."""
    # Its Fourier series: of so smooth a function, few terms matter.
    orders = np.arange(8)
    variances = ive(orders, SIDE_RAD**-2) * np.where(orders > 0, 2, 1)
    angles = orders * aspects[..., None]
    waves = np.stack([np.cos(angles), np.sin(angles)]) * np.sqrt(variances)
    strengths = rng.standard_normal((2, draws, aspects.shape[0], len(orders), 1))
    return (waves[0] @ strengths[0] + waves[1] @ strengths[1])[..., 0]


def _root(covariances: np.ndarray) -> np.ndarray:
    """(..., 2, 2) lower triangular roots; of what is not known, 0."""
    known = np.isfinite(covariances)
    return np.linalg.cholesky(np.where(known, covariances, 0.0) + 1e-9 * np.eye(2))


def _mean_over_time(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    """(S, N, 1) means over the good views of (S, N, T)."""
    total = np.where(good, values, 0.0).sum(axis=-1, keepdims=True)
    return total / np.maximum(good.sum(axis=-1), 1)[:, None]
