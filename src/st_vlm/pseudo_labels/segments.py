"""Which objects a clip shows and where: boxes, scores and masks of each object in each frame, in Parquet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import whole_file

SCHEMA = pa.schema(
    [
        ("object", pa.int32()),
        ("category", pa.string()),
        ("frame", pa.int32()),
        ("score", pa.float32()),
        ("box", pa.list_(pa.float32(), 4)),
        # COCO's compressed run lengths, column by column; null where there is a box alone.
        ("mask", pa.binary()),
    ]
)


@dataclass(frozen=True, eq=False)
class Segments:
    """N objects in the T frames of a clip.

    Attributes:
        categories: N nouns, such as `car`.
        boxes: (N, T, 4) x1, y1, x2, y2 in pixels of the clip's `size`; NaN where an object is not seen.
        scores: (N, T) how sure the detector is, 0-1; NaN where an object is not seen.
        masks: (object, frame) to COCO's compressed run lengths of a mask of `mask_size`, for those that have one.
        mask_size: Width and height of the masks in pixels.
        size: Width and height of the image that boxes count in.
        backend: Who found them.
        licence: Of the weights that found them; empty where there were none.
    """

    categories: tuple[str, ...]
    boxes: np.ndarray
    scores: np.ndarray
    size: tuple[int, int]
    mask_size: tuple[int, int]
    masks: Mapping[tuple[int, int], bytes] = field(default_factory=dict)
    backend: str = "given"
    licence: str = ""

    def __len__(self) -> int:
        return len(self.categories)

    @property
    def seen(self) -> np.ndarray:
        """(N, T) bool."""
        return np.isfinite(self.boxes[..., 0])

    def mask(self, index: int, frame: int) -> np.ndarray | None:
        """(H, W) bool of `mask_size`, or None where an object has no mask in a frame."""
        counts = self.masks.get((index, frame))
        return None if counts is None else decode_mask(counts, self.mask_size)

    def labels(self, size: tuple[int, int]) -> np.ndarray:
        """(T, H, W) int16 images of which object each pixel shows, -1 for none.

        Masks are brought to `size` by the nearest pixel. An object without a mask fills the ellipse in its box. Of two
        objects at one pixel the one whose box reaches lower in the image is in front: it stands nearer on the ground.
        """
        width, height = size
        count = self.boxes.shape[1]
        result = np.full((count, height, width), -1, np.int16)
        scale = np.array([width / self.size[0], height / self.size[1]] * 2)
        x, y = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]
        for frame in range(count):
            there = np.flatnonzero(self.seen[:, frame])
            for k in there[np.argsort(self.boxes[there, frame, 3], kind="stable")]:
                mask = self.mask(int(k), frame)
                if mask is None:
                    x1, y1, x2, y2 = self.boxes[k, frame] * scale
                    away = ((x - (x1 + x2) / 2) / max((x2 - x1) / 2, 0.5)) ** 2
                    mask = away + ((y - (y1 + y2) / 2) / max((y2 - y1) / 2, 0.5)) ** 2 <= 1
                elif mask.shape != (height, width):
                    mask = np.asarray(Image.fromarray(mask).resize(size, Image.Resampling.NEAREST))
                result[frame][mask] = k
        return result

    def without(self, refused: Set[int]) -> Segments:
        """The same objects under the same numbers, those of some numbers never seen."""
        gone = sorted(k for k in refused if k < len(self))
        boxes, scores = self.boxes.copy(), self.scores.copy()
        boxes[gone], scores[gone] = np.nan, np.nan
        masks = {(k, t): mask for (k, t), mask in self.masks.items() if k not in refused}
        return replace(self, boxes=boxes, scores=scores, masks=masks)

    def only(self, kept: np.ndarray) -> Segments:
        """Some of the objects: (N,) bool."""
        numbers = {int(old): new for new, old in enumerate(np.flatnonzero(kept))}
        masks = {(numbers[k], t): mask for (k, t), mask in self.masks.items() if k in numbers}
        categories = tuple(name for name, keep in zip(self.categories, kept, strict=True) if keep)
        boxes, scores = self.boxes[kept], self.scores[kept]
        return replace(self, categories=categories, boxes=boxes, scores=scores, masks=masks)


def encode_mask(mask: np.ndarray) -> bytes:
    """COCO's compressed run lengths of an (H, W) bool mask."""
    from pycocotools import mask as coco

    return coco.encode(np.asfortranarray(mask, np.uint8))["counts"]


