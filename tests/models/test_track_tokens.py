"""Track tokens from the processor through the model."""

import numpy as np
import pytest
import torch

from st_vlm.errors import InputError
from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
from st_vlm.models.tiny import make_tiny
from st_vlm.models.track_features import FEATURES, FLAGS, OF_MARK_AND_BOX, UNIT, UNKNOWN, track_features
from st_vlm.models.track_tokens import add_track_tokens
from st_vlm.video.marks import Mark

SIZE = (160, 90)
FRAMES = 5
TIMES = [0.0, 0.5, 1.0, 1.5, 2.0]
RED = {"color": "red", "boxes": [(10 + 8 * k, 40, 40 + 8 * k, 70) for k in range(FRAMES)]}
BLUE = {"color": "blue", "boxes": [(90, 30, 120, 60), None, (80, 30, 110, 60), None, (70, 30, 100, 60)]}
LEVEL = [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 1.5], [0.0, 0.0, 0.0, 1.0]]
CAMERA = {
    "intrinsics": [[120.0, 0, 80], [0, 120, 45], [0, 0, 1]],
    "size": list(SIZE),
    "height": 1.5,
    "poses": [LEVEL] * FRAMES,
}
QUESTION = "<|im_start|>user\n<video>\nHow far does red go?<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def blind():
    """The tiny model without vision tower, and its processor."""
    return make_tiny(sees_video=False)


def frames(seed=0):
    return np.random.default_rng(seed).integers(0, 255, (FRAMES, SIZE[1], SIZE[0], 3), np.uint8)


def ask(processor, **changes):
    given = {"videos": [frames()], "marks": [[RED, BLUE]], "timestamps": [TIMES], "cameras": [CAMERA]} | changes
    return processor(text=[QUESTION] * len(given["videos"]), padding=True, return_tensors="pt", **given)


def logits(model, inputs):
    with torch.no_grad():
        return model.eval()(**inputs).logits


def test_every_mark_has_a_line_with_a_token_a_frame_after_its_video(tiny):
    _, processor = tiny
    text = processor.decode(ask(processor)["input_ids"][0])
    after = text[text.rindex("<video>") :].removeprefix("<video>")
    token = "<track>" * FRAMES
    assert after.startswith(f"\nred: {token}\nblue: {token}\nHow far does red<track> go?")


def test_features_stand_in_the_order_of_the_tokens_and_rows_are_padded(tiny):
    _, processor = tiny
    batch = ask(
        processor,
        videos=[frames(), frames(1)],
        marks=[[RED, BLUE], [BLUE]],
        timestamps=[TIMES, TIMES],
        cameras=[CAMERA, None],
    )["track_features"]
    marks = [Mark(m["color"], tuple(m["boxes"])) for m in (RED, BLUE)]
    # A line of red, one of blue, and red where the question names it; the other clip has no red.
    assert batch.shape == (2, 2 * FRAMES + 1, len(FEATURES))
    lines = track_features(marks, np.array(TIMES), SIZE, CAMERA).reshape(2 * FRAMES, -1)
    np.testing.assert_array_equal(batch[0, :-1], lines)
    summary = FEATURES.index("summary")
    np.testing.assert_array_equal(np.delete(batch[0, -1], summary), np.delete(lines[FRAMES - 1], summary))
    np.testing.assert_array_equal(batch[1, :FRAMES], track_features(marks[1:], np.array(TIMES), SIZE, None)[0])
    assert batch[1, FRAMES, summary] * UNIT == 1
    assert (batch[1, FRAMES + 1 :] == UNKNOWN).all()
    assert (batch[0, :FRAMES, FEATURES.index("red")] * UNIT == 1).all()
    assert (batch[0, :FRAMES, FEATURES.index("blue")] == 0).all()
    x = FEATURES.index("x")
    assert batch[0, 0, x].item() * UNIT == pytest.approx((10 + 40) / 160 - 1, abs=UNIT)
    assert batch[0, FRAMES + 1, x] == UNKNOWN


def test_what_is_not_known_of_a_camera_is_unknown():
    marks = [Mark("red", tuple(RED["boxes"]))]
    of_camera = np.arange(len(FEATURES)) >= OF_MARK_AND_BOX
    assert (track_features(marks, np.array(TIMES), SIZE, None)[..., of_camera] == UNKNOWN).all()
    known = track_features(marks, np.array(TIMES), SIZE, CAMERA)
    assert (known[0, 2, of_camera] != UNKNOWN).mean() > 0.7  # headings wait for two metres


