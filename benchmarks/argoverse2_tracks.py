"""Argoverse 2: from a log's files to tracks in the city frame, against av2's own reader and a loop over its boxes.

    python benchmarks/argoverse2_tracks.py --av2-python AV2_ENVIRONMENT/bin/python [--log LOG]

av2 stands in an environment of its own (`pip install av2`). Without `--log` a log of usual size is made.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from _timing import alternate, table, timed

SWEEPS, TRACKS, POSES = 156, 110, 2700
ROUNDS, REPEATS = 5, 5


def ours(log: Path) -> dict[str, tuple]:
    """Track's id -> times, centres, sizes and rotations."""
    from st_vlm.recordings.argoverse2 import Argoverse2

    tracks = Argoverse2(log).read(log.name).tracks
    return {track.id: (track.times_ns, track.centres, track.sizes, track.rotations) for track in tracks}


def av2s(log: Path) -> dict[str, tuple]:
    """The same by av2."""
    import numpy as np
    from av2.structures.cuboid import CuboidList
    from av2.utils.io import read_city_SE3_ego, read_feather

    poses = read_city_SE3_ego(log)
    names = read_feather(log / "annotations.feather", ("track_uuid",))["track_uuid"]
    boxes = {}
    for name, cuboid in zip(names, CuboidList.from_feather(log / "annotations.feather").cuboids, strict=True):
        boxes.setdefault(name, []).append(cuboid.transform(poses[cuboid.timestamp_ns]))
    return {
        name: (
            np.array([cuboid.timestamp_ns for cuboid in track]),
            np.array([cuboid.dst_SE3_object.translation for cuboid in track]),
            np.array([cuboid.dims_lwh_m for cuboid in track]),
            np.array([cuboid.dst_SE3_object.rotation for cuboid in track]),
        )
        for name, track in boxes.items()
    }


def make_log(log: Path) -> None:
    """A log whose objects, each alive for half of the time on average, drive about an ego that does."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import feather

    rng = np.random.default_rng(0)
    pose_times = 315_966_253_000_000_000 + np.sort(rng.choice(16_000_000, POSES, replace=False)) * 1000
    sweeps = pose_times[np.linspace(60, POSES - 60, SWEEPS).astype(int)]
    starts, ends = np.sort(rng.integers(0, SWEEPS, (2, TRACKS)) * [[0.5], [1.0]], axis=0).astype(int)
    ends = np.minimum(np.maximum(ends, starts + 60), SWEEPS)
    rows = sorted((sweep, track) for track in range(TRACKS) for sweep in range(starts[track], ends[track]))
    at, whose = np.array(rows).T
    ids = np.array([str(rng.bytes(16).hex()) for _ in range(TRACKS)])

    def turns(yaw: np.ndarray) -> dict[str, np.ndarray]:
        return {"qw": np.cos(yaw / 2), "qx": 0 * yaw, "qy": 0 * yaw, "qz": np.sin(yaw / 2)}

    def places(values: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(("tx_m", "ty_m", "tz_m"), values.T, strict=True))

    def sizes(values: np.ndarray) -> dict[str, np.ndarray]:
        return dict(zip(("length_m", "width_m", "height_m"), values.T, strict=True))

    drift = rng.normal(0, 0.5, (TRACKS, 3))[whose] * at[:, None] * [0.1, 0.1, 0.0]
    boxes = {
        **{"timestamp_ns": sweeps[at], "track_uuid": ids[whose]},
        "category": np.array(["REGULAR_VEHICLE", "PEDESTRIAN", "BOLLARD"])[whose % 3],
        **sizes(rng.uniform(0.5, 5, (TRACKS, 3))[whose]),
        **turns(rng.uniform(-3, 3, TRACKS)[whose]),
        **places(rng.uniform(-80, 80, (TRACKS, 3))[whose] + drift),
        "num_interior_pts": rng.integers(0, 500, len(at)),
    }
    way = np.linspace(0, 1, POSES)
    poses = {"timestamp_ns": pose_times, **turns(way), **places(way[:, None] * [150.0, 40.0, 1.0])}
    log.mkdir()
    for name, columns in (("annotations", boxes), ("city_SE3_egovehicle", poses)):
        feather.write_feather(pa.table(columns), str(log / f"{name}.feather"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--av2-python", help="the Python of an environment that has av2")
    parser.add_argument("--log", type=Path, help="a real log; it is read only")
    parser.add_argument("--work", choices=("ours", "av2"), help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.work:
        read = ours if wanted.work == "ours" else av2s
        tracks = read(wanted.log)
        facts = {"tracks": len(tracks), "boxes": sum(len(times) for times, *_ in tracks.values())}
        # Centres, sizes and rotations: what both must agree on.
        facts["sum"] = [sum(float(abs(track[k]).sum()) for track in tracks.values()) for k in (1, 2, 3)]
        print(json.dumps(facts | timed(lambda: read(wanted.log), REPEATS)))
        return
    if not wanted.av2_python:
        parser.error("--av2-python is needed")
    with tempfile.TemporaryDirectory() as folder:
        log = wanted.log or Path(folder, "made-log")
        if not wanted.log:
            make_log(log)
        script = [__file__, "--log", str(log), "--work"]
        found = alternate(
            {"ours": [sys.executable, *script, "ours"], "av2": [wanted.av2_python, *script, "av2"]}, ROUNDS
        )
    one, other = found["ours"], found["av2"]
    same = all(abs(a - b) <= 1e-6 * abs(b) for a, b in zip(one["sum"], other["sum"], strict=True))
    if not same or one["boxes"] != other["boxes"]:
        sys.exit(f"The two do not agree: {one} and {other}")
    seconds = [f"{1000 * result['seconds']:.1f} ms" for result in (one, other)]
    row = [log.name[:13], one["tracks"], one["boxes"], *seconds, f"{other['seconds'] / one['seconds']:.1f}"]
    print(table(["log", "tracks", "boxes", "st-vlm", "av2", "times faster"], [row]))


if __name__ == "__main__":
    main()
