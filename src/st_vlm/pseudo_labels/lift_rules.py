"""What of a lifted clip is trusted: the rules, and the tracks that they keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.motion import Moving
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks
from st_vlm.pseudo_labels.lifting.object_tracks import longest_run

LEAST_SECONDS = 2.0
# Where nothing is left, so many reasons are told.
_TOLD = 3


@dataclass(frozen=True)
class LiftRules:
    """What of a clip is left out.

    Attributes:
        most_residual: Relative disagreement of one frame's corrected depth with its neighbours', of what stands still,
            beyond which a pose or a depth map is wrong and the clip is not believed.
        most_scale_sigma: Relative uncertainty of the clip's scale beyond which the clip is left out.
        most_misfit: Of an object's track, in standard deviations (`ObjectTracks.misfit`).
        least_score: Median score of an object's detections.
        farthest_m: Median distance of an object from the camera. Up to 40 m the stated uncertainties have been held
            against the truth (`st-vlm pseudo-label --evaluate`).
    """

    most_residual: float = 0.1
    most_scale_sigma: float = 0.2
    most_misfit: float = 3.0
    least_score: float = 0.3
    farthest_m: float = 50.0


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
            reason = f"it is measured for less than {LEAST_SECONDS:g} s on end"
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
        usual = Counter(dropped.values()).most_common(_TOLD)
        reasons = [reason + (f" ({count} objects)" if count > 1 else "") for reason, count in usual]
        raise InputError(f"None of {len(tracks)} objects is left: {'; '.join(reasons)}.")
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
