"""The quality table of a run: a line a clip, and one for whatever of a video never became a clip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.dropped import Dropped
from st_vlm.pseudo_labels.files import (
    CLIP_FILE,
    CLIPS,
    FAILED_FILE,
    GEOMETRY_FILE,
    PROBED,
    QUALITY_FILE,
    SEGMENTS_FILE,
    SELF_CHECK_FILE,
    TRACKS_FILE,
    read_json,
    whole_file,
)
from st_vlm.pseudo_labels.lift_rules import LiftRules
from st_vlm.pseudo_labels.lifted_tracks import LiftQuality, read_tracks
from st_vlm.pseudo_labels.self_check import Agreement, SelfCheck

KEPT, DROPPED, UNFINISHED = "kept", "dropped", "unfinished"

SCHEMA = pa.schema(
    [
        ("video", pa.string()),
        ("clip", pa.string()),
        ("status", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("seconds", pa.float64()),
        ("objects", pa.int32()),
        ("kept", pa.int32()),
        ("residual", pa.float64()),
        ("scale_sigma", pa.float64()),
        ("sigma_m", pa.float64()),
        ("score", pa.float64()),
        ("left_out", pa.list_(pa.string())),
    ]
)


@dataclass(frozen=True)
class ClipQuality:
    """What became of one clip, or of what never became one.

    Attributes:
        video, clip: Which; `clip` is None for what never became one.
        status: `kept`, `dropped` or `unfinished`.
        stage, reason: Where it was dropped and why; for a clip that is unfinished, the next stage.
        seconds: Length of the clip.
        objects, kept: How many objects were found, and how many of them were lifted and are trusted.
        residual: Disagreement of what stands still, relative; None where nothing tells.
        scale_sigma: Uncertainty of the clip's scale, relative.
        sigma_m: Median uncertainty of the objects' places, metres.
        score: How far the clip is from being dropped: 1 where all that checks it agrees, 0 at the limit of one check.
        left_out: A sentence for each object that is not trusted.
    """

    video: str
    clip: str | None
    status: str
    stage: str = ""
    reason: str = ""
    seconds: float | None = None
    objects: int | None = None
    kept: int | None = None
    residual: float | None = None
    scale_sigma: float | None = None
    sigma_m: float | None = None
    score: float | None = None
    left_out: tuple[str, ...] = ()


def quality_table(out: Path) -> list[ClipQuality]:
    """All lines of a run, in the order of videos and clips."""
    lines = []
    for file in sorted((out / PROBED).glob("*.json")):
        note = read_json(file)
        for item in note["dropped"]:
            dropped = Dropped(**item)
            lines.append(ClipQuality(dropped.video, dropped.clip, DROPPED, dropped.stage, dropped.reason))
        lines += [_of_clip(out / CLIPS / clip_id, note["video"]) for clip_id in note["clips"]]
    return sorted(lines, key=lambda line: (line.video, line.clip or ""))


def _of_clip(folder: Path, video: str) -> ClipQuality:
    try:
        clip = Clip.read(folder / CLIP_FILE)
        about = {"video": video, "clip": folder.name, "seconds": round(float(clip.times_s[-1]), 2)}
        if (folder / SEGMENTS_FILE).is_file():
            about["objects"] = len(object_numbers(folder / SEGMENTS_FILE))
        if (folder / FAILED_FILE).is_file():
            note = read_json(folder / FAILED_FILE)
            return ClipQuality(**about, status=DROPPED, stage=note["stage"], reason=note["reason"])
        if not (folder / TRACKS_FILE).is_file():
            stage = "semantics"
            if (folder / SEGMENTS_FILE).is_file():
                stage = "lift" if (folder / GEOMETRY_FILE).is_file() else "geometry"
            return ClipQuality(**about, status=UNFINISHED, stage=stage)
        tracks = read_tracks(folder / TRACKS_FILE)
    except InputError as error:
        return ClipQuality(video, folder.name, DROPPED, "lift", str(error))
    quality = tracks.quality
    return ClipQuality(
        **about,
        status=KEPT,
        kept=len(tracks),
        residual=_known(quality.residual),
        scale_sigma=_known(quality.log_scale_sigma),
        sigma_m=_known(float(np.median(tracks.sigma))),
        score=_score(quality, folder),
        left_out=tuple(quality.dropped.values()),
    )


def _score(quality: LiftQuality, folder: Path) -> float | None:
    """1 less the largest residual as a share of what is allowed; None where nothing tells."""
    rules, agreement = LiftRules(), Agreement()
    shares = [quality.residual / rules.most_residual, quality.log_scale_sigma / rules.most_scale_sigma]
    if (folder / SELF_CHECK_FILE).is_file():
        found = SelfCheck(**read_json(folder / SELF_CHECK_FILE))
        if found.overlap is not None:
            shares.append((1 - found.overlap) / (1 - agreement.overlap))
        pairs = ((getattr(found, name), getattr(agreement, name)) for name in ("path", "turn_deg", "depth"))
        shares += [value / most for value, most in pairs if value is not None]
    known = [share for share in shares if np.isfinite(share)]
    return round(float(np.clip(1 - max(known), 0, 1)), 3) if known else None


def object_numbers(path: Path) -> list[int]:
    """The numbers of the objects in a file of segments."""
    try:
        return pq.read_table(path, columns=["object"])["object"].unique().to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as a file of segments ({error}). Make it again.") from None


def write_quality(out: Path, lines: Sequence[ClipQuality]) -> None:
    """Write the table beside the clips."""
    with whole_file(out / QUALITY_FILE) as temporary:
        pq.write_table(pa.Table.from_pylist([asdict(line) for line in lines], SCHEMA), temporary)


def summary(lines: Sequence[ClipQuality]) -> dict[str, int]:
    """How many clips were kept, dropped at each stage, and are unfinished."""
    counts = Counter(line.status if line.status != DROPPED else f"dropped at {line.stage}" for line in lines)
    return {KEPT: counts.pop(KEPT, 0), **dict(sorted(counts.items()))}


def _known(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
