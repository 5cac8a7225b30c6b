"""Boxes of cuboids and their derivatives, against projection as such and difference quotients."""

from types import SimpleNamespace

import numpy as np

from st_vlm.kinematics.poses import pose, rotation_about_up
from st_vlm.kinematics.projection import project_boxes
from st_vlm.pseudo_labels.lifting.cuboid_boxes import Unknowns, box_views, expected_boxes
from st_vlm.pseudo_labels.lifting.ground_surface import GroundSurface

LENS = SimpleNamespace(
    intrinsics=np.array([[900.0, 0, 640], [0, 800, 360], [0, 0, 1]]),
    size=(1280, 720),
    distortion="none",
    distortion_coefficients=(),
)
LOOKS_AHEAD = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
USUAL = np.array([[4.5, 1.9, 1.6], [0.6, 0.6, 1.7]])
OWNERS, FRAMES = np.array([0, 1, 0]), np.array([0, 1, 1])


def scene():
    along = np.linspace(0, 30, 16)
    centres = np.stack([along, 0.02 * along**2, 1.6 + 0.03 * along], axis=-1)
    poses = pose(rotation_about_up(np.array([0.0, 0.1, 0.2])) @ LOOKS_AHEAD, centres[[0, 5, 10]])
    views = box_views(np.tile([600.0, 300, 700, 400], (3, 1)), LENS, poses, OWNERS, FRAMES)
    unknowns = Unknowns(
        own=np.array([[0.1, np.log(20.0)], [0.0, np.log(14.0)], [0.3, np.log(35.0)]]),
        objects=np.array([[0.1, -0.1, 0.05, 0.7, 0, 0], [0.0, 0.2, -0.05, -0.4, 0, 0]]),
        clip=np.array([0.02, 0.01, -0.02, 0.003, 0.004, -0.006]),
    )
    yaws = np.array([[0.3, 1.5], [0.2, 2.0], [-0.5, 0.9]])
    return views, GroundSurface(centres, 1.6), yaws, np.full((3, 2), 0.5), unknowns


def edges(views, surface, yaws, weights, unknowns):
    return expected_boxes(views, surface, 1.6, USUAL, yaws, weights, unknowns)


def test_on_level_ground_they_are_projected_cuboids():
    views, _, yaws, _, unknowns = scene()
    level = GroundSurface(np.tile([0.0, 0, 1.6], (4, 1)), 1.6)
    only = np.tile([1.0, 0.0], (3, 1))
    plain = Unknowns(unknowns.own, np.concatenate([unknowns.objects[:, :3], np.zeros((2, 3))], axis=1), np.zeros(6))
    found = edges(views, level, yaws, only, plain)
    sizes = (USUAL * np.exp(plain.objects[:, :3]))[OWNERS]
    centres = np.concatenate([found.places, sizes[:, 2:] / 2], axis=1)
    boxes = project_boxes(centres, sizes, rotation_about_up(yaws[:, 0]), views.poses, LENS).boxes
    expected = box_views(boxes, LENS, views.poses, OWNERS, FRAMES).edges
    np.testing.assert_allclose(found.edges, expected, atol=1e-9)
    np.testing.assert_allclose(found.middles, sizes[:, 2] / 2)
    np.testing.assert_allclose(found.scatter, 0, atol=1e-12)


def test_derivatives_are_those_of_difference_quotients():
    views, surface, yaws, weights, unknowns = scene()
    now = edges(views, surface, yaws, weights, unknowns)
    step = 1e-6
    nods = np.where(FRAMES[:, None, None] == [0, 1], now.by_clip[..., 3:], 0.0)
    by_clip = np.concatenate([now.by_clip, nods], axis=-1)
    for name, columns, stated in (("own", 2, now.by_own), ("objects", 4, now.by_object), ("clip", 6, by_clip)):
        for column in range(columns):
            values = {key: getattr(unknowns, key).copy() for key in ("own", "objects", "clip")}
            values[name][..., column] += step
            moved = (edges(views, surface, yaws, weights, Unknowns(**values)).edges - now.edges) / step
            # The ground's unevenness and lean change a little with the place: that is left out.
            np.testing.assert_allclose(stated[..., column], moved, rtol=0.05, atol=6e-3)


def test_an_edge_at_the_border_tells_nothing():
    boxes = np.array([[0.0, 300, 200, 719.9], [500, 300, 600, 400]])
    views = box_views(boxes, LENS, np.tile(np.eye(4), (2, 1, 1)), np.array([0, 1]), np.array([0, 0]))
    assert (views.sigmas[0] > 100).tolist() == [True, False, False, True]
    assert (views.sigmas[1] < 0.01).all()


def test_an_edge_beside_a_wide_lens_tells_nothing():
    wide = SimpleNamespace(
        intrinsics=np.array([[300.0, 0, 640], [0, 300, 360], [0, 0, 1]]),
        size=(1280, 720),
        distortion="kannala_brandt",
        distortion_coefficients=(0.0, 0.0, 0.0, 0.0),
    )
    # At 300 px a radian the left edge is seen 105 degrees beside what the camera looks at, the right one 30.
    views = box_views(np.array([[90.0, 350, 483, 400]]), wide, np.eye(4)[None], np.array([0]), np.array([0]))
    assert np.isfinite(views.edges).all()
    assert views.sigmas[0, 0] > 100
    assert views.sigmas[0, 2] < 0.1
    np.testing.assert_allclose(views.edges[0, 2], -np.tan(157 / 300), rtol=2e-3)
