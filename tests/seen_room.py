"""A room made of planes and boxes, seen by a pinhole camera: exact depth by slabs, with no code of the package."""

from dataclasses import dataclass

import numpy as np

WIDTH, HEIGHT, FOCAL = 160, 90, 110.0


@dataclass(frozen=True)
class Box:
    centre: tuple
    size: tuple
    yaw: float = 0.0


def look_pose(place, yaw, pitch=0.0):
    """World from camera: z forward at `yaw` and `pitch` radians down, x right, y down."""
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), -np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = place
    return pose


@dataclass(frozen=True)
class Room:
    """Ground at z = 0 and boxes."""

    boxes: tuple = ()

    intrinsics = np.array([[FOCAL, 0.0, (WIDTH - 1) / 2], [0.0, FOCAL, (HEIGHT - 1) / 2], [0.0, 0.0, 1.0]])
    size = (WIDTH, HEIGHT)

    def render(self, pose):
        """Depth along z (inf for the sky) and the index of the box seen, -1 for none."""
        v, u = np.mgrid[:HEIGHT, :WIDTH]
        rays = np.stack([(u - (WIDTH - 1) / 2) / FOCAL, (v - (HEIGHT - 1) / 2) / FOCAL, np.ones(u.shape)], axis=-1)
        rays, eye = rays @ pose[:3, :3].T, pose[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            depth = np.where(rays[..., 2] < 0, -eye[2] / rays[..., 2], np.inf)
            label = np.full(depth.shape, -1)
            for k, box in enumerate(self.boxes):
                turn = np.array(
                    [[np.cos(box.yaw), np.sin(box.yaw), 0], [-np.sin(box.yaw), np.cos(box.yaw), 0], [0, 0, 1]]
                )
                local, start = rays @ turn.T, turn @ (eye - box.centre)
                near = (-np.sign(local) * np.array(box.size) / 2 - start) / local
                far = (np.sign(local) * np.array(box.size) / 2 - start) / local
                enter, leave = near.max(axis=-1), far.min(axis=-1)
                hit = (enter < leave) & (enter > 0.05) & (enter < depth)
                depth, label = np.where(hit, enter, depth), np.where(hit, k, label)
        return depth, label
