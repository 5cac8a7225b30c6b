"""`st-vlm pseudo-label` as a user runs it: over a folder of good and bad videos, and with `--evaluate`."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_videos import write_frames
from pseudo_labels.runs import contents
from pseudo_labels.simulated_clips import geometry_of, segments_of, simulated_clips, video_size, write_clip_video

from st_vlm.pseudo_labels.clip_geometry import write_geometry
from st_vlm.pseudo_labels.segments import write_segments

KEYS = {
    "clips", "tracks", "answered_rate", "distance_mre_moving", "static_zero_rate", "moving_called_static_rate",
    "hour_exact_balanced", "hour_within_1", "heading_error_deg_median", "interval_iou", "coverage_68",
}  # fmt: skip


def test_figures_are_the_same_every_time(st_vlm):
    arguments = ("--evaluate", "simulated", "--num-recordings", "1", "--noise", "bar", "--format", "json")
    code, out, err = st_vlm("pseudo-label", *arguments)
    assert code == 0, err
    figures = json.loads(out)
    assert set(figures) >= KEYS
    assert figures["clips"] == 1
    assert figures["tracks"] >= 3
    assert 0 <= figures["distance_mre_moving"] < 0.15
    assert json.loads(st_vlm("pseudo-label", *arguments)[1]) == figures


@pytest.mark.slow
def test_tables_are_printed_with_the_cause_of_errors(st_vlm):
    code, out, err = st_vlm("pseudo-label", "--evaluate", "simulated", "--num-recordings", "1", "--causes")
    assert code == 0, err
    for word in ("distance_mre_moving", "range", "speed", "class", "exact part", "scale"):
        assert word in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--noise", "loud"), "There is no noise 'loud': choose one of none, bar, hard."),
        (("--semantics", "sam9"), "There is no semantics 'sam9'"),
        (("--geometry", "guess"), "There is no geometry 'guess'"),
    ],
)
def test_unknown_names_are_refused(st_vlm, arguments, sentence):
    code, out, err = st_vlm("pseudo-label", "--evaluate", "simulated", *arguments)
    assert code == 2
    assert not out
    assert sentence in err


def test_a_source_without_exact_masks_is_refused(st_vlm, real_data):
    code, _, err = st_vlm("pseudo-label", real_data / "nuscenes", "--evaluate", "nuscenes")
    assert code == 2
    assert "has no exact depth and masks" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("source", "path", "least"),
    [("nuscenes", "nuscenes", 3), ("argoverse2", "argoverse2/sensor", 9), ("kitti", "kitti_tracking", 6)],
)
def test_true_boxes_on_the_ground_of_real_recordings(st_vlm, real_data, source, path, least):
    arguments = ("--evaluate", source, "--geometry", "ground-plane", "--format", "json")
    code, out, err = st_vlm("pseudo-label", real_data / path, *arguments)
    assert code in (0, 1), err
    figures = json.loads(out)
    assert figures["vehicles_answered"] >= least
    assert figures["vehicles_distance_median"] <= 0.25


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--geometry", "depthpro-odometry"), "Against truth the geometry is one of given, ground-plane"),
        (("--semantics", "onnx"), "is held against truth with --geometry ground-plane"),
        (("--geometry", "ground-plane", "--noise", "bar"), "Noise and causes are for exact masks"),
    ],
)
def test_parts_that_cannot_be_combined_are_refused(st_vlm, arguments, sentence):
    code, out, err = st_vlm("pseudo-label", "--evaluate", "simulated", *arguments)
    assert (code, out) == (2, "")
    assert sentence in err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A good video and bad ones, with masks and geometry that are as bad."""
    user = tmp_path_factory.mktemp("user")
    for part in ("videos", "masks", "geometry"):
        (user / part).mkdir()
    truth = simulated_clips(1, seed=5)[0]
    good, masks, geometry = user / "videos" / "good.mp4", segments_of(truth), geometry_of(truth, "bar")
    write_clip_video(truth, good)
    nan = replace(geometry, depth=np.full_like(geometry.depth, np.nan))
    jump = geometry.poses.copy()
    jump[len(jump) // 2 :, 0, 3] += 100
    width, height = video_size()
    other = replace(masks, size=(height, width), mask_size=(height, width))
    cases = {
        "good": (masks, geometry),
        "depth-of-nan": (masks, nan),
        "jump": (masks, replace(geometry, poses=jump)),
        "other-masks": (other, geometry),
        "no-geometry": (masks, None),
    }
    for name, (its_masks, its_geometry) in cases.items():
        if name != "good":
            shutil.copy(good, user / "videos" / f"{name}.mp4")
        write_segments(its_masks, user / "masks" / f"{name}.parquet")
        if its_geometry is not None:
            write_geometry(its_geometry, user / "geometry" / f"{name}.npz")
    picture = truth.recording.frames.read(0)[:height]
    times = np.arange(40) / 10
    write_frames(user / "videos" / "black.mp4", [np.zeros_like(picture)] * 40, times)
    write_frames(user / "videos" / "frozen.mp4", [picture] * 40, times)
    write_frames(user / "videos" / "single.mp4", [picture], [0.0])
    (user / "videos" / "text.mp4").write_text("no video, whatever its name says")
    return user


REASONS = {
    "depth-of-nan.mp4": ("lift", "No depth is known anywhere in the clip."),
    "jump.mp4": ("lift", "poses jump"),
    "other-masks.mp4": ("semantics", "another shape"),
    "no-geometry.mp4": ("geometry", "has no geometry for no-geometry.mp4"),
    "black.mp4": ("probe", "black.mp4 is black throughout."),
    "frozen.mp4": ("probe", "one picture that never changes"),
    "single.mp4": ("probe", "fewer than 2 frames"),
    "text.mp4": ("probe", "cannot be read as a video"),
}


def run_over(folder, out, *more):
    given = (
        f"{kind}-option path={folder / name}" for kind, name in (("semantics", "masks"), ("geometry", "geometry"))
    )
    options = (word for pair in given for word in f"--{pair}".split(" "))
    return (
        "pseudo-label", folder / "videos", "--out", out, "--semantics", "given", "--geometry", "given", *options,
        "--task", "traveled_distance", *more,
    )  # fmt: skip


def test_each_bad_video_has_its_sentence_and_the_run_goes_on(st_vlm, folder, tmp_path):
    out = tmp_path / "out"
    code, printed, err = st_vlm(*run_over(folder, out, "--format", "json"))
    assert code == 1, err
    assert "Traceback" not in err
    told = json.loads(printed)
    lines = {line["video"]: line for line in told["clips"]}
    assert set(lines) == {"good.mp4", *REASONS}
    assert lines["good.mp4"]["status"] == "kept"
    assert told["rows"]
    for video, (stage, sentence) in REASONS.items():
        assert (lines[video]["status"], lines[video]["stage"]) == ("dropped", stage)
        assert sentence in lines[video]["reason"]
    assert not [path for path in out.rglob(".*") if path.is_file()]

    # A second start does nothing twice, and prints a line a clip.
    before = {path: path.stat().st_mtime_ns for path in (out / "stkit").rglob("*.mp4")}
    assert before
    code, table, _ = st_vlm(*run_over(folder, out))
    assert code == 1
    assert len(table.splitlines()) == 1 + len(lines)
    assert {path: path.stat().st_mtime_ns for path in (out / "stkit").rglob("*.mp4")} == before

    # A file that was missing is looked for again.
    shutil.copy(folder / "geometry" / "good.npz", folder / "geometry" / "no-geometry.npz")
    try:
        told = json.loads(st_vlm(*run_over(folder, out, "--format", "json"))[1])
    finally:
        (folder / "geometry" / "no-geometry.npz").unlink()
    assert {line["video"] for line in told["clips"] if line["status"] == "kept"} == {"good.mp4", "no-geometry.mp4"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--seed", "3"), "was begun with another seed (0, now 3). Give --from lift"),
        (("--camera-height", "2"), "another camera height (not given, now 2.0). Give --from probe"),
        (("--semantics-option", "category=car"), "another semantics option category (not given, now car)."),
        (("--until", "check"), "The run has no stage check"),
        (("--until", "semantics", "--from", "lift"), "--from lift comes behind --until semantics."),
        (("--until", "middle"), "There is no stage 'middle'."),
    ],
)
def test_what_does_not_go_on_is_told_and_nothing_is_touched(st_vlm, folder, tmp_path, more, sentence):
    out, few = tmp_path / "out", ("--until", "probe", "--max-seconds", "4")
    assert st_vlm(*run_over(folder, out, *few))[0] == 1
    before = contents(out)
    code, printed, err = st_vlm(*run_over(folder, out, "--max-seconds", "4", *more))
    assert (code, printed) == (2, "")
    assert sentence in err
    assert contents(out) == before


