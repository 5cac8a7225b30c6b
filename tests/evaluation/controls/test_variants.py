"""Every control variant: what its clips show, what its rows say, and that its truth is that of its own tracks."""

import json
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import plain_truth
import pyarrow.parquet as pq
import pytest

from st_vlm.evaluation.constants import constant_predictions
from st_vlm.evaluation.controls import CONTROLS
from st_vlm.evaluation.controls.stored import read_recording
from st_vlm.evaluation.loading import load_questions
from st_vlm.evaluation.scoring import score
from st_vlm.kinematics.projection import project_boxes
from st_vlm.questions.forms import TASKS, from_target
from st_vlm.questions.measuring import true_answer
from st_vlm.questions.phrasing_files import load_phrasings
from st_vlm.recordings import Camera
from st_vlm.recordings.categories import is_person
from st_vlm.video.decoding import probe, read_frames
from st_vlm.viewing.clips import show_clip
from st_vlm.viewing.folder import open_built

SPLIT = "train"


def named(names) -> list:
    """The parameters of some variants: frames between those of a clip are rendered, which takes long."""
    return [pytest.param(name, marks=pytest.mark.slow) if name == "double_frame_rate" else name for name in names]


@cache
def rows_of(folder: Path) -> dict[str, dict]:
    return {row["id"]: row for row in pq.read_table(folder / SPLIT / "metadata.parquet").to_pylist()}


def frames_of(folder: Path, row: dict) -> np.ndarray:
    path = folder / SPLIT / row["file_name"]
    return read_frames(path, info=probe(path, least_frames=1)).astype(int)


def one_a_clip(folder: Path) -> list[dict]:
    return list({row["clip_id"]: row for row in rows_of(folder).values()}.values())


def plain_text(row: dict, boxes: dict[str, list[dict]]) -> str:
    """The answer by the definitions alone, from the variant's own tracks."""
    stretches = []
    for k in row["asked"]["objects"]:
        track = boxes[row["marks"][k]["track_id"]]
        times = [(box["time_ns"] - row["start_ns"]) / 1e9 for box in track]
        start, end = max(row["span"]["start"], times[0]), min(row["span"]["end"], times[-1])
        grid, path = plain_truth.on_grid(times, [complex(*box["centre"][:2]) for box in track], start, end)
        stretches.append((grid, path, is_person(track[0]["category"])))
    grid, path, person = stretches[0]
    chord = 1.0 if person else 2.0
    metres = [plain_truth.distance(*one) for one in stretches]
    colours = [row["marks"][k]["color"] for k in row["asked"]["objects"]]
    match row["task"]:
        case "traveled_distance":
            return f"{metres[0]:.2f} m"
        case "traveling_speed":
            return f"{3.6 * metres[0] / (grid[-1] - grid[0]):.2f} km/h"
        case "moving_direction":
            return f"{plain_truth.final_hour(path, chord)[0]} o'clock"
        case "direction_timestamp":
            (run,) = [run for run in plain_truth.hour_runs(grid, path, chord) if run[2] == row["asked"]["hour"]]
            return f"from {run[0]:.1f} to {run[1]:.1f} seconds"
        case "moving_direction_comparison":
            nets = [one[1][-1] - one[1][0] for one in stretches]
            cosine = (nets[0] * nets[1].conjugate()).real / abs(nets[0] * nets[1])
            return "same" if cosine > np.cos(np.deg2rad(30)) else "different"
    return colours[int(np.argmax(metres))]


@pytest.mark.parametrize("name", named(CONTROLS))
def test_oracles_score_fully_and_the_constant_is_scored(variants, scenes, name):
    folder = variants[name][0]
    rows, questions = rows_of(folder), load_questions(folder)
    assert score(questions, {key: row["answer"] for key, row in rows.items()})["average"] == 1.0
    boxes = defaultdict(lambda: defaultdict(list))
    for file in (folder / "tracks").iterdir():
        for box in pq.read_table(file).to_pylist():
            boxes[box["recording"]][box["track_id"]].append(box)
    texts = {key: plain_text(row, boxes[row["recording"]]) for key, row in rows.items()}
    assert score(questions, texts)["average"] == 1.0
    blind = score(questions, constant_predictions(load_questions(scenes), questions))
    assert 0 < blind["average"] < 0.8
    assert all(task["missing"] == 0 for task in blind["tasks"].values())


