"""A clip played backwards: what finds the same both ways is believed, what drifts is found out."""

from dataclasses import replace

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.self_check import (
    SelfCheck,
    check_backwards,
    compare_geometry,
    compare_segments,
    reversed_frames,
    reversed_segments,
    run_backwards,
)
from st_vlm.video.encoding import write_video

SIZE = (160, 96)
COUNT = 8


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """A red square that crosses a grey picture in 3.5 s, at 10 frames a second."""
    folder = tmp_path_factory.mktemp("square")
    images = np.full((36, SIZE[1], SIZE[0], 3), 120, np.uint8)
    for t, image in enumerate(images):
        image[40:64, 4 + 3 * t : 28 + 3 * t] = (220, 20, 20)
    write_video(folder / "a.mp4", images, [0.1 * t for t in range(36)])
    numbers = tuple(range(0, 36, 5))
    return ClipFrames(Clip("a", "a.mp4", numbers, tuple(100_000_000 * n for n in numbers), SIZE, 0, 35), folder)


class RedSquare:
    """Finds what is red; `drift` pixels farther to the right from frame to frame, as a tracker that loses hold."""

    def __init__(self, drift: float = 0.0) -> None:
        self.drift = drift

    def segment(self, frames: ClipFrames) -> Segments:
        boxes = np.full((1, len(frames), 4), np.nan)
        for t, image in enumerate(frames.images()):
            rows, columns = np.nonzero((image[..., 0] > 180) & (image[..., 1] < 90))
            box = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], float)
            boxes[0, t] = box + t * self.drift * np.array([1, 0, 1, 0])
        return Segments(("car",), boxes, np.ones((1, len(frames))), frames.clip.size, frames.clip.size)


class Still:
    """A camera that stands, or goes `step` metres a frame, whichever way the clip is played."""

    def __init__(self, step: float = 0.0) -> None:
        self.step = step

    def measure(self, frames: ClipFrames, segments: Segments) -> ClipGeometry:
        poses = np.tile(np.eye(4), (len(frames), 1, 1))
        poses[:, 0, 3] = self.step * np.arange(len(frames))
        depth = np.full((len(frames), 12, 20), 10.0, np.float32)
        return ClipGeometry(np.diag([100.0, 100, 1]), frames.clip.size, poses, depth)


def test_the_reversed_clip_shows_the_same_frames(frames, tmp_path):
    turned = reversed_frames(frames, tmp_path)
    assert len(turned) == len(frames)
    assert turned.clip.times_ns[0] == 0
    np.testing.assert_allclose(turned.clip.times_s, frames.clip.times_s, atol=1e-3)
    for ahead, back in zip(frames.images(), list(turned.images())[::-1], strict=True):
        assert np.abs(ahead.astype(int) - back).mean() < 4


def test_both_ways_alike(frames, tmp_path):
    found = RedSquare().segment(frames)
    check = run_backwards(frames, tmp_path, RedSquare(), Still(), found, Still().measure(frames, found))
    assert check.overlap > 0.85
    assert (check.path, check.turn_deg, check.depth) == (0.0, 0.0, 0.0)
    check_backwards(check)


def test_what_drifts_is_found_out(frames, tmp_path):
    drifting, going = RedSquare(drift=4.0), Still(step=0.5)
    found = drifting.segment(frames)
    check = run_backwards(frames, tmp_path, drifting, going, found, going.measure(frames, found))
    with pytest.raises(InputError, match="other objects"):
        check_backwards(check)
    # Both runs say that the camera goes to the right: one of them at least is wrong.
    with pytest.raises(InputError, match="camera's way"):
        check_backwards(replace(check, overlap=None))


def test_what_comes_from_files_is_not_run_again(frames, tmp_path):
    class FromFiles(RedSquare):
        from_files = True

    found = RedSquare().segment(frames)
    geometry = Still().measure(frames, found)
    check = run_backwards(frames, tmp_path, FromFiles(), Still(), found, geometry)
    assert check.overlap is None
    assert check.path == 0.0
    geometric = Still()
    geometric.from_files = True
    assert run_backwards(frames, tmp_path / "none", FromFiles(), geometric, found, geometry) == SelfCheck()


def test_an_object_without_a_counterpart_counts():
    one = np.full((2, COUNT, 4), np.nan)
    one[0], one[1] = (10, 10, 40, 50), (90, 20, 130, 80)
    both = Segments(("car", "car"), one, np.ones((2, COUNT)), SIZE, SIZE)
    turned = reversed_segments(both, SIZE)
    assert compare_segments(both, turned) == pytest.approx(1.0)
    assert compare_segments(both, turned.only(np.array([False, True]))) == pytest.approx(0.5)
    nothing = both.only(np.array([False, False]))
    assert compare_segments(nothing, nothing) == 1.0
    assert compare_segments(both, nothing) == 0.0


def test_a_world_that_begins_elsewhere_is_the_same_world():
    angle = np.linspace(0, 0.4, COUNT)
    poses = np.tile(np.eye(4), (COUNT, 1, 1))
    poses[:, 0, 0] = poses[:, 1, 1] = np.cos(angle)
    poses[:, 0, 1], poses[:, 1, 0] = -np.sin(angle), np.sin(angle)
    poses[:, 0, 3] = np.linspace(0, 7, COUNT)
    elsewhere = np.eye(4)
    elsewhere[:2, :2], elsewhere[:3, 3] = [[0, -1], [1, 0]], (5, -3, 1)
    one = ClipGeometry(np.diag([100.0, 100, 1]), SIZE, poses)
    other = replace(one, poses=(elsewhere @ poses)[::-1])
    np.testing.assert_allclose(compare_geometry(one, other)[:2], 0, atol=1e-6)
    stretched = poses.copy()
    stretched[:, 0, 3] *= 1.2
    path, turn, depth = compare_geometry(one, replace(one, poses=stretched[::-1]))
    # From the middle, ends 3 m and 4 m away are 20 % farther.
    assert path == pytest.approx(np.sqrt(((0.2 * (np.arange(COUNT) - 4)) ** 2).mean()) / 7, rel=1e-3)
    assert turn == pytest.approx(0, abs=1e-5)
    assert depth is None
