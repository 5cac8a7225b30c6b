"""Builds from hand-made recordings and tiny native folders: what is written, twice the same, and what is refused."""

import dataclasses
import hashlib
import json
import signal
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hand_built import SIZE, along, recording, straight, track
from native_layouts.argoverse2 import argoverse2_tables, write_argoverse2
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

import st_vlm.recordings
from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.questions.forms import TASKS, from_target
from st_vlm.questions.parsing import parse_answer
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.video.decoding import probe, read_frames

SETTINGS = BuildSettings("handmade", "somewhere", seed=3)
TRACKS = (
    track("turning", along(2.0, (-12, 20), (0, 20), (0, 40))),
    track("crossing", straight(12.0, 25.0, -1.0, 0.0)),
    track("parked", straight(5.0, 30.0)),
)


class HandMade:
    """A source of given recordings; an exception in a recording's place is raised when it is read."""

    name = "handmade"
    card = None

    def __init__(self, offered: dict) -> None:
        self.offered = offered

    def recording_ids(self):
        return tuple(sorted(self.offered))

    def split(self, recording_id):
        return getattr(self.offered[recording_id], "split", "train")

    def cameras(self, recording_id, images=True):
        return ("front",) if self.offered[recording_id] is not None else ()

    def read(self, recording_id, camera=None, images=True):
        found = self.offered[recording_id]
        if isinstance(found, BaseException):
            raise found
        return found


@pytest.fixture
def offer(monkeypatch):
    """Makes the source `handmade` hold the given recordings."""

    def offered(**recordings):
        class Offered(HandMade):
            def __init__(self, path, **options) -> None:
                super().__init__(recordings)

        module = types.SimpleNamespace(HandMade=Offered)
        monkeypatch.setitem(sys.modules, "handmade_source", module)
        monkeypatch.setitem(st_vlm.recordings._SOURCES, "handmade", "handmade_source:HandMade")

    return offered


def street(name: str, *tracks, **fields):
    return recording(*(tracks or TRACKS), name=name, **fields)


def contents(folder: Path) -> dict[str, str]:
    """Every file's path and hash."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows_of(folder: Path, split: str) -> list[dict]:
    return pq.read_table(folder / split / "metadata.parquet").to_pylist()


def test_the_folder_holds_rows_videos_tracks_and_a_card(offer, tmp_path):
    offer(a=street("a"), b=street("b", split="test"))
    report = build(SETTINGS, tmp_path / "out")
    files = contents(tmp_path / "out")
    for split in ("train", "test"):
        rows = rows_of(tmp_path / "out", split)
        assert {row["file_name"] for row in rows} == {f"clips/{row['clip_id']}.mp4" for row in rows}
        assert {f"{split}/{row['file_name']}" for row in rows} == {
            f for f in files if f.startswith(f"{split}/") and f.endswith("mp4")
        }
        assert set(rows[0]) == {"file_name", *ROW_SCHEMA.names}
        assert {row["recording"] for row in rows} == {"a" if split == "train" else "b"}
        counted = {task: sum(row["task"] == task for row in rows) for task in TASKS}
        assert report.counts[split] == {task: count for task, count in counted.items() if count}
        assert set(report.counts[split]) == set(TASKS)
    assert {f for f in files if "/" not in f} == {"README.md", "balance.json", "dropped.parquet", "stkit.json"}
    assert {f for f in files if f.startswith("tracks/")} == {"tracks/a.parquet", "tracks/b.parquet"}
    assert report.clips == sum(f.endswith("mp4") for f in files)
    assert not report.failures
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_tracks_are_stored_whole(offer, tmp_path):
    offer(a=street("a"))
    build(SETTINGS, tmp_path / "out")
    stored = pq.read_table(tmp_path / "out" / "tracks" / "a.parquet").to_pylist()
    assert len(stored) == sum(map(len, TRACKS))
    for one in TRACKS:
        boxes = [row for row in stored if row["track_id"] == one.id]
        assert [row["time_ns"] for row in boxes] == one.times_ns.tolist()
        np.testing.assert_array_equal([row["centre"] for row in boxes], one.centres)
        np.testing.assert_array_equal([row["size"] for row in boxes], one.sizes)
        np.testing.assert_array_equal([row["rotation"] for row in boxes], one.rotations.reshape(-1, 9))


def test_a_video_holds_the_clips_own_frames_at_their_own_times(offer, tmp_path):
    """Frame k of the recording is grey 20 + 4 k, and the camera's clock is uneven."""
    jitter = np.random.default_rng(0).uniform(0, 0.03, 41)
    offer(a=street("a", frames_s=np.arange(41) * 0.5 + jitter))
    build(SETTINGS, tmp_path / "out")
    rows = {row["clip_id"]: row for row in rows_of(tmp_path / "out", "train")}
    for row in rows.values():
        video = str(tmp_path / "out" / "train" / row["file_name"])
        np.testing.assert_allclose(probe(video).times_s, row["timestamps"], atol=1e-4)
        numbers = [int(Path(path).stem) for path in row["source_frames"]]
        grey = read_frames(video).reshape(len(numbers), -1).mean(axis=1)
        np.testing.assert_allclose(grey, 20 + 4 * np.array(numbers), atol=2)
        seconds = (np.arange(41) * 0.5 + jitter)[numbers]
        np.testing.assert_allclose(row["timestamps"], seconds - seconds[0], atol=1e-6)


