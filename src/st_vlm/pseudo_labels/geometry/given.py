"""Geometry from files: what another run found, or what somebody knows of a video.

A file is either our own `geometry.npz` of one clip, or a plain npz of a whole video with F frames:

times_s or frames   (F,) seconds from the video's first frame, or numbers of its frames in the order of presentation
poses               (F, 4, 4) or (F, 3, 4) world from camera in metres; the camera's axes are right, down, ahead
intrinsics, size    (3, 3) or (F, 3, 3) pinhole matrix, and width and height of the image that it counts pixels of
depth               optional, (F, h, w) metres along the camera's z axis; NaN: not known, inf: the sky
camera_height       optional, metres above the ground
up                  optional, which way is up in the poses' world: z, -z, y or -y (as most odometry has it)
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import WIDEST_DEPTH, ClipGeometry, check_geometry, read_geometry
from st_vlm.pseudo_labels.frames import ClipFrames, confined
from st_vlm.pseudo_labels.segments import Segments

# A frame further from the clip's is another frame: 50 ms are more than one frame of most videos.
NEAREST_S = 0.05
# A lens that zooms is not one matrix.
MOST_ZOOM = 0.01
# World with z up, from a world whose axis is up.
UP = {
    "z": np.eye(3),
    "-z": np.diag([1.0, -1.0, -1.0]),
    "y": np.array([[0.0, 0, -1], [-1, 0, 0], [0, 1, 0]]),
    "-y": np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]),
}
_NUMBERS = ("times_s", "frames", "poses", "intrinsics", "size", "depth", "camera_height")


class GivenGeometry:
    """Depth, lens and poses from npz files.

    Args:
        path: A folder with `CLIP_ID.npz`, or `a/b.npz` for the video `a/b.mp4`; or one file for all clips.
        up: Which way is up in the worlds of plain files that do not say so: z, -z, y or -y.

    Raises:
        InputError: There is nothing at the path, or `up` is no axis.
    """

    name = "given"
    licence = ""
    from_files = True

    def __init__(self, path: str | Path, up: str = "z") -> None:
        self._path, self._up = Path(path), up
        if up not in UP:
            raise InputError(f"No axis is called {up!r}: up is one of {', '.join(UP)}.")
        if not self._path.exists():
            raise InputError(f"{path} does not exist. Give a folder of npz files, or one such file.")

    def measure(self, frames: ClipFrames, segments: Segments) -> ClipGeometry:
        """The geometry of a clip, as its file has it; what the clip states of its camera wins.

        Raises:
            InputError: There is no file for the clip, or it does not fit; the sentence names it.
        """
        return self.of_clip(frames.clip)

    def of_clip(self, clip: Clip) -> ClipGeometry:
        """As `measure`, without images."""
        path = self._file(clip)
        arrays = _read(path)
        if arrays is None:
            return _with_stated(_of_whole_clip(path, clip), clip)
        return plain_geometry(arrays, clip, str(path), self._up)

    def _file(self, clip: Clip) -> Path:
        if self._path.is_file():
            return self._path
        names = [f"{clip.id}.npz", PurePosixPath(clip.video).with_suffix(".npz").as_posix()]
        for name in names:
            path = confined(self._path, name)
            if path.is_file():
                return path
        raise InputError(f"{self._path} has no geometry for {clip.video}: neither {' nor '.join(names)} is there.")


def plain_geometry(arrays: Mapping[str, np.ndarray], clip: Clip, whose: str, up: str = "z") -> ClipGeometry:
    """The geometry of a clip from the arrays of a plain file.

    Args:
        arrays: By their names, as in the module's text.
        clip: Whose frames to pick; what it states of its camera wins.
        whose: Begins the sentence of an error.
        up: Which way is up where the arrays do not say so.

    Raises:
        InputError: Something is missing, or does not fit the clip or the rest.
    """
    for name in _NUMBERS:
        if name in arrays and not np.issubdtype(arrays[name].dtype, np.number):
            raise InputError(f"{whose}: {name} holds no numbers. Write it as an array of numbers.")
    up = str(arrays.get("up", up))
    if up not in UP:
        raise InputError(f"{whose}: no axis is called {up!r}. `up` is one of {', '.join(UP)}.")
    poses = arrays.get("poses")
    if poses is None or poses.ndim != 3 or poses.shape[1:] not in ((4, 4), (3, 4)):
        shape = "missing" if poses is None else f"of shape {poses.shape}"
        raise InputError(f"{whose}: `poses` is {shape}. It must hold a 4x4 matrix for each frame, world from camera.")
    picked = _picked(arrays, len(poses), clip, whose)
    chosen = np.tile(np.eye(4), (len(picked), 1, 1))
    chosen[:, :3] = UP[up] @ poses[picked, :3].astype(np.float64)
    height = arrays.get("camera_height")
    if height is not None and not (height.size == 1 and np.isfinite(height).all() and height.item() > 0):
        raise InputError(f"{whose}: `camera_height` must be one positive number of metres.")
    geometry = ClipGeometry(
        intrinsics=_intrinsics(arrays, picked, len(poses), clip, whose),
        size=tuple(clip.size),
        poses=chosen,
        depth=_depth(arrays, picked, len(poses), clip, whose),
        camera_height=None if height is None else float(height.item()),
    )
    geometry = _with_stated(geometry, clip)
    check_geometry(geometry, whose)
    return geometry


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a plain file; None for one of ours."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("one array without a name")
        with loaded as file:
            return None if "about" in file.files else {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as an npz file of arrays ({error}). Write it again.") from None


def _of_whole_clip(path: Path, clip: Clip) -> ClipGeometry:
    geometry = read_geometry(path)
    if len(geometry.poses) != len(clip.frames) or tuple(geometry.size) != tuple(clip.size):
        raise InputError(
            f"{path} is of {len(geometry.poses)} frames of {geometry.size[0]}x{geometry.size[1]}, but the clip "
            f"{clip.id} has {len(clip.frames)} of {clip.size[0]}x{clip.size[1]}. Give the geometry of this clip."
        )
    return geometry


def _with_stated(geometry: ClipGeometry, clip: Clip) -> ClipGeometry:
    stated = {}
    if clip.matrix is not None:
        stated["intrinsics"] = clip.matrix
    if clip.camera_height is not None:
        stated["camera_height"] = clip.camera_height
    return replace(geometry, **stated)


def _picked(arrays: Mapping[str, np.ndarray], count: int, clip: Clip, whose: str) -> np.ndarray:
    """(T,) rows of the clip's frames."""
    name = next((name for name in ("times_s", "frames") if name in arrays), None)
    if name is None:
        raise InputError(f"{whose} has neither `times_s` nor `frames`, so its poses belong to no frames. Add one.")
    known = arrays[name].astype(np.float64).ravel()
    if len(known) != count:
        raise InputError(f"{whose}: {len(known)} {name} for {count} poses. There must be one for each.")
    wanted = np.array(clip.times_ns) * 1e-9 if name == "times_s" else np.array(clip.frames, np.float64)
    apart = np.abs(known[None] - wanted[:, None]) if count else np.full((len(wanted), 1), np.inf)
    apart = np.where(np.isfinite(apart), apart, np.inf)
    rows, away = apart.argmin(axis=1), apart.min(axis=1)
    lost = away > (NEAREST_S if name == "times_s" else 0)
    if lost.any():
        first = wanted[lost.argmax()]
        what = f"within {NEAREST_S:g} s of {first:.3f} s" if name == "times_s" else f"for frame {first:.0f}"
        raise InputError(f"{whose} has no pose {what}, which {lost.sum()} of the clip's {len(wanted)} frames lack.")
    return rows


