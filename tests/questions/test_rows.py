"""A row against the clip and candidate it is made of."""

import numpy as np
import pyarrow as pa
import pytest
from hand_built import CAMERA_HEIGHT, FOCAL, SIZE, START_NS, along, recording, straight, track

from st_vlm.errors import InputError
from st_vlm.questions.clips import cut_clips
from st_vlm.questions.forms import TASKS, from_target
from st_vlm.questions.parsing import parse_answer
from st_vlm.questions.phrasing import CLOCK_CONVENTION
from st_vlm.questions.rows import ROW_SCHEMA, clip_columns, messages, question_columns, to_table
from st_vlm.questions.tasks import TASK_CANDIDATES
from st_vlm.recordings.quality import assess

TRACKS = (
    track("turning", along(2.0, (-12, 20), (0, 20), (0, 40)), lidar=[99] * 41),
    track("crossing", straight(12.0, 25.0, -1.0, 0.0), lidar=[99] * 41),
    track("parked", straight(5.0, 30.0), lidar=[99] * 41),
)


@pytest.fixture(scope="module")
def made():
    """(clip, candidate, row) for everything that can be asked about the street."""
    rng = np.random.default_rng(0)
    rows = []
    made = recording(*TRACKS)
    for clip in cut_clips(made, assess(made), rng)[0]:
        shared = clip_columns(clip, SIZE)
        for task in TASKS:
            for number, candidate in enumerate(TASK_CANDIDATES[task](clip, rng)):
                rows.append((clip, candidate, question_columns(clip, candidate, number, 0) | shared))
    assert {candidate.task for _, candidate, _ in rows} == set(TASKS)
    return rows


def test_rows_fill_exactly_the_columns(made):
    assert all(set(row) == set(ROW_SCHEMA.names) for _, _, row in made)
    table = to_table([row for _, _, row in made], ROW_SCHEMA)
    assert table.schema == ROW_SCHEMA
    assert table.num_rows == len(made)
    assert len(set(table["id"].to_pylist())) == len(made)


def test_the_answer_sentence_the_target_and_the_truth_are_one(made):
    for _, candidate, row in made:
        assert from_target(row["task"], row["target"]) == candidate.answer
        assert parse_answer(row["task"], row["answer"], question=row["question"]) == candidate.answer


def test_the_conversation_is_the_question_and_the_answer(made):
    for _, _, row in made:
        user, assistant = row["messages"]
        assert user["role"] == "user"
        assert [part["type"] for part in user["content"]] == ["video", "text"]
        assert user["content"][1]["text"] == row["question"]
        assert assistant == {"role": "assistant", "content": [{"type": "text", "text": row["answer"]}]}
    assert [turn["role"] for turn in messages("Why?")] == ["user"]


def test_questions_state_a_span_exactly_when_it_is_not_the_whole_clip(made):
    stated = 0
    for clip, candidate, row in made:
        words = f"from {candidate.start_s:.1f} to {candidate.end_s:.1f} seconds"
        assert (words.lower() in row["question"].lower()) == candidate.states_span
        assert row["span"] == {"start": round(candidate.start_s, 3), "end": round(candidate.end_s, 3)}
        assert 0 <= row["span"]["start"] < row["span"]["end"] <= clip.times_s[-1] + 1e-6
        stated += candidate.states_span
    assert 0 < stated < len(made)


def test_questions_name_colours_only_among_several_marks(made):
    for clip, candidate, row in made:
        named = [colour for colour in ("red", "blue", "green", "yellow") if colour in row["question"]]
        expected = {clip.objects[k].colour for k in candidate.objects} if len(clip.objects) > 1 else set()
        assert set(named) == expected
    assert {len(clip.objects) for clip, _, _ in made} >= {1, 2}


def test_direction_questions_say_what_the_clock_means(made):
    for _, _, row in made:
        clock = row["task"] in ("moving_direction", "direction_timestamp")
        assert (CLOCK_CONVENTION in row["question"]) == clock


def test_times_frames_and_poses_are_those_of_the_clip(made):
    for clip, _, row in made:
        seconds = (clip.recording.frames.times_ns[clip.frames] - row["start_ns"]) * 1e-9
        np.testing.assert_allclose(row["timestamps"], seconds, atol=1e-6)
        assert row["timestamps"][0] == 0
        assert row["start_ns"] >= START_NS
        assert row["source_frames"] == [f"images/{k:03d}.jpg" for k in clip.frames]
        np.testing.assert_array_equal(row["camera"]["poses"], clip.recording.camera.poses[clip.frames])


def test_marks_hold_a_box_or_none_for_every_frame(made):
    for clip, _, row in made:
        assert [mark["color"] for mark in row["marks"]] == [marked.colour for marked in clip.objects]
        for mark, marked in zip(row["marks"], clip.objects, strict=True):
            assert mark["track_id"] == marked.track.id
            assert mark["category"] == "car"
            for box, expected in zip(mark["boxes"], marked.boxes, strict=True):
                assert (box is None) == np.isnan(expected[0])
                if box:
                    np.testing.assert_allclose(box, expected, atol=0.006)


def test_a_smaller_stored_video_scales_boxes_and_intrinsics(made):
    clip = made[0][0]
    full, half = clip_columns(clip, SIZE), clip_columns(clip, (SIZE[0] // 2, SIZE[1] // 4))
    assert half["camera"]["size"] == [200, 50]
    assert half["camera"]["intrinsics"] == [[FOCAL / 2, 0, 100], [0, FOCAL / 4, 25], [0, 0, 1]]
    for large, small in zip(full["marks"], half["marks"], strict=True):
        for box, scaled in zip(large["boxes"], small["boxes"], strict=True):
            if box:
                np.testing.assert_allclose(scaled, np.array(box) * [0.5, 0.25, 0.5, 0.25], atol=0.01)


def test_the_cameras_height_is_that_above_the_wheels(made):
    """Centres are 1 m high and boxes 2 m tall: they stand on 0, and the camera is at its own height."""
    assert made[0][2]["camera"]["height"] == pytest.approx(CAMERA_HEIGHT)
    made = recording(track("far", straight(-10, 36.0, 1.0)))
    (clip, *_), _ = cut_clips(made, assess(made), np.random.default_rng(0))
    assert clip_columns(clip, SIZE)["camera"]["height"] is None


def test_words_follow_the_seed_and_not_the_order(made):
    clip, candidate, row = made[0]
    again = question_columns(clip, candidate, 0, 0)
    assert {key: row[key] for key in again} == again
    phrasings = {question_columns(clip, candidate, 0, seed)["phrasing"]["question"] for seed in range(30)}
    assert len(phrasings) >= 4


def test_a_row_that_does_not_fit_the_columns_is_refused():
    with pytest.raises(InputError, match="does not fit"):
        to_table([{"id": ["no", "text"]}], pa.schema([("id", pa.string())]))
