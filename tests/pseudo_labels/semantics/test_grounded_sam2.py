"""Grounding DINO with SAM 2 for video, with tiny random weights of the real classes."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import torch

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import make_backend
from st_vlm.pseudo_labels.segments import read_segments, write_segments
from st_vlm.pseudo_labels.semantics.grounded_sam2 import GroundedSam2
from st_vlm.pseudo_labels.semantics.grounding_dino import GroundingDino
from st_vlm.pseudo_labels.semantics.mask_tracker import MaskTracker


@pytest.fixture
def images(short_clip):
    return list(short_clip.at(range(0, 16, 2)))


def test_a_clip_from_its_video_to_its_segments(tiny, short_clip, tmp_path):
    detector, tracker = tiny("grounding-dino-tiny"), tiny("sam2.1-hiera-tiny")
    backend = GroundedSam2(detector, tracker, classes="car,person", every_s=9.0, step_s=0.5, most=3)
    segments = backend.segment(short_clip)
    # What random weights find in the one image that they are asked about is in all: they are made to believe so.
    assert 1 <= len(segments) <= 3
    assert set(segments.categories) <= {"car", "person"}
    assert segments.seen.all()
    assert ((segments.scores > 0) & (segments.scores <= 1)).all()
    inside = (segments.boxes >= 0) & (segments.boxes <= [160, 120, 160, 120])
    assert inside.all()
    assert (segments.backend, segments.licence) == ("grounded-sam2", "Apache-2.0")
    write_segments(segments, tmp_path / "s.parquet")
    assert read_segments(tmp_path / "s.parquet").masks == dict(segments.masks)
    assert backend.segment(short_clip).masks == segments.masks


def test_in_16_bits_asked_often(tiny, short_clip):
    backend = GroundedSam2(
        tiny("grounding-dino-tiny"),
        tiny("sam2.1-hiera-tiny"),
        classes=["car"],
        device="cpu",
        dtype="bfloat16",
        every_s=0.5,
        step_s=0.5,
        most=2,
        batch=3,
    )
    assert backend.segment(short_clip).boxes.shape[1:] == (4, 4)


def test_nothing_is_found_where_nothing_is_sure_enough(tiny, short_clip):
    backend = GroundedSam2(tiny("grounding-dino-tiny"), tiny("sam2.1-hiera-tiny"), box_threshold=1.0)
    segments = backend.segment(short_clip)
    assert segments.boxes.shape == (0, 4, 4)


def test_the_command_line_s_options():
    backend = make_backend("semantics", "grounded-sam2", {"classes": "dog, horse", "every_s": 1.0})
    assert backend.detector.classes == ("dog", "horse")
    assert backend.tracker.checkpoint == "facebook/sam2.1-hiera-large"
    assert backend.licence == "Apache-2.0"
    assert GroundedSam2("mine/weights").licence == "unknown and Apache-2.0"
    needed = [each for each in inspect.signature(GroundedSam2).parameters.values() if each.default is each.empty]
    assert not needed


def test_torch_waits_until_it_is_needed():
    code = (
        "import sys; from st_vlm.pseudo_labels.semantics.grounded_sam2 import GroundedSam2; GroundedSam2();"
        "from st_vlm.pseudo_labels.semantics.sam3 import Sam3; Sam3(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_many_images_are_seen_as_one_is(tiny, images):
    detector = GroundingDino(tiny("grounding-dino-tiny"), ("car", "dog", "sports ball", "person"), classes_at_once=3)
    together = detector.detect(images[:3], (320, 240))
    for image, found in zip(images, together, strict=False):
        [alone] = detector.detect([image], (320, 240))
        assert alone.categories.tolist() == found.categories.tolist()
        np.testing.assert_allclose(alone.boxes, found.boxes, atol=0.1)
        np.testing.assert_allclose(alone.scores, found.scores, atol=1e-3)
    assert all(len(found) for found in together)
    assert all((found.boxes[:, 2:] <= [320, 240]).all() for found in together)


def test_scores_and_boxes_are_the_model_s(tiny, images):
    """One phrase alone: the library's own reading of the output must give the same boxes and scores."""
    from transformers import GroundingDinoForObjectDetection, GroundingDinoProcessor

    folder = tiny("grounding-dino-tiny")
    processor = GroundingDinoProcessor.from_pretrained(folder)
    model = GroundingDinoForObjectDetection.from_pretrained(folder).eval()
    inputs = processor(images=images[0], text="a dog.", return_tensors="pt")
    with torch.no_grad():
        output = model(**inputs)
    # The score of any token is the library's; that of "dog" is ours.
    output.logits[..., [0, 1, 3, 4]] = -torch.inf
    [true] = processor.post_process_grounded_object_detection(
        output, threshold=0.3, text_threshold=0.25, target_sizes=[(120, 160)]
    )
    [found] = GroundingDino(folder, ("dog",)).detect(images[:1], (160, 120))
    assert set(found.categories) == {"dog"}
    boxes = np.clip(true["boxes"].numpy(), 0, [160, 120, 160, 120])
    for box, score in zip(found.boxes, found.scores, strict=True):
        same = np.abs(boxes - box).max(axis=1) < 0.05
        assert np.abs(true["scores"].numpy()[same] - score).min() < 1e-4


