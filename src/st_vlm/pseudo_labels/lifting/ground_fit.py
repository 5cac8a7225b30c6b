"""Places of cuboids on the ground from the boxes around them, all of a clip at once.

Unknown of a clip are the camera's height and pitch, how it nods, and the tilt of the ground beside its path; of an
object its size, which its class tells roughly, and how high the ground is where it goes; of a view where its object
is. They are found together by Gauss-Newton, views eliminated first, then objects (bundle adjustment: Triggs et al.
2000). That is how things of known size far away correct the slope of the ground, and the ground nearby the size of
things (Hoiem, Efros and Hebert 2008, "Putting objects in perspective"). An object that stands has one place in all
its views: seen from a moving camera it tells all of this best.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from st_vlm.pseudo_labels.lifting.cuboid_boxes import BoxViews, Unknowns, expected_boxes
from st_vlm.pseudo_labels.lifting.ground_surface import GroundSurface

# Standard deviations beforehand. Of the clip: camera height (relative), tilts of the ground, pitch.
CLIP_SIGMAS = np.array([0.03, 0.03, 0.03, 0.005])
# Of a camera that is driven, in each frame: it nods with the vehicle's springs, which poses do not always tell.
NOD_SIGMA, NO_NOD_SIGMA = 0.006, 1e-5
# Of the ground in each view: bumps in metres, and metres for each metre from the path.
BUMP_M, BUMP_SHARE = 0.05, 0.02
# Correlation of an object's length, width and height, as far as they are not usual.
SIZES_ALIKE = 0.3
# Real things are no cuboids, so their views err alike: so many of them tell no more than one.
REPEATS = 6.0
# A view so many standard deviations off is believed less (Huber 1964).
LOOSE_SIGMAS = 3.0
NEAREST_M, FARTHEST_M = 1.0, 200.0
# No step is longer: of a view; of an object; of the clip.
_MOST_OWN, _MOST_OBJECT, _MOST_CLIP = 0.3, np.array([0.3, 0.3, 0.3, 3.0, 5.0, 5.0]), 0.05
# What a view tells at least of itself, so that all can be solved.
_LEAST_TOLD = 1e-3
# An object's place may be anywhere: nothing is known beforehand.
_PLACE_INFORMATION = 1e-6


@dataclass(frozen=True, eq=False)
class GroundScene:
    """What is known beforehand of a clip.

    Attributes:
        views: The boxes.
        surface: The ground as the path tells it.
        camera_height: Metres.
        usual: (N, 3) length, width and height that the objects' classes usually have, metres.
        spread: (N, 3) relative standard deviation of these.
        clip_sigmas: (4 + T,) standard deviations of the clip's unknowns (`Unknowns.clip`).
    """

    views: BoxViews
    surface: GroundSurface
    camera_height: float
    usual: np.ndarray
    spread: np.ndarray
    clip_sigmas: np.ndarray

    def start(self) -> Unknowns:
        """Everything as stated, and each view as far away as its object's usual height has it."""
        edges, owners = self.views.edges, self.views.owners
        middle = np.stack([edges[:, 0] + edges[:, 2], edges[:, 1] + edges[:, 3]], axis=-1) / 2
        rays = np.concatenate([middle, np.ones((len(edges), 1))], axis=-1)
        depth = self.usual[owners, 2] / np.maximum(edges[:, 3] - edges[:, 1], 1e-3)
        way = np.einsum("vij,vj->vi", self.views.poses[:, :3, :3], rays)[:, :2] * depth[:, None]
        return Unknowns(polar(way), np.zeros((len(self.usual), 6)), np.zeros(len(self.clip_sigmas)))


@dataclass(frozen=True, eq=False)
class Guess:
    """How the equations are to be set up.

    Attributes:
        yaws, weights: (V, H) headings in radians, and how likely each is.
        standing: (N,) bool: objects with one place.
        clip_at, clip_sigmas: (4 + T,) what is thought of the clip's unknowns beforehand, and how surely.
        loose_sigmas: From where on a view is believed less.
    """

    yaws: np.ndarray
    weights: np.ndarray
    standing: np.ndarray
    clip_at: np.ndarray
    clip_sigmas: np.ndarray
    loose_sigmas: float = LOOSE_SIGMAS


