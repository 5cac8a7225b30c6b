"""Three small simulated scenes, built once, and the control variants of them that are asked for."""

from pathlib import Path

import pytest

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.evaluation.controls import ControlReport, make_control


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("controls") / "stkit"
    options = {"seed": 3, "num_recordings": 3, "image_size": [160, 96]}
    build(BuildSettings("simulated", seed=3, balance="none", source_options=options), out)
    return out


@pytest.fixture(scope="session")
def variants(scenes, tmp_path_factory) -> dict[str, tuple[Path, ControlReport]]:
    folder = tmp_path_factory.mktemp("variants")

    class Made(dict):
        def __missing__(self, name):
            self[name] = folder / name, make_control(scenes, name, folder / name)
            return self[name]

    return Made()
