"""nuScenes in its native tables: 2 Hz key frames or 12 Hz sweeps of any camera, boxes in the world frame.

Tables are read whole at the first recording and shared by all. A fault in a row stops only the scenes that use it.
"""

from __future__ import annotations

import os
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings.images import check_image, path_inside, read_image
from st_vlm.recordings.nuscenes_boxes import Boxes
from st_vlm.recordings.nuscenes_splits import split_of_scene
from st_vlm.recordings.nuscenes_tables import Samples, SensorFiles, poses
from st_vlm.recordings.recording import Camera, Frames, Recording
from st_vlm.recordings.source import SourceCard, Split
from st_vlm.recordings.tables import is_file, numbers, read_token_table, value

TABLES = (
    "scene",
    "sample",
    "sample_data",
    "sample_annotation",
    "instance",
    "category",
    "ego_pose",
    "calibrated_sensor",
    "sensor",
)
EGO_CHANNEL = "LIDAR_TOP"
LICENCE = "CC-BY-NC-SA-4.0"
CARD = SourceCard(
    title="nuScenes",
    homepage="https://www.nuscenes.org",
    licence=LICENCE,
    licence_note=(
        "nuScenes is free for non-commercial use under CC BY-NC-SA 4.0 and the terms of use at "
        "https://www.nuscenes.org/terms-of-use: whoever passes on what was built from it credits nuScenes, keeps this "
        "licence and takes no money for it. Commercial use needs a licence from Motional."
    ),
    text=(
        "Driving scenes of 20 s from Boston and Singapore, with six cameras around the car. The frames are those of "
        "one camera: the key frames (2 Hz), or all its images (12 Hz) when sweeps are asked for. Objects are the 3D "
        "boxes annotated at the key frames, in the world frame, with the number of lidar points inside and the "
        "annotated visibility; one object is one instance. Camera poses are the car's at the time of each image. "
        "Splits are the official ones by scene: 700 train and 150 validation scenes in v1.0-trainval, eight and two "
        "in v1.0-mini; v1.0-test is all test, and its boxes are not published."
    ),
    media_may_be_shared=True,
    citation="""@inproceedings{caesar2020nuscenes,
  title = {nuScenes: A Multimodal Dataset for Autonomous Driving},
  author = {Caesar, Holger and Bankiti, Varun and Lang, Alex H. and Vora, Sourabh and Liong, Venice Erin and
            Xu, Qiang and Krishnan, Anush and Pan, Yu and Baldan, Giancarlo and Beijbom, Oscar},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages = {11621--11631},
  year = {2020}
}""",
)


class _Tables(NamedTuple):
    """All that is read at the first recording."""

    samples: Samples
    files: SensorFiles
    boxes: Boxes


