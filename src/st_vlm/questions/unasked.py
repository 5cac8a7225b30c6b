"""What one camera leaves out and why: stretches in which an object is in the image but cannot be asked about.

The span rules of `recordings.drops`, for the build's table. Nothing here decides what is asked; it tells what the
sightings decided.
"""

from __future__ import annotations

import numpy as np

from st_vlm.kinematics.motion import Moving
from st_vlm.questions.motion import span_motion
from st_vlm.questions.sightings import SeenRun, Sightings, run_span
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.categories import noun
from st_vlm.recordings.drops import Drop

# What no one would ask about the motion of.
_THINGS = frozenset(
    {
        "barrier",
        "bicycle rack",
        "bollard",
        "construction barrel",
        "construction cone",
        "message board trailer",
        "mobile pedestrian crossing sign",
        "object",
        "sign",
        "stop sign",
        "traffic cone",
        "traffic light trailer",
    }
)
# The order in which a frame's broken rules count on a tie; that of `Sightings.failed`.
_HIDDEN_BY = ("small", "truncated", "occluded")


def is_asked(category: str) -> bool:
    """Whether anyone would ask about the motion of an object of a source's category."""
    return noun(category) not in _THINGS


def span_drops(recording: Recording, sightings: Sightings) -> list[Drop]:
    """Everything the span rules leave out of a recording's camera, by track and time.

    * `small`, `truncated`, `occluded`: frames in a row in which the object is in the image and its track trusted but
      it is not visible, under the rule that most of these frames break. Up to a second between two sightings is
      bridged and not told.
    * `short`: sightings that give no span of two seconds.
    * `not_asked`: sightings of what nobody asks about, long enough to.
    * `undecided`: a span whose motion lies in the dead zone of the static test.
    """
    drops = []
    for k, track in enumerate(recording.tracks):
        drops += _hidden(track, sightings, k)
        drops += [drop for run in sightings.runs[k] if (drop := _unasked(recording, track, sightings, run))]
    return drops


def _hidden(track: Track, sightings: Sightings, index: int) -> list[Drop]:
    failed = sightings.failed[index]
    hidden = failed.any(axis=1)
    for run in sightings.runs[index]:
        hidden[run.grid[0] : run.grid[-1] + 1] = False
    edges = np.flatnonzero(np.diff(hidden, prepend=False, append=False))
    drops = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        rule = _HIDDEN_BY[int(failed[first:end].sum(axis=0).argmax())]
        drops.append(_drop(rule, track, sightings, first, end - 1))
    return drops


def _unasked(recording: Recording, track: Track, sightings: Sightings, run: SeenRun) -> Drop | None:
    first, last = int(run.grid[0]), int(run.grid[-1])
    span = run_span(sightings.times_ns, run, first, last)
    if span is None:
        rule = "short"
    elif not is_asked(track.category):
        rule = "not_asked"
    else:
        motion = span_motion(recording, track, int(sightings.times_ns[first]), span.start_s, span.end_s)
        rule = "undecided" if motion.state is Moving.UNDECIDED else None
    return _drop(rule, track, sightings, first, last) if rule else None


def _drop(rule: str, track: Track, sightings: Sightings, first: int, last: int) -> Drop:
    times = sightings.times_ns
    return Drop(rule, track.id, track.category, int(times[first]), int(times[last]))
