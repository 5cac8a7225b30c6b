"""`st-vlm measure`: one line a track, for a look at a source and for comparison with devkits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from tqdm import tqdm

from st_vlm.cli.output import counted, print_table, report_failures, say
from st_vlm.errors import InputError
from st_vlm.kinematics.measures import measure_tracks, pose_slack_m
from st_vlm.recordings import Recording, Track, open_recordings
from st_vlm.recordings.categories import is_person

LEAST_LIFE_S = 0.5
COLUMNS = (
    "recording",
    "track_id",
    "category",
    "start_s",
    "duration_s",
    "path_m",
    "displacement_m",
    "static",
    "distance_m",
    "mean_speed_kmh",
)


def measure(source: str, path: Path | None, form: Literal["table", "jsonl"], options: dict) -> int:
    """Print the measures of every track and return the exit code: 0, 1 some recordings failed, 2 all failed.

    Raises:
        InputError: The source or path cannot be opened.
    """
    recordings = open_recordings(source, path, **options)
    ids = recordings.recording_ids()
    rows, failures = [], {}
    measured = single = short = 0
    for recording_id in tqdm(ids, desc="measuring", unit="recording", disable=None):
        try:
            recording = recordings.read(recording_id)
        except InputError as error:
            failures[recording_id] = str(error)
            continue
        lines = list(measure_recording(recording))
        alone = sum(len(track) == 1 for track in recording.tracks)
        single += alone
        short += len(recording.tracks) - alone - len(lines)
        measured += len(lines)
        if form == "jsonl":
            for line in lines:
                print(json.dumps(line, ensure_ascii=False))
        else:
            rows += [[line[name] for name in COLUMNS] for line in lines]
    if form == "table" and len(failures) < len(ids):
        print_table(COLUMNS, rows)
    report_failures(failures, "recordings")
    if len(failures) == len(ids):
        return 2
    left_out = f"{single} with one box, {short} shorter than {LEAST_LIFE_S} s"
    say(f"{counted(measured, 'track')} measured; left out: {left_out}.")
    if failures:
        say(f"{len(failures)} of {counted(len(ids), 'recording')} failed.")
    return 1 if failures else 0


def measure_recording(recording: Recording) -> Iterator[dict]:
    """The lines of a recording's tracks with at least two boxes and 0.5 s of life, in the order of its tracks."""
    tracks = [
        track
        for track in recording.tracks
        if len(track) > 1 and track.times_ns[-1] - track.times_ns[0] >= round(LEAST_LIFE_S * 1e9)
    ]
    ego = recording.ego_times_ns, recording.ego_centres, recording.pose_slack
    measured = measure_tracks(
        [track.times_ns for track in tracks],
        [track.centres for track in tracks],
        [is_person(track.category) for track in tracks],
        [pose_slack_m(track.times_ns, *ego) for track in tracks],
        [_sigma_m(track) for track in tracks],
    )
    for track, measures in zip(tracks, measured, strict=True):
        line = {
            "recording": recording.id,
            "track_id": track.id,
            "category": track.category,
            "start_s": (int(track.times_ns[0]) - recording.start_ns) * 1e-9,
            **asdict(measures),
        }
        yield {name: round(line[name], 4) if isinstance(line[name], float) else line[name] for name in COLUMNS}


def _sigma_m(track: Track) -> float:
    return 0.0 if track.centre_sigma is None else float(np.median(track.centre_sigma))
