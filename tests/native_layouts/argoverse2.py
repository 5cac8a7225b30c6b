"""Argoverse 2 sensor logs: feather files a log."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.feather

from native_layouts.scene import LOOKING_AHEAD, OBJECTS, START_US, about_up, true_centre, write_image

SIZE = ("length_m", "width_m", "height_m")
QUATERNION = ("qw", "qx", "qy", "qz")
PLACE = ("tx_m", "ty_m", "tz_m")


class Mounted(NamedTuple):
    """A camera that looks level: image size, focal length and principal point in pixels, yaw, and place on the ego."""

    size: tuple[int, int]
    focal: float
    middle: tuple[float, float]
    yaw: float
    place: tuple[float, float, float]


# As on the real vehicle, the camera ahead stands upright and the others lie; three are enough.
RIG = {
    "ring_front_center": Mounted((90, 160), 110.0, (44.0, 81.0), 0.0, (1.6, 0.0, 1.4)),
    "ring_rear_right": Mounted((160, 90), 100.0, (81.0, 46.0), -2.6, (1.1, -0.13, 1.42)),
    "ring_side_left": Mounted((160, 90), 105.0, (80.0, 44.5), 1.72, (1.3, 0.28, 1.41)),
}


def argoverse2_tables(sweeps: int = 31, ego: Callable = lambda t: ego_pose(t)) -> dict[str, dict[str, list]]:
    """Feather tables of a log at 10 Hz: file name -> column -> values. The ego drives a curve, or as `ego` says.

    Objects move as `true_centre` says, in the city frame. The cone is seen once, the walker from the sixth sweep on.
    Ego poses come at 20 Hz, and half of them lie between the sweeps.
    """
    start_ns = START_US * 1000
    pose_times = [start_ns + 50_000_000 * i for i in range(2 * sweeps - 1)]
    poses = [ego((time - start_ns) * 1e-9) for time in pose_times]
    boxes = []
    for name, (_, category, size) in OBJECTS.items():
        seen = {"walker": range(5, sweeps), "cone": range(2, 3)}.get(name, range(sweeps))
        for i in seen:
            (x, y, z), yaw = poses[2 * i]
            cx, cy, cz = true_centre(name, 0.1 * i)
            cos, sin = math.cos(yaw), math.sin(yaw)
            in_ego = (cos * (cx - x) + sin * (cy - y), -sin * (cx - x) + cos * (cy - y), cz - z)
            boxes.append((pose_times[2 * i], name, category, *size, *about_up(-yaw), *in_ego, 7))
    names = ("timestamp_ns", "track_uuid", "category", *SIZE, *QUATERNION, *PLACE, "num_interior_pts")
    lenses = [
        (name, lens.focal, lens.focal, *lens.middle, -0.28, -0.03, 0.1, lens.size[1], lens.size[0])
        for name, lens in RIG.items()
    ]
    mounts = [(name, *_product(about_up(lens.yaw), LOOKING_AHEAD), *lens.place) for name, lens in RIG.items()]
    mounts.append(("up_lidar", *about_up(-0.01), 1.35, 0.0, 1.64))
    return {
        "annotations.feather": _columns(names, boxes),
        "city_SE3_egovehicle.feather": _columns(
            ("timestamp_ns", *QUATERNION, *PLACE),
            [(time, *about_up(yaw), *at) for time, (at, yaw) in zip(pose_times, poses, strict=True)],
        ),
        "calibration/intrinsics.feather": _columns(
            ("sensor_name", "fx_px", "fy_px", "cx_px", "cy_px", "k1", "k2", "k3", "height_px", "width_px"), lenses
        ),
        "calibration/egovehicle_SE3_sensor.feather": _columns(("sensor_name", *QUATERNION, *PLACE), mounts),
    }


def for_scenario_mining(tables: dict[str, dict[str, list]]) -> dict[str, dict[str, list]]:
    """The same log with `annotations_with_ego.feather`: the ego vehicle's boxes stand behind all others."""
    rest = dict(tables)
    boxes = rest.pop("annotations.feather")
    sweeps = sorted(set(boxes["timestamp_ns"]))
    own = _columns(
        tuple(boxes),
        [(time, "ego", "EGO_VEHICLE", 4.877, 2.0, 1.473, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1) for time in sweeps],
    )
    return {"annotations_with_ego.feather": {name: boxes[name] + own[name] for name in boxes}, **rest}


def ego_pose(t: float) -> tuple[tuple[float, float, float], float]:
    """Place and yaw of the Argoverse 2 ego after t seconds."""
    return (100.0 + 6.0 * t, -50.0 + 0.5 * t * t, 20.0), 0.3 * t


def _columns(names: tuple[str, ...], rows: list[tuple]) -> dict[str, list]:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _product(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float, float]:
    """Hamilton product of wxyz quaternions: first `b`, then `a`."""
    (aw, ax, ay, az), (bw, bx, by, bz) = a, b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def write_argoverse2(
    log: Path, tables: dict[str, dict[str, list]], images: int = 0, cameras: tuple[str, ...] = ("ring_front_center",)
) -> Path:
    """Write a log; `images` of each of `cameras` lie 30 ms before the poses at 20 Hz. Returns the log's folder."""
    for name, columns in tables.items():
        path = log / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.feather.write_feather(pa.table(columns), str(path))
    for camera in cameras:
        for i in range(images):
            time_ns = START_US * 1000 + 50_000_000 * (i + 1) - 30_000_000
            write_image(log / "sensors" / "cameras" / camera / f"{time_ns}.jpg", RIG[camera].size)
    return log
