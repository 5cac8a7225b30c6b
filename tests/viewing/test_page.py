"""The page as a whole: what it must hold, that nothing in it can act, and that the folder alone decides its bytes."""

import json
import re
import shutil
from xml.etree import ElementTree

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from viewed import ReadPage, metadata, opened, rewrite

from st_vlm.errors import InputError
from st_vlm.recordings.drops import RULES
from st_vlm.viewing.folder import open_built
from st_vlm.viewing.page import make_page

EVIL = '<script>alert("1")</script>\'"&{{ 7*7 }}'


def page_of(folder, recordings=(), most=20, split=None):
    page = make_page(open_built(folder, split), recordings, most)
    return page, ReadPage(page.html)


def test_every_shown_clip_has_frames_questions_and_truth(built_once):
    page, read = page_of(built_once)
    assert read.open == []
    rows = pq.read_table(metadata(built_once)).to_pylist()
    clips = {row["clip_id"]: row for row in rows}
    assert (page.clips, page.all_clips, page.problems) == (len(clips), len(clips), ())
    for row in rows:
        assert row["question"] in read.texts
        assert row["answer"] in read.texts
        for mark in row["marks"]:
            assert mark["track_id"] in read.texts
            assert mark["category"] in read.texts
    frames = read.images("jpeg")
    assert len(frames) == sum(min(6, len(row["timestamps"])) for row in clips.values())
    assert all(opened(frame).size == (160, 90) for frame in frames)
    maps = read.images("svg+xml")
    assert len(maps) == len({row["recording"] for row in rows}) == 3
    assert all(ElementTree.fromstring(one).tag.endswith("svg") for one in maps)


def test_the_top_tells_what_the_folder_is(built_once):
    _, read = page_of(built_once)
    about = json.loads((built_once / "stkit.json").read_text())
    for told in ("nuscenes", "CC-BY-NC-SA-4.0", f"Of {about['tracks']} annotated objects", f"seed {about['seed']}"):
        assert told in read.text
    for tasks in about["rows"].values():
        for task, count in tasks.items():
            assert f"{task} {count}" in read.text


def test_what_was_left_out_is_told_with_its_reason(built_once):
    _, read = page_of(built_once)
    dropped = pq.read_table(built_once / "dropped.parquet").to_pylist()
    assert {drop["rule"] for drop in dropped} >= {"single_box"}
    for drop in dropped:
        assert RULES[drop["rule"]] in read.text
        assert drop["track_id"] in read.texts
    about = json.loads((built_once / "stkit.json").read_text())
    for rule, n in about["dropped"].items():
        assert f"{rule} {n['tracks']} {n['spans']} {RULES[rule]}" in read.text


def test_times_are_seconds_of_the_recording(built):
    name = "scene-0002"
    first = min(pq.read_table(built / "tracks" / f"{name}.parquet")["time_ns"].to_pylist())

    def change(row):
        row.update(start_ns=first + 1_250_000_000, end_ns=first + 3_500_000_000, detail="found so")

    rewrite(built / "dropped.parquet", change)
    _, read = page_of(built, [name])
    assert "1.2 – 3.5 found so" in read.text


def test_boxes_without_video_lie_on_grey_and_it_says_so(without_video):
    page, read = page_of(without_video)
    assert page.problems == ()
    assert read.images("jpeg") == []
    blank = [opened(one) for one in read.images("png")]
    assert blank
    assert all(max(one.getcolors())[1] == (128, 128, 128) for one in blank)
    assert read.text.count("This set has no video") == page.clips


def test_fewer_clips_are_said_and_spread(built_once):
    page, read = page_of(built_once, most=3)
    assert (page.clips, page.recordings) == (3, 3)
    assert f"Shown: 3 of {page.all_clips} clips" in read.text
    assert "--recording ID" in read.text
    _, one = page_of(built_once, ["scene-0002"])
    assert len(one.images("svg+xml")) == 1
    assert "more clips of this recording are not shown" not in one.text


def test_a_recording_without_question_tells_what_was_left_out(built):
    def change(row):
        if row["recording"] == "scene-0003":
            row["recording"] = "scene-0004"

    rewrite(built / "dropped.parquet", change)
    page, read = page_of(built, ["scene-0004"])
    assert (page.clips, page.problems) == (0, ())
    assert "No question is asked about this recording" in read.text
    assert RULES["single_box"] in read.text


