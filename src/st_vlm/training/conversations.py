"""A dataset row as the conversation that a model is asked, and taught, to hold about a marked clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from st_vlm.errors import InputError


@dataclass(frozen=True, eq=False)
class Conversation:
    """One question about one clip, and its answer.

    Attributes:
        id: The row's id, for error messages.
        question: The turns up to the question: a list of `{"role", "content"}` as chat templates take them.
        answer: The assistant's sentence.
        shown: Whether it is asked about a clip, with or without images.
        video: Path of the clip, or the file's bytes; None where there is none.
        marks: `{"color", "boxes"}` of every marked object, boxes in pixels of the stored video; none without a clip.
        timestamps: Seconds of the clip's frames.
        camera: What is known of the camera, as a dataset row has it; None for nothing, or without a clip.
    """

    id: str
    question: list[dict]
    answer: str
    video: str | bytes | None
    marks: list[dict]
    timestamps: list[float]
    camera: Mapping | None = None
    shown: bool = True


def to_conversations(example: Mapping) -> list[Conversation]:
    """The conversations of a dataset row, or of a clip with several questions (`training.sharing`)."""
    if example.get("questions") is None:
        return [to_conversation(example)]
    return [to_conversation({**example, **question}) for question in example["questions"]]


def to_conversation(row: Mapping) -> Conversation:
    """The conversation of a dataset row (`questions.rows.ROW_SCHEMA` and `video`).

    Raises:
        InputError: A row without id, marks or timestamps, or whose messages are not turns that end with the
            assistant's one sentence.
    """
    shown = any(part["type"] == "video" for turn in row.get("messages") or () for part in turn["content"])
    needed = ("id", "messages", "marks", "timestamps")
    missing = [key for key in needed if row.get(key) is None]
    if missing:
        raise InputError(f"Question {row.get('id', '?')} has no {' and no '.join(missing)}; is this an STKit dataset?")
    messages = [_message(turn) for turn in row["messages"]]
    if len(messages) < 2 or messages[-1]["role"] != "assistant" or messages[-2]["role"] != "user":
        raise InputError(f"Question {row['id']}: its messages must end with a user's turn and the assistant's answer.")
    texts = [part["text"] for part in messages[-1]["content"] if part["type"] == "text"]
    answer = texts[0].strip() if len(texts) == len(messages[-1]["content"]) == 1 else ""
    if not answer:
        raise InputError(f"Question {row['id']}: the assistant's turn must be one sentence of text.")
    return Conversation(
        id=row["id"],
        question=messages[:-1],
        answer=answer,
        shown=shown,
        video=_video(row) if shown else None,
        marks=[{"color": mark["color"], "boxes": mark["boxes"]} for mark in row["marks"]] if shown else [],
        timestamps=list(row["timestamps"]),
        camera=row.get("camera") if shown else None,
    )


def prompt_text(processor, conversation: Conversation) -> str:
    """The prompt to which a model answers, from the processor's chat template."""
    return processor.apply_chat_template(conversation.question, add_generation_prompt=True, tokenize=False)


def answer_text(processor, conversation: Conversation) -> str:
    """What the model should write after `prompt_text`: the answer and what the template puts behind it.

    It is what the finished conversation has behind the prompt, with the blank that some templates (SmolVLM's) set
    before an answer. Other templates (LLaVA-OneVision's own) open an assistant's turn differently in a finished
    conversation, and generation starts from the prompt: then it is the answer and what follows it.

    Raises:
        InputError: A chat template that does not write the answer as it stands.
    """
    finished = [
        *conversation.question,
        {"role": "assistant", "content": [{"type": "text", "text": conversation.answer}]},
    ]
    whole = processor.apply_chat_template(finished, tokenize=False)
    opening = prompt_text(processor, conversation)
    if whole.startswith(opening) and whole[len(opening) :].lstrip().startswith(conversation.answer):
        return whole[len(opening) :]
    _, found, tail = whole.rpartition(conversation.answer)
    if not found:
        raise InputError(
            f"The chat template of {type(processor).__name__} does not write the assistant's answer as it stands, "
            "so its tokens cannot be told from the prompt's; use another template."
        )
    return conversation.answer + tail


def _message(turn: Mapping) -> dict:
    # Arrow fills absent keys with None, and some templates look for keys rather than values.
    content = [{key: value for key, value in part.items() if value is not None} for part in turn["content"]]
    return {"role": turn["role"], "content": content}


def _video(row: Mapping) -> str | bytes | None:
    """The video's bytes where the dataset carries them, else its path."""
    video = row.get("video")
    if video is None or isinstance(video, str):
        return video
    value = video.get("bytes") or video.get("path")
    if not value:
        raise InputError(f"Question {row['id']} has neither a path nor bytes in its video column.")
    return value
