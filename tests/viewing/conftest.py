"""Folders to look at."""

import shutil

import pytest
from viewed import build_scenes


@pytest.fixture(scope="session")
def built_once(tmp_path_factory):
    """A built folder with video, not to be changed."""
    return build_scenes(tmp_path_factory.mktemp("viewed"))


@pytest.fixture(scope="session")
def without_video(tmp_path_factory):
    """The same without video, not to be changed."""
    return build_scenes(tmp_path_factory.mktemp("viewed"), video=False)


@pytest.fixture
def built(built_once, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(built_once, tmp_path / "stkit")
