"""The whole way from one clip's masks, depth and poses to its objects' tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from st_vlm.pseudo_labels.lifting.identities import Switch, exchanged, find_switches
from st_vlm.pseudo_labels.lifting.object_places import Calibrated, MeasuredPlaces, measure_places
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks, track_objects
from st_vlm.pseudo_labels.lifting.object_views import ObjectViews, view_objects
from st_vlm.pseudo_labels.lifting.size_priors import size_prior
from st_vlm.pseudo_labels.lifting.static_background import DepthCorrection, DepthErrors, correct_depth
from st_vlm.recordings.categories import is_person

# Around a mask so many image widths are no background: shadows, and what a mask left of its object.
MARGIN_SHARE = 0.01


@dataclass(frozen=True, eq=False)
class LiftedClip:
    """What became of one clip.

    Attributes:
        tracks: The objects on the ground.
        measured: Their places before smoothing, and their sizes.
        views: What each frame shows of them.
        correction: What the background told of the depth.
        switches: Exchanges of identities that were found, and undone in all the above.
    """

    tracks: ObjectTracks
    measured: MeasuredPlaces
    views: ObjectViews
    correction: DepthCorrection
    switches: tuple[Switch, ...]


# Its many small matrices are slower, by times where other work runs beside, on several threads.
@threadpool_limits.wrap(limits=1, user_api="blas")
def lift_clip(
    times_s: np.ndarray,
    labels: np.ndarray,
    depth: np.ndarray,
    camera: Calibrated,
    categories: Sequence[str],
    errors: DepthErrors,
    draws: int = 24,
    seed: int = 0,
) -> LiftedClip:
    """Lift N objects seen in T frames.

    Args:
        times_s: (T,) seconds, strictly increasing.
        labels: (T, H, W) int, which object a pixel shows, -1 for none.
        depth: (T, H, W) metres along the camera's z axis; not finite where it is not known.
        camera: In pixels of the depth maps.
        categories: N, the objects' classes.
        errors: What to expect of depth and poses.
        draws: How many equally likely tracks carry the uncertainty.
        seed: Of the draws.
    """
    objects = len(categories)
    priors = [size_prior(category) for category in categories]
    margin = max(round(MARGIN_SHARE * labels.shape[2]), 1)
    background = ~_grown(labels >= 0, margin)
    correction = correct_depth(depth, background, camera.intrinsics, camera.poses, errors, draws, seed)
    reach = np.array([prior.reach for prior in priors])
    views = view_objects(labels, depth, objects, reach)
    measured = measure_places(times_s, views, camera, correction, priors, seed)
    switches = find_switches(times_s, measured.places, measured.covariances, views.boxes)
    if switches:
        views = exchanged(views, switches)
        measured = measure_places(times_s, views, camera, correction, priors, seed)
    people = np.array([is_person(category) for category in categories], bool)
    tracks = track_objects(times_s, measured, priors, people, seed=seed)
    tracks = replace(tracks, draws=rescaled(tracks.draws, camera.poses[0, :2, 3], errors.common, seed))
    return LiftedClip(tracks, measured, views, correction, tuple(switches))


def rescaled(draws: np.ndarray, origin: np.ndarray, sigma: float, seed: int) -> np.ndarray:
    """(S, N, T, 2) draws, the whole world of each stretched from (2,) an origin by a log-normal factor of `sigma`.

    The factors have just the spread that they should have, few as they are.
    """
    if not sigma or len(draws) < 2:
        return draws
    steps = np.random.default_rng([seed, 2]).permutation(norm.ppf((np.arange(len(draws)) + 0.5) / len(draws)))
    factors = np.exp(sigma * steps / steps.std())
    return origin + (draws - origin) * factors[:, None, None, None]


def _grown(mask: np.ndarray, margin: int) -> np.ndarray:
    """(T, H, W) bool with `margin` pixels more on all sides, corners included."""
    for axis in (1, 2):
        result = mask.copy()
        for step in range(1, margin + 1):
            ahead, back = (
                tuple(part if k == axis else slice(None) for k in range(3))
                for part in (slice(step, None), slice(None, -step))
            )
            result[ahead] |= mask[back]
            result[back] |= mask[ahead]
        mask = result
    return mask