def test_an_empty_folder(st_vlm, tmp_path):
    (tmp_path / "videos").mkdir()
    code, _, err = st_vlm("pseudo-label", tmp_path / "videos", "--out", tmp_path / "out")
    assert code == 2
    assert "holds no video" in err
    assert not (tmp_path / "out").exists()


def test_a_detector_that_finds_nothing_and_a_lens_of_other_images(st_vlm, real_data, tmp_path):
    model = real_data.parent / "models" / "FastestDet.onnx"
    if not model.is_file():
        pytest.skip(f"no model at {model}")
    (tmp_path / "videos").mkdir()
    wall = np.kron(np.random.default_rng(0).integers(90, 160, (20, 40, 3), np.uint8), np.ones((12, 12, 1), np.uint8))
    times = np.arange(35) / 10
    write_frames(tmp_path / "videos" / "wall.mp4", [wall[:180, 2 * k : 2 * k + 320] for k in range(35)], times)
    write_frames(tmp_path / "videos" / "large.mp4", [wall[:, k : k + 440] for k in range(0, 35)], times)
    code, printed, err = st_vlm(
        "pseudo-label", tmp_path / "videos", "--out", tmp_path / "out", "--semantics", "onnx",
        "--semantics-option", f"model={model}", "--geometry", "ground-plane", "--intrinsics", "300,300,100,90",
        "--camera-height", "1.5", "--format", "json",
    )  # fmt: skip
    assert code == 2, err
    told = {line["video"]: line["reason"] for line in json.loads(printed)["clips"]}
    assert told["wall.mp4"] == "No object was found in the clip."
    assert "far from the middle of large.mp4, which is 440x240 pixels" in told["large.mp4"]
    assert "No clip was kept." in err
