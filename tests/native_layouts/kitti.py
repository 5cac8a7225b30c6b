"""KITTI tracking sequences: text files, a row an object or a frame."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from native_layouts.scene import IMAGE_SIZE, INTRINSICS, OBJECTS, true_centre, write_image

CATEGORIES = {"car": "Car", "parked": "Car", "walker": "Pedestrian", "cone": "Misc"}
TRACK_IDS = {name: str(i) for i, name in enumerate(CATEGORIES)}
EARTH_RADIUS = 6_378_137.0
START = (49.0, 8.4, 115.0)  # latitude and longitude in degrees, altitude in metres
CAMERA_IN_IMU = (1.1, -0.3, 0.7)  # metres; it looks ahead and is level
# Lenses 2 and 3 are beside camera 0, and a little behind it, as KITTI's are.
LENS_OFFSETS = {"P2": (0.06, 0.001, 0.003), "P3": (-0.47, 0.002, 0.003)}
LOOKING_AHEAD = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])  # camera from vehicle axes


def ego_pose(t: float) -> tuple[tuple[float, float, float], float]:
    """Place and yaw of the inertial unit after t seconds: a curve to the left that climbs."""
    return (1.5 * t, 0.1 * t * t, 0.9 + 0.02 * t), 0.05 * t


def camera_pose(t: float, tilt: tuple[float, float] = (0.0, 0.0)) -> np.ndarray:
    """(4, 4) scene from the rectified camera 0 after t seconds."""
    place, yaw = ego_pose(t)
    scene_from_imu = _rigid(_turn(2, yaw) @ _turn(1, tilt[1]) @ _turn(0, tilt[0]), place)
    return scene_from_imu @ _rigid(LOOKING_AHEAD.T, CAMERA_IN_IMU)


def kitti_files(
    frames: int = 31, poses: str = "oxts", tilt: tuple[float, float] = (0.0, 0.0), old_spelling: bool = False
) -> dict[str, list[str]]:
    """Text files of a sequence at 10 Hz: folder -> lines.

    Objects move as `true_centre` says. The cone is seen once, the walker from the sixth frame on. The first two rows
    are DontCare regions.

    Args:
        frames: How many.
        poses: `oxts`, or the name of the folder of a pose file whose world is the first camera.
        tilt: Roll and pitch of the vehicle in radians.
        old_spelling: Names of the calibration as in the object benchmark, with colons.
    """
    first = np.linalg.inv(camera_pose(0.0, tilt))
    if poses == "oxts":
        rows = [_oxts(0.1 * i, tilt) for i in range(frames)]
    else:
        rows = [_row((first @ camera_pose(0.1 * i, tilt))[:3].ravel()) for i in range(frames)]
    labels = ["0 -1 DontCare -1 -1 -10 140.0 20.0 159.0 89.0 -1000 -1000 -1000 -10 -1 -1 -1"] * 2
    for i in range(frames):
        for name in OBJECTS:
            seen = {"walker": range(5, frames), "cone": range(2, 3)}.get(name, range(frames))
            if i in seen:
                labels.append(_label(i, name, np.linalg.inv(camera_pose(0.1 * i, tilt))))
    return {"label_02": labels, "calib": _calibration(old_spelling), poses: rows}


def write_kitti(root: Path, files: dict[str, list[str]], sequence: str = "0001", images: int = 0) -> Path:
    """Write a sequence, with the images of its first frames for the left camera. Returns the dataset's root."""
    for folder, lines in files.items():
        path = root / "training" / folder / f"{sequence}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines))
    for i in range(images):
        write_image(root / "training" / "image_02" / sequence / f"{i:06d}.png", IMAGE_SIZE)
    return root


def _label(frame: int, name: str, camera_from_scene: np.ndarray) -> str:
    length, width, height = OBJECTS[name][2]
    centre = (camera_from_scene @ [*true_centre(name, 0.1 * frame), 1])[:3]
    nose = camera_from_scene[:3, 0]  # the objects face +x of the scene
    rotation_y = math.atan2(-nose[2], nose[0])
    half = np.array([length, height, width]) / 2
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    corners = centre + signs * half @ _turn(1, rotation_y).T + LENS_OFFSETS["P2"]
    pixels = corners @ np.array(INTRINSICS).T
    pixels = np.clip(pixels[:, :2] / pixels[:, 2:], 0, np.array(IMAGE_SIZE) - 1.0)
    box = (*pixels.min(axis=0), *pixels.max(axis=0))
    occluded = {"car": 0, "parked": 1, "walker": 2, "cone": 3}[name]
    bottom = centre + np.array([0, height / 2, 0])
    numbers = _row((-10.0, *box, height, width, length, *bottom, rotation_y))
    return f"{frame} {TRACK_IDS[name]} {CATEGORIES[name]} 0 {occluded} {numbers}"


def _oxts(t: float, tilt: tuple[float, float]) -> str:
    """One row of GPS and inertial measurements; zeros where nobody looks."""
    (east, north, up), yaw = ego_pose(t)
    (_, _, first_up), _ = ego_pose(0.0)
    radius = EARTH_RADIUS * math.cos(math.radians(START[0]))
    start_y = math.log(math.tan(math.pi / 4 + math.radians(START[0]) / 2))
    latitude = math.degrees(2 * math.atan(math.exp(north / radius + start_y)) - math.pi / 2)
    longitude = START[1] + math.degrees(east / radius)
    return _row((latitude, longitude, START[2] + up - first_up, *tilt, yaw, *[0.0] * 24))


def _calibration(old_spelling: bool) -> list[str]:
    """Each step of the chain turns, and together they are a level camera that looks ahead."""
    velo_from_imu = _rigid(_turn(2, 0.03) @ _turn(1, -0.02), (-0.8, 0.3, -0.8))
    rectified = _rigid(_turn(1, 0.01) @ _turn(2, -0.015), (0, 0, 0))
    cam_from_imu = np.linalg.inv(_rigid(LOOKING_AHEAD.T, CAMERA_IN_IMU))
    cam_from_velo = np.linalg.inv(rectified) @ cam_from_imu @ np.linalg.inv(velo_from_imu)
    intrinsics = np.array(INTRINSICS)
    projections = {"P0": (0, 0, 0), "P1": (-0.54, 0, 0), **LENS_OFFSETS}
    lines = [f"{name}: {_row([*np.c_[intrinsics, intrinsics @ t].ravel()])}" for name, t in projections.items()]
    names = ("R_rect", "Tr_velo_cam", "Tr_imu_velo")
    if old_spelling:
        names = ("R0_rect:", "Tr_velo_to_cam:", "Tr_imu_to_velo:")
    matrices = (rectified[:3, :3], cam_from_velo[:3], velo_from_imu[:3])
    return lines + [f"{name} {_row(matrix.ravel())}  " for name, matrix in zip(names, matrices, strict=True)]


def _row(numbers) -> str:
    return " ".join(f"{number:.15e}" for number in numbers)


def _rigid(rotation: np.ndarray, translation) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


def _turn(axis: int, angle: float) -> np.ndarray:
    """Right-handed rotation about a coordinate axis."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = math.cos(angle)
    matrix[j, i], matrix[i, j] = math.sin(angle), -math.sin(angle)
    return matrix
