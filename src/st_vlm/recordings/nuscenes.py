"""nuScenes in its native tables: 2 Hz key frames, boxes in the world frame, any camera.

Tables are read whole at the first recording and shared by all. A fault in a row stops only the scenes that use it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from os import PathLike
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings.images import check_image, path_inside, read_image
from st_vlm.recordings.nuscenes_tables import TABLES, NuScenesTables, poses
from st_vlm.recordings.recording import Camera, Frames, Recording
from st_vlm.recordings.tables import is_file, numbers, read_token_table, value

LICENCE = "CC-BY-NC-SA-4.0"
MINI_VALIDATION = frozenset({"scene-0103", "scene-0916"})


class NuScenes:
    """The scenes of one version of nuScenes; a recording's id is its scene's name.

    `v1.0-mini` is split officially (`MINI_VALIDATION`), `v1.0-test` is all test, and every scene of any other version
    counts as train.

    Args:
        path: The dataset's root, which holds one `v1.0-…` folder, or that folder itself.
        version: Name of the folder, needed when the root holds several.

    Raises:
        InputError: No version or several, a missing table, or a scene table that is empty or broken.
    """

    name = "nuscenes"

    def __init__(self, path: str | PathLike, version: str | None = None) -> None:
        self._folder = _version_folder(Path(path), version)
        self._root = self._folder.parent
        for table in TABLES:
            if not is_file(self._file(table)):
                raise InputError(f"{self._file(table)} is missing. Restore the table from the dataset.")
        scenes = read_token_table(self._file("scene"))
        if not scenes.rows:
            raise InputError(f"{scenes.path} lists no scene. Restore the file.")
        self._scenes: dict[str, dict] = {}
        for row in scenes.rows.values():
            name = value(scenes.path, row, "name")
            if self._scenes.setdefault(name, row) is not row or row["token"] in scenes.repeated:
                raise InputError(f"{scenes.path}: the scene {name} occurs more than once. Restore the file.")
        self._found: NuScenesTables | InputError | None = None

    def recording_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._scenes))

    def cameras(self, recording_id: str) -> tuple[str, ...]:
        tables = self._tables()
        files = defaultdict(list)
        for sample in self._samples(recording_id):
            for row in tables.files_of_sample[sample["token"]]:
                if tables.is_camera(row):
                    files[tables.channel(row)].append(self._image_path(row))
        return tuple(sorted(channel for channel, paths in files.items() if any(map(is_file, paths))))

    def read(self, recording_id: str, camera: str | None = None) -> Recording:
        tables = self._tables()
        samples = self._samples(recording_id)
        rows = tables.key_frames(samples, camera or tables.ego_channel(samples))
        times_ns, ego_poses = tables.ego_path(rows)
        seen = {} if camera is None else self._camera_and_frames(camera, rows, times_ns, ego_poses)
        return Recording(
            id=recording_id,
            source=self.name,
            licence=LICENCE,
            tracks=tables.tracks(self._scenes[recording_id], samples),
            split=self._split(recording_id),
            ego_times_ns=times_ns,
            ego_centres=ego_poses[:, :3, 3],
            **seen,
        )

    def _camera_and_frames(self, channel: str, rows: list[dict], times_ns: np.ndarray, ego_poses: np.ndarray) -> dict:
        tables = self._tables()
        table = self._file("sample_data")
        mounts = [tables.calibration(row) for row in rows]
        calibrations = tables["calibrated_sensor"].path
        intrinsics = numbers(calibrations, mounts, "camera_intrinsic", (3, 3))
        sizes = {(value(table, row, "width", int), value(table, row, "height", int)) for row in rows}
        if len(sizes) > 1 or (intrinsics != intrinsics[0]).any():
            raise InputError(f"{table}: image size or intrinsics of {channel} change within the scene.")
        size = sizes.pop()
        paths = [self._image_path(row) for row in rows]
        for path in paths:
            check_image(path, size, table)
        try:
            camera = Camera(channel, intrinsics[0], size, ego_poses @ poses(calibrations, mounts))
        except InputError as error:
            raise InputError(f"{calibrations}: {error}") from None
        return {
            "camera": camera,
            "frames": Frames(
                times_ns, lambda index: read_image(paths[index]), tuple(str(row["filename"]) for row in rows)
            ),
        }

    def _samples(self, recording_id: str) -> list[dict]:
        """A scene's samples in the order of their links."""
        if recording_id not in self._scenes:
            raise InputError(f"{self._file('scene')} has no scene {recording_id!r}.")
        return self._tables().samples(self._scenes[recording_id])

    def _split(self, scene: str) -> str:
        if self._folder.name == "v1.0-test":
            return "test"
        return "validation" if self._folder.name == "v1.0-mini" and scene in MINI_VALIDATION else "train"

    def _image_path(self, row: dict) -> Path:
        table = self._file("sample_data")
        return path_inside(self._root, value(table, row, "filename"), table)

    def _file(self, table: str) -> Path:
        return self._folder / f"{table}.json"

    def _tables(self) -> NuScenesTables:
        if self._found is None:
            # A failure is kept too: a broken table of a gigabyte is parsed once and not once a scene.
            try:
                self._found = NuScenesTables(self._folder)
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