def decode_mask(counts: bytes, size: tuple[int, int]) -> np.ndarray:
    """The (H, W) bool mask of width and height `size` behind COCO's compressed run lengths."""
    from pycocotools import mask as coco

    return coco.decode({"size": [size[1], size[0]], "counts": counts}).astype(bool)


def fits(counts: bytes, size: tuple[int, int]) -> bool:
    """Whether compressed run lengths fill a mask of width and height `size`, no more and no less.

    pycocotools trusts them, and reads memory that is not theirs.
    """
    lengths: list[int] = []
    value = shift = 0
    for byte in counts:
        part = byte - 48
        # A letter holds five bits, the lowest first; the sixth says that more follow.
        if not 0 <= part < 64 or shift > 30:
            return False
        value |= (part & 31) << shift
        shift += 5
        if part & 32:
            continue
        if part & 16:
            value -= 1 << shift
        # From the fourth on, the difference to the last but one.
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    return shift == 0 and all(length >= 0 for length in lengths) and sum(lengths) == math.prod(size)


def write_segments(segments: Segments, path: Path) -> None:
    """Write a row an object and frame; frames' number, sizes, backend and licence are the file's metadata."""
    objects, frames = np.nonzero(segments.seen)
    categories = np.array(segments.categories, dtype=object)
    table = pa.table(
        {
            "object": pa.array(objects, pa.int32()),
            "category": pa.array(categories[objects] if len(objects) else [], pa.string()),
            "frame": pa.array(frames, pa.int32()),
            "score": pa.array(segments.scores[objects, frames], pa.float32()),
            "box": pa.FixedSizeListArray.from_arrays(
                pa.array(segments.boxes[objects, frames].astype(np.float32).ravel()), 4
            ),
            "mask": pa.array([segments.masks.get((int(k), int(t))) for k, t in zip(objects, frames, strict=True)],
                             pa.binary()),
        },
        schema=SCHEMA,
    )  # fmt: skip
    about = {
        "frames": str(segments.boxes.shape[1]),
        "size": "x".join(map(str, segments.size)),
        "mask_size": "x".join(map(str, segments.mask_size)),
        "backend": segments.backend,
        "licence": segments.licence,
    }
    with whole_file(path) as temporary:
        pq.write_table(table.replace_schema_metadata(about), temporary)


def read_segments(path: Path, refuse_broken: bool = True) -> Segments:
    """Read what `write_segments` wrote.

    Args:
        path: The file.
        refuse_broken: False: masks are not looked at; whoever uses them must (`fits`).

    Raises:
        InputError: The file is missing or another one, its numbers do not fit each other, or a mask is broken.
    """
    try:
        table = pq.read_table(path)
        about = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        count = int(about["frames"])
        size, mask_size = (tuple(map(int, about[name].split("x"))) for name in ("size", "mask_size"))
        objects, frames = (table[name].to_numpy().astype(int) for name in ("object", "frame"))
        values = {name: table[name].to_pylist() for name in ("category", "mask")}
        boxes = np.array(table["box"].to_pylist(), np.float64).reshape(-1, 4)
        scores = table["score"].to_numpy()
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a file of segments ({error}). Make it again.") from None
    if len(frames) and (frames.min() < 0 or frames.max() >= count or objects.min() < 0):
        raise InputError(f"{path} tells of frame {frames.max()} of a clip of {count} frames. Make it again.")
    number = int(objects.max()) + 1 if len(objects) else 0
    names = [""] * number
    placed, scored = np.full((number, count, 4), np.nan), np.full((number, count), np.nan)
    placed[objects, frames], scored[objects, frames] = boxes, scores
    masks = {}
    for k, t, category, mask in zip(objects.tolist(), frames.tolist(), *values.values(), strict=True):
        names[k] = category
        if mask is not None:
            if refuse_broken and not fits(mask, mask_size):
                raise InputError(f"{path}: the mask of object {k} in frame {t} is broken. Make the file again.")
            masks[k, t] = mask
    return Segments(
        tuple(names), placed, scored, size, mask_size, masks, about.get("backend", ""), about.get("licence", "")
    )  # fmt: skip
