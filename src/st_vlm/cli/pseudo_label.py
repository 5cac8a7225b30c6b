"""`st-vlm pseudo-label --evaluate`: how wrong pseudo-labels are on recordings whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from st_vlm.cli.output import print_table, report_failures, say
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import GEOMETRY as GEOMETRY_BACKENDS
from st_vlm.pseudo_labels.backends import SEMANTICS, make_backend
from st_vlm.pseudo_labels.calibration.comparison import Comparison
from st_vlm.pseudo_labels.calibration.evaluation import causes, evaluate_clip
from st_vlm.pseudo_labels.calibration.noise import NOISES
from st_vlm.pseudo_labels.calibration.real_boxes import evaluate_boxes, of_vehicles, own_views
from st_vlm.pseudo_labels.calibration.real_pixels import evaluate_pixels
from st_vlm.pseudo_labels.calibration.summary import MOVING_OVER_M, distance_errors, summarise, tables
from st_vlm.pseudo_labels.calibration.truth import TrueClip, true_clip
from st_vlm.recordings import open_recordings

# Of the backends those whose truth is at hand: exact parts with noise, and the ground under true poses.
GEOMETRY = ("given", "ground-plane")
# Depth is kept no wider.
DEPTH_SIZE = (320, 183)
_TABLE_COLUMNS = ("group", "n", "distance_mre", "distance_median", "heading_error_deg_median", "coverage_68")


@dataclass
class _Found:
    """What has been compared so far."""

    comparisons: list[Comparison] = field(default_factory=list)
    clips: list[TrueClip] = field(default_factory=list)
    count: int = 0
    failures: dict[str, str] = field(default_factory=dict)


def evaluate(
    source: str,
    path: Path | None,
    semantics: tuple[str, dict],
    geometry: str,
    noise: str,
    seed: int,
    with_causes: bool,
    form: Literal["table", "json"],
    options: dict,
) -> int:
    """Make pseudo-labels of every recording of a source that has truth, and print how wrong they are.

    Exact masks, depth and poses with noise added (`given`, `given`), or true boxes or a detector's on the ground plane
    (`given` or a detector, `ground-plane`).

    Args:
        source, path, options: As for `open_recordings`.
        semantics: Name and options of the backend.
        geometry: Name of the backend.
        noise: Added to exact parts.
        seed: Of the noise and of all draws.
        with_causes: Put one true part after another in place.
        form: How to print.

    Returns the exit code: 0, 1 some recordings failed, 2 all failed.

    Raises:
        InputError: An unknown backend or noise, parts that cannot be combined, or a source or path that cannot be
            opened.
    """
    _check_names(semantics[0], geometry, noise, with_causes)
    by_depth = geometry == "given"
    if source == "simulated" and by_depth:
        options = {"image_size": DEPTH_SIZE, **options}
    recordings = open_recordings(source, path, **options)
    ids = recordings.recording_ids()
    found = _Found()
    detector = None if semantics[0] == "given" else make_backend("semantics", *semantics)
    for number, recording_id in enumerate(tqdm(ids, desc="lifting", unit="recording", disable=None)):
        try:
            if by_depth:
                _by_depth(recordings, recording_id, NOISES[noise], (seed, number), found, with_causes)
            else:
                _by_ground(recordings, recording_id, detector, seed, found)
        except InputError as error:
            found.failures[recording_id] = str(error)
    report_failures(found.failures, "recordings")
    if len(found.failures) == len(ids):
        return 2
    result: dict = summarise(found.comparisons, found.count)
    groups = tables(found.comparisons)
    if not by_depth:
        result |= _of_vehicles(found.comparisons)
    if with_causes:
        groups["cause"] = [cause.as_row() for cause in causes(found.clips, NOISES[noise], seed)]
    _print(result, groups, form)
    if found.failures:
        say(f"{len(found.failures)} of {len(ids)} recordings failed.")
    return 1 if found.failures else 0


def _check_names(semantics: str, geometry: str, noise: str, with_causes: bool) -> None:
    for what, name, known in (
        ("semantics", semantics, SEMANTICS),
        ("geometry", geometry, GEOMETRY_BACKENDS),
        ("noise", noise, NOISES),
    ):
        if name not in known:
            raise InputError(f"There is no {what} {name!r}: choose one of {', '.join(known)}.")
    if geometry not in GEOMETRY:
        raise InputError(f"Against truth the geometry is one of {', '.join(GEOMETRY)}, not {geometry!r}.")
    if geometry == "given" and semantics != "given":
        raise InputError(f"The semantics {semantics!r} is held against truth with --geometry ground-plane.")
    if geometry != "given" and (noise != "none" or with_causes):
        raise InputError("Noise and causes are for exact masks, depth and poses: --semantics given --geometry given.")


def _by_depth(recordings, recording_id: str, noise, seed: tuple[int, int], found: _Found, keep: bool) -> None:
    cameras = recordings.cameras(recording_id)
    clip = true_clip(recordings.read(recording_id, cameras[0] if cameras else None))
    found.comparisons += evaluate_clip(clip, noise, seed)
    found.clips += [clip] if keep else []
    found.count += 1


def _by_ground(recordings, recording_id: str, detector, seed: int, found: _Found) -> None:
    images = detector is not None
    cameras = own_views(recordings.cameras(recording_id, images))
    if not cameras:
        raise InputError(f"It has no camera{' with images' if images else ''}. Choose another recording.")
    for camera in cameras:
        recording = recordings.read(recording_id, camera, images)
        of_camera = evaluate_pixels(recording, detector, seed) if images else evaluate_boxes(recording, seed)
        found.comparisons += list(of_camera)
        found.count += 1


def _of_vehicles(found: Sequence[Comparison]) -> dict[str, float | int | None]:
    """What is driven or ridden for more than five metres."""
    moving = [c for c in of_vehicles(found) if c.moves and c.true_m > MOVING_OVER_M]
    errors = distance_errors(moving, count_unanswered=False)
    return {
        "vehicles": len(moving),
        "vehicles_answered": len(errors),
        "vehicles_distance_median": round(float(np.median(errors)), 4) if errors else None,
        "vehicles_distance_mre": round(float(np.mean(errors)), 4) if errors else None,
    }


def _print(result: dict, groups: dict[str, list[dict]], form: Literal["table", "json"]) -> None:
    if form == "json":
        print(json.dumps({**result, "tables": groups}, indent=2))
        return
    print_table(("figure", "value"), [[name, value] for name, value in result.items()])
    for name, rows in groups.items():
        print()
        columns = (name, *_TABLE_COLUMNS[1:]) if name != "cause" else ("exact part", "distance_mre")
        print_table(columns, [list(row.values()) for row in rows])
