"""What is read of questions for guessing, and what is refused."""

import copy

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.evaluation.baselines import guessing_report
from st_vlm.evaluation.glance import glance_of, load_glances
from st_vlm.questions.forms import ALL_TASKS, TASK_GROUPS


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Questions of all tasks."""
    out = tmp_path_factory.mktemp("built") / "all"
    options = {"num_recordings": 8}
    build(
        BuildSettings("simulated", tasks=tuple(TASK_GROUPS), balance="none", video=False, source_options=options), out
    )
    return pq.read_table(out / "train" / "metadata.parquet")


def test_every_question_of_every_task_is_glanced_at(table):
    rows = table.to_pylist()
    assert {row["task"] for row in rows} == set(ALL_TASKS)
    for row in rows:
        glance = glance_of(row)
        assert (glance.start_s, glance.end_s) == (row["span"]["start"], row["span"]["end"])
        assert list(glance.colours) == [row["marks"][k]["color"] for k in row["asked"]["objects"]]


def changed(row, column, **fields):
    """A row with other fields in one of its structs; without fields, the struct is missing."""
    row = copy.copy(row)
    row[column] = {**row[column], **fields} if fields else None
    return row


@pytest.mark.parametrize(
    ("task", "column", "fields"),
    [
        ("traveled_distance", "target", {}),
        ("traveled_distance", "asked", {}),
        ("traveled_distance", "asked", {"objects": []}),
        ("traveled_distance", "asked", {"objects": [99]}),
        ("traveled_distance", "span", {"start": 1.0, "end": 1.0}),
        ("traveling_speed", "span", {"end": None}),
        ("traveling_speed", "span", {"end": float("nan")}),
        ("moving_direction", "target", {"hour": 13}),
        ("direction_timestamp", "asked", {"hour": None}),
        ("direction_timestamp", "target", {"end": 1e9}),
        ("traveled_distance_comparison", "asked", {"objects": [0]}),
        ("traveling_speed_comparison", "target", {"choice": "same"}),
        ("traveling_speed_comparison", "target", {"choice": "green"}),
    ],
)
def test_a_row_that_does_not_fit_together_is_a_sentence_that_names_the_file(table, tmp_path, task, column, fields):
    rows = [row for row in table.to_pylist() if row["task"] == task]
    # Two marks of other colours than green.
    row = next(row for row in rows if "green" not in [mark["color"] for mark in row["marks"]])
    (tmp_path / "train").mkdir()
    file = tmp_path / "train" / "metadata.parquet"
    pq.write_table(pa.Table.from_pylist([*rows, row], schema=table.schema), file)
    guessing_report(load_glances(tmp_path))
    pq.write_table(pa.Table.from_pylist([*rows, changed(row, column, **fields)], schema=table.schema), file)
    with pytest.raises(InputError, match=str(file)):
        load_glances(tmp_path)


def test_a_folder_of_an_older_version_or_without_a_row_is_told_as_such(table, tmp_path):
    (tmp_path / "train").mkdir()
    file = tmp_path / "train" / "metadata.parquet"
    pq.write_table(table.drop_columns(["asked"]), file)
    with pytest.raises(InputError, match=r"no column asked: .*older st-vlm"):
        load_glances(tmp_path)
    pq.write_table(table.schema.empty_table(), file)
    with pytest.raises(InputError, match="holds no question"):
        load_glances(tmp_path)
