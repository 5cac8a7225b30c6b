"""Scenes of streets, courts and toys made from a seed: tracks, poses, RGB, exact depth and masks; no download."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from os import PathLike

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.recordings.recording import Camera, Frames, Recording, Track
from st_vlm.recordings.simulation.drawing import draw_scene
from st_vlm.recordings.simulation.occlusion import visible_shares
from st_vlm.recordings.simulation.programmes import KINDS
from st_vlm.recordings.simulation.rasteriser import Image, image_bounds, render
from st_vlm.recordings.simulation.scene import TICK_S, Scene, tick_indices
from st_vlm.recordings.simulation.settings import SceneSettings
from st_vlm.recordings.source import SourceCard, Split

CAMERA = "camera"
IMAGE_SIZE = (448, 256)
MOST_RECORDINGS = 1_000_000
_FIRST_NS = 1_700_000_000_000_000_000
_FRAME_OFFSET_S = 0.037
_JITTER_S = 0.003
_LIFE_MARGIN = 10
_DEFAULT = SceneSettings()

CARD = SourceCard(
    title="Simulated scenes",
    homepage="",
    licence="CC0-1.0",
    licence_note="Made by st-vlm from a seed; use and share them freely.",
    text=(
        "Scenes of cuboid vehicles, people and toys that move on streets, courts and in halls, rendered from a "
        "driving or a standing camera. "
        "Positions, camera poses and visible shares are exact. Every number of scenes can be made again from its seed."
    ),
    media_may_be_shared=True,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class SimulatedFrames(Frames):
    """Rendered frames with the truth behind them.

    Attributes:
        depth: Maps a frame's index to its (H, W) float32 depth in metres along the camera's z axis, inf for the sky.
        instances: Maps a frame's index to its (H, W) int32 instance mask: an index into `Recording.tracks`, else -1.
    """

    depth: Callable[[int], np.ndarray]
    instances: Callable[[int], np.ndarray]


class Simulated:
    """The source `simulated`: recordings of moving cuboid vehicles and people, seen by a driving or a standing camera.

    Recording k of a seed is the same whatever `num_recordings` is, under the same scene settings. Of every ten, eight
    are `train`, one `validation`, one `test`; with `rig="bench"` all are `test`. Tracks are annotated at 10 Hz while
    the object is in or near the image; frames come at the rig's rate on the camera's own, slightly uneven clock.

    Args:
        path: Must be None: this source reads no files.
        seed: 0 or more.
        num_recordings: How many recordings there are.
        image_size: Width and height in pixels. Scenes are arranged for the default's aspect ratio.
        turning, reversing, stopping, speed_changes, odd_speeds, company, toys, rig: As in `SceneSettings`.

    Raises:
        InputError: An argument that makes no sense.
    """

    name = "simulated"
    card = CARD

    def __init__(
        self,
        path: str | PathLike | None = None,
        *,
        seed: int = 0,
        num_recordings: int = 60,
        image_size: tuple[int, int] = IMAGE_SIZE,
        turning: float = _DEFAULT.turning,
        reversing: float = _DEFAULT.reversing,
        stopping: float = _DEFAULT.stopping,
        speed_changes: float = _DEFAULT.speed_changes,
        odd_speeds: float = _DEFAULT.odd_speeds,
        company: float = _DEFAULT.company,
        toys: float = _DEFAULT.toys,
        rig: str = _DEFAULT.rig,
    ) -> None:
        if path is not None:
            raise InputError(f"The source simulated reads no files: leave the path {path} out.")
        if not _is_whole(seed) or seed < 0:
            raise InputError(f"The seed of the simulated source must be a whole number from 0, not {seed!r}.")
        if not _is_whole(num_recordings) or not 1 <= num_recordings <= MOST_RECORDINGS:
            raise InputError(
                f"num_recordings must be a whole number from 1 to {MOST_RECORDINGS:,}, not {num_recordings!r}."
            )
        pair = isinstance(image_size, tuple | list) and len(image_size) == 2
        if not pair or not all(_is_whole(side) and 16 <= side <= 8192 for side in image_size):
            raise InputError(f"image_size must be a width and a height of 16 to 8192 pixels, not {image_size!r}.")
        self.seed, self.num_recordings = int(seed), int(num_recordings)
        self.image_size = (int(image_size[0]), int(image_size[1]))
        self.settings = SceneSettings(
            turning=turning,
            reversing=reversing,
            stopping=stopping,
            speed_changes=speed_changes,
            odd_speeds=odd_speeds,
            company=company,
            toys=toys,
            rig=rig,
        )

    def recording_ids(self) -> Sequence[str]:
        """`sim-<seed>-<index>` for every recording, `simbench-<seed>-<index>` with the benchmark's rig."""
        return tuple(self._id(index) for index in range(self.num_recordings))

    def split(self, recording_id: str) -> Split:
        """Of every ten recordings, eight are `train`, one `validation`, one `test`; the benchmark's are all `test`."""
        index = self._index(recording_id)
        return "test" if self.settings.cameras.held_out else {8: "validation", 9: "test"}.get(index % 10, "train")

    def cameras(self, recording_id: str, images: bool = True) -> Sequence[str]:
        """The one camera that every recording has."""
        self._index(recording_id)
        return (CAMERA,)

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        """One recording; with `camera="camera"` its frames are rendered as they are read."""
        index = self._index(recording_id)
        if camera not in (None, CAMERA):
            raise InputError(f"Recording {recording_id} has no camera {camera!r}: its only camera is {CAMERA!r}.")
        scene = draw_scene(self.seed, index, self.settings)
        start = _FIRST_NS + index * 60_000_000_000
        intrinsics = _intrinsics(scene, self.image_size)
        tracks, owners = _tracks(scene, start, intrinsics, self.image_size)
        ticks = tick_indices(scene.duration_s)
        centres = scene.view.poses_at(np.arange(len(ticks)) * TICK_S)[:, :3, 3]
        seen = {}
        if camera is not None:
            rng = np.random.default_rng([*scene.seed, 3])
            rate = self.settings.cameras.frame_rate
            count = round(scene.duration_s * rate)
            offsets = np.arange(count) / rate + _FRAME_OFFSET_S + rng.uniform(-_JITTER_S, _JITTER_S, count)
            times = np.rint(offsets * 1e9).astype(np.int64)
            poses = scene.view.poses_at(times * 1e-9)
            seen = {
                "camera": Camera(CAMERA, intrinsics, self.image_size, poses),
                "frames": _frames(scene, times, start, poses, intrinsics, self.image_size, owners)
                if images
                else Frames(start + times, None),
            }
        return Recording(
            id=recording_id,
            source=self.name,
            licence=CARD.licence,
            tracks=tracks,
            domain="simulated",
            split=self.split(recording_id),
            pose_slack=0.0,
            ego_times_ns=_tick_times(start, len(ticks)),
            ego_centres=centres,
            **seen,
        )

    def _id(self, index: int) -> str:
        return f"{self.settings.cameras.prefix}-{self.seed}-{index:05d}"

    def _index(self, recording_id: str) -> int:
        parts = str(recording_id).split("-")
        index = int(parts[2]) if len(parts) == 3 and parts[2].isascii() and parts[2].isdigit() else -1
        if not 0 <= index < self.num_recordings or recording_id != self._id(index):
            raise InputError(
                f"The simulated source has no recording {recording_id!r}: with seed {self.seed} there are "
                f"{self._id(0)} to {self._id(self.num_recordings - 1)}."
            )
        return index


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _tick_times(start_ns: int, count: int) -> np.ndarray:
    return start_ns + np.arange(count, dtype=np.int64) * round(TICK_S * 1e9)


