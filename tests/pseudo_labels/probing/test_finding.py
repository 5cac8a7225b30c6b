"""Videos found under a path, and what layouts as their owners hand them out tell of them."""

import json
import os

import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.probing.finding import find_videos, videos_folder


def touch(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")


def test_a_folder_of_videos(tmp_path):
    touch(tmp_path, "b.MP4", "a.mkv", "sub/c.webm", "sub/deep/d.m4v", "e.mov", "f.avi", "notes.txt", ".hidden.mp4")
    touch(tmp_path, ".cache/g.mp4", "sub/.h.mp4")
    found = find_videos(tmp_path)
    assert [video.path for video in found] == ["a.mkv", "b.MP4", "e.mov", "f.avi", "sub/c.webm", "sub/deep/d.m4v"]
    assert {(video.split, video.domain, video.licence) for video in found} == {(None, "general", "unknown")}
    assert find_videos(tmp_path, licence="CC0-1.0", domain="driving")[0].licence == "CC0-1.0"


def test_a_single_video(tmp_path):
    touch(tmp_path, "sub/a.mp4")
    (video,) = find_videos(tmp_path / "sub" / "a.mp4")
    assert (videos_folder(tmp_path / "sub" / "a.mp4") / video.path).is_file()
    assert video.path == "a.mp4"


def test_links_in_circles_end(tmp_path):
    touch(tmp_path, "videos/a.mp4", "elsewhere/b.mp4")
    (tmp_path / "videos" / "up").symlink_to(tmp_path)
    (tmp_path / "videos" / "self").symlink_to(".")
    (tmp_path / "videos" / "other").symlink_to(tmp_path / "elsewhere")
    found = [video.path for video in find_videos(tmp_path / "videos")]
    assert "a.mp4" in found
    assert sorted(os.path.basename(path) for path in found if "a.mp4" not in path) == ["b.mp4"]
    assert len(found) <= 3


def test_nothing_to_find_is_said(tmp_path):
    for path, layout, sentence in (
        (tmp_path / "none", "folder", "no file or folder at"),
        (tmp_path, "folder", "holds no video"),
        (tmp_path, "kinetics", "no layout 'kinetics'. Choose one of folder, bdd100k"),
    ):
        with pytest.raises(InputError, match=sentence):
            find_videos(path, layout)
    touch(tmp_path, "a.mp4")
    for layout in ("bdd100k", "multisports", "llava-video-178k"):
        with pytest.raises(InputError, match=f"holds no video where {layout} has them"):
            find_videos(tmp_path, layout)


@pytest.mark.parametrize("inner", ["", "bdd100k", "bdd100k/videos"])
def test_bdd100k(tmp_path, inner):
    touch(tmp_path, *(f"bdd100k/videos/{name}" for name in ("train/0a.mov", "val/b1.mov", "test/ca.mp4")))
    touch(tmp_path, "bdd100k/other/x.mov")
    found = find_videos(tmp_path / inner, "bdd100k")
    assert {os.path.basename(video.path): video.split for video in found} == {
        "0a.mov": "train",
        "b1.mov": "validation",
        "ca.mp4": "test",
    }
    assert {video.domain for video in found} == {"driving"}
    assert "car" in found[0].categories
    # Its videos are not under the BSD licence of its code.
    assert {video.licence for video in found} == {"BDD100K License"}


def test_multisports(tmp_path):
    touch(
        tmp_path, "trainval/football/v_1_c001.mp4", "trainval/aerobic_gymnastics/v_2_c001.mp4", "test/basketball/x.mp4"
    )
    touch(tmp_path, "demo/y.mp4")
    found = find_videos(tmp_path, "multisports")
    assert {video.path: (video.split, video.categories) for video in found} == {
        "test/basketball/x.mp4": ("test", ("person", "ball")),
        "trainval/aerobic_gymnastics/v_2_c001.mp4": (None, ("person",)),
        "trainval/football/v_1_c001.mp4": (None, ("person", "ball")),
    }
    assert {(video.domain, video.licence) for video in found} == {("sports", "CC-BY-NC-4.0")}


def test_llava_video(tmp_path):
    source = "0_30_s_academic_v0_1"
    touch(tmp_path, f"{source}/academic_source/Charades/A.mp4", f"{source}/academic_source/Charades/B.mp4")
    touch(tmp_path, "1_2_m_youtube_v0_1/liwei_youtube_videos/videos/c.mp4", "gpt4o_caption_prompt/d.mp4")
    asked = [
        {"video": "academic_source/Charades/A.mp4", "data_source": source, "id": "A",
         "conversations": [{"from": "human", "value": "<image>\nWhat do the two women ride?"},
                           {"from": "gpt", "value": "Bikes, past parked cars and a scarf."}]}
    ]  # fmt: skip
    (tmp_path / source / "0_30_s_academic_oe_v0_1_qa_processed.json").write_text(json.dumps(asked))
    found = {video.path.rsplit("/", 1)[1]: video for video in find_videos(tmp_path, "llava-video-178k")}
    assert found.keys() == {"A.mp4", "B.mp4", "c.mp4"}
    assert found["A.mp4"].categories == ("bicycle", "car", "person")
    assert found["B.mp4"].categories == ()
    assert found["A.mp4"].licence.startswith("unknown")
    (inner,) = [v for v in find_videos(tmp_path / source / "academic_source", "llava-video-178k") if v.categories]
    assert inner.path == "Charades/A.mp4"
    (tmp_path / source / "broken.json").write_text('[{"video": "x"}]')
    with pytest.raises(InputError, match=r"broken\.json is no list of questions"):
        find_videos(tmp_path, "llava-video-178k")
