"""Frames and times read are those the file holds, whatever its frame rate, container and keyframes."""

import io
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from st_vlm.errors import InputError
from st_vlm.video import decoding
from st_vlm.video.decoding import iterate_frames, probe, read_frames
from st_vlm.video.encoding import write_video
from st_vlm.video.small_frames import small_frames, small_size

# 25 frames a second for two seconds, then 8 a second, starting late.
TICKS = [7000 + 40 * i for i in range(50)] + [9000 + 125 * i for i in range(30)]


@pytest.fixture(scope="module", params=["mp4", "mkv"])
def variable(request, tmp_path_factory):
    """A video of another maker: B-frames, long keyframe intervals, varying frame rate; frame i has grey level 3 i."""
    path = tmp_path_factory.mktemp("video") / f"variable.{request.param}"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "3", "g": "24", "crf": "10"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for i, tick in enumerate(TICKS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 3 * i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def levels(frames: np.ndarray) -> np.ndarray:
    return frames.mean((1, 2, 3)) / 3


def test_probe_gives_the_stored_times(variable):
    info = probe(variable)
    assert info.size == (64, 48)
    assert info.times_s == pytest.approx((np.array(TICKS) - 7000) / 1000, abs=1e-3)
    assert info.times_s[-1] < info.duration_s < info.times_s[-1] + 0.2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(indices=st.lists(st.integers(0, 79), min_size=1, max_size=20))
def test_any_frames_in_any_order(variable, indices):
    """Up to 16 frames are sought, more are decoded through: both give the frames asked for."""
    assert levels(read_frames(variable, indices)) == pytest.approx(np.array(indices), abs=0.6)


@pytest.fixture(scope="module", params=["open-gop=1:bframes=3", "bframes=0", "b-pyramid=strict:bframes=5", "keyint=1"])
def moving(request, tmp_path_factory):
    """A video of moving noise with runs of 12 frames, stored in different orders, and all its frames by PyAV alone."""
    path = tmp_path_factory.mktemp("video") / "moving.mp4"
    wall = np.random.default_rng(0).integers(0, 255, (64, 200, 3), np.uint8)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"x264-params": f"keyint=12:{request.param}"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for i in range(100):
            picture = np.ascontiguousarray(wall[:, i : i + 64])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(path) as container:
        return path, np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.mark.parametrize("step", [1, 3, 5, 15, 40])
def test_leaving_out_what_is_not_needed_changes_no_pixel(moving, step):
    path, every = moving
    info = probe(path)
    for start in range(0, 12, 5):
        indices = np.arange(start, 100, step)
        found = dict(iterate_frames(path, indices, info))
        assert list(found) == sorted(found)  # in the order of one pass: none was missed and made up for
        np.testing.assert_array_equal(np.stack([found[row] for row in range(len(indices))]), every[indices])


def test_only_runs_with_wanted_frames_are_decoded(moving):
    """Of each run of 12 frames those up to the wanted one, if there is one."""
    path, _ = moving
    info = probe(path)
    assert len(decoding._needed(info, np.arange(0, 100, 15))) < 60


def test_wrong_keyframes_cost_time_and_no_frames(moving):
    path, _ = moving
    info = probe(path)
    wrong = replace(info, places=info.places[::-1].copy(), keyframes=np.roll(info.keyframes, 5))
    found = dict(iterate_frames(path, [7, 50, 90], wrong))
    assert sorted(found) == [0, 1, 2]


def test_path_bytes_and_open_file_agree(variable):
    data = variable.read_bytes()
    frames = read_frames(variable)
    assert levels(frames) == pytest.approx(np.arange(80), abs=0.6)
    np.testing.assert_array_equal(read_frames(data), frames)
    np.testing.assert_array_equal(read_frames(io.BytesIO(data), [70, 2]), frames[[70, 2]])


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_cut_off_file_is_refused_by_name(tmp_path, share):
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    write_video(whole, np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), np.uint8), np.arange(12) / 4)
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"cut\.mp4"):
        read_frames(cut)


def test_a_damaged_file_is_refused(tmp_path):
    path = tmp_path / "clip.mp4"
    write_video(path, np.random.default_rng(0).integers(0, 255, (12, 64, 64, 3), np.uint8), np.arange(12) / 4)
    data = bytearray(path.read_bytes())
    first_frame = data.index(b"mdat") + 4
    data[first_frame:] = bytes(len(data) - first_frame)
    with pytest.raises(InputError, match="video given as bytes"):
        read_frames(bytes(data))


