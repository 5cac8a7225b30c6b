"""`st-vlm measure-video`: how far, how fast and which way the objects of a video moved, with uncertainties."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from st_vlm.cli.output import counted, print_table, say
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import make_backend
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.measuring.measurement import Measurement
from st_vlm.pseudo_labels.measuring.naming import read_phrase
from st_vlm.pseudo_labels.measuring.video import MeasuredClip, clips_of, measure_clip, write_pictures
from st_vlm.video.decoding import probe

_COLUMNS = ("object", "from s", "to s", "distance, m", "speed, km/h", "direction", "away, m")
_DIRECTION = "direction: of its last movement, on a clock whose 12 is the way it first moved, and degrees clockwise."


def measure_video(
    video: Path,
    objects: Sequence[str],
    semantics: tuple[str, dict],
    geometry: tuple[str, dict],
    focal: float | None,
    intrinsics: tuple[float, ...] | None,
    camera_height: float | None,
    max_seconds: float | None,
    out: Path | None,
    seed: int,
    form: Literal["table", "json"],
) -> int:
    """Measure a video, print a line an object, and write annotated videos and maps into `out` where one is given.

    Returns the exit code: 0, 1 some clips or objects could not be measured, 2 none could.

    Raises:
        InputError: There is no such video, a backend does not exist, or an option cannot be.
    """
    phrases = [read_phrase(text) for text in objects]
    finds, measures = make_backend("semantics", *semantics), make_backend("geometry", *geometry)
    if not video.is_file():
        raise InputError(f"There is no video at {video}.")
    if out is not None and out.exists() and not out.is_dir():
        raise InputError(f"{out} is no folder. Give another one for the annotated videos and maps.")
    if focal is not None and not focal > 0:
        raise InputError(f"A focal length of {focal:g} cannot be. Give a positive number of pixels.")
    if semantics[0] == "pointed":
        _check_boxes(video, semantics[1])
    if focal is not None and intrinsics is None:
        # A lens without more ado looks through the middle of its image.
        width, height = probe(video).size
        intrinsics = (focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0)
    clips, reasons = clips_of(video, intrinsics, camera_height, max_seconds)
    found: list[tuple[MeasuredClip, list[str]]] = []
    for clip in tqdm(clips, desc="measuring", unit="clip", disable=None):
        frames = ClipFrames(clip, video.parent)
        measured = measure_clip(frames, finds, measures, phrases, seed)
        files = []
        if out is not None and measured.measurements:
            files = [str(path) for path in write_pictures(measured, frames, out)]
        found.append((measured, files))
    if form == "json":
        print(json.dumps(_facts(video, found, reasons), indent=2))
    else:
        rows = [_row(one) for measured, _ in found for one in measured.measurements]
        if rows:
            print_table(_COLUMNS, rows)
        if any(one.hour is not None for measured, _ in found for one in measured.measurements):
            say(_DIRECTION)
    return _tell(found, reasons)


def _check_boxes(video: Path, pointed: dict) -> None:
    """Refuse boxes that are not of a video.

    Raises:
        InputError: A second behind its end, a box that reaches out of its image, or a video that cannot be read.
    """
    info = probe(video)
    width, height = info.size
    for box, second in zip(pointed["boxes"], pointed["times_s"], strict=True):
        text = f"--box {','.join(f'{side:g}' for side in box)}@{second:g}"
        if second > info.duration_s:
            raise InputError(f"{text}: {video.name} lasts {info.duration_s:.1f} s only. Give a second within it.")
        if min(box) < 0 or box[2] > width or box[3] > height:
            raise InputError(f"{text} reaches out of {video.name}, which is {width}x{height} pixels.")


def _row(one: Measurement) -> list:
    turned = (
        None if one.hour is None else f"{one.hour:2d} o'clock ({one.turn_deg:+.0f} ± {one.turn_sigma_deg:.0f} deg)"
    )
    if one.moves is not True:
        turned = "stands" if one.moves is False else "neither clearly moves nor stands"
    return [
        f"{one.number} {one.category}",
        one.start_s,
        one.end_s,
        f"{one.distance_m:6.1f} ± {one.distance_sigma_m:.1f}",
        f"{one.speed_kmh:6.1f} ± {one.speed_sigma_kmh:.1f}",
        turned,
        f"{one.range_m:7.1f}",
    ]


def _facts(video: Path, found: Sequence[tuple[MeasuredClip, list[str]]], reasons: Sequence[str]) -> dict:
    return {
        "video": str(video),
        "clips": [
            {
                "clip": measured.clip.id,
                "objects": [one.as_dict() for one in measured.measurements],
                "reason": measured.reason or None,
                "left_out": list(measured.left_out),
                "files": files,
            }
            for measured, files in found
        ],
        "left_out": list(reasons),
    }


def _tell(found: Sequence[tuple[MeasuredClip, list[str]]], reasons: Sequence[str]) -> int:
    failed = False
    for reason in reasons:
        say(f"st-vlm: {reason}")
    for measured, files in found:
        if measured.reason:
            failed = True
            say(f"st-vlm: {measured.clip.id}: {measured.reason}")
        for sentence in measured.left_out if measured.measurements else ():
            failed = True
            say(f"st-vlm: {measured.clip.id}: left out: {sentence}")
        for path in files:
            say(path)
    objects = sum(len(measured.measurements) for measured, _ in found)
    say(f"{counted(objects, 'object')} measured in {counted(len(found), 'clip')}.")
    return 2 if not objects else 1 if failed or reasons else 0