def _intrinsics(scene: Scene, size: tuple[int, int]) -> np.ndarray:
    focal = scene.view.focal * size[0]
    return np.array([[focal, 0.0, (size[0] - 1) / 2], [0.0, focal, (size[1] - 1) / 2], [0.0, 0.0, 1.0]])


def _tracks(
    scene: Scene, start_ns: int, intrinsics: np.ndarray, size: tuple[int, int]
) -> tuple[tuple[Track, ...], np.ndarray]:
    """Tracks of the objects that are ever in the image, and each object's index among them or -1.

    A track lasts from one second before the object is first in the image to one second after it is last. Its
    visibility is the share that nothing hides; the image's edge does not count.
    """
    count = len(tick_indices(scene.duration_s))
    seconds = np.arange(count) * TICK_S
    camera = scene.view.poses_at(seconds)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2
    shares = visible_shares(scene, seconds)
    tracks, owners = [], np.full(len(scene.objects), -1, np.int32)
    for index, thing in enumerate(scene.objects):
        centres, yaws = scene.boxes_at(index, seconds)
        rotations = rotation_about_up(yaws)
        corners = (signs * thing.size) @ np.swapaxes(rotations, 1, 2) + centres[:, None]
        bounds = image_bounds((corners - camera[:, None, :3, 3]) @ camera[:, :3, :3], intrinsics, size)
        inside = np.flatnonzero((bounds[:, 2] > bounds[:, 0]) & (bounds[:, 3] > bounds[:, 1]))
        if len(inside) == 0:
            continue
        life = slice(max(inside[0] - _LIFE_MARGIN, 0), min(inside[-1] + _LIFE_MARGIN + 1, count))
        owners[index] = len(tracks)
        tracks.append(
            Track(
                id=f"object-{len(tracks):02d}",
                category=KINDS[thing.kind].category,
                times_ns=_tick_times(start_ns, count)[life],
                centres=centres[life],
                sizes=np.repeat(thing.size[None], life.stop - life.start, axis=0),
                rotations=rotations[life],
                visibility=shares[index, life],
            )
        )
    return tuple(tracks), owners


def _frames(
    scene: Scene,
    times_ns: np.ndarray,
    start_ns: int,
    poses: np.ndarray,
    intrinsics: np.ndarray,
    size: tuple[int, int],
    owners: np.ndarray,
) -> SimulatedFrames:
    @lru_cache(maxsize=2)
    def image(index: int) -> Image:
        if not 0 <= index < len(times_ns):
            raise InputError(f"Frame {index} is outside the recording's {len(times_ns)} frames.")
        moving, shadows = scene.cuboids_at(times_ns[index] * 1e-9)
        return render(moving + scene.scenery, shadows, scene.ground, scene.light, intrinsics, size, poses[index])

    def instances(index: int) -> np.ndarray:
        # The appended -1 is what -1, the owner of ground, sky and scenery, points at.
        return np.append(owners, np.int32(-1))[image(index).instances]

    return SimulatedFrames(
        times_ns=start_ns + times_ns,
        read=lambda index: image(index).rgb.copy(),
        depth=lambda index: image(index).depth.copy(),
        instances=instances,
    )
