"""Folders to publish: one whose clips must stay at home, one whose clips may go, and one of both."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes
from PIL import Image

from st_vlm.building.build import build
from st_vlm.building.publishing import Publication, prepare
from st_vlm.building.settings import BuildSettings
from st_vlm.building.tables import card_of, open_tables

SMALL = {"num_recordings": 2, "image_size": [112, 64]}


def restricted(folder: Path, scenes: int = 2) -> tuple[Path, Path]:
    """A set built from nuScenes' layout, and the recordings."""
    names = tuple(f"scene-{k:04d}" for k in range(1, scenes + 1))
    root = write_nuscenes(folder / "nuscenes", nuscenes_tables(names))
    number_images(root)
    build(BuildSettings("nuscenes", str(root), balance="none"), folder / "restricted")
    return folder / "restricted", root


def number_images(root: Path) -> None:
    """Give every image below a folder a colour of its own, so that none can stand for another."""
    for number, path in enumerate(sorted([*root.rglob("*.jpg"), *root.rglob("*.png")])):
        with Image.open(path) as image:
            size = image.size
        Image.new("RGB", size, (number * 9 % 256, number * 31 % 256, 128)).save(path)


def free(folder: Path) -> Path:
    """A set of simulated scenes, small."""
    build(BuildSettings("simulated", balance="none", source_options=SMALL), folder / "free")
    return folder / "free"


def mixed(folder: Path, first: Path, second: Path) -> Path:
    """The rows of both in the split `train`, and those of the second again as `test`."""
    out = folder / "mixed"
    shutil.copytree(first, out)
    shutil.copytree(second / "train", out / "test")
    shutil.copytree(second / "train" / "clips", out / "train" / "clips", dirs_exist_ok=True)
    tables = [pq.read_table(one / "train" / "metadata.parquet") for one in (first, second)]
    pq.write_table(pa.concat_tables(tables), out / "train" / "metadata.parquet")
    (out / "README.md").write_text(card_of(open_tables(out)))
    return out


def publish(folder: Path, target: Path, **options) -> Publication:
    """What a hub would hold, as a folder."""
    staging = target.with_name(f"{target.name}-staging")
    staging.mkdir()
    found = prepare(folder, staging, "org/stkit", **options)
    for path, file in found.files.items():
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target / path)
    shutil.rmtree(staging)
    return found


def rows_of(folder: Path, split: str = "train") -> list[dict]:
    return pq.read_table(folder / split / "metadata.parquet").to_pylist()


def note_of(folder: Path) -> dict:
    return json.loads((folder / "stkit.json").read_text())
