"""The runners of tools that live in environments of their own; a stand-in takes the place of each tool's module.

The tools need other versions of NumPy and many gigabytes of weights: they cannot be installed beside this package.
"""

import importlib
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from pseudo_labels.geometry.streets import camera_at, mapped, street_depth

from st_vlm.kinematics.poses import invert
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.files import write_json
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.external import DepthAnything3, MapAnything
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.video.decoding import probe, read_frames
from st_vlm.video.encoding import write_video

RUNNERS = Path(__file__).resolve().parents[2] / "recipes" / "runners"
SIZE, COUNT = (640, 360), 3
LENS = np.array([[500.0, 0, 319.5], [0, 500, 179.5], [0, 0, 1]])
TRUE = np.stack([camera_at((1.5 * k, 0, 1.6), pitch=4) for k in range(COUNT)])
LOCAL = invert(TRUE[0]) @ TRUE


@pytest.fixture
def runner(monkeypatch):
    """A runner's module, imported as a script imports its neighbour."""
    monkeypatch.syspath_prepend(str(RUNNERS))

    def load(name: str):
        for module in ("clip_folder", name):
            monkeypatch.delitem(sys.modules, module, raising=False)
        return importlib.import_module(name)

    yield load
    for module in ("clip_folder", "run_depth_anything_3", "run_map_anything"):
        sys.modules.pop(module, None)


@pytest.fixture
def run_folder(tmp_path):
    """OUT with three clips of one video: the second one's frames are beyond its end."""
    videos = tmp_path / "videos"
    videos.mkdir()
    grey = [np.full((SIZE[1], SIZE[0], 3), 5 * k, np.uint8) for k in range(20)]
    write_video(videos / "one.mp4", grey, (0.1 * np.arange(20)).tolist())
    out = tmp_path / "out"
    for name, frames in (("a", (0, 5, 10)), ("b", (5, 10, 90)), ("c", (9, 14, 19))):
        (out / "clips" / name).mkdir(parents=True)
        clip = Clip(name, "one.mp4", frames, (0, 500_000_000, 10**9), SIZE, frames[0], frames[-1])
        clip.write(out / "clips" / name / "clip.json")
    write_json(out / "run.json", {"videos": str(videos)})
    return out


def frames_of(out: Path, name: str) -> ClipFrames:
    return ClipFrames(Clip.read(out / "clips" / name / "clip.json"), out.parent / "videos")


def nothing() -> Segments:
    return Segments((), np.empty((0, COUNT, 4)), np.empty((0, COUNT)), SIZE, SIZE)


class StandInDepthAnything:
    """With the signature and the conventions of `depth_anything_3.api.DepthAnything3` 0.1.1."""

    def __init__(self):
        self.asked = []

    @classmethod
    def from_pretrained(cls, name):
        cls.made = cls()
        cls.made.name = name
        return cls.made

    def to(self, device):
        return self

    def eval(self):
        return self

    def inference(self, image, *, process_res, process_res_method, use_ray_pose, ref_view_strategy):
        self.asked.append([int(one.mean().round()) for one in image])
        assert all(one.shape == (360, 640, 3) and one.dtype == np.uint8 for one in image)
        width, height = 504, 280
        lens = mapped(LENS, np.array([width, height]) / SIZE, np.zeros(2))
        depth = np.stack([street_depth(pose, lens, (width, height)) for pose in TRUE]).astype(np.float32)
        sky = np.isinf(depth)
        # Nested models give the sky one depth and confidence 1, and no mask.
        depth[sky] = 61.7
        confidence = np.where(sky, 1.0, 3.0 + 0.001 * depth).astype(np.float32)
        extrinsics = invert(LOCAL)[:, :3].astype(np.float32)
        lenses = np.tile(lens, (COUNT, 1, 1)).astype(np.float32)
        return types.SimpleNamespace(
            depth=depth, conf=confidence, sky=None, extrinsics=extrinsics, intrinsics=lenses, is_metric=1
        )  # fmt: skip


@pytest.fixture
def depth_anything(monkeypatch):
    package, api = types.ModuleType("depth_anything_3"), types.ModuleType("depth_anything_3.api")
    api.DepthAnything3 = StandInDepthAnything
    monkeypatch.setitem(sys.modules, "depth_anything_3", package)
    monkeypatch.setitem(sys.modules, "depth_anything_3.api", api)


