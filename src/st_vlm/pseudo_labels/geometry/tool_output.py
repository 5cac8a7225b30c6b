"""What a tool run elsewhere found of a clip, in its own pixels and units, brought to the clip's."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import WIDEST_DEPTH
from st_vlm.pseudo_labels.unavailable import Unavailable

Fit = Literal["stretch", "cover"]


@dataclass(frozen=True, eq=False)
class ToolOutput:
    """Depth, lenses and poses of T frames.

    Attributes:
        depth: (T, h, w) along the camera's z axis, in the tool's units; inf for the sky, NaN where it is not known or
            not to be trusted.
        intrinsics: (T, 3, 3) pinhole matrices in pixels of those maps.
        poses: (T, 4, 4) world from camera, in the tool's units.
        fit: How the tool brought images to its size: `stretch`, or `cover` (enlarged or shrunk in one piece until they
            cover it, and cut at the middle).
        licence: Of the tool's weights.
    """

    depth: np.ndarray
    intrinsics: np.ndarray
    poses: np.ndarray
    fit: Fit
    licence: str

    def on_clip(self, clip: Clip) -> tuple[np.ndarray, np.ndarray]:
        """(T, H, W) depth over the clip's whole image, at most 320 px wide, NaN where the tool did not look; and the
        (3, 3) pinhole matrix in pixels of the clip, the median over frames."""
        own = self.depth.shape[2], self.depth.shape[1]
        scale, shift = placing(own, clip.size, self.fit)
        lens = np.median(self.intrinsics, axis=0).astype(np.float64)
        lens[:2, 2] += 0.5
        lens[:2, 2] = (lens[:2, 2] - shift) / scale - 0.5
        lens[:2, :2] /= scale[:, None]
        return resampled(self.depth, clip.size, self.fit), lens


def placing(own: tuple[int, int], size: tuple[int, int], fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """(2,) scale and (2,) shift from an image's coordinates to those of a tool's map; both count from the corner."""
    ratios = np.array(own) / np.array(size)
    if fit == "stretch":
        return ratios, np.zeros(2)
    scale = np.full(2, ratios.max())
    return scale, (np.array(own) - np.array(size) * scale) / 2


def resampled(maps: np.ndarray, size: tuple[int, int], fit: Fit) -> np.ndarray:
    """(T, H, W) float32 of a tool's (T, h, w) maps over the image of width and height `size`, at most 320 px wide.

    Each pixel takes the nearest of the map: a mean of two surfaces is none. NaN where the map does not reach.
    """
    width = min(size[0], WIDEST_DEPTH)
    height = max(round(size[1] * width / size[0]), 1)
    own = maps.shape[2], maps.shape[1]
    scale, shift = placing(own, size, fit)
    columns = np.floor((np.arange(width) + 0.5) * size[0] / width * scale[0] + shift[0]).astype(int)
    rows = np.floor((np.arange(height) + 0.5) * size[1] / height * scale[1] + shift[1]).astype(int)
    result = maps[:, np.clip(rows, 0, own[1] - 1)][:, :, np.clip(columns, 0, own[0] - 1)].astype(np.float32)
    result[:, (rows < 0) | (rows >= own[1])] = np.nan
    result[:, :, (columns < 0) | (columns >= own[0])] = np.nan
    return result


def read_runner_file(path: Path, clip: Clip, tool: str, least_confident: float) -> ToolOutput:
    """Read what a runner of `recipes/runners` wrote for a clip.

    The file holds `depth` (T, h, w) in metres, `intrinsics` (T, 3, 3) in pixels of those maps, `extrinsics`
    (T, 3 or 4, 4), `confidence` (T, h, w) or nothing, `sky` (T, h, w) bool or nothing, and `about`, JSON with the
    tool's name, whether extrinsics are `camera_from_world` or `world_from_camera`, the fit, frames, size and licence.

    Args:
        path: The file.
        clip: What it must be of.
        tool: What must have written it.
        least_confident: The share of pixels, over the clip, that is left out for the least confidence.

    Raises:
        Unavailable: It is missing.
        InputError: It is no such file, or of other frames.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name != "about"}
            about = json.loads(str(file["about"]))
        depth = arrays["depth"].astype(np.float32)
        intrinsics, extrinsics = (arrays[name].astype(np.float64) for name in ("intrinsics", "extrinsics"))
        named = str(about["tool"])
        convention, fit, licence = (str(about[name]) for name in ("extrinsics", "fit", "licence"))
        frames, size = tuple(map(int, about["frames"])), tuple(map(int, about["size"]))
    except FileNotFoundError:
        script = f"recipes/runners/run_{tool.replace('-', '_')}.py"
        raise Unavailable(
            f"There is no {path}. Run {script} on this run, in an environment of {tool}'s own."
        ) from None
    except (OSError, KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} cannot be read as what {tool} found ({error}). Remove it and run {tool} again."
        ) from None
    if named != tool:
        raise InputError(f"{path} was written by {named} and not by {tool}. Give the folder of {tool}.")
    if frames != clip.frames or size != clip.size:
        raise InputError(f"{path} is of other frames than clip {clip.id} has now. Remove it and run {tool} again.")
    count = len(frames)
    shapes = depth.ndim == 3 and intrinsics.shape == (count, 3, 3) and extrinsics.shape in (
        (count, 3, 4),
        (count, 4, 4),
    )  # fmt: skip
    if not shapes or len(depth) != count or convention not in _TURNED or fit not in ("stretch", "cover"):
        raise InputError(f"{path} holds arrays that do not fit each other. Remove it and run {tool} again.")
    full = np.tile(np.eye(4), (count, 1, 1))
    full[:, :3] = extrinsics[:, :3]
    depth = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan)
    if "confidence" in arrays:
        depth = confident(depth, arrays["confidence"], least_confident)
    if "sky" in arrays:
        depth = np.where(arrays["sky"].astype(bool), np.inf, depth)
    return ToolOutput(depth, intrinsics, _TURNED[convention](full), fit, licence)


def confident(depth: np.ndarray, confidence: np.ndarray, least: float) -> np.ndarray:
    """Depth without the share of its known pixels that is the least sure."""
    if confidence.shape != depth.shape:
        raise InputError(
            f"Confidence of shape {confidence.shape} for depth of shape {depth.shape}. Run the tool again."
        )
    known = np.isfinite(depth)
    if not known.any() or least <= 0:
        return depth
    return np.where(confidence >= np.quantile(confidence[known], least), depth, np.nan)


_TURNED = {"camera_from_world": invert, "world_from_camera": lambda poses: poses}
