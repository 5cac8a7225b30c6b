"""The boxes that cuboids on the ground make in images, and how they change with all that is unknown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.kinematics.projection import Lens, pixel_rays
from st_vlm.pseudo_labels.lifting.ground_surface import GroundSurface

# A box's edge is off by this share of its side, and by at least so many pixels of an image 1280 wide.
EDGE_SHARE, EDGE_PX_AT_1280 = 0.015, 1.0
# An edge this near the image's border may be cut by it: a share of the image, or as far as edges are off.
BORDER_SHARE, BORDER_SIGMAS = 0.004, 3.0
# Where an object goes the ground is higher or lower than thought: by kerbs, and by slopes, for each metre from the
# path.
KERB_M, SLOPE_SIGMA = 0.1, 0.012
# A corner nearer than this has no place in the image.
_NEAR_M = 0.3
# Length and width from the middle, height from the ground.
_CORNERS = np.array([[(i >> 2 & 1) - 0.5, (i >> 1 & 1) - 0.5, i & 1] for i in range(8)])
# Cosine of 80 degrees from where the camera looks.
LEAST_AHEAD = 0.17
# Of an edge that tells nothing.
UNMEASURED = 1e3


@dataclass(frozen=True, eq=False)
class BoxViews:
    """V boxes in the images of a pinhole camera of focal length 1.

    Attributes:
        edges: (V, 4) x1, y1, x2, y2.
        sigmas: (V, 4) of each; very large for an edge that the image's border may have cut.
        poses: (V, 4, 4) world from camera.
        owners, frames: (V,) numbers of the object and of the frame.
    """

    edges: np.ndarray
    sigmas: np.ndarray
    poses: np.ndarray
    owners: np.ndarray
    frames: np.ndarray


def box_views(boxes: np.ndarray, lens: Lens, poses: np.ndarray, owners: np.ndarray, frames: np.ndarray) -> BoxViews:
    """V boxes in pixels without the lens.

    Args:
        boxes: (V, 4) x1, y1, x2, y2 in pixels.
        lens: The camera; each edge is undistorted at its middle.
        poses: (V, 4, 4) world from camera.
        owners, frames: (V,) numbers of the object and of the frame.
    """
    x1, y1, x2, y2 = boxes.T
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    middles = np.stack([np.stack(pair, axis=-1) for pair in ((x1, y), (x, y1), (x2, y), (x, y2))], axis=1)
    rays = pixel_rays(middles, lens)
    # A wide lens sees edges beside the camera or none at all, which have no place in a pinhole's image.
    known = np.isfinite(rays).all(axis=-1) & (rays[..., 2] > LEAST_AHEAD * np.linalg.norm(rays, axis=-1))
    rays = np.where(known[..., None], rays, np.array([0.0, 0.0, 1.0]))
    plane = rays[..., :2] / rays[..., 2:]
    edges = np.stack([plane[:, 0, 0], plane[:, 1, 1], plane[:, 2, 0], plane[:, 3, 1]], axis=-1)
    least = EDGE_PX_AT_1280 * lens.size[0] / 1280 / lens.intrinsics[0, 0]
    sides = edges[:, 2:] - edges[:, :2]
    sigmas = np.maximum(least, EDGE_SHARE * np.concatenate([sides, sides], axis=1))
    return BoxViews(edges, np.where(cut_edges(boxes, lens.size) | ~known, UNMEASURED, sigmas), poses, owners, frames)


def cut_edges(boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(..., 4) bool: which edges of (..., 4) boxes in pixels the border of an image of width and height may cut."""
    sides = boxes[..., 2:] - boxes[..., :2]
    margin = np.maximum(BORDER_SHARE * np.array(size), BORDER_SIGMAS * EDGE_SHARE * sides)
    return np.concatenate([boxes[..., :2] <= margin, boxes[..., 2:] >= size - margin], axis=-1)


@dataclass(frozen=True, eq=False)
class Unknowns:
    """What is to be found.

    Attributes:
        own: (V, 2) bearing in radians and logarithm of the horizontal distance of each view's object from its camera.
        objects: (N, 6) logarithms of length, width and height against what is usual; how much higher the ground
            is where the object goes, in standard deviations; and the place of an object that stands, metres.
        clip: (4 + T,) logarithm of the camera's height against what was stated, tilt of the ground beside the path
            along the world's x and y, pitch: how much higher everything lies for each metre of its distance; and the
            same of each frame besides, where the camera nods.
    """

    own: np.ndarray
    objects: np.ndarray
    clip: np.ndarray


@dataclass(frozen=True, eq=False)
class Expected:
    """Boxes as they should be.

    Attributes:
        places: (V, 2) of the centres, metres in the world.
        middles: (V,) heights of the centres, metres in the world.
        edges: (V, 4) averaged over the headings.
        scatter: (V, 4, 4) covariance of the edges over the headings.
        widths: (V, H) of the boxes for each heading.
        good: (V,) bool: the cuboid lies before the camera.
        by_own, by_object, by_clip: (V, 4, 2), (V, 4, 4) and (V, 4, 4) derivatives of the edges; that by the pitch is
            that by the nod of the view's frame, too.
        moved: (V, 2, 2) derivative of the place by what is the view's own.
        beside_m: (V,) metres from the camera's path.
    """

    places: np.ndarray
    middles: np.ndarray
    edges: np.ndarray
    scatter: np.ndarray
    widths: np.ndarray
    good: np.ndarray
    by_own: np.ndarray
    by_object: np.ndarray
    by_clip: np.ndarray
    moved: np.ndarray
    beside_m: np.ndarray


