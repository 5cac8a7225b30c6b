"""Depth Pro's metric depth of each frame, and the camera's way by odometry over it.

The model gives inverse depth for a camera as wide as its focal length (Bochkovskii et al. 2024): metres are the focal
length in image widths divided by it. So a known focal length changes depth itself, and not only where its pixels lie.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import WIDEST_DEPTH, ClipGeometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.finishing import finished, scale_errors
from st_vlm.pseudo_labels.geometry.odometry import Odometry, camera_poses
from st_vlm.pseudo_labels.geometry.point_tracks import WIDEST_IMAGE
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.unavailable import Unavailable

CHECKPOINT = "apple/DepthPro-hf"
# Wider images than the model looks at are of no use to it.
WIDEST_INPUT = 1536
# Farther is the sky, or as good as.
SKY_M = 500.0
# The model's own bounds on inverse depth.
LEAST_INVERSE, MOST_INVERSE = 1e-4, 1e4
# Of its metric scale over a clip, one standard deviation: with the true focal length, and with its own.
SCALE_KNOWN_FOCAL, SCALE_OWN_FOCAL = 0.10, 0.15
FIELD_RMS = 0.08
# More frames whose camera motion is bridged make a clip useless.
MOST_BRIDGED = 0.25

_log = logging.getLogger(__name__)


class DepthProOdometry:
    """Depth by Depth Pro, camera poses by RGB-D odometry.

    The clip's intrinsics and camera height win over what the model and the ground say.

    Args:
        checkpoint: A name on the Hugging Face Hub, or a local folder. Its weights are for research alone.
        device: Of torch; None: the first CUDA device if there is one, else the CPU.
        dtype: `float32`, `float16` or `bfloat16`; None: float16 on a GPU, as its makers run it, else float32.
        batch: Frames at a time; each takes about 2 GB on a GPU.
        step_s: Points are followed through frames so many seconds apart.
    """

    name = "depthpro-odometry"
    licence = "apple-amlr"

    def __init__(
        self,
        checkpoint: str = CHECKPOINT,
        device: str | None = None,
        dtype: str | None = None,
        batch: int = 4,
        step_s: float = 0.1,
    ) -> None:
        if int(batch) < 1 or not float(step_s) > 0:
            raise InputError(f"Depth Pro needs a batch of at least 1 and a positive step, not {batch} and {step_s}.")
        self.checkpoint, self.device, self.dtype = checkpoint, device, dtype
        self.batch, self.step_s = int(batch), float(step_s)
        self._loaded = None

    def measure(self, frames: ClipFrames, segments: Segments) -> ClipGeometry:
        """As `GeometryBackend.measure`."""
        clip = frames.clip
        inverse, fields = self._inverse_depth(frames)
        intrinsics = clip.matrix if clip.matrix is not None else lens_of_view(fields, clip, self.checkpoint)
        depth = metric_depth(inverse, intrinsics[0, 0] / clip.size[0])
        moving = segments.labels((depth.shape[2], depth.shape[1])) >= 0
        way = follow_camera(frames, intrinsics, depth, moving, self.step_s)
        scale = SCALE_OWN_FOCAL if clip.matrix is None else SCALE_KNOWN_FOCAL
        errors = scale_errors(DepthErrors(field_rms=FIELD_RMS), scale)
        corrected = depth / way.depth_scales[:, None, None]
        return finished(clip, intrinsics, way.poses, corrected, moving, errors, self.name, self.licence)

    def _inverse_depth(self, frames: ClipFrames) -> tuple[np.ndarray, np.ndarray]:
        """(T, h, w) inverse depth of a camera as wide as its focal length, and (T,) degrees of its field of view."""
        import torch

        model, processor, device = self._load()
        width, height = fitting(frames.clip.size, WIDEST_DEPTH)
        maps, fields = [], []
        for images in _batches(frames.images(fitting(frames.clip.size, WIDEST_INPUT)), self.batch):
            inputs = processor(images=images, return_tensors="pt")["pixel_values"]
            try:
                with torch.inference_mode():
                    outputs = model(pixel_values=inputs.to(device, model.dtype))
                    maps.append(shrunk(outputs.predicted_depth.float(), (height, width)).cpu().numpy())
            except torch.OutOfMemoryError:
                raise Unavailable(
                    f"The memory of {device} is too small for {len(images)} frames of Depth Pro at a time. "
                    "Give a smaller batch."
                ) from None
            known = outputs.field_of_view
            fields.append(np.full(len(images), np.nan) if known is None else known.float().cpu().numpy())
        return np.concatenate(maps), np.concatenate(fields)

    def _load(self):
        if self._loaded is None:
            from transformers import DepthProForDepthEstimation, DepthProImageProcessor

            from st_vlm.pseudo_labels.weights import (
                choose_device,
                choose_dtype,
                load_model,
                load_processor,
            )

            device = choose_device(self.device)
            dtype = choose_dtype(self.dtype or ("float16" if device.type == "cuda" else None), device)
            model = load_model(DepthProForDepthEstimation, self.checkpoint, device, dtype)
            self._loaded = model, load_processor(DepthProImageProcessor, self.checkpoint), device
        return self._loaded


def follow_camera(
    frames: ClipFrames, intrinsics: np.ndarray, depth: np.ndarray, moving: np.ndarray, step_s: float = 0.1
) -> Odometry:
    """The camera's way through a clip whose depth is known.

    Args:
        frames: The clip.
        intrinsics: (3, 3) pinhole matrix in pixels of the clip's `size`.
        depth: (T, h, w) metres along the camera's z axis.
        moving: (T, h, w) bool, what may move.
        step_s: Points are followed through frames so many seconds apart.

    Raises:
        InputError: The clip cannot be read, or its camera cannot be followed.
    """
    clip = frames.clip
    size = fitting(clip.size, WIDEST_IMAGE)
    lens = intrinsics.astype(np.float64).copy()
    factor = np.array(size) / np.array(clip.size)
    lens[:2] *= factor[:, None]
    lens[:2, 2] += (factor - 1) / 2
    numbers = frames.between(step_s)
    stops = np.searchsorted(numbers, clip.frames).tolist()
    way = camera_poses(frames.at(numbers.tolist(), size), stops, depth, lens, moving, clip.times_s)
    if len(way.bridged) > MOST_BRIDGED * len(clip.frames):
        raise InputError(
            f"Clip {clip.id}: the camera cannot be followed in {len(way.bridged)} of {len(clip.frames)} frames: too "
            "little that stands still is seen, or it is dark or blurred. Give its poses, or leave it out."
        )
    if way.bridged:
        _log.info("Clip %s: the camera's motion is bridged at frames %s.", clip.id, list(way.bridged))
    return way


def metric_depth(inverse: np.ndarray, focal: float) -> np.ndarray:
    """(T, h, w) metres along the camera's z axis, inf for the sky, from the model's inverse depth.

    Args:
        inverse: (T, h, w) for a camera as wide as its focal length.
        focal: The focal length in widths of the image.
    """
    metres = focal / np.clip(inverse, LEAST_INVERSE, MOST_INVERSE)
    return np.where(metres > SKY_M, np.inf, metres).astype(np.float32)


def lens_of_view(fields: np.ndarray, clip: Clip, checkpoint: str) -> np.ndarray:
    """(3, 3) pinhole matrix in pixels of a clip, from (T,) degrees of horizontal field of view: their median.

    Raises:
        InputError: The model gives none.
    """
    width, height = clip.size
    focal = 0.5 * width / np.tan(np.radians(fields) / 2)
    good = np.isfinite(focal) & (focal > 0.1 * width) & (focal < 100 * width)
    if not good.any():
        raise InputError(
            f"{checkpoint} gives no field of view for clip {clip.id}: give the camera's intrinsics with the video."
        )
    middle = float(np.median(focal[good]))
    return np.array([[middle, 0, (width - 1) / 2], [0, middle, (height - 1) / 2], [0, 0, 1]])


def fitting(size: tuple[int, int], widest: int) -> tuple[int, int]:
    """Width and height of the same shape, at most so wide."""
    scale = min(1.0, widest / size[0])
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)


def shrunk(maps, size: tuple[int, int]):
    """A (B, H, W) tensor brought to height and width `size`; where it shrinks, by the mean over each pixel's area."""
    from torch.nn.functional import interpolate

    smaller = maps.shape[1] >= size[0] and maps.shape[2] >= size[1]
    options = {"mode": "area"} if smaller else {"mode": "bilinear", "align_corners": False}
    return interpolate(maps[:, None], size=size, **options)[:, 0]


def _batches(images: Iterator[np.ndarray], count: int) -> Iterator[list[np.ndarray]]:
    held = []
    for image in images:
        held.append(image)
        if len(held) == count:
            yield held
            held = []
    if held:
        yield held
