"""One micro dataset and one tiny processor for all tests of tuning."""

import pytest
from micro_dataset import micro_folder

from st_vlm.models.tiny import tiny_processor
from st_vlm.training.rows import load_rows


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    return micro_folder(tmp_path_factory.mktemp("training") / "micro")


@pytest.fixture(scope="session")
def rows(built):
    return load_rows(str(built))


@pytest.fixture(scope="session")
def processor():
    return tiny_processor()
