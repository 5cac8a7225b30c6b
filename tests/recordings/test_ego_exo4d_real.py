"""The Ego-Exo4D reader on real output of Aria's services and a real calibration, put into a made release."""

import csv
import json
import math
import shutil
from itertools import pairwise

import numpy as np
import pytest
from native_layouts.ego_exo4d import (
    CALIBRATIONS,
    FIRST_ROW,
    TAKE,
    TRAJECTORY,
    ego_exo4d_tables,
    kannala_brandt,
    write_ego_exo4d,
)

from st_vlm.cli.measure import measure_recording
from st_vlm.kinematics.projection import project_points
from st_vlm.recordings import open_recordings
from st_vlm.recordings.ego_exo4d_wearer import FORWARD

TIMESYNC = "captures/unc_soccer_01/timesync.csv"
ARIA_TIME = "aria01_214-1_capture_timestamp_ns"


def opened(root):
    return open_recordings("ego_exo4d", root)


def test_real_aria_trajectory(real_data, tmp_path):
    """Path and displacement of real output of Aria's services, told from its rows in plain Python."""
    real = real_data / "aria_mps" / "trajectory" / "closed_loop_trajectory.csv"
    with real.open(newline="") as file:
        rows = [
            (int(row["tracking_timestamp_us"]), *(float(row[f"t{axis}_world_device"]) for axis in "xyz"))
            for row in csv.DictReader(file)
        ]
    start, end = rows[0][0], rows[-1][0]
    tables = ego_exo4d_tables()
    frames = [start * 1000 + k * 33_333_333 for k in range((end - start) * 1000 // 33_333_333 + 1)]
    tables[TIMESYNC] = {ARIA_TIME: [*[""] * FIRST_ROW, *frames]}
    tables["takes.json"][0]["timesync_end_idx"] = FIRST_ROW + len(frames)
    root = write_ego_exo4d(tmp_path, tables)
    shutil.copy(real, root / "takes" / TAKE / TRAJECTORY)

    rows = [row for row in rows if row[0] * 1000 <= frames[-1]]
    grid = [start + 500_000 * k for k in range((rows[-1][0] - start) // 500_000 + 1)]
    grid += [rows[-1][0]] if rows[-1][0] > grid[-1] else []
    places = [place_at(rows, us) for us in grid]
    [line] = measure_recording(opened(root).read(TAKE))
    assert line["path_m"] == pytest.approx(sum(map(math.dist, places, places[1:])), abs=2e-3)
    assert line["displacement_m"] == pytest.approx(math.dist(places[0], places[-1]), abs=1e-4)
    assert line["displacement_m"] == pytest.approx(4.46, abs=0.03)
    assert line["distance_m"] == pytest.approx(sum(math.dist(p[:2], q[:2]) for p, q in pairwise(places)), abs=2e-3)


def place_at(rows, us):
    after = next(k for k, row in enumerate(rows) if row[0] >= us)
    if after == 0:
        return rows[0][1:]
    (a, *p), (b, *q) = rows[after - 1], rows[after]
    return [x + (us - a) / (b - a) * (y - x) for x, y in zip(p, q, strict=True)]


def test_the_wearer_looks_where_a_real_device_does(real_data):
    """The colour camera of a real device looks ahead; what is left of the angle is its tilt."""
    with (real_data / "aria_mps" / "trajectory" / "online_calibration.jsonl").open() as file:
        cameras = json.loads(file.readline())["CameraCalibrations"]
    [colour] = [camera for camera in cameras if camera["Label"] == "camera-rgb"]
    w, (x, y, z) = colour["T_Device_Camera"]["UnitQuaternion"]
    axis = np.array([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)])
    level = np.array([0, *axis[1:]]) / np.linalg.norm(axis[1:])
    assert math.degrees(math.acos(min(1, level @ FORWARD / np.linalg.norm(FORWARD)))) < 1
    assert abs(math.degrees(math.asin(axis[0]))) < 10


def test_a_real_calibration_by_plain_code(real_data, tmp_path):
    real = real_data / "ego_exo4d" / "gopro_calibs.csv"
    with real.open(newline="") as file:
        row = next(csv.DictReader(file))
    tables = ego_exo4d_tables(seconds=1)
    trajectory = tables[f"takes/{TAKE}/{TRAJECTORY}"]
    trajectory["graph_uid"] = [row["graph_uid"]] * len(trajectory["graph_uid"])
    root = write_ego_exo4d(tmp_path, tables)
    shutil.copy(real, root / "takes" / TAKE / CALIBRATIONS)
    camera = opened(root).read(TAKE, row["cam_uid"], images=False).camera
    x, y, z, w = (float(row[f"q{axis}_world_cam"]) for axis in "xyzw")
    axes = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    place = np.array([float(row[f"t{axis}_world_cam"]) for axis in "xyz"])
    seen = np.random.default_rng(0).uniform([-3, -2, 2], [3, 2, 6], (50, 3))
    expected = kannala_brandt(seen, tuple(float(row[f"intrinsics_{k}"]) for k in range(8)))
    uv, depth = project_points(
        seen @ axes.T + place, camera.poses[0], camera.intrinsics, camera.distortion, camera.distortion_coefficients
    )
    np.testing.assert_allclose(uv, expected, atol=0.01)
    np.testing.assert_allclose(depth, seen[:, 2], atol=1e-5)
    assert camera.size == (int(row["image_width"]), int(row["image_height"]))
