"""From boxes in the image to places on the ground: a known camera above a flat ground.

Two measurements of an object's depth are joined. The ray through the middle of its box's lower edge meets the ground
(exact where near, worse with the square of the distance), and the box's height shrinks in proportion to depth (good
at any distance, once the object's own height is known). That height is what agrees best with the ground in all
frames, drawn towards what people and cars usually have. Both measure the side that the camera sees; the middle lies
behind it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.projection import Lens, pixel_rays

# A box's edge is off by this share of its height, and by at least so many pixels of an image 1280 wide.
EDGE_SHARE = 0.015
EDGE_PX_AT_1280 = 1.0
# Shares of the image: an edge so near the border may be cut by it.
BORDER_SHARE = 0.004
FARTHEST_M = 200.0
# Roads slope and vehicles nod: the ground lies off the camera's horizontal by so much. Found on real recordings; on
# flat ground a third of it would do.
TILT_RAD = 0.015
# Usual heights in metres, and their relative spread.
PERSON_PRIOR = (1.72, 0.07)
VEHICLE_PRIOR = (1.6, 0.12)
WIDEST_PERSON = 0.75
# Of common cars, in heights.
VEHICLE_LENGTH, VEHICLE_WIDTH = 2.8, 1.15
PERSON_DEPTH = 0.3
# Of what the box tells about the middle of the object, whose near side it shows.
NEAR_SIDE_M = 0.3


@dataclass(frozen=True, eq=False)
class LiftedBoxes:
    """Objects on the ground.

    Attributes:
        places: (N, T, 2) horizontal place in the world frame, metres; NaN where it cannot be told.
        covariances: (N, T, 2, 2) square metres.
        heights: (N,) metres, each object's own height; NaN where it cannot be told.
    """

    places: np.ndarray
    covariances: np.ndarray
    heights: np.ndarray


def lift_to_ground(
    boxes: np.ndarray, lens: Lens, poses: np.ndarray, height_m: float, tilt_rad: float = TILT_RAD
) -> LiftedBoxes:
    """Places of N boxed objects in T frames of one camera.

    Args:
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels; NaN where an object is not seen.
        lens: The camera's intrinsics, image size and distortion.
        poses: (T, 4, 4) world from camera, +z of the world up.
        height_m: Of the camera above the ground.
        tilt_rad: How far the ground may lie off the camera's horizontal.

    Returns:
        NaN where a box is missing, or neither meets the ground nor has a whole height in the image.
    """
    width, height = lens.size
    margin = BORDER_SHARE * np.array([width, height])
    x1, y1, x2, y2 = np.moveaxis(boxes, -1, 0)
    middle = (x1 + x2) / 2
    bottom = _world_rays(np.stack([middle, y2], axis=-1), lens, poses)
    top = _world_rays(np.stack([middle, y1], axis=-1), lens, poses)
    foot_seen = y2 < height - margin[1]
    whole = foot_seen & (y1 > margin[1])
    edge = np.maximum(EDGE_PX_AT_1280 * width / 1280, EDGE_SHARE * (y2 - y1))
    focal = lens.intrinsics[1, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        # Horizontal distance for each metre of depth along the ray, and how far below the camera it is.
        flat, drop = np.linalg.norm(bottom[..., :2], axis=-1), -bottom[..., 2]
        by_ground = np.where(foot_seen & (drop > 0), height_m * flat / drop, np.nan)
        by_ground = np.where(by_ground < FARTHEST_M, by_ground, np.nan)
        tilt = np.hypot(edge / focal, tilt_rad)
        sigma_ground = by_ground * tilt * np.hypot(1, by_ground / height_m)
        # Upright: top and foot stand at the same horizontal distance.
        rise = top[..., 2] / np.linalg.norm(top[..., :2], axis=-1) + drop / flat
        shape = _median_of_known(np.where(whole, (x2 - x1) / (y2 - y1), np.nan))
        own = _heights(by_ground * rise, sigma_ground / by_ground, whole)
        # The tilt is the same in all frames: more of them do not make it smaller, nearer ones do.
        bias = tilt_rad * np.where(whole & np.isfinite(by_ground), by_ground, FARTHEST_M).min(axis=1) / height_m
        own = _with_prior(own, bias, shape)
        by_size = np.where(whole, own[:, None] / rise, np.nan)
        by_size = np.where((by_size > 0) & (by_size < FARTHEST_M), by_size, np.nan)
        sigma_size = by_size * np.hypot(edge * np.sqrt(2) / (y2 - y1), 0.03)
        weights = np.stack([_weight(sigma_ground, by_ground), _weight(sigma_size, by_size)])
        total = weights.sum(axis=0)
        distance = (np.nan_to_num(np.stack([by_ground, by_size])) * weights).sum(axis=0) / total
        distance = np.where(total > 0, distance, np.nan)
        distance = distance + own[:, None] * _half_depth((x2 - x1) / (y2 - y1), shape)
        along = bottom[..., :2] / flat[..., None]
        places = poses[:, :2, 3] + along * distance[..., None]
        far = np.hypot(1 / np.sqrt(total), NEAR_SIDE_M)
        across = np.hypot(np.maximum(edge, 0.02 * (x2 - x1)) / focal * distance, NEAR_SIDE_M)
    outer = along[..., :, None] * along[..., None, :]
    square = far[..., None, None] ** 2 * outer + across[..., None, None] ** 2 * (np.eye(2) - outer)
    return LiftedBoxes(places, np.where(np.isfinite(places)[..., None], square, np.nan), own)


def _world_rays(pixels: np.ndarray, lens: Lens, poses: np.ndarray) -> np.ndarray:
    """(N, T, 2) pixels to (N, T, 3) directions in the world frame."""
    return np.einsum("tij,ntj->nti", poses[:, :3, :3], pixel_rays(pixels, lens))


def _heights(heights: np.ndarray, relative_sigma: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """(N,) weighted medians of the heights that the ground gives an object in each of its frames."""
    usable = whole & np.isfinite(heights) & (heights > 0)
    result = np.full(len(heights), np.nan)
    for k in np.flatnonzero(usable.any(axis=1)):
        values, weights = heights[k, usable[k]], relative_sigma[k, usable[k]] ** -2.0
        order = np.argsort(values)
        share = np.cumsum(weights[order])
        result[k] = values[order][np.searchsorted(share, share[-1] / 2)]
    return result


def _with_prior(heights: np.ndarray, relative_sigma: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Heights drawn towards what upright narrow things (people) and wide ones (vehicles) usually have.

    A height that its prior would hardly allow (a toy, a lorry) is left alone.
    """
    usual, spread = np.where((shape < WIDEST_PERSON)[:, None], PERSON_PRIOR, VEHICLE_PRIOR).T
    off = np.log(heights / usual)
    weight = spread**-2.0 / (spread**-2.0 + relative_sigma**-2.0)
    fits = np.abs(off) < 3 * np.hypot(spread, relative_sigma)
    return np.where(fits, heights * np.exp(-weight * off), heights)


def _median_of_known(values: np.ndarray) -> np.ndarray:
    """(N,) medians of the finite numbers in each row of (N, T); NaN where there is none."""
    result = np.full(len(values), np.nan)
    for k in np.flatnonzero(np.isfinite(values).any(axis=1)):
        result[k] = np.median(values[k, np.isfinite(values[k])])
    return result


def _half_depth(shapes: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """(N, T) from the near side of objects to their middles, in heights of the object.

    How wide a vehicle's box is for its height tells how far it is turned, and so how deep it is.
    """
    turns = np.linspace(0, np.arctan2(VEHICLE_LENGTH, VEHICLE_WIDTH), 64)
    wide = VEHICLE_LENGTH * np.sin(turns) + VEHICLE_WIDTH * np.cos(turns)
    deep = VEHICLE_LENGTH * np.cos(turns) + VEHICLE_WIDTH * np.sin(turns)
    vehicle = np.interp(np.nan_to_num(shapes, nan=wide[0]), wide, deep) / 2
    return np.where((shape < WIDEST_PERSON)[:, None], PERSON_DEPTH / 2, vehicle)


def _weight(sigma: np.ndarray, value: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(value), sigma**-2.0, 0.0)