def check_rows(rows: list[dict], folder: Path) -> None:
    """What holds for the rows of any build."""
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        truth = from_target(row["task"], row["target"])
        assert parse_answer(row["task"], row["answer"], question=row["question"]) == truth
        assert 0 <= row["span"]["start"] < row["span"]["end"] <= row["timestamps"][-1] + 1e-3
        assert 3.0 - 0.3 <= row["timestamps"][-1] <= 19.5 + 0.3
        width, height = row["camera"]["size"]
        assert probe(str(folder / row["file_name"])).size == (width, height)
        if row["task"].endswith("comparison"):
            first, last = row["span"]["start"] - 1e-3, row["span"]["end"] + 1e-3
            frames = [k for k, t in enumerate(row["timestamps"]) if first <= t <= last]
            named = [mark for mark in row["marks"] if mark["color"] in row["question"]]
            assert all(mark["boxes"][k] is not None for mark in named for k in frames)
        for mark in row["marks"]:
            assert len(mark["boxes"]) == len(row["timestamps"]) <= 40
            for x1, y1, x2, y2 in filter(None, mark["boxes"]):
                assert 0 <= x1 < x2 <= width
                assert 0 <= y1 < y2 <= height


def test_rows_hold_together(offer, tmp_path):
    offer(a=street("a"), b=street("b"))
    build(SETTINGS, tmp_path / "out")
    check_rows(rows_of(tmp_path / "out", "train"), tmp_path / "out" / "train")


