"""Pseudo-labels of recordings whose truth is known: how wrong they are, and which part of the way makes them so."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from st_vlm.pseudo_labels.calibration.comparison import Comparison, compare
from st_vlm.pseudo_labels.calibration.noise import Noise, noisy_depth, noisy_labels, noisy_poses
from st_vlm.pseudo_labels.calibration.summary import MOVING_OVER_M, distance_errors
from st_vlm.pseudo_labels.calibration.truth import TrueClip
from st_vlm.pseudo_labels.lifting.clip_lifting import lift_clip
from st_vlm.pseudo_labels.lifting.object_places import Calibrated
from st_vlm.pseudo_labels.lifting.static_background import DepthErrors

# What each cause takes with it when the true part is swapped in.
CAUSES = {
    "identity": {"edge_px": 0.0, "missing": 0.0, "switching": 0.0},
    "depth": {"depth_rms": 0.0},
    "scale": {"scale": 0.0},
    "pose": {"drift": 0.0},
}


@dataclass(frozen=True)
class Cause:
    """How much of the error one part makes.

    Attributes:
        name: The part that was exact; `all of them` leaves what lifting and smoothing do by themselves.
        distance_mre_moving: With the true part in place; None where nothing moves far enough.
    """

    name: str
    distance_mre_moving: float | None

    def as_row(self) -> dict[str, str | float | None]:
        """For a table."""
        return {"cause": self.name, "distance_mre": self.distance_mre_moving}


def evaluate_clip(clip: TrueClip, noise: Noise, seed: tuple[int, ...]) -> list[Comparison]:
    """Add noise to a clip's exact parts, lift it, and compare every track that can be asked about."""
    recording = clip.recording
    categories = [track.category for track in recording.tracks]
    lifted = lift_clip(
        clip.times_s,
        noisy_labels(clip.times_s, clip.labels, len(categories), noise, seed),
        noisy_depth(clip.depth, noise, seed),
        Calibrated(recording.camera.intrinsics, noisy_poses(clip.poses, noise, seed)),
        categories,
        DepthErrors(),
    )
    found = []
    for k, (track, motion) in enumerate(zip(recording.tracks, clip.motions, strict=True)):
        if motion is not None:
            of = recording.id, track.id, track.category, float(clip.ranges_m[k])
            found.append(compare(*of, motion, lifted.tracks, k))
    return found


def causes(clips: Iterable[TrueClip], noise: Noise, seed: int) -> Iterator[Cause]:
    """The error that is left with one true part after another in place, and with all."""
    clips = list(clips)
    variants = {name: replace(noise, **exact) for name, exact in CAUSES.items()}
    for name, variant in {**variants, "all of them": Noise()}.items():
        found = [c for k, clip in enumerate(clips) for c in evaluate_clip(clip, variant, (seed, k))]
        moving = [c for c in found if c.moves and c.true_m > MOVING_OVER_M]
        errors = distance_errors(moving, count_unanswered=False)
        yield Cause(name, round(float(np.mean(errors)), 4) if errors else None)
