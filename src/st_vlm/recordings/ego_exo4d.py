"""Sports takes of Ego-Exo4D: the wearer of the Aria glasses, seen from the static cameras around.

Nobody annotated these boxes: the glasses know where they are, to centimetres, and the wearer stands below them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose
from st_vlm.recordings.ego_exo4d_tables import Calibration, read_calibrations, read_frame_times
from st_vlm.recordings.ego_exo4d_takes import Take, checked_take, names_of_sports, read_splits, read_takes, sport_of
from st_vlm.recordings.ego_exo4d_wearer import read_trajectory, wearer_track
from st_vlm.recordings.images import path_inside
from st_vlm.recordings.recording import Camera, Frames, Recording, Track
from st_vlm.recordings.source import SourceCard, Split
from st_vlm.recordings.tables import is_file
from st_vlm.recordings.video_frames import VideoFrames

LICENCE = "Ego-Exo4D License"
CARD = SourceCard(
    title="Ego-Exo4D",
    homepage="https://ego-exo4d-data.org",
    licence=LICENCE,
    licence_note=(
        "Whoever uses the data signs the Ego-Exo4D licence agreement with the consortium, and may not pass its videos "
        "on; publish what was built from it without them."
    ),
    text=(
        "Takes of basketball, soccer and dance. The camera wearer is the one object: a cuboid of a standing person "
        "below the Aria glasses, whose path comes from the closed-loop trajectory of Aria's machine perception "
        "services. Frames are those of the calibrated static cameras, at 30 Hz, at the Aria's own times. Rock "
        "climbing is left out: it goes up, and questions are about motion in the ground plane. Splits are the "
        "dataset's own (`splits.json`); takes in no split count as train."
    ),
    media_may_be_shared=False,
    citation="""@inproceedings{grauman2024egoexo4d,
  title = {Ego-Exo4D: Understanding Skilled Human Activity from First- and Third-Person Perspectives},
  author = {Grauman, Kristen and others},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year = {2024}
}""",
)
SPORTS = ("Basketball", "Soccer", "Dance")
TAKES = "takes.json"
TRAJECTORY = Path("trajectory", "closed_loop_trajectory.csv")
CALIBRATIONS = Path("trajectory", "gopro_calibs.csv")
DOWNSCALED = ("downscaled", "448")
# A video may hold this many frames more or fewer than its take has rows of timesync.csv.
MOST_FRAMES_OFF = 2
# A downscaled video's sides are rounded to whole, even pixels.
MOST_PIXELS_OFF = 2


@dataclass(frozen=True, eq=False)
class _Shared:
    """What the cameras of a take share.

    Attributes:
        times_ns: (F,) int64 of the take's rows of `timesync.csv`, -1 without a frame of the Aria.
        world, upright: As in `ego_exo4d_wearer.Trajectory`.
        track: The wearer.
    """

    times_ns: np.ndarray
    world: str
    upright: np.ndarray
    track: Track


class EgoExo4D:
    """The sports takes under a folder; a recording's id is its take's name.

    Frame k of every frame-aligned video belongs to row `timesync_start_idx` + k of the capture's `timesync.csv`; its
    time is the Aria's capture time there. A row without one gives no frame, and neither does one that repeats the
    time of the row before.

    Once one video of a take's calibrated static cameras is on disk, `cameras` lists all of them that `takes.json` has
    a video for, and `read` refuses those whose video is missing. A take with none of them is one without images.

    Args:
        path: The folder that holds `takes.json`, `takes/`, `captures/` and, where splits are wanted, `annotations/`.
        sports: The activities to take, as `parent_task_name` (or `task_name`) has them; capitals do not matter.
            `Rock Climbing` is not among the usual ones: it goes up, and what counts here is the ground plane.

    Raises:
        InputError: There is no usable `takes.json`, no take of these sports, one of them is unknown, or `splits.json`
            is broken.
    """

    name = "ego_exo4d"
    card = CARD

    def __init__(self, path: str | PathLike, sports: str | Sequence[str] = SPORTS) -> None:
        self._root = Path(path)
        self._table = self._root / TAKES
        wanted = names_of_sports(sports)
        takes = read_takes(self._table)
        self._entries = {
            name: entries
            for name, entries in takes.items()
            if any((sport_of(entry) or "").casefold() in wanted for entry in entries)
        }
        found = {sport_of(entry) or "unnamed" for entries in takes.values() for entry in entries}
        # Of the usual ones some may be absent: a release may be cut to what somebody needs.
        unknown = wanted - {sport.casefold() for sport in (*SPORTS, *found)}
        if unknown or not self._entries:
            raise InputError(
                f"{self._table} has no take of {', '.join(sorted(unknown or wanted))}; "
                f"it has {', '.join(sorted(found)) or 'none at all'}."
            )
        self._splits = read_splits(self._root)
        # The last take read. Its cameras share it, and a trajectory of half an hour takes seconds to parse.
        self._last: tuple[str, _Shared] | None = None

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_last": None}

    def recording_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._entries))

    def split(self, recording_id: str) -> Split:
        return self._splits.get(str(self._entry(recording_id).get("take_uid")), "train")

    def cameras(self, recording_id: str, images: bool = True) -> tuple[str, ...]:
        take = self._take(recording_id)
        known = read_calibrations(self._of_take_or_capture(take, CALIBRATIONS))
        names = tuple(name for name in sorted(known) if name not in take.egos)
        if not images:
            return names
        named = tuple(name for name in names if name in take.videos)
        # One missing beside others is a loss that `read` tells of; a take of which none was downloaded has no images.
        return named if any([self._video(take, name) is not None for name in named]) else ()

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        take = self._take(recording_id)
        last = self._last
        if last is None or last[0] != recording_id:
            last = self._last = None  # before the next is read: two need not be held at once
            last = self._last = (recording_id, self._read_shared(take))
        shared = last[1]
        seen = {} if camera is None else self._camera_and_frames(take, camera, images, shared)
        return Recording(
            id=recording_id,
            source=self.name,
            licence=LICENCE,
            tracks=(shared.track,),
            domain="sports",
            split=self.split(recording_id),
            **seen,
        )

    def _entry(self, recording_id: str) -> dict:
        entries = self._entries.get(recording_id)
        if entries is None:
            raise InputError(f"No take {recording_id!r} of the wanted sports in {self._table}.")
        return entries[0]

    def _take(self, recording_id: str) -> Take:
        entry = self._entry(recording_id)
        if len(self._entries[recording_id]) > 1:
            raise InputError(f"{self._table} has the take {recording_id} more than once. Download it again.")
        take = checked_take(self._table, entry)
        # Refused here, before any path is made of them.
        for relative in (take.folder, f"captures/{take.capture}"):
            path_inside(self._root, relative, self._table)
        return take

    def _read_shared(self, take: Take) -> _Shared:
        times_ns = read_frame_times(self._root / "captures" / take.capture / "timesync.csv", take.aria, *take.rows)
        timed = times_ns[times_ns >= 0]
        path = self._of_take_or_capture(take, TRAJECTORY)
        trajectory = read_trajectory(path, int(timed[0]), int(timed[-1]))
        try:
            track = wearer_track(take.aria, trajectory)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        return _Shared(times_ns, trajectory.world, trajectory.upright, track)

    def _of_take_or_capture(self, take: Take, relative: Path) -> Path:
        """A file cut to the take, or where it is not there, the whole capture's."""
        own = self._root / take.folder / relative
        whole = self._root / "captures" / take.capture / relative
        return whole if not is_file(own) and is_file(whole) else own

    def _video(self, take: Take, camera: str) -> str | None:
        """The path, relative to the root, of the camera's largest video on disk; None where there is none.

        Raises:
            InputError: The path in `takes.json` leads out of the folder.
        """
        named = take.videos.get(camera)
        if named is None:
            return None
        full = path_inside(self._root, f"{take.folder}/{named}", self._table)
        for path in (full, full.parent.joinpath(*DOWNSCALED, full.name)):
            if is_file(path):
                return path.relative_to(self._root).as_posix()
        return None

    def _camera_and_frames(self, take: Take, camera: str, images: bool, shared: _Shared) -> dict:
        table = self._of_take_or_capture(take, CALIBRATIONS)
        calibration = _calibration_in(table, camera, shared.world)
        if camera in take.egos:
            raise InputError(f"{self._table}: the camera {camera} is worn, not static. Choose another camera.")
        own, relative, size, times_ns = None, None, calibration.size, shared.times_ns
        if images:
            relative = self._video(take, camera)
            if relative is None:
                named = take.videos.get(camera)
                where = self._root / take.folder / named if named else f"the camera {camera}, which takes.json lacks"
                raise InputError(
                    f"There is no video of {where}, in full or downscaled. Download it, or choose another camera."
                )
            own = VideoFrames(self._root / relative)
            size = own.size
            times_ns = times_ns[: _common_length(own, len(times_ns), self._table)]
        numbers = _frames_with_own_time(times_ns)
        if not len(numbers):
            raise InputError(f"{own.path}: no frame of it has a time of the Aria in timesync.csv.")
        static = pose(shared.upright, np.zeros(3)) @ calibration.pose
        return {
            "camera": Camera(
                name=camera,
                intrinsics=_scaled(calibration, size, own, table),
                size=size,
                poses=np.tile(static, (len(numbers), 1, 1)),
                distortion="kannala_brandt",
                distortion_coefficients=calibration.coefficients,
            ),
            "frames": Frames(
                times_ns=times_ns[numbers],
                read=None if own is None else lambda index: own.read(int(numbers[index])),
                paths=() if own is None else tuple(f"{relative}#{number}" for number in numbers),
            ),
        }


