"""`--no-video`: rows of recordings without images, and what stock `datasets` makes of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from native_layouts.argoverse2 import argoverse2_tables, write_argoverse2
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes

from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.training.rows import load_rows

LOAD = """
import json, sys
from datasets import load_dataset
rows = list(load_dataset(sys.argv[1], cache_dir=sys.argv[2], streaming=sys.argv[3] == "streaming")["train"])
print(json.dumps([rows, [name for name in sys.modules if name.startswith("st_vlm")]]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "stkit"
    build(BuildSettings("simulated", video=False, source_options={"num_recordings": 2}), out)
    return out


def test_rows_keep_their_boxes_and_have_no_video(built):
    table = pq.read_table(built / "train" / "metadata.parquet")
    assert table.column_names == ["video", *ROW_SCHEMA.names]
    rows = table.to_pylist()
    assert rows
    for row in rows:
        assert row["video"] is None
        assert any(box is not None for mark in row["marks"] for box in mark["boxes"])
        assert len(row["camera"]["poses"]) == len(row["timestamps"])
    assert [path.name for path in sorted((built / "train").iterdir())] == ["metadata.parquet"]
    assert json.loads((built / "stkit.json").read_text())["video"] is False


@pytest.mark.parametrize("way", ["whole", pytest.param("streaming", marks=pytest.mark.slow)])
def test_stock_datasets_loads_it(built, tmp_path, way):
    done = subprocess.run(
        [sys.executable, "-c", LOAD, f"./{built.name}", str(tmp_path / "cache"), way],
        cwd=built.parent,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows, ours = json.loads(done.stdout)
    assert ours == []
    assert rows == pq.read_table(built / "train" / "metadata.parquet").to_pylist()


def test_images_do_not_change_what_is_asked(tmp_path):
    """The tables alone give the same questions and truths as the tables with the images they list."""
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables())
    build(BuildSettings("nuscenes", str(root)), tmp_path / "with")
    for image in root.rglob("*.jpg"):
        image.unlink()
    build(BuildSettings("nuscenes", str(root), video=False), tmp_path / "without")
    with_video, without = (
        pq.read_table(tmp_path / name / "train" / "metadata.parquet", columns=["id", "question", "target", "marks"])
        for name in ("with", "without")
    )
    assert with_video.equals(without)


def test_tuning_and_the_bench_say_that_they_need_a_video(built):
    with pytest.raises(InputError, match="built without video"):
        load_rows(str(built), split="train")


def test_the_sentence_for_a_log_without_images_names_the_way_out(tmp_path):
    log = write_argoverse2(tmp_path / "train" / "some-log", argoverse2_tables())
    with pytest.raises(InputError, match="--no-video"):
        build(BuildSettings("argoverse2", str(log)), tmp_path / "out")


def test_a_real_log_without_images(real_data, tmp_path):
    settings = BuildSettings("argoverse2", str(real_data / "argoverse2" / "sensor" / "val"), video=False)
    report = build(settings, tmp_path / "out", num_proc=2)
    assert report.failures == ()
    assert sum(report.counts["validation"].values()) > 50
    rows = pq.read_table(tmp_path / "out" / "validation" / "metadata.parquet", columns=["camera"]).to_pylist()
    assert len({row["camera"]["name"] for row in rows}) >= 5
