"""Exchanged identities are found where two tracks meet, and only there."""

import numpy as np
import pytest

from st_vlm.pseudo_labels.lifting.identities import Switch, exchange, exchanged, find_switches
from st_vlm.pseudo_labels.lifting.object_views import ObjectViews

TIMES = np.arange(20) / 2
SIGMA = 0.3


def crossing(seed=0):
    """Two objects that cross, and a third far away: places, covariances and boxes."""
    rng = np.random.default_rng(seed)
    ways = np.stack(
        [
            np.stack([2.0 * TIMES, 0.1 * TIMES], axis=-1),
            np.stack([20 - 2.0 * TIMES, 1 + 0.1 * TIMES], axis=-1),
            np.stack([0.5 * TIMES, 30 + TIMES], axis=-1),
        ]
    )
    places = ways + SIGMA * rng.standard_normal(ways.shape)
    left = 10 * ways[..., 0]
    boxes = np.stack([left, 0 * left, left + 40, 0 * left + 40], axis=-1)
    boxes[2, :, [1, 3]] += 200
    return places, np.broadcast_to(SIGMA**2 * np.eye(2), (3, 20, 2, 2)).copy(), boxes


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("frame", [9, 10, 11])
def test_an_exchange_is_found_and_undone(frame, seed):
    places, covariances, boxes = crossing(seed)
    strayed = places.copy()
    exchange(strayed, Switch(0, 1, frame))
    found = find_switches(TIMES, strayed, covariances, boxes)
    assert len(found) == 1
    for switch in found:
        exchange(strayed, switch)
    off = np.linalg.norm(strayed - places, axis=-1)
    # Where they meet a frame may stay with the wrong one: both are at the same place.
    assert (off > 2.5).sum() == 0


@pytest.mark.parametrize("seed", range(20))
def test_tracks_that_cross_are_left_alone(seed):
    assert find_switches(TIMES, *crossing(seed)) == []


def test_tracks_that_never_meet_in_the_image_are_left_alone():
    places, covariances, boxes = crossing()
    exchange(places, Switch(0, 2, 10))
    assert find_switches(TIMES, places, covariances, boxes) == []


def test_two_exchanges_of_one_pair_are_both_found():
    places, covariances, boxes = crossing()
    strayed = places.copy()
    for frame in (5, 12):
        exchange(strayed, Switch(0, 1, frame))
    boxes[:2] = boxes[:1]
    for switch in find_switches(TIMES, strayed, covariances, boxes):
        exchange(strayed, switch)
    assert np.linalg.norm(strayed - places, axis=-1).max() < 2.5


def test_objects_that_vanish_do_not_matter():
    places, covariances, boxes = crossing()
    places[1, 10:], boxes[1, 10:] = np.nan, np.nan
    assert find_switches(TIMES, places, covariances, boxes) == []
    assert find_switches(TIMES, places[:0], covariances[:0], boxes[:0]) == []


def test_all_that_is_seen_goes_along():
    views = ObjectViews(
        pixels=np.arange(24.0).reshape(2, 6, 2),
        depth=np.arange(12.0).reshape(2, 6),
        depth_sigma=np.arange(12.0).reshape(2, 6),
        boxes=np.arange(48.0).reshape(2, 6, 4),
        cut=np.array([[True] * 6, [False] * 6]),
        hidden=np.arange(12.0).reshape(2, 6),
    )
    after = exchanged(views, [Switch(0, 1, 4)])
    assert after.depth.tolist() == [[0, 1, 2, 3, 10, 11], [6, 7, 8, 9, 4, 5]]
    assert after.cut[0].tolist() == [True, True, True, True, False, False]
    assert after.boxes[1, 5].tolist() == views.boxes[0, 5].tolist()
    assert views.depth[0, 5] == 5
