"""nuScenes: JSON tables linked by tokens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from native_layouts.scene import IMAGE_SIZE, INTRINSICS, LOOKING_AHEAD, OBJECTS, START_US, true_centre, write_image

CAMERAS = ("CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK", "CAM_BACK_LEFT", "CAM_FRONT_LEFT")
# Camera frame to vehicle frame of a camera that looks back, as wxyz.
LOOKING_BACK = [0.5, -0.5, -0.5, 0.5]


def nuscenes_tables(
    scenes: tuple[str, ...] = ("scene-0001",),
    samples: int = 9,
    cameras: tuple[str, ...] = ("CAM_FRONT",),
    sweeps: int = 0,
) -> dict[str, list[dict]]:
    """Tables of scenes with a moving car, a parked one, a walker (from the second sample on) and a cone (seen once).

    The ego drives along +x at 5 m/s. A camera's images are older than the samples, those of CAM_FRONT by 35 ms and
    those of each further camera by 5 ms less, with their own ego poses; so many `sweeps` follow each key frame, evenly
    until the next. Tokens are readable: `scene-0001/car` is an instance, `scene-0001/car/3` its box in sample
    `scene-0001/3`, `scene-0001/3/camera` that sample's image of CAM_FRONT (of the others `scene-0001/3/CAM_BACK`), and
    `scene-0001/3/camera/1` the first sweep after it.
    """
    sensors = {**{_sensor(camera): camera for camera in cameras}, "lidar": "LIDAR_TOP"}
    tables: dict[str, list[dict]] = {
        "scene": [],
        "sample": [],
        "sample_data": [],
        "sample_annotation": [],
        "instance": [],
        "ego_pose": [],
        "category": [{"token": name, "name": name} for name in sorted({row[0] for row in OBJECTS.values()})],
        "sensor": [
            {"token": sensor, "channel": channel, "modality": "lidar" if sensor == "lidar" else "camera"}
            for sensor, channel in sensors.items()
        ],
        "calibrated_sensor": [
            {
                "token": f"{sensor}-mount",
                "sensor_token": sensor,
                "translation": [1.7, 0.0, 1.5],
                "rotation": LOOKING_BACK if channel.startswith("CAM_BACK") else LOOKING_AHEAD,
                "camera_intrinsic": INTRINSICS,
            }
            if sensor != "lidar"
            else {
                "token": "lidar-mount",
                "sensor_token": "lidar",
                "translation": [0.9, 0.0, 1.8],
                "rotation": [1.0, 0.0, 0.0, 0.0],
                "camera_intrinsic": [],
            }
            for sensor, channel in sensors.items()
        ],
    }
    for scene in scenes:
        _add_scene(tables, scene, samples, sensors, sweeps)
    return tables


def _sensor(camera: str) -> str:
    return "camera" if camera == "CAM_FRONT" else camera


def _add_scene(tables: dict[str, list[dict]], scene: str, samples: int, sensors: dict[str, str], sweeps: int) -> None:
    tokens = [f"{scene}/{i}" for i in range(samples)]
    tables["scene"].append({"token": scene, "name": scene, "first_sample_token": tokens[0], "nbr_samples": samples})
    # Key frames are a little off the 0.5 s grid, as real ones are.
    times_us = [START_US + 500_000 * i + (137 * i) % 400 for i in range(samples)]
    for i, (token, time_us) in enumerate(zip(tokens, times_us, strict=True)):
        after = tokens[i + 1] if i + 1 < samples else ""
        tables["sample"].append({"token": token, "timestamp": time_us, "scene_token": scene, "next": after})
        for number, (sensor, channel) in enumerate(sensors.items()):
            for sweep in range(sweeps + 1):
                lag = 0 if sensor == "lidar" else -35_000 + 5_000 * number
                at_us = time_us + lag + sweep * 500_000 // (sweeps + 1)
                _add_file(tables, token, sensor, channel, at_us, sweep)
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


def _add_file(tables: dict[str, list[dict]], sample: str, sensor: str, channel: str, at_us: int, sweep: int) -> None:
    token = f"{sample}/{sensor}/{sweep}" if sweep else f"{sample}/{sensor}"
    camera = sensor != "lidar"
    folder, ending = "sweeps" if sweep else "samples", "jpg" if camera else "bin"
    tables["sample_data"].append(
        {
            "token": token,
            "sample_token": sample,
            "ego_pose_token": token,
            "calibrated_sensor_token": f"{sensor}-mount",
            "timestamp": at_us,
            "is_key_frame": not sweep,
            "width": IMAGE_SIZE[0] if camera else 0,
            "height": IMAGE_SIZE[1] if camera else 0,
            "filename": f"{folder}/{channel}/{sample.split('/')[0]}__{at_us}.{ending}",
        }
    )
    tables["ego_pose"].append(
        {
            "token": token,
            "timestamp": at_us,
            "translation": [5.0 * (at_us - START_US) * 1e-6, 0.0, 0.0],
            "rotation": [1.0, 0.0, 0.0, 0.0],
        }
    )


def release_token(token: str) -> str:
    """A token like the release's, of 32 hexadecimal digits, for a readable one."""
    return hashlib.md5(token.encode(errors="surrogatepass"), usedforsecurity=False).hexdigest() if token else token


def with_release_tokens(tables: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """The tables with `release_token`s."""

    def renamed(key: str, value: object) -> object:
        is_token = key in ("token", "prev", "next") or (key.endswith("_token") and key != "visibility_token")
        return release_token(value) if is_token and isinstance(value, str) else value

    return {name: [{key: renamed(key, row[key]) for key in row} for row in rows] for name, rows in tables.items()}


def write_nuscenes(
    root: Path,
    tables: dict[str, list[dict]],
    version: str = "v1.0-mini",
    images: bool = True,
    indent: int | None = 0,
) -> Path:
    """Write tables and a grey image for each camera file that lies within `root`. Returns `root`.

    The release has an `indent` of 0: one key or list item a line.
    """
    folder = root / version
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows, indent=indent))
    for row in tables["sample_data"] if images else ():
        if row["filename"].endswith(".jpg") and ".." not in row["filename"]:
            write_image(root / row["filename"], IMAGE_SIZE)
    return root
