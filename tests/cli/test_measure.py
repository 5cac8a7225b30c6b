"""`st-vlm measure` as its users run it, against made scenes and against plain readings of the real files."""

import json
import math
import subprocess
import sys
from collections import defaultdict
from itertools import pairwise

import pyarrow.feather
import pytest
from native_layouts.argoverse2 import argoverse2_tables, write_argoverse2
from native_layouts.nuscenes import nuscenes_tables, write_nuscenes
from native_layouts.scene import CAR_SPEED, WALKER_SPEED

KEYS = [
    "recording",
    "track_id",
    "category",
    "start_s",
    "duration_s",
    "path_m",
    "displacement_m",
    "static",
    "distance_m",
    "mean_speed_kmh",
]


def lines_of(st_vlm, source, path):
    code, out, _ = st_vlm("measure", source, path, "--format", "jsonl")
    assert code == 0
    return {line["track_id"]: line for line in map(json.loads, out.splitlines())}


def test_lines_of_a_made_scene(st_vlm, tmp_path):
    found = lines_of(st_vlm, "nuscenes", write_nuscenes(tmp_path, nuscenes_tables(), images=False))
    assert list(found) == ["scene-0001/car", "scene-0001/parked", "scene-0001/walker"]  # not the cone seen once
    car, parked, walker = found.values()
    assert list(car) == KEYS
    assert car["recording"] == "scene-0001"
    assert car["category"] == "vehicle.car"
    assert car["start_s"] == 0
    assert car["duration_s"] == pytest.approx(4, abs=1e-3)
    assert car["path_m"] == pytest.approx(CAR_SPEED * car["duration_s"], abs=1e-3)
    assert car["displacement_m"] == pytest.approx(car["path_m"], abs=1e-3)
    assert car["static"] is False
    assert car["mean_speed_kmh"] == pytest.approx(CAR_SPEED * 3.6, abs=1e-3)
    assert parked["static"] is True
    assert parked["distance_m"] == parked["mean_speed_kmh"] == 0
    assert walker["start_s"] == pytest.approx(0.5, abs=1e-3)
    assert walker["mean_speed_kmh"] == pytest.approx(WALKER_SPEED * 3.6, abs=1e-3)


def test_what_is_left_out_is_counted(st_vlm, tmp_path):
    tables = argoverse2_tables(9)  # the walker lives 0.3 s
    code, out, err = st_vlm("measure", "argoverse2", write_argoverse2(tmp_path / "log", tables), "--format", "jsonl")
    assert code == 0
    assert [json.loads(line)["track_id"] for line in out.splitlines()] == ["car", "parked"]
    assert "2 tracks measured; left out: 1 with one box, 1 shorter than 0.5 s." in err


def test_half_a_second_is_enough(st_vlm, tmp_path):
    tables = argoverse2_tables(11)  # the walker lives exactly 0.5 s
    assert "walker" in lines_of(st_vlm, "argoverse2", write_argoverse2(tmp_path / "log", tables))


def test_a_dead_zone_is_null_with_its_distance(st_vlm, tmp_path):
    tables = nuscenes_tables()
    for i, box in enumerate(row for row in tables["sample_annotation"] if "parked" in row["token"]):
        box["translation"][0] += 0.15 * i
    found = lines_of(st_vlm, "nuscenes", write_nuscenes(tmp_path, tables, images=False))["scene-0001/parked"]
    assert found["static"] is None
    assert found["distance_m"] == pytest.approx(1.2, abs=1e-3)
    assert found["mean_speed_kmh"] == pytest.approx(3.6 * 1.2 / 4, abs=1e-2)


