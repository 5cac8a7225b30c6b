"""The tiny model, its folder, and a few clips."""

import numpy as np
import pytest
import torch

from st_vlm.models.tiny import make_tiny
from st_vlm.video.encoding import write_video

TIMES = np.array([0.0, 0.5, 1.004, 1.49, 2.0])


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "tiny"
    make_tiny(folder)
    return folder


@pytest.fixture(scope="session")
def tiny(tiny_folder):
    """(model, processor), not to be changed."""
    return make_tiny()


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A clip of five frames at `TIMES`, 160x96 pixels."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    write_video(path, np.random.default_rng(1).integers(0, 255, (5, 96, 160, 3), np.uint8), TIMES)
    return path


def noise(frames: int, seed: int = 0) -> np.ndarray:
    """(frames, 90, 160, 3) uint8."""
    return np.random.default_rng(seed).integers(0, 255, (frames, 90, 160, 3), np.uint8)


@pytest.fixture(scope="session")
def videos():
    """Three arrays of different lengths."""
    return [noise(5, 1), noise(2, 2), noise(3, 3)]
