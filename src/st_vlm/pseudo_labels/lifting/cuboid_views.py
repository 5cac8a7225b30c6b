"""From the visible surface of an object to its centre: a cuboid of the usual size, seen as the camera sees it.

The mean pixel and the median depth of what is visible lie on the near side. How far the centre is behind depends on
size, heading and the direction of view, and on what the image's border cuts off. A heading is never certain: the
offset is averaged over what is likely, and its scatter is part of the measurement's uncertainty.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.pseudo_labels.lifting.object_views import TRIMMED_SHARE

# Points on a face: so many along it, and so many upwards or across the roof.
_ALONG, _UP = 8, 3
# Half a turn is enough, since front and back look alike.
_TURNS = np.arange(8) * np.pi / 8
# The centre is first put behind the surface by half the width, then where the view says.
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class ImageGeometry:
    """Where a pinhole camera's pixels look, and how far they go.

    Attributes:
        intrinsics: (3, 3) in pixels.
        size: Width and height.
    """

    intrinsics: np.ndarray
    size: tuple[int, int]


def centre_offsets(
    surface: np.ndarray,
    poses: np.ndarray,
    image: ImageGeometry,
    sizes: np.ndarray,
    headings: np.ndarray,
    heading_sigmas: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal way from measured surface points to the centres of V views of cuboids.

    Args:
        surface: (V, 3) world place of the mean visible pixel at the median depth, metres.
        poses: (V, 4, 4) world from camera.
        image: What of a cuboid lies outside it is not in what was measured.
        sizes: (V, 3) length, width, height in metres.
        headings: (V,) radians in the ground plane; any value where `heading_sigmas` is infinite.
        heading_sigmas: (V,) radians; infinite for an object whose heading is not known.

    Returns:
        (V, 2) means in metres, and (V, 2, 2) covariances from the heading alone.
    """
    known = np.isfinite(heading_sigmas)
    yaws = np.where(known, headings, 0.0)[:, None] + _TURNS
    # Von Mises on half a turn: a normal distribution on the circle of what can be told apart.
    spread = np.where(known, np.maximum(np.where(known, heading_sigmas, 1.0), 0.1), np.inf)
    weights = np.exp((np.cos(2 * _TURNS) - 1) / (2 * spread[:, None]) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    points, areas, normals = _faces(sizes)
    rotations = rotation_about_up(yaws)
    turned = np.einsum("vhij,vpj->vhpi", rotations, points)
    facing = np.einsum("vhij,pj->vhpi", rotations, normals)
    eye = poses[:, :3, 3]
    towards = surface - eye
    behind = towards / np.linalg.norm(towards, axis=-1, keepdims=True) * 0.5 * sizes[:, 1:2]
    guess = np.broadcast_to((surface + behind)[:, None], (*yaws.shape, 3))
    for _ in range(_ROUNDS):
        seen = _seen(turned + (guess - eye[:, None])[:, :, None], facing, areas, poses, image)
        guess = surface[:, None] + guess - eye[:, None] - seen
    offsets = (guess - surface[:, None])[..., :2]
    mean = (weights[..., None] * offsets).sum(axis=1)
    off = offsets - mean[:, None]
    return mean, np.einsum("vh,vhi,vhj->vij", weights, off, off)


def _seen(rays, facing, areas, poses, image: ImageGeometry) -> np.ndarray:
    """(V, H, 3) where the mean visible pixel at the median depth lies from the camera, in the world's directions.

    Args:
        rays: (V, H, P, 3) from the camera to points on the faces.
        facing: (V, H, P, 3) outward normals.
        areas: (V, P) that the points stand for.
    """
    local = np.einsum("vhpi,vij->vhpj", rays, poses[:, :3, :3])
    depth = np.maximum(local[..., 2], 0.1)
    # What a piece takes of the image: its slant against the ray, over the cube of the depth.
    share = areas[:, None] * np.maximum(-(rays * facing).sum(axis=-1), 0.0) / depth**3
    plane = local[..., :2] / depth[..., None]
    pixels = plane * np.diag(image.intrinsics)[:2] + image.intrinsics[:2, 2]
    inside = ((pixels > -0.5) & (pixels < np.array(image.size) - 0.5)).all(axis=-1) & (share > 0)
    # A cuboid that should lie outside as a whole is not where it is thought to be: then the border is no guide.
    share = share * np.where(inside.any(axis=2, keepdims=True), inside, True)
    order = np.argsort(depth, axis=-1)
    depth, share = np.take_along_axis(depth, order, axis=-1), np.take_along_axis(share, order, axis=-1)
    so_far = np.cumsum(share, axis=-1)
    so_far = so_far / np.maximum(so_far[..., -1:], 1e-12)
    at = (so_far >= 0.5).argmax(axis=-1)[..., None]
    middle = np.take_along_axis(depth, at, axis=-1)
    kept = share * (
        (so_far > TRIMMED_SHARE) & (so_far - share / share.sum(axis=-1, keepdims=True) < 1 - TRIMMED_SHARE)
    )
    plane = np.take_along_axis(plane, order[..., None], axis=2)
    across = (plane * kept[..., None]).sum(axis=2) / np.maximum(kept.sum(axis=2), 1e-12)[..., None]
    return np.einsum("vij,vhj->vhi", poses[:, :3, :3], np.concatenate([across * middle, middle], axis=-1))


def _faces(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the four sides and the top: (V, P, 3) places, (V, P) areas and (P, 3) outward normals."""
    along, up = ((np.arange(count) + 0.5) / count - 0.5 for count in (_ALONG, _UP))
    a, b = (grid.ravel() for grid in np.meshgrid(along, up))
    unit, normals, sides = [], [], []
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1)):
        others = [k for k in range(3) if k != axis]
        place = np.empty((len(a), 3))
        place[:, axis], place[:, others[0]], place[:, others[1]] = sign / 2, a, b
        unit.append(place)
        normals.append(np.broadcast_to(sign * np.eye(3)[axis], place.shape))
        sides.append(np.broadcast_to(others, (len(a), 2)))
    unit, normals, sides = np.concatenate(unit), np.concatenate(normals), np.concatenate(sides)
    areas = sizes[:, sides[:, 0]] * sizes[:, sides[:, 1]]
    return unit * sizes[:, None], areas, normals
