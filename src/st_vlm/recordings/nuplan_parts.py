"""The recordings that a log of nuPlan is cut into: its scenes of about 20 s, or windows where it has none."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from st_vlm.errors import InputError
from st_vlm.recordings.nuplan_log import AGAIN, LogDatabase, name_of, nanoseconds

WINDOW_US = 20_000_000
# A log without scenes stays whole up to this length.
MOST_WHOLE_US = 60_000_000


@dataclass(frozen=True)
class Part:
    """The sweeps of a log that make one recording.

    Attributes:
        id: The recording's id.
        where: Condition on `lidar_pc`, in SQL.
        values: Its parameters.
        fault: A sentence where it is known already that the recording cannot be used.
    """

    id: str
    where: str
    values: tuple = ()
    fault: str = ""


def list_parts(log: LogDatabase) -> tuple[Part, ...]:
    """The recordings of a log, in the order of time.

    A scene gives `{log}-{its name}`, or its token in hexadecimal where it has no name of its own. Sweeps of no scene
    give one recording `{log}`, or windows `{log}-000`, `{log}-001`, … when they last longer than 60 s.

    Raises:
        InputError: The log has no sweep, its tables cannot be read, or two recordings would have one id.
    """
    name = log.path.stem
    scenes = dict(log.rows("SELECT token, name FROM scene"))
    spans = log.rows("SELECT scene_token, MIN(timestamp) FROM lidar_pc GROUP BY scene_token")
    if not spans:
        raise InputError(f"{log.path} has no sweep in the table lidar_pc. {AGAIN}")
    labels = _labels(scenes)
    found = []
    for token, first_us in spans:
        if token in scenes:
            found.append((first_us, Part(f"{name}-{labels[token]}", "lidar_pc.scene_token = ?", (token,))))
        elif scenes and token is not None:
            fault = f"{log.path}: sweeps refer to the scene {name_of(token)}, which is not there. {AGAIN}"
            found.append((first_us, Part(f"{name}-{name_of(token)}", "0", fault=fault)))
    for token in scenes.keys() - {span[0] for span in spans}:
        found.append((None, Part(f"{name}-{labels[token]}", "lidar_pc.scene_token = ?", (token,))))
    loose = "lidar_pc.scene_token IS NULL" if scenes else "1"
    if not scenes or any(span[0] is None for span in spans):
        found += _windows(log, name, loose)
    # What has no time comes last; `read` tells what is wrong with it.
    found.sort(key=lambda entry: (entry[0] if isinstance(entry[0], int) else math.inf, entry[1].id))
    repeated = [part_id for part_id, times in Counter(part.id for _, part in found).items() if times > 1]
    if repeated:
        raise InputError(f"{log.path}: several scenes would make the recording {repeated[0]}. Give them names apart.")
    return tuple(part for _, part in found)


def _labels(scenes: dict) -> dict[object, str]:
    """Scene token -> a name that is its alone and can stand in a file's name."""
    plain = {
        token: re.sub(r"[^A-Za-z0-9._-]+", "_", name) if isinstance(name, str) and name.strip() else name_of(token)
        for token, name in scenes.items()
    }
    uses = Counter(plain.values())
    return {token: label if uses[label] == 1 else name_of(token) for token, label in plain.items()}


def _windows(log: LogDatabase, name: str, loose: str) -> list[tuple[int, Part]]:
    rows = log.rows(f"SELECT timestamp FROM lidar_pc WHERE {loose} ORDER BY timestamp")
    times_us = nanoseconds(log, "lidar_pc", [row[0] for row in rows]) // 1000
    first, last = int(times_us[0]), int(times_us[-1])
    if last - first <= MOST_WHOLE_US:
        return [(first, Part(name, loose))]
    count = -(-(last - first) // WINDOW_US)
    edges = [first + WINDOW_US * i for i in range(count)] + [last + 1]
    filled = np.diff(np.searchsorted(times_us, edges)) > 0
    between = f"{loose} AND lidar_pc.timestamp >= ? AND lidar_pc.timestamp < ?"
    return [(edges[i], Part(f"{name}-{i:03d}", between, (edges[i], edges[i + 1]))) for i in range(count) if filled[i]]
