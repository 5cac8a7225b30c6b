"""The samples of nuScenes and its sensors' files, by scene: a fault in a row stops only the scenes that use it.

Whole columns are linked and checked at once. What is found wrong is looked at row by row only when its scene is read,
to say what and where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion
from st_vlm.recordings.columns import FLAG, INTEGER, NO_INTEGER, SHARED_TEXT, TEXT, numbers_of
from st_vlm.recordings.linked_columns import NO_ROW, LinkedColumns, coded, empty, first_of
from st_vlm.recordings.recording import check_increasing
from st_vlm.recordings.tables import numbers, read_token_table, value

NS_PER_US = 1000
SAMPLE = {"token": TEXT, "scene_token": SHARED_TEXT, "next": TEXT, "timestamp": INTEGER}
SAMPLE_DATA = {
    "token": TEXT,
    "sample_token": SHARED_TEXT,
    "ego_pose_token": TEXT,
    "calibrated_sensor_token": SHARED_TEXT,
    "filename": TEXT,
    "timestamp": INTEGER,
    "width": INTEGER,
    "height": INTEGER,
    "is_key_frame": FLAG,
}
EGO_POSE = {"token": TEXT, "translation": numbers_of(3), "rotation": numbers_of(4)}


class Samples:
    """The samples (key frame times) of all scenes.

    Attributes:
        table: sample.json.
        scene: (S,) number of the sample's scene; NO_ROW where no scene has its `scene_token`.
        place: (S,) which sample of its scene it is, once `chain` was called for the scene; NO_ROW before.
    """

    def __init__(self, folder: Path, scenes: Sequence[dict]) -> None:
        self.table = LinkedColumns.read(folder / "sample.json", SAMPLE)
        self._scenes = scenes
        codes, tokens = coded(self.table["scene_token"])
        numbers_of_scenes = {scene["token"]: number for number, scene in enumerate(scenes)}
        self.scene = np.array([numbers_of_scenes.get(token, NO_ROW) for token in tokens], np.int64)[codes]
        self.place = np.full(len(self.table), NO_ROW)
        self._members = np.bincount(self.scene[self.scene != NO_ROW], minlength=len(scenes))
        self._next = self.table.rows_of(self.table["next"])
        self._last = empty(self.table["next"])
        self._row_of: dict[str, int] | None = None

    def chain(self, number: int) -> np.ndarray:
        """(M,) rows of a scene's samples from the first along `next`.

        Raises:
            InputError: A link leads nowhere, out of the scene or in a circle, or the times do not increase.
        """
        if self._row_of is None:
            self._row_of = {token: row for row, token in reversed(list(enumerate(self.table.tokens)))}
        scene, members, path = self._scenes[number], int(self._members[number]), self.table.path
        token, referrer = scene.get("first_sample_token"), f"scene.json, token {scene['token']}"
        row = self._row_of.get(token, NO_ROW) if isinstance(token, str) else NO_ROW
        chain = []
        while token:
            self.table.check(row, token, referrer)
            if self.scene[row] != number or len(chain) == members:
                raise InputError(f"{path}: the links `next` of {scene['name']} leave the scene or run in a circle.")
            chain.append(row)
            if self._last[row]:
                break
            referrer = f"{path.name}, token {token}"
            token, row = self.table["next"][row].as_py(), int(self._next[row])
        if len(chain) != members or not chain:
            raise InputError(
                f"{path}: {scene['name']} has {members} samples, but its links `next` reach {len(chain)}."
            )
        rows = np.array(chain)
        check_increasing(times_ns(self.table, rows), f"{path}: the samples of {scene['name']}")
        self.place[rows] = np.arange(len(rows))
        return rows


class SensorFiles:
    """Files of all sensors with their mounts and the ego poses of their times: key frames, and sweeps if asked for.

    Attributes:
        table, poses: sample_data.json and ego_pose.json, the latter without poses that no file refers to.
        mounts, sensors: calibrated_sensor.json and sensor.json.
    """

    def __init__(self, folder: Path, samples: Samples, scenes: int, sweeps: bool) -> None:
        self.mounts = read_token_table(folder / "calibrated_sensor.json")
        self.sensors = read_token_table(folder / "sensor.json")
        # The sweeps are five sixths of the release's table.
        self.table = LinkedColumns.read(folder / "sample_data.json", SAMPLE_DATA, None if sweeps else "is_key_frame")
        poses = LinkedColumns.read(folder / "ego_pose.json", EGO_POSE)
        wanted = first_of(poses["token"], self.table["ego_pose_token"]) != NO_ROW
        self.poses = poses if wanted.all() else poses.kept(np.flatnonzero(wanted))
        self._pose = self.poses.rows_of(self.table["ego_pose_token"])

        self._mount, self._mount_tokens = coded(self.table["calibrated_sensor_token"])
        mounted = [self._channel_and_modality(token) for token in self._mount_tokens]
        self._channel = np.array([channel for channel, _ in mounted], object)
        self._is_camera = np.array([modality == "camera" for _, modality in mounted], bool)
        self._sample = samples.table.rows_of(self.table["sample_token"])
        self._samples = samples
        scene = np.append(samples.scene, NO_ROW)[self._sample]
        self._order = np.argsort(scene, kind="stable")
        self._starts = np.searchsorted(scene[self._order], np.arange(scenes + 1))

    def channels(self, number: int, cameras: bool = False) -> dict[str, np.ndarray]:
        """Channel -> (F,) rows of its files in a scene; of cameras alone if so wanted.

        Raises:
            InputError: A file's calibration or sensor is not in the tables.
        """
        rows = self._order[self._starts[number] : self._starts[number + 1]]
        mounts = self._mount[rows]
        unknown = self._channel[mounts] == ""
        if unknown.any():
            self._explain_channel(rows[int(unknown.argmax())])
        if cameras:
            rows, mounts = rows[self._is_camera[mounts]], mounts[self._is_camera[mounts]]
        channels = self._channel[mounts]
        return {name: rows[channels == name] for name in sorted(set(channels.tolist()))}

    def key_frames(self, rows: np.ndarray, chain: np.ndarray, channel: str) -> np.ndarray:
        """(M,) rows of a channel's one key frame of every sample of a scene.

        Args:
            rows: The channel's rows in the scene, as `channels` gives them.
            chain: (M,) rows of the scene's samples.
            channel: For the sentence.

        Raises:
            InputError: A sample has none, or several.
        """
        rows = rows[self.table["is_key_frame"][rows]]
        places = self._samples.place[self._sample[rows]]
        count = np.bincount(places, minlength=len(chain))
        path, several = self.table.path, count > 1
        if (count == 0).any():
            raise InputError(
                f"{path}: the sample {self._samples.table.tokens[chain[int(count.argmin())]]} has no key frame of "
                f"{channel}. Choose another camera, or restore the row."
            )
        several[places[self.table.repeated[rows]]] = True
        if several.any():
            token = self._samples.table.tokens[chain[int(several.argmax())]]
            raise InputError(f"{path}: the sample {token} has several key frames of {channel}.")
        return rows[np.argsort(places)]

    def in_time_order(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The (F,) rows of one sensor's files by time, and their (F,) nanoseconds."""
        at_ns = times_ns(self.table, rows)
        order = np.argsort(at_ns, kind="stable")
        at_ns = at_ns[order]
        check_increasing(at_ns, f"{self.table.path}: the files of one sensor")
        return rows[order], at_ns

    def ego_poses(self, rows: np.ndarray) -> np.ndarray:
        """(F, 4, 4) world from ego at the times of (F,) files."""
        found = self._pose[rows]
        wrong = found == NO_ROW
        wrong[~wrong] = self.poses.repeated[found[~wrong]]
        if wrong.any():
            row = self.table.row(rows[int(wrong.argmax())])
            token = value(self.table.path, row, "ego_pose_token")
            self.poses.check(found[int(wrong.argmax())], token, f"{self.table.path.name}, token {row['token']}")
        rotations, translations = self.poses["rotation"][found], self.poses["translation"][found]
        if not np.isfinite(translations).all() or not (np.linalg.norm(rotations, axis=1) > 1e-8).all():
            return poses(self.poses.path, [self.poses.row(number) for number in found])
        return pose(rotation_from_quaternion(rotations), translations)

    def calibrations(self, rows: np.ndarray) -> tuple[list[dict], np.ndarray]:
        """The rows of calibrated_sensor.json that (F,) files refer to, and (F,) which of them each does."""
        codes, which = np.unique(self._mount[rows], return_inverse=True)
        return [self.mounts.rows[self._mount_tokens[code]] for code in codes], which

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """(F, 2) width and height in pixels of (F,) images."""
        sizes = np.stack([self.table["width"][rows], self.table["height"][rows]], axis=1)
        wrong = (sizes == NO_INTEGER).any(axis=1)
        if wrong.any():
            row = self.table.row(rows[int(wrong.argmax())])
            for key in ("width", "height"):
                value(self.table.path, row, key, int)
        return sizes

    def _sensor_row(self, mount: dict) -> dict:
        token = value(self.mounts.path, mount, "sensor_token")
        return self.sensors.row(token, f"{self.mounts.path.name}, token {mount['token']}")

    def _channel_and_modality(self, token: str | None) -> tuple[str, str]:
        try:
            sensor = self._sensor_row(self.mounts.row(token, ""))
            return tuple(value(self.sensors.path, sensor, key) for key in ("channel", "modality"))
        except InputError:
            return "", ""

    def _explain_channel(self, number: int) -> None:
        row = self.table.row(number)
        token = value(self.table.path, row, "calibrated_sensor_token")
        sensor = self._sensor_row(self.mounts.row(token, f"{self.table.path.name}, token {row['token']}"))
        for key in ("channel", "modality"):
            if not value(self.sensors.path, sensor, key):
                raise InputError(f"{self.sensors.path}: the sensor {sensor['token']} has no {key}. Restore the row.")


