"""The track tokens of a clip: a line of them after the video, and one behind each mark that a question names.

The line tells of a mark frame by frame. The token in the question sums up the time that is asked about: what the path
comes to within it, measured from its beginning. To find that among the lines, a model would have to read the span,
then look up two frames of the right mark and subtract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

import numpy as np

from st_vlm.models.track_features import FEATURES, UNIT, UNKNOWN, track_features
from st_vlm.models.video_inputs import Clip
from st_vlm.questions.normalize import plain
from st_vlm.questions.times import time_pairs
from st_vlm.video.marks import Mark

# A question's times have one decimal, frames more.
SPAN_SLACK_S = 0.06
_SUMMARY = FEATURES.index("summary")
_TOLD = FEATURES.index("log_path")
_SEEN = FEATURES.index("x")


class ClipTracks:
    """What track tokens tell of one clip.

    Args:
        clip: With N marks in T frames.
        token: The text of a track token.
    """

    def __init__(self, clip: Clip, token: str) -> None:
        self.clip = clip
        self.token = token
        self._summaries: dict[tuple[float, float], np.ndarray] = {}

    @cached_property
    def rows(self) -> np.ndarray:
        """(N, T, F) int32, see `track_features`."""
        clip = self.clip
        return track_features(clip.marks, clip.times_s, clip.size, clip.camera)

    def lines(self) -> list[str]:
        """A line a mark: its name and a token a frame."""
        return [f"{mark.color}: {self.token * len(self.clip.times_s)}" for mark in self.clip.marks]

    def in_question(self, text: str, turn_end: str | None = None) -> tuple[str, np.ndarray]:
        """What follows a video in a prompt, with a token behind the first mention of each mark, and their features.

        The only mark of a clip may go unnamed ("the object"): its token then opens the question.

        Args:
            text: Of which the part up to `turn_end` is the question.
            turn_end: What ends a turn; None takes all of `text`.

        Returns:
            The text and (K, F) int32.
        """
        question, end, rest = text.partition(turn_end) if turn_end else (text, "", "")
        places = _mentions(question, self.clip.marks)
        if not places and len(self.clip.marks) == 1:
            places = [(len(question) - len(question.lstrip()), 0)]
        if not places:
            return text, np.empty((0, len(FEATURES)), np.int32)
        parts, last = [], 0
        for place, _ in places:
            parts += [question[last:place], self.token]
            last = place
        summaries = self.summaries(*asked_span(question, self.clip.times_s))
        return "".join([*parts, question[last:], end, rest]), summaries[[index for _, index in places]]

    def summaries(self, start_s: float, end_s: float) -> np.ndarray:
        """(N, F) int32: what is known of each mark at the end of a span, measured from its beginning.

        That is at the last frame whose place is known, else at the last in which the mark is seen, else at the last.
        """
        if (start_s, end_s) not in self._summaries:
            self._summaries[start_s, end_s] = self._summed(start_s, end_s)
        return self._summaries[start_s, end_s]

    def _summed(self, start_s: float, end_s: float) -> np.ndarray:
        times = self.clip.times_s
        inside = np.flatnonzero((times >= start_s - SPAN_SLACK_S) & (times <= end_s + SPAN_SLACK_S))
        rows = self.rows if len(inside) == len(times) else self._rows_within(inside)
        last = []
        for its_rows in rows:
            known = np.flatnonzero(its_rows[:, _TOLD] != UNKNOWN)
            seen = np.flatnonzero(its_rows[:, _SEEN] != UNKNOWN)
            last.append(next((frames[-1] for frames in (known, seen) if len(frames)), -1))
        summed = rows[np.arange(len(rows)), last]
        summed[:, _SUMMARY] = 1 / UNIT
        return summed

    def _rows_within(self, frames: np.ndarray) -> np.ndarray:
        clip = self.clip
        marks = [Mark(mark.color, tuple(mark.boxes[i] for i in frames)) for mark in clip.marks]
        return track_features(marks, clip.times_s[frames], clip.size, _camera_within(clip.camera, frames))


def asked_span(question: str, times_s: np.ndarray) -> tuple[float, float]:
    """The span that a question states in its words ("from 2.0 to 7.5 seconds"), else the clip's.

    A question that states several, or one that holds fewer than two of the clip's frames, is taken to ask about the
    whole clip.
    """
    pairs = time_pairs(plain(question))
    if len(pairs) == 1:
        start, end = pairs[0]
        if np.count_nonzero((times_s >= start - SPAN_SLACK_S) & (times_s <= end + SPAN_SLACK_S)) > 1:
            return start, end
    return float(times_s[0]), float(times_s[-1])


def _mentions(question: str, marks: tuple[Mark, ...]) -> list[tuple[int, int]]:
    """(place behind the word, index of the mark) of the first mention of each, in the question's order."""
    found = ((re.search(rf"\b{mark.color}\b", question, re.IGNORECASE), i) for i, mark in enumerate(marks))
    return sorted((match.end(), index) for match, index in found if match)


def _camera_within(camera: Mapping | None, frames: np.ndarray) -> Mapping | None:
    if camera is None or camera.get("poses") is None:
        return camera
    return {**camera, "poses": [camera["poses"][i] for i in frames]}


__all__ = ["ClipTracks", "asked_span"]
