"""One video measured: its clips lifted, the objects that are meant measured, a video and a map with them drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.checking.standing_camera import check_standing
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.files import whole_file
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.backend import GeometryBackend
from st_vlm.pseudo_labels.lift_rules import LiftRules
from st_vlm.pseudo_labels.lift_stage import lift
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks
from st_vlm.pseudo_labels.measuring.measurement import Measurement, measure
from st_vlm.pseudo_labels.measuring.naming import Phrase, meant
from st_vlm.pseudo_labels.probing.finding import find_videos
from st_vlm.pseudo_labels.probing.stage import probe_and_cut
from st_vlm.pseudo_labels.semantics.backend import SemanticsBackend
from st_vlm.video.encoding import Fitter, fit_size, write_video
from st_vlm.viewing.annotated_video import Labelled, annotated
from st_vlm.viewing.top_down import Way, draw_top_down

# Of the annotated video.
STEP_S = 0.1
LEAST_PIXELS_HIGH, MOST_PIXELS_A_SIDE = 480, 1280
# Whoever asks for numbers wants those of far things too, with their uncertainty.
RULES = LiftRules(farthest_m=100.0)


@dataclass(frozen=True, eq=False)
class MeasuredClip:
    """What was measured in one clip.

    Attributes:
        clip: Which.
        measurements: Of its objects; empty where `reason` says why.
        lifted: Its tracks; None where there are none.
        reason: Why nothing was measured, or empty.
        left_out: A sentence for all objects that could not be measured for one reason.
    """

    clip: Clip
    measurements: tuple[Measurement, ...]
    lifted: LiftedTracks | None
    reason: str = ""
    left_out: tuple[str, ...] = ()


def clips_of(
    video: Path, intrinsics: Sequence[float] | None, camera_height: float | None, max_seconds: float | None = None
) -> tuple[list[Clip], list[str]]:
    """The clips of a video, and a sentence on each part that is none.

    Raises:
        InputError: There is no such video, or an option that cannot be.
    """
    if not video.is_file():
        raise InputError(f"There is no video at {video}.")
    clips, dropped = probe_and_cut(
        find_videos(video)[0],
        video.parent,
        intrinsics=intrinsics,
        camera_height=camera_height,
        max_seconds=max_seconds,
    )
    return clips, [one.reason for one in dropped]


def measure_clip(
    frames: ClipFrames,
    semantics: SemanticsBackend,
    geometry: GeometryBackend,
    phrases: Sequence[Phrase] = (),
    seed: int = 0,
) -> MeasuredClip:
    """Measure the objects of a clip that the phrases mean; all without a phrase."""
    clip = frames.clip
    try:
        segments = semantics.segment(frames)
        if not len(segments):
            raise InputError("No object was found in the clip.")
        wanted = meant(phrases, segments, frames)
        found: ClipGeometry = geometry.measure(frames, segments)
        check_standing(frames, segments, found)
        # Lifted with all the others: who is exchanged for whom shows only then, and what may move is no background.
        lifted = lift(clip, segments, found, RULES, seed)
    except InputError as error:
        return MeasuredClip(clip, (), None, str(error))
    mine = np.flatnonzero([wanted[number] for number in lifted.numbers])
    left_out = _left_out({number: why for number, why in lifted.quality.dropped.items() if wanted[int(number)]})
    if not len(mine):
        return MeasuredClip(clip, (), None, " ".join(left_out), left_out)
    lifted = _only(lifted, mine)
    return MeasuredClip(clip, tuple(measure(clip, lifted)), lifted, "", left_out)


def write_pictures(measured: MeasuredClip, frames: ClipFrames, out: Path) -> tuple[Path, Path]:
    """Write a clip's annotated video and its map into a folder, and return their paths."""
    clip, lifted = measured.clip, measured.lifted
    out.mkdir(parents=True, exist_ok=True)
    video, plot = out / f"{clip.id}.mp4", out / f"{clip.id}.png"
    numbers = frames.between(STEP_S)
    times = frames.info.times_s[numbers]
    # A small picture is drawn larger, so that its captions can be read.
    larger = max(-(-LEAST_PIXELS_HIGH // clip.size[1]), 1)
    size = fit_size((clip.size[0] * larger, clip.size[1] * larger), MOST_PIXELS_A_SIDE)
    scale = np.tile(np.array(size) / np.array(clip.size), 2)
    known_s = np.array(clip.times_ns) * 1e-9
    objects = [
        Labelled(f"{one.number} {one.category}", lifted.boxes[k] * scale, _captions(clip, lifted, k, one))
        for k, one in enumerate(measured.measurements)
    ]
    fit = Fitter(size)
    images = (np.asarray(fit(image).to_ndarray(format="rgb24")) for image in frames.at(numbers))
    write_video(video, annotated(images, times, objects, known_s), (times - times[0]).tolist())
    ways = [
        Way(
            f"{one.number} {one.category}: {describe(one)}",
            *_seen_from_above(lifted, k),
            stands=one.moves is False,
            mark=str(one.number),
        )
        for k, one in enumerate(measured.measurements)
    ]
    with whole_file(plot) as temporary:
        draw_top_down(ways, lifted.poses, temporary, f"{clip.video}, {known_s[0]:.1f} to {known_s[-1]:.1f} s")
    return video, plot


def _left_out(reasons: Mapping[str, str]) -> tuple[str, ...]:
    """Number -> "car: why" as a sentence a reason, with the numbers that the boxes bear, too."""
    numbers: dict[str, list[str]] = {}
    for number, why in reasons.items():
        numbers.setdefault(why, []).append(number)
    sentences = []
    for text, own in numbers.items():
        category, _, why = text.partition(": ")
        sentences.append(f"{', '.join(own)} {category}: {why}.")
    return tuple(sentences)


def describe(one: Measurement) -> str:
    """A few words: how far and how fast, with standard deviations."""
    if one.moves is False:
        return f"stands (within {one.distance_sigma_m:.1f} m)"
    return f"{one.distance_m:.1f} ± {one.distance_sigma_m:.1f} m, {one.speed_kmh:.1f} ± {one.speed_sigma_kmh:.1f} km/h"


def _only(lifted: LiftedTracks, kept: np.ndarray) -> LiftedTracks:
    arrays = {
        name: getattr(lifted, name)[kept] for name in ("known", "centres", "sizes", "headings", "sigma", "boxes")
    }
    return replace(
        lifted,
        numbers=tuple(lifted.numbers[k] for k in kept),
        categories=tuple(lifted.categories[k] for k in kept),
        draws=lifted.draws[:, kept],
        **arrays,
    )


def _captions(clip: Clip, lifted: LiftedTracks, k: int, one: Measurement) -> list[str]:
    """For each frame how far the object has come, and how fast it is over the second around."""
    if one.moves is False:
        return ["stands"] * len(clip.frames)
    times, places = clip.times_s, lifted.centres[k, :, :2]
    steps = np.nan_to_num(np.linalg.norm(np.diff(places, axis=0), axis=1))
    so_far = np.concatenate([[0.0], np.cumsum(steps)])
    before, after = np.maximum(np.arange(len(times)) - 1, 0), np.minimum(np.arange(len(times)) + 1, len(times) - 1)
    speeds = (so_far[after] - so_far[before]) / (times[after] - times[before]) * 3.6
    return [f"{speed:.0f} km/h  {metres:.1f} m" for speed, metres in zip(speeds, so_far, strict=True)]


def _seen_from_above(lifted: LiftedTracks, k: int) -> tuple[np.ndarray, np.ndarray]:
    known = lifted.known[k]
    return lifted.centres[k, known, :2], lifted.draws[:, k, known]
