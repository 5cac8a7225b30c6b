"""Recordings built by hand: a camera that stands at the origin, looks along +y and sees simple tracks.

With a focal length of 200 px and an image of 400x200, an object at depth y is in the image while |x| < y, and one that
is 2 m high stands taller than 4.4 % of the image up to a depth of about 45 m.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from st_vlm.recordings import Camera, Frames, Recording, Track
from st_vlm.recordings.quality import Quality

START_NS = 1_700_000_000_123_456_789
SIZE = (400, 200)
FOCAL = 200.0
CAMERA_HEIGHT = 1.0
# Columns: the camera's x (right), y (down) and z (forward) in the world.
LOOKING_ALONG_Y = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
CAR, PERSON = "vehicle.car", "human.pedestrian.adult"

Path = Callable[[float], Sequence[float]]


def nanoseconds(seconds: Sequence[float] | np.ndarray) -> np.ndarray:
    """Seconds after `START_NS` as int64 nanoseconds."""
    return START_NS + np.rint(np.asarray(seconds) * 1e9).astype(np.int64)


def track(
    name: str,
    path: Path,
    times_s: Sequence[float] | np.ndarray | None = None,
    category: str = CAR,
    size: Sequence[float] = (4.0, 2.0, 2.0),
    heading: float = 0.0,
    lidar: Sequence[int] | None = None,
    sigma: float | None = None,
) -> Track:
    """A track whose centre at t seconds is at `path(t)` = (x, y) and its nose along `heading`; default 20 s."""
    times_s = np.arange(0, 20.01, 0.5) if times_s is None else np.asarray(times_s, float)
    n = len(times_s)
    cos, sin = np.cos(heading), np.sin(heading)
    return Track(
        id=name,
        category=category,
        times_ns=nanoseconds(times_s),
        centres=np.array([[*path(float(t)), 1.0] for t in times_s], float),
        sizes=np.tile(np.array(size, float), (n, 1)),
        rotations=np.tile(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), (n, 1, 1)),
        lidar_points=None if lidar is None else np.asarray(lidar),
        centre_sigma=None if sigma is None else np.full(n, sigma),
    )


def recording(
    *tracks: Track,
    frames_s: Sequence[float] | np.ndarray | None = None,
    name: str = "street",
    domain: str = "driving",
    read: Callable[[int], np.ndarray] | None = None,
    **fields,
) -> Recording:
    """What the standing camera records: flat frames whose grey is the frame's number; default 2 Hz for 20 s."""
    frames_s = np.arange(0, 20.01, 0.5) if frames_s is None else np.asarray(frames_s, float)
    pose = np.eye(4)
    pose[:3, :3], pose[2, 3] = LOOKING_ALONG_Y, CAMERA_HEIGHT
    intrinsics = np.array([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1.0]])

    def flat(index: int) -> np.ndarray:
        return np.full((SIZE[1], SIZE[0], 3), 20 + 4 * index, np.uint8)

    paths = tuple(f"images/{k:03d}.jpg" for k in range(len(frames_s)))
    return Recording(
        id=name,
        source="handmade",
        licence="CC0-1.0",
        tracks=tracks,
        camera=Camera("front", intrinsics, SIZE, np.tile(pose, (len(frames_s), 1, 1))),
        frames=Frames(nanoseconds(frames_s), read or flat, paths),
        domain=domain,
        **fields,
    )


def straight(x: float, y: float, vx: float = 0.0, vy: float = 0.0) -> Path:
    """Constant velocity."""
    return lambda t: (x + vx * t, y + vy * t)


def along(speed: float, *corners: Sequence[float]) -> Path:
    """Constant speed along straight lines from corner to corner, then standing at the last."""
    corners_m = np.array(corners, float)
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(corners_m, axis=0), axis=1))])
    return lambda t: tuple(np.interp(speed * t, lengths, corners_m[:, d]) for d in (0, 1))


def trusting(made: Recording) -> Quality:
    """Every box trusted, for paths that turn on the spot as nothing real does."""
    return Quality(tuple(((0, len(one) - 1),) for one in made.tracks), ())
