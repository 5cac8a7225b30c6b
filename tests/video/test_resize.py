"""Frames made smaller stay where they were, keep their colours, and have no aliases."""

import numpy as np
import pytest
from PIL import Image

from st_vlm.video.encoding import Fitter


def resize(frame, size) -> np.ndarray:
    """What a viewer sees of the frame at another size."""
    return Fitter(size)(frame).to_ndarray(format="rgb24")


SIZES = [((1600, 900), (800, 450)), ((310, 410), (122, 160)), ((161, 91), (80, 46)), ((64, 48), (2, 2))]


@pytest.mark.parametrize(("source", "size"), SIZES)
def test_plain_colours_stay(source, size):
    for colour in ((255, 0, 0), (0, 0, 255), (12, 200, 77), (255, 255, 255), (0, 0, 0)):
        small = resize(np.full((source[1], source[0], 3), colour, np.uint8), size)
        assert small.shape == (size[1], size[0], 3)
        np.testing.assert_allclose(small.reshape(-1, 3), [colour] * (size[0] * size[1]), atol=3)


@pytest.mark.parametrize(("source", "size"), SIZES[:3])
def test_things_stay_where_they_were(source, size):
    """The middle of a soft spot, in pixels whose centres lie at halves."""
    at = np.array([0.3, 0.6]) * source
    x, y = np.meshgrid(np.arange(source[0]) + 0.5, np.arange(source[1]) + 0.5)
    spot = 250 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (0.05 * source[0]) ** 2)
    small = resize(np.repeat(spot[..., None], 3, axis=-1).astype(np.uint8), size).astype(float)[..., 1]
    u, v = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    found = np.array([(small * u).sum(), (small * v).sum()]) / small.sum()
    np.testing.assert_allclose(found, at * size / source, atol=0.05)


def test_a_pattern_too_fine_for_the_result_becomes_grey():
    board = 255 * (np.indices((180, 320)).sum(axis=0) % 2)
    small = resize(np.repeat(board[..., None], 3, axis=-1).astype(np.uint8), (150, 84))
    assert np.abs(small[4:-4, 4:-4].astype(int) - 128).max() <= 8


def test_it_is_as_sharp_as_a_bicubic_filter_that_widens_with_the_scale():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (60, 80, 1), dtype=np.uint8).repeat(3, axis=2).repeat(10, axis=0).repeat(10, axis=1)
    theirs = Image.fromarray(picture).resize((310, 232), Image.Resampling.BICUBIC)
    assert np.abs(resize(picture, (310, 232)).astype(int) - np.asarray(theirs).astype(int)).mean() < 1.5


def test_same_frame_same_result_also_from_a_view():
    frame = np.random.default_rng(1).integers(0, 256, (90, 320, 3), dtype=np.uint8)
    view = frame[:, ::2]
    np.testing.assert_array_equal(resize(view, (80, 44)), resize(view.copy(), (80, 44)))
