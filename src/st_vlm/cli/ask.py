"""`st-vlm ask`: a question about a video of one's own, its objects marked on one frame each."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from st_vlm.cli.output import say
from st_vlm.errors import InputError
from st_vlm.questions.answers import to_target
from st_vlm.questions.forms import task_form
from st_vlm.video.decoding import VideoInfo, probe, read_frames
from st_vlm.video.marks import COLOURS, Mark, as_marks, draw_marks
from st_vlm.video.sampling import sample_indices
from st_vlm.video.tracking import MarkedOnce, check_marked, follow_marks

FORM = "COLOUR=x1,y1,x2,y2@SECONDS, such as red=40,60,120,140@0.5"
_FRAMES_ON_A_SHEET = 8


@dataclass(frozen=True)
class AskOptions:
    """What is known beside video and question.

    Attributes:
        mark: Marks on one frame each, written as `FORM`.
        marks: A JSON file with a list of marks: `color`, and `boxes` for each sampled frame or each frame of the file.
        model: Folder of the model, or its name on the Hub.
        task: Task id that says how the text is read.
        camera_height: Metres above the ground.
        focal: Focal length in pixels of the video.
        fixed_camera: Degrees below the horizontal that a camera on a stand looks; None where it moves or may move.
        save_frames: Where a picture of the marked frames goes.
    """

    mark: Sequence[str] = ()
    marks: Path | None = None
    model: str = "st-vlm"
    task: str | None = None
    camera_height: float | None = None
    focal: float | None = None
    fixed_camera: float | None = None
    save_frames: Path | None = None


def ask(video: Path, question: str, options: AskOptions, form: Literal["text", "json"]) -> int:
    """Print the model's text, the answer read from it and the confidence; returns the exit code.

    Raises:
        InputError: Whatever is wrong with the video, the marks, the question or the model. What needs no model is
            found before it is loaded.
    """
    if not question.strip():
        raise InputError("The question is empty: ask something, such as 'How far does the red object travel?'.")
    if options.task is not None:
        task_form(options.task)
    given = [parse_mark(text) for text in options.mark]
    info = probe(video)
    stored = read_marks(options.marks) if options.marks else ()
    as_marks([*(Mark(one.color, (one.box,)) for one in given), *stored])
    check_colours(question, [*(one.color for one in given), *(mark.color for mark in stored)])
    for one in given:
        check_marked(one, info, str(video))
    camera = camera_of(options, info)
    check_model(options.model)

    from st_vlm.training.loading import load_model

    model, processor = load_model(options.model)
    reader = processor.video_processor
    interval = getattr(reader, "frame_interval_s", None)
    limits = {} if interval is None else {"interval_s": interval, "max_frames": reader.max_frames}
    indices = sample_indices(info.times_s, **limits)
    followed = follow_marks(video, given, indices, info)
    for one in followed:
        if one.warning:
            say(f"st-vlm: {one.warning}")
    marks = (*(one.mark for one in followed), *(at_frames(mark, indices, info, options.marks) for mark in stored))
    times = info.times_s[indices].tolist()
    if options.save_frames:
        save_frames(options.save_frames, video, info, indices, marks, question)
    known = {} if camera is None else {"camera": camera | fixed_poses(options.fixed_camera, len(indices))}
    said = model.answer(
        os.fspath(video), question, marks=marks, timestamps=times, processor=processor, task=options.task, **known
    )
    if form == "json":
        print(json.dumps(as_json(said, marks, times, followed), indent=2))
    else:
        print("\n".join(as_lines(said)))
    return 0


def parse_mark(text: str) -> MarkedOnce:
    """A mark from the command line.

    >>> parse_mark("red=40,60,120,140@0.5")
    MarkedOnce(color='red', box=(40.0, 60.0, 120.0, 140.0), time_s=0.5)

    Raises:
        InputError: It is not of the form `FORM`.
    """
    match = re.fullmatch(r"\s*(\w+)\s*=([^@]+)@([^@]+)", text)
    try:
        color, numbers, time = match.groups()
        box = tuple(float(number) for number in numbers.split(","))
        one = MarkedOnce(color.lower(), box, float(time.strip().removesuffix("s")))
        if len(box) != 4:
            raise ValueError(text)
    except (AttributeError, ValueError):
        raise InputError(f"--mark {text} cannot be read: write it as {FORM}.") from None
    try:
        Mark(one.color, (box,))
    except InputError as error:
        if one.color not in COLOURS:
            raise InputError(f"--mark {text}: {error}") from None
        raise InputError(f"--mark {text}: a box is x1,y1,x2,y2 with x1 < x2 and y1 < y2, in pixels.") from None
    return one


def read_marks(path: Path) -> tuple[Mark, ...]:
    """Marks from a JSON file: a list of objects with `color` and `boxes`, as in a dataset row.

    Raises:
        InputError: No such file, or something else in it.
    """
    try:
        marks = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InputError(f"{path} is no JSON file: it must hold a list of marks with color and boxes.") from None
    if not isinstance(marks, list) or not all(isinstance(mark, Mapping) for mark in marks):
        raise InputError(f"{path} must hold a list of marks, each an object with color and boxes.")
    try:
        return as_marks(marks)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def at_frames(mark: Mark, indices: np.ndarray, info: VideoInfo, path: Path) -> Mark:
    """A mark of a file with one box for each sampled frame.

    Raises:
        InputError: It has neither one for each of these nor one for each of the video's, or a box lies outside.
    """
    boxes = mark.boxes
    if len(boxes) == len(info) and len(boxes) != len(indices):
        boxes = tuple(boxes[i] for i in indices)
    if len(boxes) != len(indices):
        raise InputError(
            f"{path}: the {mark.color} mark has {len(boxes)} boxes, but the video has {len(info)} frames, of which "
            f"{len(indices)} are asked about: give one for each, null where the object is not seen."
        )
    width, height = info.size
    for box in boxes:
        if box is not None and (box[2] <= 0 or box[3] <= 0 or box[0] >= width or box[1] >= height):
            raise InputError(
                f"{path}: the {mark.color} mark's box {list(box)} lies outside the frame, which is "
                f"{width}x{height} pixels."
            )
    return Mark(mark.color, boxes)


def check_colours(question: str, marked: Sequence[str]) -> None:
    """Raises InputError where a question names colours and nothing is marked; says it where another colour is."""
    named = [color for color in COLOURS if re.search(rf"\b{color}\b", question, re.IGNORECASE)]
    if named and not marked:
        raise InputError(f"The question names {named[0]}, but nothing is marked: add --mark {named[0]}=x1,y1,x2,y2@t.")
    for color in named:
        if color not in marked:
            say(f"st-vlm: The question names {color}, but no mark is {color}.")


def camera_of(options: AskOptions, info: VideoInfo) -> dict | None:
    """What is known of the camera, as in a dataset row; None where nothing is.

    Raises:
        InputError: A height or a focal length that is not positive, or a camera that looks straight up or down.
    """
    for name, value in (("--camera-height", options.camera_height), ("--focal", options.focal)):
        if value is not None and not (0 < value < float("inf")):
            raise InputError(f"{name} must be more than 0, not {value:g}.")
    if options.fixed_camera is not None and not abs(options.fixed_camera) < 90:
        raise InputError(f"--fixed-camera must lie between -90 and 90 degrees, not {options.fixed_camera:g}.")
    camera: dict = {}
    width, height = info.size
    if options.focal is not None:
        camera["intrinsics"] = [
            [options.focal, 0.0, (width - 1) / 2],
            [0.0, options.focal, (height - 1) / 2],
            [0.0, 0.0, 1.0],
        ]
    if options.camera_height is not None:
        camera["height"] = options.camera_height
    return {**camera, "size": [width, height]} if camera or options.fixed_camera is not None else None


def fixed_poses(degrees: float | None, count: int) -> dict:
    """`poses` of a camera that stays where it is and looks so many degrees below the horizontal."""
    if degrees is None:
        return {}
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    # Columns: the camera's right, down and forward; it looks along the world's x axis, whose z points up.
    pose = [[0.0, -sin, cos, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -cos, -sin, 0.0], [0.0, 0.0, 0.0, 1.0]]
    return {"poses": [pose] * count}


def check_model(name: str) -> None:
    """Raises InputError where no model is at a folder; another name may be one on the Hub."""
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").is_file():
        raise InputError(f"{name} holds no model: there is no config.json in it. Give --model FOLDER.")
    if not folder.exists() and (name == AskOptions.model or len(folder.parts) != 2 or name.startswith(".")):
        raise InputError(f"There is no model at {name}: give --model FOLDER, or make the tiny one by `make demo`.")


def as_lines(said) -> list[str]:
    """The text, what was read from it, and how sure the model is."""
    lines = [said.text]
    if said.answer is not None:
        from st_vlm.models.answering import stated

        lines.append(f"answer: {stated(said.answer)}")
    else:
        lines.append("answer: none can be read from the text")
    confidence = getattr(said, "confidence", None)
    if confidence is not None:
        lines.append(f"confidence: {confidence:.2f}")
    return lines


def as_json(said, marks: Sequence[Mark], times: Sequence[float], followed) -> dict:
    """The answer as data: `answer` is a row's `target`, or null."""
    return {
        "text": said.text,
        "answer": None if said.answer is None else to_target(said.answer),
        "confidence": getattr(said, "confidence", None),
        "timestamps": list(times),
        "marks": [{"color": mark.color, "boxes": [box and list(box) for box in mark.boxes]} for mark in marks],
        "warnings": [one.warning for one in followed if one.warning],
    }


def save_frames(
    path: Path, video: Path, info: VideoInfo, indices: np.ndarray, marks: Sequence[Mark], question: str
) -> None:
    """Write a picture of some of the marked frames, spread over the clip.

    Raises:
        InputError: A name that does not end in .png.
    """
    from st_vlm.video.contact_sheet import Panel, contact_sheet

    if path.suffix.lower() != ".png":
        raise InputError(f"--save-frames writes a PNG: give it a name that ends in .png, not {path}.")
    picked = np.unique(np.linspace(0, len(indices) - 1, _FRAMES_ON_A_SHEET).round().astype(int))
    frames = read_frames(video, indices[picked], info)
    shown = [Mark(mark.color, tuple(mark.boxes[k] for k in picked)) for mark in marks]
    captions = [f"{info.times_s[indices[k]]:.2f} s" for k in picked]
    partial = path.with_name(f".{path.name}.partial.png")
    try:
        contact_sheet([Panel(draw_marks(frames, shown), captions, [question])]).save(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
