"""Masks as COCO's files hold them: polygons, and run lengths plain or compressed; checked before they are used."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.segments import decode_mask, encode_mask, fits

# Of a mask: an image of 16K. More is a mistake, and would fill the memory.
_MOST_PIXELS = 2**27
_LEAST_NUMBERS = 6


def compressed(outline: object, size: tuple[int, int]) -> tuple[bytes, tuple[int, int]] | None:
    """A mask as COCO's compressed run lengths, with its width and height; None for what is no mask.

    Args:
        outline: Polygons, lists of x, y, x, y…; or an object with `size`, [height, width], and `counts`.
        size: Width and height of the image that polygons count in.

    Raises:
        InputError: pycocotools is not installed.
    """
    coco = _coco()
    if isinstance(outline, list):
        polygons = [part for part in outline if _is_polygon(part)]
        if not polygons or len(polygons) < len(outline) or math.prod(size) > _MOST_PIXELS:
            return None
        return coco.merge(coco.frPyObjects(polygons, size[1], size[0]))["counts"], size
    if not isinstance(outline, dict):
        return None
    shape, counts = outline.get("size"), outline.get("counts")
    if not (isinstance(shape, list) and len(shape) == 2 and all(type(side) is int and side > 0 for side in shape)):
        return None
    pixels = math.prod(shape)
    if isinstance(counts, str):
        counts = counts.encode("utf-8")
    elif isinstance(counts, list):
        if not all(type(count) is int and 0 <= count <= pixels for count in counts) or sum(counts) != pixels:
            return None
        counts = coco.frPyObjects({"size": shape, "counts": counts}, *shape)["counts"]
    if not isinstance(counts, bytes) or pixels > _MOST_PIXELS or not fits(counts, (shape[1], shape[0])):
        return None
    return counts, (shape[1], shape[0])


def box_around(counts: bytes, size: tuple[int, int]) -> tuple[float, float, float, float] | None:
    """x1, y1, x2, y2 in pixels around a mask; None around an empty one."""
    x, y, width, height = _coco().toBbox({"size": [size[1], size[0]], "counts": counts}).tolist()
    return (x, y, x + width, y + height) if width > 0 and height > 0 else None


def resized(counts: bytes, size: tuple[int, int], wanted: tuple[int, int]) -> bytes:
    """A mask brought to another width and height by the nearest pixel."""
    if size == wanted:
        return counts
    image = Image.fromarray(decode_mask(counts, size)).resize(wanted, Image.Resampling.NEAREST)
    return encode_mask(np.asarray(image))


def _is_polygon(part: object) -> bool:
    return (
        isinstance(part, list)
        and len(part) >= _LEAST_NUMBERS
        and len(part) % 2 == 0
        and all(type(value) in (int, float) and abs(value) < 1e6 for value in part)  # NaN is not less
    )


def _coco():
    try:
        from pycocotools import mask
    except ImportError:
        raise InputError('Masks need pycocotools, which is not installed: pip install "st-vlm[pseudo]".') from None
    return mask
