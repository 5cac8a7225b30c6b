"""The grid that carries smooth errors."""

import numpy as np
import pytest

from st_vlm.pseudo_labels.lifting.smooth_field import SmoothField

FIELD = SmoothField((160, 90), rms=0.05, length=0.25)


def test_an_image_holds_what_single_pixels_do():
    values = np.random.default_rng(0).standard_normal((3, FIELD.nodes))
    image = FIELD.image(values)
    assert image.shape == (3, 90, 160)
    x, y = np.array([0.0, 159.0, 31.0, 80.0]), np.array([0.0, 89.0, 77.0, 12.0])
    assert np.allclose(FIELD.at(values, x, y), image[:, y.astype(int), x.astype(int)])


def test_a_plane_is_carried_exactly():
    columns, rows = FIELD.counts
    across, down = np.meshgrid(np.linspace(0, 159, columns), np.linspace(0, 89, rows))
    image = FIELD.image((2 * across - 3 * down + 1).ravel())
    v, u = np.mgrid[:90, :160]
    assert np.allclose(image, 2 * u - 3 * v + 1)


def test_what_is_thought_of_it_at_first():
    covariance = FIELD.modes @ FIELD.modes.T
    columns = FIELD.counts[0]
    assert np.allclose(np.sqrt(np.diag(covariance)), 0.05, rtol=0.02)
    # A correlation length is a quarter of the width: a quarter of the way along the first row of nodes.
    assert covariance[0, (columns - 1) // 4] / 0.05**2 == pytest.approx(np.exp(-1), rel=0.02)
