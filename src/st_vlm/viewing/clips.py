"""One clip on the page: some of its frames with the marks drawn, its marks, its questions with their truth."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.video.decoding import probe, read_frames
from st_vlm.video.marks import Mark, as_marks, draw_marks

MOST_FRAMES = 6
SHOWN_WIDTH = 480
_JPEG_QUALITY = 80
_BLANK = 128
# No camera is that large; a broken table may say anything.
_MOST_PIXELS_A_SIDE = 20_000


@dataclass(frozen=True)
class ShownFrame:
    """A frame of the strip: seconds from the clip's first frame, and its picture as a data URI."""

    time_s: float
    image: str


@dataclass(frozen=True)
class ShownQuestion:
    """A question, its answer's sentence and the typed truth as text, and the seconds over which it is measured."""

    task: str
    question: str
    answer: str
    truth: str
    span: tuple[float, float] | None


@dataclass(frozen=True)
class ShownMark:
    """A marked object: its colour, noun, track id, and the first and last second at which its box is seen."""

    color: str
    category: str
    track_id: str
    seen: tuple[float, float] | None


@dataclass(frozen=True)
class ShownClip:
    """What the page tells of one clip.

    Attributes:
        clip_id, camera: Names.
        start_ns: Time of its first frame in the source's clock.
        duration_s: Seconds from its first frame to its last.
        frame_count: Number of its frames.
        frames: Those shown; none where `problem` says why.
        blank: Whether boxes are drawn on grey because the set has no video.
        marks, questions: In the order of the table.
        problem: A sentence where the frames cannot be shown, else None.
    """

    clip_id: str
    camera: str
    start_ns: int
    duration_s: float
    frame_count: int
    frames: tuple[ShownFrame, ...]
    blank: bool
    marks: tuple[ShownMark, ...]
    questions: tuple[ShownQuestion, ...]
    problem: str | None


def show_clip(clip_id: str, rows: Sequence[Mapping]) -> ShownClip:
    """A clip from the rows of its questions (`BuiltFolder.clip_rows`).

    What is wrong with the video or the boxes becomes the clip's `problem`; its questions are shown all the same.
    """
    row = rows[0]
    times = [float(t) for t in row["timestamps"] or () if t is not None]
    frames: tuple[ShownFrame, ...] = ()
    try:
        frames, problem = _strip(row, times), None
    except InputError as error:
        problem = str(error)
    camera = row["camera"] or {}
    return ShownClip(
        clip_id=clip_id,
        camera=camera.get("name") or "",
        start_ns=row["start_ns"] or 0,
        duration_s=times[-1] - times[0] if times else 0.0,
        frame_count=len(times),
        frames=frames,
        blank=row["video"] is None,
        marks=tuple(_shown_mark(mark, times) for mark in row["marks"] or ()),
        questions=tuple(_shown_question(one) for one in rows),
        problem=problem,
    )


