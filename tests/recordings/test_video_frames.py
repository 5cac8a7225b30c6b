"""Frames of a video by number: the number is in the picture, so every frame can be told from its neighbours."""

import gc
import os
import pickle
import random
import sys

import numpy as np
import pytest
from made_videos import lay_down, write_frames
from native_layouts.ego_exo4d import (
    TAKE,
    ego_exo4d_tables,
    number_in,
    numbered,
    write_ego_exo4d,
    write_pictures,
)

from st_vlm.errors import InputError
from st_vlm.recordings import open_recordings
from st_vlm.recordings.video_frames import VideoFrames

FRAMES = 90


@pytest.fixture(params=[(250, 2), (24, 3), (1, 0)], ids=["one keyframe", "few keyframes", "keyframes alone"])
def video(request, tmp_path):
    keyframe_every, bframes = request.param
    path = tmp_path / "cam01.mp4"
    write_pictures(path, (numbered(k) for k in range(FRAMES)), keyframe_every, bframes)
    return path


def test_every_frame_in_any_order(video):
    frames = VideoFrames(video)
    assert len(frames) == FRAMES
    assert frames.size == (320, 180)
    for k in range(FRAMES):
        assert number_in(frames.read(k)) == k
    order = random.Random(0).sample(range(FRAMES), FRAMES)
    assert [number_in(frames.read(k)) for k in order] == order
    for k in (FRAMES - 1, 0, 0, FRAMES - 1, 45, 44, 46):
        assert number_in(frames.read(k)) == k


def test_a_frame_is_its_callers_own(video):
    frames = VideoFrames(video)
    frames.read(7)[:] = 0
    assert number_in(frames.read(7)) == 7
    assert frames.read(7).shape == (180, 320, 3)
    assert frames.read(7).dtype == np.uint8


def test_a_copy_opens_the_file_again(video):
    frames = VideoFrames(video)
    frames.read(30)
    copy = pickle.loads(pickle.dumps(frames))
    assert [number_in(copy.read(k)) for k in (31, 3)] == [31, 3]
    assert number_in(frames.read(32)) == 32
    frames.close()
    assert number_in(frames.read(33)) == 33


def test_going_forward_never_seeks_without_a_keyframe_ahead(tmp_path, monkeypatch):
    path = tmp_path / "cam01.mp4"
    write_pictures(path, (numbered(k) for k in range(FRAMES)), keyframe_every=250)
    seeks = []
    seek = VideoFrames._seek
    monkeypatch.setattr(VideoFrames, "_seek", lambda self, number: seeks.append(number) or seek(self, number))
    frames = VideoFrames(path)
    assert [number_in(frames.read(k)) for k in range(0, FRAMES, 15)] == list(range(0, FRAMES, 15))
    assert seeks == [0]
    frames.read(2)
    assert seeks == [0, 2]


def test_a_far_frame_is_reached_from_the_keyframe_before_it(tmp_path, monkeypatch):
    path = tmp_path / "cam01.mp4"
    write_pictures(path, (numbered(k) for k in range(FRAMES)), keyframe_every=24)
    frames = VideoFrames(path)
    frames.read(0)
    seeks = []
    seek = VideoFrames._seek
    monkeypatch.setattr(VideoFrames, "_seek", lambda self, number: seeks.append(number) or seek(self, number))
    assert [number_in(frames.read(k)) for k in (20, 80, 85)] == [20, 80, 85]
    assert seeks == [80]


def test_a_seek_that_lands_behind_the_frame_starts_over(tmp_path, monkeypatch):
    path = tmp_path / "cam01.mp4"
    write_pictures(path, (numbered(k) for k in range(FRAMES)), keyframe_every=24)
    frames = VideoFrames(path)
    seek = VideoFrames._seek
    monkeypatch.setattr(VideoFrames, "_seek", lambda self, number: seek(self, FRAMES - 1))
    assert number_in(frames.read(20)) == 20


def test_refusals(tmp_path, monkeypatch):
    path = tmp_path / "cam01.mp4"
    with pytest.raises(InputError, match="There is no video at"):
        VideoFrames(path)
    write_pictures(path, (numbered(k) for k in range(FRAMES)))
    frames = VideoFrames(path)
    for number in (-1, FRAMES):
        with pytest.raises(InputError, match=f"has frames 0 to {FRAMES - 1}; asked for {number}"):
            frames.read(number)
    path.unlink()
    with pytest.raises(InputError, match=r"cam01\.mp4: frame 3 does not decode"):
        frames.read(3)
    path.write_bytes(b"nothing of a video")
    with pytest.raises(InputError, match="cannot be read as a video"):
        VideoFrames(path)


def test_damage_within_the_file_is_a_sentence(tmp_path):
    path = tmp_path / "cam01.mp4"
    write_pictures(path, (numbered(k) for k in range(FRAMES)), keyframe_every=12, bframes=0)
    frames = VideoFrames(path)
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    content[start : start + (len(content) - start) // 2] = bytes((len(content) - start) // 2)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cam01\.mp4: frame \d+ does not decode"):
        [frames.read(k) for k in range(FRAMES)]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="open files are counted in /proc")
def test_what_is_dropped_is_closed_at_once(tmp_path):
    """Without waiting for Python's collector, as a build's many recordings are read and dropped."""

    def open_files():
        return len(os.listdir("/proc/self/fd"))

    source = open_recordings("ego_exo4d", write_ego_exo4d(tmp_path, ego_exo4d_tables(seconds=1), videos="full"))
    video = tmp_path / "takes" / TAKE / "frame_aligned_videos" / "cam01.mp4"
    source.read(TAKE, "cam01").frames.read(0)  # whatever else is opened once
    gc.collect()
    before = open_files()
    gc.disable()
    try:
        for _ in range(3):
            frames = VideoFrames(video)
            assert number_in(frames.read(5)) == 5
            assert open_files() == before + 1
            assert frames._container.streams.video[0].codec_context.thread_count in (1, 2)
            copy = pickle.loads(pickle.dumps(frames))
            copy.read(9)
            del frames, copy
            assert open_files() == before
            recording = source.read(TAKE, "cam01")
            assert number_in(recording.frames.read(5)) == 5
            del recording
            assert open_files() == before
            with pytest.raises(InputError):
                VideoFrames(tmp_path / "takes.json")
            assert open_files() == before
    finally:
        gc.enable()


def test_a_video_stored_lying_is_read_as_it_is_shown(tmp_path):
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, :32] = 255, 0, 0
    path = lay_down(write_frames(tmp_path / "phone.mp4", [picture] * 6, np.arange(6) / 5), (64, 48))
    frames = VideoFrames(path)
    assert frames.size == (48, 64)
    # Turned clockwise, what was on the left is on top.
    assert np.abs(frames.read(3).astype(int) - np.rot90(picture, -1)).mean() < 6