def test_table_has_a_line_a_track_even_when_narrow(st_vlm, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    code, out, _ = st_vlm("measure", "nuscenes", write_nuscenes(tmp_path, nuscenes_tables(), images=False))
    assert code == 0
    header, *rows = out.splitlines()
    assert header.split() == KEYS
    assert [row.split()[1] for row in rows] == ["scene-0001/car", "scene-0001/parked", "scene-0001/walker"]
    assert [row.split()[7] for row in rows] == ["no", "yes", "no"]
    assert rows[0].split()[9] == "28.80"


def test_one_bad_recording_stops_no_other(st_vlm, tmp_path):
    tables = argoverse2_tables(11)
    for name in ("a", "b", "c"):
        write_argoverse2(tmp_path / name, tables)
    (tmp_path / "b" / "city_SE3_egovehicle.feather").unlink()
    code, out, err = st_vlm("measure", "argoverse2", tmp_path, "--format", "jsonl")
    assert code == 1
    assert {json.loads(line)["recording"] for line in out.splitlines()} == {"a", "c"}
    assert "b: " in err
    assert "city_SE3_egovehicle.feather is missing" in err
    assert "1 of 3 recordings failed" in err


def test_the_same_reason_is_told_once(st_vlm, tmp_path):
    scenes = tuple(f"scene-000{i}" for i in range(5))
    root = write_nuscenes(tmp_path, nuscenes_tables(scenes), images=False)
    (root / "v1.0-mini" / "ego_pose.json").write_text("[")
    code, out, err = st_vlm("measure", "nuscenes", root)
    assert code == 2
    assert out == ""
    assert err.count("ego_pose.json is not valid JSON") == 1
    assert "scene-0000 and 4 other recordings" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["kittens", "."], "Unknown source 'kittens'"),
        (["nuscenes"], "needs a path"),
        (["nuscenes", "{}/none"], "is not a folder"),
        (["nuscenes", "{}"], "holds no v1.0"),
        (["argoverse2", "{}"], "holds no log"),
        (["nuscenes", "{}", "--format", "csv"], "csv"),
        (["nuscenes", "{}", "--seed", "1"], "simulated"),
        ([], "Missing argument"),
    ],
)
def test_refusals_are_sentences(st_vlm, tmp_path, arguments, words):
    code, out, err = st_vlm("measure", *(argument.format(tmp_path) for argument in arguments))
    assert code == 2
    assert out == ""
    assert words in err
    assert "Traceback" not in err


def test_help_names_the_command(st_vlm):
    code, out, _ = st_vlm("--help")
    assert code == 0
    assert "measure" in out


def test_a_closed_pipe_is_no_traceback(tmp_path):
    """As `st-vlm measure … | head -1`, with more than a pipe's buffer to say."""
    root = write_nuscenes(tmp_path, nuscenes_tables(tuple(f"scene-{i:04}" for i in range(300)), 5), images=False)
    for form in ("jsonl", "table"):
        command = [sys.executable, "-m", "st_vlm.cli.main", "measure", "nuscenes", str(root), "--format", form]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert running.stdout.readline()
        running.stdout.close()
        err = running.stderr.read()
        running.wait(timeout=60)
        assert "Traceback" not in err
        assert "BrokenPipe" not in err


def test_torch_is_not_imported(tmp_path):
    root = write_nuscenes(tmp_path, nuscenes_tables(), images=False)
    program = (
        "import sys; from st_vlm.cli.main import app; "
        f"app(['measure', 'nuscenes', {str(root)!r}], standalone_mode=False); "
        "sys.exit(bool({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60).returncode == 0


# The plain definition again, in plain Python on the raw files: nothing of st_vlm below this line but its output.


def plain_path(boxes):
    """3D path on the 0.5 s grid and displacement of a list of (nanoseconds, x, y, z)."""
    boxes = sorted(boxes)
    first, last = boxes[0][0], boxes[-1][0]
    grid = list(range(first, last, 500_000_000))
    grid.append(last)
    places, i = [], 0
    for time in grid:
        while i + 2 < len(boxes) and boxes[i + 1][0] < time:
            i += 1
        (t0, *a), (t1, *b) = boxes[i], boxes[i + 1]
        share = (time - t0) / (t1 - t0)
        places.append([p + share * (q - p) for p, q in zip(a, b, strict=True)])
    path = sum(math.dist(a, b) for a, b in pairwise(places))
    return path, math.dist(boxes[0][1:], boxes[-1][1:])


def compare(found, boxes_of, categories):
    """Every track of the raw files has its line, and every line is right to 1 % or 2 cm."""
    first = min(box[0] for boxes in boxes_of.values() for box in boxes)
    expected = {
        name: boxes
        for name, boxes in boxes_of.items()
        if len(boxes) > 1 and max(boxes)[0] - min(boxes)[0] >= 500_000_000
    }
    assert set(found) == set(expected)
    for name, boxes in expected.items():
        path, displacement = plain_path(boxes)
        line = found[name]
        assert line["path_m"] == pytest.approx(path, rel=0.01, abs=0.02)
        assert line["displacement_m"] == pytest.approx(displacement, rel=0.01, abs=0.02)
        assert line["start_s"] == pytest.approx((min(boxes)[0] - first) * 1e-9, abs=1e-3)
        assert line["duration_s"] == pytest.approx((max(boxes)[0] - min(boxes)[0]) * 1e-9, abs=1e-3)
        assert line["category"] == categories[name]


@pytest.fixture(scope="module")
def real_nuscenes(real_data):
    folder = real_data / "nuscenes" / "v1.0-mini"
    names = ("sample", "sample_annotation", "instance", "category", "attribute")
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in names}


