"""Tiny models of the real classes, saved once a session, and a short clip for them."""

from __future__ import annotations

import numpy as np
import pytest
from pseudo_labels.semantics import tiny_segmenters

from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.video.encoding import write_video


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A name of a model to its folder, made when it is first asked for."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("models")
    makers = {
        "grounding-dino-tiny": tiny_segmenters.dino,
        "sam2.1-hiera-tiny": lambda path: tiny_segmenters.tracker(path, "sam2"),
        "edgetam": lambda path: tiny_segmenters.tracker(path, "edgetam"),
        "sam3": tiny_segmenters.sam3,
    }

    def folder_of(name):
        path = folder / name
        return str(path if path.exists() else makers[name](path))

    return folder_of


@pytest.fixture(scope="session")
def short_clip(tmp_path_factory):
    """Four frames of a square that moves, 160 x 120, half a second apart; the video has ten frames a second."""
    folder = tmp_path_factory.mktemp("short")

    def images():
        for k in range(16):
            image = np.full((120, 160, 3), 60, np.uint8)
            image[40:70, 10 + 5 * k : 40 + 5 * k] = (200, 30, 30)
            yield image

    write_video(folder / "v.mp4", images(), np.arange(16) / 10)
    own = (0, 5, 10, 15)
    return ClipFrames(Clip("c", "v.mp4", own, tuple(10**8 * k for k in own), (160, 120), 0, 15), folder)
