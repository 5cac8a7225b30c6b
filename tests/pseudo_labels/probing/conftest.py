"""Videos of shots made in code: textured walls that a camera pans over."""

import numpy as np
import pytest

SIZE = 128, 72


def wall(seed, size=(600, 200)):
    """A textured wall, (H, W, 3) uint8: noise of several scales, with its own colours."""
    rng = np.random.default_rng(seed)
    width, height = size
    total = np.zeros((height, width, 3))
    for scale in (40, 16, 6):
        coarse = rng.normal(0, scale**0.5, (height // scale + 2, width // scale + 2, 3))
        total += coarse.repeat(scale, 0).repeat(scale, 1)[:height, :width]
    return np.clip(rng.uniform(90, 160, 3) + 5 * total, 0, 255).astype(np.uint8)


def panned(seed, count, step=1.0, size=SIZE, noise=2.0):
    """`count` frames of a camera that pans over a wall by `step` pixels a frame, with noise."""
    picture, rng = wall(seed, (int(size[0] + abs(step) * count) + 2, size[1])), np.random.default_rng(seed + 1)
    for k in range(count):
        at = int(step * k) if step >= 0 else picture.shape[1] - size[0] + int(step * k)
        frame = picture[:, at : at + size[0]] + rng.normal(0, noise, (size[1], size[0], 1))
        yield np.clip(frame, 0, 255).astype(np.uint8)


@pytest.fixture
def shot():
    return panned
