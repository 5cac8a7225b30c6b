"""World to image: points and boxes through a pinhole camera with or without lens distortion.

Camera frame: x right, y down, z forward (OpenCV). Pixels: (0, 0) is the image's upper left corner.
Lens models: OpenCV's radial one, r' = r (1 + k1 r^2 + k2 r^4 + k3 r^6) with r = tan(theta); the same with the
tangential terms of Conrady (1919) and Brown (1966), in OpenCV's order k1, k2, p1, p2, k3; and Kannala and Brandt's
(2006), theta' = theta (1 + k0 theta^2 + … + k3 theta^8).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert, transform

NEAR_M = 0.1

# Corners by bits: 4 = front, 2 = left, 1 = top. An edge joins two corners that differ in one bit.
_CORNER_SIGNS = np.array([[(i >> 2 & 1), (i >> 1 & 1), (i & 1)] for i in range(8)]) - 0.5
_EDGES = np.array([(a, a | bit) for bit in (4, 2, 1) for a in range(8) if not a & bit])
# Distortion bends an edge: it is followed at this many points, a straight one at its ends.
_POINTS_ON_BENT_EDGE = 9
_UNDISTORTING_STEPS = 20
_BEHIND = np.array([0.0, 0.0, -1.0])


class Lens(Protocol):
    """What projection needs of a camera; `st_vlm.recordings.Camera` has it."""

    intrinsics: np.ndarray
    size: tuple[int, int]
    distortion: str
    distortion_coefficients: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class ProjectedBoxes:
    """Boxes as one camera sees them.

    Attributes:
        boxes: (N, 4) x1, y1, x2, y2 in pixels around the part in front of the camera, reaching beyond the image where
            the object does; NaN when the object is wholly behind.
        clipped: (N, 4) the same cut to the image; NaN when nothing of it is inside.
        truncation: (N,) share of `boxes` outside the image, 0-1; 1 when wholly outside or behind.
        depth: (N,) z of the centre in the camera frame, metres; negative behind the camera.
    """

    boxes: np.ndarray
    clipped: np.ndarray
    truncation: np.ndarray
    depth: np.ndarray


def box_corners(centres: np.ndarray, sizes: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """The eight corners of cuboids, in the frame of their centres.

    Args:
        centres: (N, 3) metres.
        sizes: (N, 3) length (x), width (y), height (z) in metres.
        rotations: (N, 3, 3) from the box's own axes.

    Returns:
        (N, 8, 3). Corner 0 is rear right bottom; adding 4, 2, 1 to the index goes to the front, the left, the top.
    """
    return np.einsum("nij,nkj->nki", rotations, _CORNER_SIGNS * sizes[:, None]) + centres[:, None]


def project_points(
    points_world: np.ndarray,
    world_from_camera: np.ndarray,
    intrinsics: np.ndarray,
    distortion: str = "none",
    coefficients: tuple[float, ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """World points to pixels.

    A lens polynomial holds within the field it was fitted on, and folds back at some angle; beyond that angle it is
    continued with slope one, so that what lies far outside the view never lands in the image.

    Args:
        points_world: (..., 3) metres.
        world_from_camera: (4, 4) pose, or (..., 4, 4) that broadcasts against the points.
        intrinsics: (3, 3) pixels.
        distortion: `none`, `radial`, `brown_conrady` or `kannala_brandt`.
        coefficients: k1, k2, k3, or k1, k2, p1, p2, k3, or k0, k1, k2, k3; trailing ones may be left out.

    Returns:
        (..., 2) pixels, NaN for points that are not in front of the camera; and (...) depths z in metres.

    Raises:
        InputError: An unknown lens model.
    """
    points = transform(invert(world_from_camera), points_world)
    return _pixels(points, intrinsics, distortion, coefficients), points[..., 2]


def project_boxes(
    centres: np.ndarray, sizes: np.ndarray, rotations: np.ndarray, world_from_camera: np.ndarray, camera: Lens
) -> ProjectedBoxes:
    """Cuboids to the image boxes around them. Edges that pass the camera are cut at a near plane of 0.1 m.

    Args:
        centres, sizes, rotations: (N, 3) world frame, (N, 3) length, width, height, and (N, 3, 3) world from box.
        world_from_camera: (4, 4) one pose, or (N, 4, 4) a pose for each box (one object through a clip).
        camera: Intrinsics, image size and lens.
    """
    camera_from_world = invert(world_from_camera)
    corners = transform(camera_from_world[..., None, :, :], box_corners(centres, sizes, rotations))
    start, end = corners[:, _EDGES[:, 0]], corners[:, _EDGES[:, 1]]
    start, end = _cut_at_near_plane(start, end), _cut_at_near_plane(end, start)
    bent = camera.distortion != "none"
    low, high = _bounds(_points_between(start, end, _POINTS_ON_BENT_EDGE if bent else 2), camera)
    cut = (corners[..., 2] < NEAR_M).any(axis=1) & (corners[..., 2] > NEAR_M).any(axis=1)
    if bent and cut.any():
        # The near plane opens a face whose outline is bent too; straight, its corners would do.
        nearer = np.where(start[cut, :, 2:] < end[cut, :, 2:], start[cut], end[cut])
        nearer = np.where(np.isclose(nearer[..., 2:], NEAR_M), nearer, _BEHIND)
        first, second = np.triu_indices(len(_EDGES), 1)
        face = _bounds(_points_between(nearer[:, first], nearer[:, second], _POINTS_ON_BENT_EDGE), camera)
        low[cut], high[cut] = np.minimum(low[cut], face[0]), np.maximum(high[cut], face[1])
    behind = np.isinf(low[:, :1])
    boxes = np.where(behind, np.nan, np.concatenate([low, high], axis=1))
    clipped = np.clip(boxes, 0, np.tile(np.asarray(camera.size, np.float64), 2))
    inside = _area(clipped) > 0
    truncation = np.ones(len(centres))
    truncation[inside] = 1 - _area(clipped[inside]) / _area(boxes[inside])
    clipped[~inside] = np.nan
    return ProjectedBoxes(boxes, clipped, truncation, transform(camera_from_world, centres)[..., 2])


def pixel_rays(pixels: np.ndarray, camera: Lens) -> np.ndarray:
    """The directions that a camera sees at (..., 2) pixels, as (..., 3) points of its frame at depth 1.

    Distortion is undone by fixed-point iteration, to a thousandth of a pixel within the field a lens was fitted on.
    """
    inverse = np.linalg.inv(camera.intrinsics[:2, :2])
    plane = wanted = (pixels - camera.intrinsics[:2, 2]) @ inverse.T
    ones = np.ones((*wanted.shape[:-1], 1))
    if camera.distortion != "none":
        for _ in range(_UNDISTORTING_STEPS):
            points = np.concatenate([plane, ones], axis=-1)
            seen = _pixels(points, np.eye(3), camera.distortion, camera.distortion_coefficients)
            plane = plane + wanted - seen
    return np.concatenate([plane, ones], axis=-1)


def _pixels(
    points: np.ndarray, intrinsics: np.ndarray, distortion: str, coefficients: tuple[float, ...]
) -> np.ndarray:
    """(..., 3) points in the camera frame to (..., 2) pixels; NaN where z <= 0."""
    depth = points[..., 2]
    in_front = depth > 0
    plane = points[..., :2] / np.where(in_front, depth, np.nan)[..., None]
    radius = np.linalg.norm(plane, axis=-1)
    if distortion == "radial":
        plane = _scaled(plane, radius, _odd_polynomial(radius, coefficients))
    elif distortion == "kannala_brandt":
        plane = _scaled(plane, radius, _odd_polynomial(np.arctan(radius), coefficients))
    elif distortion == "brown_conrady":
        plane = _brown_conrady(plane, radius, coefficients)
    elif distortion != "none":
        raise InputError(f"Unknown lens model {distortion!r}: it is none, radial, brown_conrady or kannala_brandt.")
    return plane @ intrinsics[:2, :2].T + intrinsics[:2, 2]


def _scaled(plane: np.ndarray, radius: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(..., 2) points moved along their rays from one distance to another; the middle stays."""
    scale = np.divide(wanted, radius, out=np.ones_like(radius), where=radius > 1e-12)
    return plane * scale[..., None]


