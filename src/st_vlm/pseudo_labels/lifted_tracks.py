"""A clip's objects in the world, as they are handed from lifting to questions: tracks with draws, in Parquet."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import whole_file

SCHEMA = pa.schema(
    [
        ("object", pa.int32()),
        ("category", pa.string()),
        ("frame", pa.int32()),
        ("centre", pa.list_(pa.float64(), 3)),
        ("size", pa.list_(pa.float64(), 3)),
        ("heading", pa.float64()),
        ("sigma", pa.float64()),
        # Where the object is seen in the image; null in a frame between two that show it.
        ("box", pa.list_(pa.float32(), 4)),
        # x, y of each draw less those of the centre, metres.
        ("draws", pa.list_(pa.float16())),
    ]
)


@dataclass(frozen=True)
class LiftQuality:
    """What tells whether a clip's tracks can be trusted.

    Attributes:
        residual: Disagreement of the corrected depth of what stands still, relative, in the frame where it is worst;
            NaN where nothing tells.
        comparisons: How many pairs of pixels were compared.
        log_scale, log_scale_sigma: What the scale was corrected by, and how surely.
        geometry, semantics: The backends.
        licences: Of their weights, backend to licence.
        dropped: Objects that were left out: object number to a sentence.
        switches: How many exchanges of identities were undone.
    """

    residual: float = float("nan")
    comparisons: int = 0
    log_scale: float = 0.0
    log_scale_sigma: float = float("nan")
    geometry: str = ""
    semantics: str = ""
    licences: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    switches: int = 0


@dataclass(frozen=True, eq=False)
class LiftedTracks:
    """N objects at the times of a clip's T frames.

    Attributes:
        numbers: N numbers of the objects in the clip's segments.
        categories: N nouns.
        known: (N, T) bool: seen, or between two views at most a second apart.
        centres: (N, T, 3) metres in the world, +z up; NaN where not known.
        sizes: (N, 3) length, width, height in metres.
        headings: (N, T) radians of the movement in the ground plane, of the last one where an object stands.
        sigma: (N,) metres: how far a place may be off against the track's other places.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels of the clip's `size`; NaN where an object is not seen.
        draws: (S, N, T, 2) equally likely other places; NaN where not known.
        poses: (T, 4, 4) world from camera, corrected.
        intrinsics: (3, 3) in pixels of the clip's `size`.
        quality: Of the clip.
    """

    numbers: tuple[int, ...]
    categories: tuple[str, ...]
    known: np.ndarray
    centres: np.ndarray
    sizes: np.ndarray
    headings: np.ndarray
    sigma: np.ndarray
    boxes: np.ndarray
    draws: np.ndarray
    poses: np.ndarray
    intrinsics: np.ndarray
    quality: LiftQuality

    def __len__(self) -> int:
        return len(self.numbers)


def write_tracks(tracks: LiftedTracks, path: Path) -> None:
    """Write a row an object and frame in which it is known; camera and quality are the file's metadata."""
    k, t = np.nonzero(tracks.known)
    offsets = (tracks.draws - tracks.centres[None, ..., :2])[:, k, t].transpose(1, 0, 2).reshape(len(k), -1)
    boxes = tracks.boxes[k, t]
    table = pa.table(
        {
            "object": pa.array(np.array(tracks.numbers, int)[k], pa.int32()),
            "category": pa.array([tracks.categories[i] for i in k], pa.string()),
            "frame": pa.array(t, pa.int32()),
            "centre": _lists(tracks.centres[k, t]),
            "size": _lists(tracks.sizes[k]),
            "heading": pa.array(tracks.headings[k, t]),
            "sigma": pa.array(tracks.sigma[k]),
            "box": pa.array(
                [box if np.isfinite(box).all() else None for box in boxes.astype(np.float32)], SCHEMA.field("box").type
            ),
            "draws": pa.array(list(offsets.astype(np.float16)), SCHEMA.field("draws").type),
        },
        schema=SCHEMA,
    )
    camera = {"poses": tracks.poses.tolist(), "intrinsics": tracks.intrinsics.tolist()}
    about = {"camera": json.dumps(camera), "quality": json.dumps(asdict(tracks.quality))}
    with whole_file(path) as temporary:
        pq.write_table(table.replace_schema_metadata(about), temporary, compression="zstd")


def read_tracks(path: Path) -> LiftedTracks:
    """Read what `write_tracks` wrote.

    Raises:
        InputError: The file is missing or another one.
    """
    try:
        table = pq.read_table(path)
        about = table.schema.metadata or {}
        camera = json.loads(about[b"camera"])
        quality = LiftQuality(**json.loads(about[b"quality"]))
        poses, intrinsics = np.array(camera["poses"], np.float64), np.array(camera["intrinsics"], np.float64)
        column = {name: table[name].to_numpy() for name in ("object", "frame", "heading", "sigma")}
        lists = {name: np.array(table[name].to_pylist(), np.float64) for name in ("centre", "size", "draws")}
        names, boxes = table["category"].to_pylist(), table["box"].to_pylist()
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as lifted tracks ({error}). Make it again.") from None
    numbers, first, k = np.unique(column["object"], return_index=True, return_inverse=True)
    t, count = column["frame"], len(poses)
    if len(t) and (t.min() < 0 or t.max() >= count):
        raise InputError(f"{path} tells of frame {t.max()} of a clip of {count} frames. Make it again.")

    def placed(values: np.ndarray) -> np.ndarray:
        result = np.full((len(numbers), count, *values.shape[1:]), np.nan)
        result[k, t] = values
        return result

    centres = placed(lists["centre"].reshape(-1, 3))
    draws = lists["draws"].reshape(len(t), -1, 2)
    known = np.zeros((len(numbers), count), bool)
    known[k, t] = True
    return LiftedTracks(
        numbers=tuple(numbers.tolist()),
        categories=tuple(names[i] for i in first),
        known=known,
        centres=centres,
        sizes=lists["size"].reshape(-1, 3)[first],
        headings=placed(column["heading"]),
        sigma=column["sigma"][first],
        boxes=placed(np.array([box or [np.nan] * 4 for box in boxes], np.float64).reshape(-1, 4)),
        draws=np.moveaxis(placed(draws), 2, 0) + centres[None, ..., :2],
        poses=poses.reshape(count, 4, 4),
        intrinsics=intrinsics,
        quality=quality,
    )


def _lists(values: np.ndarray) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values, np.float64).ravel()), 3)
