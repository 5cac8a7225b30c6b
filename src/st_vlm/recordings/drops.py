"""What was left out and why: one record a rule and stretch of time, for the build's table and for `st-vlm view`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# In the order in which they are applied; the sentence completes "left out because …".
TRACK_RULES = {
    "single_box": "the object has one box only",
    "gap": "it is not annotated for more than a second",
    "no_evidence": "for more than a second no lidar point lies in its box: annotated without being seen",
    "identity_jump": "it jumps to another place or changes its size: two objects under one identity",
    "speed": "it is faster than anything of its class",
    "acceleration": "it speeds up or brakes harder than anything of its class",
}
SPAN_RULES = {
    "small": "its box is lower than 4.4 % of the image",
    "truncated": "more than half of it is outside the image",
    "occluded": "more than 70 % of it is hidden",
    "short": "it is seen for less than two seconds on end",
    "undecided": "it neither clearly moves nor clearly stands",
    "not_asked": "nobody asks about the motion of such a thing",
    "doubtful": "the answer is expected to be too far off",
}
RULES = {**TRACK_RULES, **SPAN_RULES}


@dataclass(frozen=True)
class Drop:
    """A stretch of one object's life that no question is asked about.

    Attributes:
        rule: One of `RULES`. Track rules hold for a recording whatever the camera; span rules for one camera.
        track_id, category: The object, in the source's own names.
        start_ns, end_ns: The stretch, in the source's own clock.
        detail: What was found against what is allowed, such as `78.2 m/s, at most 60 m/s`; may be empty.
    """

    rule: Literal[
        "single_box",
        "identity_jump",
        "speed",
        "acceleration",
        "gap",
        "no_evidence",
        "small",
        "truncated",
        "occluded",
        "short",
        "undecided",
        "not_asked",
        "doubtful",
    ]
    track_id: str
    category: str
    start_ns: int
    end_ns: int
    detail: str = ""
