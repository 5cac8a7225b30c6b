"""Videos to clips: what is kept, where it is cut, and the sentence on what is not."""

import re
import subprocess
import sys
from dataclasses import replace
from itertools import chain

import av
import numpy as np
import pytest
from made_videos import lay_down, write_frames
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.probing.finding import VideoFile
from st_vlm.pseudo_labels.probing.stage import probe_and_cut

FPS = 30


def cut(path, **options):
    return probe_and_cut(VideoFile(path.name), path.parent, **options)


def only(dropped):
    (one,) = dropped
    assert one.stage == "probe"
    return one.reason


def test_one_shot_is_cut_into_clips_of_forty_frames(tmp_path, shot):
    path = write_frames(tmp_path / "long.mp4", shot(0, 179), np.arange(179) / 4)
    clips, dropped = cut(path)
    assert [len(clip.frames) for clip in clips] == [40, 40, 10]
    assert not dropped
    times = np.concatenate([np.array(clip.times_ns) for clip in clips]) * 1e-9
    np.testing.assert_allclose(times, np.arange(90) * 0.5, atol=1e-6)
    assert clips[1].frames == tuple(range(80, 160, 2))
    assert (clips[1].first, clips[1].last, clips[1].size) == (80, 158, (128, 72))


@pytest.mark.parametrize("frames", [40, 101, 200])
def test_no_clip_has_two_shots(tmp_path, shot, frames):
    """Whatever the splice's frame; each shot's own frames but the few around the splice are in its clips."""
    path = write_frames(
        tmp_path / "two.mp4", chain(shot(0, frames + 100), shot(9, 200)), np.arange(frames + 300) / FPS
    )
    clips, _ = cut(path)
    splice = frames + 100
    assert all(clip.last < splice or clip.first >= splice for clip in clips)
    before = [clip for clip in clips if clip.last < splice]
    behind = [clip for clip in clips if clip.first >= splice]
    assert before[0].first == 0
    assert before[-1].last > splice - 18
    assert splice <= behind[0].first <= splice + 4


def test_a_splice_in_the_first_frames_is_found(tmp_path, shot):
    clips, _ = cut(write_frames(tmp_path / "v.mp4", chain(shot(9, 2), shot(0, 120)), np.arange(122) / FPS))
    assert [clip.first >= 2 for clip in clips] == [True]


def test_fast_pan_and_flash_are_no_cuts(tmp_path, shot):
    frames = list(shot(0, 150, step=6))
    for k in (70, 71):
        frames[k] = np.clip(frames[k].astype(int) + 110, 0, 255).astype(np.uint8)
    clips, dropped = cut(write_frames(tmp_path / "v.mp4", frames, np.arange(150) / FPS))
    assert [len(clip.frames) for clip in clips] == [11]
    assert not dropped


def test_a_dissolve_is_in_no_clip(tmp_path, shot):
    before, behind = list(shot(0, 180)), list(shot(9, 180))
    share = (np.arange(30) + 1) / 31
    mixed = [((1 - s) * a + s * b).astype(np.uint8) for s, a, b in zip(share, before[150:], behind[:30], strict=True)]
    clips, _ = cut(write_frames(tmp_path / "v.mp4", [*before[:150], *mixed, *behind[30:]], np.arange(330) / FPS))
    assert len(clips) == 2
    assert clips[0].last <= 152
    assert clips[1].first >= 177


def test_black_and_fades_are_left_out(tmp_path, shot):
    frames = [frame.astype(float) for frame in chain(shot(0, 180), shot(0, 180))]
    gain = np.concatenate([np.ones(135), np.linspace(1, 0, 30), np.zeros(30), np.linspace(0, 1, 30), np.ones(135)])
    faded = [(f * g).astype(np.uint8) for f, g in zip(frames, gain, strict=True)]
    clips, dropped = cut(write_frames(tmp_path / "v.mp4", faded, np.arange(360) / FPS))
    assert len(clips) == 2
    assert clips[0].last <= 138
    assert clips[1].first >= 222
    assert "black" in only(dropped)


def test_a_black_video(tmp_path):
    frames = np.random.default_rng(0).integers(0, 12, (150, 72, 128, 3)).astype(np.uint8)
    clips, dropped = cut(write_frames(tmp_path / "v.mp4", frames, np.arange(150) / FPS))
    assert not clips
    assert only(dropped) == "v.mp4 is black throughout."


