"""The KITTI reader on the real sequence 0001, against plain readings of its raw text."""

import json
import math
from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings


@pytest.fixture(scope="module")
def training(real_data):
    return real_data / "kitti_tracking" / "training"


@pytest.fixture(scope="module")
def rows(training):
    """The labelled objects: lists of words."""
    found = [line.split() for line in (training / "label_02/0001.txt").read_text().splitlines()]
    return [row for row in found if row[2] != "DontCare"]


def plain_boxes(training, rows):
    """Track id -> (frame, x, y, z) in the frame of the first camera: y down, so that lengths alone are compared."""
    text = (training / "pose_orbslam3/0001.txt").read_text().splitlines()
    poses = [[float(number) for number in line.split()] for line in text]
    boxes = defaultdict(list)
    for row in rows:
        frame, (height, _, _, x, y, z) = int(row[0]), map(float, row[10:16])
        y -= height / 2
        m = poses[frame]
        boxes[row[1]].append((frame, *(m[i] * x + m[i + 1] * y + m[i + 2] * z + m[i + 3] for i in (0, 4, 8))))
    return boxes


def plain_measures(boxes):
    """3D path on a grid of five frames, displacement, and horizontal path (x and z are level) of one track."""
    frames = [box[0] for box in boxes]
    grid = [*range(frames[0], frames[-1], 5), frames[-1]]
    places, i = [], 0
    for frame in grid:
        while i + 2 < len(boxes) and boxes[i + 1][0] < frame:
            i += 1
        (t0, *a), (t1, *b) = boxes[i], boxes[i + 1]
        share = (frame - t0) / (t1 - t0)
        places.append([p + share * (q - p) for p, q in zip(a, b, strict=True)])
    path = sum(math.dist(a, b) for a, b in pairwise(places))
    level = sum(math.dist((a[0], a[2]), (b[0], b[2])) for a, b in pairwise(places))
    return path, math.dist(boxes[0][1:], boxes[-1][1:]), level


def test_measures(training, rows, capsys, monkeypatch):
    from st_vlm.cli import main

    monkeypatch.setattr("sys.argv", ["st-vlm", "measure", "kitti", str(training.parent), "--format", "jsonl"])
    with pytest.raises(SystemExit) as left:
        main.main()
    assert left.value.code == 0
    found = {line["track_id"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    boxes_of = plain_boxes(training, rows)
    expected = {name: boxes for name, boxes in boxes_of.items() if boxes[-1][0] - boxes[0][0] >= 5}
    assert len(boxes_of) == 98
    assert set(found) == set(expected)
    categories = {row[1]: row[2] for row in rows}
    for name, boxes in expected.items():
        line = found[name]
        path, displacement, level = plain_measures(boxes)
        assert line["path_m"] == pytest.approx(path, rel=1e-3, abs=1e-3)
        assert line["displacement_m"] == pytest.approx(displacement, rel=1e-3, abs=1e-3)
        assert line["distance_m"] == (0 if line["static"] else pytest.approx(level, rel=1e-3, abs=1e-3))
        assert line["start_s"] == pytest.approx(boxes[0][0] / 10)
        assert line["duration_s"] == pytest.approx((boxes[-1][0] - boxes[0][0]) / 10)
        assert line["category"] == categories[name]
    moving = [name for name, line in found.items() if line["displacement_m"] > 2]
    assert len(moving) == 14
    # Their poses drift: what the slack leaves undecided or static among them is little.
    assert sum(found[name]["static"] is False for name in moving) >= 11


def test_the_recording(training):
    source = open_recordings("kitti", training)
    assert source.recording_ids() == ("0001",)
    recording = source.read("0001")
    assert len(recording.tracks) == 98
    assert sum(map(len, recording.tracks)) == 3030
    assert np.linalg.norm(np.diff(recording.ego_centres, axis=0), axis=1).sum() == pytest.approx(343, abs=1)
    # The car drives on a plane, to the tilt of a world that is the first camera's.
    assert np.abs(recording.ego_centres[:, 2]).max() < 0.05 * 343


def test_three_images_of_447_are_refused(training):
    source = open_recordings("kitti", training)
    assert source.cameras("0001") == ("image_02",)
    with pytest.raises(InputError, match=r"000000\.png is missing, the first of 444 that are"):
        source.read("0001", "image_02")
    recording = source.read("0001", "image_02", images=False)
    assert (len(recording.frames), recording.frames.read) == (447, None)
    assert recording.camera.size == (1242, 375)


def test_boxes_project_where_the_annotators_drew_them(training, rows):
    """Labels, calibration, poses and conventions together: a fault in any of them would move the boxes."""
    recording = open_recordings("kitti", training).read("0001", "image_02", images=False)
    drawn = {(row[1], int(row[0])): row for row in rows}
    corners = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    overlaps = []
    for track in recording.tracks:
        for time, centre, size, rotation in zip(
            track.times_ns, track.centres, track.sizes, track.rotations, strict=True
        ):
            frame = int(time) // 100_000_000
            row = drawn[track.id, frame]
            if row[3:5] != ["0", "0"]:
                continue
            world = np.c_[centre + corners * size @ rotation.T, np.ones(8)]
            seen = recording.camera.intrinsics @ np.linalg.inv(recording.camera.poses[frame])[:3] @ world.T
            pixels = np.clip(seen[:2] / seen[2], 0, [[1241], [374]])
            overlaps.append(overlap([*pixels.min(axis=1), *pixels.max(axis=1)], [float(n) for n in row[6:10]]))
    assert len(overlaps) == 825
    assert np.median(overlaps) > 0.95
    assert np.percentile(overlaps, 5) > 0.7


def overlap(a, b):
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (sum(areas) - common)