def test_not_a_usable_video(tmp_path):
    short, text, sound = tmp_path / "short.mp4", tmp_path / "text.mp4", tmp_path / "sound.wav"
    write_video(short, np.zeros((5, 16, 16, 3), np.uint8), np.arange(5) * 0.05)
    text.write_text("no video " * 100)
    with av.open(sound, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
    for path, sentence in (
        (short, r"short\.mp4 lasts 0\.25 s; motion needs at least 0\.5 s"),
        (text, r"text\.mp4 cannot be read as a video"),
        (sound, r"sound\.wav has no video stream"),
        (tmp_path / "none.mp4", r"There is no video at .*none\.mp4"),
    ):
        with pytest.raises(InputError, match=sentence):
            probe(path)


def test_an_index_beyond_the_end_is_refused(variable):
    with pytest.raises(InputError, match="frames 0 to 79"):
        read_frames(variable, [3, 80])


OPENS_TWO = """
import sys
from st_vlm.video.decoding import probe
def most():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
probe(sys.argv[1])
before = most()
assert len(probe(sys.argv[2])) == 30
print(most() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak of memory is read from /proc")
def test_opening_a_large_video_takes_little_memory(tmp_path):
    """90 MB in 30 frames; what probing one adds to the peak of a process that has probed a small one."""
    small, large = tmp_path / "small.mp4", tmp_path / "large.avi"
    write_video(small, np.zeros((12, 64, 64, 3), np.uint8), np.arange(12) / 4)
    picture = np.random.default_rng(0).integers(0, 255, (1000, 1000, 3), np.uint8)
    with av.open(large, "w") as container:
        stream = container.add_stream("rawvideo", rate=30)
        stream.width, stream.height, stream.pix_fmt = 1000, 1000, "bgr24"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    assert large.stat().st_size > 80e6
    ran = subprocess.run([sys.executable, "-c", OPENS_TWO, small, large], capture_output=True, text=True, check=True)
    assert int(ran.stdout) * 1024 < 30e6


# The matrix of ISO 14496-12, "Track header box", by which a player moves stored places (x, y): a, b, c, d.
MATRICES = {"right": (0, 1, -1, 0), "upside_down": (-1, 0, 0, -1), "left": (0, -1, 1, 0), "none": (1, 0, 0, 1)}


def held_by_a_phone(path, a, b, c, d):
    """A 64 x 48 video with a white, a red and a blue corner, and a track header that turns it."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:16, :16], picture[:16, 48:], picture[32:, 48:] = 255, (255, 0, 0), (0, 0, 255)
    write_video(path, [picture] * 5, [0.5 * i for i in range(5)])
    data = bytearray(path.read_bytes())
    header = data.index(b"tkhd") + 4
    at = header + (52 if data[header] else 40)
    shift = [64 * (-a > 0) + 48 * (-c > 0), 64 * (-b > 0) + 48 * (-d > 0)]
    one = 1 << 16
    data[at : at + 36] = struct.pack(
        ">9i", a * one, b * one, 0, c * one, d * one, 0, *(one * s for s in shift), 1 << 30
    )
    path.write_bytes(data)
    x, y = np.meshgrid(np.arange(64), np.arange(48))
    # Of whole pixels: the matrix moves their corners.
    to_x, to_y = (p * x + q * y + s - (p + q < 0) for p, q, s in zip((a, b), (c, d), shift, strict=True))
    shown = np.empty((64, 48, 3) if b else (48, 64, 3), np.uint8)
    shown[to_y, to_x] = picture
    return shown


@pytest.mark.parametrize("turn", MATRICES)
def test_a_video_that_a_phone_stored_lying_is_read_as_it_is_shown(tmp_path, turn):
    path = tmp_path / "phone.mp4"
    shown = held_by_a_phone(path, *MATRICES[turn])
    info = probe(path)
    assert info.size == shown.shape[1::-1]
    frames = read_frames(path, [0, 3])
    assert frames.shape == (2, *shown.shape)
    assert np.abs(frames.astype(int) - shown).mean() < 6
    small = dict(small_frames(path, info, 3, 1, 32))
    assert list(small) == [3, 2, 1]
    assert small[2].shape[1::-1] == small_size(info.size, 32)
    # Each corner has its colour in the small picture, too.
    for row, column in ((2, 2), (2, -3), (-3, 2), (-3, -3)):
        assert np.abs(small[2][row, column].astype(int) - shown[row, column]).max() < 40
