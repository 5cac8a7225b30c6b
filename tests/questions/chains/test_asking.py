"""What is asked, with which facts, and asked again of other motions."""

import math
from collections import Counter, defaultdict

import pyarrow.parquet as pq
import pytest
from chain_truth import facts_of, truth_of
from hand_built import CAR, PERSON, along, recording, straight, track

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.building.shard import interview
from st_vlm.errors import InputError
from st_vlm.evaluation.controls.stored import read_recording
from st_vlm.questions.answers import Quantity
from st_vlm.questions.chains import answer_again
from st_vlm.questions.forms import REASONING_TASKS, TASK_GROUPS, TASKS, from_target, task_names
from st_vlm.questions.measuring import row_motions, true_answer
from st_vlm.questions.motion import span_motion
from st_vlm.questions.parsing import parse_answer
from st_vlm.questions.phrasing_files import load_phrasings
from st_vlm.questions.rows import worded
from st_vlm.recordings import open_recordings

COLOURS = ["red", "blue", "green", "yellow"]


def test_what_is_asked_lies_outside_margins(made):
    for filmed, row in made:
        distances, duration = truth_of(filmed, row)
        kmh = [3.6 * d / duration for d in distances]
        facts = {topic: entry["value"] for topic, entry in facts_of(row).items()}
        assert all(d > 0 for d in distances) or row["task"] == "faster_team"
        match row["task"]:
            case "over_speed_limit":
                pair = kmh[0], facts["speed_limits"]
            case "keeping_pace":
                pair = kmh[0], facts["typical_speeds"]
            case "faster_team" | "catching_up":
                pair = kmh
                assert abs(distances[0] - distances[1]) >= 0.49
            case _:
                continue
        assert abs(pair[0] - pair[1]) >= 0.148 * max(pair)


def test_answers_are_not_told_by_the_words(made):
    answers, facts = defaultdict(Counter), defaultdict(set)
    for _, row in made:
        answers[row["task"]][row["target"]["choice"]] += 1
        for given in row["reasoning"]["premises"]:
            facts[row["task"], given["name"].split("/")[0]].add(given["name"])
    for task in ("over_speed_limit", "keeping_pace", "faster_team"):
        (_, most), (_, least) = answers[task].most_common(2)
        total = most + least
        assert abs(most - least) <= 4 * math.sqrt(total), answers[task]
    assert len(facts["city_travel_time", "city_distances"]) >= 15
    assert len(facts["over_speed_limit", "speed_limits"]) >= 5
    assert len(facts["laps_in_time", "lap_lengths"]) >= 5
    assert ("city_travel_time", "city_distances") in facts
    first = Counter(row["reasoning"]["premises"][0]["words"] for _, row in made if row["task"] == "faster_team")
    assert set(first) == {"home", "away"}


def test_the_same_seed_asks_the_same_whatever_else_is_asked():
    source = open_recordings("simulated", None, seed=3, num_recordings=3)
    filmed = source.read(source.recording_ids()[1], "camera", images=False)
    alone = interview(filmed, 3, ("city_travel_time",)).rows()
    among = interview(filmed, 3, (*TASKS, *REASONING_TASKS)).rows()
    texts = {row["id"]: (row["question"], row["answer"]) for row in among if row["task"] == "city_travel_time"}
    assert texts == {row["id"]: (row["question"], row["answer"]) for row in alone}
    other = interview(filmed, 4, ("city_travel_time",)).rows()
    assert {row["question"] for row in other} != {row["question"] for row in alone}


def test_rows_are_measured_again_to_the_same_chain(made):
    for filmed, row in made:
        answer, chain = answer_again(row["task"], row["reasoning"], row_motions(row, filmed))
        assert answer == from_target(row["task"], row["target"])
        assert chain.to_column() == row["reasoning"]
        assert true_answer(row, filmed) == answer


def test_a_faster_object_changes_measures_and_results_but_no_premise(made):
    (_, row) = next(one for one in made if one[1]["task"] == "city_travel_time")
    one = recording(track("a", straight(-10, 20, 5.0)))
    motion = span_motion(one, one.tracks[0], int(one.tracks[0].times_ns[0]), 0.0, 8.0)
    answer, chain = answer_again("city_travel_time", row["reasoning"], [motion])
    km = facts_of(row)["city_distances"]["value"]
    assert answer == Quantity(round(km / 18.0, 2), "h")
    assert [given.value for given in chain.measured] == [40.0, 8.0]
    assert [given.name for given in chain.premises] == [given["name"] for given in row["reasoning"]["premises"]]
    still = recording(track("a", straight(0, 20)))
    motion = span_motion(still, still.tracks[0], int(still.tracks[0].times_ns[0]), 0.0, 8.0)
    assert answer_again("city_travel_time", row["reasoning"], [motion]) is None
    with pytest.raises(InputError, match="no premise of race_lengths"):
        answer_again("race_time", row["reasoning"], [motion])
    with pytest.raises(InputError, match="no reasoning task"):
        answer_again("traveled_distance", row["reasoning"], [motion])
    with pytest.raises(InputError, match="does not hold a chain"):
        answer_again("city_travel_time", {}, [motion])


