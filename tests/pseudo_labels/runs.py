"""What tests of whole runs share."""

from __future__ import annotations

from pathlib import Path

from st_vlm.pseudo_labels.run_settings import RunSettings


def settings_of(user: Path, **changes) -> RunSettings:
    given = {
        "videos": str(user / "videos"),
        "licence": "CC0-1.0",
        "semantics": "given",
        "semantics_options": {"path": str(user / "masks")},
        "geometry": "given",
        "geometry_options": {"path": str(user / "geometry")},
    }
    return RunSettings(**given | changes)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