def logits_of(output):
    return output.pred_masks.float().numpy()[0, 0]


@pytest.mark.parametrize(("kind", "name"), [("sam2", "sam2.1-hiera-tiny"), ("edgetam", "edgetam")])
def test_masks_are_those_of_a_whole_session_in_the_library(tiny, images, kind, name):
    """Features made beforehand, an object a session, and forgetting change nothing: forwards nor backwards."""
    from transformers import EdgeTamVideoModel, Sam2VideoModel, Sam2VideoProcessor

    folder, box, start = tiny(name), np.array([[40.0, 30, 90, 80]]), 4
    processor = Sam2VideoProcessor.from_pretrained(folder)
    model = {"sam2": Sam2VideoModel, "edgetam": EdgeTamVideoModel}[kind].from_pretrained(folder).eval()
    session = processor.init_video_session(video=np.stack(images))
    processor.add_inputs_to_inference_session(session, start, [1], input_boxes=[box.tolist()])
    true = {start: logits_of(model(session, frame_idx=start))}
    for output in model.propagate_in_video_iterator(session, start_frame_idx=start):
        true[output.frame_idx] = logits_of(output)
    back = {
        output.frame_idx: logits_of(output)
        for output in model.propagate_in_video_iterator(session, start_frame_idx=start, reverse=True)
    }

    tracking = MaskTracker(kind, folder, batch=3).open(iter(images))
    # Another one that began before must not matter.
    tracking.start(0, np.array([[0.1, 0.1, 0.3, 0.3]]))
    [number] = tracking.start(start, box / [160, 120, 160, 120])
    for image in range(start, len(images)):
        if image > start:
            tracking.step(image, [0, number])
        np.testing.assert_allclose(tracking._last[-1].numpy()[0, 0], true[image], atol=1e-3)
    for image in range(start - 1, -1, -1):
        scores = tracking.step(image, [number], backwards=True)
        assert scores.shape == (1,)
        np.testing.assert_allclose(tracking._last[0].numpy()[0, 0], back[image], atol=1e-3)
    masks = tracking.masks((160, 120))
    assert (masks.shape, masks.dtype) == ((1, 120, 160), bool)


def test_what_is_not_looked_back_at_is_forgotten(tiny, images):
    tracking = MaskTracker("sam2", tiny("sam2.1-hiera-tiny"), dtype="bfloat16").open(images * 2)
    tracking.start(0, np.array([[0.1, 0.1, 0.5, 0.5]]))
    for image in range(1, 2 * len(images)):
        tracking.step(image, [0])
    kept = tracking._sessions[0].output_dict_per_obj[0]
    # Four images back, and as many after the beginning.
    assert sorted(kept["non_cond_frame_outputs"]) == [1, 2, 3, 4, 11, 12, 13, 14, 15]
    outputs = [output for part in kept.values() for output in part.values()]
    assert not any("high_res_masks" in output for output in outputs)
    assert not any(frame is not None for frame in tracking._sessions[0].processed_frames.values())


@pytest.mark.gpu
def test_on_a_gpu(tiny, short_clip):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    backend = GroundedSam2(tiny("grounding-dino-tiny"), tiny("sam2.1-hiera-tiny"), classes=["car"], most=2)
    assert backend.segment(short_clip).boxes.shape[1:] == (4, 4)
    assert all(level.device.type == "cpu" for level in backend.tracker.open(short_clip.images())._features._kept[0])


@pytest.mark.parametrize(
    ("options", "words"), [({"dtype": "int8"}, "float32"), ({"device": "nonsense"}, "nonsense"), ({"most": 0}, "most")]
)
def test_options_that_cannot_be(tiny, short_clip, options, words):
    with pytest.raises(InputError, match=words):
        GroundedSam2(tiny("grounding-dino-tiny"), tiny("sam2.1-hiera-tiny"), **options).segment(short_clip)
