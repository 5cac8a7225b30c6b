"""Geometry without depth: a lens and a camera's height that are known, above ground that objects stand on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry, check_geometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.given import GivenGeometry
from st_vlm.pseudo_labels.segments import Segments

# World from camera of one that looks level along the world's x axis.
LEVEL = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


class GroundPlane:
    """A camera at a known height. Without poses it stands still and looks level.

    Args:
        focal: Focal length in pixels of the video, for clips that state no intrinsics; the lens is then in the middle
            of the image.
        camera_height: Metres above the ground, for clips that state none.
        poses: Where files with poses are, as for `GivenGeometry`; their depth is not read. The ground then follows
            the camera's path.
        up: As for `GivenGeometry`.

    Raises:
        InputError: Numbers that are not positive, or nothing at the path of the poses.
    """

    name = "ground-plane"
    licence = ""

    def __init__(
        self,
        focal: float | None = None,
        camera_height: float | None = None,
        poses: str | Path | None = None,
        up: str = "z",
    ) -> None:
        self._focal = _positive("focal length", focal)
        self._height = _positive("camera's height", camera_height)
        self._given = None if poses is None else GivenGeometry(poses, up)
        self.from_files = poses is not None

    def measure(self, frames: ClipFrames, segments: Segments) -> ClipGeometry:
        """Lens, poses and camera height of a clip, without depth.

        Raises:
            InputError: The lens or the camera's height is not known, or the poses do not fit the clip.
        """
        return self.of_clip(frames.clip)

    def of_clip(self, clip: Clip) -> ClipGeometry:
        """As `measure`, without images."""
        clip = self._with_options(clip)
        if self._given is not None:
            geometry = replace(self._given.of_clip(clip), depth=None, backend=self.name)
        else:
            if clip.matrix is None:
                raise InputError(
                    f"The lens of {clip.video} is not known. State the focal length in pixels (`--focal 1000`)."
                )
            poses = np.tile(np.eye(4), (len(clip.frames), 1, 1))
            poses[:, :3, :3] = LEVEL
            poses[:, 2, 3] = clip.camera_height or 0.0
            geometry = ClipGeometry(
                clip.matrix, tuple(clip.size), poses, camera_height=clip.camera_height, backend=self.name
            )
        if geometry.camera_height is None:
            raise InputError(
                f"How high the camera of {clip.video} is above the ground is not known. State it in metres "
                "(`--camera-height 1.5`)."
            )
        check_geometry(geometry, clip.video)
        return geometry

    def _with_options(self, clip: Clip) -> Clip:
        """The clip, stating what the options state where it states nothing itself."""
        width, height = clip.size
        if clip.intrinsics is None and self._focal is not None:
            x, y = (width - 1) / 2, (height - 1) / 2
            clip = replace(clip, intrinsics=(self._focal, 0.0, x, 0.0, self._focal, y, 0.0, 0.0, 1.0))
        if clip.camera_height is None and self._height is not None:
            clip = replace(clip, camera_height=self._height)
        return clip


def _positive(what: str, value: float | None) -> float | None:
    if value is None:
        return None
    number = float(value) if isinstance(value, int | float | np.number) and not isinstance(value, bool) else np.nan
    if not (np.isfinite(number) and number > 0):
        raise InputError(f"The {what} must be a positive number, not {value!r}.")
    return number
