"""Truth measured again from rows and stored tracks is the truth that the build wrote."""

from dataclasses import replace
from pathlib import Path

import hand_built
import numpy as np
import pyarrow.parquet as pq
import pytest
from hand_built import along, straight, track

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.evaluation.controls.stored import read_recording
from st_vlm.questions.answers import Choice, ClockHour, Interval, Quantity
from st_vlm.questions.forms import TASKS, from_target
from st_vlm.questions.measuring import exact_span, true_answer


def measured_again(folder: Path) -> list[tuple]:
    """(task, truth measured again, stored truth) of every row of a built folder."""
    found, recordings = [], {}
    for table in folder.glob("*/metadata.parquet"):
        for row in pq.read_table(table).to_pylist():
            if row["recording"] not in recordings:
                recordings[row["recording"]] = read_recording(folder, row)
            truth = true_answer(row, recordings[row["recording"]])
            found.append((row["task"], truth, from_target(row["task"], row["target"])))
    return found


def test_every_row_of_a_simulated_build(tmp_path):
    options = {"seed": 1, "num_recordings": 8}
    build(BuildSettings("simulated", seed=1, balance="none", video=False, source_options=options), tmp_path / "built")
    found = measured_again(tmp_path / "built")
    assert {task for task, _, _ in found} == set(TASKS)
    assert len(found) > 300
    assert [one for one in found if one[1] != one[2]] == []


def test_every_row_of_a_real_build(real_data, tmp_path):
    settings = BuildSettings("nuscenes", str(real_data / "nuscenes"), balance="none", video=False)
    build(settings, tmp_path / "built")
    found = measured_again(tmp_path / "built")
    assert {task for task, _, _ in found} == set(TASKS)
    assert [one for one in found if one[1] != one[2]] == []


def row(task: str, *tracks, start=0.0, end=8.0, states_span=True, **asked) -> dict:
    colours = ("red", "blue")
    return {
        "id": "q",
        "task": task,
        "start_ns": hand_built.START_NS,
        "timestamps": [0.5 * k for k in range(17)],
        "span": {"start": start, "end": end},
        "marks": [{"color": c, "track_id": one.id} for c, one in zip(colours, tracks, strict=False)],
        "asked": {
            "objects": list(range(len(tracks))),
            "states_span": states_span,
            "hour": None,
            "metres": None,
            "second": None,
            **asked,
        },
    }


CAR = track("car", straight(0, 10, 2.0))
PARKED = track("parked", straight(3, 20))
CREEPER = track("creeper", straight(0, 12, 0.125))
NEARLY = track("nearly", straight(0, 14, 2.0 * 0.9))
# Along +x for 4 s at 9 m/s, then to the right (towards -y).
TURNER = track("turner", along(9.0, (0, 30), (36, 30), (36, -10)))
ANGLED = track("angled", straight(0, 16, *(2.0 * np.array([np.cos(0.5), np.sin(0.5)]))))


@pytest.mark.parametrize(
    ("asked", "truth"),
    [
        (row("traveled_distance", CAR), Quantity(16.0, "m")),
        (row("traveling_speed", CAR), Quantity(7.2, "km/h")),
        (row("traveled_distance", PARKED), Quantity(0.0, "m")),
        # 1 m is neither standing nor moving.
        (row("traveled_distance", CREEPER), None),
        (row("traveling_speed", CREEPER), None),
        (row("moving_direction", TURNER), ClockHour(3)),
        (row("moving_direction", ANGLED), ClockHour(12)),
        (row("moving_direction", PARKED), None),
        (row("direction_timestamp", TURNER, hour=3), Interval(4.0, 8.0)),
        (row("direction_timestamp", TURNER, hour=9), None),
        # It fills the whole span.
        (row("direction_timestamp", CAR, hour=12), None),
        (row("traveled_distance_comparison", CAR, PARKED), Choice("red")),
        (row("traveled_distance_comparison", PARKED, CAR), Choice("blue")),
        # 10 % is within the margin.
        (row("traveled_distance_comparison", CAR, NEARLY), None),
        (row("traveling_speed_comparison", CAR, CREEPER), None),
        (row("moving_direction_comparison", CAR, NEARLY, end=2.0), Choice("same")),
        (row("moving_direction_comparison", CAR, TURNER, start=5.0, end=7.0), Choice("different")),
        # 28.6 degrees are neither.
        (row("moving_direction_comparison", CAR, ANGLED, end=2.0), None),
        # Not straight.
        (row("moving_direction_comparison", CAR, TURNER, start=3.0, end=5.0), None),
    ],
)
def test_rules_and_dead_zones(asked, truth):
    made = hand_built.recording(CAR, PARKED, CREEPER, NEARLY, TURNER, ANGLED)
    assert true_answer(asked, made) == truth


def test_a_span_that_is_not_stated_ends_with_a_frame_or_a_box_to_the_nanosecond():
    times = np.array([0.0, 4.0, 7.2004567])
    late = track("late", straight(0, 10, 20.0), times_s=times)
    one = row("traveled_distance", late, end=7.2, states_span=False)
    one["timestamps"][-1] = 7.9996
    made = hand_built.recording(late)
    assert exact_span(one, made) == pytest.approx((0.0, 7.2004567), abs=2e-9)
    assert true_answer(one, made) == Quantity(20 * 7.2004567, "m")
    one["span"]["end"] = 8.0
    assert exact_span(one, made)[1] == pytest.approx(7.9996, abs=1e-9)


def test_a_track_that_is_not_there_is_a_sentence():
    with pytest.raises(InputError, match="hold no 'gone'"):
        true_answer(row("traveled_distance", replace(CAR, id="gone")), hand_built.recording(CAR))
