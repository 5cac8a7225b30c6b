"""The manifest that freezes a benchmark: which questions, and a hash of what each of them asks and holds true.

Videos are not hashed: encoders of other versions write other bytes for the same frames.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from st_vlm.errors import InputError

SIMULATED = "simulated"
_FORMAT = 1
_DIGITS = 12
# What a question is; left out is what follows from it, and where on a disk its images lie.
_CONTENT = (
    "id",
    "clip_id",
    "recording",
    "start_ns",
    "source",
    "domain",
    "provenance",
    "task",
    "question",
    "answer",
    "target",
    "span",
    "marks",
    "timestamps",
    "camera",
    "asked",
    "reasoning",
)


@dataclass(frozen=True)
class Part:
    """The questions of one source.

    Attributes:
        source: The reader's name.
        seed: Of the build.
        options: Of the source.
        questions: Recording id -> question id -> hash of the question.
    """

    source: str
    seed: int
    options: dict
    questions: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Manifest:
    """A frozen benchmark.

    Attributes:
        name: Of the benchmark.
        version: Raised whenever its questions change.
        parts: One a source.
        sha256: Of all questions (`combined`).
    """

    name: str
    version: int
    parts: tuple[Part, ...]
    sha256: str

    @property
    def hashes(self) -> dict[str, str]:
        """Question id -> hash, over all parts."""
        return {
            question: digest
            for part in self.parts
            for of_recording in part.questions.values()
            for question, digest in of_recording.items()
        }

    def part(self, source: str) -> Part:
        """The part of a source. Raises InputError for a source that it does not hold."""
        for part in self.parts:
            if part.source == source:
                return part
        raise InputError(f"{self.name} has no part {source!r}: it has {', '.join(p.source for p in self.parts)}.")


def question_hash(row: Mapping) -> str:
    """Hash of a dataset row as a question; floats count to the sixth decimal."""
    content = [_rounded(row.get(name)) for name in _CONTENT]
    text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def combined(hashes: Mapping[str, str]) -> str:
    """SHA-256 over the questions' ids and hashes, whatever their order."""
    text = "".join(f"{question} {hashes[question]}\n" for question in sorted(hashes))
    return hashlib.sha256(text.encode()).hexdigest()


def load_manifest(path: str | os.PathLike | None = None) -> Manifest:
    """Read a manifest.

    Args:
        path: Its file; None: that of the simulated benchmark, which comes with the package.

    Raises:
        InputError: It cannot be read, is no manifest, or its questions do not give its own hash.
    """
    where = str(path) if path is not None else "the manifest of the simulated benchmark"
    try:
        if path is None:
            text = (files("st_vlm.bench") / "manifests" / f"{SIMULATED}.json").read_text(encoding="utf-8")
        else:
            text = Path(path).read_text(encoding="utf-8")
        found = json.loads(text)
        if found["format"] != _FORMAT:
            raise InputError(f"{where} has format {found['format']}; this st-vlm reads format {_FORMAT}.")
        parts = tuple(_part(part) for part in found["parts"])
        manifest = Manifest(_text(found["name"]), _whole(found["version"]), parts, _text(found["sha256"]))
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        missing = f" (no {error})" if isinstance(error, KeyError) else ""
        raise InputError(f"{where} is not a manifest of a benchmark{missing}.") from None
    _refuse_doubles(manifest, where)
    if combined(manifest.hashes) != manifest.sha256:
        raise InputError(f"{where} does not match its own SHA-256: it was changed after it was frozen.")
    return manifest


def save_manifest(manifest: Manifest, path: str | os.PathLike) -> None:
    """Write a manifest, whole or not at all.

    Raises:
        InputError: The file cannot be written, or is there and no manifest.
    """
    content = {
        "format": _FORMAT,
        "name": manifest.name,
        "version": manifest.version,
        "sha256": manifest.sha256,
        "parts": [
            {"source": part.source, "seed": part.seed, "options": part.options, "questions": part.questions}
            for part in manifest.parts
        ],
    }
    path = Path(path)
    refuse_other_file(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"The manifest cannot be written to {path}: {error.strerror}.") from None


def refuse_other_file(path: str | os.PathLike) -> None:
    """Refuse to write a manifest in the place of anything but an earlier one.

    Raises:
        InputError: There is something else, or no folder to write in.
    """
    path = Path(path)
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"The manifest cannot be written to {path}: give a file in a folder that exists.")
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"format": None, "sha256": None}
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not {"format", "sha256"} <= found.keys():
        raise InputError(f"{path} exists already and is no manifest: choose another file.")


def _part(found: Mapping) -> Part:
    """A part as the file has it. Raises TypeError, ValueError or KeyError for anything else."""
    questions = {
        _text(recording): {_text(question): _text(digest) for question, digest in of.items()}
        for recording, of in found["questions"].items()
    }
    if not any(questions.values()) or not isinstance(found["options"], dict):
        raise ValueError
    return Part(_text(found["source"]), _whole(found["seed"]), found["options"], questions)


def _text(found: object) -> str:
    if not isinstance(found, str):
        raise TypeError
    found.encode()  # Half a surrogate pair is no text.
    return found


def _whole(found: object) -> int:
    if type(found) is not int or found < 0:
        raise ValueError
    return found


def _refuse_doubles(manifest: Manifest, where: str) -> None:
    sources = [part.source for part in manifest.parts]
    questions = sum(len(of) for part in manifest.parts for of in part.questions.values())
    if len(set(sources)) < len(sources) or len(manifest.hashes) < questions:
        raise InputError(f"{where} has a source or a question twice: it is not a manifest that st-vlm freeze wrote.")


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, 6) + 0.0
    if isinstance(value, Mapping):
        return {key: _rounded(found) for key, found in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(found) for found in value]
    return value
