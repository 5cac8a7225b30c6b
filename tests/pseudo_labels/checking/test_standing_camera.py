"""Poses that stand still are believed only where the images do, too."""

import numpy as np
import pytest
from made_videos import write_frames
from scipy.ndimage import gaussian_filter

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.checking.standing_camera import check_standing
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments

COUNT, SIZE = 13, (320, 180)


def seen(folder, lefts, poses=None):
    """A clip that looks at a wall from (COUNT,) columns on, with an object that covers a third of it and moves."""
    rng = np.random.default_rng(0)
    wall = 128 + 60 * gaussian_filter(rng.standard_normal((SIZE[1], 900, 3)), (4, 4, 0)) / 0.07
    wall = np.clip(wall, 0, 255).astype(np.uint8)
    frames, boxes = [], np.zeros((1, COUNT, 4))
    for t, left in enumerate(lefts):
        image = wall[:, left : left + SIZE[0]].copy()
        image[60:, 12 * t : 12 * t + 110] = wall[60:180, 500:610]
        boxes[0, t] = 12 * t, 60, 12 * t + 110, 180
        frames.append(np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8))
    write_frames(folder / "v.mp4", frames, 0.5 * np.arange(COUNT))
    times = tuple(int(5e8) * t for t in range(COUNT))
    clip = Clip("v", "v.mp4", tuple(range(COUNT)), times, SIZE, 0, COUNT - 1)
    segments = Segments(("car",), boxes, np.ones((1, COUNT)), SIZE, SIZE)
    poses = np.tile(np.eye(4), (COUNT, 1, 1)) if poses is None else poses
    return ClipFrames(clip, folder), segments, ClipGeometry(np.diag([300.0, 300.0, 1.0]), SIZE, poses)


def test_a_standing_camera_that_a_hand_shakes(tmp_path):
    check_standing(*seen(tmp_path, 100 + np.array([0, 2, -1, 1, -2, 0, 3, 1, 0, -1, 2, 0, 1])))


def test_a_camera_that_pans(tmp_path):
    with pytest.raises(InputError, match=r"The camera of v.mp4 moves or turns, but its poses stand still\."):
        check_standing(*seen(tmp_path, 20 * np.arange(COUNT)))


def test_poses_that_move_are_not_doubted(tmp_path):
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[:, 0, 3] = np.arange(COUNT)
    check_standing(*seen(tmp_path, 20 * np.arange(COUNT), poses))