def test_a_frozen_video_is_dropped_and_a_standing_camera_is_not(tmp_path, shot):
    still = next(shot(0, 1))
    frozen = write_frames(tmp_path / "frozen.mp4", [still] * 150, np.arange(150) / FPS, {"g": "30", "crf": "28"})
    clips, dropped = cut(frozen)
    assert not clips
    assert "never changes" in only(dropped)
    assert dropped[0].clip == "frozen.mp4-000"
    standing = write_frames(tmp_path / "standing.mp4", shot(0, 150, step=0, noise=4), np.arange(150) / FPS)
    assert len(cut(standing)[0]) == 1


def test_something_small_that_moves_in_a_still_picture_is_not_frozen(tmp_path, shot):
    picture = np.asarray(Image.fromarray(next(shot(0, 1))).resize((640, 360)))
    frames = []
    for k in range(150):
        frame = picture.copy()
        frame[200:216, 100 + k : 110 + k] = 20
        frames.append(frame)
    clips, _ = cut(write_frames(tmp_path / "v.mp4", frames, np.arange(150) / FPS))
    assert len(clips) == 1


def test_variable_frame_rate_is_cut_by_the_files_times(tmp_path, shot):
    """5 s at 30 a second, a pause of 2 s, 6 s at 7 a second."""
    times = np.concatenate([np.arange(150) / 30, 7 + np.arange(42) / 7])
    clips, _ = cut(write_frames(tmp_path / "v.mp4", shot(0, len(times), step=0.5), times))
    assert len(clips) == 2
    for clip, start, end in zip(clips, (0, 7), (5, 13), strict=True):
        seconds = np.array(clip.times_ns) * 1e-9
        np.testing.assert_allclose(seconds, times[list(clip.frames)], atol=1e-4)
        # The last has no frame behind its grid time.
        assert np.abs(seconds - start - 0.5 * np.arange(len(seconds)))[:-1].max() <= 1 / 14 + 1e-3
        assert seconds[-1] > end - 0.75


def test_a_video_stored_lying_is_cut_as_it_is_shown(tmp_path, shot):
    stored = list(shot(0, 120))
    path = lay_down(write_frames(tmp_path / "v.mp4", stored, np.arange(120) / FPS), (128, 72))
    ((clip,), _) = cut(path)
    assert clip.size == (72, 128)
    shown = np.stack(list(ClipFrames(clip, tmp_path).images()))
    expected = np.stack([np.rot90(stored[k], -1) for k in clip.frames])
    assert np.abs(shown.astype(int) - expected).mean() < 8


