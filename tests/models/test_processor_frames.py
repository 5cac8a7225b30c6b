"""Frames on their way into the batch: by any backend, the stock processor's pixels, one frame in memory at a time."""

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import LlavaOnevisionVideoProcessor

from st_vlm.errors import InputError
from st_vlm.models import lazy_frames, torchcodec_frames
from st_vlm.models.lazy_frames import StoredFrames
from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor
from st_vlm.video.decoding import probe, read_frames
from st_vlm.video.encoding import write_video
from st_vlm.video.marks import Mark, draw_marks

PROMPT = "<video>\nHow far does the object travel?"
BOX = (40.0, 24.0, 120.0, 72.0)
NO_TORCHCODEC = torchcodec_frames.why_unusable()


def with_videos(processor, **settings):
    """A copy of the processor with other settings of its video processor."""
    processor = copy.copy(processor)
    processor.video_processor = STVLMVideoProcessor(**{**processor.video_processor.to_dict(), **settings})
    return processor


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"size": {"height": 384, "width": 384}},
        {"size": {"shortest_edge": 70}},
        {"do_normalize": False},
        {"do_resize": False, "do_rescale": False, "do_normalize": False},
        {"do_center_crop": True, "crop_size": {"height": 100, "width": 60}},
    ],
)
def test_pixels_are_those_of_the_stock_processor_given_marked_frames(tiny, clip, settings):
    """Exactly: the same resizing of the same bytes, and each level normalised by the same arithmetic."""
    processor = with_videos(tiny[1], **settings)
    marks = [Mark("red", (BOX, None, BOX, BOX, BOX)), Mark("blue", ((5, 5, 30, 30),) * 5)]
    shown_at = processor.video_processor.shown_size((160, 96))
    stock = LlavaOnevisionVideoProcessor(**{**tiny[1].video_processor.to_dict(), **settings})
    expected = stock([draw_marks(read_frames(clip), marks, shown_at)], return_tensors="pt")["pixel_values_videos"]
    got = processor.video_processor([read_frames(clip)], return_tensors="pt")["pixel_values_videos"]
    assert not torch.equal(got, expected)  # the marks are seen
    found = processor(text=PROMPT, videos=clip, marks=[marks], return_tensors="pt")["pixel_values_videos"]
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_a_batch_of_different_lengths_and_marks_is_the_single_ones(tiny, clip, videos):
    processor = tiny[1]
    given = [clip, videos[1], clip, clip, videos[2]]
    marks = [[Mark("red", (BOX,) * 5)], None, None, [Mark("red", (BOX,) * 5)], [Mark("green", (BOX, None, BOX))]]
    batch = processor(text=[PROMPT] * 5, videos=given, marks=marks, return_tensors="pt")
    assert batch["video_num_frames"].tolist() == [5, 2, 5, 5, 3]
    for row, video, its_marks, count in zip(
        batch["pixel_values_videos"], given, marks, batch["video_num_frames"], strict=True
    ):
        alone = processor(text=PROMPT, videos=[video], marks=[its_marks], return_tensors="pt")
        assert torch.equal(row[:count], alone["pixel_values_videos"][0])
        assert not row[count:].any()


def test_given_frames_are_not_drawn_on(tiny, videos):
    frames = videos[2].copy()
    images = [Image.fromarray(frame) for frame in frames]
    for video in (frames, images, list(frames)):
        tiny[1](text=PROMPT, videos=[video], marks=[[Mark("red", (BOX,) * 3)]], return_tensors="pt")
    np.testing.assert_array_equal(frames, videos[2])
    np.testing.assert_array_equal(np.stack([np.asarray(image) for image in images]), videos[2])


def test_lists_of_image_files_open_files_and_conversations(tiny, videos, tmp_path):
    processor, paths = tiny[1], [str(tmp_path / f"{i}.png") for i in range(3)]
    for frame, path in zip(videos[2], paths, strict=True):
        Image.fromarray(frame).save(path)
    marks = [[Mark("red", (BOX, None, BOX))]]
    expected = processor(text=PROMPT, videos=[videos[2]], marks=marks, return_tensors="pt")
    for video in (paths, [torch.from_numpy(frame) for frame in videos[2]], torch.from_numpy(videos[2])):
        found = processor(text=PROMPT, videos=[video], marks=marks, return_tensors="pt")
        assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])
    two = processor(text=[PROMPT] * 2, videos=[paths, paths], return_tensors="pt")
    assert two["video_num_frames"].tolist() == [3, 3]
    for key in ("video", "path", "url"):
        content = [{"type": "video", key: paths}, {"type": "text", "text": "How far?"}]
        templated = processor.apply_chat_template(
            [[{"role": "user", "content": content}]] * 2,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"marks": marks * 2, "timestamps": [[0, 1, 2]] * 2},
        )
        assert torch.equal(templated["pixel_values_videos"][1], expected["pixel_values_videos"][0])
        for decode in (processor.batch_decode, processor.post_process_image_text_to_text):
            text = decode(templated["input_ids"], skip_special_tokens=True)[1]
            assert "Frame times in seconds: 0 1 2" in text
            assert "How far?" in text


def test_an_open_file_is_read_from_its_start(tiny, clip):
    expected = tiny[1](text=PROMPT, videos=clip, return_tensors="pt")["pixel_values_videos"]
    with open(clip, "rb") as file:
        file.read(100)
        found = tiny[1](text=PROMPT, videos=file, return_tensors="pt")["pixel_values_videos"]
    assert torch.equal(found, expected)


