"""A real class of model with random weights answers yes or no, with the probabilities that it gives those words."""

import numpy as np
import pytest
import stock_models
import torch

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.checking.vision_language import VisionLanguageCheck, verdict_of
from st_vlm.pseudo_labels.clip import Clip
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.unavailable import Unavailable
from st_vlm.video.encoding import write_video


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    model, processor = stock_models.qwen3_vl()
    processor.chat_template = stock_models.CHATML.replace("'video'", "'image'").replace(
        "VIDEO", "<|vision_start|><|image_pad|><|vision_end|>"
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (6, 96, 160, 3), np.uint8)
    write_video(folder / "a.mp4", images, [0.5 * k for k in range(6)])
    clip = Clip("a", "a.mp4", tuple(range(6)), tuple(500_000_000 * k for k in range(6)), (160, 96), 0, 5)
    boxes = np.full((3, 6, 4), np.nan)
    boxes[0], boxes[1, 2:4] = (10, 10, 60, 60), (80, 20, 150, 90)
    boxes[2, 0] = (0, 0, 2, 2)
    segments = Segments(("car", "dog", "person"), boxes, np.ones((3, 6)), (160, 96), (160, 96))
    return ClipFrames(clip, folder), segments


def test_every_object_has_a_verdict(checkpoint, clip):
    one = VisionLanguageCheck(str(checkpoint), views=3, batch=2, device="cpu")
    verdicts = one.check(*clip)
    assert [verdict.views for verdict in verdicts] == [3, 2, 0]
    assert all(0 <= verdict.sure <= 1 for verdict in verdicts)
    assert [verdict.holds for verdict in verdicts] == [verdict.sure >= 0.5 for verdict in verdicts]
    # Too small to be shown: nobody can say that it holds.
    assert not verdicts[2].holds
    again = VisionLanguageCheck(str(checkpoint), views=3, batch=5, device="cpu").check(*clip)
    np.testing.assert_allclose([v.sure for v in again], [v.sure for v in verdicts], atol=2e-3)


def test_the_probability_is_that_of_the_words(checkpoint, clip):
    one = VisionLanguageCheck(str(checkpoint), device="cpu")
    picture = next(iter(clip[0].images()))
    (given,) = one.probabilities([picture], ["car"])
    model, processor = one._loaded
    # By hand: the words' own tokens behind the prompt.
    from PIL import Image

    text = "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>Does this picture show a car? Answer with one word, yes or no.<|im_end|>\n<|im_start|>assistant\n"  # noqa: E501
    inputs = processor(text=[text], images=[[Image.fromarray(picture)]], return_tensors="pt")
    with torch.inference_mode():
        last = model(**inputs).logits[0, -1].softmax(-1)
    words = {True: ["yes", "Yes", " yes", " Yes"], False: ["no", "No", " no", " No"]}
    first = {
        key: {processor.tokenizer(w, add_special_tokens=False)["input_ids"][0] for w in of}
        for key, of in words.items()
    }
    shared = first[True] & first[False]
    yes, no = (sum(float(last[k]) for k in first[key] - shared) for key in (True, False))
    assert given == pytest.approx(yes / (yes + no), rel=1e-4)


def test_weights_that_cannot_be_had_are_told(tmp_path, clip):
    with pytest.raises(Unavailable, match="hf download"):
        VisionLanguageCheck(str(tmp_path / "nowhere"), device="cpu").check(*clip)


@pytest.mark.parametrize("option", [{"threshold": 1.5}, {"views": 0}, {"batch": 0}])
def test_options_that_cannot_be_are_refused(option):
    with pytest.raises(InputError, match="A check needs"):
        VisionLanguageCheck(**option)


def test_verdicts_are_means_of_views():
    assert verdict_of([0.9, 0.2, 0.6], 0.5).holds
    assert not verdict_of([0.4, 0.5], 0.5).holds
    assert not verdict_of([], 0.5).holds
