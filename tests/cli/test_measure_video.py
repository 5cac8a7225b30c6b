"""`st-vlm measure-video` as a user runs it, on simulated clips whose motions are known."""

import json

import av
import numpy as np
import pytest
from PIL import Image
from pseudo_labels.simulated_clips import geometry_of, segments_of, simulated_clips, write_clip_video

from st_vlm.pseudo_labels.clip_geometry import write_geometry
from st_vlm.pseudo_labels.segments import write_segments
from st_vlm.video.encoding import write_video


@pytest.fixture(scope="module")
def truth():
    return simulated_clips(1, seed=5)[0]


@pytest.fixture(scope="module")
def given(truth, tmp_path_factory):
    """A video with its masks and geometry, and the arguments that give them."""
    folder = tmp_path_factory.mktemp("measured")
    write_segments(segments_of(truth), folder / "clip.parquet")
    write_geometry(geometry_of(truth, "bar"), folder / "clip.npz")
    arguments = (
        "--semantics", "given", "--semantics-option", f"path={folder / 'clip.parquet'}",
        "--geometry", "given", "--geometry-option", f"path={folder / 'clip.npz'}",
    )  # fmt: skip
    return write_clip_video(truth, folder / "clip.mp4"), arguments


def path_of(track, start_ns, end_ns):
    """Metres along a track's true centres, every half second."""
    times = np.append(np.arange(start_ns, end_ns, 500_000_000), end_ns)
    places = np.stack([np.interp(times, track.times_ns, track.centres[:, axis]) for axis in (0, 1)], axis=1)
    return np.linalg.norm(np.diff(places, axis=0), axis=1).sum()


def test_numbers_lie_near_the_truth(st_vlm, truth, given):
    video, arguments = given
    code, out, err = st_vlm("measure-video", video, *arguments, "--format", "json")
    assert code in (0, 1), err
    ((clip,), off) = json.loads(out)["clips"], []
    for one in clip["objects"]:
        span = [int(truth.times_ns[0] + 1e9 * one[name]) for name in ("start_s", "end_s")]
        true_m = path_of(truth.recording.tracks[one["number"]], *span)
        if one["range_m"] < 40 and true_m > 5:
            off.append(abs(one["distance_m"] / true_m - 1))
    assert len(off) >= 2
    assert np.mean(off) < 0.12


def test_a_table_an_annotated_video_and_a_map(st_vlm, given, tmp_path):
    video, arguments = given
    code, out, err = st_vlm("measure-video", video, *arguments, "--out", tmp_path / "out")
    assert code in (0, 1), err
    header, *lines = out.splitlines()
    assert header.split()[0] == "object"
    assert lines
    assert all("±" in line for line in lines)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"clip.mp4-000.mp4", "clip.mp4-000.png"}
    with av.open(str(tmp_path / "out" / "clip.mp4-000.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    # Small pictures are drawn larger, so that captions can be read.
    assert frame.shape[0] >= 480
    assert np.asarray(Image.open(tmp_path / "out" / "clip.mp4-000.png")).std() > 10


def test_an_object_that_is_not_there(st_vlm, given, tmp_path):
    video, arguments = given
    code, out, err = st_vlm(
        "measure-video", video, "--object", "purple elephant", *arguments, "--out", tmp_path / "out"
    )
    assert (code, out) == (2, "")
    assert "No purple elephant was found. Found: " in err
    assert not (tmp_path / "out").exists()


def test_a_box_is_followed_over_the_ground(st_vlm, tmp_path):
    """Who walks 10 m before a level camera 2 m above the ground: focal length 300 px, feet 60 px under the middle."""
    rng = np.random.default_rng(0)
    wall, person = (np.kron(rng.integers(60, 200, size), np.ones((6, 6, 1))) for size in ((30, 54, 3), (10, 5, 3)))
    frames = []
    for k in range(61):
        image = wall[:180, :320].copy()
        image[90:150, 20 + 4 * k : 50 + 4 * k] = person
        frames.append(np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8))
    write_video(tmp_path / "walk.mp4", frames, [0.1 * k for k in range(61)])
    camera = "--camera-height", "2", "--focal", "300"
    pointed = "--object", "person", "--box", "140,90,170,150@3"
    code, out, err = st_vlm("measure-video", tmp_path / "walk.mp4", *pointed, *camera, "--format", "json")
    assert code == 0, err
    ((one,),) = (clip["objects"] for clip in json.loads(out)["clips"])
    assert one["category"] == "person"
    assert one["range_m"] == pytest.approx(10, rel=0.15)
    seconds = one["end_s"] - one["start_s"]
    assert seconds > 4
    # 40 px a second.
    assert one["distance_m"] == pytest.approx(seconds * 40 / 300 * 10, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--box", "10,10,50,50@99"), "lasts"),
        (("--box", "10,10,500,50@1"), "reaches out of clip.mp4, which is 320x182 pixels."),
        (("--box", "50,10,10,50@1"), "--box takes the left, top, right and bottom side"),
        (("--box", "10,10,50@1"), "--box takes x1,y1,x2,y2@SECOND"),
        (("--box", "10,10,50,50@1", "--semantics", "onnx"), "leave --semantics away"),
        (("--box", "10,10,50,50@1", "--camera-height", "-1", "--focal", "300"), "camera height of -1"),
        (("--box", "10,10,50,50@1", "--camera-height", "2", "--focal", "-3"), "focal length of -3 cannot be"),
        (("--box", "10,10,50,50@1", "--camera-height", "2", "--intrinsics", "3,3"), "fx,fy,cx,cy"),
        (
            ("--box", "10,10,50,50@1", "--camera-height", "2", "--intrinsics", "900,900,800,450"),
            "far from the middle of clip.mp4",
        ),
        (("--box", "10,10,50,50@1", "--camera-height", "2"), "The lens of clip.mp4 is not known."),
        (("--object", "red", "--geometry", "ground-plane"), "An object is a noun"),
    ],
)
def test_what_cannot_be_is_told(st_vlm, given, arguments, sentence):
    code, out, err = st_vlm("measure-video", given[0], *arguments)
    assert (code, out) == (2, "")
    assert sentence in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err


def test_no_video(st_vlm, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    arguments = "--box", "1,1,9,9@0", "--camera-height", "2", "--focal", "300"
    assert "There is no video at" in st_vlm("measure-video", tmp_path / "nowhere.mp4", *arguments)[2]
    code, _, err = st_vlm("measure-video", tmp_path / "text.mp4", *arguments)
    assert code == 2
    assert "cannot be read as a video" in err
