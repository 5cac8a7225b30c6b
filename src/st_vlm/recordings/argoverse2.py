"""Argoverse 2 sensor logs in their native layout, with or without images."""

from __future__ import annotations

import os
from itertools import islice
from os import PathLike
from pathlib import Path

from st_vlm.errors import InputError
from st_vlm.recordings.argoverse2_boxes import (
    ANNOTATIONS,
    ANNOTATIONS_WITH_EGO,
    EGO_POSES,
    read_boxes,
    read_ego_poses,
)
from st_vlm.recordings.argoverse2_cameras import (
    calibrated_cameras,
    camera_at_images,
    camera_at_sweeps,
    cameras_with_images,
)
from st_vlm.recordings.recording import Recording
from st_vlm.recordings.source import SourceCard, Split

LICENCE = "CC-BY-NC-SA-4.0"
CARD = SourceCard(
    title="Argoverse 2 Sensor Dataset",
    homepage="https://www.argoverse.org/av2.html",
    licence=LICENCE,
    licence_note=(
        "Non-commercial use only; whoever passes on what was built from it names Argoverse and keeps the licence. "
        "That holds for the images in the clips as well as for the boxes."
    ),
    text=(
        "Driving logs of about 15 s from six cities in the United States. The reader takes the 3D boxes of 10 Hz "
        "lidar sweeps, each brought to the city frame by the ego pose of its own sweep (boxes of the ego vehicle "
        "itself, as in logs for scenario mining, are left out), and the images of all calibrated cameras: seven ring "
        "cameras at 20 Hz, of which `ring_front_center` stands upright, and two stereo cameras. The images come "
        "without lens distortion. The splits are the source's own; logs of its test split count where they have boxes."
    ),
    media_may_be_shared=True,
    citation="""\
@inproceedings{Argoverse2,
  title = {Argoverse 2: Next Generation Datasets for Self-Driving Perception and Forecasting},
  author = {Wilson, Benjamin and Qi, William and Agarwal, Tanmay and Lambert, John and Singh, Jagjeet and
            Khandelwal, Siddhesh and Pan, Bowen and Kumar, Ratnesh and Hartnett, Andrew and
            Pontes, Jhony Kaesemodel and Ramanan, Deva and Carr, Peter and Hays, James},
  booktitle = {Proceedings of the Neural Information Processing Systems Track on Datasets and Benchmarks},
  year = {2021}
}""",
)
# How far the hint at a wrong path looks: that may be anybody's disk.
MOST_FOLDERS_SEARCHED, MOST_FOLDERS_NAMED = 1000, 3
SPLITS: dict[str, Split] = {"train": "train", "val": "validation", "test": "test"}


class Argoverse2:
    """The logs under a folder; a recording's id is its log's id.

    Args:
        path: One log, a split (a folder of logs), or the folder of the splits `train`, `val` and `test`. The logs of
            a split `test` that have no annotations are left out, as none are published.

    Raises:
        InputError: The folder holds no log.
    """

    name = "argoverse2"
    card = CARD

    def __init__(self, path: str | PathLike) -> None:
        root = Path(path)
        if not root.is_dir():
            raise InputError(
                f"{root} is not a folder. Give a log of Argoverse 2, a split, or the folder of the splits."
            )
        if _is_log(root):
            logs = [Path(os.path.abspath(root))]
        else:
            splits = [root / name for name in SPLITS if (root / name).is_dir()]
            logs = [log for folder in splits or [root] for log in sorted(folder.iterdir()) if _is_log(log)]
        self._logs = {log.name: log for log in logs}
        if not logs:
            deeper = " or ".join(map(str, _folders_of_logs_below(root)[:MOST_FOLDERS_NAMED]))
            raise InputError(
                f"{root} holds no log of Argoverse 2: no folder in it has {ANNOTATIONS} or {ANNOTATIONS_WITH_EGO}."
                + (f" There are logs further down: give {deeper}." if deeper else "")
            )
        if len(self._logs) < len(logs):
            raise InputError(f"{root} holds the same log in two splits. Give the path of one split.")

    def recording_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self._logs))

    def split(self, recording_id: str) -> Split:
        return SPLITS.get(_split_folder(self._log(recording_id)), "train")

    def cameras(self, recording_id: str, images: bool = True) -> tuple[str, ...]:
        log = self._log(recording_id)
        return cameras_with_images(log) if images else calibrated_cameras(log)

    def read(self, recording_id: str, camera: str | None = None, images: bool = True) -> Recording:
        log = self._log(recording_id)
        ego = read_ego_poses(log)
        tracks, sweeps_ns = read_boxes(log, ego)
        seen = (None, None)
        if camera is not None and images:
            above = log.parent.parent if _split_folder(log) in SPLITS else log.parent
            seen = camera_at_images(log, camera, ego, above)
        elif camera is not None:
            seen = camera_at_sweeps(log, camera, ego, sweeps_ns)
        return Recording(
            id=recording_id,
            source=self.name,
            licence=LICENCE,
            tracks=tracks,
            camera=seen[0],
            frames=seen[1],
            split=self.split(recording_id),
            ego_times_ns=ego.times_ns,
            ego_centres=ego.city_from_ego[:, :3, 3],
        )

    def _log(self, recording_id: str) -> Path:
        if recording_id not in self._logs:
            raise InputError(f"No log {recording_id!r} among the {len(self._logs)} that were opened.")
        return self._logs[recording_id]


def _split_folder(log: Path) -> str:
    return Path(os.path.abspath(log)).parent.name


def _is_log(folder: Path) -> bool:
    """A folder with annotations, or with ego poses whose annotations got lost, or closed to us (`read` says so)."""
    try:
        if any((folder / name).is_file() for name in (ANNOTATIONS, ANNOTATIONS_WITH_EGO)):
            return True
        return (folder / EGO_POSES).is_file() and _split_folder(folder) != "test"
    except PermissionError:
        return True


def _folders_of_logs_below(root: Path) -> list[Path]:
    """Folders up to two levels below that hold logs, or splits of them."""
    found, level = [], [root]
    for _ in range(2):
        level = [folder for above in level for folder in _folders_in(above)][:MOST_FOLDERS_SEARCHED]
        found += [folder for folder in level if any(_has_boxes(log) for log in _folders_in(folder))]
    return sorted({one.parent if one.name in SPLITS and one.parent != root else one for one in found})


def _folders_in(folder: Path) -> list[Path]:
    """Some of its folders, sorted; none of a folder that may not be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(e.path) for e in islice(entries, MOST_FOLDERS_SEARCHED) if e.is_dir())
    except OSError:
        return []


def _has_boxes(folder: Path) -> bool:
    return any(os.path.isfile(folder / name) for name in (ANNOTATIONS, ANNOTATIONS_WITH_EGO))
