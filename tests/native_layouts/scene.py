"""The objects that every native layout holds, and what the layouts share."""

from __future__ import annotations

import math
from pathlib import Path

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


def about_up(yaw: float) -> tuple[float, float, float, float]:
    """wxyz of a turn about +z."""
    return math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)


def write_image(path: Path, size: tuple[int, int]) -> None:
    """A grey image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 90, 90)).save(path)
