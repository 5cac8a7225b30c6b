"""The track tokens of a clip: a line of them after the video, and one behind each mark that a question names.

The line tells of a mark frame by frame. The token in the question sums up the time that is asked about: what the path
comes to within it, measured from its beginning. To find that among the lines, a model would have to read the span,
then look up two frames of the right mark and subtract. Where a question names several marks, their tokens also compare
each with the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from st_vlm.models.track_features import FEATURES, UNIT, UNKNOWN, compared_features, track_features
from st_vlm.models.video_inputs import Clip
from st_vlm.questions.mentions import asked_frames, mentions
from st_vlm.video.marks import Mark

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
        self._summaries: dict[tuple[int, int], np.ndarray] = {}

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
        places = mentions(question, [mark.color for mark in self.clip.marks])
        if not places and len(self.clip.marks) == 1:
            places = [(len(question) - len(question.lstrip()), 0)]
        if not places:
            return text, np.empty((0, len(FEATURES)), np.int32)
        parts, last = [], 0
        for place, _ in places:
            parts += [question[last:place], self.token]
            last = place
        summaries = self.summaries(asked_frames(question, self.clip.times_s))
        told = compared_features(summaries[[index for _, index in places]])
        return "".join([*parts, question[last:], end, rest]), told

    def summaries(self, frames: np.ndarray) -> np.ndarray:
        """(N, F) int32: what is known of each mark at the end of some frames, measured from the first of them.

        That is at the last frame in which its place is known, else the last in which it is seen, else the last.

        Args:
            frames: Indices of frames that follow each other.
        """
        span = int(frames[0]), int(frames[-1])
        if span not in self._summaries:
            self._summaries[span] = self._summed(frames)
        return self._summaries[span]

    def _summed(self, frames: np.ndarray) -> np.ndarray:
        rows = self.rows if len(frames) == len(self.clip.times_s) else self._rows_within(frames)
        last = []
        for its_rows in rows:
            known, seen = (np.flatnonzero(its_rows[:, number] != UNKNOWN) for number in (_TOLD, _SEEN))
            last.append(next((where[-1] for where in (known, seen) if len(where)), -1))
        summed = rows[np.arange(len(rows)), last]
        summed[:, _SUMMARY] = 1 / UNIT
        return summed

    def _rows_within(self, frames: np.ndarray) -> np.ndarray:
        clip = self.clip
        marks = [Mark(mark.color, tuple(mark.boxes[i] for i in frames)) for mark in clip.marks]
        return track_features(marks, clip.times_s[frames], clip.size, _camera_within(clip.camera, frames))


def _camera_within(camera: Mapping | None, frames: np.ndarray) -> Mapping | None:
    if camera is None or camera.get("poses") is None:
        return camera
    return {**camera, "poses": [camera["poses"][i] for i in frames]}


__all__ = ["ClipTracks"]
