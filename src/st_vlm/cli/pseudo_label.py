"""`st-vlm pseudo-label --evaluate`: how wrong pseudo-labels are on recordings whose truth is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from st_vlm.cli.output import print_table, report_failures, say
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.calibration.comparison import Comparison
from st_vlm.pseudo_labels.calibration.evaluation import causes, evaluate_clip
from st_vlm.pseudo_labels.calibration.noise import NOISES
from st_vlm.pseudo_labels.calibration.summary import summarise, tables
from st_vlm.pseudo_labels.calibration.truth import TrueClip, true_clip
from st_vlm.recordings import open_recordings

SEMANTICS = ("given",)
GEOMETRY = ("given",)
# Depth is kept no wider.
DEPTH_SIZE = (320, 183)
_TABLE_COLUMNS = ("group", "n", "distance_mre", "distance_median", "heading_error_deg_median", "coverage_68")


def evaluate(
    source: str,
    path: Path | None,
    semantics: str,
    geometry: str,
    noise: str,
    seed: int,
    with_causes: bool,
    form: Literal["table", "json"],
    options: dict,
) -> int:
    """Lift every recording from its exact masks, depth and poses with noise added, and print how wrong it is.

    Returns the exit code: 0, 1 some recordings failed, 2 all failed.

    Raises:
        InputError: An unknown backend or noise, or a source or path that cannot be opened.
    """
    for what, name, known in (
        ("semantics", semantics, SEMANTICS),
        ("geometry", geometry, GEOMETRY),
        ("noise", noise, NOISES),
    ):
        if name not in known:
            raise InputError(f"There is no {what} {name!r}: choose one of {', '.join(known)}.")
    if source == "simulated":
        options = {"image_size": DEPTH_SIZE, **options}
    recordings = open_recordings(source, path, **options)
    ids = recordings.recording_ids()
    found: list[Comparison] = []
    clips: list[TrueClip] = []
    failures: dict[str, str] = {}
    for number, recording_id in enumerate(tqdm(ids, desc="lifting", unit="clip", disable=None)):
        try:
            cameras = recordings.cameras(recording_id)
            clip = true_clip(recordings.read(recording_id, cameras[0] if cameras else None))
        except InputError as error:
            failures[recording_id] = str(error)
            continue
        found += evaluate_clip(clip, NOISES[noise], (seed, number))
        clips += [clip] if with_causes else []
    report_failures(failures, "recordings")
    if len(failures) == len(ids):
        return 2
    result: dict = summarise(found, len(ids) - len(failures))
    groups = tables(found)
    if with_causes:
        groups["cause"] = [cause.as_row() for cause in causes(clips, NOISES[noise], seed)]
    if form == "json":
        print(json.dumps({**result, "tables": groups}, indent=2))
    else:
        print_table(("figure", "value"), [[name, value] for name, value in result.items()])
        for name, rows in groups.items():
            print()
            columns = (name, *_TABLE_COLUMNS[1:]) if name != "cause" else ("exact part", "distance_mre")
            print_table(columns, [list(row.values()) for row in rows])
    if failures:
        say(f"{len(failures)} of {len(ids)} recordings failed.")
    return 1 if failures else 0