def _odd_polynomial(x: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """x (1 + c0 x^2 + c1 x^4 + …) for x >= 0 up to where it stops rising, from there on with slope one."""
    powers = np.array([1.0, *coefficients])
    limit = np.sqrt(_least_positive_root(powers * np.arange(1, 2 * len(powers), 2)))
    held = np.minimum(x, limit)
    return held * np.polyval(powers[::-1], held**2) + (x - held)


def _brown_conrady(plane: np.ndarray, radius: np.ndarray, coefficients: tuple[float, ...]) -> np.ndarray:
    """(..., 2) points bent radially and tangentially, from where that may fold back on with slope one.

    Along a ray of direction u the distance from the middle is r + k1 r^3 + k2 r^5 + k3 r^7 + 3 (p1 u_y + p2 u_x) r^2.
    One limit holds for all rays, that of the ray that folds back first, so that the picture stays in one piece.
    """
    k1, k2, p1, p2, k3 = (*coefficients, *(0.0,) * (5 - len(coefficients)))
    limit = _least_positive_root(np.array([1.0, -6 * np.hypot(p1, p2), 3 * k1, 0, 5 * k2, 0, 7 * k3]))
    held = _scaled(plane, radius, np.minimum(radius, limit))
    x, y = held[..., 0], held[..., 1]
    square = x * x + y * y
    tangential = [2 * p1 * x * y + p2 * (square + 2 * x * x), p1 * (square + 2 * y * y) + 2 * p2 * x * y]
    radial = np.polyval([k3, k2, k1, 1.0], square)
    return held * radial[..., None] + np.stack(tangential, axis=-1) + (plane - held)


def _least_positive_root(powers: np.ndarray) -> float:
    """Of the polynomial with these coefficients, constant first; infinity where there is none."""
    roots = np.roots(powers[::-1])
    roots = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(roots.min()) if len(roots) else np.inf


def _points_between(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    """(N, E, 3) ends of lines to (N, E * count, 3) points along them."""
    share = np.linspace(0, 1, count)[:, None]
    return (start[:, :, None] * (1 - share) + end[:, :, None] * share).reshape(len(start), -1, 3)


def _bounds(points: np.ndarray, camera: Lens) -> tuple[np.ndarray, np.ndarray]:
    """(N, P, 3) points in the camera frame to the (N, 2) least and greatest pixels; infinite when all are behind."""
    uv = _pixels(points, camera.intrinsics, camera.distortion, camera.distortion_coefficients)
    # An infinity instead of NaN lets min and max pass over the points that are behind.
    hidden = np.isnan(uv)
    return np.where(hidden, np.inf, uv).min(axis=1), np.where(hidden, -np.inf, uv).max(axis=1)


def _cut_at_near_plane(ends: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(..., 3) ends of edges, moved along the edge to the near plane where they lie behind it.

    An edge with both ends behind becomes a point behind the camera, which has no pixels.
    """
    depth, other_depth = ends[..., 2:], others[..., 2:]
    crosses = (depth < NEAR_M) & (other_depth >= NEAR_M)
    share = np.divide(NEAR_M - depth, other_depth - depth, out=np.zeros_like(depth), where=crosses)
    moved = ends + share * (others - ends)
    both_behind = (depth < NEAR_M) & (other_depth < NEAR_M)
    return np.where(both_behind, _BEHIND, moved)


def _area(boxes: np.ndarray) -> np.ndarray:
    """(N, 4) boxes to (N,) areas; 0 for NaN and empty ones."""
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    return np.nan_to_num(np.maximum(width, 0) * np.maximum(height, 0))
