"""What a top-down map of a recording shows, as plain arrays: paths with speeds, standing objects, the camera's way.

World frame, metres, horizontal plane: x to the right, y up, seen from above.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

import numpy as np
import pyarrow as pa

from st_vlm.errors import InputError
from st_vlm.kinematics.motion import KMH_PER_MS, Moving, horizontal, path_length, static_test
from st_vlm.kinematics.resampling import MAX_GAP_S, STEP_S, positions_at, runs_without_gaps, time_grid
from st_vlm.recordings.categories import is_person
from st_vlm.recordings.drops import TRACK_RULES


@dataclass(frozen=True, eq=False)
class Stretch:
    """A part of a track's life.

    Attributes:
        times_ns: (G,) int64: the 0.5 s grid of a trusted stretch, the boxes' own times of any other.
        points: (G, 2) metres.
        trusted: False where a rule took the stretch away or there is no box for more than a second.
    """

    times_ns: np.ndarray
    points: np.ndarray
    trusted: bool

    @cached_property
    def speeds_kmh(self) -> np.ndarray:
        """(G - 1,) km/h from each point to the next."""
        steps = np.linalg.norm(np.diff(self.points, axis=0), axis=-1)
        return KMH_PER_MS * steps / (np.diff(self.times_ns) * 1e-9)


@dataclass(frozen=True, eq=False)
class MapTrack:
    """One object on the map.

    Attributes:
        track_id, category: In the source's own names.
        stretches: Its life in the order of time; none for an object with one box.
        standing: Whether it is static by the rule for questions, over all its trusted stretches.
        outline: (4, 2) metres, corners of its box halfway through its life, from above: front left, front right, rear
            right, rear left.
        first_ns, last_ns: Its first and its last box.
    """

    track_id: str
    category: str
    stretches: tuple[Stretch, ...]
    standing: bool
    outline: np.ndarray
    first_ns: int
    last_ns: int

    @property
    def trusted(self) -> tuple[Stretch, ...]:
        """The trusted stretches alone."""
        return tuple(one for one in self.stretches if one.trusted)

    @property
    def path_m(self) -> float:
        """Metres along the trusted stretches."""
        return sum(path_length(one.points) for one in self.trusted)

    @property
    def top_speed_kmh(self) -> float | None:
        """The fastest half second of the trusted stretches."""
        return max((float(one.speeds_kmh.max()) for one in self.trusted), default=None)


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where the camera was, as far as clips tell.

    Attributes:
        name: The camera's.
        pieces: (P, 2) metres each; a new one where more than a second is in no clip.
        start: (2,) metres.
        view: (2,) the horizontal direction in which it first looked, of length 1; 0 where it looked straight down.
    """

    name: str
    pieces: tuple[np.ndarray, ...]
    start: np.ndarray
    view: np.ndarray


@dataclass(frozen=True, eq=False)
class TracksMap:
    """All that the map of a recording shows.

    Attributes:
        tracks: Every annotated object.
        camera: The camera's way, where a clip's poses tell it.
        numbers: track id -> number on the map, for the objects that a question of this folder is about; from 1, in the
            order in which they appear.
        origin_ns: The recording's first annotated time.
    """

    tracks: tuple[MapTrack, ...]
    camera: CameraPath | None
    numbers: dict[str, int]
    origin_ns: int


def tracks_map(tracks: Sequence[MapTrack], clips: Sequence[Mapping], where: str) -> TracksMap:
    """Join tracks and what the clips of the recording tell.

    Args:
        tracks: Of the recording.
        clips: A mapping a clip: `start_ns`, `timestamps`, `marks` with their `track_id`s, `camera` with its `poses`.
        where: Begins the sentence of an error.

    Raises:
        InputError: There is no track, or the poses do not fit the timestamps.
    """
    if not tracks:
        raise InputError(f"{where} holds no track.")
    asked = {mark["track_id"] for clip in clips for mark in clip["marks"] or ()}
    shown = sorted((t for t in tracks if t.track_id in asked), key=lambda t: (t.first_ns, t.track_id))
    numbers = {track.track_id: k for k, track in enumerate(shown, start=1)}
    return TracksMap(tuple(tracks), camera_path(clips), numbers, min(track.first_ns for track in tracks))


