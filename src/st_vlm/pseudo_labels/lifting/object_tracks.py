"""Tracks from measured places: smoothed, tested for standing still, with draws for the uncertainty of any answer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from st_vlm.kinematics.motion import Moving, static_test
from st_vlm.kinematics.resampling import MAX_GAP_S
from st_vlm.pseudo_labels.lifting.object_places import MeasuredPlaces, smooth_each
from st_vlm.pseudo_labels.lifting.size_priors import SizePrior
from st_vlm.pseudo_labels.lifting.standing import fit_standing


@dataclass(frozen=True, eq=False)
class ObjectTracks:
    """N objects on the ground plane at T times.

    Attributes:
        times_s: (T,) seconds.
        known: (N, T) bool: seen, or between two views at most a second apart.
        places: (N, T, 2) metres in the world, smoothed; one place for an object that stands.
        draws: (S, N, T, 2) equally likely other tracks.
        sigma: (N,) metres: how far a place may be off against the track's other places.
        states: Each object's outcome of the static test over its longest stretch without a gap. What may as well
            stand, by `standing`, does.
        misfit: (N,) root mean square of measured minus smoothed places in standard deviations: 1 where the stated
            uncertainties are right, more where an object was taken for another or jumped.
    """

    times_s: np.ndarray
    known: np.ndarray
    places: np.ndarray
    draws: np.ndarray
    sigma: np.ndarray
    states: tuple[Moving, ...]
    misfit: np.ndarray

    def stretch(self, index: int) -> slice:
        """The longest run of known frames of an object; empty when there is none."""
        return longest_run(self.known[index])

    def state_between(self, index: int, start_s: float, end_s: float, person: bool) -> Moving:
        """The static test of an object over a part of its longest stretch: what drives off later stands before."""
        if self.states[index] is not Moving.MOVING:
            return self.states[index]
        run = self.stretch(index)
        during = np.arange(run.start, run.stop)
        during = during[(self.times_s[during] >= start_s - 1e-6) & (self.times_s[during] <= end_s + 1e-6)]
        if len(during) < 2:
            return Moving.UNDECIDED
        places = self.places[index, during]
        sigma = _scatter(self.draws[:, index, during] - places)
        return static_test(self.times_s[during], places, person, sigma_m=sigma)


def track_objects(
    times_s: np.ndarray,
    measured: MeasuredPlaces,
    priors: list[SizePrior],
    people: np.ndarray,
    seed: int = 0,
) -> ObjectTracks:
    """Smooth N objects and decide which of them stand.

    Args:
        times_s: (T,) seconds.
        measured: From `measure_places`.
        priors: N, of the objects' classes.
        people: (N,) bool, for the limits of the static test.
        seed: Of the draws.
    """
    acceleration = np.array([prior.acceleration for prior in priors])
    smoothed = measured.smoothed
    others = _likely_tracks(times_s, measured, acceleration, seed)
    objects, count = measured.places.shape[:2]
    known = np.zeros((objects, count), bool)
    for row, places in zip(known, measured.places, strict=True):
        row[:] = _known(times_s, np.isfinite(places[:, 0]))
    places, misfit = smoothed.places.copy(), np.full(objects, np.nan)
    sigma, states = np.full(objects, np.nan), []
    for k in range(objects):
        run = longest_run(known[k])
        if run.stop - run.start < 2:
            states.append(Moving.UNDECIDED)
            continue
        misfit[k] = _misfit(measured.places[k], smoothed.places[k], measured.covariances[k])
        sigma[k] = _scatter(others[:, k, run] - smoothed.places[k, run])
        state = static_test(times_s[run], smoothed.places[k, run], bool(people[k]), sigma_m=float(sigma[k]))
        fit = (
            None if state is Moving.STATIC or measured.by_heading is None else fit_standing(times_s, measured, k, run)
        )
        if fit is not None and fit.stands:
            state, places[k] = Moving.STATIC, fit.place
        elif state is Moving.STATIC:
            places[k] = np.nanmean(np.where(known[k][:, None], smoothed.places[k], np.nan), axis=0)
        states.append(state)
    return ObjectTracks(times_s, known, places, others, sigma, tuple(states), misfit)


def _likely_tracks(times_s: np.ndarray, measured: MeasuredPlaces, acceleration: np.ndarray, seed: int) -> np.ndarray:
    """(S, N, T, 2) tracks drawn from all that agree with the measurements.

    A motion is drawn from the smoother's own model, measured with drawn errors, and the difference to the real
    measurements is smoothed and added (Papandreou and Yuille 2010, "perturb and MAP"): exact for errors that are
    independent, and right for those that are not.
    """
    draws, objects, count = measured.draws.shape[:3]
    motions = _motions(times_s, acceleration, draws, np.random.default_rng([seed, 1]))
    tiled = np.broadcast_to(measured.covariances, (draws, *measured.covariances.shape))
    rest = smooth_each(
        times_s,
        (measured.draws - motions).reshape(draws * objects, count, 2),
        tiled.reshape(draws * objects, count, 2, 2),
        np.tile(acceleration, draws),
    )
    return rest.places.reshape(draws, objects, count, 2) + motions


def _motions(times_s: np.ndarray, acceleration: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """(S, N, T, 2) places whose acceleration is white noise, from 0 and at rest."""
    shape = (draws, len(acceleration), 2)
    place, velocity = np.zeros(shape), np.zeros(shape)
    result = [place]
    for step in np.diff(times_s):
        # The part of the place's noise that goes with the velocity's, and the rest.
        common, rest = rng.standard_normal((2, *shape)) * acceleration[:, None]
        place = place + step * velocity + step**1.5 * (common / 2 + rest / np.sqrt(12))
        velocity = velocity + step**0.5 * common
        result.append(place)
    return np.stack(result, axis=2)


def _scatter(off: np.ndarray) -> float:
    """Standard deviation along one axis of (S, T, 2) deviations, less what all of a draw's times share."""
    return float(np.sqrt(((off - off.mean(axis=1, keepdims=True)) ** 2).sum(axis=-1).mean() / 2))


def longest_run(known: np.ndarray) -> slice:
    """The longest run of True in (T,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    if not len(edges):
        return slice(0, 0)
    starts, stops = edges[::2], edges[1::2]
    longest = (stops - starts).argmax()
    return slice(int(starts[longest]), int(stops[longest]))


def _known(times_s: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(T,) bool: seen, or in a gap that is short enough to be bridged."""
    result = seen.copy()
    frames = np.flatnonzero(seen)
    for before, after in pairwise(frames):
        if times_s[after] - times_s[before] <= MAX_GAP_S * 1.05:
            result[before:after] = True
    return result


def _misfit(places: np.ndarray, smoothed: np.ndarray, covariances: np.ndarray) -> float:
    seen = np.isfinite(places[:, 0])
    off = (places - smoothed)[seen]
    square = np.einsum("ti,tij,tj->t", off, np.linalg.inv(covariances[seen]), off)
    return float(np.sqrt(square.mean() / 2))
