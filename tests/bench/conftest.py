"""A small benchmark of simulated scenes, chosen once for all tests."""

import pytest

from st_vlm.bench.building import build_bench
from st_vlm.bench.freezing import freeze
from st_vlm.building.settings import BuildSettings

# Never drawn larger than a stamp: nobody looks at them.
OPTIONS = {"num_recordings": 6, "rig": "bench", "image_size": [64, 36]}
A_TASK = 3


@pytest.fixture(scope="session")
def scenes():
    return BuildSettings("simulated", source_options=OPTIONS)


@pytest.fixture(scope="session")
def manifest(scenes):
    return freeze("small-bench", [scenes], A_TASK).manifest


@pytest.fixture(scope="session")
def another(scenes):
    """The manifest of other questions on the same scenes."""
    return freeze("another", [BuildSettings("simulated", seed=5, source_options=OPTIONS)], A_TASK).manifest


@pytest.fixture(scope="session")
def built(manifest, tmp_path_factory):
    out = tmp_path_factory.mktemp("bench") / "built"
    build_bench(manifest, "simulated", out)
    return out