@pytest.mark.parametrize("name", named(CONTROLS))
def test_its_truth_is_that_of_its_own_tracks_to_the_digit(variants, name):
    folder = variants[name][0]
    recordings = {}
    for row in rows_of(folder).values():
        if row["recording"] not in recordings:
            recordings[row["recording"]] = read_recording(folder, row)
        assert true_answer(row, recordings[row["recording"]]) == from_target(row["task"], row["target"])


@pytest.mark.parametrize("name", named(CONTROLS))
def test_ids_stay_and_what_is_left_out_is_counted(variants, scenes, name):
    folder, report = variants[name]
    rows, original = rows_of(folder), rows_of(scenes)
    assert [key for key in original if key in rows] == list(rows)
    assert len(original) - len(rows) == sum(report.left_out.values())
    assert report.failures == ()
    about = json.loads((folder / "stkit.json").read_text())
    assert about["control"] == name
    assert about["left_out"] == report.left_out
    assert about["rows"] == {SPLIT: report.counts}
    assert sum(report.counts.values()) == len(rows)
    assert f"Control variant `{name}`" in (folder / "README.md").read_text()
    may_leave_out = {"time_reversed": "not_asked", "double_frame_rate": "too_long", "crop_zoom": "no_crop"}
    assert set(report.left_out) <= {may_leave_out.get(name)}


@pytest.mark.parametrize("name", named(CONTROLS))
def test_stock_datasets_loads_it_and_the_viewer_shows_it(variants, name, tmp_path):
    import datasets

    folder = variants[name][0]
    loaded = datasets.load_dataset(str(folder), cache_dir=str(tmp_path))[SPLIT]
    assert loaded["id"] == list(rows_of(folder))
    assert (loaded[0]["video"] is None) == (name == "no_video")
    built = open_built(folder)
    assert all(show_clip(one.clip_id, built.clip_rows(one)).problem is None for one in built.entries)


@pytest.mark.parametrize("name", named(name for name, control in CONTROLS.items() if control.video))
def test_clips_boxes_and_times_fit(variants, name):
    folder = variants[name][0]
    for row in one_a_clip(folder):
        path = folder / SPLIT / row["file_name"]
        info = probe(path, least_frames=1)
        assert info.times_s == pytest.approx(np.array(row["timestamps"]) - row["timestamps"][0], abs=1e-4)
        assert list(info.size) == row["camera"]["size"] == [160, 96]
        assert len(row["camera"]["poses"]) == len(row["timestamps"])
        for mark in row["marks"]:
            assert len(mark["boxes"]) == len(row["timestamps"])
            for box in filter(None, mark["boxes"]):
                assert 0 <= box[0] < box[2] <= 160
                assert 0 <= box[1] < box[3] <= 96


@pytest.mark.parametrize(
    "name", named(["mirrored", "time_reversed", "double_frame_rate", "crop_zoom", "half_frame_rate"])
)
def test_the_stored_tracks_project_to_the_stored_boxes(variants, name):
    """With the stored poses and intrinsics, of what the picture does not cut."""
    folder, checked = variants[name][0], 0
    for row in one_a_clip(folder):
        tracks = {track.id: track for track in read_recording(folder, row).tracks}
        size = tuple(row["camera"]["size"])
        lens = Camera("", np.array(row["camera"]["intrinsics"]), size, np.array(row["camera"]["poses"]))
        for mark in row["marks"]:
            track = tracks[mark["track_id"]]
            for t, pose, box in zip(row["timestamps"], lens.poses, mark["boxes"], strict=True):
                at = np.abs(track.times_ns - row["start_ns"] - round(t * 1e9)).argmin()
                if box is None or min(box[:2]) <= 0.5 or box[2] >= size[0] - 0.5 or box[3] >= size[1] - 0.5:
                    continue
                near = slice(at, at + 1)
                seen = project_boxes(track.centres[near], track.sizes[near], track.rotations[near], pose, lens)
                # The nearest box is up to 0.05 s away.
                assert seen.clipped[0] == pytest.approx(box, abs=6.0)
                checked += 1
    assert checked > 50


