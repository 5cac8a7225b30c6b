"""nuPlan in its native SQLite logs, with or without images: a recording is a scene of a log.

A log holds up to an hour of boxes at 20 Hz; its scenes are what one can hold in memory. A log is opened for each call
and closed again, so that a reader may be sent to other processes.
"""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from os import PathLike
from pathlib import Path

from st_vlm.errors import InputError
from st_vlm.recordings.nuplan_cameras import SENSOR_BLOBS, camera_and_frames, channels, channels_with_images
from st_vlm.recordings.nuplan_log import open_log
from st_vlm.recordings.nuplan_parts import Part, list_parts
from st_vlm.recordings.nuplan_tracks import read_sweeps, read_tracks
from st_vlm.recordings.recording import Recording
from st_vlm.recordings.source import SourceCard, Split
from st_vlm.recordings.tables import not_allowed

LICENCE = "CC-BY-NC-SA-4.0"
CARD = SourceCard(
    title="nuPlan",
    homepage="https://www.nuscenes.org/nuplan",
    licence=LICENCE,
    licence_note=(
        "Non-commercial use only, under CC BY-NC-SA 4.0 and Motional's terms of use for its data sets; whoever passes "
        "on what was built from it names nuPlan and keeps the licence."
    ),
    text=(
        "Logs of human driving in Las Vegas, Boston, Pittsburgh and Singapore. The 3D boxes come from Motional's "
        "offline perception, at the 20 Hz of the lidar, in the frame of the map; they were not drawn by people. The "
        "reader takes each scene of a log (about 20 s) as a recording, all seven categories, and up to eight cameras "
        "at about 10 Hz, every image with its own ego pose and the lens's radial and tangential distortion. Logs "
        "without published images give boxes and camera poses alone."
    ),
    media_may_be_shared=True,
    citation="""@inproceedings{caesar2021nuplan,
  title     = {nuPlan: A closed-loop ML-based planning benchmark for autonomous vehicles},
  author    = {Caesar, Holger and Kabzan, Juraj and Tan, Kok Seang and Fong, Whye Kit and Wolff, Eric and
               Lang, Alex and Fletcher, Luke and Beijbom, Oscar and Omari, Sammy},
  booktitle = {CVPR ADP3 workshop},
  year      = {2021}
}""",
)
# Where the logs lie under the path that is given: in it, in splits, in the release, in the folder of releases.
LAYOUTS = ("*.db", "*/*.db", "splits/*/*.db", "nuplan-v*/splits/*/*.db")
# `mini` repeats logs of the other splits.
MINI = "mini"