def read_tracks(table: pa.Table, drops: Sequence[Mapping], where: str) -> list[MapTrack]:
    """The tracks of a recording, by track id.

    Args:
        table: A box a row: the columns of `TRACK_SCHEMA`; rotations are row-major.
        drops: Rows of `dropped.parquet`.
        where: Begins the sentence of an error.

    Raises:
        InputError: Values are missing or not finite, or a track's times do not increase.
    """
    if not table.num_rows:
        return []
    if any(column.null_count for column in table.columns):
        raise InputError(f"{where}: a box lacks a value. Build the folder again.")
    ids, categories = (np.array(table[name].to_pylist(), dtype=object) for name in ("track_id", "category"))
    times = table["time_ns"].to_numpy()
    centres, sizes, rotations = (_rows(table[name]) for name in ("centre", "size", "rotation"))
    if not all(np.isfinite(values).all() for values in (centres, sizes, rotations)):
        raise InputError(f"{where}: a box has a number that is not finite. Build the folder again.")
    cuts = _cuts(drops)
    order = np.lexsort((times, ids.astype(str)))
    edges = [0, *(np.flatnonzero(ids[order][1:] != ids[order][:-1]) + 1), len(order)]
    tracks = []
    for first, end in pairwise(edges):
        rows = order[first:end]
        if (np.diff(times[rows]) <= 0).any():
            raise InputError(f"{where}: the times of track {ids[rows[0]]} do not increase. Build the folder again.")
        middle = rows[len(rows) // 2]
        track_id, category = str(ids[middle]), str(categories[middle])
        stretches = tuple(cut_stretches(times[rows], horizontal(centres[rows]), cuts.get(track_id, ())))
        outline = footprint(centres[middle], sizes[middle], rotations[middle].reshape(3, 3))
        standing = stands(stretches, is_person(category))
        tracks.append(
            MapTrack(track_id, category, stretches, standing, outline, int(times[rows[0]]), int(times[rows[-1]]))
        )
    return tracks


def cut_stretches(times_ns: np.ndarray, points: np.ndarray, cuts: Sequence[tuple[int, int]]) -> list[Stretch]:
    """Trusted and other stretches of one track in the order of time; neighbours share a box.

    Args:
        times_ns: (N,) increasing.
        points: (N, 2) metres.
        cuts: First and last time in ns of what rules took away. A gap of more than a second is not trusted either.
    """
    steps = np.diff(times_ns)
    bad = steps > round(MAX_GAP_S * 1e9)
    for start, end in cuts:
        bad |= (times_ns[:-1] >= start) & (times_ns[1:] <= end)
    stretches, first = [], 0
    for cut, run in groupby(bad.tolist()):
        last = first + len(list(run))
        own = slice(first, last + 1)
        if cut:
            stretches.append(Stretch(times_ns[own], points[own], trusted=False))
        else:
            grid = _grid(int(times_ns[first]), int(times_ns[last]))
            stretches.append(Stretch(grid, positions_at(times_ns[own], points[own], grid), trusted=True))
        first = last
    return stretches


def stands(stretches: Sequence[Stretch], person: bool) -> bool:
    """Whether an object is static over all its trusted stretches; False where there is none."""
    trusted = [one for one in stretches if one.trusted]
    if not trusted:
        return False
    times = np.concatenate([one.times_ns for one in trusted])
    points = np.concatenate([one.points for one in trusted])
    return static_test((times - times[0]) * 1e-9, points, person) is Moving.STATIC


def footprint(centre: np.ndarray, size: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(4, 2) corners of a box from above: front left, front right, rear right, rear left.

    Args:
        centre: (3,) metres, world.
        size: (3,) length, width, height in metres.
        rotation: (3, 3) world from box; the box's x points ahead, y to its left.
    """
    corners = np.array([[1, 1], [1, -1], [-1, -1], [-1, 1]]) * size[:2] / 2
    return horizontal(centre) + corners @ rotation[:2, :2].T


def camera_path(clips: Sequence[Mapping]) -> CameraPath | None:
    """The way of the camera seen at most times; None where no clip has poses that fit its timestamps."""
    by_camera: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for clip in clips:
        camera = clip.get("camera") or {}
        try:
            poses = np.array(camera.get("poses"), np.float64)
            times = int(clip["start_ns"]) + np.rint(np.array(clip["timestamps"], np.float64) * 1e9).astype(np.int64)
        except (TypeError, ValueError):
            continue
        if len(times) and poses.shape == (len(times), 4, 4) and np.isfinite(poses).all():
            by_camera.setdefault(str(camera.get("name") or "camera"), []).append((times, poses))
    if not by_camera:
        return None
    found = {}
    for name, clips_of in sorted(by_camera.items()):
        times, first = np.unique(np.concatenate([one[0] for one in clips_of]), return_index=True)
        found[name] = times, np.concatenate([one[1] for one in clips_of])[first]
    name = max(found, key=lambda name: len(found[name][0]))
    times, poses = found[name]
    places, ahead = poses[:, :2, 3], poses[0, :2, 2]
    pieces = tuple(places[a : b + 1] for a, b in runs_without_gaps(times))
    length = float(np.linalg.norm(ahead))
    return CameraPath(name, pieces, places[0], ahead / length if length > 1e-6 else np.zeros(2))


def _cuts(drops: Sequence[Mapping]) -> dict[str, list[tuple[int, int]]]:
    """track id -> the stretches that rules about tracks took away; rules about one camera's view leave the track."""
    cuts: dict[str, list[tuple[int, int]]] = {}
    for drop in drops:
        if drop["rule"] in TRACK_RULES and None not in (drop["start_ns"], drop["end_ns"]):
            cuts.setdefault(drop["track_id"], []).append((drop["start_ns"], drop["end_ns"]))
    return cuts


def _grid(start_ns: int, end_ns: int) -> np.ndarray:
    """The 0.5 s grid; a last step of less than half that, whose speed would be noise, is joined to the one before."""
    grid = time_grid(start_ns, end_ns)
    if len(grid) > 2 and grid[-1] - grid[-2] < STEP_S / 2 * 1e9:
        grid = np.delete(grid, -2)
    return grid


def _rows(column: pa.ChunkedArray) -> np.ndarray:
    """A column of lists of one length as (N, length)."""
    return column.combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1)
