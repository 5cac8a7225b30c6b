"""Shared fixtures."""

import gc
import os
import sys
from pathlib import Path

import hypothesis
import pytest

from st_vlm.cli import main as command_line

# A clone is judged by the same examples every time; `pytest --hypothesis-profile=search` looks for new ones.
hypothesis.settings.register_profile("steady", derandomize=True, database=None)
hypothesis.settings.register_profile("search", max_examples=500, deadline=None)
hypothesis.settings.load_profile("steady")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What was imported to collect the tests stays: looking through it for garbage is a tenth of their time."""
    gc.collect()
    gc.freeze()


REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("ST_VLM_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real recordings at {folder} (set ST_VLM_TEST_DATA)")
    return folder


@pytest.fixture
def st_vlm(capsys, monkeypatch):
    """Run `st-vlm ARGUMENTS` in this process: (exit code, standard output, standard error)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["st-vlm", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            command_line.main()
        return left.value.code, *capsys.readouterr()

    return run
