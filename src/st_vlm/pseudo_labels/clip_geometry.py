"""A clip's depth, lens and camera poses in metres, in one npz file."""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import whole_file
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors

# Depth is kept no wider: objects are measured by medians over their masks.
WIDEST_DEPTH = 320
_ARRAYS = ("intrinsics", "poses", "depth")


@dataclass(frozen=True, eq=False)
class ClipGeometry:
    """The geometry of a clip's T frames.

    Attributes:
        intrinsics: (3, 3) pinhole matrix in pixels of the clip's `size`.
        size: Width and height of the clip in pixels.
        poses: (T, 4, 4) world from camera, metres. The world's z axis is up; the camera's axes are right, down, ahead.
        depth: (T, H, W) float32 metres along the camera's z axis, at most 320 px wide; inf for the sky, NaN where it
            is not known. None for a backend that knows the ground plane alone.
        camera_height: Metres of the camera above the ground, where it is known.
        errors: What the backend is to be trusted with.
        backend: Who made it.
        licence: Of the weights that made it; empty where there were none.
    """

    intrinsics: np.ndarray
    size: tuple[int, int]
    poses: np.ndarray
    depth: np.ndarray | None = None
    camera_height: float | None = None
    errors: DepthErrors = field(default_factory=DepthErrors)
    backend: str = "given"
    licence: str = ""

    @property
    def depth_size(self) -> tuple[int, int]:
        """Width and height of the depth maps."""
        return self.depth.shape[2], self.depth.shape[1]

    @property
    def depth_intrinsics(self) -> np.ndarray:
        """(3, 3) in pixels of the depth maps; a pixel's middle has whole coordinates."""
        scale = np.array(self.depth_size) / np.array(self.size)
        result = self.intrinsics.astype(np.float64).copy()
        result[:2] *= scale[:, None]
        result[:2, 2] += (scale - 1) / 2
        return result


def write_geometry(geometry: ClipGeometry, path: Path) -> None:
    """Write it; depth as 16-bit floats, whose 11 bits are finer than any depth map."""
    about = {
        "size": list(geometry.size),
        "camera_height": geometry.camera_height,
        "errors": asdict(geometry.errors),
        "backend": geometry.backend,
        "licence": geometry.licence,
    }
    arrays = {"intrinsics": geometry.intrinsics, "poses": geometry.poses, "about": np.array(json.dumps(about))}
    if geometry.depth is not None:
        with np.errstate(over="ignore"):
            arrays["depth"] = geometry.depth.astype(np.float16)
    with whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def read_geometry(path: Path) -> ClipGeometry:
    """Read what `write_geometry` wrote.

    Raises:
        InputError: The file is missing or another one, or what it holds cannot be a clip's geometry.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _ARRAYS if name in file.files}
            about = json.loads(str(file["about"]))
        errors = DepthErrors(**about["errors"])
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as a clip's geometry ({error}). Make it again.") from None
    depth = arrays.get("depth")
    geometry = ClipGeometry(
        intrinsics=arrays["intrinsics"].astype(np.float64),
        size=tuple(about["size"]),
        poses=arrays["poses"].astype(np.float64),
        depth=None if depth is None else depth.astype(np.float32),
        camera_height=about["camera_height"],
        errors=errors,
        backend=about["backend"],
        licence=about["licence"],
    )
    check_geometry(geometry, str(path))
    return geometry


def check_geometry(geometry: ClipGeometry, whose: str) -> None:
    """Refuse what cannot be a clip's geometry.

    Raises:
        InputError: Shapes that do not fit, a lens or poses that are none.
    """
    count = len(geometry.poses)
    focal = np.diag(geometry.intrinsics)[:2] if geometry.intrinsics.shape == (3, 3) else np.zeros(2)
    if not (np.isfinite(geometry.intrinsics).all() and (focal > 0).all()):
        raise InputError(f"{whose}: the intrinsics are no 3x3 matrix with a positive focal length. Restore them.")
    if geometry.poses.shape != (count, 4, 4) or not np.isfinite(geometry.poses).all():
        raise InputError(f"{whose}: the poses are not finite 4x4 matrices, one a frame. Restore them.")
    turned = geometry.poses[:, :3, :3]
    if not np.allclose(turned @ turned.swapaxes(1, 2), np.eye(3), atol=1e-3):
        raise InputError(f"{whose}: the poses hold matrices that are no rotations. Restore them.")
    if (np.linalg.det(turned) < 0).any():
        raise InputError(f"{whose}: the poses mirror the world. The camera's axes must be right, down, ahead.")
    depth = geometry.depth
    if depth is not None and (depth.ndim != 3 or len(depth) != count):
        raise InputError(f"{whose}: depth of shape {depth.shape} for {count} poses. Make both for the same frames.")
