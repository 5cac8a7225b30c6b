"""The columns of a dataset row (DESIGN, "Dataset rows") and how a clip and an asked candidate fill them.

`ROW_SCHEMA` is the one list of columns: the Parquet files, the `datasets` features and the dataset card follow it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from st_vlm.errors import InputError
from st_vlm.kinematics.poses import invert, transform
from st_vlm.questions.answers import Answer, Interval, to_target
from st_vlm.questions.chains.wording import render_chain
from st_vlm.questions.clips import Clip
from st_vlm.questions.forms import task_form
from st_vlm.questions.phrasing import phrase_fields, render_answer, render_question
from st_vlm.questions.phrasing_files import load_phrasings
from st_vlm.questions.reasoning import REASONING_TYPE, Reasoning
from st_vlm.questions.tasks import Candidate
from st_vlm.recordings.categories import noun

_STRING, _FLOAT, _INT = pa.string(), pa.float64(), pa.int64()
_MATRIX = pa.list_(pa.list_(_FLOAT))
_CONTENT = pa.list_(pa.struct([("type", _STRING), ("text", _STRING)]))

ROW_SCHEMA = pa.schema(
    [
        ("id", _STRING),
        ("clip_id", _STRING),
        ("recording", _STRING),
        ("start_ns", _INT),
        ("source", _STRING),
        ("domain", _STRING),
        ("provenance", _STRING),
        ("task", _STRING),
        ("question", _STRING),
        ("answer", _STRING),
        ("messages", pa.list_(pa.struct([("role", _STRING), ("content", _CONTENT)]))),
        (
            "target",
            pa.struct(
                [
                    ("value", _FLOAT),
                    ("unit", _STRING),
                    ("hour", _INT),
                    ("start", _FLOAT),
                    ("end", _FLOAT),
                    ("choice", _STRING),
                    ("vector", pa.list_(_FLOAT)),
                ]
            ),
        ),
        ("span", pa.struct([("start", _FLOAT), ("end", _FLOAT)])),
        (
            "marks",
            pa.list_(
                pa.struct(
                    [("color", _STRING), ("category", _STRING), ("track_id", _STRING), ("boxes", _MATRIX)],
                )
            ),
        ),
        ("timestamps", pa.list_(_FLOAT)),
        (
            "camera",
            pa.struct(
                [
                    ("name", _STRING),
                    ("intrinsics", _MATRIX),
                    ("size", pa.list_(_INT)),
                    ("distortion", _STRING),
                    ("distortion_coefficients", pa.list_(_FLOAT)),
                    ("height", _FLOAT),
                    ("poses", pa.list_(_MATRIX)),
                ]
            ),
        ),
        (
            "asked",
            pa.struct(
                [
                    ("objects", pa.list_(_INT)),
                    ("states_span", pa.bool_()),
                    ("hour", _INT),
                    ("metres", _FLOAT),
                    ("second", _FLOAT),
                ]
            ),
        ),
        ("reasoning", REASONING_TYPE),
        ("phrasing", pa.struct([("question", _STRING), ("answer", _STRING)])),
        ("quality", pa.struct([("expected_error", _FLOAT), ("labelled_by", _STRING)])),
        ("source_frames", pa.list_(_STRING)),
        ("licence", _STRING),
    ]
)


def clip_columns(clip: Clip, video_size: tuple[int, int]) -> dict:
    """The columns that all questions on a clip share; boxes and intrinsics in pixels of the stored video.

    Args:
        clip: The clip.
        video_size: Width and height of the stored video.
    """
    recording, camera = clip.recording, clip.recording.camera
    scale = np.array(video_size) / np.array(camera.size)
    intrinsics = np.diag([*scale, 1.0]) @ camera.intrinsics
    paths = recording.frames.paths
    poses = camera.poses[clip.frames]
    return {
        "clip_id": clip.id,
        "recording": recording.id,
        "start_ns": clip.start_ns,
        "source": recording.source,
        "domain": recording.domain,
        "provenance": recording.provenance,
        "marks": [
            {
                "color": marked.colour,
                "category": noun(marked.track.category),
                "track_id": marked.track.id,
                "boxes": _boxes(marked.boxes * np.tile(scale, 2)),
            }
            for marked in clip.objects
        ],
        "timestamps": clip_timestamps(clip),
        "camera": {
            "name": camera.name,
            "intrinsics": intrinsics.tolist(),
            "size": list(video_size),
            "distortion": camera.distortion,
            "distortion_coefficients": list(camera.distortion_coefficients),
            "height": camera_height(clip, poses),
            "poses": poses.tolist(),
        },
        "quality": {"expected_error": None, "labelled_by": recording.labelled_by or None},
        "source_frames": [paths[k] for k in clip.frames] if paths else [],
        "licence": recording.licence,
    }


def clip_timestamps(clip: Clip) -> list[float]:
    """The frames' times in seconds from the first, to a microsecond."""
    return [round(float(t), 6) for t in clip.times_s]


