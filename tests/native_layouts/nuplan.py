"""nuPlan: an SQLite file a log, with the whole public schema, keys of 8 bytes and camera matrices as pickles."""

from __future__ import annotations

import hashlib
import math
import pickle
import sqlite3
import sys
import types
from pathlib import Path

import numpy as np

from native_layouts.scene import (
    IMAGE_SIZE,
    INTRINSICS,
    LOOKING_AHEAD,
    OBJECTS,
    START_US,
    about_up,
    true_centre,
    write_image,
)

LOG = "2021.06.09.17.23.18_veh-38_00773_01140"
# The map's frame is UTM: positions have seven digits before the point.
ORIGIN = (664_430.25, 3_998_760.5, 606.75)
SWEEP_US = 50_000
CATEGORIES = {"car": "vehicle", "parked": "vehicle", "walker": "pedestrian", "cone": "traffic_cone"}
MOUNT = (1.7, 0.1, 1.5)
DISTORTION = [-0.35, 0.15, 0.002, -0.001, -0.03]


def _turned_left(degrees: float, wxyz: list[float]) -> list[float]:
    """The quaternion product of a turn about +z and another rotation."""
    cos, _, _, sin = about_up(math.radians(degrees))
    w, x, y, z = wxyz
    return [cos * w - sin * z, cos * x - sin * y, cos * y + sin * x, cos * z + sin * w]


# Channel -> wxyz of ego from camera.
CAMERAS = {"CAM_F0": LOOKING_AHEAD, "CAM_L0": _turned_left(55, LOOKING_AHEAD)}
SCHEMA = {
    "log": "token BLOB NOT NULL PRIMARY KEY, vehicle_name VARCHAR(64), date VARCHAR(64), timestamp INTEGER, "
    "logfile VARCHAR(64), location VARCHAR(64), map_version VARCHAR(64)",
    "ego_pose": "token BLOB NOT NULL PRIMARY KEY, timestamp INTEGER, x FLOAT, y FLOAT, z FLOAT, qw FLOAT, qx FLOAT, "
    "qy FLOAT, qz FLOAT, vx FLOAT, vy FLOAT, vz FLOAT, acceleration_x FLOAT, acceleration_y FLOAT, "
    "acceleration_z FLOAT, angular_rate_x FLOAT, angular_rate_y FLOAT, angular_rate_z FLOAT, epsg INTEGER, "
    "log_token BLOB NOT NULL",
    "camera": "token BLOB NOT NULL PRIMARY KEY, log_token BLOB NOT NULL, channel VARCHAR(64), model VARCHAR(64), "
    "translation BLOB, rotation BLOB, intrinsic BLOB, distortion BLOB, width INTEGER, height INTEGER",
    "image": "token BLOB NOT NULL PRIMARY KEY, next_token BLOB, prev_token BLOB, ego_pose_token BLOB NOT NULL, "
    "camera_token BLOB NOT NULL, filename_jpg VARCHAR(128), timestamp INTEGER",
    "lidar": "token BLOB NOT NULL PRIMARY KEY, log_token BLOB NOT NULL, channel VARCHAR(64), model VARCHAR(64), "
    "translation BLOB, rotation BLOB",
    "lidar_pc": "token BLOB NOT NULL PRIMARY KEY, next_token BLOB, prev_token BLOB, ego_pose_token BLOB NOT NULL, "
    "lidar_token BLOB NOT NULL, scene_token BLOB, filename VARCHAR(128), timestamp INTEGER",
    "lidar_box": "token BLOB NOT NULL PRIMARY KEY, lidar_pc_token BLOB NOT NULL, track_token BLOB, next_token BLOB, "
    "prev_token BLOB, x FLOAT, y FLOAT, z FLOAT, width FLOAT, length FLOAT, height FLOAT, vx FLOAT, vy FLOAT, "
    "vz FLOAT, yaw FLOAT, confidence FLOAT",
    "track": "token BLOB NOT NULL PRIMARY KEY, category_token BLOB NOT NULL, width FLOAT, length FLOAT, height FLOAT",
    "category": "token BLOB NOT NULL PRIMARY KEY, name VARCHAR(64), description TEXT",
    "scene": "token BLOB NOT NULL PRIMARY KEY, log_token BLOB NOT NULL, name TEXT, goal_ego_pose_token BLOB, "
    "roadblock_ids TEXT",
    "scenario_tag": "token BLOB NOT NULL PRIMARY KEY, lidar_pc_token BLOB NOT NULL, type TEXT, agent_track_token BLOB",
    "traffic_light_status": "token BLOB NOT NULL PRIMARY KEY, lidar_pc_token BLOB NOT NULL, "
    "lane_connector_id INTEGER, status VARCHAR(8)",
}
INDICES = ("lidar_box (lidar_pc_token)", "lidar_box (track_token)", "lidar_pc (timestamp)", "image (timestamp)")


