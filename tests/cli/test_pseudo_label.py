"""`st-vlm pseudo-label --evaluate` as a user runs it."""

import json

import pytest

KEYS = {
    "clips", "tracks", "answered_rate", "distance_mre_moving", "static_zero_rate", "moving_called_static_rate",
    "hour_exact_balanced", "hour_within_1", "heading_error_deg_median", "interval_iou", "coverage_68",
}  # fmt: skip


def test_figures_of_two_scenes(st_vlm):
    arguments = ("--evaluate", "simulated", "--num-recordings", "2", "--noise", "bar", "--format", "json")
    code, out, err = st_vlm("pseudo-label", *arguments)
    assert code == 0, err
    figures = json.loads(out)
    assert set(figures) >= KEYS
    assert figures["clips"] == 2
    assert figures["tracks"] >= 8
    assert 0 <= figures["distance_mre_moving"] < 0.15
    assert json.loads(st_vlm("pseudo-label", *arguments)[1]) == figures


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
