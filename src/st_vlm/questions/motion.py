"""The motion of one marked object over one span: everything a question may ask about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from st_vlm.kinematics import headings, motion
from st_vlm.kinematics.motion import Moving
from st_vlm.kinematics.resampling import positions_at, time_grid
from st_vlm.recordings import Recording, Track
from st_vlm.recordings.categories import is_person


@dataclass(frozen=True, eq=False)
class SpanMotion:
    """Horizontal motion on the 0.5 s grid of a span (DEFINITIONS, "Tracks and motion").

    Everything a task asks about one object's motion comes from here. What takes time is found when it is first asked
    for and kept, and `Clip.motion` keeps the motion of each span, so tasks need not pass measures to each other.

    Attributes:
        times_s: (G,) seconds from the clip's first frame.
        points: (G, 2) positions in the world's ground plane, metres.
        state: Outcome of the static test.
        chord_m: Least chord that gives this object a heading.
    """

    times_s: np.ndarray
    points: np.ndarray
    state: Moving
    chord_m: float

    @property
    def duration_s(self) -> float:
        return float(self.times_s[-1] - self.times_s[0])

    @cached_property
    def path_m(self) -> float:
        return motion.path_length(self.points)

    @property
    def distance_m(self) -> float:
        """Traveled distance, 0 for a static object."""
        return 0.0 if self.state is Moving.STATIC else self.path_m

    @property
    def mean_speed_kmh(self) -> float:
        return motion.mean_speed_kmh(self.distance_m, self.duration_s)

    @cached_property
    def turn(self) -> float | None:
        """Clockwise angle in radians from the first movement to the last, or None without a heading."""
        first = headings.initial_heading(self.points, self.chord_m)
        last = headings.final_heading(self.points, self.chord_m)
        if self.state is not Moving.MOVING or first is None or last is None:
            return None
        return headings.clockwise_turn(first, last)

    @cached_property
    def runs(self) -> list[headings.Run]:
        """The span cut into runs of one clock hour or of standing."""
        return headings.hour_runs(self.times_s, self.points, self.chord_m)

    @property
    def net(self) -> np.ndarray:
        """(2,) displacement from first to last, metres."""
        return self.points[-1] - self.points[0]


def span_motion(recording: Recording, track: Track, clip_start_ns: int, start_s: float, end_s: float) -> SpanMotion:
    """Measure a track from `start_s` to `end_s`, seconds after `clip_start_ns`.

    The span must lie inside the track's life; ends that stick out by rounding are moved onto it.
    """
    start = max(clip_start_ns + round(start_s * 1e9), int(track.times_ns[0]))
    end = min(clip_start_ns + round(end_s * 1e9), int(track.times_ns[-1]))
    grid = time_grid(start, end)
    points = positions_at(track.times_ns, motion.horizontal(track.centres), grid)
    seconds = (grid - clip_start_ns) * 1e-9
    person, sigma = is_person(track.category), centre_sigma(track)
    slack = pose_slack(recording, grid)
    state = motion.static_test(seconds, points, person, slack, sigma)
    return SpanMotion(seconds, points, state, headings.chord_length(person, sigma))


def centre_sigma(track: Track) -> float:
    """The standard deviation that a track's centres are taken to have, metres; 0 for trusted annotations."""
    return 0.0 if track.centre_sigma is None else float(np.max(track.centre_sigma))


def pose_slack(recording: Recording, grid_ns: np.ndarray) -> float:
    """Allowance for drifting ego poses over a span, metres, on its (G,) grid of nanoseconds."""
    if not recording.pose_slack or not len(recording.ego_times_ns):
        return 0.0
    ego = motion.horizontal(positions_at(recording.ego_times_ns, recording.ego_centres, grid_ns))
    return recording.pose_slack * motion.path_length(ego)


def pose_slacks(recording: Recording, starts_ns: np.ndarray, ends_ns: np.ndarray) -> np.ndarray:
    """`pose_slack` of S spans that begin and end at (S,) nanoseconds."""
    if not recording.pose_slack:
        return np.zeros(len(starts_ns))
    ends = zip(starts_ns.tolist(), ends_ns.tolist(), strict=True)
    return np.array([pose_slack(recording, time_grid(start, end)) for start, end in ends])
