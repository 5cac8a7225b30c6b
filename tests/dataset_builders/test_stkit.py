"""`load_dataset("stkit", …)` through the real `datasets`: registration, options, caching, and no listing of files."""

import glob
import os
import shutil
import subprocess
import sys
from pathlib import Path

import datasets
import pyarrow.parquet as pq
import pytest
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes
from st_vlm.dataset_builders.stkit import STKit

import st_vlm  # noqa: F401  (registers "stkit")
from st_vlm.building.build import build
from st_vlm.building.settings import BuildSettings
from st_vlm.errors import InputError
from st_vlm.questions.rows import ROW_SCHEMA
from st_vlm.recordings import SOURCE_NAMES


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    return write_nuscenes(tmp_path_factory.mktemp("nuscenes"), nuscenes_tables(("scene-0001", "scene-0002")))


@pytest.fixture(scope="module")
def built(recordings, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("built") / "stkit"
    build(BuildSettings("nuscenes", str(recordings)), out)
    return out


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


def load(name="nuscenes", **arguments):
    return datasets.load_dataset("stkit", name, **arguments)


def without_video(rows) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "video"} for row in rows]


def stored(built: Path) -> list[dict]:
    rows = pq.read_table(built / "train" / "metadata.parquet").to_pylist()
    return [{key: value for key, value in row.items() if key != "file_name"} for row in rows]


def test_recordings_and_a_built_folder_of_them_load_alike(recordings, built, cache):
    from_recordings = load(data_dir=str(recordings), cache_dir=cache)
    from_folder = load(data_dir=str(built), cache_dir=cache)
    features = {"video": datasets.Video(decode=False), **datasets.Features.from_arrow_schema(ROW_SCHEMA)}
    for loaded in (from_recordings, from_folder):
        assert list(loaded) == ["train"]
        assert loaded["train"].features == datasets.Features(features)
        assert without_video(loaded["train"]) == stored(built)
        for row in loaded["train"]:
            assert row["video"]["bytes"] is None
            assert os.path.isabs(row["video"]["path"])
            assert Path(row["video"]["path"]).is_file()
    assert Path(from_folder["train"][0]["video"]["path"]).is_relative_to(built)
    assert Path(from_recordings["train"][0]["video"]["path"]).is_relative_to(cache)


def test_streaming(built, cache):
    streamed = load(data_dir=str(built), cache_dir=cache, streaming=True)["train"]
    assert without_video(streamed) == stored(built)


def test_the_builder_class_shares_the_cache_with_load_dataset(recordings, cache):
    loaded = load(data_dir=str(recordings), cache_dir=cache)
    builder = STKit(config_name="nuscenes", data_dir=str(recordings), cache_dir=cache)
    builder.download_and_prepare()
    found = builder.as_dataset(split="train")
    assert found[0] == loaded["train"][0]
    assert Path(found.cache_files[0]["filename"]).parent == Path(loaded["train"].cache_files[0]["filename"]).parent


def test_a_folder_built_anew_is_not_answered_from_the_cache(recordings, tmp_path, cache):
    out, aside = tmp_path / "stkit", tmp_path / "aside"
    build(BuildSettings("nuscenes", str(recordings), seed=1), out)
    first = load(data_dir=str(out), cache_dir=cache)["train"]
    out.rename(aside)
    build(BuildSettings("nuscenes", str(recordings), seed=2), out)
    assert without_video(load(data_dir=str(out), cache_dir=cache)["train"]) == stored(out) != without_video(first)


def test_a_relative_folder_means_that_of_the_working_directory(recordings, tmp_path, cache, monkeypatch):
    found = []
    for seed, place in ((1, "one"), (2, "two")):
        build(BuildSettings("nuscenes", str(recordings), seed=seed), tmp_path / place / "stkit")
        monkeypatch.chdir(tmp_path / place)
        found.append(load(data_dir="stkit", cache_dir=cache)["train"][0]["video"]["path"])
    assert found[0].startswith(str(tmp_path / "one"))
    assert found[1].startswith(str(tmp_path / "two"))


def test_options_reach_the_build(recordings, cache):
    loaded = load(data_dir=str(recordings), cache_dir=cache, tasks=["traveled_distance"])
    assert set(loaded["train"]["task"]) == {"traveled_distance"}
    with pytest.raises(InputError, match="camera CAM_BACK; there are CAM_FRONT"):
        load(data_dir=str(recordings), cache_dir=cache, cameras=["CAM_BACK"])
    with pytest.raises(InputError, match="Unknown task 'speed'"):
        load(data_dir=str(recordings), cache_dir=cache, tasks=["speed"])


def test_options_that_a_built_folder_cannot_follow_are_refused(built, cache):
    with pytest.raises(InputError, match="is built already"):
        load(data_dir=str(built), cache_dir=cache, tasks=["traveled_distance"])
    with pytest.raises(InputError, match="is built already"):
        load(data_dir=str(built), cache_dir=cache, seed=4)