def test_depth_anything_3_from_videos_to_geometry(runner, run_folder, depth_anything, capsys):
    main = runner("run_depth_anything_3").main
    assert main([str(run_folder), "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert "b failed" in said
    assert "2 done, 1 failed" in said
    # Each clip's own frames, in order: the grey of frame k is 5 k.
    true = [[0, 25, 50], [45, 70, 95]]
    np.testing.assert_allclose(StandInDepthAnything.made.asked, true, atol=2)
    folder = run_folder / "depth-anything-3"
    assert sorted(path.name for path in folder.iterdir()) == ["a.npz", "c.npz"]
    geometry = DepthAnything3(folder, least_confident=0).measure(frames_of(run_folder, "a"), nothing())
    exact = np.stack([street_depth(pose, geometry.depth_intrinsics, (320, 180)) for pose in TRUE])
    both = np.isfinite(exact) & (exact < 50) & np.isfinite(geometry.depth)
    assert np.quantile(np.abs(geometry.depth[both] / exact[both] - 1), 0.95) < 0.02
    assert (np.isinf(geometry.depth) == np.isinf(exact)).mean() > 0.99
    np.testing.assert_allclose(np.diff(geometry.poses[:, 0, 3]), 1.5, rtol=0.01)
    assert geometry.licence == "CC-BY-NC-4.0"


def test_what_is_done_is_not_done_again(runner, run_folder, depth_anything, capsys):
    main = runner("run_depth_anything_3").main
    main([str(run_folder), "--device", "cpu"])
    before = {path.name: path.stat().st_mtime_ns for path in (run_folder / "depth-anything-3").iterdir()}
    # The clip that failed gets its frames; another was cut anew since; the third is as it was.
    for name, frames in (("b", (5, 10, 15)), ("c", (8, 13, 18))):
        Clip(name, "one.mp4", frames, (0, 500_000_000, 10**9), SIZE, frames[0], frames[-1]).write(
            run_folder / "clips" / name / "clip.json"
        )
    assert main([str(run_folder), "--device", "cpu"]) == 0
    assert "2 clips to do" in capsys.readouterr().err
    after = {path.name: path.stat().st_mtime_ns for path in (run_folder / "depth-anything-3").iterdir()}
    assert sorted(after) == ["a.npz", "b.npz", "c.npz"]
    assert after["a.npz"] == before["a.npz"]
    assert main([str(run_folder), "--again", "--shard", "1/3", "--device", "cpu"]) == 0
    assert "1 clips to do" in capsys.readouterr().err


def test_clips_that_were_dropped_before_are_left_out(runner, run_folder, depth_anything, capsys):
    (run_folder / "clips" / "a" / "failed.json").write_text("{}")
    runner("run_depth_anything_3").main([str(run_folder), "--device", "cpu"])
    assert not (run_folder / "depth-anything-3" / "a.npz").exists()


def test_a_result_is_whole_or_not_there(runner, run_folder, depth_anything, monkeypatch):
    module = runner("run_depth_anything_3")
    folder = sys.modules["clip_folder"]
    monkeypatch.setattr(folder.np, "savez_compressed", lambda file, **arrays: (file.write(b"half"), 1 / 0))
    assert module.main([str(run_folder), "--device", "cpu"]) == 1
    assert list((run_folder / "depth-anything-3").iterdir()) == []


def test_models_without_metres_are_refused(runner):
    found = runner("run_depth_anything_3").found
    with pytest.raises(ValueError, match="no metres"):
        found(types.SimpleNamespace(extrinsics=np.eye(4)[None], intrinsics=np.eye(3)[None], is_metric=0))


class StandInMapAnything:
    """With the signature and the conventions of `mapanything.models.MapAnything`."""

    @classmethod
    def from_pretrained(cls, name):
        return cls()

    def to(self, device):
        return self

    def eval(self):
        return self

    def infer(self, views, *, memory_efficient_inference, use_amp, amp_dtype, apply_mask, mask_edges,
              apply_confidence_mask):  # fmt: skip
        # 640 x 360 covers 518 x 294 at 294 / 360: the sides are cut.
        scale = np.full(2, 294 / 360)
        lens = mapped(LENS, scale, np.array([-(640 * 294 / 360 - 518) / 2, 0]))
        predictions = []
        for view, true, local in zip(views, TRUE, LOCAL, strict=True):
            assert view["prepared"]
            np.testing.assert_allclose(view["intrinsics"], LENS)
            depth = street_depth(true, lens, (518, 294))
            sky = np.isinf(depth)
            predictions.append(
                {
                    "depth_z": torch.tensor(np.where(sky, 77.0, depth))[None, ..., None],
                    "mask": torch.tensor(~sky)[None, ..., None],
                    "conf": torch.full((1, 294, 518), 2.0),
                    "intrinsics": torch.tensor(lens)[None],
                    "camera_poses": torch.tensor(local)[None],
                }
            )
        return predictions


@pytest.fixture
def map_anything(monkeypatch):
    names = ("mapanything", "mapanything.models", "mapanything.utils", "mapanything.utils.image")
    modules = {name: types.ModuleType(name) for name in names}
    modules["mapanything.models"].MapAnything = StandInMapAnything
    modules["mapanything.utils.image"].preprocess_inputs = lambda views: [{**view, "prepared": True} for view in views]
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)


def test_map_anything_is_given_known_lenses(runner, run_folder, map_anything):
    for name in "abc":
        path = run_folder / "clips" / name / "clip.json"
        clip = Clip.read(path)
        Clip(**{**clip.__dict__, "intrinsics": tuple(LENS.ravel().tolist())}).write(path)
    assert runner("run_map_anything").main([str(run_folder), "--device", "cpu", "--shard", "0/2"]) == 0
    geometry = MapAnything(run_folder / "map-anything").measure(frames_of(run_folder, "a"), nothing())
    exact = np.stack([street_depth(pose, geometry.depth_intrinsics, (320, 180)) for pose in TRUE])
    both = np.isfinite(exact) & (exact < 50) & np.isfinite(geometry.depth)
    assert both.mean() > 0.4
    assert np.quantile(np.abs(geometry.depth[both] / exact[both] - 1), 0.95) < 0.02
    # The cut sides and the masked sky are not known.
    assert np.isnan(geometry.depth[..., 0]).all()
    assert np.isnan(geometry.depth[:, 0]).all()
    np.testing.assert_allclose(np.diff(geometry.poses[:, 0, 3]), 1.5, rtol=0.01)


def test_frames_are_those_that_the_package_reads(runner, tmp_path):
    """Numbered alike, also where the video begins within a run of frames, and turned as players show it."""
    rng = np.random.default_rng(0)
    images = (
        np.repeat(rng.integers(0, 255, (30, 9, 16, 1), np.uint8), 3, axis=-1).repeat(16, axis=1).repeat(16, axis=2)
    )
    write_video(tmp_path / "v.mp4", images, (0.1 * np.arange(30)).tolist())
    runner("run_map_anything")
    folder = sys.modules["clip_folder"]
    numbers = [3, 12, 13, 27]
    clip = {"id": "v", "video": "v.mp4", "frames": numbers, "size": [256, 144]}
    arguments = types.SimpleNamespace(videos=tmp_path, out=tmp_path)
    got = folder.read_images(clip, arguments)
    expected = read_frames(tmp_path / "v.mp4", numbers, probe(tmp_path / "v.mp4"))
    # Each converts colours in its own way, by a step or two.
    assert np.abs(np.stack(got).astype(int) - expected.astype(int)).max() <= 4
    with pytest.raises(ValueError, match="leads out"):
        folder.read_images({**clip, "video": "../v.mp4"}, arguments)
    with pytest.raises(ValueError, match="pixels large"):
        folder.read_images({**clip, "size": [255, 144]}, arguments)


@pytest.mark.parametrize("name", ["run_depth_anything_3", "run_map_anything"])
def test_runners_need_neither_the_package_nor_the_tool_to_explain_themselves(name, tmp_path):
    # Isolated from this checkout's package: an import of it would fail the run.
    blocked = tmp_path / "st_vlm"
    blocked.mkdir()
    (blocked / "__init__.py").write_text("raise ImportError('runners must not need st_vlm')")
    done = subprocess.run(
        [sys.executable, str(RUNNERS / f"{name}.py"), "--help"],
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "--shard" in done.stdout


@pytest.mark.parametrize("tool", ["depth-anything-3", "map-anything"])
def test_requirements_name_the_tool_at_a_fixed_version(tool):
    lines = (RUNNERS / f"requirements-{tool}.txt").read_text().splitlines()
    named = [line for line in lines if line.replace("_", "-").startswith((tool, tool.replace("-", "")))]
    assert len(named) == 1
    assert "==" in named[0] or "@v" in named[0]