def test_mirrored(variants, scenes):
    folder, hours = variants["mirrored"][0], set()
    for key, row in rows_of(folder).items():
        before = rows_of(scenes)[key]
        target, old = row["target"], before["target"]
        if row["task"] == "moving_direction":
            assert target["hour"] == (12 - old["hour"] or 12)
            hours.add(target["hour"])
        else:
            assert target == old
        if row["task"] == "direction_timestamp":
            assert row["asked"]["hour"] == (12 - before["asked"]["hour"] or 12)
            assert f"{row['asked']['hour']} o'clock" in row["question"]
        assert row["phrasing"] == before["phrasing"]
        assert row["source_frames"] == []
    assert len(hours) > 4
    row = one_a_clip(folder)[0]
    assert np.abs(frames_of(folder, row) - frames_of(scenes, row)[:, :, ::-1]).mean() < 3


def test_time_reversed(variants, scenes):
    folder, compared = variants["time_reversed"][0], 0
    for key, row in rows_of(folder).items():
        before = rows_of(scenes)[key]
        target, old, end = row["target"], before["target"], before["timestamps"][-1]
        assert row["timestamps"] == pytest.approx([end - t for t in before["timestamps"][::-1]], abs=2e-6)
        if row["task"] == "moving_direction":
            assert target["hour"] == (12 - old["hour"] or 12)
            compared += 1
        elif row["task"] in ("traveled_distance", "traveling_speed"):
            # Another grid, and stated spans go to the next tenth.
            assert target["value"] == pytest.approx(old["value"], rel=0.08, abs=0.5)
        elif row["task"] == "direction_timestamp":
            both = min(target["end"], end - old["start"]) - max(target["start"], end - old["end"])
            assert both >= 0.5 * (target["end"] - target["start"] + old["end"] - old["start"] - both) - 1e-6
        else:
            assert target["choice"] == old["choice"]
        if row["asked"]["states_span"]:
            length = before["span"]["end"] - before["span"]["start"]
            assert row["span"]["end"] - row["span"]["start"] == pytest.approx(length)
            assert row["span"]["start"] == pytest.approx(end - before["span"]["end"], abs=0.1)
            assert 0 <= row["span"]["start"] == round(row["span"]["start"], 1)
            assert row["span"]["end"] <= end + 1e-6
    assert compared > 20
    row = one_a_clip(folder)[0]
    assert np.abs(frames_of(folder, row) - frames_of(scenes, row)[::-1]).mean() < 3


@pytest.mark.parametrize(
    "name", named(["half_frame_rate", "double_frame_rate", "one_frame", "blank_frames", "no_video"])
)
def test_what_only_takes_or_adds_pictures_keeps_question_and_truth(variants, scenes, name):
    folder = variants[name][0]
    for key, row in rows_of(folder).items():
        before = rows_of(scenes)[key]
        for column in ("question", "answer", "target", "asked", "phrasing"):
            assert row[column] == before[column]


