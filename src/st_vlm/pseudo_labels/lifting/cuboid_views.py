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
HEADINGS = np.arange(16) * np.pi / 16
# No heading is known better than this, as far apart as they are.
LEAST_SIGMA = 0.12
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


def centre_offsets(surface: np.ndarray, poses: np.ndarray, image: ImageGeometry, sizes: np.ndarray) -> np.ndarray:
    """Horizontal way from measured surface points to the centres of V views of cuboids, for each of `HEADINGS`.

    Args:
        surface: (V, 3) world place of the mean visible pixel at the median depth, metres.
        poses: (V, 4, 4) world from camera.
        image: What of a cuboid lies outside it is not in what was measured.
        sizes: (V, 3) length, width, height in metres.

    Returns:
        (V, H, 2) metres.
    """
    points, areas, normals = _faces(sizes)
    # From here on in the camera's directions.
    turns = np.swapaxes(poses[:, :3, :3], 1, 2)[:, None] @ rotation_about_up(HEADINGS)
    # Single precision is good to micrometres around an object, and twice as fast.
    turned = (turns @ np.swapaxes(points, 1, 2)[:, None]).astype(np.float32)
    facing = np.repeat((turns @ normals.T).astype(np.float32), turned.shape[-1] // len(normals), axis=-1)
    areas = areas[:, None].astype(np.float32)
    towards = ((surface - poses[:, :3, 3])[:, None] @ poses[:, :3, :3])[:, 0]
    behind = towards / np.linalg.norm(towards, axis=-1, keepdims=True) * 0.5 * sizes[:, 1:2]
    guess = np.broadcast_to((towards + behind)[:, None], (len(surface), len(HEADINGS), 3))
    for _ in range(_ROUNDS):
        seen = _seen(turned + guess[..., None].astype(np.float32), facing, areas, image)
        guess = towards[:, None] + guess - seen
    return ((guess - towards[:, None]) @ np.swapaxes(poses[:, :3, :3], 1, 2))[..., :2]


def average_offsets(
    offsets: np.ndarray, headings: np.ndarray, heading_sigmas: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Offsets averaged over what is likely of the heading.

    Args:
        offsets: (V, H, 2) of each of `HEADINGS`, metres.
        headings: (V,) radians in the ground plane; any value where `heading_sigmas` is infinite.
        heading_sigmas: (V,) radians; infinite for an object whose heading is not known.

    Returns:
        (V, 2) means in metres, and (V, 2, 2) covariances from the heading alone.
    """
    # Von Mises on half a turn: a normal distribution on the circle of what can be told apart.
    spread = np.maximum(heading_sigmas, LEAST_SIGMA)[:, None]
    weights = np.exp((np.cos(2 * (HEADINGS - headings[:, None])) - 1) / (2 * spread) ** 2)
    weights /= weights.sum(axis=1, keepdims=True)
    mean = (weights[:, None] @ offsets)[:, 0]
    off = offsets - mean[:, None]
    return mean, np.swapaxes(off * weights[..., None], 1, 2) @ off


def _seen(rays, facing, areas, image: ImageGeometry) -> np.ndarray:
    """(V, H, 3) where the mean visible pixel at the median depth lies from the camera, in the camera's directions.

    Args:
        rays: (V, H, 3, P) from the camera to points on the faces.
        facing: (V, H, 3, P) outward normals.
        areas: (V, 1, P) that the points stand for.
    """
    depth = np.maximum(rays[:, :, 2], 0.1)
    # What a piece takes of the image: its slant against the ray, over the cube of the depth.
    slant = rays[:, :, 0] * facing[:, :, 0] + rays[:, :, 1] * facing[:, :, 1] + rays[:, :, 2] * facing[:, :, 2]
    share = areas * np.maximum(-slant, 0.0) / depth**3
    across, down = rays[:, :, 0] / depth, rays[:, :, 1] / depth
    inside = share > 0
    for plane, axis in ((across, 0), (down, 1)):
        pixels = plane * float(image.intrinsics[axis, axis]) + float(image.intrinsics[axis, 2])
        inside &= (pixels > -0.5) & (pixels < image.size[axis] - 0.5)
    # A cuboid that should lie outside as a whole is not where it is thought to be: then the border is no guide.
    share = share * (inside | ~inside.any(axis=2, keepdims=True))
    order = np.argsort(depth, axis=-1)
    depth, share, across, down = (np.take_along_axis(a, order, axis=-1) for a in (depth, share, across, down))
    so_far = np.cumsum(share, axis=-1)
    total = np.maximum(so_far[..., -1:], 1e-12)
    middle = np.take_along_axis(depth, (so_far >= 0.5 * total).argmax(axis=-1)[..., None], axis=-1)[..., 0]
    kept = share * ((so_far > TRIMMED_SHARE * total) & (so_far - share < (1 - TRIMMED_SHARE) * total))
    most = np.maximum(kept.sum(axis=-1), 1e-12)
    columns, rows = (across * kept).sum(axis=-1) / most, (down * kept).sum(axis=-1) / most
    return np.stack([columns * middle, rows * middle, middle], axis=-1)


def _faces(sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points on the four sides and the top: (V, P, 3) places, (V, P) areas, and (5, 3) the sides' outward normals."""
    along, up = ((np.arange(count) + 0.5) / count - 0.5 for count in (_ALONG, _UP))
    a, b = (grid.ravel() for grid in np.meshgrid(along, up))
    unit, normals, sides = [], [], []
    for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1), (2, 1)):
        others = [k for k in range(3) if k != axis]
        place = np.empty((len(a), 3))
        place[:, axis], place[:, others[0]], place[:, others[1]] = sign / 2, a, b
        unit.append(place)
        normals.append(sign * np.eye(3)[axis])
        sides.append(np.broadcast_to(others, (len(a), 2)))
    unit, normals, sides = np.concatenate(unit), np.stack(normals), np.concatenate(sides)
    areas = sizes[:, sides[:, 0]] * sizes[:, sides[:, 1]]
    return unit * sizes[:, None], areas, normals
