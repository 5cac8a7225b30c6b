"""A built folder is loaded by stock `datasets`, in a process that never imports st_vlm."""

import json
import os
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.questions.rows import ROW_SCHEMA

LOAD = """
import json, sys
from datasets import load_dataset
loaded = load_dataset(sys.argv[1], cache_dir=sys.argv[2], streaming=sys.argv[3] == "streaming")
rows = list(loaded["train"])
print(json.dumps({
    "rows": rows,
    "splits": list(loaded),
    "features": loaded["train"].features.to_dict(),
    "ours": [name for name in sys.modules if name.startswith("st_vlm")],
}))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    root = write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(("scene-0001", "scene-0002")))
    out = tmp_path_factory.mktemp("built") / "stkit"
    build(BuildSettings("nuscenes", str(root)), out)
    return out


@pytest.mark.parametrize("way", ["whole", pytest.param("streaming", marks=pytest.mark.slow)])
def test_stock_datasets_loads_it_without_st_vlm(built, tmp_path, way):
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", LOAD, f"./{built.name}", str(tmp_path / "cache"), way],
        cwd=built.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = json.loads(done.stdout)
    assert loaded["ours"] == []
    assert loaded["splits"] == ["train"]
    features = datasets.Features.from_arrow_schema(ROW_SCHEMA)
    features["video"] = datasets.Video(decode=False)
    assert loaded["features"] == json.loads(json.dumps(features.to_dict()))

    stored = {row["id"]: row for row in pq.read_table(built / "train" / "metadata.parquet").to_pylist()}
    assert len(loaded["rows"]) == len(stored)
    for row in loaded["rows"]:
        expected = stored[row["id"]]
        video = row.pop("video")
        assert video["bytes"] is None
        assert os.path.isabs(video["path"])
        assert Path(video["path"]).samefile(built / "train" / expected.pop("file_name"))
        assert row == expected


def test_folders_of_one_name_are_not_taken_for_each_other(built, tmp_path):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0003",)))
    other = tmp_path / built.name
    build(BuildSettings("nuscenes", str(root)), other)
    clips = {}
    for folder in (built, other):
        rows = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))["train"]
        clips[folder] = {Path(row["video"]["path"]).parents[2] for row in rows}
    assert clips == {built: {built}, other: {other}}