def token(*words: object) -> bytes:
    """A key that a test can find again."""
    return hashlib.sha256("/".join(map(str, words)).encode()).digest()[:8]


def ego_pose(t: float) -> tuple[tuple[float, float, float], float]:
    """Place and yaw of the ego after t seconds: a slow curve to the left."""
    return (ORIGIN[0] + 5.0 * t, ORIGIN[1] + 0.1 * t * t, ORIGIN[2]), 0.04 * t


def place(name: str, t: float) -> list[float]:
    """Where an object's centre is after t seconds, in the map's frame."""
    return [ahead + start for ahead, start in zip(true_centre(name, t), ORIGIN, strict=True)]


def devkit_list(name: str, values: list) -> bytes:
    """The pickle of a list type of nuPlan's devkit, as the published files hold it, made without the devkit."""
    module = types.ModuleType("nuplan.database.common.data_types")
    kind = type(name, (list,), {"__module__": module.__name__})
    setattr(module, name, kind)
    parents = ["nuplan", "nuplan.database", "nuplan.database.common"]
    before = {known: sys.modules.get(known) for known in (*parents, module.__name__)}
    sys.modules.update({parent: types.ModuleType(parent) for parent in parents}, **{module.__name__: module})
    try:
        return pickle.dumps(kind(values))
    finally:
        for known, old in before.items():
            if old is None:
                del sys.modules[known]
            else:
                sys.modules[known] = old


def nuplan_tables(
    sweeps: int = 121, scenes: int = 1, log: str = LOG, pickles: str = "devkit", images: bool = True
) -> dict[str, list[dict]]:
    """Tables of a log at 20 Hz: the moving car, the parked one, the walker (from the sixth sweep on), the cone (once).

    Args:
        sweeps: Number of sweeps, shared evenly among the scenes.
        scenes: Number of scenes, `scene-000` and so on; 0 for a log without.
        log: The log's name.
        pickles: Camera matrices as the devkit's own `devkit` lists, plain `lists`, or NumPy `arrays`.
        images: Whether two cameras list images, at 10 Hz, 12 and 31 ms after every second sweep.
    """
    tables: dict[str, list[dict]] = {name: [] for name in SCHEMA}
    the_log = token(log, "log")
    tables["log"].append(
        {
            "token": the_log,
            "vehicle_name": "veh-38",
            "date": "2021-06-09",
            "timestamp": START_US,
            "logfile": log,
            "location": "us-nv-las-vegas-strip",
            "map_version": "us-nv-las-vegas-strip",
        }
    )
    tables["category"] = [
        {"token": token("category", name), "name": name, "description": name}
        for name in sorted(set(CATEGORIES.values()))
    ]
    tables["scene"] = [
        {"token": token(log, "scene", i), "log_token": the_log, "name": f"scene-{i:03d}", "roadblock_ids": "1,2"}
        for i in range(scenes)
    ]
    tables["lidar"].append({"token": token(log, "lidar"), "log_token": the_log, "channel": "MergedPointCloud"})
    for name, (_, _, (length, width, height)) in OBJECTS.items():
        tables["track"].append(
            {
                "token": token(log, "track", name),
                "category_token": token("category", CATEGORIES[name]),
                "width": width,
                "length": length,
                "height": height,
            }
        )
    for i in range(sweeps):
        _add_sweep(tables, log, i, sweeps, scenes)
    for channel, rotation in CAMERAS.items():
        tables["camera"].append(
            {
                "token": token(log, channel),
                "log_token": the_log,
                "channel": channel,
                "model": "pinhole",
                **_matrices(rotation, pickles),
                "width": IMAGE_SIZE[0],
                "height": IMAGE_SIZE[1],
            }
        )
    for lag_us, channel in zip((12_000, 31_000), CAMERAS, strict=True):
        for i in range(0, sweeps if images else 0, 2):
            _add_image(tables, log, channel, i, START_US + SWEEP_US * i + lag_us)
    tables["scenario_tag"].append(
        {"token": token(log, "tag"), "lidar_pc_token": token(log, "sweep", 0), "type": "on_intersection"}
    )
    tables["traffic_light_status"].append(
        {
            "token": token(log, "light"),
            "lidar_pc_token": token(log, "sweep", 0),
            "lane_connector_id": 17,
            "status": "green",
        }
    )
    return tables