def _intrinsics(
    arrays: Mapping[str, np.ndarray], picked: np.ndarray, count: int, clip: Clip, whose: str
) -> np.ndarray:
    """(3, 3) in pixels of the clip."""
    if clip.matrix is not None:
        return clip.matrix
    matrices, size = arrays.get("intrinsics"), arrays.get("size")
    if matrices is None or matrices.shape not in ((3, 3), (count, 3, 3)):
        shape = "missing" if matrices is None else f"of shape {matrices.shape}"
        raise InputError(f"{whose}: `intrinsics` is {shape}. It must be a 3x3 matrix, or one for each pose.")
    if size is None or size.size != 2 or not (np.isfinite(size).all() and (size > 0).all()):
        raise InputError(f"{whose}: `size` must be the width and height in pixels that the intrinsics are for.")
    of_clip = np.broadcast_to(matrices, (count, 3, 3))[picked].astype(np.float64)
    matrix = np.median(of_clip, axis=0)
    if np.isfinite(of_clip).all() and (np.abs(of_clip[:, 0, 0] / matrix[0, 0] - 1) > MOST_ZOOM).any():
        raise InputError(f"{whose}: the focal length changes within the clip {clip.id}. A lens must not zoom.")
    scale = np.array(clip.size) / size.ravel()
    if abs(scale[0] / scale[1] - 1) > 0.01:
        raise InputError(
            f"{whose}: the intrinsics are for {size.ravel()[0]:g}x{size.ravel()[1]:g} pixels, but the video has "
            f"{clip.size[0]}x{clip.size[1]}, which is of another shape."
        )
    matrix[:2] *= scale[:, None]
    # A pixel's middle has whole coordinates.
    matrix[:2, 2] += (scale - 1) / 2
    return matrix


def _depth(
    arrays: Mapping[str, np.ndarray], picked: np.ndarray, count: int, clip: Clip, whose: str
) -> np.ndarray | None:
    """(T, h, w) float32 metres, at most as wide as depth is kept."""
    depth = arrays.get("depth")
    if depth is None:
        return None
    if depth.ndim != 3 or len(depth) != count or 0 in depth.shape:
        raise InputError(f"{whose}: depth of shape {depth.shape} for {count} poses. There must be a map for each.")
    height, width = depth.shape[1:]
    if abs(width / height * clip.size[1] / clip.size[0] - 1) > 1 / min(width, height):
        raise InputError(
            f"{whose}: depth maps of {width}x{height} for a video of {clip.size[0]}x{clip.size[1]}. Both must show "
            "the same: of one shape, without borders."
        )
    if width > WIDEST_DEPTH:
        # The nearest pixel: a mean of two surfaces lies on neither.
        small = WIDEST_DEPTH, max(round(height * WIDEST_DEPTH / width), 1)
        columns, rows = (
            ((np.arange(n) + 0.5) * m / n).astype(int) for n, m in zip(small, (width, height), strict=True)
        )
        depth = depth[picked[:, None, None], rows[:, None], columns]
    else:
        depth = depth[picked]
    depth = depth.astype(np.float32)
    with np.errstate(invalid="ignore"):
        return np.where(depth > 0, depth, np.float32(np.nan))