def test_intrinsics_of_another_image_size_are_brought_to_this_one():
    marks = [Mark("red", tuple(RED["boxes"]))]
    twice = np.diag([2.0, 2.0, 1.0]) @ np.array(CAMERA["intrinsics"])
    larger = CAMERA | {"intrinsics": twice.tolist(), "size": [2 * side for side in SIZE]}
    expected = track_features(marks, np.array(TIMES), SIZE, CAMERA)
    np.testing.assert_array_equal(track_features(marks, np.array(TIMES), SIZE, larger), expected)


def test_boxes_and_camera_reach_the_answer_also_in_the_backbone_alone(tiny):
    model, processor = tiny
    inputs = ask(processor)
    moved = {**RED, "boxes": [(x1 + 3, y1, x2 + 3, y2) for x1, y1, x2, y2 in RED["boxes"]]}
    for change in ({"marks": [[moved, BLUE]]}, {"cameras": [CAMERA | {"height": 2.5}]}, {"cameras": [None]}):
        # the pixels stay: only the tokens tell
        other = dict(ask(processor, **change)) | {"pixel_values_videos": inputs["pixel_values_videos"]}
        assert not torch.allclose(logits(model, inputs)[:, -1], logits(model, other)[:, -1], atol=1e-5)
    with torch.no_grad():
        hidden = model.model(**inputs)[0]
        assert torch.equal(model.lm_head(hidden), model(**inputs).logits)


def test_a_track_token_that_the_model_writes_is_a_word_like_others(tiny, monkeypatch):
    model, processor = tiny
    inputs = ask(processor)
    given = []
    forward = type(model.model).forward
    monkeypatch.setattr(
        type(model.model),
        "forward",
        lambda self, *a, **n: given.append(n.get("track_features")) or forward(self, *a, **n),
    )
    model.generate(**inputs, do_sample=False, min_new_tokens=3, max_new_tokens=3)
    assert given[0] is not None
    assert given[1:] == [None, None]


def test_vision_and_tracks_meet_as_they_would_one_by_one(tiny):
    """The embeddings of text, video and tracks are put where their tokens are, and nowhere else."""
    model, processor = tiny
    inputs = ask(processor)
    caught = {}
    hook = model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: caught.update(kwargs), with_kwargs=True
    )
    with torch.no_grad():
        model(**inputs)
        hook.remove()
        ids, embedded = inputs["input_ids"][0], caught["inputs_embeds"][0]
        video, track = (ids == model.config.video_token_id), (ids == model.config.track_token_index)
        expected = model.get_video_features(inputs["pixel_values_videos"]).pooler_output[0]
        torch.testing.assert_close(embedded[video], expected)
        torch.testing.assert_close(embedded[track], model.model.track_encoder(inputs["track_features"])[0])
        words = ~(video | track)
        assert torch.equal(embedded[words], model.get_input_embeddings()(ids[words]))


def test_batches_of_clips_with_and_without_images_marks_and_cameras_equal_single_runs(tiny):
    model, processor = tiny
    size_alone = {"size": list(SIZE)}
    items = [
        ({}, {}),
        ({"marks": [[]]}, {}),
        ({"marks": [[BLUE]], "cameras": [None]}, {}),
        ({"videos": [None]}, {}),
        ({"videos": [None], "marks": [[RED]], "cameras": [size_alone]}, {}),
    ]
    singles = [ask(processor, **change) for change, _ in items]
    given = {"videos": [frames()], "marks": [[RED, BLUE]], "timestamps": [TIMES], "cameras": [CAMERA]}
    joined = {key: [({**given, **change})[key][0] for change, _ in items] for key in given}
    together = processor(
        text=[QUESTION] * len(items), padding=True, padding_side="left", return_tensors="pt", **joined
    )
    whole = logits(model, together)
    for row, single in zip(whole, singles, strict=True):
        torch.testing.assert_close(row[-1], logits(model, single)[0, -1], atol=1e-4, rtol=1e-4)


def test_half_precision_leaves_the_numbers_exact(tiny_folder):
    model = STVLMForConditionalGeneration.from_pretrained(tiny_folder, dtype=torch.bfloat16)
    _, processor = make_tiny()
    inputs = ask(processor)
    cast = inputs.to("cpu", torch.bfloat16)
    assert torch.equal(cast["track_features"], ask(processor)["track_features"])
    assert torch.isfinite(logits(model, cast).float()).all()


