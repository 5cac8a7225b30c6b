"""The source `pseudo`: clips that `st-vlm pseudo-label` has lifted, read as recordings like those of any other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import rotation_about_up
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.files import CLIP_FILE, CLIPS, FAILED_FILE, RUN_FILE, TRACKS_FILE, read_json
from st_vlm.pseudo_labels.frames import confined
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks, read_tracks
from st_vlm.recordings.recording import Camera, Frames, Recording, Track
from st_vlm.recordings.source import SourceCard, Split
from st_vlm.recordings.video_frames import VideoFrames

CAMERA = "camera"
# Of a question's answer: how far it may be expected to be off, relative, or how probably wrong.
MOST_EXPECTED_ERROR = 0.2

CARD = SourceCard(
    title="Pseudo-labelled videos",
    homepage="",
    licence="unknown",
    licence_note=(
        "Each row tells the licence of its video as whoever labelled it stated it, and those of the models that found "
        "and lifted its objects (`quality.labelled_by`). Look at both before you pass rows or videos on."
    ),
    text=(
        "Videos without 3D labels. Their objects were found in the image and lifted to metres by depth, lens and "
        "camera poses that were given or estimated; what stands still corrected the depth. Every row carries the "
        "error that its answer is expected to have (`quality.expected_error`)."
    ),
    media_may_be_shared=True,
)


class PseudoLabelled:
    """The source `pseudo`: one recording a clip that was lifted.

    Args:
        path: The folder that `st-vlm pseudo-label` wrote.
        videos: The folder of the videos, where it has moved since; None: where it was.
        max_expected_error: Questions whose answer is expected to be farther off are not asked.

    Raises:
        InputError: The folder is none of those, or holds no lifted clip.
    """

    name = "pseudo"
    card = CARD

    def __init__(
        self,
        path: str | PathLike,
        *,
        videos: str | PathLike | None = None,
        max_expected_error: float = MOST_EXPECTED_ERROR,
    ) -> None:
        self.path = Path(path)
        if not (self.path / CLIPS).is_dir():
            raise InputError(f"{path} holds no pseudo-labels: give a folder that `st-vlm pseudo-label` wrote.")
        if not max_expected_error > 0:
            raise InputError(f"max_expected_error must be a positive share, not {max_expected_error!r}.")
        self.max_expected_error = float(max_expected_error)
        self._videos = None if videos is None else Path(videos)
        if not self._ids:
            raise InputError(f"{path}: no clip has been lifted. Look at the reasons with `st-vlm pseudo-label`.")

    @cached_property
    def _ids(self) -> tuple[str, ...]:
        folders = sorted((self.path / CLIPS).iterdir())
        return tuple(
            folder.name
            for folder in folders
            if (folder / TRACKS_FILE).is_file() and not (folder / FAILED_FILE).exists()
        )

    @cached_property
    def videos(self) -> Path:
        """The folder of the videos."""
        return self._videos or Path(read_json(self.path / RUN_FILE)["videos"])

    def recording_ids(self) -> Sequence[str]:
        """The clips that were lifted, in the order of their names."""
        return self._ids

    def split(self, recording_id: str) -> Split:
        """As the videos' layout says; else all clips of a video are `validation` for one video in ten, by its name."""
        clip = self._clip(recording_id)
        if clip.split is not None:
            return clip.split
        return "validation" if hashlib.sha256(clip.video.encode()).digest()[0] % 10 == 9 else "train"

    def cameras(self, recording_id: str, images: bool = True) -> Sequence[str]:
        """The one camera of the clip; none where images are asked for and the video is gone."""
        clip = self._clip(recording_id)
        return (CAMERA,) if not images or confined(self.videos, clip.video).is_file() else ()

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        """One clip.

        Raises:
            InputError: There is no such clip or camera, or its files cannot be read.
        """
        clip = self._clip(recording_id)
        if camera not in (None, CAMERA):
            raise InputError(f"Clip {recording_id} has no camera {camera!r}: its only camera is {CAMERA!r}.")
        lifted = read_tracks(self.path / CLIPS / recording_id / TRACKS_FILE)
        if len(lifted.poses) != len(clip.frames):
            raise InputError(f"Clip {recording_id} has {len(clip.frames)} frames but {len(lifted.poses)} poses.")
        found = recording_of(clip, lifted)
        seen = {}
        if camera is not None:
            seen["camera"] = Camera(CAMERA, lifted.intrinsics, tuple(clip.size), lifted.poses)
            seen["frames"] = self._frames(clip, images)
        return replace(found, split=self.split(recording_id), error_bound=self.max_expected_error, **seen)

    def _clip(self, recording_id: str) -> Clip:
        if recording_id not in self._ids:
            raise InputError(f"{self.path} has no lifted clip {recording_id!r}.")
        return Clip.read(self.path / CLIPS / recording_id / CLIP_FILE)

    def _frames(self, clip: Clip, images: bool) -> Frames:
        read = None
        if images:
            path = confined(self.videos, clip.video)
            read = _Reader(path, clip.frames)
        paths = tuple(f"{clip.video}#{number}" for number in clip.frames)
        return Frames(np.array(clip.times_ns, np.int64), read, paths)


class _Reader:
    """Frames of a clip by their number in it; the video is opened when the first is read."""

    def __init__(self, path: Path, numbers: Sequence[int]) -> None:
        self._path, self._numbers = path, numbers
        self._video: VideoFrames | None = None

    def __call__(self, index: int) -> np.ndarray:
        if self._video is None:
            self._video = VideoFrames(self._path)
        return self._video.read(self._numbers[index])


def recording_of(clip: Clip, lifted: LiftedTracks) -> Recording:
    """The tracks of a clip as a recording without a camera."""
    return Recording(
        id=clip.id,
        source=PseudoLabelled.name,
        licence=clip.licence,
        tracks=tuple(_track(clip, lifted, k) for k in range(len(lifted))),
        domain=clip.domain,
        provenance="pseudo",
        labelled_by=", ".join(f"{name}: {licence}" for name, licence in lifted.quality.licences.items()),
        ego_times_ns=np.array(clip.times_ns, np.int64),
        ego_centres=lifted.poses[:, :3, 3],
    )


def _track(clip: Clip, lifted: LiftedTracks, k: int) -> Track:
    known = np.flatnonzero(lifted.known[k])
    count = len(known)
    draws = lifted.draws[:, k, known]
    centres = lifted.centres[k, known]
    heights = np.broadcast_to(centres[None, :, 2:], (*draws.shape[:2], 1))
    return Track(
        id=str(lifted.numbers[k]),
        category=lifted.categories[k],
        times_ns=np.array(clip.times_ns, np.int64)[known],
        centres=centres,
        sizes=np.tile(lifted.sizes[k], (count, 1)),
        rotations=rotation_about_up(lifted.headings[k, known]),
        centre_sigma=np.full(count, lifted.sigma[k]),
        image_boxes=lifted.boxes[k, known],
        centre_draws=np.concatenate([draws, heights], axis=-1),
    )