def pick_frames(marks: Sequence[Mark], count: int, most: int = MOST_FRAMES) -> list[int]:
    """Which of `count` frames are shown: at most `most`, spread evenly over those in which a mark is seen.

    Where that misses a mark altogether, the frame nearest the middle one of its sightings gives way to that.
    """
    seen = [[k for k in range(count) if mark.boxes[k] is not None] for mark in marks]
    useful = sorted({k for of in seen for k in of}) or list(range(count))
    picked = {useful[k] for k in np.linspace(0, len(useful) - 1, min(most, len(useful))).round().astype(int)}
    for own in seen:
        if own and not picked & set(own):
            middle = own[len(own) // 2]
            free = [k for k in picked if all(picked & set(other) != {k} for other in seen)]
            if free and len(picked) >= most:
                picked.remove(min(free, key=lambda k: (abs(k - middle), k)))
            picked.add(middle)
    return sorted(picked)


def truth_text(target: Mapping | None) -> str:
    """The typed truth of a row in few letters, such as `24.97 m`, `3 o'clock`, `2.0 to 7.5 s` or `red`.

    >>> truth_text({"value": 24.97, "unit": "m"})
    '24.97 m'
    """
    target = target or {}
    if target.get("value") is not None:
        return f"{target['value']:.2f} {target.get('unit') or ''}".strip()
    if target.get("hour") is not None:
        return f"{target['hour']} o'clock"
    if target.get("start") is not None and target.get("end") is not None:
        return f"{target['start']:.1f} to {target['end']:.1f} s"
    return target.get("choice") or "none"


def _strip(row: Mapping, times: Sequence[float]) -> tuple[ShownFrame, ...]:
    marks = as_marks(row["marks"])
    if not times:
        raise InputError("The table gives this clip no frame times, so there is nothing to show.")
    for mark in marks:
        if len(mark.boxes) != len(times):
            raise InputError(f"The {mark.color} mark has {len(mark.boxes)} boxes for {len(times)} frames.")
    picked = pick_frames(marks, len(times))
    if row["video"] is None:
        images = _blank_frames(row["camera"], marks, picked)
    else:
        images = _video_frames(row, marks, picked, len(times))
    form = "PNG" if row["video"] is None else "JPEG"
    return tuple(ShownFrame(times[k], _data_uri(image, form)) for k, image in zip(picked, images, strict=True))


def _video_frames(row: Mapping, marks: Sequence[Mark], picked: Sequence[int], count: int) -> list[np.ndarray]:
    info = probe(row["video"], least_frames=min(2, count))
    if len(info) != count:
        raise InputError(f"{row['video']} has {len(info)} frames, but the table says {count}: copy it again.")
    frames = read_frames(row["video"], picked, info)
    size = _shown_size(info.size)
    drawn = draw_marks(frames, _at(marks, picked, 1.0), shown_at=size)
    return [np.asarray(Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)) for image in drawn]


def _blank_frames(camera: Mapping | None, marks: Sequence[Mark], picked: Sequence[int]) -> list[np.ndarray]:
    size = (camera or {}).get("size") or ()
    if len(size) != 2 or not all(isinstance(side, int) and 0 < side <= _MOST_PIXELS_A_SIDE for side in size):
        raise InputError("The table gives no size of the camera's image, so boxes cannot be drawn.")
    width, height = _shown_size(size)
    frames = np.full((len(picked), height, width, 3), _BLANK, np.uint8)
    return list(draw_marks(frames, _at(marks, picked, width / size[0])))


def _at(marks: Sequence[Mark], picked: Sequence[int], scale: float) -> list[Mark]:
    """The marks at some of the frames, scaled."""
    return [
        Mark(
            mark.color,
            tuple(None if mark.boxes[k] is None else tuple(scale * v for v in mark.boxes[k]) for k in picked),
        )
        for mark in marks
    ]


def _shown_size(size: Sequence[int]) -> tuple[int, int]:
    """Width and height on the page: a portrait camera's frames get no more area than a landscape one's."""
    width, height = size
    scale = min(1.0, SHOWN_WIDTH / width, SHOWN_WIDTH / height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _data_uri(image: np.ndarray, form: str) -> str:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, form, quality=_JPEG_QUALITY, optimize=True)
    return f"data:image/{form.lower()};base64,{base64.b64encode(stored.getvalue()).decode()}"


def _shown_mark(mark: Mapping, times: Sequence[float]) -> ShownMark:
    at = [t for t, box in zip(times, mark["boxes"] or (), strict=False) if box is not None]
    seen = (at[0], at[-1]) if at else None
    return ShownMark(mark["color"] or "", mark["category"] or "", mark["track_id"] or "", seen)


def _shown_question(row: Mapping) -> ShownQuestion:
    span = row["span"] or {}
    known = None not in (span.get("start"), span.get("end"))
    return ShownQuestion(
        task=row["task"] or "",
        question=row["question"] or "",
        answer=row["answer"] or "",
        truth=truth_text(row["target"]),
        span=(span["start"], span["end"]) if known else None,
    )