def test_a_model_without_vision_reads_tracks_and_text_alone(blind, tmp_path):
    model, processor = blind
    assert not any("vision" in name or "projector" in name for name, _ in model.named_parameters())
    inputs = ask(processor, videos=[None])
    assert set(inputs) == {"input_ids", "attention_mask", "track_features"}
    # frames that are there are not shown to it
    torch.testing.assert_close(logits(model, ask(processor)), logits(model, inputs))
    assert "Frame times in seconds: 0 0.5 1 1.5 2\nred: <track>" in processor.decode(inputs["input_ids"][0])
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = STVLMForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(logits(again, inputs), logits(model, inputs))
    its_processor = type(processor).from_pretrained(tmp_path)
    assert (its_processor.sees_video, its_processor.track_tokens) == (False, True)
    tokens = again.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert tokens.shape[1] <= inputs["input_ids"].shape[1] + 4


def test_in_training_some_sequences_know_no_camera(tiny):
    encoder = tiny[0].model.track_encoder
    features = ask(tiny[1])["track_features"].expand(400, -1, -1)
    unknown = features.clone()
    unknown[..., OF_MARK_AND_BOX:] = UNKNOWN
    try:
        torch.manual_seed(0)
        with torch.no_grad():
            with_camera, without = encoder(features[:1]), encoder(unknown[:1])
            out = encoder.train()(features)
    finally:
        encoder.eval()
    dropped = (out - without).abs().amax(dim=(1, 2)) < 1e-5
    kept = (out - with_camera).abs().amax(dim=(1, 2)) < 1e-5
    assert (dropped ^ kept).all()
    assert 0.05 < dropped.float().mean() < 0.16


def test_a_checkpoint_without_them_gets_them(tmp_path):
    model, processor = make_tiny(track_tokens=False)
    inputs = ask(processor, cameras=None)
    before = logits(model, inputs)
    add_track_tokens(model, processor)
    assert torch.equal(logits(model, dict(inputs)), before)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = STVLMForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(logits(again, ask(type(processor).from_pretrained(tmp_path))), logits(model, ask(processor)))


@pytest.mark.parametrize("added", [False, True])
def test_before_anything_is_learned_a_flag_is_plainer_than_numbers(added):
    model, processor = make_tiny(track_tokens=not added, sees_video=False)
    if added:
        add_track_tokens(model, processor)
    encoder = model.model.track_encoder
    numbers = torch.randn(50, 1, encoder.features, generator=torch.Generator().manual_seed(1)) / UNIT
    numbers[..., list(FLAGS)] = 0
    kinds = []
    for mark in ("red", "blue"):
        kind = numbers.clone()
        kind[..., [FEATURES.index(mark), FEATURES.index("summary")]] = 1 / UNIT
        with torch.no_grad():
            kinds.append(encoder(kind.int())[:, 0])
    of_red, of_blue = kinds
    apart = (of_red.mean(dim=0) - of_blue.mean(dim=0)).norm()
    # How far tokens of one mark lie from their middle, in clips that have nothing else in common.
    spread = (of_red - of_red.mean(dim=0)).norm(dim=1).mean()
    assert apart > spread / 3, (apart, spread)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cameras": [CAMERA | {"poses": [LEVEL] * 3}]}, "3 poses but the video has 5 sampled frames"),
        ({"cameras": [CAMERA | {"poses": [[1, 2]] * 5}]}, "poses must be finite numbers"),
        ({"cameras": [CAMERA | {"intrinsics": [[1, 2], [3, 4]]}]}, "intrinsics must be finite numbers"),
        ({"cameras": [CAMERA | {"intrinsics": (-np.eye(3)).tolist()}]}, "focal length is not positive"),
        ({"cameras": [CAMERA | {"height": -1.0}]}, "positive number of metres"),
        ({"cameras": [CAMERA | {"height": float("nan")}]}, "positive number of metres"),
        ({"videos": [None], "timestamps": [None]}, "give its timestamps"),
        ({"videos": [None], "cameras": [None]}, "its camera with the `size`"),
        ({"cameras": [CAMERA, CAMERA]}, "1 videos but 2 cameras"),
    ],
)
def test_a_camera_that_does_not_fit_is_one_sentence(tiny, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        ask(tiny[1], **changes)


def test_pixels_alone_are_needed_without_track_tokens():
    model, processor = make_tiny(track_tokens=False)
    with pytest.raises(InputError, match="give the video"):
        ask(processor, videos=[None])
    assert "track_features" not in ask(processor)
    with pytest.raises(InputError, match="takes no track tokens"):
        model(**ask(make_tiny()[1]))


def test_pixels_are_refused_by_a_model_without_vision(blind, tiny):
    with pytest.raises(InputError, match="without vision"):
        blind[0](**ask(tiny[1]))