class NuPlan:
    """The scenes of one log or many; a recording's id is `{log}-{scene}`.

    A split is known by its folder's name alone: folders named `val…` are validation, `test…` test, and all others
    train, among them `trainval`, into which the devkit's users merge both, and `mini`, which takes a few logs from
    each split. A log that lies in `mini` and in another split counts for the other one.

    A log that cannot be opened is one recording of its own name, and reading that says why.

    Args:
        path: One log (`*.db`), a folder of logs, a folder of splits, or the dataset's root with `splits`.
        sensor_blobs: The folder that holds the logs' image folders. Where it is not given, `sensor_blobs` is looked
            for beside the logs and in the three folders above.

    Raises:
        InputError: There is no log, a folder of logs may not be read, one log lies in two splits, or `sensor_blobs` is
            no folder.
    """

    name = "nuplan"
    card = CARD

    def __init__(self, path: str | PathLike, sensor_blobs: str | PathLike | None = None) -> None:
        if sensor_blobs is not None and (not sensor_blobs or not isinstance(sensor_blobs, str | PathLike)):
            raise InputError(f"The option sensor_blobs of nuPlan must be a folder's path, not {sensor_blobs!r}.")
        self._logs = _find_logs(Path(os.path.abspath(path)))
        self._blobs = None if sensor_blobs is None else Path(os.path.abspath(sensor_blobs))
        if self._blobs is not None and not self._blobs.is_dir():
            raise InputError(f"{self._blobs} is not a folder. Give the folder that holds the logs' image folders.")
        # Listed when asked for: thousands of logs need not be opened to read one.
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._folders: dict[Path, bool] = {}

    def recording_ids(self) -> tuple[str, ...]:
        found = [(part.id, log) for log in self._logs for part in self._list(log)]
        owner: dict[str, str] = {}
        for recording_id, log in found:
            if owner.setdefault(recording_id, log) != log:
                raise InputError(
                    f"The logs {owner[recording_id]} and {log} would both make the recording {recording_id}. Give the "
                    "path of one of them."
                )
        return tuple(owner)

    def split(self, recording_id: str) -> Split:
        log, _ = self._find(recording_id)
        folder = self._logs[log].parent.name
        return "validation" if folder.startswith("val") else "test" if folder.startswith("test") else "train"

    def cameras(self, recording_id: str, images: bool = True) -> tuple[str, ...]:
        path, part = self._usable(recording_id)
        with open_log(path) as log:
            if not images:
                return tuple(channels(log))
            return channels_with_images(log, read_sweeps(log, part).span_us, self._sensor_blobs(path), self._folders)

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        path, part = self._usable(recording_id)
        with open_log(path) as log:
            sweeps = read_sweeps(log, part)
            seen = {}
            if camera is not None:
                blobs = self._sensor_blobs(path) if images else None
                seen["camera"], seen["frames"] = camera_and_frames(log, camera, sweeps, blobs, images)
            return Recording(
                id=recording_id,
                source=self.name,
                licence=LICENCE,
                tracks=read_tracks(log, part, sweeps),
                split=self.split(recording_id),
                ego_times_ns=sweeps.times_ns,
                ego_centres=sweeps.world_from_ego[:, :3, 3],
                **seen,
            )

    def _list(self, log: str) -> tuple[Part, ...]:
        if log not in self._parts:
            try:
                with open_log(self._logs[log]) as database:
                    self._parts[log] = list_parts(database)
            except InputError as error:
                self._parts[log] = (Part(log, "0", fault=str(error)),)
        return self._parts[log]

    def _find(self, recording_id: str) -> tuple[str, Part]:
        words = recording_id.split("-")
        for count in range(len(words), 0, -1):
            log = "-".join(words[:count])
            for part in self._list(log) if log in self._logs else ():
                if part.id == recording_id:
                    return log, part
        raise InputError(f"No recording {recording_id!r} in the {len(self._logs)} logs that were opened.")

    def _usable(self, recording_id: str) -> tuple[Path, Part]:
        log, part = self._find(recording_id)
        if part.fault:
            raise InputError(part.fault)
        return self._logs[log], part

    def _sensor_blobs(self, path: Path) -> Path | None:
        if self._blobs is not None:
            return self._blobs
        beside = (folder / SENSOR_BLOBS for folder in path.parents[:4])
        return next((folder for folder in beside if folder.is_dir()), None)


def _find_logs(path: Path) -> dict[str, Path]:
    """Log name -> file, in the order of the names."""
    try:
        if path.is_file():
            return {path.stem: path}
        if not path.is_dir():
            raise InputError(f"{path} is no file or folder. Give a log of nuPlan (*.db), or a folder of logs.")
    except OSError as error:
        raise not_allowed(path, error) from None
    refused: dict[str, list[InputError]] = {layout: [] for layout in LAYOUTS}
    for layout in LAYOUTS:
        files = _matching(path, layout.split("/"), refused[layout])
        if files:
            break
    # Beside logs that were found only what lies where they do: folders of images may be closed to us.
    closed = refused[layout] if files else [error for errors in refused.values() for error in errors]
    if closed:
        raise closed[0]
    if not files:
        raise InputError(f"{path} holds no log of nuPlan: there is no *.db in it, nor in splits/*/ below it.")
    logs: dict[str, Path] = {}
    for file in sorted(files, key=lambda file: (file.parent.name == MINI, file)):
        first = logs.setdefault(file.stem, file)
        if first is not file and file.parent.name != MINI:
            raise InputError(f"{first} and {file} are the same log in two splits. Give the path of one split.")
    return dict(sorted(logs.items()))


def _matching(folder: Path, pattern: list[str], refused: list[InputError]) -> list[Path]:
    """The files under a folder whose relative path matches, part by part; what may not be read goes to `refused`.

    As `Path.glob`, which takes folders that may not be read for empty ones.
    """
    here, *below = pattern
    try:
        with os.scandir(folder) as entries:
            found = sorted(folder / entry.name for entry in entries if fnmatchcase(entry.name, here))
        matching = [path for path in found if (path.is_dir() if below else path.is_file())]
    except OSError as error:
        refused.append(not_allowed(folder, error))
        return []
    return [file for path in matching for file in _matching(path, below, refused)] if below else matching