class Linearised:
    """The normal equations around values of the unknowns, with views and objects eliminated.

    Attributes:
        unknowns: The values.
        places: (V, 2) of the centres, metres in the world.
        middles: (V,) heights of the centres, metres in the world.
        off: (V, 2) metres by which each view would have its object elsewhere, given all that views share.
        covariances: (V, 2, 2) square metres, of what each view adds by itself.
        turned: (V, 2, 2) square metres, of what the heading leaves open: the same in an object's views.
        nodding: (V, 2, 2) square metres, of how the camera may nod: the same in a frame's views.
        distance_sigmas: (V,) how surely a view tells the distance, relative.
        good: (V,) bool: the cuboid lies before the camera.
        widths: (V, H) of the boxes for each heading, in focal lengths.
        unusual: (N,) how unusual each object's size and ground are beforehand: a chi-square of four.
    """

    def __init__(self, scene: GroundScene, guess: Guess, unknowns: Unknowns) -> None:
        self.unknowns = unknowns
        self._scene, self._standing = scene, guess.standing
        views = scene.views
        self._tied = guess.standing[views.owners]
        now = expected_boxes(
            views, scene.surface, scene.camera_height, scene.usual, guess.yaws, guess.weights, unknowns
        )
        residual = np.where(now.good[:, None], views.edges - now.edges, 0.0)
        noise = views.sigmas[:, None] ** 2 * np.eye(4)
        # A bump lifts both edges.
        bump = np.hypot(BUMP_M, BUMP_SHARE * now.beside_m) * np.exp(-unknowns.own[:, 1])
        noise[:, 1::2, 1::2] += bump[:, None, None] ** 2
        # A heading that is off is off in all of an object's views: together they tell no more than one.
        views_each = np.bincount(views.owners, minlength=len(scene.usual))[views.owners]
        scatter = np.maximum(views_each / REPEATS, 1.0)[:, None, None] * now.scatter
        inverse = np.linalg.inv(noise + scatter)
        square = np.einsum("vi,vij,vj->v", residual, inverse, residual)
        softness = np.maximum(np.sqrt(square) / guess.loose_sigmas, 1.0)
        inverse *= (now.good / softness)[:, None, None]
        weighted = now.by_own.swapaxes(1, 2) @ inverse
        gain = np.linalg.inv(weighted @ now.by_own + _LEAST_TOLD * np.eye(2)) @ weighted
        self._innovation = np.einsum("vij,vj->vi", gain, residual)
        own = gain @ noise @ gain.swapaxes(1, 2) * softness[:, None, None] ** 2
        self.distance_sigmas = np.sqrt(own[:, 1, 1])
        self._moved = moved = now.moved
        self.places, self.middles, self.good, self.widths = now.places, now.middles, now.good, now.widths
        self.off = np.einsum("vij,vj->vi", moved, self._innovation)
        self.covariances = moved @ own @ moved.swapaxes(1, 2) + 1e-6 * np.eye(2)
        self.turned = moved @ gain @ now.scatter @ gain.swapaxes(1, 2) @ moved.swapaxes(1, 2)
        # Of an object that stands, the place takes the part of what is each view's own.
        tied = self._tied[:, None, None]
        by_place = np.where(tied, now.by_own @ np.linalg.inv(moved), 0.0)
        shared = np.concatenate([now.by_object, by_place, now.by_clip, now.by_clip[..., 3:]], axis=-1)
        self._coupling = np.where(tied, 0.0, gain @ shared)
        left = np.where(tied, shared, shared - now.by_own @ (gain @ shared)).swapaxes(1, 2) @ inverse
        self._eliminate(left @ shared, np.einsum("vij,vj->vi", left, residual), guess)

    def _eliminate(self, matrices: np.ndarray, right: np.ndarray, guess: Guess) -> None:
        scene, unknowns = self._scene, self.unknowns
        count, owners, nods = len(scene.usual), scene.views.owners, 4 + scene.views.frames
        matrices, right = matrices / REPEATS, right / REPEATS
        totals, rights = np.zeros((count, 10, 10)), np.zeros((count, 10))
        np.add.at(totals, owners, matrices[:, :10, :10])
        np.add.at(rights, owners, right[:, :10])
        whole, whole_right = np.diag(guess.clip_sigmas**-2.0), -(unknowns.clip - guess.clip_at) / guess.clip_sigmas**2
        whole[:4, :4] += totals[:, 6:, 6:].sum(axis=0)
        np.add.at(whole, (nods, nods), matrices[:, 10, 10])
        between = np.zeros((len(whole), 4))
        np.add.at(between, nods, matrices[:, 10, 6:10])
        whole[:, :4] += between
        whole[:4] += between.T
        whole_right[:4] += rights[:, 6:].sum(axis=0)
        np.add.at(whole_right, nods, right[:, 10])
        prior = np.zeros((count, 6, 6))
        prior[:, :3, :3] = _size_information(scene.spread)
        prior[:, 3, 3], prior[:, 4, 4], prior[:, 5, 5] = 1.0, _PLACE_INFORMATION, _PLACE_INFORMATION
        self._object_matrix = totals[:, :6, :6] + prior
        # A place is drawn nowhere.
        known = np.where(np.arange(6) < 4, unknowns.objects, 0.0)
        self.unusual = np.einsum("ki,kij,kj->k", known, prior, known)
        self._object_right = rights[:, :6] - np.einsum("kij,kj->ki", prior, known)
        self._cross = np.zeros((count, 6, len(whole)))
        self._cross[..., :4] = totals[:, :6, 6:]
        np.add.at(self._cross, (owners, slice(None), nods), matrices[:, :6, 10])
        self._inner = np.linalg.solve(self._object_matrix, self._cross)
        self._clip_matrix = whole - (self._cross.swapaxes(1, 2) @ self._inner).sum(axis=0)
        self._clip_right = whole_right - np.einsum("kij,ki->j", self._inner, self._object_right)
        way = np.einsum("vij,vj->vi", self._moved, self._coupling[..., 10])
        square = np.diagonal(np.linalg.inv(self._clip_matrix))[nods]
        self.nodding = square[:, None, None] * way[:, :, None] * way[:, None]

    def step(self) -> Unknowns:
        """Better values of the unknowns."""
        clip = np.linalg.solve(self._clip_matrix, self._clip_right)
        objects = np.linalg.solve(self._object_matrix, (self._object_right - self._cross @ clip)[..., None])[..., 0]
        own = self._innovation - np.einsum("vij,vj->vi", self._coupling, self._of_views(objects, clip))
        objects = self.unknowns.objects + np.clip(objects, -_MOST_OBJECT, _MOST_OBJECT)
        own = self.unknowns.own + np.clip(own, -_MOST_OWN, _MOST_OWN)
        own[:, 1] = np.clip(own[:, 1], np.log(NEAREST_M), np.log(FARTHEST_M))
        clip = self.unknowns.clip + np.clip(clip, -_MOST_CLIP, _MOST_CLIP)
        return _with_one_place(Unknowns(own, objects, clip), self._scene.views, self._standing)

    def tied(self, standing: np.ndarray) -> Unknowns:
        """The values with one place for each of the (N,) objects that stand: the mean of its views."""
        owners = self._scene.views.owners
        inverse = np.linalg.inv(self.covariances + self.turned) * self.good[:, None, None]
        total, right = np.zeros((len(standing), 2, 2)), np.zeros((len(standing), 2))
        np.add.at(total, owners, inverse)
        np.add.at(right, owners, (inverse @ self.places[..., None])[..., 0])
        objects = self.unknowns.objects.copy()
        objects[:, 4:] = np.linalg.solve(total + 1e-9 * np.eye(2), right[..., None])[..., 0]
        return _with_one_place(replace(self.unknowns, objects=objects), self._scene.views, standing)

    def draw(self, draws: int, rng: np.random.Generator) -> np.ndarray:
        """(S, V, 2) metres by which places differ for equally likely values of what views share."""
        clip = rng.standard_normal((len(self._clip_matrix), draws))
        clip = np.linalg.solve(np.linalg.cholesky(self._clip_matrix).T, clip).T
        roots = np.linalg.cholesky(self._object_matrix).swapaxes(1, 2)
        objects = np.linalg.solve(roots, rng.standard_normal((draws, len(roots), 6, 1)))[..., 0]
        objects = objects - np.einsum("kij,sj->ski", self._inner, clip)
        shared = self._of_views(objects, clip)
        off = -np.einsum("vij,vjk,svk->svi", self._moved, self._coupling, shared)
        return np.where(self._tied[:, None], objects[:, self._scene.views.owners, 4:], off)

    def _of_views(self, objects: np.ndarray, clip: np.ndarray) -> np.ndarray:
        """(..., V, 11) of (..., N, 6) and (..., 4 + T)."""
        views = self._scene.views
        of_views, nods = objects[..., views.owners, :], clip[..., 4 + views.frames, None]
        shared = np.broadcast_to(clip[..., None, :4], (*of_views.shape[:-1], 4))
        return np.concatenate([of_views, shared, nods], axis=-1)


