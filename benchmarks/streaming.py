"""Time to the first row of `load_dataset("stkit", …, streaming=True)` in a folder of 50,000 files.

    python benchmarks/streaming.py

Makes a nuScenes folder in code (scenes of 20 s with full-size images, and as many other files as are asked for), and
loads it in processes of its own, with ours and with stock `datasets`' own image folder, which lists every file first.
Importing the libraries is not counted: a training process has done it already.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _timing import alternate, table
from PIL import Image

START_US = 1_533_151_603_547_590
SIZE = (1600, 900)
SAMPLES = 40


def make_folder(root: Path, files: int, scenes: int = 20) -> None:
    """Write scenes of a car that drives ahead of a standing camera, and empty lidar files up to `files` in all."""
    folder = root / "v1.0-trainval"
    folder.mkdir(parents=True)
    (root / "samples" / "CAM_FRONT").mkdir(parents=True)
    tables = {name: [] for name in ("scene", "sample", "sample_data", "sample_annotation", "instance", "ego_pose")}
    tables["category"] = [{"token": "car", "name": "vehicle.car"}]
    tables["sensor"] = [{"token": "front", "channel": "CAM_FRONT", "modality": "camera"}]
    mount = {
        "token": "mount",
        "sensor_token": "front",
        "translation": [1.7, 0.0, 1.5],
        "rotation": [0.5, -0.5, 0.5, -0.5],
    }
    tables["calibrated_sensor"] = [mount | {"camera_intrinsic": [[1266.4, 0, 816.3], [0, 1266.4, 491.5], [0, 0, 1]]}]
    pixels = np.random.default_rng(0).integers(0, 255, (9, 16, 3), np.uint8)
    image = root / "samples" / "CAM_FRONT" / "first.jpg"
    Image.fromarray(pixels).resize(SIZE, Image.Resampling.BICUBIC).save(image, quality=90)
    for number in range(scenes):
        scene = f"scene-{number + 1:04d}"
        tables["scene"].append({"token": scene, "name": scene, "first_sample_token": f"{scene}/0"})
        tables["instance"].append({"token": scene, "category_token": "car"})
        for k in range(SAMPLES):
            token, us = f"{scene}/{k}", START_US + 500_000 * k
            after = f"{scene}/{k + 1}" if k + 1 < SAMPLES else ""
            name = f"samples/CAM_FRONT/{scene}__{us}.jpg"
            tables["sample"].append({"token": token, "timestamp": us, "scene_token": scene, "next": after})
            tables["ego_pose"].append(
                {"token": token, "translation": [0.0, 0.0, 0.0], "rotation": [1.0, 0.0, 0.0, 0.0]}
            )
            tables["sample_data"].append(
                {"token": token, "sample_token": token, "ego_pose_token": token, "calibrated_sensor_token": "mount"}
                | {"timestamp": us, "is_key_frame": True, "width": SIZE[0], "height": SIZE[1], "filename": name}
            )
            tables["sample_annotation"].append(
                {"token": token, "sample_token": token, "instance_token": scene, "visibility_token": "4"}
                | {"translation": [8 + 0.9 * k, 2.0, 0.8], "size": [1.9, 4.5, 1.6], "rotation": [1.0, 0.0, 0.0, 0.0]}
                | {"prev": f"{scene}/{k - 1}" if k else "", "next": after, "num_lidar_pts": 20}
            )
            os.link(image, root / name)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    lidar = root / "sweeps" / "LIDAR_TOP"
    lidar.mkdir(parents=True)
    for k in range(files - scenes * SAMPLES):
        (lidar / f"{k:06d}.pcd.bin").touch()


def first_row(kind: str, root: str) -> dict:
    """Seconds from the call of `load_dataset` to the first row."""
    import torch  # noqa: F401  (imported by `datasets` when it streams)
    from datasets import load_dataset

    import st_vlm  # noqa: F401  (registers "stkit")

    with tempfile.TemporaryDirectory() as cache:
        options = {"data_dir": root, "streaming": True, "cache_dir": cache, "split": "train"}
        start = time.perf_counter()
        name = ("stkit", "nuscenes") if kind == "st-vlm" else ("imagefolder",)
        next(iter(load_dataset(*name, **options)))
        return {"seconds": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs=2, metavar=("KIND", "ROOT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(first_row(*args.one)))
        return
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        make_folder(Path(folder), args.files)
        kinds = ("st-vlm", "imagefolder")
        found = alternate({k: [sys.executable, __file__, "--one", k, folder] for k in kinds}, args.rounds)
    ours, stock = (found[kind]["seconds"] for kind in kinds)
    print(
        table(
            ["files", "st-vlm", "imagefolder", "ratio"],
            [[args.files, f"{ours:.2f} s", f"{stock:.2f} s", f"{ours / stock:.2f}"]],
        )
    )


if __name__ == "__main__":
    main()