def test_whatever_files_hold_is_text(built):
    def spoil(row):
        row.update(question=EVIL, answer=EVIL, recording=EVIL, licence=EVIL, task=EVIL)
        row["target"] = {**row["target"], "value": None, "hour": None, "start": None, "choice": EVIL}
        row["camera"]["name"] = EVIL
        for mark in row["marks"]:
            mark.update(track_id=EVIL, category=EVIL)

    rewrite(metadata(built), spoil)
    evil_drop = dict.fromkeys(("recording", "track_id", "detail", "rule"), EVIL)
    rewrite(built / "dropped.parquet", lambda row: row.update(evil_drop))
    about = json.loads((built / "stkit.json").read_text())
    about |= {"source": EVIL, "version": EVIL, "dropped": {EVIL: {"tracks": 1, "spans": 1}}}
    (built / "stkit.json").write_text(json.dumps(about))
    _, read = page_of(built)
    assert "script" not in {tag for tag, _ in read.tags}
    assert read.open == []
    assert read.texts.count(EVIL) > 20


def test_the_page_is_closed_in_itself(built_once):
    page, read = page_of(built_once)
    for tag, attributes in read.tags:
        assert tag not in ("script", "link", "iframe", "object", "form")
        for name in ("src", "href"):
            assert attributes.get(name, "#").startswith(("data:image/", "#"))
        assert not [name for name in attributes if name.startswith("on")]
    policy = [one["content"] for tag, one in read.tags if tag == "meta" and "http-equiv" in one]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert "url(" not in page.html
    anchors = {attributes["id"] for _, attributes in read.tags if "id" in attributes}
    links = [attributes["href"][1:] for tag, attributes in read.tags if tag == "a"]
    assert links
    assert set(links) <= anchors


def test_the_folder_alone_decides_the_bytes(built_once, tmp_path):
    moved = shutil.copytree(built_once, tmp_path / "elsewhere" / "other")
    assert page_of(moved)[0].html == page_of(built_once)[0].html
    assert str(built_once) not in page_of(built_once)[0].html


def test_where_it_is_called_from_does_not_matter(built, monkeypatch):
    sorted(metadata(built).parent.glob("clips/*.mp4"))[0].unlink()
    whole = page_of(built)[0].html
    monkeypatch.chdir(built)
    assert page_of(".")[0].html == whole


def test_a_folders_name_is_no_protocol(built, monkeypatch):
    built.rename(built.parent / "concat:stkit")
    monkeypatch.chdir(built.parent)
    assert page_of("concat:stkit")[0].problems == ()


def test_a_missing_video_is_told_in_place_of_its_frames(built):
    gone = sorted(metadata(built).parent.glob("clips/*.mp4"))[0]
    gone.unlink()
    page, read = page_of(built)
    [problem] = page.problems
    assert problem.startswith(gone.stem)
    assert f"There is no video at {gone.relative_to(built)}" in read.text
    assert str(built) not in page.html
    assert len(read.images("jpeg")) == 6 * (page.all_clips - 1)


@pytest.mark.parametrize("name", ["tracks/scene-0001.parquet", "dropped.parquet"])
@pytest.mark.parametrize("how", ["missing", "cut off"])
def test_other_broken_parts_are_told_once(built, name, how):
    path = built / name
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])
    page, read = page_of(built)
    [problem] = page.problems
    assert str(path) in problem
    assert name in read.text
    assert page.clips == page.all_clips


@pytest.mark.parametrize("name", ["../../secret.mp4", "/etc/passwd", "clips/../../../x.mp4", "..\\x.mp4"])
def test_names_that_lead_out_of_the_folder_are_refused(built, name):
    rewrite(metadata(built), lambda row: row.update(file_name=name))
    with pytest.raises(InputError, match="leads out"):
        page_of(built)


def test_one_of_a_thing_is_singular(built):
    table = pq.read_table(metadata(built))
    pq.write_table(table.filter(pc.field("clip_id") == table["clip_id"][0].as_py()), metadata(built))
    about = json.loads((built / "stkit.json").read_text())
    (built / "stkit.json").write_text(json.dumps(about | {"tracks": 1, "tracks_asked": 1}))
    _, read = page_of(built)
    assert "Of 1 annotated object, 1 is in some question's clip." in read.text
    assert "Shown: 1 of 1 clip." in read.text
    assert not re.search(r"\b1 (clips|objects|stretches|frames|tracks)\b", read.html)


def test_the_legend_draws_the_cameras_way_as_the_map_does(built_once):
    """Dash, gap, dot, gap in points at 96 pixels an inch, and nothing like the dashes of what was left out."""
    _, read = page_of(built_once)
    (drawn,) = set(re.findall(r"stroke-dasharray: ([\d.]+(?:, ?[\d.]+){3})", read.images("svg+xml")[0].decode()))
    styles = dict(re.findall(r"\.key\.([a-z-]+) \{[^}]*repeating-linear-gradient\(90deg, (.*?)\);", read.html))
    edges = [0.0, *dict.fromkeys(float(px) for px in re.findall(r"([\d.]+)px", styles["camera"]))]
    np.testing.assert_allclose(np.diff(edges), [float(pt) * 96 / 72 for pt in drawn.split(",")], atol=0.1)
    assert styles["camera"].count("var(--ink)") == 2
    assert styles["left-out"].count("var(--soft)") == 1
