"""What a frame shows of an object, against a plain loop over masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion

from st_vlm.pseudo_labels.lifting.object_views import LEAST_PIXELS, MOST_HIDDEN, view_objects


def plain(labels, depth, k):
    """Mean pixel and trimmed median depth of one object in one frame."""
    mask = labels == k
    inner = binary_erosion(mask, border_value=1) if mask.any() else mask
    if inner.sum() < LEAST_PIXELS:
        inner = mask
    rows, columns = np.nonzero(inner & np.isfinite(depth))
    if len(rows) < LEAST_PIXELS:
        return np.nan, (np.nan, np.nan)
    order = np.argsort(depth[rows, columns], kind="stable")
    cut = int(0.1 * len(order))
    kept = order[cut : len(order) - cut]
    return np.median(depth[rows, columns][kept]), (columns[kept].mean(), rows[kept].mean())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_all_at_once_is_one_by_one(seed):
    rng = np.random.default_rng(seed)
    labels = np.full((3, 40, 60), -1)
    for frame in labels:
        for k in rng.permutation(4):
            x, y, w, h = rng.integers(0, 50), rng.integers(0, 30), rng.integers(2, 25), rng.integers(2, 20)
            frame[y : y + h, x : x + w] = k
    depth = rng.uniform(2, 60, labels.shape)
    depth[rng.random(labels.shape) < 0.1] = np.nan
    views = view_objects(labels, depth, 4)
    for k in range(4):
        for t in range(3):
            metres, pixel = plain(labels[t], depth[t], k)
            assert views.depth[k, t] == pytest.approx(metres, nan_ok=True)
            assert views.pixels[k, t] == pytest.approx(pixel, nan_ok=True)
            rows, columns = np.nonzero(labels[t] == k)
            box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else [np.nan] * 4
            assert views.boxes[k, t] == pytest.approx(box, nan_ok=True)


def test_the_images_border_cuts_an_object():
    labels = np.full((1, 30, 30), -1)
    labels[0, 10:20, :8] = 0
    labels[0, 10:20, 12:20] = 1
    views = view_objects(labels, np.full(labels.shape, 5.0), 2)
    assert views.cut[:, 0].tolist() == [True, False]
    assert views.whole[:, 0].tolist() == [False, True]


def test_something_nearer_hides_and_something_farther_does_not():
    labels = np.full((1, 30, 40), -1)
    depth = np.full(labels.shape, 30.0)
    labels[0, 5:25, 5:20], depth[0, 5:25, 5:20] = 0, 10.0
    labels[0, 5:25, 20:35], depth[0, 5:25, 20:35] = 1, 5.0
    views = view_objects(labels, depth, 2)
    # One of the sides of 20 and 15 pixels.
    assert views.hidden[0, 0] == pytest.approx(20 / 70)
    assert views.hidden[1, 0] == 0


def test_an_object_behind_bars_is_not_used():
    labels = np.full((1, 30, 40), -1)
    depth = np.full(labels.shape, 3.0)
    labels[0, 8:22, 10:30], depth[0, 8:22, 10:30] = 0, 12.0
    views = view_objects(labels, depth, 1)
    assert views.hidden[0, 0] > MOST_HIDDEN
    assert not views.usable[0, 0]


def test_depth_that_runs_over_the_edge_is_eroded_away():
    labels = np.full((1, 30, 30), -1)
    labels[0, 10:20, 10:20] = 0
    depth = np.full(labels.shape, 40.0)
    depth[0, 11:19, 11:19] = 8.0
    depth[0, 10:20, 10:12] = 40.0
    assert view_objects(labels, depth, 1).depth[0, 0] == 8.0


def test_no_object_and_no_depth():
    labels = np.full((2, 10, 10), -1)
    assert view_objects(labels, np.ones(labels.shape), 0).depth.shape == (0, 2)
    labels[:, 2:9, 2:9] = 0
    views = view_objects(labels, np.full(labels.shape, np.nan), 1)
    assert np.isnan(views.depth).all()
    assert not views.usable.any()


@pytest.mark.parametrize("grown", [2, 4])
def test_background_in_a_mask_that_is_too_large_is_left_out(grown):
    labels = np.full((1, 40, 60), -1)
    depth = np.full(labels.shape, 35.0) + np.random.default_rng(0).normal(0, 0.3, labels.shape)
    labels[0, 15 - grown : 27 + grown, 30 - grown : 36 + grown] = 0
    depth[0, 15:27, 30:36] = 12.0 + np.random.default_rng(1).normal(0, 0.1, (12, 6))
    views = view_objects(labels, depth, 1, reach=np.array([1.0]))
    assert views.depth[0, 0] == pytest.approx(12.0, abs=0.1)
    assert views.boxes[0, 0].tolist() == [30, 15, 36, 27]
    assert view_objects(labels, depth, 1).boxes[0, 0, 0] == 30 - grown


def test_the_whole_depth_of_a_long_object_is_kept():
    labels = np.full((1, 30, 60), -1)
    labels[0, 10:20, 10:50] = 0
    depth = np.full(labels.shape, 50.0)
    depth[0, 10:20, 10:50] = np.linspace(14, 20, 40)
    views = view_objects(labels, depth, 1, reach=np.array([8.0]))
    assert views.depth[0, 0] == pytest.approx(17.0, abs=0.2)
    assert views.boxes[0, 0].tolist() == [10, 10, 50, 20]
