"""The stage that lifts: masks, depth and poses of a clip become tracks, and what cannot be trusted is left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.ndimage import median_filter

from st_vlm.errors import InputError
from st_vlm.kinematics.ground_tracks import Sight
from st_vlm.kinematics.motion import Moving
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks, LiftQuality
from st_vlm.pseudo_labels.lifting.clip_lifting import LiftedClip, lift_clip
from st_vlm.pseudo_labels.lifting.ground_lifting import lift_boxes
from st_vlm.pseudo_labels.lifting.identities import exchange
from st_vlm.pseudo_labels.lifting.object_places import Calibrated, MeasuredPlaces
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks, longest_run
from st_vlm.pseudo_labels.segments import Segments

DRAWS = 24
LEAST_SECONDS = 2.0
# Below this speed the direction of a smoothed movement is noise.
LEAST_SPEED = 0.5
# A height above the ground hardly changes: single views that are off are not followed.
_HEIGHT_WINDOW = 5
# No car or drone that films flies faster: poses that do jump, metres a second.
MOST_CAMERA_SPEED = 70.0


@dataclass(frozen=True)
class LiftRules:
    """What of a clip is left out.

    Attributes:
        most_residual: Relative disagreement of the corrected depth of what stands still, beyond which depth or poses
            of the whole clip are not believed.
        most_scale_sigma: Relative uncertainty of the clip's scale beyond which the clip is left out.
        most_misfit: Of an object's track, in standard deviations (`ObjectTracks.misfit`).
        least_score: Median score of an object's detections.
        farthest_m: Median distance of an object from the camera. Up to 40 m the stated uncertainties have been held
            against the truth (`st-vlm pseudo-label --evaluate`).
    """

    most_residual: float = 0.06
    most_scale_sigma: float = 0.08
    most_misfit: float = 3.0
    least_score: float = 0.3
    farthest_m: float = 50.0


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
    steps = np.linalg.norm(np.diff(geometry.poses[:, :3, 3], axis=0), axis=1) / np.diff(clip.times_s)
    if (steps > MOST_CAMERA_SPEED).any():
        at = int(steps.argmax())
        raise InputError(
            f"The camera's poses jump: {steps[at]:.0f} m/s between frames {at} and {at + 1}. Repair the poses."
        )
    if geometry.depth is not None and not (np.isfinite(geometry.depth) & (geometry.depth > 0)).any():
        raise InputError("No depth is known anywhere in the clip.")


def _lift_by_depth(clip: Clip, segments: Segments, geometry: ClipGeometry, rules: LiftRules, seed: int):
    """All tracks, their states, misfits and scores."""
    labels = segments.labels(geometry.depth_size)
    camera = Calibrated(geometry.depth_intrinsics, geometry.poses)
    lifted = lift_clip(
        clip.times_s, labels, geometry.depth, camera, segments.categories, geometry.errors, DRAWS, seed
    )  # fmt: skip
    _check_clip(lifted, rules)
    boxes, scores = segments.boxes.copy(), segments.scores.copy()
    for switch in lifted.switches:
        exchange(boxes, switch)
        exchange(scores, switch)
    boxes[~lifted.views.usable] = np.nan
    correction = lifted.correction
    quality = LiftQuality(
        residual=correction.residual,
        comparisons=correction.comparisons,
        log_scale=correction.log_scale,
        log_scale_sigma=correction.log_scale_sigma,
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


def _check_clip(lifted: LiftedClip, rules: LiftRules) -> None:
    correction = lifted.correction
    if correction.residual > rules.most_residual:
        raise InputError(
            f"What stands still moves: depth and poses of the clip disagree by {100 * correction.residual:.1f} % "
            f"(at most {100 * rules.most_residual:.1f} %)."
        )
    if correction.log_scale_sigma > rules.most_scale_sigma:
        raise InputError(
            f"The clip's scale is only known to {100 * correction.log_scale_sigma:.1f} % "
            f"(at most {100 * rules.most_scale_sigma:.1f} %)."
        )


def keep_trusted(
    tracks: LiftedTracks,
    states: Sequence[Moving],
    misfit: np.ndarray,
    scores: np.ndarray,
    times_s: np.ndarray,
    rules: LiftRules,
) -> LiftedTracks:
    """The tracks that the rules keep, each cut to its longest stretch; the others' reasons are in `quality.dropped`.

    Args:
        tracks: Of N objects.
        states: N outcomes of the static test.
        misfit: (N,) of each track.
        scores: (N, T) of the detections.
        times_s: (T,) seconds.
        rules: What is kept.

    Raises:
        InputError: None is kept.
    """
    known, dropped, kept = np.zeros_like(tracks.known), {}, []
    away = np.linalg.norm(tracks.centres - tracks.poses[:, :3, 3], axis=-1)
    for k, state in enumerate(states):
        run = longest_run(tracks.known[k])
        seconds = times_s[run.stop - 1] - times_s[run.start] if run.stop > run.start else 0.0
        known[k, run] = True
        reason = None
        if not np.isfinite(scores[k]).any():
            reason = "it is never seen, or was refused by the check"
        elif np.nanmedian(scores[k]) < rules.least_score:
            reason = f"its detections are unsure (median score {np.nanmedian(scores[k]):.2f})"
        elif seconds < LEAST_SECONDS - 0.1:
            reason = f"it can be measured for {seconds:.1f} s on end only"
        elif np.nanmedian(away[k]) > rules.farthest_m:
            reason = (
                f"it is {np.nanmedian(away[k]):.0f} m away, and surely measured only up to {rules.farthest_m:.0f} m"
            )
        elif misfit[k] > rules.most_misfit:
            reason = f"its places jump: {misfit[k]:.1f} times as far as their uncertainty"
        elif state is Moving.UNDECIDED:
            reason = "it neither clearly moves nor clearly stands"
        if reason is None:
            kept.append(k)
        else:
            dropped[str(tracks.numbers[k])] = f"{tracks.categories[k]}: {reason}"
    if not kept:
        raise InputError(f"No object of {len(tracks)} is left: {'; '.join(sorted(dropped.values())[:3])}.")
    cut = np.where(known[..., None], tracks.centres, np.nan)
    return replace(
        tracks,
        numbers=tuple(tracks.numbers[k] for k in kept),
        categories=tuple(tracks.categories[k] for k in kept),
        known=known[kept],
        centres=cut[kept],
        sizes=tracks.sizes[kept],
        headings=np.where(known, tracks.headings, np.nan)[kept],
        sigma=tracks.sigma[kept],
        boxes=np.where(known[..., None], tracks.boxes, np.nan)[kept],
        draws=np.where(known[..., None], tracks.draws, np.nan)[:, kept],
        quality=replace(tracks.quality, dropped=dropped),
    )


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
