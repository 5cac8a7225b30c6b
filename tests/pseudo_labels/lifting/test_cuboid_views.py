"""From a visible surface to the centre, against boxes drawn by rays."""

import numpy as np
import pytest
from seen_room import FOCAL, HEIGHT, WIDTH, Box, Room, look_pose

from st_vlm.pseudo_labels.lifting.cuboid_views import ImageGeometry, average_offsets, centre_offsets
from st_vlm.pseudo_labels.lifting.object_views import view_objects

CAR = (4.5, 1.9, 1.6)
ENDLESS = ImageGeometry(
    np.array([[FOCAL, 0.0, 1e6 + (WIDTH - 1) / 2], [0.0, FOCAL, 1e6 + (HEIGHT - 1) / 2], [0.0, 0.0, 1.0]]), (2e6, 2e6)
)


def offset(box, pose, heading=None, sigma=0.05, border=True):
    """The centre that the views of a drawn box give, minus the true one: (2,) metres, and the covariance."""
    room = Room((box,))
    depth, labels = room.render(pose)
    views = view_objects(labels[None], depth[None], 1)
    assert np.isfinite(views.depth[0, 0])
    u, v = views.pixels[0, 0]
    ray = np.array([(u - (WIDTH - 1) / 2) / FOCAL, (v - (HEIGHT - 1) / 2) / FOCAL, 1.0])
    surface = pose[:3, :3] @ (ray * views.depth[0, 0]) + pose[:3, 3]
    image = ImageGeometry(room.intrinsics, room.size) if border else ENDLESS
    by_heading = centre_offsets(surface[None], pose[None], image, np.array([box.size]))
    heading = box.yaw if heading is None else heading
    mean, covariance = average_offsets(by_heading, np.array([heading]), np.array([sigma]))
    return surface[:2] + mean[0] - np.array(box.centre[:2]), covariance[0]


@pytest.mark.parametrize("yaw", np.deg2rad(np.arange(0, 180, 15)))
@pytest.mark.parametrize(("away", "aside"), [(8.0, 0.0), (12.0, 5.0), (25.0, -6.0)])
def test_the_centre_of_a_car_is_found_however_it_is_turned(yaw, away, aside):
    off, _ = offset(Box((away, aside, 0.8), CAR, yaw), look_pose((0, 0, 1.6), 0.0, 0.03))
    assert np.linalg.norm(off) < 0.3


def test_front_and_back_are_alike():
    for yaw in (0.3, 1.2):
        box, pose = Box((12, 2, 0.8), CAR, yaw), look_pose((0, 0, 1.6), 0.0)
        assert np.allclose(offset(box, pose)[0], offset(box, pose, heading=yaw + np.pi)[0], atol=0.05)


@pytest.mark.parametrize("aside", [5.2, -5.2, 5.8])
def test_what_the_image_cuts_off_is_not_expected_in_it(aside):
    box, pose = Box((8, aside, 0.8), CAR, 0.0), look_pose((0, 0, 1.6), 0.0)
    off = np.linalg.norm(offset(box, pose)[0])
    assert off < 0.7
    assert off < 0.6 * np.linalg.norm(offset(box, pose, border=False)[0])


def test_an_unknown_heading_is_an_uncertainty_of_about_what_it_costs():
    pose = look_pose((0, 0, 1.6), 0.0)
    errors, stated = [], []
    for yaw in np.deg2rad(np.arange(0, 180, 15)):
        off, covariance = offset(Box((15, 1, 0.8), CAR, yaw), pose, sigma=np.inf)
        errors.append(off)
        stated.append(np.trace(covariance))
    assert 0.7 < np.sqrt(np.mean(np.sum(np.square(errors), axis=1)) / np.mean(stated)) < 1.4
    assert stated[0] > 5 * np.trace(offset(Box((15, 1, 0.8), CAR, 0.0), pose)[1])