class NuScenes:
    """The scenes of one version of nuScenes; a recording's id is its scene's name.

    Scenes are split officially (`nuscenes_splits`).

    Args:
        path: The dataset's root, which holds one `v1.0-…` folder, or that folder itself.
        version: Name of the folder, needed when the root holds several.
        sweeps: Whether a camera's frames are all its images (12 Hz) instead of its key frames (2 Hz).

    Raises:
        InputError: No version or several, a missing table, a scene table that is empty or broken, or `sweeps` that is
            neither true nor false.
    """

    name = "nuscenes"
    card = CARD

    def __init__(self, path: str | PathLike, version: str | None = None, sweeps: bool = False) -> None:
        if not isinstance(sweeps, bool):
            raise InputError(f"The option sweeps of nuScenes must be true or false, not {sweeps!r}.")
        self._folder = _version_folder(Path(path), version)
        self._root = self._folder.parent
        self._sweeps = sweeps
        for table in TABLES:
            if not is_file(self._file(table)):
                raise InputError(f"{self._file(table)} is missing. Restore the table from the dataset.")
        scenes = read_token_table(self._file("scene"))
        if not scenes.rows:
            raise InputError(f"{scenes.path} lists no scene. Restore the file.")
        self._scenes = list(scenes.rows.values())
        self._numbers: dict[str, int] = {}
        for number, row in enumerate(self._scenes):
            name = value(scenes.path, row, "name")
            if self._numbers.setdefault(name, number) != number or row["token"] in scenes.repeated:
                raise InputError(f"{scenes.path}: the scene {name} occurs more than once. Restore the file.")
        self._found: _Tables | InputError | None = None

    def recording_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._numbers))

    def split(self, recording_id: str) -> Split:
        return split_of_scene(self._folder.name, recording_id)

    def cameras(self, recording_id: str, images: bool = True) -> tuple[str, ...]:
        number, _ = self._scene(recording_id)
        channels = self._tables().files.channels(number, cameras=True)
        return tuple(
            channel
            for channel, rows in channels.items()
            if not images or any(is_file(path) for _, path in map(self._image, rows))
        )

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        number, chain = self._scene(recording_id)
        tables = self._tables()
        files = tables.files
        channels = files.channels(number)
        channel = camera or (EGO_CHANNEL if EGO_CHANNEL in channels else next(iter(channels), None))
        rows, times_ns, ego_poses = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 4, 4))
        # Tables without sensor files give tracks without an ego path.
        if channel is not None:
            of_channel = channels.get(channel, rows)
            rows = files.key_frames(of_channel, chain, channel)
            rows, times_ns = files.in_time_order(of_channel if camera and self._sweeps else rows)
            ego_poses = files.ego_poses(rows)
        return Recording(
            id=recording_id,
            source=self.name,
            licence=LICENCE,
            tracks=tables.boxes.tracks(number, chain),
            split=self.split(recording_id),
            ego_times_ns=times_ns,
            ego_centres=ego_poses[:, :3, 3],
            **(self._camera_and_frames(camera, rows, times_ns, ego_poses, images) if camera else {}),
        )

    def _camera_and_frames(
        self, channel: str, rows: np.ndarray, times_ns: np.ndarray, ego_poses: np.ndarray, images: bool
    ) -> dict:
        files, table = self._tables().files, self._file("sample_data")
        mounts, mount_of = files.calibrations(rows)
        calibrations = files.mounts.path
        intrinsics = numbers(calibrations, mounts, "camera_intrinsic", (3, 3))
        sizes = {(int(width), int(height)) for width, height in files.sizes(rows)}
        if len(sizes) > 1 or (intrinsics != intrinsics[0]).any():
            raise InputError(f"{table}: image size or intrinsics of {channel} change within the scene.")
        size = sizes.pop()
        names, paths = zip(*map(self._image, rows), strict=True)
        for path in paths if images else ():
            check_image(path, size, table)
        try:
            camera = Camera(channel, intrinsics[0], size, ego_poses @ poses(calibrations, mounts)[mount_of])
        except InputError as error:
            raise InputError(f"{calibrations}: {error}") from None
        read = (lambda index: read_image(paths[index])) if images else None
        return {"camera": camera, "frames": Frames(times_ns, read, names)}

    def _scene(self, recording_id: str) -> tuple[int, np.ndarray]:
        """A scene's number and the rows of its samples in the order of their links."""
        if recording_id not in self._numbers:
            raise InputError(f"{self._file('scene')} has no scene {recording_id!r}.")
        number = self._numbers[recording_id]
        return number, self._tables().samples.chain(number)

    def _image(self, row: int) -> tuple[str, Path]:
        """An image's name in the tables, and where it should be."""
        files = self._tables().files.table
        name = files["filename"][row].as_py()
        if name is None:
            value(files.path, files.row(row), "filename")
        return name, path_inside(self._root, name, files.path)

    def _file(self, table: str) -> Path:
        return self._folder / f"{table}.json"

    def _tables(self) -> _Tables:
        if self._found is None:
            # A failure is kept too: a broken table of a gigabyte is parsed once and not once a scene.
            try:
                samples = Samples(self._folder, self._scenes)
                boxes = Boxes(self._folder, samples, len(self._scenes))
                files = SensorFiles(self._folder, samples, len(self._scenes), self._sweeps)
                self._found = _Tables(samples, files, boxes)
            except InputError as error:
                self._found = error
        if isinstance(self._found, InputError):
            raise self._found
        return self._found


def _version_folder(path: Path, version: str | None) -> Path:
    if not path.is_dir():
        raise InputError(f"{path} is not a folder. Give the root of nuScenes, or its v1.0-… folder.")
    itself = Path(os.path.abspath(path))
    if itself.name.startswith("v1.0-") and version is None:
        return itself
    versions = sorted(folder.name for folder in path.glob("v1.0-*") if folder.is_dir())
    if version is not None:
        if version not in versions:
            raise InputError(f"{path} has no folder {version}; it has {', '.join(versions) or 'no v1.0-… folder'}.")
        return path / version
    if len(versions) != 1:
        raise InputError(
            f"{path} holds several versions ({', '.join(versions)}): give the path of one of them."
            if versions
            else f"{path} holds no v1.0-… folder. Give the root of nuScenes, or its v1.0-… folder."
        )
    return path / versions[0]
