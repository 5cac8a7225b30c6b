"""A model's answers to every question of a dataset, written as they come, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from st_vlm.errors import InputError
from st_vlm.models.answering import AnsweringMixin
from st_vlm.models.greedy import Turn, greedy, greedy_shared
from st_vlm.models.shared_prefix import share
from st_vlm.training.clips import ClipReader, model_inputs
from st_vlm.training.conversations import prompt_text, to_conversation

PREDICTIONS_FILE = "predictions.jsonl"
RUN_FILE = "run.json"
# Larger files of a model are told apart by size and time of change: hashing 15 GB takes longer than asking.
_MOST_BYTES_HASHED = 64 * 2**20


@dataclass(frozen=True)
class RunReport:
    """What came out of a run.

    Attributes:
        texts: Question id to the model's text.
        failures: Question id to the sentence that says why it could not be asked.
        kept: How many texts an earlier run had left.
    """

    texts: dict[str, str]
    failures: dict[str, str] = field(default_factory=dict)
    kept: int = 0


def answer_questions(
    model,
    processor,
    rows: Sequence,
    out: str | os.PathLike,
    identity: dict,
    batch_size: int = 16,
    max_new_tokens: int = 64,
) -> RunReport:
    """Ask a model every question, greedily, and write `predictions.jsonl`, a `{"id", "text"}` a line, into a folder.

    Questions of one clip are asked together, and clips of like length after each other. Texts that an earlier run of
    the same identity left in the folder are kept; a last line cut off in the middle is dropped and asked again.

    Args:
        model: A video model of transformers with a language head.
        processor: Its processor.
        rows: Dataset rows.
        out: The folder; made if missing.
        identity: What the texts depend on, JSON values: the model and the questions (`model_identity`,
            `loading.questions_sha256`).
        batch_size: Questions asked at once.
        max_new_tokens: Longest answer.

    Returns:
        A question whose video cannot be read is a failure and has no line.

    Raises:
        InputError: The folder holds texts of another identity.
    """
    path = Path(out) / PREDICTIONS_FILE
    ids = list(rows["id"]) if hasattr(rows, "column_names") else [row["id"] for row in rows]
    identity = {**identity, "max_new_tokens": max_new_tokens}
    texts = {key: text for key, text in _earlier(path, identity).items() if key in set(ids)}
    kept = len(texts)
    failures: dict[str, str] = {}
    read_clip = ClipReader(processor)
    todo = [index for index in _by_clip(rows) if ids[index] not in texts]
    was_training = model.training
    model.eval()
    try:
        with (
            path.open("a", encoding="utf-8") as file,
            tqdm(total=len(todo), desc="answering", unit="question", disable=None) as bar,
        ):
            for start in range(0, len(todo), batch_size):
                batch = todo[start : start + batch_size]
                for key, text in _answer_batch(
                    model, processor, read_clip, [rows[i] for i in batch], max_new_tokens, failures
                ):
                    texts[key] = text
                    file.write(json.dumps({"id": key, "text": text}, ensure_ascii=False) + "\n")
                file.flush()
                bar.update(len(batch))
    finally:
        model.train(was_training)
    return RunReport({key: texts[key] for key in ids if key in texts}, failures, kept)


def model_identity(folder: str | os.PathLike) -> str:
    """SHA-256 that changes with a model folder's configuration, processor or weights."""
    digest = hashlib.sha256()
    for path in sorted(Path(folder).glob("*")):
        if path.suffix not in (".json", ".jinja", ".safetensors", ".bin") or path.name == RUN_FILE:
            continue
        facts = path.stat()
        digest.update(path.name.encode())
        if facts.st_size <= _MOST_BYTES_HASHED:
            digest.update(path.read_bytes())
        else:
            digest.update(f"{facts.st_size} {facts.st_mtime_ns}".encode())
    return digest.hexdigest()


@torch.inference_mode()
def _answer_batch(model, processor, read_clip, rows, max_new_tokens: int, failures: dict[str, str]):
    """(id, text) for each row whose clip can be read; the others go to `failures`."""
    asked = []
    for row in rows:
        try:
            conversation = to_conversation(row)
            asked.append((conversation, read_clip(conversation) if conversation.shown else None))
        except InputError as error:
            failures[row["id"]] = str(error).removeprefix(f"Question {row['id']}: ")
    if not asked:
        return []
    prompts = [prompt_text(processor, conversation) for conversation, _ in asked]
    said = _said(model, processor, prompts, [clip for _, clip in asked], max_new_tokens)
    texts = processor.batch_decode([tokens for tokens, _ in said], skip_special_tokens=True)
    return [(conversation.id, text.strip()) for (conversation, _), text in zip(asked, texts, strict=True)]


def _said(model, processor, prompts: list[str], clips: list, max_new_tokens: int) -> list[Turn]:
    """The turn that answers each prompt; a clip with several questions is run once where the model can."""
    groups: dict[int, list[int]] = {}
    for index, clip in enumerate(clips):
        groups.setdefault(id(clip), []).append(index)
    if isinstance(model, AnsweringMixin) and None not in clips and len(groups) < len(clips):
        firsts = [group[0] for group in groups.values()]
        shown = [clips[i] for i in firsts]
        inputs = model_inputs(processor, [prompts[i] for i in firsts], shown, padding_side="left")
        shared = share(processor, inputs, [[prompts[i] for i in group] for group in groups.values()], shown)
        if shared is not None:
            every = [range(len(clips))]
            turns = greedy_shared(model, shared, every, max_new_tokens, processor.tokenizer.pad_token_id)[0]
            order = [index for group in groups.values() for index in group]
            return [turn for _, turn in sorted(zip(order, turns, strict=True), key=lambda pair: pair[0])]
    shown = [clip for clip in clips if clip is not None]
    return greedy(model, model_inputs(processor, prompts, shown, padding_side="left"), max_new_tokens)


def _by_clip(rows: Sequence) -> list[int]:
    """Indices of the rows: clips of like length near each other, the questions of a clip together."""
    columns = rows.select_columns(["timestamps", "clip_id"]) if hasattr(rows, "column_names") else rows
    keys = [(len(row["timestamps"]), row["clip_id"]) for row in columns]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _earlier(path: Path, identity: dict) -> dict[str, str]:
    """Texts that an earlier run of the same identity wrote; afterwards the file holds just these, whole lines."""
    note = path.with_name(RUN_FILE)
    identity = json.loads(json.dumps(identity))
    texts: dict[str, str] = {}
    if path.is_file() and path.stat().st_size:
        before = json.loads(note.read_text(encoding="utf-8")) if note.is_file() else {}
        different = [name for name in identity if before.get(name) != identity[name]]
        if different:
            raise InputError(
                f"{path} holds answers of another run (another {', '.join(different)}): choose another folder, or "
                "remove that file."
            )
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                texts[entry["id"]] = entry["text"]
            except (ValueError, KeyError, TypeError):
                break  # cut off while it was written
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Answers cannot be written to {path.parent}: {error.strerror}.") from error
    write_whole(note, json.dumps(identity, indent=2) + "\n")
    lines = [json.dumps({"id": key, "text": text}, ensure_ascii=False) + "\n" for key, text in texts.items()]
    write_whole(path, "".join(lines))
    return texts


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
