"""Objects marked once are found on the other frames: against boxes that are known as the frames were made here."""

import io
import math

import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.kinematics.projection import project_boxes
from st_vlm.recordings.simulated import CAMERA, Simulated
from st_vlm.video import box_tracker, small_frames
from st_vlm.video.decoding import probe, read_frames
from st_vlm.video.encoding import write_video
from st_vlm.video.tracking import MarkedOnce, follow_marks

WIDTH, HEIGHT = 320, 192
FRAMES, RATE = 60, 20.0
TIMES = np.arange(FRAMES) / RATE


def texture(seed: int, width: int, height: int, grain: int = 6) -> np.ndarray:
    """Random patches of colour, `grain` pixels wide."""
    coarse = np.random.default_rng(seed).integers(0, 255, (height // grain + 1, width // grain + 1, 3), np.uint8)
    return coarse.repeat(grain, axis=0).repeat(grain, axis=1)[:height, :width]


def square_at(i: int) -> tuple[int, int, int, int]:
    """A square that crosses the picture, swings up and down, and grows."""
    side = 30 + i // 4
    x, y = 20 + 4 * i, round(70 + 30 * math.sin(i / 10))
    return x, y, x + side, y + side


def paint(frame: np.ndarray, picture: np.ndarray, box) -> None:
    """A picture stretched over a box, cut where the frame ends."""
    x1, y1, x2, y2 = box
    rows = np.arange(y2 - y1) * len(picture) // (y2 - y1)
    columns = np.arange(x2 - x1) * picture.shape[1] // (x2 - x1)
    right, bottom = min(x2, frame.shape[1]), min(y2, frame.shape[0])
    frame[y1:bottom, x1:right] = picture[rows][:, columns][: bottom - y1, : right - x1]


def squares(bar: tuple[int, int] | None = None, times: int = 1) -> np.ndarray:
    """(FRAMES, HEIGHT, WIDTH, 3): the square before a background that moves, behind a bar from x to x."""
    field, thing, post = texture(1, 2 * WIDTH, HEIGHT, 9), texture(2, 30, 30), texture(3, WIDTH, HEIGHT, 11)
    frames = []
    for i in range(FRAMES):
        frame = field[:, i : i + WIDTH] // 2 + 40
        paint(frame, thing, square_at(i))
        if bar:
            frame[:, slice(*bar)] = post[:, slice(*bar)]
        frames.append(frame.repeat(times, axis=0).repeat(times, axis=1))
    return np.stack(frames)


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    """The square is always seen."""
    path = tmp_path_factory.mktemp("tracking") / "clear.mp4"
    write_video(path, squares(), TIMES)
    return path


@pytest.fixture(scope="module")
def hidden(tmp_path_factory):
    """The square passes behind a bar: wholly hidden in frames where it lies between 130 and 210."""
    path = tmp_path_factory.mktemp("tracking") / "hidden.mp4"
    write_video(path, squares(bar=(130, 210)), TIMES)
    return path


def overlap(a, b) -> float:
    """Intersection over union of two boxes."""
    shared = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def at(i: int, color: str = "red", times: int = 1) -> MarkedOnce:
    return MarkedOnce(color, tuple(times * float(v) for v in square_at(i)), TIMES[i])


@pytest.mark.parametrize("start", [0, 31, FRAMES - 1])
def test_followed_both_ways_from_any_frame(clear, start):
    (found,) = follow_marks(clear, [at(start)])
    overlaps = [overlap(box, square_at(i)) for i, box in enumerate(found.mark.boxes)]
    assert min(overlaps) > 0.6
    assert np.median(overlaps) > 0.8
    assert found.lost == ()
    assert found.warning is None
    assert found.mark.boxes[start] == pytest.approx(square_at(start))


def test_boxes_of_the_frames_asked_for(clear):
    every = follow_marks(clear, [at(31)])[0].mark.boxes
    some = follow_marks(clear, [at(31)], [0, 10, 45])[0].mark.boxes
    assert some == (every[0], every[10], every[45])


def test_behind_something_it_is_lost_and_found_again(hidden):
    for start in (0, FRAMES - 1):
        (found,) = follow_marks(hidden, [at(start)])
        boxes = found.mark.boxes
        covered = [i for i in range(FRAMES) if square_at(i)[0] >= 130 and square_at(i)[2] <= 210]
        far = [i for i in range(FRAMES) if square_at(i)[2] <= 130 or square_at(i)[0] >= 230]
        assert all(boxes[i] is None for i in covered[len(covered) // 2 - 1 : len(covered) // 2 + 2])
        seen = [overlap(boxes[i], square_at(i)) if boxes[i] else 0.0 for i in far]
        assert np.mean(np.array(seen) > 0.6) > 0.8
        ((first, last),) = found.lost
        assert TIMES[covered[0]] - 0.4 < first < last < TIMES[covered[-1]] + 0.4
        assert f"The red mark is lost from {first:.2f} to {last:.2f} s" in found.warning


def test_a_loss_between_the_frames_asked_for_is_not_told(hidden):
    (found,) = follow_marks(hidden, [at(0)], [0, 5, 10])
    assert found.warning is None


def test_lost_for_good(tmp_path):
    """It stands still, and then it is gone."""
    frames = squares()
    frames[:25] = frames[0]
    frames[25:] = texture(1, 2 * WIDTH, HEIGHT, 9)[:, :WIDTH] // 2 + 40
    write_video(tmp_path / "gone.mp4", frames, TIMES)
    (found,) = follow_marks(tmp_path / "gone.mp4", [MarkedOnce("blue", square_at(0), 0.5)])
    assert all(found.mark.boxes[:25])
    assert not any(found.mark.boxes[30:])
    assert TIMES[25] <= found.lost[0][0] <= TIMES[29]
    assert f"The blue mark is lost after {found.lost[0][0]:.2f} s" in found.warning


def test_several_marks_are_followed_as_one_alone(clear):
    field = MarkedOnce("blue", (10, 140, 60, 185), TIMES[20])
    together = follow_marks(clear, [at(40), field])
    assert together[0].mark == follow_marks(clear, [at(40)])[0].mark
    assert together[1].mark == follow_marks(clear, [field])[0].mark


def test_large_frames_are_followed_small_and_boxes_stay_in_pixels_of_the_video(tmp_path):
    write_video(tmp_path / "large.mp4", squares(times=4)[:20], TIMES[:20])
    (found,) = follow_marks(io.BytesIO((tmp_path / "large.mp4").read_bytes()), [at(0, times=4)])
    overlaps = [overlap(box, [4 * v for v in square_at(i)]) for i, box in enumerate(found.mark.boxes)]
    assert min(overlaps) > 0.6


def test_simulated_objects_are_followed():
    """Two objects of a rendered scene, against the projections of their true 3D boxes."""
    recording = Simulated(seed=901, num_recordings=2).read("sim-901-00001", CAMERA)
    truths = {}
    for name in ("object-06", "object-03"):
        track = next(track for track in recording.tracks if track.id == name)
        times = recording.frames.times_ns[40:70]
        centres = np.stack([np.interp(times, track.times_ns, track.centres[:, k]) for k in range(3)], 1)
        near = np.searchsorted(track.times_ns, times)
        seen = (centres, track.sizes[near], track.rotations[near], recording.camera.poses[40:70], recording.camera)
        truths[name] = project_boxes(*seen).clipped
    frames = [recording.frames.read(i) for i in range(40, 70)]
    for truth in truths.values():
        tracker = box_tracker.BoxTracker(frames[0], truth[0])
        found = [tracker.follow(frame) for frame in frames[1:]]
        overlaps = [overlap(box, true) if box is not None else 0 for box, true in zip(found, truth[1:], strict=True)]
        assert np.median(overlaps) > 0.6


def test_small_frames_backwards_are_those_forwards_reversed(clear, monkeypatch):
    info = probe(clear)
    whole = read_frames(clear)
    forwards = list(small_frames.small_frames(clear, info, 3, 52, 640))
    assert [index for index, _ in forwards] == list(range(3, 53))
    assert all((frame == whole[index]).all() for index, frame in forwards)
    # No more than three frames are held.
    monkeypatch.setattr(small_frames, "HELD_BYTES", 3 * 3 * WIDTH * HEIGHT)
    backwards = list(small_frames.small_frames(clear, info, 52, 3, 640))
    assert [index for index, _ in backwards] == list(range(52, 2, -1))
    assert all((frame == whole[index]).all() for index, frame in backwards)


@pytest.mark.parametrize(
    ("marked", "sentence"),
    [
        ([at(0), at(5)], "Two marks are red"),
        ([MarkedOnce("pink", (0, 0, 9, 9), 0)], "Unknown mark colour 'pink'"),
        ([MarkedOnce("red", (9, 0, 0, 9), 0)], "must be x1, y1, x2, y2"),
        ([MarkedOnce("red", (0, 0, 400, 90), 0)], "reaches out of the frame: .*clear.mp4 is 320x192 pixels"),
        ([MarkedOnce("red", (0, 0, 9, 9), 3.2)], "given at 3.2 s, but .*clear.mp4 lasts 3.00 s"),
        ([MarkedOnce("red", (0, 0, 9, 9), -1)], "give a time within it"),
    ],
)
def test_marks_that_make_no_sense_are_refused(clear, marked, sentence):
    with pytest.raises(InputError, match=sentence):
        follow_marks(clear, marked)


def test_without_opencv_it_says_what_to_install(clear, monkeypatch):
    monkeypatch.setattr(box_tracker, "cv2", None)
    with pytest.raises(InputError, match=r"st-vlm\[track\]"):
        follow_marks(clear, [at(0)])
    assert follow_marks(clear, []) == ()
