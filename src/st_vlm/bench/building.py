"""Building a frozen benchmark: the manifest's questions, checked against its hashes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.bench.manifest import Manifest, combined, question_hash
from st_vlm.building.build import BuildReport, build
from st_vlm.building.settings import METADATA_FILE, BuildSettings
from st_vlm.errors import InputError

_SPLIT = "test"
_UNLIKE = "Another version of st-vlm, NumPy or the recordings makes other questions."
_UNLIKE_WITHOUT_VIDEO = "So does a build without video where a source knows the times of its images from their files."


def build_bench(
    manifest: Manifest,
    source: str,
    out: str | os.PathLike,
    data: str | os.PathLike | None = None,
    num_proc: int = 1,
    video: bool = True,
) -> BuildReport:
    """Build the part of a frozen benchmark that comes from one source, as a dataset folder with the split `test`.

    Args:
        manifest: Which questions.
        source: Which part.
        out: The folder; it must not exist yet, or be empty. It appears complete and checked, or not at all.
        data: The source's recordings; None for the simulated one.
        num_proc: Worker processes.
        video: Whether to write the clips.

    Raises:
        InputError: As `building.build.build`; or the questions that come out are not the manifest's.
    """
    part = manifest.part(source)
    settings = BuildSettings(
        source=part.source,
        path=None if data is None else str(data),
        seed=part.seed,
        balance="none",
        recordings=tuple(part.questions),
        questions=tuple(question for of_recording in part.questions.values() for question in of_recording),
        video=video,
        source_options=part.options,
    )

    def check(folder: Path, failures: Sequence[str]) -> None:
        why = _UNLIKE if video else f"{_UNLIKE} {_UNLIKE_WITHOUT_VIDEO}"
        refuse_other_questions(folder, manifest, source, "What was built", failures[0] if failures else why)

    return build(settings, out, num_proc, check)


def refuse_other_questions(
    folder: Path, manifest: Manifest, source: str, what: str, why: str = "Build the benchmark anew."
) -> None:
    """Refuse a built folder whose test split does not hold exactly a manifest's questions from one source.

    Args:
        folder: The built folder.
        manifest, source: Which questions it should hold.
        what: The folder, as a sentence's subject.
        why: A sentence about where others may come from, or what to do.

    Raises:
        InputError: It lacks some, has others, or some ask or hold true something else; the sentence says how many and
            names the first.
    """
    wanted = {question: digest for of in manifest.part(source).questions.values() for question, digest in of.items()}
    found = folder_hashes(folder)
    missing, other = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    changed = sorted(question for question in wanted.keys() & found.keys() if wanted[question] != found[question])
    if not missing and not other and not changed:
        return
    first = (changed + missing + other)[0]
    raise InputError(
        f"{what} is not {manifest.name}: of {len(wanted)} questions {len(missing)} are missing, {len(changed)} differ "
        f"and {len(other)} are strange to it (first: {first}). {why} "
        f"(SHA-256 {combined(found)[:12]} instead of {combined(wanted)[:12]}.)"
    )


def folder_hashes(folder: str | os.PathLike, split: str = _SPLIT) -> dict[str, str]:
    """Question id -> hash, of one split of a built folder.

    Raises:
        InputError: Its table cannot be read, or is not one of questions.
    """
    file = Path(folder) / split / METADATA_FILE
    if not file.is_file():
        return {}
    try:
        with pq.ParquetFile(file) as opened:
            rows = (row for batch in opened.iter_batches(batch_size=64) for row in batch.to_pylist())
            return {row["id"]: question_hash(row) for row in rows}
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0].rstrip('.')}.") from None
    except (KeyError, TypeError):
        raise InputError(f"{file} is not a table of questions: build the folder again.") from None
