"""The stage that lifts: masks, depth and poses of a clip become tracks, and what cannot be trusted is left out."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import median_filter

from st_vlm.errors import InputError
from st_vlm.kinematics.ground_tracks import Sight
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.lift_rules import LiftRules, keep_trusted
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks, LiftQuality
from st_vlm.pseudo_labels.lifting.clip_lifting import LiftedClip, lift_clip
from st_vlm.pseudo_labels.lifting.ground_lifting import lift_boxes
from st_vlm.pseudo_labels.lifting.identities import exchange
from st_vlm.pseudo_labels.lifting.object_places import Calibrated, MeasuredPlaces
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks
from st_vlm.pseudo_labels.lifting.static_background import DepthCorrection, DepthErrors
from st_vlm.pseudo_labels.segments import Segments

DRAWS = 24
# Below this speed the direction of a smoothed movement is noise.
LEAST_SPEED = 0.5
# A height above the ground hardly changes: single views that are off are not followed.
_HEIGHT_WINDOW = 5
# No car or drone that films flies faster: poses that do jump, metres a second.
MOST_CAMERA_SPEED = 70.0
# A lurch of 7 m within half a second, m/s².
MOST_CAMERA_ACCELERATION = 30.0


def lift(
    clip: Clip, segments: Segments, geometry: ClipGeometry, rules: LiftRules | None = None, seed: int = 0
) -> LiftedTracks:
    """Lift all objects of a clip.

    Args:
        clip: The clip.
        segments: Its objects.
        geometry: Its depth, lens and poses.
        rules: What is left out; None: the defaults.
        seed: Of the draws.

    Raises:
        InputError: The clip's parts do not fit each other, nothing is to be lifted, or the whole clip is not to be
            believed; the sentence says why.
    """
    rules = rules or LiftRules()
    check_parts(clip, segments, geometry)
    by = _lift_by_ground if geometry.depth is None else _lift_by_depth
    whole, states, misfit, scores = by(clip, segments, geometry, rules, seed)
    return keep_trusted(whole, states, misfit, scores, clip.times_s, rules)


def check_parts(clip: Clip, segments: Segments, geometry: ClipGeometry) -> None:
    """Refuse parts that are not of one clip.

    Raises:
        InputError: Other numbers of frames, other image sizes, no objects, a camera that jumps, no depth at all.
    """
    frames = len(clip.frames)
    if not len(segments):
        raise InputError("No object was found in the clip.")
    if segments.boxes.shape[1] != frames or len(geometry.poses) != frames:
        raise InputError(
            f"The clip has {frames} frames, its objects {segments.boxes.shape[1]} and its geometry "
            f"{len(geometry.poses)}. Make these stages again."
        )
    for what, size in (("objects", segments.size), ("geometry", geometry.size)):
        if tuple(size) != tuple(clip.size):
            raise InputError(f"The clip's images are {_by(clip.size)}, but its {what} are for {_by(size)}.")
    aspect = clip.size[0] / clip.size[1]
    sizes = {"masks": segments.mask_size} if segments.masks else {}
    if geometry.depth is not None:
        sizes["depth maps"] = geometry.depth_size
    for what, (width, height) in sizes.items():
        # Half a pixel of rounding at either side.
        if abs(width / height / aspect - 1) > 1 / min(width, height):
            raise InputError(f"The clip's images are {_by(clip.size)}, but its {what} are {_by((width, height))}.")
    _check_way(clip.times_s, geometry.poses[:, :3, 3])
    if geometry.depth is not None and not (np.isfinite(geometry.depth) & (geometry.depth > 0)).any():
        raise InputError("No depth is known anywhere in the clip.")


def _check_way(times_s: np.ndarray, places: np.ndarray) -> None:
    """Refuse (T, 3) places of a camera that no camera can go to one after the other."""
    steps = np.diff(times_s)[:, None]
    velocities = np.diff(places, axis=0) / steps
    accelerations = np.diff(velocities, axis=0) / steps[1:]
    for what, values, most, unit in (
        ("speed", velocities, MOST_CAMERA_SPEED, "m/s"),
        ("acceleration", accelerations, MOST_CAMERA_ACCELERATION, "m/s²"),
    ):
        found = np.linalg.norm(values, axis=1)
        if (found > most).any():
            at = int(found.argmax())
            raise InputError(
                f"The camera's poses jump: a {what} of {found[at]:.0f} {unit} behind frame {at}. Repair the poses."
            )


def _lift_by_depth(clip: Clip, segments: Segments, geometry: ClipGeometry, rules: LiftRules, seed: int):
    """All tracks, their states, misfits and scores."""
    labels = segments.labels(geometry.depth_size)
    camera = Calibrated(geometry.depth_intrinsics, geometry.poses)
    lifted = lift_clip(
        clip.times_s, labels, geometry.depth, camera, segments.categories, geometry.errors, DRAWS, seed
    )  # fmt: skip
    _check_clip(lifted, geometry.errors, rules)
    boxes, scores = segments.boxes.copy(), segments.scores.copy()
    for switch in lifted.switches:
        exchange(boxes, switch)
        exchange(scores, switch)
    boxes[~lifted.views.usable] = np.nan
    correction = lifted.correction
    quality = LiftQuality(
        residual=correction.worst_residual,
        comparisons=correction.comparisons,
        log_scale=correction.log_scale,
        log_scale_sigma=_scale_sigma(correction, geometry.errors),
        switches=len(lifted.switches),
        **_made_by(segments, geometry),
    )
    poses = correction.poses(geometry.poses)
    whole = _lifted(segments, geometry, lifted.tracks, lifted.measured, boxes, poses, quality)
    return whole, lifted.tracks.states, lifted.tracks.misfit, scores


def _lift_by_ground(clip: Clip, segments: Segments, geometry: ClipGeometry, rules: LiftRules, seed: int):
    """As `_lift_by_depth`, for a geometry that has no depth: by the boxes and the ground."""
    if geometry.camera_height is None:
        raise InputError("Without depth the camera's height above the ground must be known: give it.")
    lens = Sight(size=tuple(clip.size), intrinsics=geometry.intrinsics)
    lifted = lift_boxes(
        clip.times_s, segments.boxes, segments.categories, lens, geometry.poses, geometry.camera_height, DRAWS, seed
    )  # fmt: skip
    boxes, scores = segments.boxes.copy(), segments.scores.copy()
    for switch in lifted.switches:
        exchange(boxes, switch)
        exchange(scores, switch)
    boxes[~lifted.usable] = np.nan
    quality = LiftQuality(switches=len(lifted.switches), **_made_by(segments, geometry))
    whole = _lifted(segments, geometry, lifted.tracks, lifted.measured, boxes, geometry.poses, quality)
    return whole, lifted.tracks.states, lifted.tracks.misfit, scores


def _lifted(
    segments: Segments,
    geometry: ClipGeometry,
    tracks: ObjectTracks,
    measured: MeasuredPlaces,
    boxes: np.ndarray,
    poses: np.ndarray,
    quality: LiftQuality,
) -> LiftedTracks:
    heights = [_steady(row, known) for row, known in zip(measured.heights, tracks.known, strict=True)]
    known = tracks.known[..., None]
    return LiftedTracks(
        numbers=tuple(range(len(segments))),
        categories=segments.categories,
        known=tracks.known,
        centres=np.where(known, np.concatenate([tracks.places, np.stack(heights)[..., None]], axis=-1), np.nan),
        sizes=measured.sizes,
        headings=held_headings(measured.smoothed.velocities, tracks.known),
        sigma=tracks.sigma,
        boxes=boxes,
        draws=np.where(known, tracks.draws, np.nan),
        poses=poses,
        intrinsics=geometry.intrinsics,
        quality=quality,
    )


def _made_by(segments: Segments, geometry: ClipGeometry) -> dict:
    licences = {part.backend: part.licence for part in (segments, geometry) if part.licence}
    return {"geometry": geometry.backend, "semantics": segments.backend, "licences": licences}


def _check_clip(lifted: LiftedClip, errors: DepthErrors, rules: LiftRules) -> None:
    correction = lifted.correction
    if correction.worst_residual > rules.most_residual:
        frame = int(np.nanargmax(correction.frame_residuals))
        raise InputError(
            f"What stands still moves: depth or pose of frame {frame} disagrees with its neighbours' by "
            f"{100 * correction.worst_residual:.0f} % (at most {100 * rules.most_residual:.0f} %)."
        )
    sigma = _scale_sigma(correction, errors)
    if sigma > rules.most_scale_sigma:
        raise InputError(
            f"The clip's scale is only known to {100 * sigma:.0f} % (at most {100 * rules.most_scale_sigma:.0f} %)."
        )


def _scale_sigma(correction: DepthCorrection, errors: DepthErrors) -> float:
    return float(np.hypot(correction.log_scale_sigma, errors.common))


def held_headings(velocities: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(N, T) radians in which (N, T, 2) velocities point, held where they are too slow to point anywhere; 0 where an
    object never moves, NaN where it is not known."""
    moving = known & (np.linalg.norm(np.nan_to_num(velocities), axis=-1) > LEAST_SPEED)
    angles = np.arctan2(velocities[..., 1], velocities[..., 0])
    result = np.where(known, 0.0, np.nan)
    for row, own, fast in zip(result, angles, moving, strict=True):
        frames = np.flatnonzero(fast)
        if len(frames):
            latest = frames[np.maximum(np.searchsorted(frames, np.arange(len(row)), side="right") - 1, 0)]
            row[:] = np.where(np.isfinite(row), own[latest], np.nan)
    return result


def _steady(heights: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(T,) heights over the known frames, without single views that are off."""
    measured = np.flatnonzero(np.isfinite(heights))
    if not len(measured):
        return np.where(known, 0.0, np.nan)
    smooth = median_filter(heights[measured], _HEIGHT_WINDOW, mode="nearest")
    return np.where(known, np.interp(np.arange(len(heights)), measured, smooth), np.nan)


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
