"""Rays against the ground plane and against cuboids: RGB, exact depth and instance masks, in NumPy alone.

Pixel (row i, column j) looks along K^-1 (j, i, 1): pixel centres have integer coordinates, as in OpenCV. A ray's
third camera coordinate is 1, so its parameter at a hit is the depth along the camera's z axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.recordings.simulation.bodies import Paint
from st_vlm.recordings.simulation.ground import Ground

NEAR = 0.05
_HAZE_M = 160.0
_HAZE = np.array([188, 196, 204], np.float32)
_ZENITH = np.array([118, 150, 186], np.float32)
_CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])


@dataclass(frozen=True, eq=False)
class Cuboids:
    """M cuboids to draw.

    Attributes:
        centres: (M, 3) world, metres.
        halves: (M, 3) half sizes along the cuboid's own axes.
        rotations: (M, 3, 3) world from cuboid.
        colours: (M, 3) RGB 0-255.
        paints: (M,) `Paint`.
        owners: (M,) int, the instance that each belongs to, -1 for scenery.
    """

    centres: np.ndarray
    halves: np.ndarray
    rotations: np.ndarray
    colours: np.ndarray
    paints: np.ndarray
    owners: np.ndarray

    def __add__(self, other: Cuboids) -> Cuboids:
        return Cuboids(*(np.concatenate([getattr(self, f), getattr(other, f)]) for f in self.__dataclass_fields__))


@dataclass(frozen=True, eq=False)
class Shadows:
    """S dark rounded rectangles on the ground: (S, 2) centres and half sizes, (S,) yaws."""

    centres: np.ndarray
    halves: np.ndarray
    yaws: np.ndarray


@dataclass(frozen=True, eq=False)
class Light:
    """Direction to the sun (3,) in the world, its share of the light, and an overall brightness."""

    towards_sun: np.ndarray
    sun: float
    brightness: float


@dataclass(frozen=True, eq=False)
class Image:
    """What a camera sees: (H, W, 3) uint8 RGB, (H, W) float32 depth in metres (inf: sky), (H, W) int32 instances."""

    rgb: np.ndarray
    depth: np.ndarray
    instances: np.ndarray


def image_bounds(corners: np.ndarray, intrinsics: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Pixel rectangles that hold cuboids given by their corners in the camera frame.

    Edges are cut at the near plane, so a cuboid reaching behind the camera keeps a true bound.

    Args:
        corners: (M, 8, 3), in the order of `_CORNERS`.

    Returns:
        (M, 4) int: first column, first row, last column + 1, last row + 1; empty where nothing is in the image.
    """
    start, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
    step = end - start
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (NEAR - start[..., 2]) / step[..., 2]
        cut = start + share[..., None] * step
        crosses = (start[..., 2] < NEAR) != (end[..., 2] < NEAR)
    points = np.concatenate([corners, np.where(crosses[..., None], cut, np.nan)], axis=1)
    points = np.where(points[..., 2:] >= NEAR * 0.999, points, np.nan)
    hidden = np.isnan(points[..., 2]).all(axis=1)
    points[hidden] = (0.0, 0.0, 1.0)
    u = intrinsics[0, 0] * points[..., 0] / points[..., 2] + intrinsics[0, 2]
    v = intrinsics[1, 1] * points[..., 1] / points[..., 2] + intrinsics[1, 2]
    width, height = size
    low = np.floor(np.stack([np.nanmin(u, 1), np.nanmin(v, 1)], -1))
    high = np.ceil(np.stack([np.nanmax(u, 1), np.nanmax(v, 1)], -1)) + 1
    bounds = np.concatenate([np.clip(low, 0, (width, height)), np.clip(high, 0, (width, height))], -1).astype(int)
    bounds[hidden] = 0
    return bounds


