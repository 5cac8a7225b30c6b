"""MonST3R's output folder with Metric3D's depth: a way of unknown scale, and the metres.

Looked up in the tools' repositories (Junyi42/monst3r: demo.py, dust3r/cloud_opt/base_opt.py, dust3r/utils/vo_eval.py,
dust3r/utils/image.py; YvanYin/Metric3D: hubconf.py). `demo.py --output_dir PATH --seq_name ID` writes into PATH/ID
* `pred_traj.txt`: a line a frame, number, x y z, and the quaternion qw qx qy qz (the scalar first, unlike TUM's own
  order) of world from camera;
* `pred_intrinsics.txt`: a line a frame of the row-major 3x3 matrix, in pixels of its maps (`pred_focal.txt` of older
  versions: the focal length alone);
* `frame_0000.npy`, …: (h, w) depth along z in units of its own; `conf_0.npy`, …: the logarithm of its confidence.
Its maps are 512 px on the longer side, the other cut at the middle to a multiple of 16.

Metric3D writes no arrays by itself: `hubconf.py` shows how metres come from its canonical depth (times the focal
length of its input over 1000). They are expected in PATH/ID/metric3d, a `.npy` a frame in the order of names, each of
the whole image at any size.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import confined
from st_vlm.pseudo_labels.geometry.tool_output import ToolOutput, resampled
from st_vlm.pseudo_labels.unavailable import Unavailable

LICENCE = "CC-BY-NC-SA-4.0 and BSD-2-Clause"
# MonST3R's own threshold of confidence, of which its files hold the logarithm.
LEAST_CONFIDENCE = np.log(1.1)
METRIC_FOLDER = "metric3d"
# Metres in which Metric3D is compared with MonST3R; frames whose scales spread more (a robust standard deviation of
# the logarithm) share no scale.
NEAREST_M, FARTHEST_M = 1.0, 80.0
MOST_SPREAD = 0.25


def read_monst3r(path: Path, clip: Clip) -> ToolOutput:
    """What MonST3R found of a clip's T frames, in its own units.

    Raises:
        Unavailable: The clip's folder is missing.
        InputError: A file is missing or another one, or there is one for another number of frames.
    """
    folder, count = confined(path, clip.id), len(clip.frames)
    if not folder.is_dir():
        raise Unavailable(f"There is no {folder}. Run MonST3R on the clip's frames, and Metric3D.")
    way = _table(folder / "pred_traj.txt", count, 8)
    poses = pose(rotation_from_quaternion(way[:, 4:8]), way[:, 1:4])
    depth = np.stack(_same_shape([_array(folder / f"frame_{t:04d}.npy") for t in range(count)], folder))
    for t in range(count):
        sure = folder / f"conf_{t}.npy"
        if sure.exists():
            confidence = _array(sure)
            if confidence.shape != depth[t].shape:
                raise InputError(f"{sure} is of another size than the frame's depth. Run MonST3R again.")
            depth[t][~(confidence > LEAST_CONFIDENCE)] = np.nan
    depth[~(depth > 0)] = np.nan
    lens = folder / "pred_intrinsics.txt"
    if lens.exists():
        intrinsics = _table(lens, count, 9).reshape(count, 3, 3)
    else:
        focal = _table(folder / "pred_focal.txt", count, 1)[:, 0]
        intrinsics = np.tile(np.eye(3), (count, 1, 1))
        intrinsics[:, 0, 0] = intrinsics[:, 1, 1] = focal
        intrinsics[:, :2, 2] = np.array(depth.shape[:0:-1]) / 2
    return ToolOutput(depth, intrinsics, poses, "cover", LICENCE)


def read_metric_depth(path: Path, clip: Clip) -> np.ndarray:
    """(T, H, W) metres by Metric3D over the clip's image, at most 320 px wide.

    Raises:
        InputError: The files are missing, or there is one for another number of frames.
    """
    folder = confined(path, clip.id) / METRIC_FOLDER
    files = sorted(folder.glob("*.npy"))
    if len(files) != len(clip.frames):
        raise InputError(
            f"{folder} holds {len(files)} files of depth for the {len(clip.frames)} frames of clip {clip.id}. "
            "Run Metric3D on the clip's frames and keep a .npy a frame there."
        )
    return np.concatenate([resampled(_array(file)[None], clip.size, "stretch") for file in files])


def metric_scale(depth: np.ndarray, metres: np.ndarray, still: np.ndarray, whose: str) -> float:
    """Metres for one of MonST3R's units: the median ratio over pixels that stand still and both tools know.

    Args:
        depth: (T, H, W) in MonST3R's units.
        metres: (T, H, W) by Metric3D.
        still: (T, H, W) bool.
        whose: Begins the sentence of an error.

    Raises:
        InputError: Too little to compare, or frames that share no scale.
    """
    with np.errstate(invalid="ignore"):
        usable = still & np.isfinite(depth) & (depth > 0) & (metres > NEAREST_M) & (metres < FARTHEST_M)
    ratios = [np.log(metres[t][usable[t]] / depth[t][usable[t]]) for t in range(len(depth)) if usable[t].sum() >= 50]
    if not ratios:
        raise InputError(f"{whose}: no pixels of what stands still tell the scale. Leave the clip out.")
    each = np.array([np.median(of) for of in ratios])
    spread = 1.4826 * np.median(np.abs(each - np.median(each)))
    if spread > MOST_SPREAD:
        raise InputError(
            f"{whose}: MonST3R and Metric3D agree on no scale (frames spread by {100 * spread:.0f} %). "
            "Leave the clip out."
        )
    return float(np.exp(np.median(np.concatenate(ratios))))


def _array(path: Path) -> np.ndarray:
    """(h, w) float32."""
    try:
        value = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"{path} cannot be read as an array ({error}). Run the tool again on the clip's frames."
        ) from None
    value = np.squeeze(value)
    if value.ndim != 2 or not np.issubdtype(value.dtype, np.number):
        raise InputError(f"{path} holds an array of shape {value.shape}, not one number a pixel. Run the tool again.")
    return value.astype(np.float32)


def _same_shape(arrays: list[np.ndarray], folder: Path) -> list[np.ndarray]:
    if len({array.shape for array in arrays}) > 1:
        raise InputError(f"{folder} holds depth of several sizes. Run MonST3R again on the clip's frames.")
    return arrays


def _table(path: Path, rows: int, columns: int) -> np.ndarray:
    """(rows, columns) numbers of a text file."""
    try:
        table = np.loadtxt(path, dtype=np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}). Run MonST3R again on the clip's frames.") from None
    if table.shape != (rows, columns) or not np.isfinite(table).all():
        raise InputError(
            f"{path} holds a table of {table.shape[0]} x {table.shape[1]} numbers, not of {rows} x {columns}. "
            "Run MonST3R on the clip's frames alone."
        )
    return table
