"""`load_dataset("stkit", …, streaming=True)` on recordings: rows come as they are found, without a build."""

import os
from pathlib import Path

import datasets
import pytest
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

import st_vlm  # noqa: F401  (registers "stkit")
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.video.decoding import probe

SCENES = ("scene-0001", "scene-0002", "scene-0103")  # of mini, the last is for validation


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(SCENES))


def stream(recordings: Path, cache: Path, **options) -> datasets.IterableDatasetDict:
    return datasets.load_dataset(
        "stkit", "nuscenes", data_dir=str(recordings), streaming=True, cache_dir=str(cache), **options
    )


def test_rows_are_those_of_an_unbalanced_build(recordings, tmp_path):
    streamed = stream(recordings, tmp_path / "cache")
    assert set(streamed) == {"train", "validation"}
    for split, scenes in (("train", {"scene-0001", "scene-0002"}), ("validation", {"scene-0103"})):
        rows = list(streamed[split])
        assert {row["recording"] for row in rows} == scenes
        assert set(rows[0]) == {"video", *ROW_SCHEMA.names}
        built = datasets.load_dataset(
            "stkit", "nuscenes", data_dir=str(recordings), split=split, cache_dir=str(tmp_path / "built")
        )
        whole = {row["id"]: row for row in rows}
        assert set(built["id"]) <= set(whole)
        for row in built:
            row.pop("video")
            assert {name: value for name, value in whole[row["id"]].items() if name != "video"} == row


def test_only_what_is_asked_for_is_read(recordings, tmp_path, monkeypatch):
    """The first row costs one recording and one clip."""
    from st_vlm.recordings.nuscenes import NuScenes

    read, whole = [], NuScenes.read
    monkeypatch.setattr(NuScenes, "read", lambda self, *args, **kw: read.append(args[0]) or whole(self, *args, **kw))
    row = next(iter(stream(recordings, tmp_path / "cache")["train"]))
    assert read == ["scene-0001"]
    clips = list((tmp_path / "cache").rglob("*.mp4"))
    assert [str(path) for path in clips] == [row["video"]["path"]]
    assert len(probe(row["video"]["path"]).times_s) == len(row["timestamps"])


def test_clips_are_made_once(recordings, tmp_path):
    def times() -> dict[str, int]:
        list(stream(recordings, tmp_path / "cache")["train"])
        return {path.name: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.mp4")}

    assert times() == times() != {}


def test_a_recording_that_cannot_be_used_is_told_and_left_out(tmp_path, caplog):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002")))
    image = next(path for path in sorted(root.rglob("*.jpg")) if "scene-0001" in path.name)
    os.truncate(image, 100)
    rows = list(stream(root, tmp_path / "cache")["train"])
    assert {row["recording"] for row in rows} == {"scene-0002"}
    assert "scene-0001 (CAM_FRONT)" in caplog.text
    assert image.name in caplog.text


def test_without_video(recordings, tmp_path):
    rows = list(stream(recordings, tmp_path / "cache", video=False)["train"])
    assert rows
    assert all(row["video"] is None for row in rows)
    assert list((tmp_path / "cache").rglob("*.mp4")) == []


def test_several_workers_share_the_recordings(recordings, tmp_path):
    """What a DataLoader's workers do: each takes some of the shards, and together they have every row once."""
    rows = stream(recordings, tmp_path / "cache")["train"]
    assert rows.num_shards == 2
    parts = [[row["id"] for row in rows.shard(2, index)] for index in (0, 1)]
    assert all(parts)
    assert sorted(parts[0] + parts[1]) == sorted(row["id"] for row in rows)
