"""Who enters, leaves, is seen twice or never was: a detector and a tracker that know the truth of drawn squares."""

import sys
import weakref

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.semantics import grounded_masks
from st_vlm.pseudo_labels.semantics.detections import Detections, overlaps
from st_vlm.pseudo_labels.semantics.grounded_masks import GroundedMasks, image_size, mask_size, prompt_frames
from st_vlm.pseudo_labels.semantics.mask_following import sort_out
from st_vlm.video.encoding import write_video

WIDTH, HEIGHT, FRAMES, STEP_S = 320, 160, 20, 0.5
SIDE = 40


@pytest.fixture(scope="module")
def clip_frames(tmp_path_factory):
    """20 frames a half second apart of a video with four a second, each of its own brightness."""
    folder = tmp_path_factory.mktemp("videos")
    count = 2 * FRAMES - 1
    images = (np.full((HEIGHT, WIDTH, 3), 40 + 5 * k, np.uint8) for k in range(count))
    write_video(folder / "v.mp4", images, np.arange(count) * STEP_S / 2)
    own = tuple(range(0, count, 2))
    times = tuple(int(k * STEP_S / 2 * 1e9) for k in own)
    return ClipFrames(Clip("c", "v.mp4", own, times, (WIDTH, HEIGHT), 0, count - 1), folder)


class Square:
    """A thing whose left side is at `x + step * frame` in the clip's frames from `first` to `last`."""

    def __init__(self, x, step=0.0, y=60, first=0, last=FRAMES, category="car"):
        self.x, self.step, self.y, self.first, self.last, self.category = x, step, y, first, last, category

    def box(self, frame):
        if not self.first <= frame <= self.last:
            return None
        left = self.x + self.step * frame
        return np.array([left, self.y, left + SIDE, self.y + SIDE])


class KnowingDetector:
    """Sees squares where they are, in a video whose brightness tells the frame. `seen` may add and take away."""

    def __init__(self, squares, seen=None):
        self.squares, self.seen, self.asked = squares, seen, []

    def detect(self, images, size):
        assert size == (WIDTH, HEIGHT)
        return [self._one(round((float(image.mean()) - 40) / 10)) for image in images]

    def _one(self, frame):
        self.asked.append(frame)
        found = [(square.box(frame), 0.8, square.category) for square in self.squares]
        found = [each for each in found if each[0] is not None]
        if self.seen:
            found = self.seen(frame, found)
        boxes, scores, names = zip(*found, strict=True) if found else ((), (), ())
        return Detections(np.array(boxes).reshape(-1, 4), np.array(scores), np.array(names, dtype=object))


class KnowingTracker:
    """Follows the square that a box is of; a box of nothing stays where it is."""

    def __init__(self, squares):
        self.squares = squares

    def open(self, images):
        for _ in images:
            pass
        return KnowingTracking(self.squares)


class KnowingTracking:
    def __init__(self, squares):
        self.squares, self.followed, self.last = squares, [], []

    def start(self, image, boxes):
        first = len(self.followed)
        for box in boxes * [WIDTH, HEIGHT, WIDTH, HEIGHT]:
            true = [square.box(image / 2) for square in self.squares]
            shared = [0 if each is None else overlaps(each[None], box[None])[0, 0] for each in true]
            best = int(np.argmax(shared)) if shared else 0
            self.followed.append(self.squares[best] if shared and shared[best] > 0.3 else box)
        numbers = list(range(first, len(self.followed)))
        self.step(image, numbers)
        return numbers

    def step(self, image, objects, backwards=False):
        self.last = [
            each if isinstance(each := self.followed[k], np.ndarray) else each.box(image / 2) for k in objects
        ]
        return np.array([0.1 if box is None else 0.9 for box in self.last])

    def masks(self, size):
        result = np.zeros((len(self.last), size[1], size[0]), bool)
        for mask, box in zip(result, self.last, strict=True):
            if box is not None:
                x1, y1, x2, y2 = np.clip(np.round(box).astype(int), 0, [*size, *size])
                mask[y1:y2, x1:x2] = True
        return result


