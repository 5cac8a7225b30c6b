"""The one form every source is read into: a recording with its camera, frames and 3D tracks.

World frame: metres, right-handed, +z up. Timestamps: integer nanoseconds in the source's own clock.
Camera frame: OpenCV's (x right, y down, z forward). Poses are 4x4 matrices that map camera to world coordinates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from st_vlm.errors import InputError

# Farther than any point on Earth in any national or global frame: such a number is a fault of the file.
FARTHEST_M = 1e8
_MUST_BE = {
    "centres": "finite numbers of a place in metres",
    "sizes": "positive numbers of metres",
    "rotations": "finite numbers",
}

Domain = Literal["driving", "sports", "simulated", "general"]
Provenance = Literal["annotated", "pseudo"]


@dataclass(frozen=True, eq=False)
class Track:
    """One object through time.

    Attributes:
        id: Unique within the recording.
        category: The source's own name of the class, such as `vehicle.car` or `PEDESTRIAN`.
        times_ns: (N,) int64, strictly increasing.
        centres: (N, 3) box centres in the world frame, metres.
        sizes: (N, 3) length, width, height in metres.
        rotations: (N, 3, 3) world from box; the box's x axis is its length (forward), y its width (left), z up.
        lidar_points: (N,) int, points inside each box, or None where the source does not count them.
        visibility: (N,) float, visible share of the object 0-1 as annotated (NaN where unknown), or None.
        centre_sigma: (N,) float, standard deviation of the centre in metres, or None for trusted annotations.
        image_boxes: (N, 4) x1, y1, x2, y2 in pixels of the recording's camera where the object was seen in its image,
            NaN where it was not; None where boxes are found by projection.
        centre_draws: (S, N, 3) other centres that are as likely, for the uncertainty of whatever is measured of the
            track; None for trusted annotations.

    Raises:
        InputError: Wrong shapes, no box, numbers that are not finite (or metres beyond reason), sizes that are not
            positive, timestamps that repeat or run backwards, or names that are no valid text.
    """

    id: str
    category: str
    times_ns: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    rotations: np.ndarray
    lidar_points: np.ndarray | None = None
    visibility: np.ndarray | None = None
    centre_sigma: np.ndarray | None = None
    image_boxes: np.ndarray | None = None
    centre_draws: np.ndarray | None = None

    def __post_init__(self) -> None:
        try:
            self.id.encode(), self.category.encode()
        except UnicodeEncodeError:
            raise InputError(f"Track {self.id!r} ({self.category!r}): the name is no valid text. Repair it.") from None
        n = len(self.times_ns)
        if n == 0:
            raise InputError(f"Track {self.id} ({self.category}) has no box.")
        for name, shape in (("centres", (n, 3)), ("sizes", (n, 3)), ("rotations", (n, 3, 3))):
            values = getattr(self, name)
            if values.shape != shape:
                raise InputError(f"Track {self.id} ({self.category}): {name} has shape {values.shape}, not {shape}.")
            bad = ~(np.abs(values.reshape(n, -1)) < FARTHEST_M).all(axis=1)
            if name == "sizes":
                bad |= (values <= 0).any(axis=1)
            if bad.any():
                raise InputError(
                    f"Track {self.id} ({self.category}): {name} at {self.times_ns[bad.argmax()]} ns "
                    f"must be {_MUST_BE[name]}, not {values[bad.argmax()].tolist()}. Repair or remove the track."
                )
        check_increasing(self.times_ns, f"Track {self.id} ({self.category})")

    def __len__(self) -> int:
        return len(self.times_ns)

    @property
    def duration_s(self) -> float:
        """Seconds from the first box to the last."""
        return float(self.times_ns[-1] - self.times_ns[0]) * 1e-9


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera.

    Attributes:
        name: The source's own name, such as `CAM_FRONT`.
        intrinsics: (3, 3) pinhole matrix in pixels of the full image.
        size: Width and height of the image in pixels.
        poses: (F, 4, 4) world from camera, one per frame of the recording's `Frames`.
        distortion: Name of the lens model: `none`, `radial` (OpenCV's k1, k2, k3), `brown_conrady` (OpenCV's k1, k2,
            p1, p2, k3) or `kannala_brandt` (k0-k3).
        distortion_coefficients: The model's coefficients, empty for `none`.
    """

    name: str
    intrinsics: np.ndarray
    size: tuple[int, int]
    poses: np.ndarray
    distortion: Literal["none", "radial", "brown_conrady", "kannala_brandt"] = "none"
    distortion_coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.intrinsics.shape != (3, 3) or not np.isfinite(self.intrinsics).all():
            raise InputError(f"Camera {self.name}: the intrinsics are not a finite 3x3 matrix.")
        if self.intrinsics[0, 0] <= 0 or self.intrinsics[1, 1] <= 0:
            raise InputError(f"Camera {self.name}: the focal length is not positive. Restore the calibration.")
        if self.poses.ndim != 3 or self.poses.shape[1:] != (4, 4) or not np.isfinite(self.poses).all():
            raise InputError(f"Camera {self.name}: the poses are not finite 4x4 matrices.")


