"""Ego-Exo4D: takes.json, the takes' trajectories, calibrations and videos, and the captures' clocks."""

from __future__ import annotations

import csv
import json
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from scipy.spatial.transform import Rotation

TAKE = "unc_soccer_01_2"
WORLD = "world-of-the-pitch"
START_NS = 250_001_234_400  # the Aria's clock at the take's first frame
FIRST_ROW = 7
SECONDS = 4.0
SPEED = 1.5  # m/s along +x
DEVICE_Z = 0.2  # the world's origin is wherever the glasses were switched on
CROWN, HEIGHT = 0.12, 1.75
VIDEO_SIZE = (320, 180)
NUMBER_BITS, NUMBER_SQUARE = 10, 16

# Static cameras: place, where they look, and the lens for 3840x2160.
CAMERAS = {
    "cam01": ((0.0, -5.0, 0.6), (0.0, 0.0, -0.4)),
    "cam02": ((4.0, -6.0, 1.0), (0.0, 0.0, -0.5)),
}
LENS = (1750.0, 1752.0, 1921.5, 1078.5, 0.04, 0.05, -0.05, 0.015)
TRAJECTORY = "trajectory/closed_loop_trajectory.csv"
CALIBRATIONS = "trajectory/gopro_calibs.csv"


def true_device(t: float) -> tuple[float, float, float]:
    """Where the glasses are, t seconds after the take's first frame."""
    return (-3.0 + SPEED * t, 0.5, DEVICE_Z)


def frame_times_ns(count: int) -> list[int]:
    """The Aria's own times of its frames: 30 Hz, a little off, as real ones are."""
    return [START_NS + k * 33_333_333 + (k * 7_919) % 40_000 for k in range(count)]


def frame_count(seconds: float = SECONDS) -> int:
    return round(seconds * 30) + 1


def ego_exo4d_tables(
    takes: tuple[str, ...] = (TAKE,), seconds: float = SECONDS, pitch: float = -0.3
) -> dict[str, list | dict]:
    """The text files of a release by their path: JSON content, or CSV columns.

    Every take is of a capture of its own. The wearer walks along +x and looks that way, `pitch` radians up.
    """
    tables: dict[str, list | dict] = {"takes.json": [], "annotations/splits.json": {"take_uid_to_split": {}}}
    for number, take in enumerate(takes):
        capture = take.rpartition("_")[0]
        tables["takes.json"].append(_entry(take, capture, frame_count(seconds)))
        tables["annotations/splits.json"]["take_uid_to_split"][f"uid-{take}"] = ("val", "train", "test")[number % 3]
        tables[f"captures/{capture}/timesync.csv"] = _timesync(seconds)
        tables[f"takes/{take}/{TRAJECTORY}"] = _trajectory(seconds, pitch)
        tables[f"takes/{take}/{CALIBRATIONS}"] = _calibrations()
    return tables


def write_ego_exo4d(
    root: Path, tables: dict[str, list | dict], videos: str | None = None, size: tuple[int, int] = VIDEO_SIZE
) -> Path:
    """Write the tables and, for every listed take and static camera, a video: `full`, `downscaled` or none."""
    for name, content in tables.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".json"):
            path.write_text(json.dumps(content))
            continue
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(content)
            writer.writerows(zip(*content.values(), strict=True))
    for entry in tables["takes.json"] if videos else ():
        folder = root / "takes" / entry["take_name"] / "frame_aligned_videos"
        folder = folder if videos == "full" else folder / "downscaled" / "448"
        for camera in CAMERAS:
            write_scene(
                folder / f"{camera}.mp4", camera, entry["timesync_end_idx"] - entry["timesync_start_idx"], size
            )
    return root


def write_scene(path: Path, camera: str, frames: int, size: tuple[int, int] = VIDEO_SIZE) -> None:
    """A video of the red wearer on grey, with each frame's number in it."""
    times = frame_times_ns(frames)
    write_pictures(path, (_picture(camera, k, (times[k] - START_NS) * 1e-9, size) for k in range(frames)))


