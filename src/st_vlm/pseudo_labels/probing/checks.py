"""Clips in which there is nothing to measure: the picture stands still altogether."""

from __future__ import annotations

import numpy as np

from st_vlm.pseudo_labels.probing.looking import Looks

# Levels by which a codec moves a block of a picture that never changes, from one keyframe to another: 3 to 5.
_MOST_OF_BLOCK = 8
# Mean levels from one frame to the next. A repeated picture is coded as "the same as before", to 0.0003 with H.264 of
# whatever quality; a camera's noise of 2 levels leaves 0.08 at its usual quality, 0.004 where there are few bits.
_MOST_OF_PIXELS = 0.002


def is_frozen(looks: Looks, first: int, last: int) -> bool:
    """Whether frames `first` to `last` of those looked at show one picture throughout.

    A camera that stands where nothing moves is not frozen, as long as its noise is in the file.
    """
    if last <= first:
        return True
    luma = looks.luma[first : last + 1].astype(np.int16)
    if np.abs(luma - luma[0]).max() > _MOST_OF_BLOCK:
        return False
    return bool(np.median(looks.changes[first + 1 : last + 1]) <= _MOST_OF_PIXELS)