def question_columns(clip: Clip, candidate: Candidate, number: int, seed: int) -> dict:
    """The columns of one question: its words are drawn from the task's phrasings by the question's id and the seed.

    Args:
        number: Tells apart the questions of one task on one clip.
    """
    question_id = f"{clip.id}-{candidate.task}-{number}"
    asked = {
        "objects": list(candidate.objects),
        "states_span": candidate.states_span,
        "hour": candidate.hour,
        "metres": candidate.metres,
        "second": candidate.second,
    }
    span = {"start": round(candidate.start_s, 3), "end": round(candidate.end_s, 3)}
    colours = [marked.colour for marked in clip.objects]
    chain = candidate.reasoning
    return {
        "id": question_id,
        "task": candidate.task,
        "target": to_target(candidate.answer),
        "span": span,
        "asked": asked,
        "reasoning": None if chain is None else chain.to_column(),
        **worded(question_id, candidate.task, candidate.answer, asked, span, colours, seed, reasoning=chain),
    }


def worded(
    question_id: str,
    task: str,
    answer: Answer,
    asked: Mapping,
    span: Mapping,
    colours: Sequence[str],
    seed: int,
    held_out: bool = False,
    reasoning: Reasoning | Mapping | None = None,
) -> dict:
    """The columns `question`, `answer`, `messages` and `phrasing`: all that depends on the wording.

    Args:
        question_id: Of the row; the wording is drawn by it and the seed.
        task: Task id.
        answer: The truth.
        asked, span: The row's columns.
        colours: Of all marks of the clip; the only one is called "the object".
        seed: Of the build.
        held_out: Draw from the wordings that are held out of training.
        reasoning: Of a reasoning task: the chain, or the row's column of it.
    """
    asking, answering = load_phrasings(task).pick(random.Random(f"{seed}/{question_id}"), held_out)
    stated = Interval(span["start"], span["end"]) if asked["states_span"] else None
    named = [None if len(colours) == 1 else colours[k] for k in asked["objects"]]
    states = {name: asked[name] for name in task_form(task).states}
    fields = phrase_fields(task, named, stated, **states)
    if reasoning is None:
        question, text = render_question(asking, fields), render_answer(answering, answer, fields)
    else:
        chain = reasoning if isinstance(reasoning, Reasoning) else Reasoning.from_column(reasoning)
        question, text = render_chain(asking, answering, chain, answer, fields)
    return {
        "question": question,
        "answer": text,
        "messages": messages(question, text),
        "phrasing": {"question": asking.id, "answer": answering.id},
    }


def messages(question: str, answer: str | None = None) -> list[dict]:
    """A conversation: a user's video and question, and the assistant's answer where there is one."""
    turns = [{"role": "user", "content": [{"type": "video", "text": None}, {"type": "text", "text": question}]}]
    if answer is not None:
        turns.append({"role": "assistant", "content": [{"type": "text", "text": answer}]})
    return turns


def camera_height(clip: Clip, poses: np.ndarray) -> float | None:
    """Median height in metres of the camera above the ground that objects within 30 m stand on, or None.

    Heights are taken along the world's up axis; the ground is the bottom of the annotated boxes.
    """
    tracks, times = clip.recording.tracks, clip.times_ns
    nearest = [np.searchsorted(track.times_ns, times).clip(0, len(track) - 1) for track in tracks]
    there = list(zip(tracks, nearest, strict=True))
    alive = np.abs(np.stack([track.times_ns[at] for track, at in there]) - times) < 500_000_000
    centres = np.stack([track.centres[at] for track, at in there])[alive]
    heights = np.stack([track.sizes[at, 2] for track, at in there])[alive]
    frames = np.nonzero(alive)[1]
    distance = np.linalg.norm(transform(invert(poses)[frames], centres), axis=-1)
    above = (poses[frames, 2, 3] - (centres[:, 2] - heights / 2))[distance < 30.0]
    return round(float(np.median(above)), 3) if len(above) else None


def to_table(rows: Sequence[dict], schema: pa.Schema) -> pa.Table:
    """Rows as an Arrow table.

    Raises:
        InputError: A row that does not fit the schema.
    """
    try:
        return pa.Table.from_pylist(list(rows), schema=schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise InputError(f"A dataset row does not fit the columns: {error}.") from error


def _boxes(boxes: np.ndarray) -> list[list[float] | None]:
    """(T, 4) pixels to two decimals; None for those that are not known."""
    known = np.isfinite(boxes).all(axis=1).tolist()
    return [[round(v, 2) for v in box] if one else None for box, one in zip(boxes.tolist(), known, strict=True)]