def write_pictures(path: Path, pictures, keyframe_every: int = 250, bframes: int = 2) -> None:
    """(H, W, 3) uint8 RGB pictures as H.264 at 30 Hz; few keyframes, and frames out of order, as cameras write."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        # Colours at full resolution, so that an edge is where it was drawn.
        stream.pix_fmt, stream.time_base = "yuv444p", Fraction(1, 15360)
        stream.codec_context.gop_size = keyframe_every
        stream.codec_context.options = {"crf": "12", "preset": "veryfast", "bf": str(bframes), "sc_threshold": "0"}
        for number, picture in enumerate(pictures):
            if number == 0:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def numbered(number: int, size: tuple[int, int] = VIDEO_SIZE) -> np.ndarray:
    """A grey picture with a number in it: bits as squares, white for 1, the lowest first."""
    width, height = size
    picture = np.full((height, width, 3), 90, np.uint8)
    square = NUMBER_SQUARE * width // VIDEO_SIZE[0]
    for bit in range(NUMBER_BITS):
        picture[:square, bit * square : (bit + 1) * square] = 255 if number >> bit & 1 else 0
    return picture


def number_in(picture: np.ndarray) -> int:
    """The number that `numbered` put into a picture of any size."""
    square = NUMBER_SQUARE * picture.shape[1] // VIDEO_SIZE[0]
    half = square // 2
    return sum((int(picture[half, bit * square + half].mean()) > 127) << bit for bit in range(NUMBER_BITS))


def camera_axes(camera: str) -> np.ndarray:
    """World from camera, (3, 3): columns right, down, ahead."""
    place, target = (np.array(point) for point in CAMERAS[camera])
    ahead = (target - place) / np.linalg.norm(target - place)
    right = np.cross(ahead, [0, 0, 1])
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(ahead, right), ahead], axis=1)


def kannala_brandt(points: np.ndarray, lens: tuple[float, ...]) -> np.ndarray:
    """(N, 3) points off the axis of the camera (x right, y down, z ahead) to (N, 2) pixels: Kannala, Brandt 2006."""
    x, y, z = points.T
    fx, fy, cx, cy, k0, k1, k2, k3 = lens
    r = np.sqrt(x**2 + y**2)
    theta = np.arctan2(r, z)
    bent = theta + k0 * theta**3 + k1 * theta**5 + k2 * theta**7 + k3 * theta**9
    return np.stack([fx * bent * x / r + cx, fy * bent * y / r + cy], axis=1)


def device_rotation(heading: float, pitch: float) -> np.ndarray:
    """World from device: x goes down the face, and the wearer looks along (0, -0.62, 0.78), as a real one has it."""
    ahead_device = np.array([0.0, -0.623, 0.782]) / math.hypot(0.623, 0.782)
    up_device = np.array([-1.0, 0.0, 0.0])
    ahead = np.array([math.cos(pitch) * math.cos(heading), math.cos(pitch) * math.sin(heading), math.sin(pitch)])
    up = np.array([-math.sin(pitch) * math.cos(heading), -math.sin(pitch) * math.sin(heading), math.cos(pitch)])
    in_world = np.stack([ahead, up, np.cross(ahead, up)], axis=1)
    return in_world @ np.stack([ahead_device, up_device, np.cross(ahead_device, up_device)], axis=1).T


def _picture(camera: str, number: int, t: float, size: tuple[int, int]) -> np.ndarray:
    picture = numbered(number, size)
    axes, place = camera_axes(camera), np.array(CAMERAS[camera][0])
    scale = size[0] / 3840
    lens = (*(value * scale for value in LENS[:4]), *LENS[4:])
    x, y, z = true_device(t)
    share, turn = np.meshgrid(np.linspace(0.02, 0.98, 60), np.linspace(0, 2 * math.pi, 24, endpoint=False))
    body = [x + 0.22 * np.cos(turn), y + 0.22 * np.sin(turn), z + CROWN - HEIGHT * share]
    points = np.stack([axis.ravel() for axis in body], axis=1) - place
    u, v = np.floor(kannala_brandt(points @ axes, lens)).astype(int).T
    inside = (u >= 0) & (u < size[0]) & (v >= 0) & (v < size[1])
    picture[v[inside], u[inside]] = (220, 20, 20)
    return picture


def _entry(take: str, capture: str, frames: int) -> dict:
    def video(name: str, stream: str, readable: str) -> dict:
        path = f"frame_aligned_videos/{name}.mp4"
        return {"cam_id": name, "stream_id": stream, "readable_stream_id": readable, "relative_path": path}

    return {
        "root_dir": f"takes/{take}",
        "take_name": take,
        "take_uid": f"uid-{take}",
        "task_name": "Soccer Drills - Dribbling",
        "parent_task_name": "Soccer",
        "duration_sec": frames / 30,
        "timesync_start_idx": FIRST_ROW,
        "timesync_end_idx": FIRST_ROW + frames,
        "capture": {
            "root_dir": f"captures/{capture}",
            "capture_name": capture,
            "cameras": [
                {"cam_id": "aria01", "is_ego": True, "device_type": "aria"},
                *({"cam_id": camera, "is_ego": False, "device_type": "hero10"} for camera in CAMERAS),
            ],
        },
        "frame_aligned_videos": {
            "aria01": {"rgb": video("aria01_214-1", "214-1", "rgb")},
            **{camera: {"0": video(camera, "0", "0")} for camera in CAMERAS},
            "best_exo": {"0": {"stream_id": "0", "relative_path": None}},
        },
    }


def _timesync(seconds: float) -> dict[str, list]:
    """The take's rows with seven before and five after; before it the cameras ran and the Aria did not."""
    times = ["" for _ in range(FIRST_ROW)] + frame_times_ns(frame_count(seconds) + 5)
    rows = range(len(times))
    return {
        "cam01_global_time": [f"2023-06-14 12:00:{k / 30:.6f}" for k in rows],
        "cam01_pts": [512 * k for k in rows],
        "cam02_pts": [512 * k + 11 for k in rows],
        "aria01_214-1_capture_timestamp_ns": times,
        "aria01_1201-1_capture_timestamp_ns": [time and time + 1_000 for time in times],
    }


