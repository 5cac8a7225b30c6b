"""Depth Pro with odometry: the real classes with tiny random weights on a clip made here, and what becomes metres."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import DepthProConfig, DepthProForDepthEstimation, DepthProImageProcessor

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.clip_geometry import check_geometry, read_geometry, write_geometry
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.geometry.depth_pro import DepthProOdometry, lens_of_view, metric_depth
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.unavailable import Unavailable
from st_vlm.video.encoding import write_video

SIZE = (480, 270)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder with a tiny random Depth Pro whose field of view is about 60 degrees."""
    torch.manual_seed(0)
    encoder = {
        "model_type": "dinov2",
        "num_hidden_layers": 2,
        "hidden_size": 16,
        "num_attention_heads": 1,
        "patch_size": 4,
    }
    config = DepthProConfig(
        patch_size=16,
        fusion_hidden_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[10, 8],
        scaled_images_ratios=[0.5, 1.0],
        scaled_images_overlap_ratios=[0.0, 0.2],
        scaled_images_feature_dims=[12, 12],
        image_model_config=dict(encoder),
        patch_model_config=dict(encoder),
        fov_model_config=dict(encoder),
        use_fov_model=True,
    )
    model = DepthProForDepthEstimation(config)
    with torch.no_grad():
        list(model.fov_model.head.parameters())[-1].fill_(60.0)
        # Inverse depth around 0.1, as outdoors.
        list(model.head.parameters())[-1].fill_(0.1)
    folder = tmp_path_factory.mktemp("depth-pro")
    model.save_pretrained(folder)
    DepthProImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A video of a picture that stands still, and its clip of five frames half a second apart."""
    import cv2

    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    parts = [
        cv2.resize(rng.uniform(0, 255, (270 // k, 480 // k)), SIZE, interpolation=cv2.INTER_CUBIC) for k in (5, 18)
    ]
    picture = np.repeat(np.clip(sum(parts) / 2, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    write_video(folder / "still.mp4", [picture] * 21, (0.1 * np.arange(21)).tolist())
    times = tuple(range(0, 2_000_000_001, 500_000_000))
    return ClipFrames(Clip("still", "still.mp4", (0, 5, 10, 15, 20), times, SIZE, 0, 20), folder)


@pytest.fixture
def nothing():
    """A clip without objects."""
    return Segments((), np.empty((0, 5, 4)), np.empty((0, 5)), SIZE, SIZE)


def with_clip(frames: ClipFrames, **changes) -> ClipFrames:
    return ClipFrames(replace(frames.clip, **changes), frames.path.parent)


def test_a_clip_end_to_end(checkpoint, clip, nothing, tmp_path):
    backend = DepthProOdometry(str(checkpoint), device="cpu", batch=2)
    geometry = backend.measure(clip, nothing)
    check_geometry(geometry, "the clip")
    assert geometry.depth.shape == (5, 180, 320)
    assert geometry.depth.dtype == np.float32
    assert (geometry.backend, geometry.licence) == ("depthpro-odometry", "apple-amlr")
    # The picture stands: so does the camera, in a world whose z axis is up.
    np.testing.assert_allclose(geometry.poses, np.tile(geometry.poses[0], (5, 1, 1)))
    np.testing.assert_allclose(geometry.poses[0, :3, 3], 0)
    # About 60 degrees are about 416 pixels of 480.
    assert geometry.intrinsics[0, 0] == pytest.approx(480 / 2 / np.tan(np.radians(30)), rel=0.1)
    assert geometry.intrinsics[:2, 2].tolist() == [239.5, 134.5]
    write_geometry(geometry, tmp_path / "g.npz")
    np.testing.assert_allclose(read_geometry(tmp_path / "g.npz").depth, geometry.depth, rtol=1e-3)


def test_batches_change_nothing(checkpoint, clip, nothing):
    one, many = (
        DepthProOdometry(str(checkpoint), device="cpu", batch=batch).measure(clip, nothing).depth for batch in (1, 5)
    )
    # A model tells the inverse; of what it puts far away hardly a digit is its own.
    np.testing.assert_allclose(1 / one, 1 / many, rtol=1e-3, atol=1e-5)


def test_known_intrinsics_win_and_change_the_metres(checkpoint, clip, nothing):
    backend = DepthProOdometry(str(checkpoint), device="cpu")
    shorter, longer = (
        backend.measure(with_clip(clip, intrinsics=(f, 0.0, 230.0, 0.0, f, 130.0, 0.0, 0.0, 1.0)), nothing)
        for f in (300.0, 600.0)
    )
    assert shorter.intrinsics[0].tolist() == [300.0, 0.0, 230.0]
    near = shorter.depth < 200
    assert near.mean() > 0.3
    np.testing.assert_allclose(longer.depth[near], 2 * shorter.depth[near], rtol=1e-4)


def test_metres_are_those_of_the_models_own_processing(checkpoint, clip):
    backend = DepthProOdometry(str(checkpoint), device="cpu")
    model, processor, _ = backend._load()
    image = next(iter(clip.images()))
    with torch.inference_mode():
        outputs = model(processor(images=[image], return_tensors="pt")["pixel_values"])
    theirs = processor.post_process_depth_estimation(outputs, target_sizes=[tuple(outputs.predicted_depth.shape[1:])])
    lens = lens_of_view(outputs.field_of_view.numpy(), clip.clip, "it")
    ours = metric_depth(outputs.predicted_depth.numpy(), lens[0, 0] / SIZE[0])
    known = np.isfinite(ours[0])
    np.testing.assert_allclose(ours[0][known], theirs[0]["predicted_depth"].numpy()[known], rtol=1e-4)


def test_what_is_far_is_the_sky():
    metres = metric_depth(np.array([[[0.0, 1e-6, 0.01, 2.0]]]), 1.0)
    np.testing.assert_allclose(metres[0, 0], [np.inf, np.inf, 100, 0.5])


def test_a_stated_camera_height_gives_the_scale(checkpoint, clip, nothing, monkeypatch):
    backend = DepthProOdometry(str(checkpoint), device="cpu")
    # A flat ground 3 m below a level camera, in place of random depth.
    focal, rows = 480 / 2 / np.tan(np.radians(30)), np.arange(180)[:, None] - 89.5
    with np.errstate(divide="ignore"):
        inverse = np.where(rows > 2, rows / (3 * focal * 320 / 480) * focal / 480, 1e-3) * np.ones((5, 180, 320))
    monkeypatch.setattr(backend, "_inverse_depth", lambda frames: (inverse, np.full(5, 60.0)))
    free = backend.measure(clip, nothing)
    assert free.camera_height == pytest.approx(3.0, rel=0.02)
    stated = backend.measure(with_clip(clip, camera_height=1.5), nothing)
    assert stated.camera_height == 1.5
    known = np.isfinite(free.depth)
    np.testing.assert_allclose(stated.depth[known], free.depth[known] / 2, rtol=0.02)
    assert stated.errors.common < free.errors.common


def test_a_dark_video_is_refused(checkpoint, nothing, tmp_path):
    write_video(tmp_path / "dark.mp4", [np.zeros((270, 480, 3), np.uint8)] * 21, (0.1 * np.arange(21)).tolist())
    times = tuple(range(0, 2_000_000_001, 500_000_000))
    dark = ClipFrames(Clip("dark", "dark.mp4", (0, 5, 10, 15, 20), times, SIZE, 0, 20), tmp_path)
    with pytest.raises(InputError, match="cannot be followed"):
        DepthProOdometry(str(checkpoint), device="cpu").measure(dark, nothing)


def test_a_full_memory_asks_for_a_smaller_batch(checkpoint, clip, nothing, monkeypatch):
    backend = DepthProOdometry(str(checkpoint), device="cpu")
    model, _, _ = backend._load()

    def full(**inputs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(model, "forward", full)
    with pytest.raises(Unavailable, match="smaller batch"):
        backend.measure(clip, nothing)


def test_weights_that_cannot_be_had_are_a_sentence(clip, nothing, tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        DepthProOdometry(str(tmp_path / "nowhere"), device="cpu").measure(clip, nothing)


def test_no_field_of_view_and_no_intrinsics_are_a_sentence(clip):
    with pytest.raises(InputError, match="intrinsics"):
        lens_of_view(np.full(5, np.nan), clip.clip, "it")


@pytest.mark.parametrize("options", [{"batch": 0}, {"step_s": 0.0}])
def test_options_that_cannot_be_are_refused(options):
    with pytest.raises(InputError, match="batch"):
        DepthProOdometry(**options)
