"""Boxes and a known camera to tracks, without depth: objects stand on the ground and have their class's usual size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from threadpoolctl import threadpool_limits

from st_vlm.kinematics.projection import Lens
from st_vlm.kinematics.smoothing import SmoothTracks
from st_vlm.pseudo_labels.lifting.cuboid_boxes import UNMEASURED, box_views, cut_edges
from st_vlm.pseudo_labels.lifting.ground_fit import (
    CLIP_SIGMAS,
    LOOSE_SIGMAS,
    NO_NOD_SIGMA,
    NOD_SIGMA,
    REPEATS,
    GroundScene,
    Guess,
    fit_ground,
)
from st_vlm.pseudo_labels.lifting.ground_surface import GroundSurface
from st_vlm.pseudo_labels.lifting.identities import Switch, exchange, find_switches
from st_vlm.pseudo_labels.lifting.object_places import MOST_OUTLIERS, OUTLIER_SQUARE, MeasuredPlaces, smooth_each
from st_vlm.pseudo_labels.lifting.object_tracks import ObjectTracks, track_objects
from st_vlm.pseudo_labels.lifting.size_priors import SizePrior, size_prior
from st_vlm.recordings.categories import is_person

# Half a turn is enough, since front and back look alike.
_TURNS = np.arange(8) * np.pi / 8
# Arms and legs: length and width of people vary by so many times their height's spread.
LIMBS = 3.0
# Of a box's width for a heading, relative, since shapes differ; and how much (chi-square) it tells at most against a
# heading.
SHAPE_SIGMA, MOST_SHAPE_SQUARE = 0.15, 12.0
# A camera that comes farther than this is driven.
LEAST_DRIVE_M = 0.5
# A heading is believed where the velocity is so many times its own standard deviation.
LEAST_CERTAIN_SPEED = 2.0
# A view that the image's side cuts is left out where less than this of the object's width is seen.
LEAST_SEEN = 0.7
# A view that tells an object's distance worse than this is left out.
MOST_RELATIVE_SIGMA = 0.5
# An object stands if one place explains its views about as well as the boxes' noise allows,
MOST_SQUARE = 2.0
# and a straight way would explain them better by no more than this (chi-square), or is no longer than this.
MOST_TREND, LEAST_WAY_M = 9.0, 0.75
# and its size and ground need not be much more unusual (chi-square) than if it moved.
MOST_UNUSUAL = 9.0
# Boxes may be better or worse than thought, which their own steadiness tells, within limits.
NOISE_LIMITS = 0.3, 2.0
# A smoothed way follows its views in part; of ways with fewer views nothing is said.
FOLLOWED, LEAST_VIEWS = 1.3, 6
# Iterations of the fit: at first, with headings from the movement, to test for standing, and at last.
_FIRST, _TURNED, _TESTED, _LAST = 8, 4, 4, 5


@dataclass(frozen=True, eq=False)
class LiftedBoxes:
    """What became of a clip's boxes.

    Attributes:
        tracks: The objects on the ground.
        measured: Their places before smoothing, and their sizes.
        usable: (N, T) bool: the boxes that were measured.
        ground: (4,) camera height (relative), tilt of the ground along the world's x and y, and pitch of the camera,
            as the boxes have them against what was stated.
        nods: (T,) radians by which the camera looks farther down in each frame than its poses tell.
        switches: Exchanges of identities that were found, and undone in all the above.
    """

    tracks: ObjectTracks
    measured: MeasuredPlaces
    usable: np.ndarray
    ground: np.ndarray
    nods: np.ndarray
    switches: tuple[Switch, ...]


# Its many small matrices are slower, by times where other work runs beside, on several threads.
@threadpool_limits.wrap(limits=1, user_api="blas")
def lift_boxes(
    times_s: np.ndarray,
    boxes: np.ndarray,
    categories: Sequence[str],
    lens: Lens,
    poses: np.ndarray,
    camera_height: float,
    draws: int = 24,
    seed: int = 0,
) -> LiftedBoxes:
    """Lift N objects boxed in T frames.

    Args:
        times_s: (T,) seconds, strictly increasing.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels; NaN where an object is not seen.
        categories: N, the objects' classes.
        lens: The camera's intrinsics, image size and distortion.
        poses: (T, 4, 4) world from camera, +z of the world up.
        camera_height: Metres of the camera above the ground.
        draws: How many equally likely tracks carry the uncertainty.
        seed: Of the draws.
    """
    clip = _Clip(times_s, lens, poses, camera_height, [size_prior(category) for category in categories],
                 np.array([is_person(category) for category in categories], bool))  # fmt: skip
    fitted = _Fitted(clip, boxes)
    switches = find_switches(times_s, fitted.places, fitted.covariances, boxes)
    if switches:
        boxes = boxes.copy()
        for switch in switches:
            exchange(boxes, switch)
        fitted = _Fitted(clip, boxes)
    measured = fitted.measured(draws, seed)
    tracks = track_objects(times_s, measured, clip.priors, clip.people, seed=seed)
    usable = np.isfinite(fitted.places).all(axis=-1)
    found = fitted.system.unknowns.clip
    return LiftedBoxes(tracks, measured, usable, found[:4], found[4:], tuple(switches))


@dataclass(frozen=True, eq=False)
class _Clip:
    times_s: np.ndarray
    lens: Lens
    poses: np.ndarray
    camera_height: float
    priors: list[SizePrior]
    people: np.ndarray

    def scene(self, boxes: np.ndarray, n: np.ndarray, t: np.ndarray) -> GroundScene:
        spread = np.array([prior.spread for prior in self.priors])
        limbs = np.where(self.people, LIMBS, 1.0) * spread
        driven = np.ptp(self.poses[:, :3, 3], axis=0).max() > LEAST_DRIVE_M
        nod = NOD_SIGMA if driven else NO_NOD_SIGMA
        return GroundScene(
            views=box_views(boxes[n, t], self.lens, self.poses[t], n, t),
            surface=GroundSurface(self.poses[:, :3, 3], self.camera_height),
            camera_height=self.camera_height,
            usual=np.array([(prior.length, prior.width, prior.height) for prior in self.priors]).reshape(-1, 3),
            spread=np.stack([limbs, limbs, spread], axis=-1),
            clip_sigmas=np.concatenate([CLIP_SIGMAS, np.full(len(self.times_s), nod)]),
        )


class _Fitted:
    """All boxes of a clip fitted: first each view by itself, then with headings, at last with what stands."""

    def __init__(self, clip: _Clip, boxes: np.ndarray) -> None:
        self._clip, self._shape = clip, boxes.shape[:2]
        with np.errstate(invalid="ignore"):
            valid = np.isfinite(boxes).all(axis=-1) & (boxes[..., 2:] > boxes[..., :2]).all(axis=-1)
        self._n, self._t = np.nonzero(valid)
        self._scene = clip.scene(boxes, self._n, self._t)
        self._acceleration = np.array([prior.acceleration for prior in clip.priors])
        shape = len(self._n), len(_TURNS)
        guess = Guess(
            np.broadcast_to(_TURNS, shape), np.full(shape, 1 / shape[1]), np.zeros(self._shape[0], bool),
            np.zeros_like(self._scene.clip_sigmas), self._scene.clip_sigmas, np.inf,
        )  # fmt: skip
        self.system = fit_ground(self._scene, guess, self._scene.start(), _FIRST)
        guess = self._with_headings(replace(guess, loose_sigmas=LOOSE_SIGMAS))
        self.system = fit_ground(self._scene, guess, self.system.unknowns, _TURNED)
        guess = self._without_truncated(boxes, guess)
        guess = self._with_headings(guess)
        self.standing = self._standing(guess)
        guess = replace(guess, standing=self.standing)
        self.system = fit_ground(self._scene, guess, self.system.tied(self.standing), _LAST)
        self._place()

    def _without_truncated(self, boxes: np.ndarray, guess: Guess) -> Guess:
        """The guess for the views that are left: what the image's side cuts must be seen in great part, since a hood
        alone is lower than a car."""
        n, t, views, unknowns = self._n, self._t, self._scene.views, self.system.unknowns
        cut = cut_edges(boxes[n, t], self._clip.lens.size)[:, ::2].any(axis=-1)
        whole = (guess.weights * self.system.widths).sum(axis=1)
        left = ~cut | (views.edges[:, 2] - views.edges[:, 0] >= LEAST_SEEN * whole)
        if left.all():
            return guess
        self._n, self._t = n[left], t[left]
        self._scene = self._clip.scene(boxes, self._n, self._t)
        guess = replace(guess, yaws=guess.yaws[left], weights=guess.weights[left])
        self.system = fit_ground(self._scene, guess, replace(unknowns, own=unknowns.own[left]), _TURNED)
        return guess

    def _place(self) -> None:
        """The views' places, and their smoothed ways."""
        n, t, system = self._n, self._t, self.system
        self.places, self.covariances = np.full((*self._shape, 2), np.nan), np.full((*self._shape, 2, 2), np.nan)
        good = system.good & (system.distance_sigmas < MOST_RELATIVE_SIGMA)
        self.places[n[good], t[good]] = system.places[good]
        self.covariances[n, t] = system.covariances + system.turned + system.nodding
        self._smooth()
        self.noise = _steadiness(self.places, self.covariances, self.smoothed)
        self.covariances[n, t] = self.noise**2 * system.covariances + system.turned + system.nodding
        self._smooth()

    def _smooth(self) -> None:
        """The smoothed ways, without the views that do not fit them; the worst goes first."""
        left = (MOST_OUTLIERS * np.isfinite(self.places[..., 0]).sum(axis=1)).astype(int)
        while True:
            self.smoothed = smooth_each(self._clip.times_s, self.places, self.covariances, self._acceleration)
            square = np.nan_to_num(_squares(self.places - self.smoothed.places, self.covariances))
            worst = square.argmax(axis=1) if square.size else np.zeros(0, int)
            drop = np.flatnonzero((square.max(axis=1, initial=0.0) > OUTLIER_SQUARE) & (left > 0))
            if not len(drop):
                return
            self.places[drop, worst[drop]] = np.nan
            left[drop] -= 1

    def _with_headings(self, guess: Guess) -> Guess:
        """Headings as the movement tells them, and as the boxes' widths do."""
        self._place()
        n, t = self._n, self._t
        velocity, spread = self.smoothed.velocities[n, t], self.smoothed.covariances[n, t][:, 2:, 2:]
        speed = np.maximum(np.linalg.norm(velocity, axis=-1), 1e-6)
        certain = speed > LEAST_CERTAIN_SPEED * np.sqrt(spread.trace(axis1=1, axis2=2))
        across = np.stack([-velocity[:, 1], velocity[:, 0]], axis=-1) / speed[:, None]
        sigma = np.sqrt(np.einsum("vi,vij,vj->v", across, spread, across)) / speed
        yaws = np.where(certain, np.arctan2(velocity[:, 1], velocity[:, 0]), 0.0)[:, None] + _TURNS
        # Von Mises on half a turn: a normal distribution on the circle of what can be told apart.
        likely = np.exp((np.cos(2 * _TURNS) - 1) / (2 * np.maximum(sigma, 0.1)[:, None]) ** 2)
        likely = np.where(certain[:, None], likely, self._by_shape(guess, ~certain)[n])
        return replace(guess, yaws=yaws, weights=likely / likely.sum(axis=1, keepdims=True))

    def _by_shape(self, guess: Guess, views: np.ndarray) -> np.ndarray:
        """(N, H) how likely headings of objects are that keep theirs in some (V,) views, by the boxes' widths."""
        edges, sigmas = self._scene.views.edges, self._scene.views.sigmas
        # What moved so far has headings of its own, not the ones that are compared here.
        whole = views & self.system.good & (sigmas[:, ::2] < UNMEASURED).all(axis=1) & (guess.yaws[:, 0] == 0)
        widths = np.maximum(self.system.widths[whole], 1e-6)
        off = np.log(widths / (edges[whole, 2] - edges[whole, 0])[:, None]) / SHAPE_SIGMA
        total, count = np.zeros((self._shape[0], len(_TURNS))), np.zeros((self._shape[0], 1))
        np.add.at(total, self._n[whole], off**2)
        np.add.at(count, self._n[whole], 1)
        # A shape that is not usual is so in all views.
        return np.exp(-0.5 * np.minimum(total / np.maximum(count, 1), MOST_SHAPE_SQUARE))

    def _standing(self, guess: Guess) -> np.ndarray:
        """(N,) bool: objects whose views one place explains, with sizes and ground as they may be."""
        every, clip = np.ones(self._shape[0], bool), self.system.unknowns.clip
        # Many of these objects move: they must not tell of the ground.
        guess = replace(guess, standing=every, clip_at=clip, clip_sigmas=np.minimum(guess.clip_sigmas, 1e-3))
        system = fit_ground(self._scene, guess, self.system.tied(every), _TESTED)
        # A detector's boxes may be worse than thought, and then what stands seems to move.
        inverse = np.linalg.inv(max(self.noise, 1.0) ** 2 * system.covariances + system.turned)
        square = np.einsum("vi,vij,vj->v", system.off, inverse, system.off)
        seconds = self._clip.times_s[self._t]
        result = np.zeros(self._shape[0], bool)
        for k in np.flatnonzero(system.unusual - self.system.unusual < MOST_UNUSUAL):
            of = np.flatnonzero((self._n == k) & system.good)
            if len(of) > 1 and np.median(square[of]) < MOST_SQUARE:
                trend, way = _straight_way(seconds[of], system.off[of], inverse[of])
                result[k] = trend < MOST_TREND or way < LEAST_WAY_M
        return result

    def measured(self, draws: int, seed: int) -> MeasuredPlaces:
        """The places with equally likely others."""
        n, t, system, rng = self._n, self._t, self.system, np.random.default_rng(seed)
        own = _roots(self.noise**2 * system.covariances) @ rng.standard_normal((draws, len(n), 2, 1))
        # A heading that is off is off in all of an object's views.
        turned = _roots(system.turned) @ rng.standard_normal((draws, self._shape[0], 2, 1))[:, n]
        off = np.where(self.standing[n][:, None], 0.0, (own + turned)[..., 0]) + system.draw(draws, rng)
        drawn, heights = np.full((draws, *self._shape, 2), np.nan), np.full(self._shape, np.nan)
        drawn[:, n, t] = self.places[n, t] + off
        heights[n, t] = system.middles
        sizes = self._scene.usual * np.exp(system.unknowns.objects[:, :3])
        return MeasuredPlaces(self.places, self.covariances, drawn, heights, sizes, self.smoothed)