def render(
    cuboids: Cuboids,
    shadows: Shadows,
    ground: Ground,
    light: Light,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    world_from_camera: np.ndarray,
) -> Image:
    """Draw one frame. `size` is width and height; `world_from_camera` is (4, 4); the ground is the plane z = 0."""
    width, height = size
    across = (np.arange(width) - intrinsics[0, 2]) / intrinsics[0, 0]
    down = (np.arange(height) - intrinsics[1, 2]) / intrinsics[1, 1]
    depth, rgb, hits = _ground_and_sky(ground, light, intrinsics, across, down, world_from_camera)
    rotation, eye = world_from_camera[:3, :3], world_from_camera[:3, 3]
    _darken(rgb, shadows, hits, rotation, eye, intrinsics, size)
    instances = np.full((height, width), -1, np.int32)
    corners = (_CORNERS * cuboids.halves[:, None]) @ np.swapaxes(cuboids.rotations, 1, 2)
    corners = (corners + (cuboids.centres - eye)[:, None]) @ rotation
    bounds = image_bounds(corners, intrinsics, size)
    shown = np.flatnonzero((bounds[:, 2] > bounds[:, 0]) & (bounds[:, 3] > bounds[:, 1]))
    # Nearest first, so that what is hidden is never painted.
    for index in shown[np.argsort(corners[shown, :, 2].min(axis=1), kind="stable")]:
        _draw(cuboids, index, bounds[index], across, down, rotation, eye, light, rgb, depth, instances)
    return Image(np.clip(rgb, 0, 255).astype(np.uint8), depth.astype(np.float32), instances)


def _ground_and_sky(ground, light, intrinsics, across, down, world_from_camera) -> tuple:
    rotation, eye = world_from_camera[:3, :3], world_from_camera[:3, 3]
    fall = rotation[2, 0] * across[None, :] + (rotation[2, 1] * down + rotation[2, 2])[:, None]
    below = fall < -1e-6
    depth = np.full(fall.shape, np.inf)
    np.divide(-eye[2], fall, out=depth, where=below)
    rows, columns = np.nonzero(below)
    reach = depth[below]
    x = eye[0] + reach * (rotation[0, 0] * across[columns] + rotation[0, 1] * down[rows] + rotation[0, 2])
    y = eye[1] + reach * (rotation[1, 0] * across[columns] + rotation[1, 1] * down[rows] + rotation[1, 2])
    # A pixel's footprint is long away from the camera and narrow across: between the two, so that marks stay sharp.
    narrow = reach / intrinsics[0, 0]
    footprint = narrow * np.sqrt(np.maximum(reach / eye[2], 1.0))
    colours = ground.colours(x.astype(np.float32), y.astype(np.float32), footprint.astype(np.float32))
    level = light.brightness * (0.6 + 0.4 * light.sun)
    rgb = np.empty((*fall.shape, 3), np.float32)
    rise = np.clip(fall / 0.6, 0.0, 1.0).astype(np.float32)[..., None]
    rgb[:] = _HAZE + rise * (_ZENITH - _HAZE)
    rgb *= np.float32(0.5 + 0.5 * light.brightness)
    rgb[below] = _hazed(colours * np.float32(level), reach)
    return depth, rgb, (below, x, y, rows, columns)


def _hazed(colours: np.ndarray, depth: np.ndarray) -> np.ndarray:
    share = (1.0 - np.exp(-depth / _HAZE_M)).astype(np.float32)[:, None]
    return colours + share * (_HAZE - colours)


def _darken(rgb, shadows, hits, rotation, eye, intrinsics, size) -> None:
    below, x, y, _, _ = hits
    if len(shadows.yaws) == 0:
        return
    ground_x = np.full(below.shape, np.nan, np.float32)
    ground_y = np.full(below.shape, np.nan, np.float32)
    ground_x[below], ground_y[below] = x, y
    cos, sin = np.cos(shadows.yaws), np.sin(shadows.yaws)
    flat = _CORNERS * np.concatenate([shadows.halves * 1.3, np.zeros((len(cos), 1))], -1)[:, None]
    corners = np.stack(
        [
            cos[:, None] * flat[..., 0] - sin[:, None] * flat[..., 1] + shadows.centres[:, :1] - eye[0],
            sin[:, None] * flat[..., 0] + cos[:, None] * flat[..., 1] + shadows.centres[:, 1:] - eye[1],
            np.broadcast_to(-eye[2], flat.shape[:2]),
        ],
        axis=-1,
    )
    bounds = image_bounds(corners @ rotation, intrinsics, size)
    for (left, top, right, bottom), c, s, centre, half in zip(
        bounds, cos, sin, shadows.centres, shadows.halves, strict=True
    ):
        if right <= left or bottom <= top:
            continue
        window = slice(top, bottom), slice(left, right)
        dx, dy = ground_x[window] - centre[0], ground_y[window] - centre[1]
        along, aside = (c * dx + s * dy) / half[0], (c * dy - s * dx) / half[1]
        far = (along**4 + aside**4) ** 0.25
        shade = 1.0 - 0.55 * np.clip((1.25 - far) / 0.35, 0.0, 1.0)
        rgb[window] *= np.nan_to_num(shade, nan=1.0)[..., None].astype(np.float32)


