"""What the words of a question point at: marks by their colours, and a span of time."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from st_vlm.questions.normalize import plain
from st_vlm.questions.times import time_pairs

# A question's times have one decimal, frames more.
SPAN_SLACK_S = 0.06


def mentions(question: str, colours: Sequence[str]) -> list[tuple[int, int]]:
    """(place behind the word, index in `colours`) of the first mention of each colour, in the question's order.

    >>> mentions("Is the Blue box faster than the red one?", ("red", "blue", "green"))
    [(11, 1), (35, 0)]
    """
    found = ((re.search(rf"\b{colour}\b", question, re.IGNORECASE), i) for i, colour in enumerate(colours))
    return sorted((match.end(), index) for match, index in found if match)


def asked_frames(question: str, times_s: np.ndarray) -> np.ndarray:
    """Indices of the frames within the span that a question states in its words ("from 2.0 to 7.5 seconds").

    All of them where it states no span, several, or one that holds fewer than two frames.

    Args:
        question: In anybody's words.
        times_s: (T,) seconds, in which the question's times are counted.
    """
    pairs = time_pairs(plain(question))
    if len(pairs) == 1:
        start, end = pairs[0]
        inside = np.flatnonzero((times_s >= start - SPAN_SLACK_S) & (times_s <= end + SPAN_SLACK_S))
        if len(inside) > 1:
            return inside
    return np.arange(len(times_s))
