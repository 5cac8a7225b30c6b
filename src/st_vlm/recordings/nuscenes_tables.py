"""The tables of nuScenes, grouped by scene and sample: a fault in a row stops only the scenes that use it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import pose, rotation_from_quaternion
from st_vlm.recordings.recording import Track, check_increasing
from st_vlm.recordings.tables import TokenTable, numbers, read_token_table, value

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
# Visible share of the object, as the middle of the annotators' four bands.
VISIBLE_SHARE = {"": np.nan, "1": 0.2, "2": 0.5, "3": 0.7, "4": 0.9}
EGO_CHANNEL = "LIDAR_TOP"
NS_PER_US = 1000


class NuScenesTables:
    """All tables, grouped by scene and sample."""

    def __init__(self, folder: Path) -> None:
        def read(name, keep=None):
            return read_token_table(folder / f"{name}.json", keep)

        # Only key frames and their poses are kept: the sweeps are five sixths of both tables.
        key_frames = read("sample_data", lambda row: row.get("is_key_frame", True))
        # "" keeps rows without a token, which are then refused.
        wanted = {"", *(_token(row, "ego_pose_token") for row in key_frames.rows.values())}
        self._tables = {name: read(name) for name in TABLES if name not in ("scene", "sample_data", "ego_pose")}
        self._tables["sample_data"] = key_frames
        self._tables["ego_pose"] = read("ego_pose", lambda row: _token(row, "token") in wanted)

        self.files_of_sample = defaultdict(list)
        for row in key_frames.rows.values():
            self.files_of_sample[_token(row, "sample_token")].append(row)
        self._samples_of_scene = defaultdict(list)
        for row in self["sample"].rows.values():
            self._samples_of_scene[_token(row, "scene_token")].append(row)
        self._boxes_of_scene = defaultdict(list)
        # Boxes of no known sample, by instance: they stop the scene where the rest of the instance lies.
        self._stray_boxes = {}
        samples = self["sample"].rows
        for row in self["sample_annotation"].rows.values():
            sample = samples.get(_token(row, "sample_token"))
            if sample is None:
                self._stray_boxes[_token(row, "instance_token")] = row
            else:
                self._boxes_of_scene[_token(sample, "scene_token")].append(row)

    def __getitem__(self, name: str) -> TokenTable:
        return self._tables[name]

    def follow(self, table: str, row: dict, key: str) -> dict:
        """The row that `row` of `table` points at; `key` is the other table's name plus `_token`."""
        path = self[table].path
        referrer = f"{path.name}, token {row.get('token')}"
        return self[key.removesuffix("_token")].row(value(path, row, key), referrer)

    def calibration(self, file_row: dict) -> dict:
        return self.follow("sample_data", file_row, "calibrated_sensor_token")

    def channel(self, file_row: dict) -> str:
        return value(self["sensor"].path, self._sensor(file_row), "channel")

    def is_camera(self, file_row: dict) -> bool:
        return value(self["sensor"].path, self._sensor(file_row), "modality") == "camera"

    def _sensor(self, file_row: dict) -> dict:
        return self.follow("calibrated_sensor", self.calibration(file_row), "sensor_token")

    def samples(self, scene: dict) -> list[dict]:
        """A scene's samples from the first along `next`; refuses broken links and times that do not increase."""
        table = self["sample"]
        chain, token, referrer = [], scene.get("first_sample_token"), f"scene.json, token {scene['token']}"
        members = self._samples_of_scene[scene["token"]]
        while token:
            row = table.row(token, referrer)
            if row.get("scene_token") != scene["token"] or len(chain) == len(members):
                raise InputError(
                    f"{table.path}: the links `next` of {scene['name']} leave the scene or run in a circle."
                )
            chain.append(row)
            token, referrer = row.get("next"), f"{table.path.name}, token {token}"
        if len(chain) != len(members) or not chain:
            raise InputError(
                f"{table.path}: {scene['name']} has {len(members)} samples, but its links `next` reach {len(chain)}."
            )
        check_increasing(_times_ns(table.path, chain), f"{table.path}: the samples of {scene['name']}")
        return chain

    def ego_channel(self, samples: list[dict]) -> str | None:
        """The sensor that gives the ego path when no camera is wanted; None in tables without sensor files."""
        channels = sorted({self.channel(row) for row in self.files_of_sample[samples[0]["token"]]})
        return EGO_CHANNEL if EGO_CHANNEL in channels else next(iter(channels), None)

    def key_frames(self, samples: list[dict], channel: str | None) -> list[dict]:
        """The channel's one key frame of every sample."""
        table, found = self["sample_data"], []
        for sample in samples if channel else ():
            rows = [row for row in self.files_of_sample[sample["token"]] if self.channel(row) == channel]
            if not rows:
                raise InputError(
                    f"{table.path}: the sample {sample['token']} has no key frame of {channel}. "
                    "Choose another camera, or restore the row."
                )
            if len(rows) > 1 or rows[0]["token"] in table.repeated:
                raise InputError(f"{table.path}: the sample {sample['token']} has several key frames of {channel}.")
            found += rows
        return found

    def ego_path(self, rows: list[dict]) -> tuple[np.ndarray, np.ndarray]:
        """(F,) nanoseconds and (F, 4, 4) world from ego of sensor files, each at its own time."""
        path = self["sample_data"].path
        times_ns = _times_ns(path, rows)
        check_increasing(times_ns, f"{path}: the key frames of one sensor")
        return times_ns, poses(
            self["ego_pose"].path, [self.follow("sample_data", row, "ego_pose_token") for row in rows]
        )

    def tracks(self, scene: dict, samples: list[dict]) -> tuple[Track, ...]:
        """The scene's boxes by instance, in the order of the instance tokens."""
        table = self["sample_annotation"]
        path, rows = table.path, self._boxes_of_scene[scene["token"]]
        if not rows:
            return ()
        time_of = dict(zip((s["token"] for s in samples), _times_ns(self["sample"].path, samples), strict=True))
        self._check_links(rows, time_of)
        instances = np.array([value(path, row, "instance_token") for row in rows])
        order = np.lexsort(([time_of[row["sample_token"]] for row in rows], instances))
        rows, instances = [rows[i] for i in order], instances[order]
        times_ns = np.array([time_of[row["sample_token"]] for row in rows], dtype=np.int64)
        # nuScenes writes width, length, height.
        sizes = numbers(path, rows, "size", (3,))[:, [1, 0, 2]]
        centres, rotations = numbers(path, rows, "translation", (3,)), _rotations(path, rows)
        lidar_points = numbers(path, rows, "num_lidar_pts", ()).astype(np.int64)
        visibility = np.array([_visible_share(path, row) for row in rows])

        tracks = []
        firsts = np.flatnonzero(np.append(True, instances[1:] != instances[:-1]))
        for first, last in zip(firsts, [*firsts[1:], len(rows)], strict=True):
            part = slice(first, last)
            instance = self.follow("sample_annotation", rows[first], "instance_token")
            category = self.follow("instance", instance, "category_token")
            name = value(self["category"].path, category, "name")
            try:
                track = Track(
                    id=str(instances[first]),
                    category=name,
                    times_ns=times_ns[part],
                    centres=centres[part],
                    sizes=sizes[part],
                    rotations=rotations[part],
                    lidar_points=lidar_points[part],
                    visibility=visibility[part],
                )
            except InputError as error:
                raise InputError(f"{path}: {error}") from None
            tracks.append(track)
        return tuple(tracks)

    def _check_links(self, rows: list[dict], time_of: dict[str, int]) -> None:
        """Refuse boxes that repeat, that belong to no object or sample, or whose `prev` is no
        earlier or whose `next` no later box of theirs."""
        table = self["sample_annotation"]
        for row in rows:
            self.follow("sample_annotation", row, "instance_token")
        for row in rows:
            referrer = f"{table.path.name}, token {row['token']}"
            table.row(row["token"], referrer)
            stray = self._stray_boxes.get(_token(row, "instance_token"))
            if stray is not None:
                self.follow("sample_annotation", stray, "sample_token")
            for key, sign in (("prev", -1), ("next", 1)):
                if not row.get(key):
                    continue
                other = table.row(row[key], referrer)
                same = other.get("instance_token") == row["instance_token"]
                other_ns, own_ns = time_of.get(_token(other, "sample_token")), time_of[row["sample_token"]]
                if not same or other_ns is None or sign * (other_ns - own_ns) <= 0:
                    raise InputError(
                        f"{table.path}: the box {other['token']} is out of order: it is not "
                        f"{'after' if sign > 0 else 'before'} {row['token']}, whose {key!r} it is. Restore the rows."
                    )


