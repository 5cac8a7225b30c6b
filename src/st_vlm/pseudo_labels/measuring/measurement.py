"""What is measured of each object of a lifted clip, with standard deviations from the tracks' draws."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from st_vlm.kinematics import headings
from st_vlm.kinematics.motion import Moving
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks
from st_vlm.pseudo_labels.source import recording_of
from st_vlm.questions.expected_error import drawn_recordings
from st_vlm.questions.motion import SpanMotion, span_motion
from st_vlm.recordings import Recording, Track


@dataclass(frozen=True)
class Measurement:
    """One object of a clip, over the seconds in which it is known.

    Attributes:
        number: Of the object in the clip.
        category: Its noun.
        start_s, end_s: Seconds of the video.
        moves: Whether it moves, rather than stands; None where that cannot be told.
        distance_m, distance_sigma_m: Traveled distance, 0 for an object that stands, and its standard deviation.
        speed_kmh, speed_sigma_kmh: Mean speed.
        hour: Of its last movement, on a clock whose 12 is the way it first moved; None without a direction.
        turn_deg, turn_sigma_deg: The same in degrees, clockwise.
        range_m: Median distance from the camera.
    """

    number: int
    category: str
    start_s: float
    end_s: float
    moves: bool | None
    distance_m: float
    distance_sigma_m: float
    speed_kmh: float
    speed_sigma_kmh: float
    hour: int | None
    turn_deg: float | None
    turn_sigma_deg: float | None
    range_m: float

    def as_dict(self) -> dict:
        """For JSON."""
        return asdict(self)


def measure(clip: Clip, lifted: LiftedTracks) -> list[Measurement]:
    """Every object of a clip, in the order of its tracks."""
    recording = recording_of(clip, lifted)
    drawn = list(drawn_recordings(recording))
    return [_measured(clip, lifted, recording, drawn, k) for k in range(len(lifted))]


def _measured(clip: Clip, lifted: LiftedTracks, recording: Recording, drawn: list[Recording], k: int) -> Measurement:
    motion = _whole(clip, recording, recording.tracks[k])
    others = [_whole(clip, other, other.tracks[k]) for other in drawn]
    paths = np.array([other.path_m for other in others])
    moves = None if motion.state is Moving.UNDECIDED else motion.state is Moving.MOVING
    turns = [other.turn for other in others if other.turn is not None]
    turn = motion.turn if turns else None
    known = np.flatnonzero(lifted.known[k])
    away = np.linalg.norm(lifted.centres[k, known] - lifted.poses[known, :3, 3], axis=1)
    video_s = np.array(clip.times_ns)[known[[0, -1]]] * 1e-9
    # The path of what stands is noise: how far it may have gone is how far its ends may lie apart.
    sigma = float(paths.std()) if moves is not False else float(lifted.sigma[k] * np.sqrt(2))
    to_kmh = 3.6 / motion.duration_s
    return Measurement(
        number=lifted.numbers[k],
        category=lifted.categories[k],
        start_s=round(float(video_s[0]), 2),
        end_s=round(float(video_s[1]), 2),
        moves=moves,
        distance_m=round(motion.distance_m, 2),
        distance_sigma_m=round(sigma, 2),
        speed_kmh=round(motion.distance_m * to_kmh, 2),
        speed_sigma_kmh=round(sigma * to_kmh, 2),
        hour=None if turn is None else headings.clock_hour(turn),
        turn_deg=None if turn is None else round(float(np.rad2deg(turn)), 1),
        turn_sigma_deg=None if turn is None else round(_spread_deg(np.array(turns), turn), 1),
        range_m=round(float(np.median(away)), 1),
    )


def _whole(clip: Clip, recording: Recording, track: Track) -> SpanMotion:
    """The motion of a track from its first box to its last, in seconds of the clip."""
    start = clip.times_ns[0]
    return span_motion(
        recording, track, start, (track.times_ns[0] - start) * 1e-9, (track.times_ns[-1] - start) * 1e-9
    )  # fmt: skip


def _spread_deg(turns: np.ndarray, about: float) -> float:
    """Root mean square in degrees by which (S,) angles differ from one, round the circle."""
    return float(np.rad2deg(np.sqrt((headings.wrap(turns - about) ** 2).mean())))
