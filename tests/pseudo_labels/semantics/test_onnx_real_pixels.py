"""FastestDet and ByteTrack on the real images of scene-0103, two a second, against its projected true boxes."""

import numpy as np
import pytest

from st_vlm.kinematics.projection import project_boxes
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.semantics.detections import overlaps
from st_vlm.pseudo_labels.semantics.onnx_tracking import OnnxTracking
from st_vlm.recordings import open_recordings
from st_vlm.recordings.categories import noun
from st_vlm.video.encoding import write_video

pytest.importorskip("onnxruntime")
pytest.importorskip("supervision")
VEHICLES = {"car", "truck", "bus", "trailer", "construction vehicle"}
FOUND = {"car", "truck", "bus", "train"}


@pytest.fixture(scope="module")
def recording(real_data):
    return open_recordings("nuscenes", real_data / "nuscenes").read("scene-0103", "CAM_FRONT")


@pytest.fixture(scope="module")
def segments(recording, real_data, tmp_path_factory):
    model = real_data.parent / "models" / "FastestDet.onnx"
    if not model.is_file():
        pytest.skip(f"no detector at {model}")
    folder, frames = tmp_path_factory.mktemp("videos"), recording.frames
    times = (frames.times_ns - frames.times_ns[0]).tolist()
    write_video(folder / "a.mp4", map(frames.read, range(len(frames))), np.array(times) * 1e-9)
    numbers = tuple(range(len(times)))
    clip = Clip("a", "a.mp4", numbers, tuple(times), recording.camera.size, 0, numbers[-1])
    backend = OnnxTracking(model, model.with_name("coco.names"))
    assert backend.licence == "BSD-3-Clause"
    return backend.segment(ClipFrames(clip, folder))


def true_boxes(recording, frame):
    """(N, 4) boxes of the vehicles in an image, and (N,) their metres from the camera."""
    boxes, metres = [], []
    for track in recording.tracks:
        row = np.abs(track.times_ns - recording.frames.times_ns[frame]).argmin()
        late = abs(track.times_ns[row] - recording.frames.times_ns[frame]) > 1e8
        if noun(track.category) not in VEHICLES or late:
            continue
        cuboid = (part[row : row + 1] for part in (track.centres, track.sizes, track.rotations))
        seen = project_boxes(*cuboid, recording.camera.poses[frame], recording.camera)
        if np.isfinite(seen.clipped).all() and seen.depth[0] > 1:
            boxes.append(seen.clipped[0])
            metres.append(seen.depth[0])
    return np.array(boxes).reshape(-1, 4), np.array(metres)


def test_most_near_vehicles_are_found(recording, segments):
    vehicles = np.isin(segments.categories, sorted(FOUND))
    found = near = right = given = 0
    for frame in range(len(recording.frames)):
        boxes, metres = true_boxes(recording, frame)
        mine = segments.boxes[vehicles & segments.seen[:, frame], frame]
        shared = overlaps(boxes, mine)
        near += (metres < 40).sum()
        found += (shared.max(axis=1, initial=0)[metres < 40] > 0.3).sum()
        given += len(mine)
        right += (shared.max(axis=0, initial=0) > 0.3).sum()
    # 0.67 and 0.78 as measured. Most of what is missed is more than half hidden by something else.
    assert near > 200
    assert found / near > 0.6
    assert right / given > 0.7


def test_tracks_are_seen_in_three_frames_and_stay_in_the_image(segments):
    assert 15 < len(segments) < 60
    assert (segments.seen.sum(axis=1) >= 3).all()
    boxes = segments.boxes[segments.seen]
    assert (boxes >= 0).all()
    assert (boxes <= [800, 450, 800, 450]).all()
    assert np.nanmax(segments.scores) <= 1
