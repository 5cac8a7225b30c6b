"""Clips at twice the frame rate, from the source's own images half-way between a clip's frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.evaluation.controls.change import SECOND_CRF, Change, LeftOut
from st_vlm.kinematics.projection import project_boxes
from st_vlm.kinematics.resampling import STEP_S, positions_at, rotations_at
from st_vlm.recordings import Camera, Recording, Source, Track
from st_vlm.video.encoding import Fitter, write_video
from st_vlm.video.sampling import MAX_FRAMES

# A camera of 4 Hz has an image at every quarter of a second; clocks jitter.
_NEAR_MIDDLE_NS = round(0.2 * STEP_S * 1e9)
_SAME_FRAME_NS = 1_000
# Metres. A place tells another seed's recording, or another version's, that bears the same name.
_SAME_PLACE = 1e-6


class SourceFrames:
    """The change of `double_frame_rate`: reads the recordings again.

    Args:
        source: The opened source that the folder was built from.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._read: tuple[tuple[str, str], Recording] | None = None

    @staticmethod
    def needed(row: Mapping, recording: Recording, seed: int) -> Change:
        """Stands where no source was given."""
        raise InputError("Twice the frame rate needs the recordings again: say where they are with --data.")

    def __call__(self, row: Mapping, recording: Recording, seed: int) -> Change:
        """Add a frame between any two of the clip's.

        Raises:
            LeftOut: No image there, or more frames than a model is given.
            InputError: The source has no such recording, or not this clip's frames.
        """
        if 2 * len(row["timestamps"]) - 1 > MAX_FRAMES:
            raise LeftOut("too_long")
        filmed = self._recording(row["recording"], row["camera"]["name"])
        frames = _frames(row, filmed)
        times = (filmed.frames.times_ns[frames] - row["start_ns"]) * 1e-9
        size = tuple(row["camera"]["size"])
        tracks = {track.id: track for track in recording.tracks}
        _check_tracks([tracks[mark["track_id"]] for mark in row["marks"]], filmed, row)
        camera = {**row["camera"], "poses": filmed.camera.poses[frames].tolist()}
        paths = filmed.frames.paths
        columns = {
            "marks": [
                {**mark, "boxes": _boxes(mark["boxes"], tracks[mark["track_id"]], filmed, frames, row["camera"])}
                for mark in row["marks"]
            ],
            "timestamps": [round(float(t), 6) for t in times],
            "camera": camera,
            "source_frames": [paths[k] for k in frames] if paths else [],
        }

        def write(stored: Path, target: Path) -> None:
            fit = Fitter(size)
            pictures = [fit(filmed.frames.read(int(k))) for k in frames]
            write_video(target, pictures, columns["timestamps"], crf=SECOND_CRF)

        return Change(columns, write)

    def _recording(self, name: str, camera: str) -> Recording:
        if self._read is None or self._read[0] != (name, camera):
            self._read = (name, camera), self._source.read(name, camera)
        return self._read[1]


def _frames(row: Mapping, filmed: Recording) -> np.ndarray:
    """Indices of the clip's frames in the recording, and of one between any two."""
    known = filmed.frames.times_ns
    wanted = row["start_ns"] + np.rint(np.array(row["timestamps"]) * 1e9).astype(np.int64)
    own = np.abs(known[:, None] - wanted).argmin(axis=0)
    apart = np.abs(filmed.camera.poses[own] - np.array(row["camera"]["poses"]))
    if (np.abs(known[own] - wanted) > _SAME_FRAME_NS).any() or apart.max() > _SAME_PLACE:
        raise InputError(f"{row['recording']} has other frames there than {row['clip_id']}: give the data it is from.")
    frames = [int(own[0])]
    for before, after in pairwise(own):
        middle = (known[before] + known[after]) // 2
        between = np.arange(before + 1, after)
        nearest = between[np.abs(known[between] - middle).argmin()] if len(between) else before
        if nearest == before or abs(known[nearest] - middle) > _NEAR_MIDDLE_NS:
            raise LeftOut("slow_camera")
        frames += [int(nearest), int(after)]
    return np.array(frames)


def _check_tracks(stored: Sequence[Track], filmed: Recording, row: Mapping) -> None:
    """Refuse a recording of the same name in which the marked objects move otherwise."""
    there = {track.id: track for track in filmed.tracks}
    for track in stored:
        found = there.get(track.id)
        if (
            found is None
            or not np.array_equal(found.times_ns, track.times_ns)
            or np.abs(found.centres - track.centres).max() > _SAME_PLACE
        ):
            raise InputError(
                f"{row['recording']} has another track {track.id} than {row['clip_id']}: give the data it is from."
            )


def _boxes(
    stored: list, track: Track, filmed: Recording, frames: np.ndarray, camera: Mapping
) -> list[list[float] | None]:
    """A mark's stored boxes, and between two of them what the track projects to."""
    lens = Camera(
        camera["name"],
        np.array(camera["intrinsics"]),
        tuple(camera["size"]),
        filmed.camera.poses[frames],
        camera["distortion"],
        tuple(camera["distortion_coefficients"]),
    )
    times = filmed.frames.times_ns[frames]
    nearest = np.abs(track.times_ns[:, None] - times).argmin(axis=0)
    projected = project_boxes(
        positions_at(track.times_ns, track.centres, times),
        track.sizes[nearest],
        rotations_at(track.times_ns, track.rotations, times),
        lens.poses,
        lens,
    ).clipped
    boxes: list = []
    for k, box in enumerate(projected):
        seen = k % 2 == 0 or (stored[k // 2] is not None and stored[k // 2 + 1] is not None and np.isfinite(box).all())
        boxes.append(stored[k // 2] if k % 2 == 0 else [round(float(v), 2) for v in box] if seen else None)
    return boxes
