"""The ground below a camera's path."""

import numpy as np

from st_vlm.pseudo_labels.lifting.ground_surface import GroundSurface


def test_a_path_over_a_hill_is_the_ground_and_goes_on_with_its_slope():
    x = np.linspace(0, 60, 31)
    hill = 0.002 * x**2
    surface = GroundSurface(np.stack([x, 0 * x, hill + 1.5], axis=-1), 1.5)
    on = surface.at(np.array([[30.0, 0], [30, 8]]))
    np.testing.assert_allclose(on.heights, 1.8, atol=0.15)
    np.testing.assert_allclose(on.beside[1], [0, 8], atol=0.6)
    np.testing.assert_allclose(on.gradients, [[0.12, 0]] * 2, atol=0.02)
    beyond = surface.at(np.array([[80.0, 0]]))
    assert abs(beyond.heights[0] - (7.2 + 20 * 0.23)) < 1.0


def test_a_camera_that_stands_knows_a_level_ground():
    rng = np.random.default_rng(0)
    centres = np.array([3.0, 4, 1.5]) + rng.normal(0, 0.01, (20, 3))
    under = GroundSurface(centres, 1.5).at(np.array([[40.0, -10], [3, 4]]))
    assert np.abs(under.heights).max() < 0.2
    assert np.linalg.norm(under.gradients, axis=1).max() < 0.01
    still = GroundSurface(np.tile([0.0, 0, 2.0], (1, 1)), 1.2).at(np.array([[5.0, 5]]))
    np.testing.assert_allclose(still.heights, 0.8)


def test_trembling_heights_are_averaged():
    rng = np.random.default_rng(1)
    x = np.linspace(0, 40, 40)
    surface = GroundSurface(np.stack([x, 0 * x, 1.5 + rng.normal(0, 0.05, 40)], axis=-1), 1.5)
    under = surface.at(np.stack([x[5:-5], 0 * x[5:-5]], axis=-1))
    assert np.abs(under.heights).max() < 0.06
