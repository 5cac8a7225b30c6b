"""The person who wears the Aria glasses: a trajectory of the glasses becomes a track of a standing person.

Aria's machine perception services (MPS) write the pose of the device in the world at about 1 kHz. The device frame is
that of the left grey camera, at the temple: x points down the face, and the wearer looks between -y and +z.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.spatial.transform import Rotation

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import rotation_about_up, rotation_from_quaternion
from st_vlm.recordings.ego_exo4d_tables import csv_batches
from st_vlm.recordings.recording import Track

CATEGORY = "sports.player"
# Length, width, height in metres: a standing adult with the arms a little out.
SIZE = (0.6, 0.6, 1.75)
# From the glasses to the top of the head.
CROWN_ABOVE_DEVICE_M = 0.12
# Where the wearer looks, in the device frame: the colour camera's axis in the calibration of a device (x left out:
# that is its tilt), 39 degrees from the axis of the left camera.
FORWARD = np.array([0.0, -0.623, 0.782])
STEP_NS = 20_000_000
# MPS scores poses from 0 to 1, greater is better. It gives 0.5 while it initialises, on poses that join those scored 1
# without a jump; what is below has no such standing.
LEAST_QUALITY = 0.5
# Gravity may differ by this angle within a take, in radians.
_STEADY_RAD = 0.01

_POSITION = tuple(f"{name}_world_device" for name in ("tx", "ty", "tz"))
_QUATERNION = tuple(f"{name}_world_device" for name in ("qw", "qx", "qy", "qz"))
_GRAVITY = tuple(f"gravity_{axis}_world" for axis in "xyz")
_COLUMNS = {
    "graph_uid": pa.dictionary(pa.int32(), pa.string()),
    "tracking_timestamp_us": pa.int64(),
    **{name: pa.float64() for name in (*_POSITION, *_QUATERNION, *_GRAVITY, "quality_score")},
}


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Where the glasses were during a take, one pose about every 20 ms.

    Attributes:
        world: `graph_uid` of the world frame of the file.
        upright: (3, 3) from the file's world frame to ours, whose z axis points up; nearly always the identity.
        times_ns: (N,) int64, the Aria's clock.
        positions: (N, 3) of the device in our world frame, metres.
        rotations: (N, 3, 3) our world from device.
    """

    world: str
    upright: np.ndarray
    times_ns: np.ndarray
    positions: np.ndarray
    rotations: np.ndarray


def read_trajectory(path: Path, start_ns: int, end_ns: int) -> Trajectory:
    """Read the part of a `closed_loop_trajectory.csv` between two times (inclusive) of the Aria's clock.

    Of every 20 ms the first pose is taken, and the last pose of all. Poses with a quality below 0.5 are left out,
    which makes a gap; so are those in another world frame than most of the take is in. A trajectory that covers a
    part of the take gives that part.

    Raises:
        InputError: The file is missing, cut off or lacks a column; no pose is in the part; times repeat or run
            backwards; a number is not finite; gravity has no direction or turns.
    """
    rows = _rows_between(path, start_ns, end_ns)
    times_ns = rows["tracking_timestamp_us"] * 1000
    worlds, which = np.unique(rows["graph_uid"].astype(str), return_inverse=True)
    world = int(np.bincount(which).argmax())
    there = np.flatnonzero(which == world)
    picked = there[_first_of_each_step(times_ns[there] - start_ns)]
    upright = _upright(path, _stacked(rows, _GRAVITY)[picked])
    quaternions = _stacked(rows, _QUATERNION)[picked]
    if (np.linalg.norm(quaternions, axis=1) < 1e-8).any():
        raise InputError(f"{path} holds a zero quaternion. Download it again.")
    return Trajectory(
        world=str(worlds[world]),
        upright=upright,
        times_ns=times_ns[picked],
        positions=_stacked(rows, _POSITION)[picked] @ upright.T,
        rotations=upright @ rotation_from_quaternion(quaternions),
    )


def wearer_track(track_id: str, trajectory: Trajectory) -> Track:
    """The wearer as a cuboid of a standing person below the glasses.

    Its centre moves with the glasses: what is measured is the path of the head. The cuboid stays upright whatever
    the head's pitch, faces where the glasses do, and keeps its height when the wearer crouches or jumps.
    """
    forward = trajectory.rotations @ FORWARD
    centres = trajectory.positions + np.array([0.0, 0.0, CROWN_ABOVE_DEVICE_M - SIZE[2] / 2])
    return Track(
        id=track_id,
        category=CATEGORY,
        times_ns=trajectory.times_ns,
        centres=centres,
        sizes=np.tile(SIZE, (len(centres), 1)),
        rotations=rotation_about_up(np.arctan2(forward[:, 1], forward[:, 0])),
    )


