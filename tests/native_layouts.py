"""Small recordings with known motion, written in the datasets' native layouts.

Each builder gives plain tables that a test may spoil before it writes them.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
from PIL import Image

CAR_SPEED = 8.0  # m/s along +x
WALKER_SPEED = 1.4  # m/s along +y
START_US = 1_533_151_603_547_590
IMAGE_SIZE = (160, 90)
INTRINSICS = [[120.0, 0.0, 80.0], [0.0, 120.0, 45.0], [0.0, 0.0, 1.0]]
# Camera frame (x right, y down, z ahead) to vehicle frame (x ahead, y left, z up), as wxyz.
LOOKING_AHEAD = [0.5, -0.5, 0.5, -0.5]


def true_centre(name: str, t: float) -> list[float]:
    """Where each object is, t seconds after the start."""
    return {
        "car": [20 + CAR_SPEED * t, 4.0, 0.8],
        "parked": [30.0, -5.0, 0.8],
        "walker": [15.0, -6 + WALKER_SPEED * t, 0.9],
        "cone": [12.0, 2.0, 0.4],
    }[name]


OBJECTS = {
    "car": ("vehicle.car", "REGULAR_VEHICLE", (4.5, 1.9, 1.6)),
    "parked": ("vehicle.car", "REGULAR_VEHICLE", (4.5, 1.9, 1.6)),
    "walker": ("human.pedestrian.adult", "PEDESTRIAN", (0.7, 0.6, 1.8)),
    "cone": ("movable_object.trafficcone", "CONSTRUCTION_CONE", (0.4, 0.4, 0.8)),
}


def nuscenes_tables(scenes: tuple[str, ...] = ("scene-0001",), samples: int = 9) -> dict[str, list[dict]]:
    """Tables of scenes with a moving car, a parked one, a walker (from the second sample on) and a cone (seen once).

    The ego drives along +x at 5 m/s. The camera's images are 35 ms older than the samples, with their own ego poses.
    Tokens are readable: `scene-0001/car` is an instance, `scene-0001/car/3` its box in sample `scene-0001/3`.
    """
    tables: dict[str, list[dict]] = {
        "scene": [],
        "sample": [],
        "sample_data": [],
        "sample_annotation": [],
        "instance": [],
        "ego_pose": [],
        "category": [{"token": name, "name": name} for name in sorted({row[0] for row in OBJECTS.values()})],
        "sensor": [
            {"token": "camera", "channel": "CAM_FRONT", "modality": "camera"},
            {"token": "lidar", "channel": "LIDAR_TOP", "modality": "lidar"},
        ],
        "calibrated_sensor": [
            {
                "token": "camera-mount",
                "sensor_token": "camera",
                "translation": [1.7, 0.0, 1.5],
                "rotation": LOOKING_AHEAD,
                "camera_intrinsic": INTRINSICS,
            },
            {
                "token": "lidar-mount",
                "sensor_token": "lidar",
                "translation": [0.9, 0.0, 1.8],
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "camera_intrinsic": [],
            },
        ],
    }
    for scene in scenes:
        _add_scene(tables, scene, samples)
    return tables


def _add_scene(tables: dict[str, list[dict]], scene: str, samples: int) -> None:
    tokens = [f"{scene}/{i}" for i in range(samples)]
    tables["scene"].append({"token": scene, "name": scene, "first_sample_token": tokens[0], "nbr_samples": samples})
    # Key frames are a little off the 0.5 s grid, as real ones are.
    times_us = [START_US + 500_000 * i + (137 * i) % 400 for i in range(samples)]
    for i, (token, time_us) in enumerate(zip(tokens, times_us, strict=True)):
        after = tokens[i + 1] if i + 1 < samples else ""
        tables["sample"].append({"token": token, "timestamp": time_us, "scene_token": scene, "next": after})
        for sensor, ending, lag in (("camera", "jpg", -35_000), ("lidar", "bin", 0)):
            channel = {"camera": "CAM_FRONT", "lidar": "LIDAR_TOP"}[sensor]
            at_us = time_us + lag
            camera = sensor == "camera"
            tables["sample_data"].append(
                {
                    "token": f"{token}/{sensor}",
                    "sample_token": token,
                    "ego_pose_token": f"{token}/{sensor}",
                    "calibrated_sensor_token": f"{sensor}-mount",
                    "timestamp": at_us,
                    "is_key_frame": True,
                    "width": IMAGE_SIZE[0] if camera else 0,
                    "height": IMAGE_SIZE[1] if camera else 0,
                    "filename": f"samples/{channel}/{scene}__{at_us}.{ending}",
                }
            )
            tables["ego_pose"].append(
                {
                    "token": f"{token}/{sensor}",
                    "timestamp": at_us,
                    "translation": [5.0 * (at_us - START_US) * 1e-6, 0.0, 0.0],
                    "rotation": [1.0, 0.0, 0.0, 0.0],
                }
            )
    for name, (category, _, (length, width, height)) in OBJECTS.items():
        seen = {"walker": range(1, samples), "cone": range(2, 3)}.get(name, range(samples))
        tables["instance"].append({"token": f"{scene}/{name}", "category_token": category})
        tables["sample_annotation"] += [
            {
                "token": f"{scene}/{name}/{i}",
                "sample_token": tokens[i],
                "instance_token": f"{scene}/{name}",
                "visibility_token": "4" if name == "car" else "",
                "attribute_tokens": [],
                "translation": true_centre(name, (times_us[i] - START_US) * 1e-6),
                "size": [width, length, height],
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "prev": f"{scene}/{name}/{i - 1}" if i - 1 in seen else "",
                "next": f"{scene}/{name}/{i + 1}" if i + 1 in seen else "",
                "num_lidar_pts": 10 + i,
            }
            for i in seen
        ]


def write_nuscenes(root: Path, tables: dict[str, list[dict]], version: str = "v1.0-mini", images: bool = True) -> Path:
    """Write tables and a grey image for each camera file that lies within `root`. Returns `root`."""
    folder = root / version
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows))
    for row in tables["sample_data"] if images else ():
        if row["filename"].endswith(".jpg") and ".." not in row["filename"]:
            _write_image(root / row["filename"], IMAGE_SIZE)
    return root


def argoverse2_tables(sweeps: int = 31) -> dict[str, dict[str, list]]:
    """Feather tables of a log at 10 Hz whose ego drives a curve: file name -> column -> values.

    Objects move as `true_centre` says, in the city frame. The cone is seen once, the walker from the sixth sweep on.
    Ego poses come at 20 Hz, and half of them lie between the sweeps.
    """
    start_ns = START_US * 1000
    pose_times = [start_ns + 50_000_000 * i for i in range(2 * sweeps - 1)]
    poses = [ego_pose((time - start_ns) * 1e-9) for time in pose_times]
    boxes = []
    for name, (_, category, size) in OBJECTS.items():
        seen = {"walker": range(5, sweeps), "cone": range(2, 3)}.get(name, range(sweeps))
        for i in seen:
            (x, y, z), yaw = poses[2 * i]
            cx, cy, cz = true_centre(name, 0.1 * i)
            cos, sin = math.cos(yaw), math.sin(yaw)
            in_ego = (cos * (cx - x) + sin * (cy - y), -sin * (cx - x) + cos * (cy - y), cz - z)
            boxes.append((pose_times[2 * i], name, category, *size, *about_up(-yaw), *in_ego, 7))
    names = ("timestamp_ns", "track_uuid", "category", "length_m", "width_m", "height_m", "qw", "qx", "qy", "qz")
    place = ("tx_m", "ty_m", "tz_m")
    mount = dict(zip(("qw", "qx", "qy", "qz"), LOOKING_AHEAD, strict=True))
    return {
        "annotations.feather": _columns((*names, *place, "num_interior_pts"), boxes),
        "city_SE3_egovehicle.feather": _columns(
            ("timestamp_ns", "qw", "qx", "qy", "qz", *place),
            [(time, *about_up(yaw), *at) for time, (at, yaw) in zip(pose_times, poses, strict=True)],
        ),
        "calibration/intrinsics.feather": {
            "sensor_name": ["ring_front_center"],
            **{"fx_px": [120.0], "fy_px": [120.0], "cx_px": [80.0], "cy_px": [45.0]},
            **{"k1": [-0.2], "k2": [0.01], "k3": [0.001], "height_px": [IMAGE_SIZE[1]], "width_px": [IMAGE_SIZE[0]]},
        },
        "calibration/egovehicle_SE3_sensor.feather": {
            "sensor_name": ["ring_front_center"],
            **{name: [number] for name, number in mount.items()},
            **{"tx_m": [1.6], "ty_m": [0.0], "tz_m": [1.4]},
        },
    }


def ego_pose(t: float) -> tuple[tuple[float, float, float], float]:
    """Place and yaw of the Argoverse 2 ego after t seconds."""
    return (100.0 + 6.0 * t, -50.0 + 0.5 * t * t, 20.0), 0.3 * t


def about_up(yaw: float) -> tuple[float, float, float, float]:
    """wxyz of a turn about +z."""
    return math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)


def _columns(names: tuple[str, ...], rows: list[tuple]) -> dict[str, list]:
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def write_argoverse2(log: Path, tables: dict[str, dict[str, list]], images: int = 0) -> Path:
    """Write a log; `images` of its camera lie 30 ms before the poses at 20 Hz. Returns the log's folder."""
    for name, columns in tables.items():
        path = log / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pa.feather.write_feather(pa.table(columns), str(path))
    for i in range(images):
        time_ns = START_US * 1000 + 50_000_000 * (i + 1) - 30_000_000
        _write_image(log / "sensors" / "cameras" / "ring_front_center" / f"{time_ns}.jpg", IMAGE_SIZE)
    return log


def _write_image(path: Path, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 90, 90)).save(path)
