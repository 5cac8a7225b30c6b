"""What of a recording was not asked about and why, ordered for reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from st_vlm.recordings.drops import RULES

MOST_ROWS_A_RULE = 100


@dataclass(frozen=True)
class ShownDrop:
    """A stretch of an object's life, in seconds of the recording; `camera` is None for rules about the track."""

    track_id: str
    category: str
    camera: str | None
    start_s: float
    end_s: float
    detail: str


@dataclass(frozen=True)
class DroppedByRule:
    """All that one rule left out.

    Attributes:
        rule, sentence: Its name, and what completes "left out because".
        objects: Number of objects.
        count: Number of stretches.
        rows: The first of them, by object and time.
    """

    rule: str
    sentence: str
    objects: int
    count: int
    rows: tuple[ShownDrop, ...]


def by_rule(drops: Sequence[Mapping], origin_ns: int, most: int = MOST_ROWS_A_RULE) -> list[DroppedByRule]:
    """The rows of `dropped.parquet` of one recording, grouped by rule in the order in which rules are applied.

    Args:
        drops: The rows.
        origin_ns: The recording's first time.
        most: How many stretches a rule lists.
    """
    found: dict[str, list[Mapping]] = {}
    for drop in drops:
        found.setdefault(drop["rule"] or "", []).append(drop)
    known = [rule for rule in RULES if rule in found]
    return [_group(rule, found[rule], origin_ns, most) for rule in [*known, *sorted(set(found) - set(RULES))]]


def _group(rule: str, drops: Sequence[Mapping], origin_ns: int, most: int) -> DroppedByRule:
    rows = sorted(
        (
            ShownDrop(
                track_id=drop["track_id"] or "",
                category=drop["category"] or "",
                camera=drop["camera"],
                start_s=_seconds(drop["start_ns"], origin_ns),
                end_s=_seconds(drop["end_ns"], origin_ns),
                detail=drop["detail"] or "",
            )
            for drop in drops
        ),
        key=lambda row: (row.category, row.track_id, row.camera or "", row.start_s),
    )
    objects = len({row.track_id for row in rows})
    return DroppedByRule(rule, RULES.get(rule, "unknown to this st-vlm"), objects, len(rows), tuple(rows[:most]))


def _seconds(time_ns: int | None, origin_ns: int) -> float:
    return float("nan") if time_ns is None else (time_ns - origin_ns) * 1e-9