def test_real_nuscenes_paths(st_vlm, real_data, real_nuscenes):
    time_of = {row["token"]: row["timestamp"] * 1000 for row in real_nuscenes["sample"]}
    boxes_of = defaultdict(list)
    for row in real_nuscenes["sample_annotation"]:
        boxes_of[row["instance_token"]].append((time_of[row["sample_token"]], *row["translation"]))
    name_of = {row["token"]: row["name"] for row in real_nuscenes["category"]}
    categories = {row["token"]: name_of[row["category_token"]] for row in real_nuscenes["instance"]}
    found = lines_of(st_vlm, "nuscenes", real_data / "nuscenes")
    compare(found, boxes_of, categories)
    assert len(found) == 112


def test_real_nuscenes_static_or_moving(st_vlm, real_data, real_nuscenes):
    """Against the annotators' attributes, where one holds for the whole life of the object."""
    name_of = {row["token"]: row["name"] for row in real_nuscenes["attribute"]}
    attributes_of = defaultdict(set)
    for row in real_nuscenes["sample_annotation"]:
        names = [name_of[token] for token in row["attribute_tokens"]]
        attributes_of[row["instance_token"]].add(names[0] if len(names) == 1 else None)
    truth = {
        "vehicle.moving": False,
        "vehicle.parked": True,
        "vehicle.stopped": True,
        "pedestrian.moving": False,
        "pedestrian.standing": True,
        "pedestrian.sitting_lying_down": True,
    }
    found = lines_of(st_vlm, "nuscenes", real_data / "nuscenes")
    constant = {name: next(iter(kinds)) for name, kinds in attributes_of.items() if len(kinds) == 1}
    decided = {name: truth[kind] for name, kind in constant.items() if kind in truth and name in found}
    answered = {name: static for name, static in decided.items() if found[name]["static"] is not None}
    right = sum(found[name]["static"] is static for name, static in answered.items())
    assert len(decided) == 97
    assert right >= 0.98 * len(answered)
    # The dead zone is narrow: it may not hide what the test gets wrong.
    assert len(answered) >= 0.93 * len(decided)


def test_real_argoverse2_paths(st_vlm, real_data):
    (log,) = (real_data / "argoverse2" / "sensor" / "val").iterdir()
    ego = pyarrow.feather.read_table(log / "city_SE3_egovehicle.feather").to_pylist()
    poses = {row["timestamp_ns"]: row for row in ego}
    boxes_of, categories = defaultdict(list), {}
    for row in pyarrow.feather.read_table(log / "annotations.feather").to_pylist():
        pose = poses[row["timestamp_ns"]]
        x, y, z = turned(pose, row["tx_m"], row["ty_m"], row["tz_m"])
        place = (x + pose["tx_m"], y + pose["ty_m"], z + pose["tz_m"])
        boxes_of[row["track_uuid"]].append((row["timestamp_ns"], *place))
        categories[row["track_uuid"]] = row["category"]
    found = lines_of(st_vlm, "argoverse2", real_data / "argoverse2" / "sensor" / "val")
    compare(found, boxes_of, categories)
    assert len(found) > 100


def turned(pose, x, y, z):
    """A vector turned by a pose's quaternion, as v + 2 q x (q x v + w v)."""
    w, a, b, c = pose["qw"], pose["qx"], pose["qy"], pose["qz"]
    px, py, pz = b * z - c * y + w * x, c * x - a * z + w * y, a * y - b * x + w * z
    return x + 2 * (b * pz - c * py), y + 2 * (c * px - a * pz), z + 2 * (a * py - b * px)


def test_the_real_incomplete_log(st_vlm, real_data):
    code, out, err = st_vlm("measure", "argoverse2", real_data / "argoverse2" / "incomplete")
    assert code == 2
    assert out == ""
    assert "city_SE3_egovehicle.feather is missing" in err