@pytest.mark.skipif(not NO_TORCHCODEC, reason="torchcodec works here")
def test_without_torchcodec_pyav_reads_and_asking_for_it_says_why(tiny, clip):
    expected = with_videos(tiny[1], video_backend="pyav")(text=PROMPT, videos=clip, return_tensors="pt")
    found = with_videos(tiny[1], video_backend="auto")(text=PROMPT, videos=clip, return_tensors="pt")
    assert torch.equal(found["pixel_values_videos"], expected["pixel_values_videos"])
    with pytest.raises(InputError, match=r"torchcodec does not work here .*choose the video backend pyav"):
        with_videos(tiny[1], video_backend="torchcodec")(text=PROMPT, videos=clip, return_tensors="pt")


@pytest.mark.skipif(bool(NO_TORCHCODEC), reason=f"torchcodec does not work here: {NO_TORCHCODEC}")
def test_torchcodec_reads_the_same_frames(clip, tmp_path):
    write_video(tmp_path / "long.mp4", (np.full((32, 32, 3), 2 * i, np.uint8) for i in range(90)), np.arange(90) / 10)
    long = tmp_path / "long.mp4"
    for path, indices in ((clip, np.arange(5)), (long, np.arange(3, 90, 7)), (long.read_bytes(), np.array([88, 89]))):
        by_pyav, by_torchcodec = (
            np.asarray(StoredFrames(path, indices, probe(path), backend)).astype(int)
            for backend in ("pyav", "torchcodec")
        )
        assert np.abs(by_pyav - by_torchcodec).max() <= 2


def test_what_torchcodec_does_not_read_pyav_does(clip, monkeypatch):
    """A backend that gives up after two frames: the others come from PyAV, or the failure is told."""

    def gives_up(source, indices, info):
        yield from list(enumerate(read_frames(source, indices, info)))[:2]
        raise torchcodec_frames.Unreadable("it places frame 2 at 7.000 s")

    monkeypatch.setattr(lazy_frames, "torchcodec_frames", gives_up)
    monkeypatch.setattr(lazy_frames, "why_unusable", lambda: "")
    info, indices = probe(clip), np.array([0, 1, 3, 4])
    np.testing.assert_array_equal(np.asarray(StoredFrames(clip, indices, info)), read_frames(clip, indices))
    with pytest.raises(InputError, match=r"clip\.mp4 cannot be read by torchcodec \(it places frame 2"):
        np.asarray(StoredFrames(clip, indices, info, "torchcodec"))


def test_refusals(tiny, clip, tmp_path):
    processor, broken = tiny[1], tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    Image.new("RGB", (16, 16)).save(tmp_path / "small.png")
    Image.new("RGB", (16, 20)).save(tmp_path / "other.png")
    beyond = [Mark("red", ((200, 10, 230, 20),) * 5)]
    five = [{"color": color, "boxes": [BOX] * 5} for color in ("red", "blue", "green", "yellow", "red")]
    nan = [{"color": "red", "boxes": [(1, 2, float("nan"), 4)] * 5}]
    empty = np.zeros((0, 8, 8, 3), np.uint8)
    for video, marks, sentence in (
        (empty, None, "Video 0 holds no frames"),
        ([str(tmp_path / "none.png")], None, r"There is no image at .*none\.png"),
        ([str(broken)], None, r"broken\.png is not an image"),
        ([tmp_path / "small.png", tmp_path / "other.png"], None, "Video 0: its frames have different sizes"),
        (clip, beyond, r"clip\.mp4: every box of the red mark lies outside the 160x96 frame"),
        (clip, five, "5 marks, but only 4 colours"),
        (clip, nan, "red mark's box at frame 0"),
    ):
        with pytest.raises(InputError, match=sentence):
            processor(text=PROMPT, videos=[video], marks=[marks], return_tensors="pt")
    with pytest.raises(InputError, match="Unknown video backend 'ffmpeg'"):
        with_videos(processor, video_backend="ffmpeg")(text=PROMPT, videos=clip, return_tensors="pt")
    tall = np.zeros((2, 96, 48, 3), np.uint8)
    with pytest.raises(InputError, match="do not fit in one batch"):
        with_videos(processor, size={"shortest_edge": 32})(text=[PROMPT] * 2, videos=[clip, tall], return_tensors="pt")


MEASURES = """
import sys
import numpy as np, torch
from pathlib import Path
from st_vlm.models.tiny import make_tiny
from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor
from st_vlm.video.marks import Mark
def held(which):
    return next(1024 * int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(which))
processor = make_tiny()[1]
processor.video_processor = STVLMVideoProcessor(video_backend="pyav")
processor(text="<video>", videos=sys.argv[1], return_tensors="pt")
Path("/proc/self/clear_refs").write_text("5")
before = held("VmRSS")
marks = [[Mark("red", ((10, 10, 500, 500),) * 30)]]
pixels = processor(text="<video>", videos=sys.argv[2], marks=marks, return_tensors="pt")["pixel_values_videos"]
assert pixels.shape == (1, 30, 3, 384, 384)
print(held("VmHWM") - before, 2 * pixels.nbytes + 720 * 1280 * 3)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
def test_memory_stays_under_twice_the_output_and_one_frame(clip, tmp_path):
    long = tmp_path / "long.mp4"
    picture = np.broadcast_to(np.arange(1280, dtype=np.uint8)[:, None], (720, 1280, 3))
    write_video(long, (np.roll(picture, 8 * i, 1) for i in range(30)), np.arange(30) / 2, 30)
    ran = subprocess.run([sys.executable, "-c", MEASURES, clip, long], capture_output=True, text=True, check=True)
    peak, limit = map(int, ran.stdout.split())
    assert peak < limit