def _trajectory(seconds: float, pitch: float) -> dict[str, list]:
    """Poses every millisecond from half a second before the take to half a second after it."""
    qx, qy, qz, qw = Rotation.from_matrix(device_rotation(0.0, pitch)).as_quat()
    since_us = [k * 1000 for k in range(-500, round(seconds * 1000) + 500)]
    places = [true_device(us * 1e-6) for us in since_us]
    same = len(since_us)
    return {
        "graph_uid": [WORLD] * same,
        "tracking_timestamp_us": [START_NS // 1000 + us for us in since_us],
        "utc_timestamp_ns": [-1] * same,
        **{f"t{axis}_world_device": [place[k] for place in places] for k, axis in enumerate("xyz")},
        **{f"q{axis}_world_device": [q] * same for axis, q in zip("xyzw", (qx, qy, qz, qw), strict=True)},
        **{f"device_linear_velocity_{axis}_device": [0.0] * same for axis in "xyz"},
        **{f"angular_velocity_{axis}_device": [0.0] * same for axis in "xyz"},
        **{f"gravity_{axis}_world": [g] * same for axis, g in zip("xyz", (0.0, 0.0, -9.81), strict=True)},
        "quality_score": [1.0] * same,
        "geo_available": [0] * same,
    }


def _calibrations() -> dict[str, list]:
    rows = []
    for camera, (place, _) in CAMERAS.items():
        quaternion = Rotation.from_matrix(camera_axes(camera)).as_quat()
        rows.append((camera, WORLD, *place, *quaternion, 3840, 2160, "KANNALABRANDTK3", *LENS, -1, -1, 1))
    names = ("cam_uid", "graph_uid", *(f"t{axis}_world_cam" for axis in "xyz"))
    names += (*(f"q{axis}_world_cam" for axis in "xyzw"), "image_width", "image_height", "intrinsics_type")
    names += (*(f"intrinsics_{k}" for k in range(8)), "start_frame_idx", "end_frame_idx", "quality")
    return {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
