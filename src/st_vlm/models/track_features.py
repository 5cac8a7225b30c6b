"""A clip's marks, times and camera as the numbers of its track tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.box_motion import BOX_FEATURES, box_motion
from st_vlm.kinematics.box_motion import FEATURES as MOTION_FEATURES
from st_vlm.kinematics.ground_tracks import Sight
from st_vlm.video.marks import COLOURS, Mark

# A token says whose it is, so that a question about a colour finds it without the way through the mark's name, and
# whether it tells of one frame or sums up a span (`clip_tracks`).
OF_MARK = (*COLOURS, "summary")
# Of a mark against the others that a question names: path and mean speed as ratios to the longest and the highest of
# theirs, the turn from the way of the first of them to its own, and, from -1 to 1, how sure it is that it is ahead and
# that it goes the same way.
VERDICTS = ("path_ahead", "speed_ahead", "same_way")
COMPARED = ("log_path_ratio", "log_speed_ratio", "way_cos", "way_sin", *VERDICTS)
FEATURES = (*OF_MARK, *MOTION_FEATURES, *COMPARED)
# Those that are as good as words: they mean the same in every clip.
FLAGS = tuple(FEATURES.index(name) for name in (*OF_MARK, *VERDICTS))
# These come first, and are known whatever the camera.
OF_MARK_AND_BOX = len(OF_MARK) + len(BOX_FEATURES)

# Whole numbers of this unit: they stay exact when a batch is cast to half precision.
UNIT = 1e-4
UNKNOWN = -(2**31)
_LARGEST = 2**30

# Half way between what counts as the same way and what as different ones (`questions.measuring`).
SAME_BELOW_RAD = math.radians(30)
# Taken as the standard deviations of a ratio's logarithm (two paths, each right to a tenth) and of a turn.
_RATIO_SIGMA, _TURN_SIGMA_RAD = 0.14, math.radians(10)


def track_features(marks: Sequence[Mark], times_s: np.ndarray, size: tuple[int, int], camera: Mapping | None):
    """Features of every mark in every frame.

    Args:
        marks: N marks with T boxes each, in pixels of an image of `size`.
        times_s: (T,) seconds.
        size: Width and height of the image.
        camera: What is known of it, see `sight_of`.

    Returns:
        (N, T, F) int32 in units of `UNIT`, `UNKNOWN` where a number is not known; F is `len(FEATURES)`. None of them
        is a summary, nor compared with another.

    Raises:
        InputError: A camera that does not fit.
    """
    boxes = np.array([[box or (np.nan,) * 4 for box in mark.boxes] for mark in marks], np.float64)
    boxes = boxes.reshape(len(marks), len(times_s), 4)
    motion = box_motion(np.asarray(times_s, np.float64), boxes, sight_of(camera, size, len(times_s)))
    whose = np.array([[mark.color == name for name in OF_MARK] for mark in marks], np.float64)
    whose = np.broadcast_to(whose.reshape(-1, 1, len(OF_MARK)), (*boxes.shape[:2], len(OF_MARK)))
    compared = np.full((*boxes.shape[:2], len(COMPARED)), np.nan)
    return _whole(np.concatenate([whose, motion, compared], axis=-1))


def compared_features(of_marks: np.ndarray) -> np.ndarray:
    """The summaries of the marks that a question names, each compared with the others.

    So a mark's own token tells whether it is ahead of all others: which one is need not be worked out from two tokens.

    Args:
        of_marks: (K, F) int32, in the order in which they are named.

    Returns:
        (K, F) int32 with `COMPARED` set where there are two or more; unknown where a number of another mark is.
    """
    if len(of_marks) < 2:
        return of_marks
    known = np.where(of_marks == UNKNOWN, np.nan, of_marks * UNIT)
    path, speed, x, y = (
        known[:, FEATURES.index(name)] for name in ("log_path", "log_mean_speed", "net_cos", "net_sin")
    )
    compared = of_marks.copy()
    for k in range(len(of_marks)):
        others = [j for j in range(len(of_marks)) if j != k]
        ratios = [path[k] - path[others].max(), speed[k] - speed[others].max()]
        # Shorter than one where an object hardly moves, since its way is; and what stands goes no way at all.
        x0, y0 = x[others[0]], y[others[0]]
        way = [x0 * x[k] + y0 * y[k], x0 * y[k] - y0 * x[k]]
        straight = SAME_BELOW_RAD - abs(math.atan2(way[1], way[0]))
        same_way = _certainty(straight, _TURN_SIGMA_RAD) * math.hypot(*way)
        ahead = [_certainty(ratio, _RATIO_SIGMA) for ratio in ratios]
        compared[k, -len(COMPARED) :] = _whole(np.array([*ratios, *way, *ahead, same_way]))
    return compared


def _certainty(value: float, sigma: float) -> float:
    """How much likelier than not a value is above zero, from -1 to 1, if it has a normal error; NaN for NaN."""
    return math.erf(value / (math.sqrt(2) * sigma))


def _whole(values: np.ndarray) -> np.ndarray:
    whole = np.clip(np.round(np.nan_to_num(values) / UNIT), -_LARGEST, _LARGEST)
    return np.where(np.isfinite(values), whole, UNKNOWN).astype(np.int32)


def padded_features(features: Sequence[np.ndarray]) -> np.ndarray:
    """(B, K, F) int32 from B arrays (k, F), those with fewer rows filled up with what is unknown."""
    padded = np.full((len(features), max(map(len, features), default=0), len(FEATURES)), UNKNOWN, np.int32)
    for row, its_features in zip(padded, features, strict=True):
        row[: len(its_features)] = its_features
    return padded


def sight_of(camera: Mapping | None, size: tuple[int, int], count: int) -> Sight:
    """A camera as a dataset row has it, as far as it is known.

    Args:
        camera: Any of `intrinsics` (3, 3), `size` (the width and height they hold for; by default `size`),
            `distortion`, `distortion_coefficients`, `height` (metres above the ground) and `poses` (T, 4, 4), world
            from camera with +z up; other keys are ignored, None means unknown.
        size: Width and height of the images.
        count: T, how many frames.

    Raises:
        InputError: Arrays of another shape, numbers that are not finite, or a focal length or height that is not
            positive.
    """
    camera = {key: value for key, value in (camera or {}).items() if value is not None}
    intrinsics = _array(camera, "intrinsics", (3, 3))
    poses = _array(camera, "poses", (count, 4, 4))
    if intrinsics is not None:
        given = camera.get("size") or size
        intrinsics = np.diag([size[0] / given[0], size[1] / given[1], 1.0]) @ intrinsics
        if intrinsics[0, 0] <= 0 or intrinsics[1, 1] <= 0:
            raise InputError("The camera's focal length is not positive; give its 3x3 intrinsics in pixels.")
    height = camera.get("height")
    if height is not None and not (isinstance(height, (int, float)) and math.isfinite(height) and height > 0):
        raise InputError(f"The camera's height above the ground must be a positive number of metres, not {height!r}.")
    coefficients = tuple(map(float, camera.get("distortion_coefficients") or ()))
    return Sight(tuple(size), intrinsics, camera.get("distortion") or "none", coefficients, height, poses)


def _array(camera: Mapping, name: str, shape: tuple[int, ...]) -> np.ndarray | None:
    if name not in camera:
        return None
    try:
        values = np.asarray(camera[name], np.float64)
    except (TypeError, ValueError):
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all():
        raise InputError(f"The camera's {name} must be finite numbers of shape {shape}, not {values.shape}.")
    return values


__all__ = [
    "FEATURES",
    "FLAGS",
    "OF_MARK_AND_BOX",
    "SAME_BELOW_RAD",
    "UNIT",
    "UNKNOWN",
    "compared_features",
    "padded_features",
    "sight_of",
    "track_features",
]
