"""Who is matched to whom, and what comes of a recording that is looked at as a video."""

from dataclasses import replace

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.calibration.real_boxes import true_boxes_clips
from st_vlm.pseudo_labels.calibration.real_pixels import as_video, evaluate_pixels, matched
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.recordings import open_recordings


def moving_box(x: float, step: float, count: int = 6) -> np.ndarray:
    left = x + step * np.arange(count)
    return np.stack([left, 0 * left + 10, left + 20, 0 * left + 30], axis=-1)


def test_objects_are_matched_to_whom_they_lie_on_most():
    true = np.stack([moving_box(0, 5), moving_box(100, 0), moving_box(200, 0)])
    found = np.stack([moving_box(101, 0), moving_box(1, 5), moving_box(60, 20)])
    assert matched(true, found).tolist() == [1, 0, 3]


def test_a_track_that_is_mostly_elsewhere_is_nobodys():
    true = moving_box(0, 0)[None]
    found = moving_box(0, 0)[None].copy()
    found[0, 2:] += 80
    assert matched(true, found).tolist() == [1]
    found[0, 2:4] -= 80
    assert matched(true, found).tolist() == [0]


@pytest.fixture(scope="module")
def recording():
    return open_recordings("simulated", seed=0, num_recordings=1).read("sim-0-00000", "camera")


class TrueBoxes:
    """Finds just what is there, in the order of the truth; or nothing."""

    def __init__(self, clip, some: slice = slice(None)) -> None:
        self.clip, self.some = clip, some

    def segment(self, frames):
        boxes = self.clip.boxes[self.some]
        size = tuple(frames.clip.size)
        categories = self.clip.categories[self.some]
        return Segments(categories, boxes, np.where(np.isfinite(boxes[..., 0]), 1.0, np.nan), size, size)


def test_what_is_found_is_answered_and_what_is_not_is_not(recording):
    (clip,) = true_boxes_clips(recording)
    asked = [k for k, motion in enumerate(clip.motions) if motion is not None]
    found = list(evaluate_pixels(recording, TrueBoxes(clip)))
    assert [one.track for one in found] == [clip.tracks[k].id for k in asked]
    assert np.mean([one.answered for one in found]) > 0.6
    none = list(evaluate_pixels(recording, TrueBoxes(clip, slice(0, 0))))
    assert len(none) == len(found)
    assert not any(one.answered for one in none)


def test_a_clip_becomes_a_video_of_its_own_times(recording, tmp_path):
    (clip,) = true_boxes_clips(recording)
    frames = as_video(clip, tmp_path)
    np.testing.assert_allclose(frames.info.times_s, clip.times_s, atol=2e-5)
    images = list(frames.images())
    assert len(images) == len(clip.times_s)
    number = int(np.searchsorted(recording.frames.times_ns, clip.times_ns[3]))
    true = recording.frames.read(number)[: images[3].shape[0], : images[3].shape[1]]
    assert np.abs(images[3].astype(int) - true).mean() < 4


def test_without_images_there_is_nothing_to_look_at(recording, tmp_path):
    blind = replace(recording, frames=replace(recording.frames, read=None))
    with pytest.raises(InputError, match="no images to look at"):
        as_video(next(true_boxes_clips(blind)), tmp_path)