def _straight_way(seconds: np.ndarray, off: np.ndarray, inverse: np.ndarray) -> tuple[float, float]:
    """How much better (chi-square, of views that err alike) a straight way explains (V, 2) metres from one place, and
    its length."""
    times = seconds - seconds.mean()
    design = np.concatenate(
        [np.broadcast_to(np.eye(2), (len(off), 2, 2)), times[:, None, None] * np.eye(2)], axis=2
    )  # fmt: skip
    weighted = design.swapaxes(1, 2) @ inverse
    spread = np.linalg.inv((weighted @ design).sum(axis=0) + 1e-9 * np.eye(4))
    velocity = (spread @ (weighted @ off[..., None]).sum(axis=0))[2:, 0]
    gain = velocity @ np.linalg.solve(spread[2:, 2:], velocity) / REPEATS
    return float(gain), float(np.linalg.norm(velocity) * np.ptp(times))


def _steadiness(places: np.ndarray, covariances: np.ndarray, smoothed: SmoothTracks) -> float:
    """What the views' standard deviations are to be multiplied with, by how they lie about the smoothed ways."""
    squares = _squares(places - smoothed.places, covariances)
    often = np.isfinite(squares).sum(axis=1) >= LEAST_VIEWS
    if not often.any():
        return 1.0
    misfits = np.sqrt(np.nanmean(squares[often], axis=1) / 2)
    return float(np.clip(FOLLOWED * np.median(misfits), *NOISE_LIMITS))


def _squares(off: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """(N, T) squares of (N, T, 2) metres in standard deviations; NaN where unknown."""
    known = np.isfinite(off).all(axis=-1)[..., None, None]
    inverse = np.linalg.inv(np.where(known, covariances, np.eye(2)))
    return np.einsum("nti,ntij,ntj->nt", off, inverse, off)


def _roots(covariances: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky(covariances + 1e-9 * np.eye(2))