def _draw(cuboids, index, bounds, across, down, rotation, eye, light, rgb, depth, instances) -> None:
    left, top, right, bottom = bounds
    own, half = cuboids.rotations[index], cuboids.halves[index]
    origin = own.T @ (eye - cuboids.centres[index])
    turn = own.T @ rotation
    columns, rows = across[left:right], down[top:bottom]
    window = slice(top, bottom), slice(left, right)
    near = np.full((len(rows), len(columns)), NEAR)
    far = depth[window].copy()
    # Slab test (Kay and Kajiya, 1986): a ray is inside the cuboid while it is between all three pairs of faces.
    face = np.zeros(near.shape, np.int8)
    with np.errstate(divide="ignore", invalid="ignore"):
        for axis in range(3):
            speed = turn[axis, 0] * columns[None, :] + (turn[axis, 1] * rows + turn[axis, 2])[:, None]
            inverse = 1.0 / speed
            middle, reach = -origin[axis] * inverse, half[axis] * np.abs(inverse)
            enter = middle - reach
            later = enter > near
            face[later] = axis
            np.maximum(near, enter, out=near)
            np.minimum(far, middle + reach, out=far)
        hit = (near < far) & (near > NEAR)
    if not hit.any():
        return
    row, column = np.nonzero(hit)
    reach, axis = near[row, column], face[row, column].astype(np.intp)
    points = origin + reach[:, None] * (
        turn[:, 0] * columns[column][:, None] + turn[:, 1] * rows[row][:, None] + turn[:, 2]
    )
    side = np.sign(origin)[axis]
    # Six faces: +x, -x, +y, ... lit by sky and sun.
    normals = np.concatenate([own.T, -own.T])
    lit = 0.74 + 0.08 * normals[:, 2] + 0.3 * light.sun * np.maximum(normals @ light.towards_sun, 0.0)
    which = axis + np.where(side > 0, 0, 3)
    shade = (light.brightness * lit[which]).astype(np.float32)
    colours = _paint(cuboids.paints[index], cuboids.colours[index], points, half, axis, side)
    rgb[row + top, column + left] = _hazed(colours * shade[:, None], reach)
    depth[row + top, column + left] = reach
    instances[row + top, column + left] = cuboids.owners[index]


def _paint(paint: int, colour: np.ndarray, points: np.ndarray, half: np.ndarray, axis, side) -> np.ndarray:
    """(N, 3) colours of points on faces. Points are in the cuboid's frame; axis and side say which face each is on."""
    colours = np.repeat(colour[None].astype(np.float32), len(points), axis=0)
    if paint == Paint.PLAIN:
        return colours
    upright = axis != 2
    along = np.where(axis == 0, points[:, 1], points[:, 0])
    extent = np.where(axis == 0, half[1], half[0])
    share = along / extent
    level = points[:, 2] / half[2]
    ends = axis == 0
    if paint in (Paint.GLASS, Paint.COACH):
        if paint == Paint.GLASS:
            pane = upright & (np.abs(level) < 0.8) & (np.abs(share) < 0.9) & (ends | (np.abs(share + 0.05) > 0.05))
        else:
            band = (level > -0.05) & (level < 0.7)
            pane = upright & band & (np.abs(share) < 0.95) & (ends | ((along % 1.5) > 0.15))
            pane |= ends & (side > 0) & (level > -0.4) & (level < 0.75) & (np.abs(share) < 0.9)
        colours[pane] = (46, 54, 62)
    if paint in (Paint.LAMPS, Paint.COACH):
        height = (level > -0.1, level < 0.55) if paint == Paint.LAMPS else (level > -0.8, level < -0.6)
        lamp = ends & height[0] & height[1] & (np.abs(share) > 0.6) & (np.abs(share) < 0.94)
        colours[lamp & (side > 0)] = (236, 234, 222)
        colours[lamp & (side < 0)] = (122, 62, 58)
        colours[ends & (side > 0) & (np.abs(share) < 0.45) & (level > -0.6) & (level < 0.1)] *= 0.45
    if paint == Paint.BUILDING:
        up = points[:, 2] + half[2]
        window = upright & ((along % 3.0) > 1.3) & ((up % 3.0) > 1.1) & ((up % 3.0) < 2.5) & (up < 2 * half[2] - 0.8)
        colours[window] = (78, 88, 98)
    if paint == Paint.PANELS:
        colours[upright & ((along % 1.2) < 0.06)] *= 0.82
    return colours