@dataclass(frozen=True, eq=False)
class Frames:
    """The images of one camera, read one at a time.

    Attributes:
        times_ns: (F,) int64, strictly increasing: the camera's own timestamps.
        read: Maps a frame's index to its (H, W, 3) uint8 RGB image. Raises InputError naming a bad file. None for a
            recording without images, whose camera has times and poses alone.
        paths: Each image's path relative to the dataset's root, or an empty tuple where frames are rendered or there
            are none. Frames of one video file are its path, `#`, and the frame's number in it.
    """

    times_ns: np.ndarray
    read: Callable[[int], np.ndarray] | None
    paths: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_increasing(self.times_ns, "The camera's frames")

    def __len__(self) -> int:
        return len(self.times_ns)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording seen by one camera, or by none when only its tracks are wanted.

    Attributes:
        id: The source's own name: a scene, a log, a sequence.
        source: The reader's name, such as `nuscenes`.
        licence: SPDX identifier or short name of the licence of the recording's data.
        tracks: Every annotated object, in the order of their ids.
        camera, frames: Both set or both None.
        domain: What kind of scene it is.
        provenance: Where the 3D tracks come from.
        split: The source's own split of this recording: `train`, `validation` or `test`.
        pose_slack: Allowance for drifting ego poses, as a share of the ego path (0 for trusted poses, 0.05 for
            visual odometry). It widens the static test (DEFINITIONS, "Tracks and motion").
        ego_times_ns, ego_centres: (P,) and (P, 3) path of the recording platform in the world, where known.
        error_bound: Questions whose answer is expected to be farther off, by the tracks' `centre_draws`, are not
            asked; None: all are.
        labelled_by: The models that made pseudo tracks, each with the licence of its weights; else empty.
    """

    id: str
    source: str
    licence: str
    tracks: tuple[Track, ...]
    camera: Camera | None = None
    frames: Frames | None = None
    domain: Domain = "driving"
    provenance: Provenance = "annotated"
    split: Literal["train", "validation", "test"] = "train"
    pose_slack: float = 0.0
    ego_times_ns: np.ndarray = field(default_factory=lambda: np.empty(0, np.int64))
    ego_centres: np.ndarray = field(default_factory=lambda: np.empty((0, 3)))
    error_bound: float | None = None
    labelled_by: str = ""

    def __post_init__(self) -> None:
        if (self.camera is None) != (self.frames is None):
            raise InputError(f"Recording {self.id}: a camera needs frames and frames need a camera.")
        if self.camera is not None and len(self.camera.poses) != len(self.frames):
            raise InputError(
                f"Recording {self.id}, camera {self.camera.name}: "
                f"{len(self.frames)} frames but {len(self.camera.poses)} poses."
            )

        if self.pose_slack and not len(self.ego_times_ns):
            raise InputError(f"Recording {self.id}: a pose slack is a share of the ego path, but there is none.")

    @property
    def start_ns(self) -> int:
        """The first annotated time."""
        return min(int(track.times_ns[0]) for track in self.tracks)


def check_increasing(times_ns: np.ndarray, whose: str) -> None:
    """Raise InputError unless the (N,) integer timestamps strictly increase; `whose` begins the sentence."""
    if not np.issubdtype(np.asarray(times_ns).dtype, np.integer):
        raise InputError(f"{whose}: timestamps must be integer nanoseconds, not {np.asarray(times_ns).dtype}.")
    step = np.diff(times_ns)
    if (step == 0).any():
        raise InputError(
            f"{whose}: timestamp {times_ns[int((step == 0).argmax())]} ns occurs twice. Restore the original times."
        )
    if (step < 0).any():
        raise InputError(
            f"{whose}: timestamps run backwards after {times_ns[int((step < 0).argmax())]} ns. Restore their order."
        )