def times_ns(table: LinkedColumns, rows: np.ndarray) -> np.ndarray:
    """(M,) int64 nanoseconds of rows with a `timestamp` in microseconds."""
    at_us = table["timestamp"][rows]
    wrong = np.abs(at_us.astype(np.float64)) > np.iinfo(np.int64).max / NS_PER_US - 1
    if wrong.any():
        value(table.path, table.row(rows[int(wrong.argmax())]), "timestamp", int)
        raise InputError(f"{table.path}: a timestamp is not a time in microseconds. Restore the file.")
    return at_us * NS_PER_US


def rotations(path: Path, rows: Sequence[Mapping]) -> np.ndarray:
    """(N, 3, 3) rotations of N rows as written, or a sentence that names the row at fault."""
    wxyz = numbers(path, rows, "rotation", (4,))
    zero = np.linalg.norm(wxyz, axis=1) < 1e-8
    if zero.any():
        raise InputError(
            f"{path}: the rotation of the row with the token {rows[int(zero.argmax())]['token']} is zero. "
            "Restore the row."
        )
    return rotation_from_quaternion(wxyz)


def poses(path: Path, rows: Sequence[Mapping]) -> np.ndarray:
    """(N, 4, 4) poses of N rows as written, or a sentence that names the row at fault."""
    return pose(rotations(path, rows), numbers(path, rows, "translation", (3,)))