def _token(row: dict, key: str) -> str:
    """The token in a field, for grouping; the empty one, which no row has, where the field is broken."""
    found = row.get(key)
    return found if isinstance(found, str) else ""


def _times_ns(path: Path, rows: list[dict]) -> np.ndarray:
    try:
        return np.array([value(path, row, "timestamp", int) * NS_PER_US for row in rows], dtype=np.int64)
    except OverflowError:
        raise InputError(f"{path}: a timestamp is not a time in microseconds. Restore the file.") from None


def _rotations(path: Path, rows: list[dict]) -> np.ndarray:
    wxyz = numbers(path, rows, "rotation", (4,))
    zero = np.linalg.norm(wxyz, axis=1) < 1e-8
    if zero.any():
        raise InputError(
            f"{path}: the rotation of the row with the token {rows[int(zero.argmax())]['token']} is zero. "
            "Restore the row."
        )
    return rotation_from_quaternion(wxyz)


def poses(path: Path, rows: list[dict]) -> np.ndarray:
    return pose(_rotations(path, rows), numbers(path, rows, "translation", (3,)))


def _visible_share(path: Path, row: dict) -> float:
    token = str(row.get("visibility_token") or "")
    if token not in VISIBLE_SHARE:
        raise InputError(f"{path}: the box {row['token']} has an unknown visibility_token {token!r}. Restore the row.")
    return VISIBLE_SHARE[token]