@pytest.mark.parametrize("name", named(["half_frame_rate", "double_frame_rate"]))
def test_frame_rates(variants, scenes, name):
    folder = variants[name][0]
    for row in one_a_clip(folder):
        old, new = rows_of(scenes)[row["id"]]["timestamps"], row["timestamps"]
        more, fewer = (new, old) if name == "double_frame_rate" else (old, new)
        assert fewer[:-1] == more[::2][: len(fewer) - 1]
        assert fewer[-1] == more[-1]
        if name == "double_frame_rate":
            assert len(new) == 2 * len(old) - 1 <= 40
            assert np.diff(new) == pytest.approx(0.25, abs=0.06)  # at 10 Hz
    if name == "double_frame_rate":
        row = one_a_clip(folder)[0]
        assert np.abs(frames_of(folder, row)[::2] - frames_of(scenes, row)).mean() < 3


def test_one_frame_is_at_its_own_time_and_shows_most_marks(variants, scenes):
    folder = variants["one_frame"][0]
    for row in one_a_clip(folder):
        before = rows_of(scenes)[row["id"]]
        (time,) = row["timestamps"]
        k = before["timestamps"].index(time)
        shown = [
            sum(mark["boxes"][i] is not None for mark in before["marks"]) for i in range(len(before["timestamps"]))
        ]
        assert shown[k] == max(shown)
        nearer = [
            i
            for i, n in enumerate(shown)
            if n == max(shown) and abs(2 * i + 1 - len(shown)) < abs(2 * k + 1 - len(shown))
        ]
        assert nearer == []
        assert np.abs(frames_of(folder, row)[0] - frames_of(scenes, before)[k]).mean() < 3


def test_blank_frames_are_grey_and_boxes_stay(variants, scenes):
    folder = variants["blank_frames"][0]
    for row in one_a_clip(folder):
        assert np.abs(frames_of(folder, row) - 128).max() <= 2
        assert row["marks"] == rows_of(scenes)[row["id"]]["marks"]


def test_no_video_asks_by_text_alone(variants):
    for row in rows_of(variants["no_video"][0]).values():
        assert row["video"] is None
        assert row["messages"][0]["content"] == [{"type": "text", "text": row["question"]}]
        assert row["source_frames"] == []


def test_crop_zoom_enlarges_every_box_alike(variants, scenes):
    for row in one_a_clip(variants["crop_zoom"][0]):
        before = rows_of(scenes)[row["id"]]
        zoom = row["camera"]["intrinsics"][0][0] / before["camera"]["intrinsics"][0][0]
        assert 1.2 <= zoom <= 1.6
        for new, old in zip(row["marks"], before["marks"], strict=True):
            for a, b in zip(new["boxes"], old["boxes"], strict=True):
                assert (a is None) == (b is None)
                if a is not None:
                    assert np.subtract(a[2:], a[:2]) == pytest.approx(zoom * np.subtract(b[2:], b[:2]), abs=0.05)
        assert row["question"] == before["question"]


def test_colours_swapped(variants, scenes):
    answers = set()
    for key, row in rows_of(variants["colours_swapped"][0]).items():
        before = rows_of(scenes)[key]
        new = {old["color"]: mark["color"] for old, mark in zip(before["marks"], row["marks"], strict=True)}
        assert all(a != b for a, b in new.items())
        assert len(set(new.values())) == len(new)
        if len(new) > 1:
            assert set(new.values()) == set(new)
        if row["target"]["choice"] in new.values():
            assert row["target"]["choice"] == new[before["target"]["choice"]]
            answers.add(row["target"]["choice"])
        placeholders = "".join(f" {new.get(word, word)}" for word in before["question"].split(" ")).strip()
        assert row["question"] == placeholders
    assert len(answers) > 1


def test_paraphrased_wordings_are_held_out(variants, scenes):
    for key, row in rows_of(variants["paraphrased"][0]).items():
        before = rows_of(scenes)[key]
        held = load_phrasings(row["task"])
        assert row["phrasing"]["question"] in {one.id for one in held.held_out_questions}
        assert row["phrasing"]["answer"] in {one.id for one in held.held_out_answers}
        assert row["question"] != before["question"]
        assert row["target"] == before["target"]
    assert {row["task"] for row in rows_of(variants["paraphrased"][0]).values()} == set(TASKS)
