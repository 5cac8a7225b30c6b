"""Where the camera is: on the dash of a driving ego vehicle, a pole, the side of a court, or near the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.kinematics.poses import pose, rotation_about_up
from st_vlm.recordings.simulation.motion import Leg, Motion, bend_length, drive
from st_vlm.recordings.simulation.settings import Rig

EGO_SIZE = (4.6, 1.9)
DASH_FORWARD = 0.6
"""Metres from the ego vehicle's middle to its camera."""
NEAR_TOYS_M = 0.7

# Camera axes (x right, y down, z forward) in a frame whose x is forward, y left, z up.
_FORWARD_LEFT_UP_FROM_CAMERA = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """A camera's path, sampled like `motion.Motion`.

    Attributes:
        times_s: (N,) from 0.
        platform: (N, 2) ground position of the vehicle's middle, or of a camera that stands.
        yaws: (N,) viewing direction in the plane, radians, unwrapped.
        pitch: Radians the camera looks down.
        height: Metres above the ground.
        forward: Metres from the platform to the camera along the viewing direction.
        focal: Focal length in units of the image's width.
        near: Metres in front of the camera within which nothing is well in view.
    """

    times_s: np.ndarray
    platform: np.ndarray
    yaws: np.ndarray
    pitch: float
    height: float
    forward: float
    focal: float
    near: float = 2.0

    @property
    def rides(self) -> bool:
        """Whether the camera sits on an ego vehicle."""
        return self.forward > 0

    def poses_at(self, times_s: np.ndarray) -> np.ndarray:
        """(Q,) seconds to (Q, 4, 4) world from camera."""
        x, y, yaw = (
            np.interp(times_s, self.times_s, c) for c in (self.platform[:, 0], self.platform[:, 1], self.yaws)
        )
        centre = np.stack(
            [x + self.forward * np.cos(yaw), y + self.forward * np.sin(yaw), np.full_like(x, self.height)]
        )
        return pose(camera_rotation(yaw, self.pitch), centre.T)


def camera_rotation(yaw: np.ndarray, pitch: float) -> np.ndarray:
    """(...) viewing directions and one downward pitch, radians, to (..., 3, 3) world from camera."""
    cos, sin = np.cos(pitch), np.sin(pitch)
    tilt = np.array([[cos, 0.0, sin], [0.0, 1.0, 0.0], [-sin, 0.0, cos]])
    return rotation_about_up(yaw) @ tilt @ _FORWARD_LEFT_UP_FROM_CAMERA


def draw_viewpoint(rng: np.random.Generator, place: str, mount: str, duration_s: float, rig: Rig) -> Viewpoint:
    """A camera of a rig for a place (`street`, `square`, `court`, `hall`) on a mount (a key of `Rig.heights`)."""
    fields_of_view = rig.toy_fields_of_view if mount == "low" else rig.fields_of_view
    field_of_view = np.radians(rng.uniform(*fields_of_view[rng.integers(len(fields_of_view))]))
    focal = 0.5 / np.tan(field_of_view / 2)
    height = rng.uniform(*rig.heights[mount])
    if mount == "dash":
        motion = _draw_ego_motion(rng, place, duration_s)
        lane = rng.uniform(-8.0, 8.0) if place == "street" else rng.uniform(-20.0, 20.0)
        return Viewpoint(
            times_s=motion.times_s,
            platform=motion.points + np.array([rng.uniform(-32.0, 32.0), lane]),
            yaws=motion.yaws,
            pitch=np.radians(rng.uniform(0.0, 4.0)),
            height=height,
            forward=DASH_FORWARD,
            focal=focal,
        )
    times = np.arange(round(duration_s / 0.02) + 1) * 0.02
    if mount == "pole":
        towards = (
            rng.choice([0.0, np.pi / 2, np.pi, -np.pi / 2]) + rng.normal(0.0, 0.25)
            if place == "square"
            else (rng.normal(0.0, 0.35))
        )
        stand = np.array([-16.0, rng.uniform(-12.0, 12.0)]) if place == "street" else rng.uniform(-12.0, 12.0, 2)
        pitch = np.radians(rng.uniform(5.0, 14.0))
        yaws = np.full_like(times, towards)
    elif mount == "low":
        stand = np.array([rng.uniform(-2.5, 2.5), -rng.uniform(4.0, 5.5)])
        away = rng.uniform(2.5, 4.0)
        pitch = np.arctan2(height - 0.1, away) * rng.uniform(0.35, 0.7)
        yaws = np.full_like(times, np.pi / 2 + rng.normal(0.0, 0.3))
    else:
        stand = np.array([rng.uniform(-8.0, 8.0), -rng.uniform(13.0, 18.0)])
        target = np.array([rng.uniform(-3.0, 3.0), rng.uniform(-1.0, 2.0)]) - stand
        pitch = np.arctan2(height - 1.0, np.linalg.norm(target)) * rng.uniform(0.7, 1.0)
        yaws = np.full_like(times, np.arctan2(target[1], target[0]))
        # Some side cameras are panned by hand.
        if rng.random() < 0.4:
            yaws += np.radians(rng.uniform(3, 12)) * np.sin(2 * np.pi * (times / rng.uniform(6, 16) + rng.random()))
    near = NEAR_TOYS_M if mount == "low" else 2.0
    return Viewpoint(times, np.repeat(stand[None], len(times), axis=0), yaws, pitch, height, 0.0, focal, near)


def _draw_ego_motion(rng: np.random.Generator, place: str, duration_s: float) -> Motion:
    cruise = float(np.exp(rng.uniform(np.log(2.0), np.log(11.0))))
    tail = Leg(cruise, cruise * duration_s + 20.0)
    kind = rng.choice(["straight", "curve", "stop", "parked"], p=[0.3, 0.4, 0.2, 0.1])
    if kind == "parked":
        legs = [Leg(cruise, 0.0, pause=2 * duration_s), tail]
    elif kind == "stop":
        legs = [Leg(cruise, cruise * rng.uniform(3, 8), pause=rng.uniform(2, 6)), tail]
    elif kind == "curve" and place == "square":
        turn = rng.choice([-1, 1]) * np.radians(rng.uniform(30, 110))
        radius = rng.uniform(8.0, 25.0)
        slow = min(cruise, np.sqrt(2.0 * radius))
        legs = [Leg(cruise, cruise * rng.uniform(2, 6)), Leg(slow, bend_length(turn, radius), turn), tail]
    elif kind == "curve":
        # A change of lane: two opposite turns.
        turn = rng.choice([-1, 1]) * np.radians(rng.uniform(5, 12))
        length = cruise * rng.uniform(1.5, 3.0)
        legs = [Leg(cruise, cruise * rng.uniform(2, 8)), Leg(cruise, length, turn), Leg(cruise, length, -turn), tail]
    else:
        legs = [tail]
    return drive(legs, rng.uniform(1.0, 2.5), duration_s)