def _rows_between(path: Path, start_ns: int, end_ns: int) -> dict[str, np.ndarray]:
    """The good rows of the part, checked; of every block only what may be picked in the end."""
    kept, latest, any_there = [], -1, False
    for batch in csv_batches(path, _COLUMNS):
        times_us = batch["tracking_timestamp_us"]
        # Compared, not subtracted: a difference of two such numbers may not fit in 64 bits.
        out_of_order = times_us <= np.concatenate(([latest], times_us[:-1]))
        if out_of_order.any():
            bad = times_us[int(out_of_order.argmax())]
            raise InputError(f"{path}: the times do not increase at {bad} us. Download it again.")
        latest = times_us[-1]
        # Whole microseconds, so that no product overflows.
        inside = (times_us >= -(-start_ns // 1000)) & (times_us <= end_ns // 1000)
        if inside.any():
            any_there = True
            kept.append(_candidates(path, {name: values[inside] for name, values in batch.items()}, start_ns))
        if latest > end_ns // 1000:
            break
    if not any_there:
        raise InputError(f"{path} has no pose during the take ({start_ns} to {end_ns} ns). Download it again.")
    rows = {name: np.concatenate([part[name] for part in kept]) for name in _COLUMNS}
    if not len(rows["graph_uid"]):
        raise InputError(f"{path}: no pose during the take has a quality of {LEAST_QUALITY} or more. Leave it out.")
    return rows


def _candidates(path: Path, rows: dict[str, np.ndarray], start_ns: int) -> dict[str, np.ndarray]:
    """Of a block's rows, once all are checked, the good ones that come first in their step and world, or last."""
    times_us = rows["tracking_timestamp_us"]
    for name in (*_POSITION, *_QUATERNION, *_GRAVITY, "quality_score"):
        bad = ~np.isfinite(rows[name])
        if bad.any():
            at = times_us[int(bad.argmax())]
            raise InputError(f"{path}: {name!r} at {at} us is empty or not finite. Download it again.")
    good = rows["quality_score"] >= LEAST_QUALITY
    picked = [np.empty(0, int)]
    for world in set(rows["graph_uid"][good]):
        there = np.flatnonzero(good & (rows["graph_uid"] == world))
        picked.append(there[_first_of_each_step(times_us[there] * 1000 - start_ns)])
    order = np.sort(np.concatenate(picked))
    return {name: values[order] for name, values in rows.items()}


def _first_of_each_step(since_ns: np.ndarray) -> np.ndarray:
    """Indices of the first of the (N,) increasing times in every step, and of the last of all."""
    firsts = np.unique(since_ns // STEP_NS, return_index=True)[1]
    return np.union1d(firsts, [len(since_ns) - 1])


def _stacked(rows: dict[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return np.stack([rows[name] for name in names], axis=-1)


def _upright(path: Path, gravity: np.ndarray) -> np.ndarray:
    """The smallest rotation that turns the (N, 3) gravity of a file to -z."""
    lengths = np.linalg.norm(gravity, axis=1, keepdims=True)
    if (lengths < 1e-3).any():
        raise InputError(f"{path}: gravity has no direction, so that up is unknown. Download it again.")
    up = -(gravity / lengths)
    mean = up.mean(axis=0)
    mean /= max(np.linalg.norm(mean), 1e-8)
    if (np.linalg.norm(up - mean, axis=1) > _STEADY_RAD).any():
        raise InputError(f"{path}: gravity turns during the take, so that up is unknown. Download it again.")
    if np.abs(mean - [0, 0, 1]).max() < 1e-9:
        return np.eye(3)
    axis = np.cross(mean, [0.0, 0.0, 1.0])
    length = np.linalg.norm(axis)
    # Upside down there is no smallest turn: any half turn about a level axis does.
    axis = np.array([1.0, 0.0, 0.0]) if length < 1e-12 else axis / length
    return Rotation.from_rotvec(axis * np.arctan2(length, mean[2])).as_matrix()
