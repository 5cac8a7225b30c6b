"""The model: batches equal single runs, weights are the base's, answers are what `generate` says."""

import json

import pytest
import torch
from safetensors import safe_open
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
from st_vlm.models.tiny import make_tiny

PROMPTS = [
    f"<|im_start|>user\n<video>\n{q}<|im_end|>\n<|im_start|>assistant\n"
    for q in ("How far does the object travel?", "When?", "In which direction does it move at the end?")
]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_of_different_lengths_equals_single_runs(tiny, videos, side):
    model, processor = tiny
    batch = processor(text=PROMPTS, videos=videos, padding_side=side, return_tensors="pt")
    assert batch["video_num_frames"].tolist() == [5, 2, 3]
    with torch.no_grad():
        together = model(**batch).logits
        for i, (prompt, video) in enumerate(zip(PROMPTS, videos, strict=True)):
            alone = model(**processor(text=prompt, videos=video, return_tensors="pt")).logits[0]
            torch.testing.assert_close(together[i][batch["attention_mask"][i].bool()], alone, atol=2e-5, rtol=1e-4)


def test_every_frame_of_every_video_matters_and_padding_does_not(tiny, videos):
    model, processor = tiny
    batch = processor(text=PROMPTS, videos=videos, return_tensors="pt")
    with torch.no_grad():
        before = model(**batch).logits[:, -1]
        for row, frame in ((0, 4), (1, 1), (1, 2)):
            changed = dict(batch) | {"pixel_values_videos": batch["pixel_values_videos"].clone()}
            changed["pixel_values_videos"][row, frame] += 1.0
            # right padding: compare at each row's last real token
            last = batch["attention_mask"].sum(1) - 1
            a, b = (model(**x).logits[torch.arange(3), last] for x in (batch, changed))
            differs = (a != b).any(1).tolist()
            assert differs == [row == i and frame < (5, 2, 3)[row] for i in range(3)]
    assert before.shape == (3, model.config.text_config.vocab_size)


def names_in(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return sorted(file.keys())


def test_weights_are_the_bases_both_ways(tmp_path, videos):
    model, processor = make_tiny(tmp_path / "tiny", track_tokens=False)
    base = LlavaOnevisionForConditionalGeneration(LlavaOnevisionConfig(**model.config.to_dict()))
    base.load_state_dict(model.state_dict())
    base.save_pretrained(tmp_path / "base")
    ours = STVLMForConditionalGeneration.from_pretrained(tmp_path / "base")
    ours.save_pretrained(tmp_path / "ours")
    theirs = LlavaOnevisionForConditionalGeneration.from_pretrained(tmp_path / "ours")
    # from the base's checkpoint on it is an ST-VLM, under the base's own names for the weights
    assert json.loads((tmp_path / "ours" / "config.json").read_text())["model_type"] == "st_vlm"
    assert names_in(tmp_path / "ours") == names_in(tmp_path / "base") == names_in(tmp_path / "tiny")
    inputs = processor(text=PROMPTS[0], videos=videos[0], return_tensors="pt")
    counts = inputs.pop("video_num_frames")
    with torch.no_grad():
        logits = model(**inputs, video_num_frames=counts).logits
        for other in (base, ours, theirs):
            assert torch.equal(other(**inputs).logits, logits)


def test_beams_of_videos_of_different_lengths(tiny, videos):
    """Beam search repeats what the vision tower made; with one beam kept apart the first must be greedy's equal."""
    model, processor = tiny
    inputs = processor(text=PROMPTS, videos=videos, padding_side="left", return_tensors="pt")
    both = model.generate(**inputs, num_beams=2, do_sample=False, max_new_tokens=4)
    for i, (prompt, video) in enumerate(zip(PROMPTS, videos, strict=True)):
        single = processor(text=prompt, videos=video, return_tensors="pt")
        alone = model.generate(**single, num_beams=2, do_sample=False, max_new_tokens=4)
        assert both[i, inputs["input_ids"].shape[1] :].tolist() == alone[0, single["input_ids"].shape[1] :].tolist()


def test_tiny_is_the_same_for_the_same_seed():
    (one, a), (two, b), (other, _) = make_tiny(seed=3), make_tiny(seed=3), make_tiny(seed=4)
    weights = [m.state_dict()["model.vision_tower.embeddings.patch_embedding.weight"] for m in (one, two, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert a.tokenizer.get_vocab() == b.tokenizer.get_vocab()
    assert all(size % 64 == 0 for p in one.parameters() if p.ndim == 2 for size in p.shape)


def test_tiny_writes_numbers_digit_by_digit_and_loses_no_text(tiny):
    tokenizer = tiny[1].tokenizer
    text = "From 2.0 to 17.5 seconds, the object moves toward 12 o'clock at 63.07 km/h. Größe: 漢字"
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert all(
        len(piece.strip("Ġ")) == 1 for piece in tokenizer.convert_ids_to_tokens(ids) if any(map(str.isdigit, piece))
    )
