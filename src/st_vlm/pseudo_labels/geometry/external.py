"""Geometry found by tools in environments of their own, through files.

Looked up in the tools' sources. Depth Anything 3 (package depth-anything-3 0.1.1, `api.py`, `specs.py`,
`model/da3.py`, `utils/alignment.py`, `utils/io/input_processor.py`): extrinsics are OpenCV's camera from world, images
are stretched to multiples of 14 px, nested models give metres that grow with the focal length they guess. MapAnything
(facebookresearch/map-anything, README and `utils/inference.py`, `utils/image.py`): poses are OpenCV's world from
camera in metres, images are shrunk until they cover one of its sizes and cut at the middle, masked depth is 0.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry, check_geometry
from st_vlm.pseudo_labels.frames import ClipFrames, confined
from st_vlm.pseudo_labels.geometry.finishing import finished, scale_errors
from st_vlm.pseudo_labels.geometry.monst3r import LICENCE, metric_scale, read_metric_depth, read_monst3r
from st_vlm.pseudo_labels.geometry.tool_output import ToolOutput, read_runner_file
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors
from st_vlm.pseudo_labels.segments import Segments

KINDS = ("depth-anything-3", "map-anything", "monst3r-metric3d")
# Of a clip's metric scale, one standard deviation: with the true focal length, and with the tool's own.
SCALE_KNOWN_FOCAL, SCALE_OWN_FOCAL = 0.10, 0.15
FIELD_RMS = 0.05


class ExternalGeometry:
    """What a tool wrote for each clip, as the clip's geometry.

    The clip's intrinsics and camera height win: depth and way are stretched along the line of sight by how much longer
    the focal length is than the tool's, which leaves what is seen where it is seen.

    Args:
        path: The folder that the tool's runner wrote to, a file a clip; for `monst3r-metric3d` a folder a clip.
        kind: `depth-anything-3`, `map-anything` or `monst3r-metric3d`.
        least_confident: The share of pixels, over a clip, that is left out for the least confidence.
    """

    licence = ""
    from_files = True

    def __init__(self, path: str | PathLike, kind: str, least_confident: float = 0.1) -> None:
        if kind not in KINDS:
            raise InputError(f"There is no external geometry {kind!r}. Choose one of {', '.join(KINDS)}.")
        if not 0 <= float(least_confident) < 1:
            raise InputError(f"The least confident share must be from 0 up to 1, not {least_confident}.")
        self.path, self.name, self.least_confident = Path(path), kind, float(least_confident)

    def measure(self, frames: ClipFrames, segments: Segments) -> ClipGeometry:
        """As `GeometryBackend.measure`.

        Raises:
            InputError: The tool's files are missing or no such files, are of other frames, or tell no scale.
        """
        clip = frames.clip
        found = self._read(clip)
        depth, lens = found.on_clip(clip)
        poses = found.poses
        if clip.matrix is not None:
            factor = clip.matrix[0, 0] / lens[0, 0]
            depth, poses, lens = depth * factor, lengthened(poses, factor), clip.matrix
        moving = segments.labels((depth.shape[2], depth.shape[1])) >= 0
        if self.name == "monst3r-metric3d":
            scale = metric_scale(depth, read_metric_depth(self.path, clip), ~moving, f"Clip {clip.id}")
            depth, poses = depth * scale, poses.copy()
            poses[:, :3, 3] *= scale
        whose = f"What {self.name} found of clip {clip.id}"
        check_geometry(ClipGeometry(lens, clip.size, poses, depth), whose)
        if not np.isfinite(depth).any():
            raise InputError(f"{whose} holds no depth. Run the tool again, or leave the clip out.")
        scale = SCALE_OWN_FOCAL if clip.matrix is None else SCALE_KNOWN_FOCAL
        errors = scale_errors(DepthErrors(field_rms=FIELD_RMS), scale)
        return finished(clip, lens, poses, depth, moving, errors, self.name, found.licence)

    def _read(self, clip: Clip) -> ToolOutput:
        if self.name == "monst3r-metric3d":
            return read_monst3r(self.path, clip)
        file = confined(self.path, f"{clip.id}.npz")
        return read_runner_file(file, clip, self.name, self.least_confident)


class DepthAnything3(ExternalGeometry):
    """What `recipes/runners/run_depth_anything_3.py` wrote.

    Args:
        path: Its output folder.
        least_confident: As in `ExternalGeometry`.
    """

    licence = "CC-BY-NC-4.0"

    def __init__(self, path: str | PathLike, least_confident: float = 0.1) -> None:
        super().__init__(path, "depth-anything-3", least_confident)


class MapAnything(ExternalGeometry):
    """What `recipes/runners/run_map_anything.py` wrote.

    Args:
        path: Its output folder.
        least_confident: As in `ExternalGeometry`.
    """

    licence = "CC-BY-NC-4.0"

    def __init__(self, path: str | PathLike, least_confident: float = 0.1) -> None:
        super().__init__(path, "map-anything", least_confident)


class Monst3rMetric3d(ExternalGeometry):
    """MonST3R's folders with Metric3D's depth, as in `monst3r`.

    Args:
        path: The folder of a folder a clip.
    """

    licence = LICENCE

    def __init__(self, path: str | PathLike) -> None:
        super().__init__(path, "monst3r-metric3d")


def lengthened(poses: np.ndarray, factor: float) -> np.ndarray:
    """(T, 4, 4) poses of a camera whose focal length is so many times longer than was thought.

    Points then lie so many times farther ahead, and as far aside as before; so does the camera's way, exactly where it
    does not turn. The direction ahead is the mean over frames.
    """
    ahead = poses[:, :3, 2].mean(axis=0)
    length = np.linalg.norm(ahead)
    if length < 1e-6:
        return poses
    ahead = ahead / length
    result = poses.copy()
    result[:, :3, 3] += (factor - 1) * (result[:, :3, 3] @ ahead)[:, None] * ahead
    return result
