"""Written clips hold the real timestamps, come out the same every time, and never half-written."""

import av
import numpy as np
import pytest

from st_vlm.errors import InputError
from st_vlm.video.decoding import read_frames
from st_vlm.video.encoding import Fitter, fit_size, write_video

TIMES = np.array([0.0, 0.46, 1.02, 1.5, 2.04, 2.47])


def pictures(count: int, size: tuple[int, int] = (96, 64)) -> list[np.ndarray]:
    """Smooth frames, each of its own brightness."""
    width, height = size
    ramp = np.linspace(0, 60, width)[None, :, None] + np.linspace(0, 60, height)[:, None, None]
    return [(ramp + np.array([20 * i, 60, 120 - 10 * i])).astype(np.uint8) for i in range(count)]


def test_frames_keep_their_own_times_and_look_the_same(tmp_path):
    frames = pictures(6)
    write_video(tmp_path / "clip.mp4", iter(frames), TIMES + 1000.0)
    with av.open(tmp_path / "clip.mp4") as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        # the last frame lasts as long as a typical one
        assert float(stream.duration * stream.time_base) == pytest.approx(2.47 + np.median(np.diff(TIMES)), abs=1e-3)
    assert [float(f.time) for f in decoded] == pytest.approx(TIMES, abs=1e-4)
    assert [f.key_frame for f in decoded] == [True, False] * 3  # two frames a second: a keyframe each second
    for frame, true in zip(decoded, frames, strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - true).mean() < 3


def test_same_input_gives_same_bytes_and_the_index_comes_first(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, pictures(6), TIMES)
    data = (tmp_path / "a.mp4").read_bytes()
    assert data == (tmp_path / "b.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(
    ("frames", "times", "sentence"),
    [
        (pictures(1), [0.0], "at least 2 frames"),
        (pictures(3), [0.0, 1.0, 1.0], "strictly increasing"),
        (pictures(3), [0.0, 1.0, np.nan], "strictly increasing"),
        (pictures(2), [0.0, 1.0, 2.0], "2 frames but 3 times"),
        (pictures(3), [0.0, 1.0], "more frames than the 2 times"),
        (pictures(2, (95, 64)), [0.0, 1.0], "both sides must be even"),
        ([*pictures(1), *pictures(1, (64, 64))], [0.0, 1.0], "frame 1 is uint8 of shape"),
    ],
)
def test_refused_input_leaves_nothing_behind(tmp_path, frames, times, sentence):
    with pytest.raises(InputError, match=sentence):
        write_video(tmp_path / "clip.mp4", frames, times)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_reader_leaves_the_old_file(tmp_path):
    write_video(tmp_path / "clip.mp4", pictures(6), TIMES)
    before = (tmp_path / "clip.mp4").read_bytes()

    def broken():
        yield pictures(1)[0]
        raise InputError("frame 2 is unreadable")

    with pytest.raises(InputError, match="frame 2"):
        write_video(tmp_path / "clip.mp4", broken(), TIMES)
    assert [p.name for p in tmp_path.iterdir()] == ["clip.mp4"]
    assert (tmp_path / "clip.mp4").read_bytes() == before


@pytest.mark.parametrize(
    ("size", "limit", "fitted"),
    [((1600, 900), 640, (640, 360)), ((1550, 2048), 512, (388, 512)), ((801, 451), 2000, (800, 450))],
)
def test_fit_size(size, limit, fitted):
    assert fit_size(size, limit) == fitted
    frame = np.zeros((size[1], size[0], 3), np.uint8)
    picture = Fitter(fitted)(frame)
    assert (picture.width, picture.height) == fitted


@pytest.mark.slow
def test_small_clips_have_the_same_bytes_every_time(tmp_path):
    """Decoding between the encodings fills the memory that is used again."""
    rng = np.random.default_rng(0)
    path = np.linspace(0, 60, 24)
    scene = np.clip(np.cumsum(rng.normal(0, 6, (96, 240, 3)), axis=1) + 120, 0, 255).astype(np.uint8)
    frames = [scene[:, int(x) : int(x) + 160] for x in path]
    write_video(tmp_path / "first.mp4", frames, np.arange(24) * 0.5)
    stored = []
    for k in range(100):
        again = read_frames(tmp_path / "first.mp4")[::-1]
        write_video(tmp_path / "again.mp4", again, np.arange(24) * 0.5)
        stored.append((tmp_path / "again.mp4").read_bytes())
        assert stored[-1] == stored[0], k
