"""A build of a real nuScenes scene: every row's truth measured again, in plain Python, from the stored tracks."""

import cmath
import math
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import plain_truth
import pyarrow.parquet as pq
import pytest

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.questions.forms import TASKS, from_target
from st_vlm.questions.parsing import parse_answer
from st_vlm.video.decoding import probe


@pytest.fixture(scope="module")
def built(real_data, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("real") / "stkit"
    build(BuildSettings("nuscenes", str(real_data / "nuscenes")), out)
    return out


@pytest.fixture(scope="module")
def rows(built) -> list[dict]:
    return pq.read_table(built / "validation" / "metadata.parquet").to_pylist()


@pytest.fixture(scope="module")
def boxes(built) -> dict[str, list[dict]]:
    """The stored boxes by track, in order of time."""
    found = defaultdict(list)
    for box in pq.read_table(built / "tracks" / "scene-0103.parquet").to_pylist():
        found[box["track_id"]].append(box)
    return found


def stretch(row: dict, mark: dict, boxes: dict) -> tuple[list[float], list[complex], bool]:
    """Grid, places and whether it is a person, of one mark over the row's span."""
    track = boxes[mark["track_id"]]
    times = [(box["time_ns"] - row["start_ns"]) / 1e9 for box in track]
    places = [complex(*box["centre"][:2]) for box in track]
    start, end = max(row["span"]["start"], times[0]), min(row["span"]["end"], times[-1])
    # Spans are stored to the millisecond, so an end that is the track's own may stick out by less than that.
    assert start - row["span"]["start"] < 0.001
    assert row["span"]["end"] - end < 0.001
    inside = [t for t in times if start - 1e-3 <= t <= end + 1e-3]
    assert max(b - a for a, b in pairwise(inside)) <= 1.0
    return *plain_truth.on_grid(times, places, start, end), track[0]["category"].startswith("human.pedestrian")


def asked_marks(row: dict) -> list[dict]:
    """The marks that the question is about, in the order in which it names them."""
    if len(row["marks"]) == 1:
        return row["marks"]
    named = [(row["question"].find(mark["color"]), mark) for mark in row["marks"]]
    return [mark for at, mark in sorted(named, key=lambda pair: pair[0]) if at >= 0]


def test_every_task_appears(rows):
    counts = Counter(row["task"] for row in rows)
    assert set(counts) == set(TASKS)


def test_every_answer_is_the_truth_of_the_stored_tracks(rows, boxes):
    checked = Counter()
    for row in rows:
        marks = asked_marks(row)
        target = row["target"]
        paths = [stretch(row, mark, boxes) for mark in marks]
        grid, path, person = paths[0]
        chord = 1.0 if person else 2.0
        metres = [plain_truth.distance(*one) for one in paths]
        match row["task"]:
            case "traveled_distance":
                assert target["value"] == pytest.approx(metres[0], abs=0.006)
            case "traveling_speed":
                assert target["value"] == pytest.approx(3.6 * metres[0] / (grid[-1] - grid[0]), rel=2e-3, abs=0.006)
            case "moving_direction":
                hour, off = plain_truth.final_hour(path, chord)
                assert metres[0] > 0
                assert target["hour"] == hour
                assert off <= 10.01
            case "direction_timestamp":
                asked = int(row["question"].split(" o'clock")[0].split()[-1])
                (run,) = [run for run in plain_truth.hour_runs(grid, path, chord) if run[2] == asked]
                assert (target["start"], target["end"]) == pytest.approx(run[:2], abs=0.0501)
                assert 1.5 <= run[1] - run[0] <= 0.6 * row["timestamps"][-1] + 1e-6
            case "moving_direction_comparison":
                nets = [one[1][-1] - one[1][0] for one in paths]
                angle = abs(math.degrees(cmath.phase(nets[0] / nets[1])))
                assert angle <= 15.01 if target["choice"] == "same" else angle >= 44.99
                assert min(map(abs, nets)) >= 1.0
            case _:
                winner = [mark["color"] for mark in marks].index(target["choice"])
                assert metres[winner] - metres[1 - winner] >= max(0.5, 0.15 * metres[winner]) - 1e-3
        checked[row["task"]] += 1
    assert set(checked) == set(TASKS)


def test_rows_and_their_videos_hold_together(rows, built):
    assert len({row["id"] for row in rows}) == len(rows)
    times = {}
    for row in rows:
        answer = from_target(row["task"], row["target"])
        assert parse_answer(row["task"], row["answer"], question=row["question"]) == answer
        video = built / "validation" / row["file_name"]
        info = times.setdefault(video, None) or probe(str(video))
        times[video] = info
        assert info.times_s.tolist() == pytest.approx(row["timestamps"], abs=1e-4)
        assert list(info.size) == row["camera"]["size"] == [800, 450]
        assert 0 <= row["span"]["start"] < row["span"]["end"] <= row["timestamps"][-1] + 1e-3
        for mark in row["marks"]:
            assert len(mark["boxes"]) == len(row["timestamps"])
            assert any(mark["boxes"])
            for box in filter(None, mark["boxes"]):
                assert 0 <= box[0] < box[2] <= 800
                assert 0 <= box[1] < box[3] <= 450
                assert box[3] - box[1] >= 0.044 * 450 - 0.02


def test_source_frames_are_the_recordings_own_images_at_their_own_times(rows, real_data):
    for row in rows:
        assert len(row["source_frames"]) == len(row["timestamps"])
        for name, seconds in zip(row["source_frames"], row["timestamps"], strict=True):
            assert (real_data / "nuscenes" / name).is_file()
            # nuScenes file names end in the image's time in microseconds.
            stamp = int(Path(name).stem.split("__")[-1]) * 1000
            assert (stamp - row["start_ns"]) * 1e-9 == pytest.approx(seconds, abs=2e-6)


def test_marks_are_the_same_in_all_rows_of_a_clip(rows):
    clips = defaultdict(list)
    for row in rows:
        clips[row["clip_id"]].append(row["marks"])
    assert 4 <= len(clips) <= 8
    assert all(marks == one[0] for one in clips.values() for marks in one)


def test_compared_objects_are_in_every_frame_and_throughout_means_most_of_the_clip(rows):
    for row in rows:
        times = row["timestamps"]
        stated = any(word[0].isdigit() and "." in word for word in row["question"].split())
        for mark in asked_marks(row):
            inside = [
                box is not None
                for t, box in zip(times, mark["boxes"], strict=True)
                if row["span"]["start"] - 1e-3 <= t <= row["span"]["end"] + 1e-3
            ]
            if row["task"].endswith("comparison"):
                assert all(inside)
            if not stated:
                assert sum(box is not None for box in mark["boxes"]) >= 0.8 * len(times)