def test_large_images_are_stored_smaller_with_their_boxes(offer, tmp_path, monkeypatch):
    monkeypatch.setattr("st_vlm.building.shard.MOST_PIXELS_A_SIDE", SIZE[0] // 2)
    offer(a=street("a"))
    build(SETTINGS, tmp_path / "out")
    rows = rows_of(tmp_path / "out", "train")
    assert {tuple(row["camera"]["size"]) for row in rows} == {(SIZE[0] // 2, SIZE[1] // 2)}
    check_rows(rows, tmp_path / "out" / "train")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(offer, tmp_path):
    offer(a=street("a"), b=street("b"))
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        build(BuildSettings("handmade", "somewhere", seed=seed), tmp_path / name)
    assert contents(tmp_path / "one") == contents(tmp_path / "again")
    assert contents(tmp_path / "one") != contents(tmp_path / "two")


def test_only_the_wanted_tasks_and_everything_when_not_balanced(offer, tmp_path):
    offer(a=street("a", *TRACKS, track("parked too", straight(-5.0, 30.0))))
    few = build(BuildSettings("handmade", "x", tasks=("moving_direction",)), tmp_path / "few")
    assert set(few.counts["train"]) == {"moving_direction"}
    whole = build(BuildSettings("handmade", "x", balance="none"), tmp_path / "whole")
    balanced = build(BuildSettings("handmade", "x"), tmp_path / "balanced")
    assert all(whole.counts["train"][task] >= n for task, n in balanced.counts["train"].items())


def test_an_interrupted_build_goes_on_and_ends_with_the_same_bytes(offer, tmp_path):
    streets = {name: street(name) for name in "abc"}
    offer(**streets)
    build(SETTINGS, tmp_path / "undisturbed")
    read = []

    def reading(name):
        def frame(index):
            read.append(name)
            return np.full((SIZE[1], SIZE[0], 3), 20 + 4 * index, np.uint8)

        return frame

    counted = {name: street(name, read=reading(name)) for name in "abc"}
    offer(a=counted["a"], b=KeyboardInterrupt(), c=counted["c"])
    with pytest.raises(KeyboardInterrupt):
        build(SETTINGS, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert set(read) == {"a"}
    offer(**counted)
    build(SETTINGS, tmp_path / "out")
    assert read.count("a") <= 41  # not read again
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    assert {path.name for path in tmp_path.iterdir()} == {"out", "undisturbed"}


def test_what_another_build_left_behind_is_not_used(offer, tmp_path):
    offer(a=street("a"), b=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build(BuildSettings("handmade", "somewhere", seed=99), tmp_path / "out")
    offer(a=street("a"), b=street("b"))
    build(SETTINGS, tmp_path / "out")
    build(SETTINGS, tmp_path / "undisturbed")
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_a_folder_that_holds_something_is_refused_and_left_alone(offer, tmp_path):
    offer(a=street("a"))
    (tmp_path / "out").mkdir()
    build(SETTINGS, tmp_path / "out")  # empty: taken
    before = contents(tmp_path / "out")
    with pytest.raises(InputError, match="exists already"):
        build(SETTINGS, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        build(SETTINGS, tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_the_folder_may_be_given_relative_to_where_one_stands(offer, tmp_path, monkeypatch):
    offer(a=street("a"))
    monkeypatch.chdir(tmp_path)
    build(SETTINGS, "below/out")
    assert (tmp_path / "below" / "out" / "stkit.json").is_file()
    with pytest.raises(InputError, match="exists already"):
        build(SETTINGS, ".")


def test_one_bad_recording_is_reported_and_the_others_are_built(offer, tmp_path):
    offer(a=street("a"), b=InputError("b.json is torn. Restore it."), c=street("c"))
    report = build(SETTINGS, tmp_path / "out")
    assert report.failures == ("b (front): b.json is torn. Restore it.",)
    assert {row["recording"] for row in rows_of(tmp_path / "out", "train")} == {"a", "c"}


def test_a_recording_whose_cameras_cannot_be_listed_stops_no_other(offer, tmp_path, monkeypatch):
    offer(a=street("a"), b=street("b"))

    def cameras(self, recording_id, images=True):
        if recording_id == "a":
            raise InputError("a.json is torn.")
        return ("front",)

    monkeypatch.setattr(HandMade, "cameras", cameras)
    report = build(SETTINGS, tmp_path / "out")
    assert report.failures == ("a: a.json is torn.",)
    assert set(report.counts) == {"train"}


def test_an_image_of_another_size_than_the_calibrations_is_reported(offer, tmp_path):
    offer(a=street("a"), b=street("b", read=lambda index: np.zeros((90, 160, 3), np.uint8)))
    report = build(SETTINGS, tmp_path / "out")
    assert len(report.failures) == 1
    assert "160x90" in report.failures[0]
    assert "400x200" in report.failures[0]


def test_when_all_are_bad_it_says_so_in_a_sentence_and_leaves_nothing(offer, tmp_path):
    offer(**{f"r{k}": InputError(f"r{k}.json is torn.") for k in range(9)})
    with pytest.raises(InputError) as refused:
        build(SETTINGS, tmp_path / "out")
    assert "r0.json is torn." in str(refused.value)
    assert "8 more" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_recordings_about_which_nothing_can_be_asked(offer, tmp_path):
    far = street("far", track("far", straight(0, 400.0)))
    short = street("short", frames_s=[0, 0.5, 1.0])
    offer(far=far, short=short)
    with pytest.raises(InputError, match="Nothing can be asked about somewhere"):
        build(SETTINGS, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    offer(far=far, short=short, good=street("good"))
    assert build(SETTINGS, tmp_path / "out").clips > 0


def test_recordings_without_images_are_listed_and_alone_refused(offer, tmp_path):
    offer(a=street("a"), b=None)
    assert build(SETTINGS, tmp_path / "out").without_images == ("b",)
    offer(b=None, c=None)
    with pytest.raises(InputError, match=r"has images \(first: b\)"):
        build(SETTINGS, tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_an_unknown_task_camera_or_source_is_refused_with_the_known_ones(offer, tmp_path):
    offer(a=street("a"))
    with pytest.raises(InputError, match=r"Unknown task 'speed'.*traveling_speed"):
        BuildSettings("handmade", "x", tasks=("speed",))
    with pytest.raises(InputError, match=r"camera rear; there are front"):
        build(BuildSettings("handmade", "x", cameras=("rear",)), tmp_path / "out")
    with pytest.raises(InputError, match=r"Unknown source 'nuscens'.*nuscenes"):
        build(BuildSettings("nuscens", "x"), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


# Native folders, through readers that worker processes can open too.


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    names = tuple(f"scene-{k:04d}" for k in range(1, 6))
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(names))


@pytest.fixture(scope="module")
def undisturbed(scenes, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "stkit"
    build(BuildSettings("nuscenes", str(scenes)), out)
    return out


def test_several_processes_write_the_same_bytes(scenes, undisturbed, tmp_path):
    build(BuildSettings("nuscenes", str(scenes)), tmp_path / "out", num_proc=2)
    assert contents(tmp_path / "out") == contents(undisturbed)


KILLED = """
import os, signal, sys
from st_vlm.building import assembly, build, settings, shard

module, name, left = {"shard": shard, "assembly": assembly}[sys.argv[3]], sys.argv[4], [int(sys.argv[5])]
function = getattr(module, name)

def killing(*arguments, **options):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*arguments, **options)

setattr(module, name, killing)
build.build(settings.BuildSettings("nuscenes", sys.argv[1]), sys.argv[2])
"""


@pytest.mark.parametrize(
    ("module", "name", "call"),
    [
        ("shard", "write_video", 3),  # between two videos
        ("shard", "track_table", 2),  # the second shard has its rows but not its tracks
        ("assembly", "card_of", 1),  # the result is half written
    ],
)
def test_a_killed_build_goes_on_and_ends_with_the_same_bytes(scenes, undisturbed, tmp_path, module, name, call):
    command = [sys.executable, "-c", KILLED, scenes, tmp_path / "out", module, name, str(call)]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".out.partial"]
    build(BuildSettings("nuscenes", str(scenes)), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_unreadable_image_costs_its_recording_only(tmp_path):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002")))
    image = next(path for path in sorted(root.rglob("*.jpg")) if "scene-0002" in str(path))
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    settings = BuildSettings("nuscenes", str(root))
    report = build(settings, tmp_path / "out")
    assert len(report.failures) == 1
    assert report.failures[0].startswith("scene-0002 (CAM_FRONT)")
    assert image.name in report.failures[0]
    assert {row["recording"] for row in rows_of(tmp_path / "out", "train")} == {"scene-0001"}
    # Restored, the same process builds both.
    image.write_bytes(whole)
    assert build(settings, tmp_path / "again").failures == ()


def test_a_table_repaired_meanwhile_is_read_again(tmp_path):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables())
    table = root / "v1.0-mini" / "sample_annotation.json"
    whole = table.read_text()
    table.write_text(whole[:-20])
    settings = BuildSettings("nuscenes", str(root))
    with pytest.raises(InputError, match=r"sample_annotation\.json"):
        build(settings, tmp_path / "out")
    table.write_text(whole)
    assert build(settings, tmp_path / "out").clips > 0


def test_a_log_without_images_is_refused_in_a_sentence(tmp_path):
    write_argoverse2(tmp_path / "val" / "some-log", argoverse2_tables())
    with pytest.raises(InputError, match=r"has images \(first: some-log\); questions need a video"):
        build(BuildSettings("argoverse2", str(tmp_path / "val")), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["val"]


def test_a_real_log_without_images_is_refused_in_a_sentence(real_data, tmp_path):
    with pytest.raises(InputError, match="questions need a video"):
        build(BuildSettings("argoverse2", str(real_data / "argoverse2" / "sensor" / "val")), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_about_the_build(undisturbed):
    about = json.loads((undisturbed / "stkit.json").read_text())
    assert about["source"] == "nuscenes"
    assert about["rows"]["train"]["traveled_distance"] >= 1
    card = (undisturbed / "README.md").read_text()
    assert "CC-BY-NC-SA-4.0" in card


def test_what_a_kill_leaves_in_the_shards_folder_stops_no_later_build(offer, tmp_path):
    offer(a=street("a"), b=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        build(SETTINGS, tmp_path / "out")
    shards = tmp_path / ".out.partial" / "shards"
    (shards / ".b-front.failed.4711.tmp").write_text("half a sent")
    (shards / "b-front.failed").write_text("from another time")
    (shards / ".b-front.host.4711" / "clips").mkdir(parents=True)
    offer(a=street("a"), b=street("b"))
    assert build(SETTINGS, tmp_path / "out").failures == ()
    build(SETTINGS, tmp_path / "undisturbed")
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")


def test_recordings_whose_names_would_be_one_are_told_apart_or_refused(offer, tmp_path, monkeypatch):
    """Recording `a` with camera `b-front` would have the clips' names of recording `a-b` with camera `front`."""
    offer(**{"a": street("a"), "a-b": street("a-b")})
    cameras = {"a": ("b-front", "front"), "a-b": ("front",)}
    monkeypatch.setattr(HandMade, "cameras", lambda self, recording_id, images=True: cameras[recording_id])
    report = build(SETTINGS, tmp_path / "out")
    assert len(report.failures) == 1
    assert "a-b (front): its clips would have the names of those of a (b-front)" in report.failures[0]


@pytest.mark.parametrize("name", ["x" * 400, "straße 7/läuft…", "a\nb"])
def test_any_name_of_a_recording_can_be_built(offer, tmp_path, name):
    offer(**{name: street(name)})
    build(SETTINGS, tmp_path / "out")
    rows = rows_of(tmp_path / "out", "train")
    assert {row["recording"] for row in rows} == {name}
    assert all((tmp_path / "out" / "train" / row["file_name"]).is_file() for row in rows)


def test_a_name_that_is_no_text_costs_its_recording_only(offer, tmp_path):
    offer(**{"a": street("a"), "b\ud800": street("b")})
    report = build(SETTINGS, tmp_path / "out")
    assert {row["recording"] for row in rows_of(tmp_path / "out", "train")} == {"a"}
    assert len(report.failures) == 1
    assert "no valid text" in report.failures[0]
    report.failures[0].encode()
    with pytest.raises(InputError, match="no valid text"):
        track("odd\ud800", straight(0, 20))


def test_a_shard_that_another_machine_has_just_written_is_taken(tmp_path, monkeypatch):
    from st_vlm.building import shard

    one = street("a")
    shard.write_shard(one, tmp_path / "a", 3, tuple(TASKS))
    before = contents(tmp_path / "a")
    shard.write_shard(one, tmp_path / "a", 3, tuple(TASKS))
    assert contents(tmp_path / "a") == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_link_to_an_empty_folder_is_filled(offer, tmp_path):
    offer(a=street("a"))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    build(SETTINGS, tmp_path / "link")
    assert (tmp_path / "real" / "stkit.json").is_file()
    assert (tmp_path / "link").is_symlink()


def test_nobody_is_told_to_remove_recordings(scenes):
    with pytest.raises(InputError, match="exists already") as refused:
        build(BuildSettings("nuscenes", str(scenes)), scenes)
    assert "emove" not in str(refused.value)


def test_when_nothing_can_be_asked_the_rules_that_left_it_out_are_named(offer, tmp_path):
    offer(far=street("far", track("far", straight(0, 400.0))))
    with pytest.raises(InputError, match=r"Left out: 1 small\."):
        build(SETTINGS, tmp_path / "out")


def test_what_one_camera_asked_is_not_asked_of_another(offer, tmp_path, monkeypatch):
    """A stereo pair sees the same objects over the same time."""
    one = street("a")
    second = dataclasses.replace(one, camera=dataclasses.replace(one.camera, name="second"))
    offer(a=one)
    monkeypatch.setattr(HandMade, "cameras", lambda self, recording_id, images=True: ("front", "second"))
    monkeypatch.setattr(
        HandMade, "read", lambda self, _, camera=None, images=True: one if camera == "front" else second
    )
    build(BuildSettings("handmade", "x", balance="none"), tmp_path / "out")
    rows = rows_of(tmp_path / "out", "train")
    spans: dict = {}
    for row in rows:
        start = row["start_ns"] * 1e-9
        span = start + row["span"]["start"], start + row["span"]["end"]
        named = [
            mark["track_id"] for mark in row["marks"] if len(row["marks"]) == 1 or mark["color"] in row["question"]
        ]
        earlier = spans.setdefault((row["task"], tuple(sorted(named))), [])
        assert len(earlier) < 3
        for other, clip in earlier:
            shared = max(0.0, min(span[1], other[1]) - max(span[0], other[0]))
            union = max(span[1], other[1]) - min(span[0], other[0])
            assert clip == row["clip_id"] or shared / union <= 0.3 + 1e-6
        earlier.append((span, row["clip_id"]))


SCRIPT = """
from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
import sys
print(build(BuildSettings("nuscenes", sys.argv[1]), sys.argv[2], num_proc=2).clips)
"""


def test_several_processes_work_from_a_script_without_a_main_guard(scenes, undisturbed, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, tmp_path / "script.py", scenes, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == contents(undisturbed)
