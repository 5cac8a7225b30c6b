"""The last stage of a run: questions about all clips that were kept, made anew only where the clips have changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict
from pathlib import Path

from st_vlm.building.build import BuildReport, build
from st_vlm.building.plan import WorkFolder
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import CLIP_FILE, CLIPS, QUESTIONS, TRACKS_FILE, read_json, write_json
from st_vlm.pseudo_labels.quality_table import KEPT, quality_table
from st_vlm.pseudo_labels.run_settings import RunSettings
from st_vlm.pseudo_labels.stages import Run
from st_vlm.questions.forms import TASKS

# Beside the questions: what they are about, and what their build told.
ASKED_FILE = "asked.json"


def ask(run: Run, num_proc: int = 1) -> tuple[BuildReport | None, str]:
    """Build the questions about all clips that were kept; why there are none, where there are none.

    A build of the same clips that was stopped is gone on with, and one that was done is kept.
    """
    kept = [line.clip for line in quality_table(run.out) if line.status == KEPT]
    folder, note = run.out / QUESTIONS, run.out / ASKED_FILE
    settings = _asked(run.settings, run.out)
    of = _digest(run.out, kept, settings)
    before = _read(note)
    if before.get("of") == of and before.get("report") is not None and folder.is_dir():
        return _report(before["report"]), ""
    shutil.rmtree(folder, ignore_errors=True)
    if before.get("of") != of:
        # Begun with clips that have changed since.
        WorkFolder.beside(folder).remove_if_free()
    if not kept:
        note.unlink(missing_ok=True)
        return None, "No clip was kept."
    write_json(note, {"of": of, "report": None})
    try:
        report = build(settings, folder, num_proc)
    except InputError as error:
        return None, str(error)
    write_json(note, {"of": of, "report": {**asdict(report), "domains": sorted(report.domains)}})
    return report, ""


def _asked(settings: RunSettings, out: Path) -> BuildSettings:
    return BuildSettings(
        source="pseudo",
        path=str(out),
        seed=settings.seed,
        tasks=settings.tasks or tuple(TASKS),
        balance=settings.balance,
        source_options={"max_expected_error": settings.max_expected_error, "videos": str(settings.folder)},
    )


def _digest(out: Path, clips: list[str], settings: BuildSettings) -> str:
    """What tells one set of clips and settings from another."""
    digest = hashlib.sha256(json.dumps(asdict(settings), default=str, sort_keys=True).encode())
    for clip in clips:
        for name in (CLIP_FILE, TRACKS_FILE):
            digest.update(f"\0{clip}\0".encode())
            digest.update((out / CLIPS / clip / name).read_bytes())
    return digest.hexdigest()


def _read(note: Path) -> dict:
    try:
        return read_json(note) if note.is_file() else {}
    except InputError:
        return {}


def _report(told: dict) -> BuildReport:
    lists = {name: tuple(told[name]) for name in ("failures", "without_images")}
    return BuildReport(**{**told, **lists, "domains": frozenset(told["domains"])})
