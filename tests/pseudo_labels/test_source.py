"""Lifted clips are recordings like any other: they are asked about, and their answers are near the truth."""

import shutil

import numpy as np
import pytest

from st_vlm.building.shard import interview
from st_vlm.errors import InputError
from st_vlm.pseudo_labels.files import CLIPS, FAILED_FILE, TRACKS_FILE, write_json
from st_vlm.pseudo_labels.source import PseudoLabelled
from st_vlm.questions.expected_error import answer_error, drawn_recordings
from st_vlm.questions.measuring import true_answer
from st_vlm.questions.sightings import look
from st_vlm.recordings import open_recordings


@pytest.fixture(scope="module")
def rows(lifted_run):
    source = open_recordings("pseudo", lifted_run)
    found = {}
    for name in source.recording_ids():
        tasks = ("traveled_distance", "traveling_speed", "moving_direction", "traveled_distance_comparison")
        found[name] = interview(source.read(name, "camera"), 0, tasks)
    return found


def test_marks_are_what_was_seen(lifted_run, simulated_truth):
    recording = open_recordings("pseudo", lifted_run).read(simulated_truth[0].recording.id, "camera")
    sightings = look(recording)
    labels = simulated_truth[0].labels[:, :182]
    for k, track in enumerate(recording.tracks):
        for frame in np.flatnonzero(sightings.seen(k)):
            rows, columns = np.nonzero(labels[frame] == int(track.id))
            box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            np.testing.assert_allclose(sightings.boxes[k, frame], box)
            assert box[3] - box[1] >= 0.044 * 182


def test_answers_are_near_the_truth(rows, simulated_truth):
    errors = []
    for truth in simulated_truth:
        tracks = {str(k): track for k, track in enumerate(truth.recording.tracks)}
        for row in rows[truth.recording.id].rows():
            if row["task"] != "traveled_distance" or row["target"]["value"] < 5:
                continue
            marked = row["marks"][row["asked"]["objects"][0]]
            start = truth.times_ns[0] + row["start_ns"]
            track = tracks[marked["track_id"]]
            span = row["span"]
            grid = start + (np.linspace(span["start"], span["end"], 40) * 1e9).astype(int)
            places = np.stack([np.interp(grid, track.times_ns, track.centres[:, axis]) for axis in (0, 1)], axis=-1)
            # The true path, measured finely: the rules of the grid cost less than two per cent.
            path = np.linalg.norm(np.diff(places, axis=0), axis=1).sum()
            errors.append(abs(row["target"]["value"] / path - 1))
    assert len(errors) >= 4
    assert np.mean(errors) < 0.08


def test_every_row_tells_its_error_and_where_it_is_from(rows):
    for found in rows.values():
        for row in found.rows():
            assert row["provenance"] == "pseudo"
            assert row["source"] == "pseudo"
            assert 0 <= row["quality"]["expected_error"] <= 0.2
            assert row["source_frames"][0].startswith(f"{row['recording']}.mp4#")
        assert all(drop.detail for drop in found.drops if drop.rule == "doubtful")


def test_errors_are_those_of_asking_each_draw(rows):
    found = next(iter(rows.values()))
    drawn = list(drawn_recordings(found.recording))
    for one, row, error in list(zip(found.asked, found.rows(), found.expected_errors, strict=True))[:12]:
        others = [true_answer(row, other) for other in drawn]
        known = [answer_error(one.candidate.answer, other) for other in others if other is not None]
        assert error == pytest.approx(np.mean(known) if len(known) >= len(drawn) / 2 else 1.0)


def test_a_tighter_bound_asks_less(lifted_run, simulated_truth, rows):
    name = simulated_truth[0].recording.id
    strict = PseudoLabelled(lifted_run, max_expected_error=0.01).read(name, "camera")
    kept = interview(strict, 0, ("traveled_distance", "traveling_speed")).rows()
    assert all(row["quality"]["expected_error"] <= 0.01 for row in kept)
    assert len(kept) < len(rows[name].rows())


def test_images_are_those_of_the_video(lifted_run, simulated_truth):
    truth = simulated_truth[1]
    recording = open_recordings("pseudo", lifted_run).read(truth.recording.id, "camera")
    frames = truth.recording.frames
    true = frames.read(int(np.searchsorted(frames.times_ns, truth.times_ns[7])))[:182]
    assert np.abs(recording.frames.read(7).astype(int) - true).mean() < 4


def test_failed_clips_are_no_recordings(lifted_run, tmp_path):
    shutil.copytree(lifted_run / CLIPS, tmp_path / CLIPS)
    first, second = sorted(folder.name for folder in (tmp_path / CLIPS).iterdir())
    write_json(tmp_path / CLIPS / first / FAILED_FILE, {"stage": "lift", "reason": "it moves"})
    assert open_recordings("pseudo", tmp_path).recording_ids() == (second,)
    (tmp_path / CLIPS / second / TRACKS_FILE).unlink()
    with pytest.raises(InputError, match="no clip has been lifted"):
        open_recordings("pseudo", tmp_path)


def test_without_its_video_a_clip_has_no_images(lifted_run, tmp_path, simulated_truth):
    source = PseudoLabelled(lifted_run, videos=tmp_path)
    name = simulated_truth[0].recording.id
    assert source.cameras(name) == ()
    assert source.cameras(name, images=False) == ("camera",)
    assert source.read(name, "camera", images=False).frames.read is None


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no pseudo-labels"):
        open_recordings("pseudo", tmp_path)
