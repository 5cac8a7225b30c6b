"""A driving camera through the whole backend: an encoded video, exact depth in place of the model's, true poses."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from st_vlm.kinematics.poses import invert
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.depth_pro import DepthProOdometry, fitting
from st_vlm.pseudo_labels.segments import Segments, encode_mask
from st_vlm.recordings import open_recordings
from st_vlm.video.encoding import write_video

SIZE = (400, 228)


def test_the_way_of_a_driving_camera(tmp_path, monkeypatch):
    source = open_recordings("simulated", seed=0, num_recordings=5, image_size=SIZE)
    recording = source.read(source.recording_ids()[4], camera="camera")
    frames, camera = recording.frames, recording.camera
    numbers, grid = range(16), (0, 5, 10, 15)
    times = (frames.times_ns[:16] - frames.times_ns[0]) * 1e-9
    write_video(tmp_path / "v.mp4", (frames.read(k) for k in numbers), times.tolist())
    lens = tuple(camera.intrinsics.ravel().tolist())
    stamps = tuple((frames.times_ns[list(grid)] - frames.times_ns[0]).tolist())
    clip = ClipFrames(Clip("v", "v.mp4", grid, stamps, SIZE, 0, 15, intrinsics=lens), tmp_path)
    masks = {(0, t): encode_mask(frames.instances(k) >= 0) for t, k in enumerate(grid)}
    boxes = np.tile(np.array([0.0, 0, *SIZE]), (1, 4, 1))
    segments = Segments(("car",), boxes, np.ones((1, 4)), SIZE, SIZE, masks)

    width, height = fitting(SIZE, 320)
    rows = ((np.arange(height) + 0.5) * SIZE[1] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * SIZE[0] / width).astype(int)
    depth = np.stack([frames.depth(k)[rows][:, columns] for k in grid])
    inverse = camera.intrinsics[0, 0] / SIZE[0] / depth
    backend = DepthProOdometry()
    monkeypatch.setattr(backend, "_inverse_depth", lambda frames: (inverse, np.full(4, 60.0)))
    geometry = backend.measure(clip, segments)

    true = camera.poses[list(grid)]
    path = np.linalg.norm(np.diff(true[:, :3, 3], axis=0), axis=1).sum()
    assert path > 2
    # Its world begins at the first camera and looks where it looks; up is the true one.
    level = invert(true[0]) @ true
    found = invert(geometry.poses[0]) @ geometry.poses
    assert np.linalg.norm(found[:, :3, 3] - level[:, :3, 3], axis=1).max() < 0.02 * path
    turned = Rotation.from_matrix(found[:, :3, :3].swapaxes(1, 2) @ level[:, :3, :3])
    assert np.degrees(turned.magnitude()).max() < 0.4
    up = true[0, :3, :3] @ geometry.poses[0, :3, :3].T @ [0, 0, 1]
    assert np.degrees(np.arccos(up[2])) < 0.5
    assert geometry.camera_height == pytest.approx(true[0, 2, 3], rel=0.02)
    assert (np.isinf(geometry.depth) == np.isinf(depth)).all()
