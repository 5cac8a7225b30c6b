"""nuScenes: from tables of the release's size to the motion of every object, against nuscenes-devkit and a loop.

    python benchmarks/nuscenes_tables.py --devkit-python DEVKIT_ENVIRONMENT/bin/python [--rows 160000 2600000]

nuscenes-devkit stands in an environment of its own (`pip install nuscenes-devkit 'numpy<2'`). The tables are made: 850
scenes, 1.17 M boxes, `sample_data` and `ego_pose` of about so many rows. Both contenders open them, go through every
scene's objects and measure path, extent and speed on the 0.5 s grid; what they import is not counted. 2.6 M rows need
2.5 GB of disk and 8 GiB of memory, the devkit's.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _timing import alternate, table

ROUNDS = 3
VERSION = "v1.0-trainval"


def ours(root: Path) -> Callable[[], dict]:
    from st_vlm.kinematics.measures import measure_tracks
    from st_vlm.recordings.categories import is_person
    from st_vlm.recordings.nuscenes import NuScenes

    def work() -> dict:
        source = NuScenes(root)
        boxes, measured = 0, []
        for scene in source.recording_ids():
            tracks = source.read(scene).tracks
            boxes += sum(map(len, tracks))
            moving = [track for track in tracks if len(track) > 1]
            measured += measure_tracks(
                [track.times_ns for track in moving],
                [track.centres for track in moving],
                [is_person(track.category) for track in moving],
            )
        return facts(boxes, [(found.path_m, found.distance_m) for found in measured])

    return work


def devkits(root: Path) -> Callable[[], dict]:
    from nuscenes.nuscenes import NuScenes

    def work() -> dict:
        nusc = NuScenes(version=VERSION, dataroot=str(root), verbose=False)
        scene_of = {sample["token"]: sample["scene_token"] for sample in nusc.sample}
        instances = {scene["token"]: [] for scene in nusc.scene}
        for instance in nusc.instance:
            first = nusc.get("sample_annotation", instance["first_annotation_token"])
            instances[scene_of[first["sample_token"]]].append(instance)
        boxes, measured = 0, []
        for scene in nusc.scene:
            for instance in instances[scene["token"]]:
                token, times, centres = instance["first_annotation_token"], [], []
                while token:
                    box = nusc.get("sample_annotation", token)
                    times.append(nusc.get("sample", box["sample_token"])["timestamp"] * 1000)
                    centres.append(box["translation"])
                    token = box["next"]
                boxes += len(times)
                if len(times) > 1:
                    person = nusc.get("category", instance["category_token"])["name"].startswith("human.")
                    measured.append(measure(np.array(times), np.array(centres), person))
        return facts(boxes, [(path_m, distance_m) for path_m, _, _, distance_m, _ in measured])

    return work


def measure(times_ns: np.ndarray, centres: np.ndarray, person: bool) -> tuple:
    """Path, displacement, static, distance and speed of `st_vlm.kinematics.measures`, for NumPy alone."""
    at = (times_ns - times_ns[0]).astype(np.float64)
    grid = np.arange(0, at[-1] + 1, 5e8)
    if grid[-1] != at[-1]:
        grid = np.append(grid, at[-1])
    points = np.stack([np.interp(grid, at, column) for column in centres.T], axis=-1)
    plane = points[:, :2]
    path_m = float(np.sqrt((np.diff(points, axis=0) ** 2).sum(axis=1)).sum())
    displacement_m = float(np.sqrt(((points[-1] - points[0]) ** 2).sum()))
    extent = float(np.sqrt(((plane[:, None] - plane[None]) ** 2).sum(axis=-1).max()))
    below, above = (0.5, 1.0) if person else (0.75, 2.0)
    static = True if extent <= below else None
    if extent >= above:
        window = min(1e9, at[-1])
        starts = np.append(grid[grid <= at[-1] - window], at[-1] - window)
        steps = [np.interp(starts + window, grid, c) - np.interp(starts, grid, c) for c in plane.T]
        static = False if np.hypot(*steps).max() >= 0.5 else None
    distance_m = 0.0 if static else float(np.sqrt((np.diff(plane, axis=0) ** 2).sum(axis=1)).sum())
    return path_m, displacement_m, static, distance_m, 3.6 * distance_m / (at[-1] * 1e-9)


def facts(boxes: int, lengths_m: list[tuple[float, float]]) -> dict:
    """What both must agree on: how many boxes and tracks there are, and the sums of their paths and distances."""
    return {"boxes": boxes, "tracks": len(lengths_m), "sums": np.sum(lengths_m, axis=0).tolist()}


def run(work: str, root: Path) -> None:
    contender = (ours if work == "ours" else devkits)(root)
    start = time.perf_counter()
    found = contender()
    found["seconds"] = time.perf_counter() - start
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "linux" else 1024)
    found["peak_mib"] /= 1024
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devkit-python", help="the Python of an environment that has nuscenes-devkit")
    parser.add_argument("--rows", type=int, nargs="+", default=[160_000, 2_600_000], help="rows of sample_data")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--work", choices=("ours", "devkit"), help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.work:
        run(wanted.work, wanted.root)
        return
    if not wanted.devkit_python:
        parser.error("--devkit-python is needed")
    lines = [compared(rows, wanted.devkit_python, wanted.rounds) for rows in wanted.rows]
    header = ["rows", "tracks", "boxes", "st-vlm", "devkit", "times faster", "st-vlm", "devkit", "share of memory"]
    print(table(header, lines))
    print(f"Seconds: least and median of {wanted.rounds} runs in turn. Memory: the largest peak of each.")


def compared(rows: int, devkit_python: str, rounds: int) -> list[str | int]:
    """Both contenders on tables of one size, in turn: a line of the table."""
    from _made_nuscenes import make_tables

    results: dict[str, list[dict]] = {"ours": [], "devkit": []}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        made = make_tables(root / VERSION, rows)
        for _ in range(rounds):
            commands = {
                name: [python, __file__, "--root", str(root), "--work", name]
                for name, python in (("ours", sys.executable), ("devkit", devkit_python))
            }
            for name, result in alternate(commands, 1).items():
                results[name].append(result)
                print(f"{name}: {result}", file=sys.stderr)
    first = results["ours"][0]
    for result in (*results["ours"], *results["devkit"]):
        if result["boxes"] != first["boxes"] or not np.allclose(result["sums"], first["sums"], rtol=1e-9):
            sys.exit(f"The two do not agree: {first} and {result}")
    seconds = {name: [result["seconds"] for result in found] for name, found in results.items()}
    peaks = {name: max(result["peak_mib"] for result in found) for name, found in results.items()}
    ratio = [how(seconds["devkit"]) / how(seconds["ours"]) for how in (min, statistics.median)]
    return [
        made,
        first["tracks"],
        first["boxes"],
        *(f"{min(found):.1f}, {statistics.median(found):.1f} s" for found in seconds.values()),
        f"{ratio[0]:.1f}, {ratio[1]:.1f}",
        *(f"{peak / 1024:.2f} GiB" for peak in peaks.values()),
        f"{peaks['ours'] / peaks['devkit']:.2f}",
    ]


if __name__ == "__main__":
    main()
