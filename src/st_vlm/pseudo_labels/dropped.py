"""What a run leaves out, and why: a line each in the quality table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dropped:
    """A video, a stretch of it or a clip that gives no labels.

    Attributes:
        video: Path relative to the run's folder of videos, with `/`.
        clip: Id of the clip; None for what never became one.
        stage: Name of the stage that dropped it, such as `probe`.
        reason: A sentence for a person.
    """

    video: str
    clip: str | None
    stage: str
    reason: str