def segmented(clip_frames, squares, seen=None, **options):
    return GroundedMasks(KnowingDetector(squares, seen), KnowingTracker(squares), **options).segment(clip_frames)


def only(segments, category):
    return segments.only(np.array([name == category for name in segments.categories]))


def test_boxes_and_masks_are_the_squares(clip_frames):
    square = Square(20, step=6)
    segments = segmented(clip_frames, [square])
    assert segments.categories == ("car",)
    true = np.array([square.box(frame) for frame in range(FRAMES)])
    np.testing.assert_allclose(segments.boxes[0], true)
    assert segments.mask(0, 5).sum() == SIDE**2
    np.testing.assert_allclose(segments.scores[0], 0.8 * np.where(np.arange(FRAMES) == 0, 1, 0.9))


def test_the_detector_is_asked_every_two_seconds(clip_frames):
    detector = KnowingDetector([])
    GroundedMasks(detector, KnowingTracker([])).segment(clip_frames)
    assert detector.asked == [0, 4, 8, 12, 16]
    assert prompt_frames(clip_frames.clip, 100.0) == [0]


def test_who_enters_is_found_and_traced_back(clip_frames):
    # It enters in frame 6, is asked about in frame 8.
    late = Square(200, step=-4, first=6, category="dog")
    segments = segmented(clip_frames, [Square(20), late])
    assert len(segments) == 2
    seen = only(segments, "dog").seen[0]
    np.testing.assert_array_equal(seen, np.arange(FRAMES) >= 6)


def test_who_leaves_is_gone(clip_frames):
    segments = segmented(clip_frames, [Square(20, last=9)])
    np.testing.assert_array_equal(segments.seen[0], np.arange(FRAMES) <= 9)


def test_who_comes_back_later_is_another(clip_frames):
    segments = segmented(clip_frames, [Square(20, last=3), Square(20, first=14)])
    # What happened meanwhile nobody knows: a car may have driven off, and another have come.
    assert segments.seen.sum(axis=1).tolist() == [4, 6]


def test_one_seen_by_two_texts_is_one(clip_frames):
    def twice(frame, found):
        return [*found, (found[0][0] + [3, 0, 3, 0], 0.5, "truck")]

    segments = segmented(clip_frames, [Square(20, step=6)], twice)
    assert segments.categories == ("car",)


def test_the_class_is_what_most_speaks_for(clip_frames):
    def changing(frame, found):
        return [(box, 0.7, "truck" if frame == 0 else "bus") for box, *_ in found]

    assert segmented(clip_frames, [Square(20)], changing).categories == ("bus",)


def test_who_is_never_confirmed_is_nobody(clip_frames):
    def ghost(frame, found):
        return [*found, (np.array([200.0, 20, 240, 60]), 0.9, "person")] if frame == 0 else found

    assert segmented(clip_frames, [Square(20)], ghost).categories == ("car",)


def test_who_is_overlooked_at_first_is_seen_from_the_beginning(clip_frames):
    def blind_at_first(frame, found):
        return found if frame >= 8 else []

    segments = segmented(clip_frames, [Square(20, step=6)], blind_at_first)
    assert segments.seen.all()


def test_of_many_the_most_certain_are_followed(clip_frames):
    def crowd(frame, found):
        rng = np.random.default_rng(0)
        corners = rng.uniform(0, [WIDTH - 9, HEIGHT - 9], (300, 2))
        boxes = np.concatenate([corners, corners + 8], axis=1)
        return [
            *found,
            *((box, score, "person") for box, score in zip(boxes, rng.uniform(0.3, 0.7, 300), strict=True)),
        ]

    squares = [Square(20), Square(200)]
    tracker = KnowingTracker(squares)
    segments = GroundedMasks(KnowingDetector(squares, crowd), tracker, most=5).segment(clip_frames)
    assert segments.categories[:2] == ("car", "car")
    assert 2 <= len(segments) <= 5


def test_nothing_to_be_seen(clip_frames):
    segments = segmented(clip_frames, [])
    assert len(segments) == 0
    assert segments.boxes.shape == (0, FRAMES, 4)
    assert segments.mask_size == (WIDTH, HEIGHT)


