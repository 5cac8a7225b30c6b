"""The control variants, each a `Control` (DEFINITIONS, "Scoring": Controls)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.evaluation.controls.change import Change, Control, LeftOut, drawn_by, rewritten
from st_vlm.evaluation.controls.doubling import SourceFrames
from st_vlm.evaluation.controls.geometry import (
    crop_of_marks,
    cropped_box,
    cropped_intrinsics,
    mirrored_box,
    mirrored_camera,
    mirrored_track,
    pivot_ns,
    reversed_track,
)
from st_vlm.recordings import Recording
from st_vlm.video.marks import COLOURS

GREY = 128
ZOOMS = (1.2, 1.6)


def _mirrored(row: Mapping, recording: Recording, seed: int) -> Change:
    width = row["camera"]["size"][0]
    columns = {
        "marks": _with_boxes(row, lambda boxes: [mirrored_box(box, width) for box in boxes]),
        "camera": mirrored_camera(row["camera"]),
        "source_frames": [],
    }
    return Change(columns, rewritten(lambda frames: frames[:, :, ::-1], row["timestamps"]))


def _mirrored_world(recording: Recording) -> Recording:
    return replace(recording, tracks=tuple(map(mirrored_track, recording.tracks)))


def _reversed(row: Mapping, recording: Recording, seed: int) -> Change:
    end = row["timestamps"][-1]
    columns = _of_frames(row, range(len(row["timestamps"]))[::-1])
    columns["timestamps"] = [round(end - t, 6) for t in columns["timestamps"]]
    columns["start_ns"] = pivot_ns(recording) - (row["start_ns"] + round(end * 1e9))
    return Change(columns, rewritten(lambda frames: frames[::-1], columns["timestamps"]))


def _reversed_world(recording: Recording) -> Recording:
    pivot = pivot_ns(recording)
    return replace(recording, tracks=tuple(reversed_track(track, pivot) for track in recording.tracks))


def _reversed_time(row: Mapping, second: float) -> float:
    return row["timestamps"][-1] - second


def _halved(row: Mapping, recording: Recording, seed: int) -> Change:
    # The last frame stays: questions are about time up to it.
    return _fewer(row, sorted({*range(0, len(row["timestamps"]), 2), len(row["timestamps"]) - 1}))


def _one_frame(row: Mapping, recording: Recording, seed: int) -> Change:
    count = len(row["timestamps"])
    shown = [sum(mark["boxes"][k] is not None for mark in row["marks"]) for k in range(count)]
    return _fewer(row, [min(range(count), key=lambda k: (-shown[k], abs(2 * k - (count - 1)), k))])


def _fewer(row: Mapping, kept: list[int]) -> Change:
    columns = _of_frames(row, kept)
    return Change(columns, rewritten(lambda frames: frames[kept], columns["timestamps"]))


def _no_video(row: Mapping, recording: Recording, seed: int) -> Change:
    return Change({"source_frames": []})


def _blank(row: Mapping, recording: Recording, seed: int) -> Change:
    return Change({"source_frames": []}, rewritten(lambda frames: np.full_like(frames, GREY), row["timestamps"]))


def _cropped(row: Mapping, recording: Recording, seed: int) -> Change:
    camera, size = row["camera"], row["camera"]["size"]
    boxes = [box for mark in row["marks"] for box in mark["boxes"] if box is not None]
    rng = drawn_by(seed, "crop_zoom", row["clip_id"])
    everything = np.array(boxes) if boxes else np.array([[s / 2 for s in (*size, *size)]])
    crop = crop_of_marks(everything, size, ZOOMS, rng)
    if crop is None:
        raise LeftOut("no_crop")
    left, top, zoom = crop
    window = (left, top, min(size[0], left + size[0] / zoom), min(size[1], top + size[1] / zoom))

    def scaled(frames: np.ndarray) -> np.ndarray:
        images = (Image.fromarray(frame) for frame in frames)
        return np.stack([image.resize(tuple(size), Image.Resampling.BICUBIC, window) for image in images])

    columns = {
        "marks": _with_boxes(row, lambda boxes: [cropped_box(box, crop, size) for box in boxes]),
        "camera": {**camera, "intrinsics": cropped_intrinsics(np.array(camera["intrinsics"]), crop).tolist()},
        "source_frames": [],
    }
    return Change(columns, rewritten(scaled, row["timestamps"]))


def _swapped(row: Mapping, recording: Recording, seed: int) -> Change:
    colours = [mark["color"] for mark in row["marks"]]
    # Among the marks where there are several: then a guess by colour is wrong wherever it was right.
    ring = colours if len(colours) > 1 else COLOURS
    swapped = [ring[(ring.index(colour) + 1) % len(ring)] for colour in colours]
    marks = [{**mark, "color": colour} for mark, colour in zip(row["marks"], swapped, strict=True)]
    return Change({"marks": marks})


def _unchanged(row: Mapping, recording: Recording, seed: int) -> Change:
    return Change({})


def _of_frames(row: Mapping, kept) -> dict:
    """The columns that have one entry a frame, of some frames in some order."""

    def taken(values):
        return [values[k] for k in kept]

    return {
        "marks": _with_boxes(row, taken),
        "timestamps": taken(row["timestamps"]),
        "camera": {**row["camera"], "poses": taken(row["camera"]["poses"])},
        "source_frames": taken(row["source_frames"]) if row["source_frames"] else [],
    }


def _with_boxes(row: Mapping, change) -> list[dict]:
    return [{**mark, "boxes": change(mark["boxes"])} for mark in row["marks"]]


CONTROLS: dict[str, Control] = {
    control.name: control
    for control in (
        Control(
            "mirrored",
            "Clips mirrored left to right: hour h becomes 12 - h, and all else stays.",
            _mirrored,
            world=_mirrored_world,
            words="again",
        ),
        Control(
            "time_reversed",
            "Clips run backwards: the last movement becomes the first, and intervals change ends.",
            _reversed,
            world=_reversed_world,
            time=_reversed_time,
            words="again",
        ),
        Control("half_frame_rate", "Every second frame, and the last: the truth stays.", _halved),
        Control(
            "double_frame_rate",
            "A frame every 0.25 s from the source's own images, in clips of up to 40 such frames: the truth stays.",
            SourceFrames.needed,
        ),
        Control("no_video", "The question alone, without video or marks.", _no_video, video=False),
        Control(
            "one_frame",
            "One frame alone at its own time: of those that show most marks, the one nearest the middle.",
            _one_frame,
        ),
        Control("blank_frames", "Grey frames on which the marks are drawn as ever.", _blank),
        Control(
            "crop_zoom",
            "A crop to 1/1.2 to 1/1.6 of each side that keeps all marks, scaled up; the intrinsics follow.",
            _cropped,
        ),
        Control("colours_swapped", "The marks in other colours, questions and answers too.", _swapped, words="again"),
        Control("paraphrased", "Questions in wordings that are held out of training.", _unchanged, words="held_out"),
    )
}


def control_named(name: str) -> Control:
    """A control by its name. Raises InputError listing the controls for an unknown one."""
    if name not in CONTROLS:
        raise InputError(f"Unknown control {name!r}: choose one of {', '.join(CONTROLS)}.")
    return CONTROLS[name]
