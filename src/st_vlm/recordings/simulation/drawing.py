"""Draws scenes at random: a place, a camera, and objects of kinds and motions as the settings have them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from st_vlm.recordings.simulation.bodies import draw_parts
from st_vlm.recordings.simulation.motion import STEP_S, Motion, stand
from st_vlm.recordings.simulation.placement import Path, ego_path, place_motion, stack
from st_vlm.recordings.simulation.programmes import KINDS, draw_cruise, draw_motion, draw_size, log_uniform
from st_vlm.recordings.simulation.rasteriser import Light
from st_vlm.recordings.simulation.scene import Scene, SceneObject, tick_indices
from st_vlm.recordings.simulation.settings import SceneSettings
from st_vlm.recordings.simulation.viewpoints import Viewpoint, draw_viewpoint

_KIND_WEIGHTS = {
    "street": {
        "car": 0.42,
        "truck": 0.1,
        "bus": 0.08,
        "motorcycle": 0.1,
        "bicycle": 0.12,
        "pedestrian": 0.08,
        "jogger": 0.1,
    },
    "square": {
        "car": 0.36,
        "truck": 0.1,
        "bus": 0.06,
        "motorcycle": 0.12,
        "bicycle": 0.14,
        "pedestrian": 0.1,
        "jogger": 0.12,
    },
    "court": {"player": 1.0},
    "hall": {"toy car": 0.5, "toy truck": 0.44, "pedestrian": 0.06},
}
_PLACES = (("street", "dash"), ("square", "dash"), ("street", "pole"), ("square", "pole"), ("court", "side"))
_PLACE_WEIGHTS = (0.28, 0.24, 0.13, 0.15, 0.2)
_TOYS = ("hall", "low")
# Metres per second above which less is asked, because only turning or stopping would keep the object in view.
_FAST = 6.0
# A view in which too few objects find room is drawn anew.
_LEAST_MOVERS = 3
_REDRAWS = 4
# Objects tried after the wanted ones, in place of those that found no room.
_SPARE = 5
# Least seconds in good view, try by try: a motion that stays long is preferred, a short one better than none.
_LEAST_SECONDS = (9.0, 7.0, 6.0, 5.0, 4.5, 4.0, 3.5)
# How much slower or faster than the one it takes after an object is.
_ALIKE_SPEED = (0.7, 1.45)


@dataclass(frozen=True, eq=False)
class _Mover:
    """What later objects may take after: a moving object's kind, its cruising speed, its (T,) headings."""

    kind: str
    cruise: float
    headings: np.ndarray


def draw_scene(seed: int, index: int, settings: SceneSettings) -> Scene:
    """The scene of recording `index` under `seed` and the same settings."""
    stream = (seed, index, *settings.cameras.stream)
    rng = np.random.default_rng(stream)
    duration = float(rng.choice([16.0, 18.0, 20.0], p=[0.15, 0.15, 0.7]))
    of_toys = rng.random() < settings.toys
    for _ in range(_REDRAWS):
        place, mount = _TOYS if of_toys else _PLACES[rng.choice(len(_PLACES), p=_PLACE_WEIGHTS)]
        view = draw_viewpoint(rng, place, mount, duration, settings.cameras)
        objects, well_seen = _draw_objects(rng, place, view, duration, settings)
        if well_seen >= _LEAST_MOVERS:
            break
    order = rng.permutation(len(objects))
    return Scene(stream, place, mount, duration, view, tuple(objects[i] for i in order), _draw_light(rng))


def _draw_objects(
    rng: np.random.Generator, place: str, view: Viewpoint, duration_s: float, settings: SceneSettings
) -> tuple[list[SceneObject], int]:
    """Objects for a place and a camera, and how many of them move and are seen well for long."""
    ticks = tick_indices(duration_s)
    camera = view.poses_at(ticks * STEP_S)
    wanted = int(rng.integers(5, 10))
    still = [False] * (int(rng.random() < 0.85) + int(rng.random() < 0.35))
    moves = [*[True] * wanted, *still]
    if place == "hall":
        # Someone stands by and finds room first: the scale can be told.
        moves = [*(still or [False]), *[True] * wanted]
    objects: list[SceneObject] = []
    paths = [ego_path(view, ticks)]
    movers: list[_Mover] = []
    well_seen = 0
    # Small things leave the view of a camera near them sooner.
    fast, long = (_FAST / 3, 3.0) if place == "hall" else (_FAST, 5.0)
    for moving in [*moves, *[True] * _SPARE]:
        if moving and len(movers) == wanted:
            continue
        model = movers[rng.integers(len(movers))] if movers and rng.random() < settings.company else None
        kind = model.kind if model else _draw_kind(rng, place)
        if place == "hall" and not moving:
            kind = "pedestrian"
        about = KINDS[kind]
        size = draw_size(rng, about)
        cruise = draw_cruise(rng, about, settings.odd_speeds)
        if model:
            cruise = float(np.clip(model.cruise * log_uniform(rng, _ALIKE_SPEED), *about.speeds))
        others = stack(paths)
        courses = np.stack([mover.headings for mover in movers]) if model else None
        # The speed is kept over the tries, else slow objects, which are easier to place, would crowd out fast ones.
        for least in np.array(_LEAST_SECONDS) * np.clip(fast / cruise, 0.5, 1.0):
            motion = draw_motion(rng, about, cruise, duration_s, settings) if moving else stand(duration_s)
            spot = place_motion(rng, motion, size, about.on_foot, view, camera, ticks, others, place, least, courses)
            if spot is None:
                continue
            shift, turn, seconds = spot
            objects.append(_placed(rng, kind, size, motion, shift, turn))
            paths.append(Path(objects[-1].points[ticks], objects[-1].yaws[ticks], size[:2] / 2))
            if moving:
                movers.append(_Mover(kind, cruise, objects[-1].yaws[ticks]))
                well_seen += seconds >= long
            break
    return objects, well_seen


def _draw_kind(rng: np.random.Generator, place: str) -> str:
    names, weights = list(_KIND_WEIGHTS[place]), np.array(list(_KIND_WEIGHTS[place].values()))
    return names[rng.choice(len(names), p=weights / weights.sum())]


def _placed(rng, kind: str, size: np.ndarray, motion: Motion, shift: np.ndarray, turn: float) -> SceneObject:
    cos, sin = np.cos(turn), np.sin(turn)
    points = motion.points @ np.array([[cos, sin], [-sin, cos]]) + shift
    return SceneObject(kind, size, points, motion.yaws + turn, motion.odometer, draw_parts(rng, kind, size))


def _draw_light(rng: np.random.Generator) -> Light:
    bearing, rise = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(25, 70))
    towards = np.array([np.cos(bearing) * np.cos(rise), np.sin(bearing) * np.cos(rise), np.sin(rise)])
    return Light(towards, sun=float(rng.uniform(0.2, 1.0)), brightness=float(rng.uniform(0.9, 1.15)))
