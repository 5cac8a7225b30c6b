"""A scene: a place, a camera, objects with their motions, all from one seed; and its state at any time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.recordings.simulation.bodies import Parts, draw_parts, stride
from st_vlm.recordings.simulation.ground import Ground, draw_ground
from st_vlm.recordings.simulation.motion import STEP_S, Motion, stand
from st_vlm.recordings.simulation.placement import Path, ego_path, place_motion, stack
from st_vlm.recordings.simulation.programmes import KINDS, draw_cruise, draw_motion, draw_size
from st_vlm.recordings.simulation.rasteriser import Cuboids, Light, Shadows
from st_vlm.recordings.simulation.scenery import draw_scenery
from st_vlm.recordings.simulation.viewpoints import Viewpoint, draw_viewpoint

TICK_S = 0.1

_KIND_WEIGHTS = {
    "street": {
        "car": 0.42,
        "truck": 0.1,
        "bus": 0.08,
        "motorcycle": 0.1,
        "bicycle": 0.12,
        "pedestrian": 0.1,
        "jogger": 0.08,
    },
    "square": {
        "car": 0.36,
        "truck": 0.1,
        "bus": 0.06,
        "motorcycle": 0.12,
        "bicycle": 0.14,
        "pedestrian": 0.12,
        "jogger": 0.1,
    },
    "court": {"player": 1.0},
}
_SETTINGS = (("street", "dash"), ("square", "dash"), ("street", "pole"), ("square", "pole"), ("court", "side"))
_SETTING_WEIGHTS = (0.28, 0.24, 0.13, 0.15, 0.2)
# Metres per second above which less is asked, because only turning or stopping would keep the object in view.
_FAST = 6.0
# A view in which too few objects find room is drawn anew.
_LEAST_MOVERS = 3
_REDRAWS = 4
# Objects tried after the wanted ones, in place of those that found no room.
_SPARE = 5
# Least seconds in good view, try by try: a motion that stays long is preferred, a short one better than none.
_LEAST_SECONDS = (9.0, 7.0, 6.0, 5.0, 4.5, 4.0, 3.5)


@dataclass(frozen=True, eq=False)
class SceneObject:
    """An object with its placed motion, sampled every `STEP_S`.

    Attributes:
        kind: A key of `programmes.KINDS`.
        size: (3,) length, width, height in metres.
        points: (N, 2) ground position of its middle.
        yaws: (N,) heading of its nose, radians, unwrapped.
        odometer: (N,) metres travelled.
        parts: What it is made of.
    """

    kind: str
    size: np.ndarray
    points: np.ndarray
    yaws: np.ndarray
    odometer: np.ndarray
    parts: Parts


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything that a recording shows. Textures and scenery are drawn only when asked for."""

    seed: tuple[int, int]
    place: str
    mount: str
    duration_s: float
    view: Viewpoint
    objects: tuple[SceneObject, ...]
    light: Light

    @cached_property
    def ground(self) -> Ground:
        return draw_ground(np.random.default_rng([*self.seed, 1]), self.place)

    @cached_property
    def scenery(self) -> Cuboids:
        ticks = tick_indices(self.duration_s)
        paths = [Path(o.points[ticks], o.yaws[ticks], o.size[:2] / 2) for o in self.objects]
        paths.append(ego_path(self.view, ticks))
        rng = np.random.default_rng([*self.seed, 2])
        return draw_scenery(rng, self.place, float(self.view.platform[0, 0]), paths)

    def boxes_at(self, index: int, times_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Box centres (Q, 3) and yaws (Q,) of an object at (Q,) seconds."""
        thing = self.objects[index]
        x, y, yaw = (self._at(values, times_s) for values in (thing.points[:, 0], thing.points[:, 1], thing.yaws))
        return np.stack([x, y, np.full_like(x, thing.size[2] / 2)], axis=-1), yaw

    def _at(self, values: np.ndarray, times_s: np.ndarray) -> np.ndarray:
        return np.interp(times_s, np.arange(len(values)) * STEP_S, values)

    def cuboids_at(self, time_s: float) -> tuple[Cuboids, Shadows]:
        """The objects' parts and their shadows at a time; owners are indices into `objects`."""
        rows: dict[str, list] = {
            name: [] for name in ("centres", "halves", "rotations", "colours", "paints", "owners")
        }
        spots = []
        for index, thing in enumerate(self.objects):
            centre, yaw = (values[0] for values in self.boxes_at(index, np.array([time_s])))
            rotation = rotation_about_up(yaw)
            parts = thing.parts
            middle, half = (parts.low + parts.high) / 2, (parts.high - parts.low) / 2
            gone = self._at(thing.odometer, np.array([time_s - 0.1, time_s, time_s + 0.1]))
            swing = stride(thing.kind, float(thing.size[0]), gone[1], (gone[2] - gone[0]) / 0.2)
            if swing is not None:
                middle = middle.copy()
                middle[: len(swing), 0] += swing
            rows["centres"].append(middle @ rotation.T + centre)
            rows["halves"].append(half)
            rows["rotations"].append(np.repeat(rotation[None], len(half), axis=0))
            rows["colours"].append(parts.colours)
            rows["paints"].append(parts.paints)
            rows["owners"].append(np.full(len(half), index, np.int32))
            spots.append((centre[:2], thing.size[:2] / 2, yaw))
        shadows = Shadows(*(np.array(values) for values in zip(*spots, strict=True)))
        return Cuboids(**{name: np.concatenate(values) for name, values in rows.items()}), shadows


def tick_indices(duration_s: float) -> np.ndarray:
    """(T,) indices of motion samples at the annotations' 10 Hz, both ends included."""
    return np.arange(round(duration_s / TICK_S) + 1) * round(TICK_S / STEP_S)


def draw_scene(seed: int, index: int) -> Scene:
    """The scene of recording `index` under `seed`."""
    rng = np.random.default_rng([seed, index])
    duration = float(rng.choice([16.0, 18.0, 20.0], p=[0.15, 0.15, 0.7]))
    for _ in range(_REDRAWS):
        place, mount = _SETTINGS[rng.choice(len(_SETTINGS), p=_SETTING_WEIGHTS)]
        view = draw_viewpoint(rng, place, mount, duration)
        objects, well_seen = _draw_objects(rng, place, view, duration)
        if well_seen >= _LEAST_MOVERS:
            break
    order = rng.permutation(len(objects))
    return Scene((seed, index), place, mount, duration, view, tuple(objects[i] for i in order), _draw_light(rng))


def _draw_objects(
    rng: np.random.Generator, place: str, view: Viewpoint, duration_s: float
) -> tuple[list[SceneObject], int]:
    """Objects for a place and a camera, and how many of them move and are seen well for 5 s or more."""
    ticks = tick_indices(duration_s)
    camera = view.poses_at(ticks * STEP_S)
    wanted = int(rng.integers(5, 10))
    still = int(rng.random() < 0.85) + int(rng.random() < 0.35)
    names, weights = list(_KIND_WEIGHTS[place]), np.array(list(_KIND_WEIGHTS[place].values()))
    objects: list[SceneObject] = []
    paths = [ego_path(view, ticks)]
    movers = well_seen = 0
    for moving in [True] * wanted + [False] * still + [True] * _SPARE:
        if moving and movers == wanted:
            continue
        kind = names[rng.choice(len(names), p=weights / weights.sum())]
        size = draw_size(rng, KINDS[kind])
        cruise = draw_cruise(rng, KINDS[kind])
        others = stack(paths)
        # The speed is kept over the tries, else slow objects, which are easier to place, would crowd out fast ones.
        for least in np.array(_LEAST_SECONDS) * np.clip(_FAST / cruise, 0.5, 1.0):
            motion = draw_motion(rng, KINDS[kind], cruise, duration_s) if moving else stand(duration_s)
            spot = place_motion(rng, motion, size, KINDS[kind].on_foot, view, camera, ticks, others, place, least)
            if spot is None:
                continue
            shift, turn, seconds = spot
            objects.append(_placed(rng, kind, size, motion, shift, turn))
            paths.append(Path(objects[-1].points[ticks], objects[-1].yaws[ticks], size[:2] / 2))
            movers += moving
            well_seen += moving and seconds >= 5.0
            break
    return objects, well_seen


def _placed(rng, kind: str, size: np.ndarray, motion: Motion, shift: np.ndarray, turn: float) -> SceneObject:
    cos, sin = np.cos(turn), np.sin(turn)
    points = motion.points @ np.array([[cos, sin], [-sin, cos]]) + shift
    return SceneObject(kind, size, points, motion.yaws + turn, motion.odometer, draw_parts(rng, kind, size))


def _draw_light(rng: np.random.Generator) -> Light:
    bearing, rise = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 70))
    towards = np.array([np.cos(bearing) * np.cos(rise), np.sin(bearing) * np.cos(rise), np.sin(rise)])
    return Light(towards, sun=float(rng.uniform(0.2, 1.0)), brightness=float(rng.uniform(0.9, 1.15)))