def _size_information(spread: np.ndarray) -> np.ndarray:
    """(N, 3, 3) inverse covariances of the logarithms of sizes: what is longer than usual tends to be wider too."""
    alike = SIZES_ALIKE + (1 - SIZES_ALIKE) * np.eye(3)
    return np.linalg.inv(spread[:, :, None] * alike * spread[:, None])


def fit_ground(scene: GroundScene, guess: Guess, unknowns: Unknowns, iterations: int) -> Linearised:
    """Gauss-Newton: the equations around the values that it leads to."""
    system = Linearised(scene, guess, unknowns)
    for _ in range(iterations):
        system = Linearised(scene, guess, system.step())
    return system


def polar(ways: np.ndarray) -> np.ndarray:
    """(V, 2) metres to bearing and logarithm of the distance."""
    distance = np.clip(np.hypot(*ways.T), NEAREST_M, FARTHEST_M)
    return np.stack([np.arctan2(ways[:, 1], ways[:, 0]), np.log(distance)], axis=-1)


def _with_one_place(unknowns: Unknowns, views: BoxViews, standing: np.ndarray) -> Unknowns:
    """The views of what stands moved to its place."""
    own = polar(unknowns.objects[views.owners, 4:] - views.poses[:, :2, 3])
    return replace(unknowns, own=np.where(standing[views.owners][:, None], own, unknowns.own))
