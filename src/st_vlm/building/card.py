"""A folder's README: the YAML that lets stock `datasets` and the Hub load it, and the facts of the build."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import yaml

from st_vlm.building.card_header import card_header
from st_vlm.building.card_sections import LIMITS, balance_table, column_table, count_table, left_out_table
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import SourceCard

_TEXT = """\
# STKit: {title}

Questions about how far, how fast and which way the marked objects of a video move, with exact answers measured on 3D
tracks. Built by st-vlm {version} with seed {seed}.

```python
from datasets import load_dataset

dataset = load_dataset("{name}")
```

Every row is one question.
{video}
`marks` holds each marked object's colour and its box per frame (xyxy pixels, null where it is not seen). `target` is
the typed truth, `span` the clip's seconds over which it is measured. Metres, seconds, km/h; hours of the clock turn
clockwise seen from above, with 12 o'clock the way the object itself first moved. `tracks/` holds every 3D box of the
recordings, `dropped.parquet` what was not asked about and why.

{counts}
{remark}{home}{balance}
## Columns

{columns}

## Source

{source}

## Left out

{left_out}

## Known limits

{limits}

## Licence

{licence}
"""
_VIDEO = "`video` is the path of its clip: one frame every 0.5 s with real timestamps, without the marks."
_SOME_VIDEO = f"{_VIDEO}\nIt is null where the clip is not here (see below)."
_NO_VIDEO = "`video` is null: this set was built from annotations alone."
_NO_VIDEO_HERE = "`video` is null: the clips are not here (see below)."
_REMARK = """
`datasets` remembers where it found a folder's videos: after moving the folder, load it once with
`download_mode="force_redownload"`.
"""
_HOME = """
## Clips that are not here

Clips of {which} are left out: their images are not passed on. With the source's own files the same clips are made
again and joined to the rows:

```bash
{commands}
```
"""
_BALANCE = """
## Balance

What baselines that never look at a video get right{fitted},
and the most that a balanced set of this kind allows them. What a model scores counts from there.

{table}
"""


@dataclass(frozen=True)
class CardFacts:
    """What the card tells beside the counts.

    Attributes:
        source: The reader's name, or of several sources their names.
        card: The source's own words, or None for a reader that has none.
        version: Of st-vlm.
        seed: Of the build.
        sha256: Hash of the rows.
        licences: Of the recordings, separated by commas.
        failures: Number of recordings and cameras that could not be used.
        video: Whether there are clips.
        balance: What baselines that never look score (`balance.json`), or None where it was not measured.
        more: Name -> card of further sources.
        clips: Split -> path of one of its clips within the folder, or None for a split that has none; by default all
            splits have clips, or none, as `video` says.
        home: Source -> number of its clips that are not in the folder because they may not be passed on.
        name: By which the set is loaded: a path or a repository.
        schema: Of the tables, without their column for the video.
    """

    source: str
    card: SourceCard | None
    version: str
    seed: int
    sha256: str
    licences: str
    failures: int
    video: bool = True
    balance: Mapping | None = None
    more: Mapping[str, SourceCard | None] = field(default_factory=dict)
    clips: Mapping[str, str | None] | None = None
    home: Mapping[str, int] = field(default_factory=dict)
    name: str | None = None
    schema: pa.Schema = ROW_SCHEMA

    @property
    def sources(self) -> dict[str, SourceCard | None]:
        """All sources by name."""
        return {self.source: self.card, **self.more}

    @property
    def title(self) -> str:
        """The sources' own names."""
        return " and ".join(name if card is None else card.title for name, card in self.sources.items())


def dataset_card(
    counts: Mapping[str, Mapping[str, int]], facts: CardFacts, dropped: Mapping[str, Mapping[str, int]]
) -> str:
    """The README's text.

    Args:
        counts: Rows by split and task.
        facts: What it is made of.
        dropped: Rule -> number of objects (`tracks`) and stretches of time (`spans`) left out by it.
    """
    header = card_header(
        counts={split: sum(by_task.values()) for split, by_task in counts.items()},
        title=facts.title,
        description=f"STKit, {', '.join(facts.sources)}, rows {facts.sha256}",
        licences=[licence for licence in facts.licences.split(", ") if licence],
        clips=facts.clips or dict.fromkeys(counts, "clips" if facts.video else None),
        schema=facts.schema,
    )
    text = _TEXT.format(
        title=facts.title,
        version=facts.version,
        seed=facts.seed,
        name=facts.name or "path/to/this/folder",
        video=_video(facts),
        counts=count_table(counts),
        remark=_REMARK if facts.video and facts.name is None else "",
        home=_home(facts),
        balance=_balance(facts.balance),
        columns=column_table(["video", *facts.schema.names]),
        source="\n\n".join(_source(name, card) for name, card in facts.sources.items()),
        left_out=left_out_table(dropped, facts.failures),
        limits=LIMITS,
        licence=_licence(facts),
    )
    return f"---\n{yaml.safe_dump(header, sort_keys=False)}---\n{text.rstrip()}\n"


def _video(facts: CardFacts) -> str:
    if facts.home:
        return _SOME_VIDEO if facts.video else _NO_VIDEO_HERE
    return _VIDEO if facts.video else _NO_VIDEO


def _home(facts: CardFacts) -> str:
    if not facts.home:
        return ""
    titles = {name: name if card is None else card.title for name, card in facts.sources.items()}
    which = " and ".join(f"{titles.get(name, name)} ({number})" for name, number in facts.home.items())
    where = facts.name or "path/to/this/folder"
    # One after the other: what the first has filled, the next completes.
    commands = []
    for name in facts.home:
        out = " --out stkit" if not commands else ""
        commands.append(f"st-vlm attach-media {where if not commands else 'stkit'} --source {name} --data PATH{out}")
    return _HOME.format(which=which, commands="\n".join(commands))


def _balance(balance: Mapping | None) -> str:
    if not balance or not balance.get("shares"):
        return ""
    known = set(balance.get("fitted_on", {}).values())
    fitted = f" when fitted on the split {known.pop()}" if len(known) == 1 else ""
    return _BALANCE.format(fitted=fitted, table=balance_table(balance))


def _source(name: str, card: SourceCard | None) -> str:
    if card is None:
        return f"`{name}`"
    title = f"[{card.title}]({card.homepage})" if card.homepage else card.title
    citation = f"\n\n```bibtex\n{card.citation.strip()}\n```" if card.citation else ""
    return f"{title}. {card.text}{citation}"


def _licence(facts: CardFacts) -> str:
    notes = [card.licence_note for card in facts.sources.values() if card is not None and card.licence_note]
    return "\n\n".join([f"{facts.licences}. {notes[0] if notes else ''}".strip(), *notes[1:]])