def _matrices(rotation: list[float], pickles: str) -> dict[str, bytes]:
    if pickles == "devkit":
        return {
            "translation": devkit_list("Translation", list(MOUNT)),
            "rotation": devkit_list("Rotation", list(rotation)),
            "intrinsic": devkit_list("CameraIntrinsic", INTRINSICS),
            "distortion": pickle.dumps(DISTORTION),
        }
    form = list if pickles == "lists" else np.array
    plain = {"translation": MOUNT, "rotation": rotation, "intrinsic": INTRINSICS, "distortion": DISTORTION}
    return {column: pickle.dumps(form(values)) for column, values in plain.items()}


def _add_sweep(tables: dict[str, list[dict]], log: str, i: int, sweeps: int, scenes: int) -> None:
    time_us, sweep = START_US + SWEEP_US * i, token(log, "sweep", i)
    tables["lidar_pc"].append(
        {
            "token": sweep,
            "next_token": token(log, "sweep", i + 1) if i + 1 < sweeps else None,
            "prev_token": token(log, "sweep", i - 1) if i else None,
            "ego_pose_token": _add_pose(tables, log, time_us),
            "lidar_token": token(log, "lidar"),
            "scene_token": token(log, "scene", i * scenes // sweeps) if scenes else None,
            "filename": f"{log}/MergedPointCloud/{sweep.hex()}.pcd",
            "timestamp": time_us,
        }
    )
    for name, (_, _, (length, width, height)) in OBJECTS.items():
        if i not in {"walker": range(5, sweeps), "cone": range(2, 3)}.get(name, range(sweeps)):
            continue
        x, y, z = place(name, (time_us - START_US) * 1e-6)
        tables["lidar_box"].append(
            {
                "token": token(log, name, i),
                "lidar_pc_token": sweep,
                "track_token": token(log, "track", name),
                "x": x,
                "y": y,
                "z": z,
                "width": width,
                "length": length,
                "height": height,
                # The devkit warns that these velocities are a network's estimate: nothing may rest on them.
                "vx": 99.0,
                "vy": -99.0,
                "vz": 0.0,
                "yaw": math.pi / 2 if name == "walker" else 0.0,
                "confidence": 1.0,
            }
        )


def _add_image(tables: dict[str, list[dict]], log: str, channel: str, i: int, time_us: int) -> None:
    image = token(log, channel, i)
    tables["image"].append(
        {
            "token": image,
            "next_token": None,
            "prev_token": None,
            "ego_pose_token": _add_pose(tables, log, time_us),
            "camera_token": token(log, channel),
            "filename_jpg": f"{log}/{channel}/{image.hex()}.jpg",
            "timestamp": time_us,
        }
    )


def _add_pose(tables: dict[str, list[dict]], log: str, time_us: int) -> bytes:
    (x, y, z), yaw = ego_pose((time_us - START_US) * 1e-6)
    qw, qx, qy, qz = about_up(yaw)
    row = {"x": x, "y": y, "z": z, "qw": qw, "qx": qx, "qy": qy, "qz": qz, "vx": 5.0, "vy": 0.0, "vz": 0.0}
    tables["ego_pose"].append(
        {
            "token": token(log, "pose", time_us),
            "timestamp": time_us,
            **row,
            "epsg": 32611,
            "log_token": token(log, "log"),
        }
    )
    return token(log, "pose", time_us)


def write_log(path: Path, tables: dict[str, list[dict]], indices: bool = True) -> Path:
    """Write one log. Columns that no row has are empty; with `indices`, as published. Returns `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    for name, rows in tables.items():
        columns = [column.split()[0] for column in SCHEMA[name].split(", ")]
        connection.execute(f"CREATE TABLE {name} ({SCHEMA[name]})")
        connection.executemany(
            f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})",
            [tuple(row.get(column) for column in columns) for row in rows],
        )
    for i, index in enumerate(INDICES if indices else ()):
        connection.execute(f"CREATE INDEX index_{i} ON {index}")
    connection.commit()
    connection.close()
    return path


def write_nuplan(root: Path, tables: dict[str, list[dict]], split: str = "mini", images: bool = True) -> Path:
    """Write a log and its images in the published layout below `root`. Returns the log's file."""
    log = tables["log"][0]["logfile"]
    if images:
        for row in tables["image"]:
            write_image(root / "sensor_blobs" / row["filename_jpg"], IMAGE_SIZE)
    return write_log(root / "splits" / split / f"{log}.db", tables)