def test_masks_that_are_empty_are_not_seen(clip_frames):
    class Empty(KnowingTracking):
        def masks(self, size):
            return np.zeros((len(self.last), size[1], size[0]), bool)

    class EmptyTracker(KnowingTracker):
        def open(self, images):
            super().open(images)
            return Empty(self.squares)

    squares = [Square(20)]
    assert len(GroundedMasks(KnowingDetector(squares), EmptyTracker(squares)).segment(clip_frames)) == 0


def test_big_images_are_made_smaller_one_at_a_time(clip_frames, monkeypatch):
    monkeypatch.setattr(grounded_masks, "_WIDEST_IMAGE", 64)
    held, most = [], []

    class Watching(KnowingTracker):
        def open(self, images):
            for image in images:
                assert image.shape == (32, 64, 3)
                held.append(weakref.ref(image))
                most.append(sum(each() is not None for each in held))
            return KnowingTracking(self.squares)

    detector = KnowingDetector([])
    GroundedMasks(detector, Watching([]), every_s=1.0, batch=2).segment(clip_frames)
    assert len(most) == 2 * FRAMES - 1
    # Those of one batch for the detector, the one at hand and the one before it; not the whole clip.
    assert max(most) <= 4


@pytest.mark.parametrize(
    ("options", "words"),
    [({"every_s": 0}, "every_s"), ({"step_s": 0.7}, "step_s"), ({"most": 0}, "most"), ({"batch": 0}, "batch")],
)
def test_numbers_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        GroundedMasks(KnowingDetector([]), KnowingTracker([]), **options)


def test_without_pycocotools(clip_frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(InputError, match=r"st-vlm\[pseudo\]"):
        segmented(clip_frames, [])


def test_sizes_of_masks_and_images():
    assert mask_size((7680, 4320)) == (640, 360)
    assert mask_size((320, 160)) == (320, 160)
    assert mask_size((1080, 1920)) == (640, 1138)
    assert image_size((7680, 4320)) == (2048, 1152)
    assert image_size((1280, 720)) == (1280, 720)


def boxes_of(*boxes, names=("car",)):
    return Detections(np.array(boxes, float), np.full(len(boxes), 0.5), np.array(names, dtype=object))


def mask_of(x1, y1, x2, y2):
    mask = np.zeros((100, 200), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def test_a_detection_is_of_the_mask_that_it_fits_best():
    masks = np.stack([mask_of(10, 10, 50, 50), mask_of(30, 10, 70, 50)])
    owners, new = sort_out(boxes_of((28, 10, 70, 50), names=["car"]), masks, ["car", "car"])
    assert (owners, new) == ({0: 1}, [])


def test_a_part_of_a_known_object_is_nothing_new():
    masks = mask_of(10, 10, 90, 50)[None]
    assert sort_out(boxes_of((10, 10, 40, 40), names=["truck"]), masks, ["car"]) == ({}, [])
    # Its driver is: people are never taken for cars.
    assert sort_out(boxes_of((10, 10, 40, 40), names=["person"]), masks, ["car"]) == ({}, [0])


def test_who_stands_before_a_known_object_is_new():
    bus = mask_of(0, 0, 120, 90)
    bus[40:80, 30:70] = False
    owners, new = sort_out(boxes_of((30, 40, 70, 80), names=["car"]), bus[None], ["bus"])
    assert (owners, new) == ({}, [0])


def test_one_thing_by_another_name_begins_nothing_and_speaks_for_nothing():
    masks = mask_of(10, 10, 50, 50)[None]
    assert sort_out(boxes_of((10, 10, 51, 50), names=["person"]), masks, ["car"]) == ({}, [])


def test_all_is_new_where_nothing_is_known():
    owners, new = sort_out(boxes_of((0, 0, 5, 5), (50, 50, 60, 60), names=["car", "dog"]), np.zeros((0, 100, 200)), [])
    assert (owners, new) == ({}, [0, 1])
