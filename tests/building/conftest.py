"""Five scenes behind a gate, and what the plain build makes of them."""

import os
from pathlib import Path

import pytest
from gated_builds import SOURCE
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """Five scenes; an image of the second is cut off."""
    names = tuple(f"scene-{k:04d}" for k in range(1, 6))
    root = write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(names))
    image = next(path for path in sorted(root.rglob("*.jpg")) if "scene-0002" in str(path))
    image.write_bytes(image.read_bytes()[:200])
    return root


@pytest.fixture(scope="module")
def plain(scenes, tmp_path_factory) -> Path:
    """The same build without an executor."""
    out = tmp_path_factory.mktemp("built") / "plain"
    report = build(BuildSettings(SOURCE, str(scenes)), out)
    assert len(report.failures) == 1
    return out


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """With the gated reader, and the gate shut."""
    (tmp_path / "gate").mkdir()
    return {**os.environ, "PYTHONPATH": str(TESTS), "GATE": str(tmp_path / "gate")}
