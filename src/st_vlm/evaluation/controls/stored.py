"""The tracks that a built folder stores, read as a recording without a camera, and written again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.building.shard import TRACK_SCHEMA, track_table
from st_vlm.errors import InputError
from st_vlm.questions.clips import file_name
from st_vlm.recordings import Recording, Track

TRACKS = "tracks"


def tracks_file(folder: Path, recording: str) -> Path:
    """Where a built folder stores a recording's tracks."""
    return folder / TRACKS / f"{file_name(recording)}.parquet"


def read_recording(folder: Path, row: Mapping) -> Recording:
    """The recording of a dataset row as its built folder stores it: tracks, and what the row says.

    Raises:
        InputError: The file of tracks is missing or cannot be read.
    """
    path = tracks_file(folder, row["recording"])
    try:
        table = pq.read_table(path, columns=TRACK_SCHEMA.names).cast(TRACK_SCHEMA).combine_chunks()
    except FileNotFoundError:
        raise InputError(f"{path} is missing: copy the whole folder again, or build it again.") from None
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{path} cannot be read as a table of tracks: {reason}. Build the folder again.") from None
    names = np.array(table["track_id"].to_pylist(), object)
    starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]])) if len(names) else np.empty(0, int)
    columns = {name: _values(table, name) for name in ("centre", "size", "rotation")}
    times, categories = table["time_ns"].to_numpy(), table["category"]
    tracks = []
    for first, end in zip(starts, [*starts[1:], len(names)], strict=True):
        own = slice(int(first), int(end))
        tracks.append(
            Track(
                id=names[own.start],
                category=categories[own.start].as_py(),
                times_ns=times[own],
                centres=columns["centre"][own],
                sizes=columns["size"][own],
                rotations=columns["rotation"][own].reshape(-1, 3, 3),
            )
        )
    return Recording(row["recording"], row["source"], row["licence"] or "", tuple(tracks), domain=row["domain"])


def write_recording(folder: Path, recording: Recording) -> None:
    """Store a recording's tracks as the build does."""
    pq.write_table(track_table(recording), tracks_file(folder, recording.id))


def _values(table: pa.Table, name: str) -> np.ndarray:
    """(N, D) of a column of lists of one length."""
    column = table[name]
    length = TRACK_SCHEMA.field(name).type.list_size
    flat = column.combine_chunks().flatten() if len(column) else pa.array([], pa.float64())
    return flat.to_numpy(zero_copy_only=False).reshape(-1, length)