def _calibration_in(table: Path, camera: str, world: str) -> Calibration:
    """The calibration of a camera in the world frame of the trajectory."""
    cameras = read_calibrations(table)
    found = cameras.get(camera, [])
    for row in found:
        if isinstance(row, InputError):
            raise row
    found = [row for row in found if row.world == world]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"{table} has several rows for the camera {camera} in one world. Choose another camera.")
    if camera in cameras:
        raise InputError(
            f"{table}: the camera {camera} is calibrated in another world than the trajectory is in (graph_uid "
            f"{world}). Choose another camera."
        )
    raise InputError(
        f"{table} has no calibration that holds throughout for the camera {camera}. Choose one of "
        f"{', '.join(sorted(cameras)) or 'another take'}."
    )


def _common_length(video: VideoFrames, rows: int, table: Path) -> int:
    if abs(len(video) - rows) > MOST_FRAMES_OFF:
        raise InputError(
            f"{video.path} has {len(video)} frames, but {table} gives the take {rows} rows: they do not belong "
            "together. Download both again."
        )
    return min(len(video), rows)


def _frames_with_own_time(times_ns: np.ndarray) -> np.ndarray:
    """Numbers of the frames that have a time (not -1) later than every one before."""
    latest = np.maximum.accumulate(times_ns)
    return np.flatnonzero((times_ns >= 0) & (np.diff(latest, prepend=-1) > 0))


def _scaled(calibration: Calibration, size: tuple[int, int], video: VideoFrames | None, table: Path) -> np.ndarray:
    """The (3, 3) intrinsics for an image of another size."""
    (width, height), (full_width, full_height) = size, calibration.size
    off = abs(width - full_width * height / full_height)
    if min(off, abs(height - full_height * width / full_width)) > MOST_PIXELS_OFF:
        raise InputError(
            f"{video.path} has {width}x{height} pixels, which is no scaled {full_width}x{full_height} of {table}: "
            "boxes would be drawn in wrong places. Use the original videos."
        )
    return np.diag([width / full_width, height / full_height, 1.0]) @ calibration.intrinsics