def expected_boxes(
    views: BoxViews,
    surface: GroundSurface,
    camera_height: float,
    usual: np.ndarray,
    yaws: np.ndarray,
    weights: np.ndarray,
    unknowns: Unknowns,
) -> Expected:
    """The boxes of V views, for values of all unknowns.

    Args:
        views: Whose poses count.
        surface: The ground as the path tells it.
        camera_height: Metres, as stated.
        usual: (N, 3) length, width and height of the objects' classes in metres.
        yaws, weights: (V, H) headings in radians, and how likely each is.
        unknowns: The values.
    """
    own, objects, clip = unknowns.own, unknowns.objects[views.owners], unknowns.clip
    eyes, turns = views.poses[:, :3, 3], views.poses[:, :3, :3]
    distance = np.exp(own[:, 1])
    ahead = np.stack([np.cos(own[:, 0]), np.sin(own[:, 0])], axis=-1)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
    places = eyes[:, :2] + distance[:, None] * ahead
    ground = surface.at(places)
    beside_m = np.linalg.norm(ground.beside, axis=-1)
    raised = camera_height * np.exp(clip[0])
    low = ground.heights + camera_height - raised + ground.beside @ clip[1:3]
    uneven = np.hypot(KERB_M, SLOPE_SIGMA * beside_m)
    pitch = clip[3] + clip[4 + views.frames]
    low = low + pitch * distance + objects[:, 3] * uneven
    sizes = usual[views.owners] * np.exp(objects[:, :3])
    spans = _CORNERS * sizes[:, None]
    rotations = rotation_about_up(yaws)
    # What stands on a slope leans with it.
    slope = ground.gradients + clip[1:3]
    rotations[..., 2, :2] = np.einsum("vi,vhij->vhj", slope, rotations[..., :2, :2])
    rotations[..., :2, 2] = -slope[:, None]
    foot = np.concatenate([places, low[:, None]], axis=-1) - eyes
    # (V, H, 8, 3) in the camera's axes.
    turned = np.einsum("vji,vhjk->vhik", turns, rotations)
    local = np.einsum("vhik,vpk->vhpi", turned, spans) + np.einsum("vji,vj->vi", turns, foot)[:, None, None]
    depth = local[..., 2]
    good = (depth > _NEAR_M).all(axis=(1, 2))
    plane = local[..., :2] / np.maximum(depth, _NEAR_M)[..., None]
    corners = np.stack([plane[..., 0].argmin(-1), plane[..., 1].argmin(-1), plane[..., 0].argmax(-1),
                        plane[..., 1].argmax(-1)], axis=-1)  # fmt: skip
    axes = np.array([0, 1, 0, 1])
    at = np.take_along_axis(plane, corners[..., None], axis=2)
    edges = np.take_along_axis(at, np.broadcast_to(axes[:, None], (*at.shape[:2], 4, 1)), axis=3)[..., 0]
    near = np.maximum(np.take_along_axis(depth, corners, axis=2), _NEAR_M)
    # How an edge moves when its corner moves in the world.
    pull = (turns[:, :, axes].swapaxes(1, 2)[:, None] - edges[..., None] * turns[:, None, None, :, 2]) / near[
        ..., None
    ]
    by_foot = np.einsum("vh,vhei->vei", weights, pull)
    spans_at = spans[np.arange(len(spans))[:, None, None], corners]
    along_axes = np.einsum("vhei,vhik->vhek", pull, rotations) * spans_at
    by_size = np.einsum("vh,vhek->vek", weights, along_axes)
    up = by_foot[..., 2]
    moved = np.stack([left, ahead], axis=-1) * distance[:, None, None]
    rising = slope + (objects[:, 3] * SLOPE_SIGMA**2 / uneven)[:, None] * ground.beside
    lifted = np.einsum("vi,vij->vj", rising, moved)
    lifted[:, 1] += pitch * distance
    by_own = by_foot[..., :2] @ moved + up[..., None] * lifted[:, None]
    by_object = np.concatenate([by_size, up[..., None] * uneven[:, None, None]], axis=-1)
    by_clip = np.concatenate([np.broadcast_to(-raised, (len(own), 1)), ground.beside, distance[:, None]], axis=-1)
    by_clip = up[..., None] * by_clip[:, None]
    # A tilt leans things besides.
    ways = np.einsum("vhik,vhek->vhei", rotations, spans_at)
    leaned = pull[..., 2:] * ways[..., :2] - pull[..., :2] * ways[..., 2:]
    by_clip[..., 1:3] += np.einsum("vh,vhei->vei", weights, leaned)
    expected = np.einsum("vh,vhe->ve", weights, edges)
    off = edges - expected[:, None]
    return Expected(
        places=places,
        middles=low + sizes[:, 2] / 2,
        edges=expected,
        scatter=np.einsum("vh,vhi,vhj->vij", weights, off, off),
        widths=edges[..., 2] - edges[..., 0],
        good=good,
        by_own=by_own,
        by_object=by_object,
        by_clip=by_clip,
        moved=moved,
        beside_m=beside_m,
    )
