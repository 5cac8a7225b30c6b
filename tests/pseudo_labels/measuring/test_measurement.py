"""What is measured of a lifted clip lies near the truth, as near as it says."""

import numpy as np
import pytest

from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.files import CLIP_FILE, CLIPS, TRACKS_FILE
from st_vlm.pseudo_labels.lifted_tracks import LiftedTracks, LiftQuality, read_tracks
from st_vlm.pseudo_labels.measuring.measurement import measure
from st_vlm.pseudo_labels.measuring.video import describe


def lifted_of(ways: np.ndarray, draws: np.ndarray, sigma: float = 0.05) -> tuple[Clip, LiftedTracks]:
    """A clip of cars at (N, T, 2) places 20 m before the camera, half a second apart."""
    objects, count = ways.shape[:2]
    clip = Clip("c", "c.mp4", tuple(range(count)), tuple(500_000_000 * k for k in range(count)), (640, 360), 0, count)
    flat = np.zeros((objects, count, 1))
    lifted = LiftedTracks(
        numbers=tuple(range(objects)),
        categories=("car",) * objects,
        known=np.ones((objects, count), bool),
        centres=np.concatenate([ways, flat], axis=-1),
        sizes=np.ones((objects, 3)),
        headings=np.zeros((objects, count)),
        sigma=np.full(objects, sigma),
        boxes=np.full((objects, count, 4), 10.0),
        draws=draws,
        poses=np.tile(np.eye(4), (count, 1, 1)),
        intrinsics=np.diag([500.0, 500.0, 1.0]),
        quality=LiftQuality(),
    )
    return clip, lifted


def test_distance_speed_and_turn_of_a_known_way():
    # 10 m east, then 10 m south: a right turn, 3 o'clock.
    steps = np.array([[1.0, 0.0]] * 10 + [[0.0, -1.0]] * 10)
    way = np.array([20.0, 0.0]) + np.cumsum(np.concatenate([[[0.0, 0.0]], steps]), axis=0)
    scales = np.array([0.9, 1.0, 1.1])
    draws = way[None, None] * scales[:, None, None, None]
    (one,) = measure(*lifted_of(way[None], draws))
    assert one.moves is True
    assert one.distance_m == pytest.approx(20)
    assert one.distance_sigma_m == pytest.approx(20 * np.std(scales), abs=0.01)
    assert one.speed_kmh == pytest.approx(7.2)
    assert one.speed_sigma_kmh == pytest.approx(7.2 * np.std(scales), abs=0.01)
    assert (one.hour, one.turn_deg, one.turn_sigma_deg) == (3, 90.0, 0.0)
    assert (one.start_s, one.end_s) == (0.0, 10.0)
    assert 20 <= one.range_m <= 31


def test_what_stands_has_gone_nowhere():
    way = np.tile([20.0, 1.0], (1, 9, 1))
    rng = np.random.default_rng(0)
    (one,) = measure(*lifted_of(way, way + 0.05 * rng.standard_normal((8, 1, 9, 2))))
    assert one.moves is False
    assert (one.distance_m, one.speed_kmh, one.hour) == (0.0, 0.0, None)
    assert one.distance_sigma_m == pytest.approx(0.07, abs=0.01)
    assert describe(one) == "stands (within 0.1 m)"


def test_simulated_objects_are_measured_as_they_moved(lifted_run, simulated_truth):
    off = []
    for truth in simulated_truth:
        folder = lifted_run / CLIPS / truth.recording.id
        for one in measure(Clip.read(folder / CLIP_FILE), read_tracks(folder / TRACKS_FILE)):
            motion = truth.motions[one.number]
            spans = motion is not None and abs(motion.duration_s - (one.end_s - one.start_s)) < 0.6
            if spans and one.moves and one.distance_m > 5:
                off.append(abs(one.distance_m / motion.distance_m - 1))
    assert len(off) >= 4
    assert np.mean(off) < 0.08
