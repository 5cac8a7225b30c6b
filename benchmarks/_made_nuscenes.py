"""nuScenes tables of the release's size and formatting (one key or list item a line), made of random motion."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

SCENES = 850
BOXES = 1_170_000
INSTANCES_A_SCENE = 76
SIDES = ("FRONT", "FRONT_RIGHT", "BACK_RIGHT", "BACK", "BACK_LEFT", "FRONT_LEFT")
CHANNELS = ("LIDAR_TOP", *(f"CAM_{side}" for side in SIDES))
RADARS = tuple(f"RADAR_{side}" for side in SIDES if side != "BACK")
CATEGORIES = ("vehicle.car", "human.pedestrian.adult", "movable_object.barrier", "vehicle.truck")
START_US = 1_533_151_603_547_590
PRETTY_ROW = "{{\n{}\n}}"


def make_tables(folder: Path, rows: int, scenes: int = SCENES, boxes: int = BOXES) -> int:
    """Write all tables that nuscenes-devkit reads, and return how many rows `sample_data` has.

    Args:
        folder: Where to write, `…/v1.0-trainval`.
        rows: About how many rows `sample_data` and `ego_pose` have. Up to 400,000 they are the key frames of seven
            sensors; beyond, of twelve sensors, with five sweeps after each.
        scenes, boxes: How many scenes, and how many rows `sample_annotation` has.
    """
    folder.mkdir(parents=True)
    (folder.parent / "map.png").touch()  # the devkit looks for it
    rng = np.random.default_rng(0)
    large = rows > 400_000
    channels = CHANNELS + RADARS if large else CHANNELS
    sweeps = 5 if large else 0
    samples = max(3, math.ceil(rows / (scenes * len(channels) * (sweeps + 1))))

    sample_tokens = _tokens(rng, scenes * samples).reshape(scenes, samples)
    scene_tokens = _tokens(rng, scenes)
    mounts = _tokens(rng, len(channels))
    sensors = _tokens(rng, len(channels))
    categories = _tokens(rng, len(CATEGORIES))
    times_us = START_US + 30_000_000 * np.arange(scenes)[:, None] + 500_000 * np.arange(samples)
    times_us = times_us + rng.integers(0, 400, times_us.shape)

    _dump(folder, "category", [{"token": t, "name": n} for t, n in zip(categories, CATEGORIES, strict=True)])
    _dump(folder, "attribute", [])
    _dump(folder, "visibility", [{"token": t, "level": t} for t in "1234"])
    _dump(folder, "log", [{"token": "log", "logfile": "made"}])
    _dump(folder, "map", [{"token": "map", "filename": "map.png", "log_tokens": ["log"], "category": "made"}])
    _dump(
        folder,
        "sensor",
        [
            {"token": token, "channel": channel, "modality": {"C": "camera", "L": "lidar", "R": "radar"}[channel[0]]}
            for token, channel in zip(sensors, channels, strict=True)
        ],
    )
    _dump(
        folder,
        "calibrated_sensor",
        [
            {
                "token": mount,
                "sensor_token": sensor,
                "translation": [1.7, 0.0, 1.5],
                "rotation": [0.5, -0.5, 0.5, -0.5],
                "camera_intrinsic": [[1266.4, 0.0, 816.3], [0.0, 1266.4, 491.5], [0.0, 0.0, 1.0]],
            }
            for mount, sensor in zip(mounts, sensors, strict=True)
        ],
    )
    _dump(
        folder,
        "scene",
        [
            {
                "token": token,
                "log_token": "log",
                "nbr_samples": samples,
                "first_sample_token": own[0],
                "last_sample_token": own[-1],
                "name": f"scene-{i + 1:04}",
                "description": "made",
            }
            for i, (token, own) in enumerate(zip(scene_tokens, sample_tokens.tolist(), strict=True))
        ],
    )
    _write(folder, "sample", _samples(scene_tokens, sample_tokens.tolist(), times_us.tolist()))
    _write_sensor_files(folder, rng, channels, mounts, sample_tokens.tolist(), times_us.tolist(), sweeps)
    _write_boxes(folder, rng, categories, sample_tokens.tolist(), boxes // scenes)
    return scenes * samples * len(channels) * (sweeps + 1)


def _samples(scene_tokens, sample_tokens, times_us) -> Iterator[str]:
    for scene, own, at in zip(scene_tokens, sample_tokens, times_us, strict=True):
        for i, token in enumerate(own):
            yield (
                f'"token": "{token}",\n"timestamp": {at[i]},\n"prev": "{own[i - 1] if i else ""}",\n'
                f'"next": "{own[i + 1] if i + 1 < len(own) else ""}",\n"scene_token": "{scene}"'
            )


def _write_sensor_files(folder, rng, channels, mounts, sample_tokens, times_us, sweeps) -> None:
    """`sample_data` and `ego_pose`: of every sample and sensor one key frame and then so many sweeps."""
    poses = []
    step_us = 500_000 // (sweeps + 1)

    def files() -> Iterator[str]:
        for own, at in zip(sample_tokens, times_us, strict=True):
            tokens = _tokens(rng, len(own) * (sweeps + 1) * len(channels)).tolist()
            poses.append(tokens)
            each = iter(tokens)
            for sample, start_us in zip(own, at, strict=True):
                for channel, mount in zip(channels, mounts, strict=True):
                    camera = channel.startswith("CAM")
                    for sweep in range(sweeps + 1):
                        token, us = next(each), start_us + sweep * step_us
                        name = f"n008-2018-08-01-15-16-36-0400__{channel}__{us}.{'jpg' if camera else 'pcd.bin'}"
                        yield (
                            f'"token": "{token}",\n"sample_token": "{sample}",\n"ego_pose_token": "{token}",\n'
                            f'"calibrated_sensor_token": "{mount}",\n"timestamp": {us},\n'
                            f'"fileformat": "{"jpg" if camera else "pcd"}",\n'
                            f'"is_key_frame": {"false" if sweep else "true"},\n'
                            f'"height": {900 if camera else 0},\n"width": {1600 if camera else 0},\n'
                            f'"filename": "{"sweeps" if sweep else "samples"}/{channel}/{name}",\n'
                            f'"prev": "{token}",\n"next": "{token}"'
                        )

    def ego() -> Iterator[str]:
        for scene, tokens in enumerate(poses):
            places = np.cumsum(rng.uniform(0, 0.5, (len(tokens), 2)), axis=0) + 400
            yaws = rng.uniform(-1.5, 1.5, len(tokens))
            turns = zip(np.cos(yaws / 2).tolist(), np.sin(yaws / 2).tolist(), strict=True)
            for i, (token, (x, y), (w, z)) in enumerate(zip(tokens, places.tolist(), turns, strict=True)):
                yield (
                    f'"token": "{token}",\n"timestamp": {START_US + 30_000_000 * scene + i},\n'
                    f'"rotation": [\n{w},\n0.0,\n0.0,\n{z}\n],\n"translation": [\n{x},\n{y},\n0.0\n]'
                )

    _write(folder, "sample_data", files())
    _write(folder, "ego_pose", ego())


def _write_boxes(folder, rng, categories, sample_tokens, boxes_a_scene) -> None:
    """`sample_annotation` and `instance`: a third of the objects move, the others jitter by centimetres."""
    instances = []

    def boxes() -> Iterator[str]:
        for own in sample_tokens:
            samples = len(own)
            count = max(1, min(INSTANCES_A_SCENE, boxes_a_scene // 2))
            lengths = rng.integers(1, samples + 1, count)
            while (missing := boxes_a_scene - int(lengths.sum())) and not (missing > 0 and (lengths == samples).all()):
                pick = rng.integers(count)
                lengths[pick] = np.clip(lengths[pick] + np.sign(missing), 1, samples)
            for number, n in enumerate(lengths.tolist()):
                first = int(rng.integers(0, samples - n + 1))
                tokens = _tokens(rng, n + 1).tolist()
                instance = tokens.pop()
                instances.append((instance, categories[number % len(categories)], n, tokens[0], tokens[-1]))
                centres = rng.uniform(300, 1500, 3) + rng.normal(0, 0.02, (n, 3))
                if number % 3 == 0:
                    centres[:, :2] += np.outer(0.5 * np.arange(n), rng.uniform(-9, 9, 2))
                yaws = rng.uniform(-3, 3, n)
                turns = zip(np.cos(yaws / 2).tolist(), np.sin(yaws / 2).tolist(), strict=True)
                for i, ((x, y, z), (qw, qz)) in enumerate(zip(centres.round(3).tolist(), turns, strict=True)):
                    yield (
                        f'"token": "{tokens[i]}",\n"sample_token": "{own[first + i]}",\n'
                        f'"instance_token": "{instance}",\n"visibility_token": "{1 + i % 4}",\n'
                        f'"attribute_tokens": [\n"{categories[0]}"\n],\n'
                        f'"translation": [\n{x},\n{y},\n{z}\n],\n"size": [\n1.922,\n4.563,\n1.61\n],\n'
                        f'"rotation": [\n{qw},\n0.0,\n0.0,\n{qz}\n],\n"prev": "{tokens[i - 1] if i else ""}",\n'
                        f'"next": "{tokens[i + 1] if i + 1 < n else ""}",\n'
                        f'"num_lidar_pts": {i % 50},\n"num_radar_pts": 0'
                    )

    _write(folder, "sample_annotation", boxes())
    keys = ("token", "category_token", "nbr_annotations", "first_annotation_token", "last_annotation_token")
    _dump(folder, "instance", [dict(zip(keys, row, strict=True)) for row in instances])


def _tokens(rng: np.random.Generator, count: int) -> np.ndarray:
    """(count,) random tokens of 32 hexadecimal digits."""
    return np.frombuffer(rng.bytes(16 * count).hex().encode(), "S32").astype("U32")


def _dump(folder: Path, name: str, rows: list[dict]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=0))


def _write(folder: Path, name: str, rows: Iterable[str]) -> None:
    with open(folder / f"{name}.json", "w", buffering=1 << 20) as file:
        separator = "[\n"
        for row in rows:
            file.write(separator + PRETTY_ROW.format(row))
            separator = ",\n"
        file.write("\n]")