EIGHT_K = """
import resource, sys
from pathlib import Path
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.probing.finding import VideoFile
from st_vlm.pseudo_labels.probing.stage import probe_and_cut
def label(name):
    (clip,), dropped = probe_and_cut(VideoFile(name), Path(sys.argv[1]))
    assert not dropped
    shown = [image.shape for image in ClipFrames(clip, Path(sys.argv[1])).images((480, 270))]
    assert shown == [(270, 480, 3)] * len(clip.frames), shown
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
small = label("small.mp4")
print(label("large.mp4") - small)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the unit of ru_maxrss is that of Linux")
def test_of_an_8k_video_few_frames_are_held(tmp_path, shot):
    """A frame is 50 MB as the decoder holds it. Intra coding: what a codec itself must remember is not ours."""
    frames = (f.repeat(60, 0).repeat(60, 1) for f in shot(0, 8, step=8))
    write_frames(tmp_path / "large.mp4", frames, np.arange(8) / 2, {"preset": "ultrafast", "g": "1", "crf": "30"})
    write_frames(tmp_path / "small.mp4", shot(0, 8, step=8), np.arange(8) / 2)
    ran = subprocess.run([sys.executable, "-c", EIGHT_K, tmp_path], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 400e6


def test_what_is_no_video(tmp_path, shot):
    still = write_frames(tmp_path / "still.mp4", shot(0, 1), [0.0])
    brief = write_frames(tmp_path / "brief.mp4", shot(0, 45), np.arange(45) / FPS)
    whole = write_frames(tmp_path / "whole.mp4", shot(0, 150), np.arange(150) / FPS, {"movflags": "faststart"})
    cut_off = tmp_path / "cut.mp4"
    cut_off.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    text = tmp_path / "text.mp4"
    text.write_text("no video " * 200)
    sound = tmp_path / "sound.m4v"
    with av.open(str(sound), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.float32), format="fltp", layout="mono")
        frame.rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    for path, sentence in (
        (still, "still.mp4 holds fewer than 2 frames"),
        (brief, "brief.mp4 has a stretch .* shorter than 3 s"),
        (cut_off, "cut.mp4 (is cut off|cannot be read)"),
        (text, "text.mp4 cannot be read as a video"),
        (sound, "sound.m4v has no video stream"),
        (tmp_path / "gone.mp4", "There is no video at .*gone.mp4"),
    ):
        clips, dropped = cut(path)
        assert not clips
        assert re.search(sentence, only(dropped))


def test_damage_ends_a_clip_and_the_rest_is_kept(tmp_path, shot):
    """Zeroes over 0.4 s in the middle of 12 s; the frames of the clips decode."""
    path = write_frames(tmp_path / "v.mp4", shot(0, 360), np.arange(360) / FPS, {"g": "15", "bf": "0"})
    with av.open(str(path)) as container:
        packets = {p.pts: (p.pos, p.size) for p in container.demux(video=0) if p.size}
    data = bytearray(path.read_bytes())
    for k in sorted(packets)[183:195]:
        position, size = packets[k]
        data[position + 4 : position + size] = bytes(size - 4)
    path.write_bytes(data)
    clips, dropped = cut(path)
    assert "frames 18" in only(dropped)
    assert len(clips) == 2
    assert clips[0].last < 183
    assert 195 <= clips[1].first <= 199
    for clip in clips:
        assert sum(1 for _ in ClipFrames(clip, tmp_path).images()) == len(clip.frames)


def test_ids_are_unique_file_names(tmp_path, shot):
    (tmp_path / "a").mkdir()
    frames = list(shot(0, 100))
    ids = []
    for name in ("a/b.mp4", "a_b.mp4", "ü ü.mp4"):
        write_frames(tmp_path / name, frames, np.arange(100) / FPS)
        ids += [clip.id for clip in probe_and_cut(VideoFile(name), tmp_path)[0]]
    assert len(set(ids)) == 3
    assert all(set(name) <= set("abcdefmpstu.-_0123456789") for name in ids)


def test_what_is_known_goes_into_the_clip_and_its_file(tmp_path, shot):
    write_frames(tmp_path / "v.mp4", shot(0, 100), np.arange(100) / FPS)
    video = VideoFile("v.mp4", "validation", "driving", "CC-BY-4.0")
    matrix = [[900, 0, 64], [0, 900, 36], [0, 0, 1]]
    ((clip,), _) = probe_and_cut(video, tmp_path, intrinsics=matrix, camera_height=1.5)
    assert (clip.split, clip.domain, clip.licence, clip.camera_height) == ("validation", "driving", "CC-BY-4.0", 1.5)
    np.testing.assert_array_equal(clip.matrix, matrix)
    clip.write(tmp_path / "clip.json")
    assert Clip.read(tmp_path / "clip.json") == clip
    with pytest.raises(InputError, match="intrinsics"):
        probe_and_cut(video, tmp_path, intrinsics=[1, 2, 3])
    with pytest.raises(InputError, match="camera height"):
        probe_and_cut(video, tmp_path, camera_height=-1)


def test_limits(tmp_path, shot):
    path = write_frames(tmp_path / "v.mp4", shot(0, 360), np.arange(360) / 4)
    assert len(cut(path)[0]) == 5
    few = cut(path, max_clips=2)[0]
    assert [clip.id for clip in few] == ["v.mp4-001", "v.mp4-003"]
    assert cut(path, max_seconds=10)[0][0].times_s[-1] == pytest.approx(10)


def test_a_real_drive_is_one_shot_and_splices_of_it_are_found(tmp_path, real_data):
    """The 40 images of scene-0103, shown at 10 a second instead of 2: five times as fast. Then a part of it
    and the same mirrored, at 6 a second."""
    images = sorted((real_data / "nuscenes").rglob("*.jpg"), key=lambda path: path.name.rsplit("__", 1)[-1])
    if len(images) < 40:
        pytest.skip("no images of scene-0103")
    drive = [np.asarray(Image.open(path).convert("RGB")) for path in images[:40]]
    clips, dropped = cut(write_frames(tmp_path / "whole.mp4", drive, np.arange(40) / 10))
    assert [(clip.first, len(clip.frames)) for clip in clips] == [(0, 9)]
    assert not dropped
    there = drive[14:34]
    street = [*there, *(image[:, ::-1] for image in there)]
    clips, _ = cut(write_frames(tmp_path / "two.mp4", street, np.arange(40) / 6))
    assert [clip.first for clip in clips] == [0, 20]


def test_a_path_that_leads_out_is_refused(tmp_path):
    clips, dropped = probe_and_cut(VideoFile("../v.mp4"), tmp_path)
    assert not clips
    assert "leads out" in only(dropped)
    assert replace(dropped[0], reason="").video == "../v.mp4"