def test_the_legs_of_a_path_with_a_turn():
    corner = track("a", along(2.0, (-8, 20), (0, 20), (0, 30)), category=CAR)
    walker = track("b", straight(-3, 16, 1.4), category=PERSON)
    rows = interview(recording(corner, walker, frames_s=None), 0, ("path_length", "kinetic_energy")).rows()
    turning = [row for row in rows if row["task"] == "path_length"]
    assert turning
    assert {row["marks"][row["asked"]["objects"][0]]["track_id"] for row in turning} == {"a"}
    for row in turning:
        legs = [given["value"] for given in row["reasoning"]["measured"]]
        assert len(legs) >= 2
        assert row["target"]["value"] == pytest.approx(sum(legs), abs=1e-6)
    assert not any(
        row["marks"][row["asked"]["objects"][0]]["track_id"] == "b" for row in rows if row["task"] == "kinetic_energy"
    )


def test_people_break_no_speed_limits_and_only_people_play_for_a_team(made):
    asked = {}
    for _, row in made:
        kinds = {row["marks"][k]["category"] for k in row["asked"]["objects"]}
        asked.setdefault(row["task"], set()).update(kinds)
    people = {"pedestrian", "player"}
    assert asked["faster_team"] <= people
    assert not (asked["over_speed_limit"] | asked["stopping_distance"]) & people
    assert asked["catching_up"] - people


@pytest.mark.parametrize("task", REASONING_TASKS)
def test_enough_wordings_a_third_of_them_held_out(task):
    phrasings = load_phrasings(task)
    assert (len(phrasings.questions), len(phrasings.held_out_questions)) == (6, 3)
    assert (len(phrasings.answers), len(phrasings.held_out_answers)) == (3, 2)


def test_every_wording_is_drawn(made):
    row = next(row for _, row in made if row["task"] == "catching_up")
    truth = from_target("catching_up", row["target"])
    for held_out, questions, answers in ((False, 6, 3), (True, 3, 2)):
        drawn = [
            worded(row["id"], row["task"], truth, row["asked"], row["span"], COLOURS, k, held_out, row["reasoning"])
            for k in range(100)
        ]
        assert len({words["question"] for words in drawn}) == questions
        assert len({words["answer"] for words in drawn}) == answers
        assert len({words["phrasing"]["question"] for words in drawn}) == questions


def test_groups_of_tasks():
    assert task_names(["reasoning"]) == tuple(REASONING_TASKS)
    assert task_names(["path_length", "seven", "path_length"]) == ("path_length", *TASKS)
    assert set(TASK_GROUPS) == {"seven", "further", "reasoning"}
    with pytest.raises(InputError, match=r"Unknown task 'chains': choose one of .* or all of seven"):
        task_names(["chains"])


def test_a_build_of_the_group_holds_chains_that_can_be_measured_again(tmp_path):
    options = {"seed": 5, "num_recordings": 4}
    settings = BuildSettings(
        "simulated", seed=5, balance="none", video=False, tasks=("reasoning",), source_options=options
    )
    assert settings.tasks == tuple(REASONING_TASKS)
    build(settings, tmp_path / "built")
    rows = pq.read_table(tmp_path / "built" / "train" / "metadata.parquet").to_pylist()
    assert len(rows) > 100
    recordings = {}
    for row in rows:
        if row["recording"] not in recordings:
            recordings[row["recording"]] = read_recording(tmp_path / "built", row)
        answer, chain = answer_again(row["task"], row["reasoning"], row_motions(row, recordings[row["recording"]]))
        assert (
            answer
            == from_target(row["task"], row["target"])
            == parse_answer(row["task"], row["answer"], row["question"])
        )
        assert chain.to_column() == row["reasoning"]


def test_other_tasks_have_no_chain():
    source = open_recordings("simulated", None, seed=3, num_recordings=1)
    filmed = source.read(source.recording_ids()[0], "camera", images=False)
    rows = interview(filmed, 3, tuple(TASKS)).rows()
    assert rows
    assert all(row["reasoning"] is None for row in rows)