def test_a_small_set_is_told_of_unless_it_was_not_to_be_balanced_and_refused_where_it_must_be(cache, caplog):
    given = {"cache_dir": cache, "num_recordings": 2, "video": False}
    assert len(datasets.load_dataset("stkit", "simulated", balance="none", **given)["train"])
    assert "too small to be balanced" not in caplog.text
    assert len(datasets.load_dataset("stkit", "simulated", balance="partial", **given)["train"])
    assert "too small to be balanced" in caplog.text
    with pytest.raises(InputError, match='`balance="partial"` in Python'):
        datasets.load_dataset("stkit", "simulated", balance="full", **given)


def test_one_task_or_camera_needs_no_list(recordings, cache):
    loaded = load(data_dir=str(recordings), cache_dir=cache, tasks="traveled_distance", cameras="CAM_FRONT")
    assert set(loaded["train"]["task"]) == {"traveled_distance"}


@pytest.mark.parametrize(
    ("file", "content"),
    [("stkit.json", "{"), ("stkit.json", "[]"), ("stkit.json", "{}"), ("train/metadata.parquet", "no table")],
)
def test_a_damaged_built_folder_is_named(built, tmp_path, file, content):
    folder = tmp_path / "damaged"
    shutil.copytree(built, folder)
    (folder / file).write_text(content)
    with pytest.raises((InputError, datasets.exceptions.DatasetGenerationError)) as refused:
        load(data_dir=str(folder), cache_dir=str(tmp_path / "cache"))
    # What generates rows is wrapped by `datasets`.
    error = refused.value if isinstance(refused.value, InputError) else refused.value.__cause__
    assert isinstance(error, InputError)
    assert str(folder / file) in str(error)
    assert "Build the folder again" in str(error)


def test_a_repaired_recording_is_found_by_a_forced_load(tmp_path, cache):
    root = write_nuscenes(tmp_path / "nuscenes", nuscenes_tables(("scene-0001", "scene-0002")))
    image = next(path for path in root.rglob("*.jpg") if "scene-0002" in str(path))
    whole = image.read_bytes()
    image.write_bytes(b"torn")
    assert set(load(data_dir=str(root), cache_dir=cache)["train"]["recording"]) == {"scene-0001"}
    image.write_bytes(whole)
    again = load(data_dir=str(root), cache_dir=cache, download_mode="force_redownload")
    assert set(again["train"]["recording"]) == {"scene-0001", "scene-0002"}


def test_the_simulated_source_needs_no_folder(cache):
    loaded = datasets.load_dataset("stkit", "simulated", num_recordings=1, cache_dir=cache)
    assert set(loaded["train"]["source"]) == {"simulated"}
    assert datasets.load_dataset_builder("stkit", cache_dir=cache).config.name == "simulated"


def test_unknown_names_list_the_known_ones(cache):
    with pytest.raises(ValueError, match="nuscens") as unknown:
        load("nuscens", cache_dir=cache)
    assert all(name in str(unknown.value) for name in SOURCE_NAMES)
    with pytest.raises(InputError, match="nuscenes needs a path"):
        load(cache_dir=cache)
    with pytest.raises(InputError, match="takes data_dir="):
        load(data_files="rows.parquet", cache_dir=cache)


def test_nothing_is_listed_and_other_modules_work_as_before(built, recordings, tmp_path, cache, monkeypatch):
    """A working directory full of files: `datasets` alone would list them all before it calls a builder."""
    for number in range(50):
        (tmp_path / f"{number}.txt").write_text("not ours")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(tmp_path)
    listed: list[str] = []

    def watched(name, function):
        def call(path=".", *arguments, **options):
            listed.append(f"{name} {path}")
            return function(path, *arguments, **options)

        return call

    for module, name in ((os, "scandir"), (os, "listdir"), (glob, "glob"), (glob, "iglob")):
        monkeypatch.setattr(module, name, watched(name, getattr(module, name)))
    datasets.load_dataset_builder("stkit", "simulated", cache_dir=cache)
    load(data_dir=str(built), cache_dir=cache)
    load(data_dir=str(recordings), cache_dir=cache)
    here = [line for line in listed if line.split(" ", 1)[1] in (".", "", str(tmp_path))]
    assert here == []
    assert not [line for line in listed if str(built) in line]
    rows = datasets.load_dataset("csv", data_files="table.csv", cache_dir=cache)["train"]
    assert rows[0] == {"a": 1, "b": 2}
    listed.clear()
    datasets.load_dataset_builder("text", data_dir=str(tmp_path), cache_dir=cache)
    assert listed, "the watch does not see how datasets lists files"


BOTH_ORDERS = {
    "ours first": "import st_vlm\nassert 'datasets' not in sys.modules\nfrom datasets import load_dataset",
    "theirs first": "import datasets\nfrom datasets import load_dataset\nimport st_vlm",
    "theirs half imported": "import datasets.load\nimport st_vlm\nfrom datasets import load_dataset",
}


@pytest.mark.parametrize("order", BOTH_ORDERS)
def test_registration_works_in_both_orders_of_import(order, built, tmp_path):
    code = f"""
import sys
{BOTH_ORDERS[order]}
print(len(load_dataset("stkit", "nuscenes", data_dir=sys.argv[1], cache_dir=sys.argv[2])["train"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(built), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) == len(stored(built))
