"""A run over videos: it can be stopped and gone on with, a bad clip stops no other, and changed settings are told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pseudo_labels.runs import contents, settings_of
from pseudo_labels.simulated_clips import geometry_of

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip_geometry import ClipGeometry, write_geometry
from st_vlm.pseudo_labels.files import CLIPS, FAILED_FILE, QUALITY_FILE, QUESTIONS, TRACKS_FILE
from st_vlm.pseudo_labels.pipeline import run_pipeline
from st_vlm.pseudo_labels.stages import Run


def test_every_video_is_in_the_quality_table(done, simulated_truth):
    out, report = done
    by_video = {line.video: line for line in report.lines}
    assert set(by_video) == {"black.mp4", "broken.mp4", *(f"{t.recording.id}.mp4" for t in simulated_truth)}
    assert by_video["black.mp4"].status == "dropped"
    assert "black" in by_video["black.mp4"].reason
    assert "broken.mp4" in by_video["broken.mp4"].reason
    for truth in simulated_truth:
        line = by_video[f"{truth.recording.id}.mp4"]
        assert line.status == "kept"
        assert line.objects == len(truth.recording.tracks)
        assert line.kept + len(line.left_out) == line.objects
        # Depth and poses with the noise `bar` agree well, and a standing camera's scale is known to a few per cent.
        assert 0.7 < line.score <= 1
    assert pq.read_table(out / QUALITY_FILE).num_rows == 4


def test_stock_datasets_loads_the_questions(done):
    import datasets

    import st_vlm  # noqa: F401  (registers "stkit")

    out, report = done
    loaded = datasets.load_dataset("stkit", "pseudo", data_dir=str(out))
    rows = sum(len(split) for split in loaded.values())
    assert rows == sum(sum(tasks.values()) for tasks in report.built.counts.values()) > 20
    row = next(iter(loaded.values()))[0]
    assert row["provenance"] == "pseudo"
    assert row["licence"] == "CC0-1.0"
    assert Path(row["video"]["path"]).is_file()
    anew = datasets.load_dataset("stkit", "pseudo", data_dir=str(out), tasks="traveled_distance")
    assert {row["task"] for split in anew.values() for row in split} == {"traveled_distance"}


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(user, done, tmp_path):
    out = tmp_path / "out"

    def stop_after_one(run, stage, clip_ids):
        run.do(stage, clip_ids[0])
        raise KeyboardInterrupt

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_pipeline(settings_of(user), out, walk=stop_after_one)
    run_pipeline(settings_of(user), out)
    assert contents(out / CLIPS) == contents(done[0] / CLIPS)
    mine, theirs = (contents(folder / QUESTIONS) for folder in (out, done[0]))
    tables = [name for name in mine if name.endswith(".parquet")]
    assert tables
    assert all(mine[name] == theirs[name] for name in tables)


def test_nothing_is_done_twice(user, done, monkeypatch):
    def never(run, stage, clip_ids):
        raise AssertionError(f"{stage} of {clip_ids} again")

    report = run_pipeline(settings_of(user), done[0], walk=never)
    assert report.lines == done[1].lines


def test_from_a_stage_on_all_is_made_again(user, done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    made = []

    def note(run, stage, clip_ids):
        made.append((stage, len(clip_ids)))
        for clip_id in clip_ids:
            run.do(stage, clip_id)

    run_pipeline(settings_of(user), out, from_stage="geometry", walk=note)
    assert made == [("geometry", 2), ("lift", 2)]
    with pytest.raises(InputError, match="no stage 'middle'"):
        run_pipeline(settings_of(user), out, from_stage="middle")


def test_changed_settings_are_refused_unless_their_stage_is_made_again(user, done, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(done[0], out)
    changed = settings_of(user, seed=1)
    with pytest.raises(InputError, match=r"another seed \(0, now 1\).*--from lift"):
        run_pipeline(changed, out)
    with pytest.raises(InputError, match="--from lift"):
        run_pipeline(changed, out, from_stage="questions")
    run_pipeline(changed, out, from_stage="lift")
    run_pipeline(changed, out)


def test_a_folder_of_something_else_is_left_alone(user, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something"):
        run_pipeline(settings_of(user), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"semantics": "magic"}, "no semantics backend 'magic'"),
        ({"geometry_options": {"pathh": "x"}}, "has no option 'pathh'"),
        ({"geometry_options": {}}, "needs its option 'path'"),
        ({"geometry": "nowhere:Class"}, "cannot be imported"),
        ({"layout": "magic"}, "no layout 'magic'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(user, tmp_path, change, sentence):
    with pytest.raises(InputError, match=sentence):
        run_pipeline(settings_of(user, **change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_bad_clip_stops_no_other(user, tmp_path, simulated_truth):
    bad = tmp_path / "geometry"
    shutil.copytree(user / "geometry", bad)
    names = [truth.recording.id for truth in simulated_truth]
    whole = geometry_of(simulated_truth[0])
    poses = whole.poses.copy()
    poses[3:, 0, 3] += 100.0
    write_geometry(ClipGeometry(whole.intrinsics, whole.size, poses, whole.depth), bad / f"{names[0]}.npz")
    out = tmp_path / "out"
    changed = settings_of(user, geometry_options={"path": str(bad)})
    report = run_pipeline(changed, out)
    lines = {line.video: line for line in report.lines}
    assert lines[f"{names[0]}.mp4"].stage == "lift"
    assert "poses jump" in lines[f"{names[0]}.mp4"].reason
    assert lines[f"{names[1]}.mp4"].status == "kept"
    assert report.built is not None
    note = json.loads((out / CLIPS / f"{names[0]}.mp4-000" / FAILED_FILE).read_text())
    assert note["again"] is False


class Flaky:
    """A backend whose library fails the first time."""

    name, licence = "flaky", ""
    failed = False

    def measure(self, frames, segments):
        if not Flaky.failed:
            Flaky.failed = True
            raise RuntimeError("out of memory")
        from pseudo_labels.simulated_clips import simulated_clips

        return geometry_of(simulated_clips(1)[0])


def test_what_was_no_fault_of_the_clip_is_tried_again(user, tmp_path):
    out = tmp_path / "out"
    settings = settings_of(user, geometry=f"{__name__}:Flaky", geometry_options={})
    videos = tmp_path / "videos"
    videos.mkdir()
    shutil.copy(next((user / "videos").glob("sim*0.mp4")), videos)
    settings = settings_of(user, videos=str(videos), geometry=f"{__name__}:Flaky", geometry_options={})
    first = run_pipeline(settings, out)
    assert first.lines[0].reason == "RuntimeError: out of memory"
    assert first.without == "No clip was kept."
    assert run_pipeline(settings, out).lines[0].status == "kept"


def test_until_a_stage(user, tmp_path):
    out = tmp_path / "out"
    report = run_pipeline(settings_of(user), out, until="geometry")
    assert {line.status for line in report.lines} == {"unfinished", "dropped"}
    assert {line.stage for line in report.lines if line.status == "unfinished"} == {"lift"}
    assert not list(out.rglob(TRACKS_FILE))
    run = Run(out, settings_of(user))
    assert run.is_due("lift", run.clip_ids()[0])
