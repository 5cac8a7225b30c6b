"""A scene: a place, a camera, objects with their motions; and its state at any time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.recordings.simulation.bodies import Parts, stride
from st_vlm.recordings.simulation.ground import Ground, draw_ground
from st_vlm.recordings.simulation.motion import STEP_S
from st_vlm.recordings.simulation.placement import Path, ego_path
from st_vlm.recordings.simulation.rasteriser import Cuboids, Light, Shadows
from st_vlm.recordings.simulation.scenery import draw_scenery
from st_vlm.recordings.simulation.viewpoints import Viewpoint

TICK_S = 0.1


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
    """Everything that a recording shows. Textures and scenery are drawn only when asked for, from the seed."""

    seed: tuple[int, ...]
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
