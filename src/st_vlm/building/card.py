"""The built folder's README: the YAML that lets stock `datasets` load it, and the facts of the build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import yaml

from st_vlm.building.settings import METADATA_FILE
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import SourceCard
from st_vlm.recordings.drops import RULES

_TEXT = """\
# STKit: {title}

Questions about how far, how fast and which way the marked objects of a video move, with exact answers measured on 3D
tracks. Built by st-vlm {version} with seed {seed}.

```python
from datasets import load_dataset

dataset = load_dataset("path/to/this/folder")
```

Every row is one question.
{video}
`marks` holds each marked object's colour and its box per frame (xyxy pixels, null where it is not seen). `target` is
the typed truth, `span` the clip's seconds over which it is measured. Metres, seconds, km/h; hours of the clock turn
clockwise seen from above, with 12 o'clock the way the object itself first moved. `tracks/` holds every 3D box of the
recordings, `dropped.parquet` what was not asked about and why.

| split | {tasks} |
|---|{rules}|
{table}
{remark}
## Source

{source}

## Left out

{left_out}

## Licence

{licence}
"""
_VIDEO = "`video` is the path of its clip: one frame every 0.5 s with real timestamps, without the marks."
_NO_VIDEO = "`video` is null: this set was built from annotations alone."
_REMARK = """
`datasets` remembers where it found a folder's videos: after moving the folder, load it once with
`download_mode="force_redownload"`.
"""


@dataclass(frozen=True)
class CardFacts:
    """What the card tells beside the counts.

    Attributes:
        source: The reader's name.
        card: The source's own words, or None for a reader that has none.
        version: Of st-vlm.
        seed: Of the build.
        sha256: Hash of the rows.
        licences: Of the recordings, separated by commas.
        failures: Number of recordings and cameras that could not be used.
        video: Whether there are clips.
    """

    source: str
    card: SourceCard | None
    version: str
    seed: int
    sha256: str
    licences: str
    failures: int
    video: bool = True


def dataset_card(
    counts: Mapping[str, Mapping[str, int]], facts: CardFacts, dropped: Mapping[str, Mapping[str, int]]
) -> str:
    """The README's text.

    Args:
        counts: Rows by split and task.
        facts: What it is made of.
        dropped: Rule -> number of objects (`tracks`) and stretches of time (`spans`) left out by it.
    """
    files = "**" if facts.video else METADATA_FILE
    header = {
        "license": "other",
        "task_categories": ["video-text-to-text", "visual-question-answering"],
        "tags": ["spatio-temporal", "kinematics", "video"],
        "configs": [
            {
                "config_name": "default",
                # `datasets` tells cached folders of one name apart by this header alone, not by where they lie.
                "description": f"STKit, {facts.source}, rows {facts.sha256}",
                "data_files": [{"split": split, "path": f"{split}/{files}"} for split in counts],
                # Given here, not under dataset_info, because only this makes the loader leave videos undecoded.
                "features": [{"name": "video", "dtype": {"video": {"decode": False}}}, *_features(ROW_SCHEMA)],
            }
        ],
    }
    tasks = list(dict.fromkeys(task for by_task in counts.values() for task in by_task))
    table = "\n".join(
        f"| {split} | " + " | ".join(str(by_task.get(task, 0)) for task in tasks) + " |"
        for split, by_task in counts.items()
    )
    card = facts.card
    text = _TEXT.format(
        title=facts.source if card is None else card.title,
        version=facts.version,
        seed=facts.seed,
        video=_VIDEO if facts.video else _NO_VIDEO,
        tasks=" | ".join(tasks),
        rules="|".join("---" for _ in tasks),
        table=table,
        remark=_REMARK if facts.video else "",
        source=_source(facts),
        left_out=_left_out(dropped, facts.failures),
        licence=f"{facts.licences}. {'' if card is None else card.licence_note}".strip(),
    )
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{text.rstrip()}\n"


def _source(facts: CardFacts) -> str:
    card = facts.card
    if card is None:
        return f"`{facts.source}`"
    title = f"[{card.title}]({card.homepage})" if card.homepage else card.title
    citation = f"\n\n```bibtex\n{card.citation.strip()}\n```" if card.citation else ""
    return f"{title}. {card.text}{citation}"


def _left_out(dropped: Mapping[str, Mapping[str, int]], failures: int) -> str:
    lines = [f"Could not be used: {failures} (recording and camera).\n"] if failures else []
    if not dropped:
        return "\n".join([*lines, "Nothing."])
    lines += ["| an object is not asked about while … | objects | stretches of time |", "|---|---|---|"]
    lines += [f"| {RULES[rule]} | {n['tracks']} | {n['spans']} |" for rule, n in dropped.items()]
    return "\n".join(lines)


def _features(fields: pa.Schema | pa.StructType) -> list[dict]:
    """Arrow fields in the form in which `datasets` writes features to YAML."""
    return [{"name": field.name, **_type(field.type)} for field in fields]


def _type(kind: pa.DataType) -> dict:
    if pa.types.is_struct(kind):
        return {"struct": _features(kind)}
    if pa.types.is_list(kind):
        item = _type(kind.value_type)
        return {"list": item.get("dtype") or item.get("struct") or item}
    return {"dtype": {"double": "float64"}.get(str(kind), str(kind))}
