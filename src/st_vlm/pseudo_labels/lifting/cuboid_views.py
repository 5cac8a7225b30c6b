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
_ALONG, _UP = 8, 2


def _unit_points() -> np.ndarray:
    """(P, 3) points on the front, the left side and the top of a cuboid with sides of 1, face by face."""
    along, up = ((np.arange(count) + 0.5) / count - 0.5 for count in (_ALONG, _UP))
    a, b = (grid.ravel() for grid in np.meshgrid(along, up))
    half = np.full(len(a), 0.5)
    return np.stack([np.concatenate(axis) for axis in ((half, a, a), (a, half, b), (b, b, half))], axis=-1)


_POINTS = _unit_points()
# Half a turn is enough, since front and back look alike.
HEADINGS = np.arange(16) * np.pi / 16
# No heading is known better than this, as far apart as they are.
LEAST_SIGMA = 0.12
# The centre is first put behind the surface by half the width, then where the view says.
_ROUNDS = 3
# Points are sorted by their depth in so many steps, and by their index, which is less than the second number.
_DEPTH_STEPS, _INDICES = 2.0**23, 128
# So few views at once that all their points fit the processor's cache.
_VIEWS_AT_ONCE = 32


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
    parts = (slice(start, start + _VIEWS_AT_ONCE) for start in range(0, len(surface), _VIEWS_AT_ONCE))
    found = [_offsets(surface[part], poses[part], image, sizes[part]) for part in parts]
    return np.concatenate([np.empty((0, len(HEADINGS), 2)), *found])


def _offsets(surface: np.ndarray, poses: np.ndarray, image: ImageGeometry, sizes: np.ndarray) -> np.ndarray:
    """`centre_offsets` of a few views."""
    # From here on in the camera's directions.
    turns = np.swapaxes(poses[:, :3, :3], 1, 2)[:, None] @ rotation_about_up(HEADINGS)
    towards = ((surface - poses[:, :3, 3])[:, None] @ poses[:, :3, :3])[:, 0]
    behind = towards / np.linalg.norm(towards, axis=-1, keepdims=True) * 0.5 * sizes[:, 1:2]
    guess = np.broadcast_to((towards + behind)[:, None], (len(surface), len(HEADINGS), 3))
    # Of the sides, only those towards the camera are ever seen.
    facing = np.where((np.swapaxes(turns, -1, -2) @ -guess[..., None])[..., 0] >= 0, 1.0, -1.0)
    facing[..., 2] = 1.0
    normals = turns * facing[:, :, None]
    faces = _faces(normals, sizes)
    for _ in range(_ROUNDS):
        guess = towards[:, None] + guess - _seen(faces, guess.astype(np.float32), image)
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


@dataclass(frozen=True, eq=False)
class _Faces:
    """Points on three faces of V cuboids turned in H ways, from the nearest to the deepest, as the camera looks.

    Attributes:
        points: (3, V, H, P) from the centre.
        face: (V, H, P) of each point, as an index into all (V, H, 3) faces.
        normals: (V, H, 3, 3) outwards, a face a column.
        areas: (V, 1, 3) that each point of a face stands for.
        away: (V, 1, 3) of the faces from the centre.
    """

    points: np.ndarray
    face: np.ndarray
    normals: np.ndarray
    areas: np.ndarray
    away: np.ndarray


def _faces(normals: np.ndarray, sizes: np.ndarray) -> _Faces:
    """From (V, H, 3, 3) normals, a face a column, and (V, 3) sizes.

    Single precision is good to micrometres around an object, and twice as fast.
    """
    points = np.moveaxis((normals * sizes[:, None, None]) @ _POINTS.T, 2, 0).astype(np.float32, order="C")
    shape, count = points.shape[1:], points.shape[-1]
    # Where a cuboid is put does not change which of its points lies deeper: they are sorted once. Depths and indices
    # in one number are sorted several times faster than indices by depths.
    depth = points[2].reshape(-1, count)
    near = depth.min(axis=1, keepdims=True)
    steps = (depth - near) * (_DEPTH_STEPS / (depth.max(axis=1, keepdims=True) - near))
    order = np.sort(steps.astype(np.int32) * _INDICES + np.arange(count, dtype=np.int32), axis=1) % _INDICES
    rows = np.arange(len(order))[:, None]
    here = rows * count + order
    return _Faces(
        points=np.stack([np.take(axis, here, mode="clip").reshape(shape) for axis in points]),
        face=(rows * 3 + order // (_ALONG * _UP)).reshape(shape),
        normals=normals.astype(np.float32),
        areas=(sizes.prod(axis=1, keepdims=True) / sizes).astype(np.float32)[:, None],
        away=(sizes / 2).astype(np.float32)[:, None],
    )


def _seen(faces: _Faces, centres: np.ndarray, image: ImageGeometry) -> np.ndarray:
    """(V, H, 3) where the mean visible pixel at the median depth lies from the camera, in the camera's directions.

    Args:
        faces: Of the cuboids.
        centres: (V, H, 3) of the cuboids from the camera.
        image: What lies outside it is not seen.
    """
    x, y, z = (centres[..., axis, None] for axis in range(3))
    inverse = 1 / np.maximum(faces.points[2] + z, np.float32(0.1))
    across, down = (faces.points[0] + x) * inverse, (faces.points[1] + y) * inverse
    # What a piece takes of the image: its slant against the ray, over the cube of the depth.
    slant = (centres[..., None, :] @ faces.normals)[..., 0, :] + faces.away
    share = np.take(faces.areas * np.maximum(-slant, 0), faces.face, mode="clip") * (inverse * inverse * inverse)
    inside = share > 0
    for plane, axis in ((across, 0), (down, 1)):
        focal, middle = float(image.intrinsics[axis, axis]), float(image.intrinsics[axis, 2])
        inside &= plane > (-0.5 - middle) / focal
        inside &= plane < (image.size[axis] - 0.5 - middle) / focal
    # A cuboid that should lie outside as a whole is not where it is thought to be: then the border is no guide.
    share *= inside | ~inside.any(axis=2, keepdims=True)
    so_far = np.cumsum(share, axis=-1)
    total = np.maximum(so_far[..., -1:], 1e-12)
    median = (so_far >= 0.5 * total).argmax(axis=-1)[..., None]
    depth = 1 / np.take_along_axis(inverse, median, axis=-1)[..., 0]
    share *= (so_far > TRIMMED_SHARE * total) & (so_far - share < (1 - TRIMMED_SHARE) * total)
    most = np.maximum(share.sum(axis=-1), 1e-12)
    columns, rows = (np.einsum("vhp,vhp->vh", plane, share) / most for plane in (across, down))
    return np.stack([columns * depth, rows * depth, depth], axis=-1)
