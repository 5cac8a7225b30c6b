"""The images of a clip are the video's frames by number, as shown, in order, a frame at a time."""

import pickle
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from made_videos import lay_down, write_frames

from st_vlm.errors import InputError
from st_vlm.pseudo_labels import frames as module
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames, probed
from st_vlm.video import decoding

COUNT = 100


def numbered(number, size=(96, 64)):
    """A grey frame with a corner of another grey: its number by brightness, its top by the dark corner."""
    frame = np.full((size[1], size[0], 3), 40 + 2 * number, np.uint8)
    frame[: size[1] // 2, : size[0] // 2] = 10
    return frame


def number_in(image):
    """From the lower right quarter, which is the same quarter after a clockwise turn but for the corner."""
    height, width = image.shape[:2]
    return round((float(image[height * 5 // 8 :, width // 8 : width // 2].mean()) - 39.5) / 2)


@pytest.fixture(params=["bf=0", "bf=3"])
def path(request, tmp_path):
    name, value = request.param.split("=")
    options = {name: value, "g": "24", "crf": "8"}
    return write_frames(tmp_path / "v.mp4", map(numbered, range(COUNT)), np.arange(COUNT) / 30, options)


def clip_of(path, numbers, size=(96, 64)):
    times = tuple(round(n / 30 * 1e9) for n in numbers)
    return ClipFrames(Clip("v", path.name, tuple(numbers), times, size, numbers[0], numbers[-1]), path.parent)


@pytest.mark.parametrize("numbers", [[3, 17, 50], list(range(5, 95, 5)), list(range(60, 100))])
def test_frames_by_number_in_order(path, numbers):
    frames = clip_of(path, numbers)
    assert len(frames) == len(numbers)
    assert [number_in(image) for image in frames.images()] == numbers
    assert [number_in(image) for image in frames.at([7, 8, 99])] == [7, 8, 99]
    small = list(frames.images((48, 32)))
    assert {image.shape for image in small} == {(32, 48, 3)}
    # Scaling takes away up to a level of brightness, half a number.
    assert np.abs([number_in(image) - number for image, number in zip(small, numbers, strict=True)]).max() <= 1


def test_a_copy_reads_the_same_and_weighs_nothing(path):
    frames = clip_of(path, [3, 17, 50])
    next(frames.images())
    data = pickle.dumps(frames)
    assert len(data) < 2000
    assert [number_in(image) for image in pickle.loads(data).images()] == [3, 17, 50]


def test_wrong_keyframes_still_give_frames_in_order(path, monkeypatch):
    info = probed(path)
    wrong = replace(info, places=info.places[::-1].copy(), keyframes=np.roll(info.keyframes, 5))
    monkeypatch.setattr(module, "probed", lambda path: wrong)
    assert [number_in(image) for image in clip_of(path, list(range(20, 60))).images()] == list(range(20, 60))


def test_lying_frames_are_turned_at_any_size(path):
    lay_down(path, (96, 64))
    frames = clip_of(path, [10, 60], (64, 96))
    assert frames.info.size == (64, 96)
    for size in (None, (32, 48), (128, 192)):
        for image in frames.images(size):
            assert image.shape[1::-1] == (size or (64, 96))
            height, width = image.shape[:2]
            # Turned clockwise, the dark corner at the upper left is at the upper right.
            dark = [image[: height // 4, : width // 4].mean() < 25, image[: height // 4, -width // 4 :].mean() < 25]
            assert dark == [False, True]


def test_a_frame_is_the_mean_of_the_pixels_it_replaces(path):
    """Half the size in each direction: edges on even pixels stay sharp."""
    image = next(clip_of(path, [30, 31]).images((48, 32))).astype(int)
    assert np.abs(image[:14, :22] - 10).max() <= 6
    assert np.abs(image[18:, 26:] - 100).max() <= 6


def test_frames_between(path):
    frames = clip_of(path, [15, 30, 45, 60])
    between = frames.between(0.1)
    np.testing.assert_array_equal(between, np.arange(15, 61, 3))
    assert set(frames.clip.frames) <= set(frames.between(0.35).tolist())
    assert clip_of(path, [15]).between(0.1).tolist() == [15]


def test_few_frames_are_held(tmp_path):
    """Forty frames of 0.9 MB; NumPy's memory at any time."""
    size = 640, 480
    made = (numbered(k, size) for k in range(60))
    path = write_frames(tmp_path / "v.mp4", made, np.arange(60) / 2, {"bf": "3", "preset": "ultrafast"})
    frames = clip_of(path, list(range(10, 50)), size)
    frames.info  # noqa: B018
    tracemalloc.start()
    try:
        assert sum(1 for _ in frames.images()) == 40
        assert tracemalloc.get_traced_memory()[1] < 4 * 3 * size[0] * size[1]
    finally:
        tracemalloc.stop()


def test_a_clip_late_in_its_video_is_sought(path, monkeypatch):
    """Packets far before its keyframe are not even read."""
    read = []
    number = {int(tick): k for k, tick in enumerate(probed(path).ticks)}
    needed = decoding._decode_needed

    def watched(container, stream, row_of, ticks):
        packets = container.demux

        class Container:
            def demux(self, stream):
                for packet in packets(stream):
                    if packet.size:
                        read.append(number[packet.pts])
                    yield packet

        return needed(Container(), stream, row_of, ticks)

    monkeypatch.setattr(decoding, "_decode_needed", watched)
    assert [number_in(image) for image in clip_of(path, list(range(75, 95))).images()] == list(range(75, 95))
    # Where frames are stored out of order, FFmpeg may go a keyframe farther back.
    assert min(read) >= 45


def test_a_file_that_changed_is_probed_again(path):
    assert len(probed(path)) == COUNT
    write_frames(path, map(numbered, range(50)), np.arange(50) / 30)
    assert len(probed(path)) == 50


def test_refusals(path):
    with pytest.raises(InputError, match="leads out"):
        ClipFrames(replace(clip_of(path, [1, 2]).clip, video="../v.mp4"), path.parent)
    with pytest.raises(InputError, match="frames 0 to 99"):
        list(clip_of(path, [1, 500]).images())
    path.unlink()
    with pytest.raises(InputError, match="There is no video at"):
        list(clip_of(path, [1, 2]).images())
