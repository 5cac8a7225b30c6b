"""`st-vlm report`: what guessing would score on a built folder."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "stkit"
    options = {"num_recordings": 10, "image_size": [448, 256]}
    build(BuildSettings("simulated", video=False, balance="none", source_options=options), out)
    return out


def test_the_table_tells_counts_shares_and_goals(st_vlm, built):
    code, out, _ = st_vlm("report", built)
    assert code == 0
    counts, shares = out.split("\n\n")
    rows = pq.read_table(built / "train" / "metadata.parquet")["task"].to_pylist()
    assert counts.splitlines()[1].split()[:2] == ["traveled_distance", str(rows.count("traveled_distance"))]
    assert "category speed x duration" in shares
    assert "<= 25" in shares


def test_constants_are_those_of_the_training_split(st_vlm, built):
    code, out, _ = st_vlm("report", built, "--format", "json")
    report = json.loads(out)
    hours = {
        split: [
            target["hour"]
            for task, target in zip(
                *pq.read_table(built / split / "metadata.parquet").select(["task", "target"]).to_pydict().values(),
                strict=True,
            )
            if task == "moving_direction"
        ]
        for split in ("train", "test")
    }
    commonest = max(sorted(set(hours["train"]), key=str), key=hours["train"].count)
    share = report["shares"]["test"]["moving_direction"]["constant"]
    assert share == pytest.approx(hours["test"].count(commonest) / len(hours["test"]))
    assert code == 0
    assert report["fitted_on"] == {"train": "train", "validation": "train", "test": "train"}


@pytest.mark.parametrize("what", ["nothing", "no table", "another table"])
def test_what_is_no_built_folder_is_a_sentence(st_vlm, tmp_path, what):
    if what != "nothing":
        (tmp_path / "train").mkdir()
        file = tmp_path / "train" / "metadata.parquet"
        if what == "no table":
            file.write_bytes(b"PAR1 but not really")
        else:
            pq.write_table(pa.table({"a": [1]}), file)
    code, out, err = st_vlm("report", tmp_path)
    assert (code, out) == (2, "")
    assert str(tmp_path) in err
    assert "Traceback" not in err
