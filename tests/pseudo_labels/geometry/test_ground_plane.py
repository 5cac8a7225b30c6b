"""Geometry of a camera of which the lens and the height are known."""

from types import SimpleNamespace

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import read_geometry, write_geometry
from st_vlm.pseudo_labels.geometry.ground_plane import LEVEL, GroundPlane


def clip(**changes):
    times = tuple(k * 500_000_000 for k in range(4))
    values = {"id": "c", "video": "a.mp4", "frames": (0, 15, 30, 45), "times_ns": times, "size": (640, 480)}
    return Clip(**{**values, "first": 0, "last": 50, **changes})


def measure(backend, of):
    return backend.measure(SimpleNamespace(clip=of), None)


def test_a_camera_that_only_its_height_and_lens_are_known_of_stands_level(tmp_path):
    found = measure(GroundPlane(focal=500.0, camera_height=1.4), clip())
    assert found.depth is None
    assert found.camera_height == 1.4
    np.testing.assert_allclose(found.intrinsics, [[500, 0, 319.5], [0, 500, 239.5], [0, 0, 1]])
    # What is 10 m ahead, 2 m to the right and on the ground, by hand.
    local = np.array([2.0, 1.4, 10.0, 1.0])
    np.testing.assert_allclose(found.poses @ local, np.tile([10.0, -2, 0, 1], (4, 1)), atol=1e-12)
    write_geometry(found, tmp_path / "geometry.npz")
    assert read_geometry(tmp_path / "geometry.npz").depth is None


def test_what_the_clip_states_wins():
    stated = clip(intrinsics=(700.0, 0, 300, 0, 710, 200, 0, 0, 1), camera_height=2.0)
    found = measure(GroundPlane(focal=500.0, camera_height=1.4), stated)
    assert found.camera_height == 2.0
    np.testing.assert_allclose(found.intrinsics, [[700, 0, 300], [0, 710, 200], [0, 0, 1]])


def test_poses_from_a_file(tmp_path):
    poses = pose(np.tile(LEVEL, (4, 1, 1)), np.array([[k, 0, 1.4] for k in range(4)]))
    arrays = {"frames": np.array([0, 15, 30, 45]), "poses": poses, "depth": np.ones((4, 24, 32))}
    np.savez(tmp_path / "a.npz", **arrays)
    found = measure(GroundPlane(focal=500.0, camera_height=1.4, poses=tmp_path), clip())
    np.testing.assert_allclose(found.poses, poses)
    assert found.depth is None
    assert found.backend == "ground-plane"
    np.savez(tmp_path / "a.npz", **arrays, intrinsics=np.diag([400.0, 400, 1]), size=(640, 480), camera_height=1.1)
    found = measure(GroundPlane(poses=tmp_path), clip())
    assert (found.camera_height, found.intrinsics[0, 0]) == (1.1, 400)


def test_what_is_not_known_is_asked_for(tmp_path):
    with pytest.raises(InputError, match=r"lens of a.mp4 is not known. .*--focal"):
        measure(GroundPlane(camera_height=1.4), clip())
    with pytest.raises(InputError, match=r"above the ground is not known. .*--camera-height"):
        measure(GroundPlane(focal=500.0), clip())
    with pytest.raises(InputError, match="focal length must be a positive number, not 0"):
        GroundPlane(focal=0)
    with pytest.raises(InputError, match="height must be a positive number, not nan"):
        GroundPlane(camera_height=float("nan"))
    with pytest.raises(InputError, match="focal length must be a positive number, not 'wide'"):
        GroundPlane(focal="wide")
    with pytest.raises(InputError, match="does not exist"):
        GroundPlane(poses=tmp_path / "none")
