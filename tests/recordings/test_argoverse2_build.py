"""A log of Argoverse 2 is built, with its images and without."""

import json

import pyarrow.parquet as pq
import pytest
from native_layouts.argoverse2 import RIG, argoverse2_tables, write_argoverse2
from native_layouts.scene import CAR_SPEED, true_centre

FRONT = "ring_front_center"


def following(t: float) -> tuple[tuple[float, float, float], float]:
    """The ego drives straight along +x behind the car, at its speed."""
    return (CAR_SPEED * t, 0.0, 0.0), 0.0


@pytest.mark.parametrize("images", [True, False])
def test_a_log_is_built(st_vlm, tmp_path, images):
    log = tmp_path / "logs" / "train" / "some-log"
    write_argoverse2(log, argoverse2_tables(81, following), images=160 if images else 0)
    flags = () if images else ("--no-video", "--camera", FRONT)
    code, _, err = st_vlm(
        "build", "argoverse2", tmp_path / "logs", "--out", tmp_path / "out", "--balance", "partial", *flags
    )
    assert code == 0, err
    assert json.loads((tmp_path / "out" / "stkit.json").read_text())["source"] == "argoverse2"
    rows = pq.read_table(tmp_path / "out" / "train" / "metadata.parquet").to_pylist()
    speeds = {
        row["target"]["value"]
        for row in rows
        if row["task"] == "traveling_speed" and [mark["track_id"] for mark in row["marks"]] == ["car"]
    }
    assert all(speed == pytest.approx(3.6 * CAR_SPEED, abs=0.01) for speed in speeds)
    lens = RIG[FRONT]
    seen = 0
    for row in rows:
        for mark in row["marks"]:
            if mark["track_id"] != "car":
                continue
            # The car keeps its place before the camera: its centre by hand through the pinhole.
            x, y, z = true_centre("car", 0.0)
            ahead, left, up = x - lens.place[0], y - lens.place[1], z - lens.place[2]
            u, v = lens.middle[0] - lens.focal * left / ahead, lens.middle[1] - lens.focal * up / ahead
            for box in filter(None, mark["boxes"]):
                seen += 1
                assert box[0] < u < box[2]
                assert box[1] < v < box[3]
    assert seen > 5
