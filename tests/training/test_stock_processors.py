"""Other video models: the frames, marks and times that reach them are those of the clip."""

import re

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as tvf
from st_vlm.recipes import sft
from stock_models import FAMILIES, SIDE
from transformers import CLIPImageProcessor, InternVLVideoProcessor, LlavaProcessor

from st_vlm.errors import InputError
from st_vlm.evaluation.runners import answer_questions
from st_vlm.models.processing_st_vlm import frame_times_text
from st_vlm.models.video_inputs import Clip
from st_vlm.training.clips import ClipReader, model_inputs
from st_vlm.training.collator import IGNORED, AnswerCollator
from st_vlm.training.conversations import prompt_text, to_conversation
from st_vlm.training.loading import load_model
from st_vlm.video.encoding import write_video
from st_vlm.video.marks import RGB

FOUR = list(FAMILIES)[:4]
UNEVEN = [0.0, 0.5, 1.7, 2.0, 6.25]


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def made():
    """(model, processor) of each family."""
    return {name: make() for name, make in FAMILIES.items()}


def noise(times, seed=0, width=SIDE, height=SIDE) -> Clip:
    frames = np.random.default_rng(seed).integers(0, 256, (len(times), height, width, 3), dtype=np.uint8)
    return Clip(frames, np.array(times), (), (width, height), drawn=True)


def asked(processor, question="How far does it travel?") -> str:
    content = [{"type": "video"}, {"type": "text", "text": question}]
    return processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )


def batch_of(processor, clips, padding_side="left"):
    return model_inputs(processor, [asked(processor)] * len(clips), clips, padding_side)


def frames_in(processor, batch) -> list[np.ndarray]:
    """(T, H, W, 3) uint8 of every clip in a batch, read back from what the model gets."""
    video = processor.video_processor
    if "video_grid_thw" in batch:
        side, merge, pair = video.patch_size, video.merge_size, video.temporal_patch_size
        clips, left = [], batch["pixel_values_videos"]
        for t, h, w in batch["video_grid_thw"].tolist():
            patches, left = left[: t * h * w], left[t * h * w :]
            blocks = patches.reshape(t, h // merge, w // merge, merge, merge, 3, pair, side, side)
            # To time, pair, colour, then the three parts of a row's place and of a column's.
            whole = blocks.permute(0, 6, 5, 1, 3, 7, 2, 4, 8).reshape(t * pair, 3, h * side, w * side)
            clips.append(whole)
    elif "pixel_values" in batch and batch["pixel_values"].ndim == 4:
        clips = [batch["pixel_values"]]
    else:
        clips = list(batch.get("pixel_values_videos", batch.get("pixel_values")))
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (video.image_mean, video.image_std))
    return [
        ((clip * std + mean) * 255).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).numpy() for clip in clips
    ]


def text_of(processor, batch, index=0) -> str:
    return processor.tokenizer.decode(batch["input_ids"][index][batch["attention_mask"][index].bool()])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("count", [1, 2, 5])
def test_every_frame_reaches_the_model_once_and_in_order(made, family, count):
    _, processor = made[family]
    clip = noise(UNEVEN[:count])
    (seen,) = frames_in(processor, batch_of(processor, [clip]))
    expected = clip.frames
    if family.startswith("Qwen") and count % 2:
        # The model takes two frames at once; the last is repeated to fill its pair.
        expected = np.concatenate([expected, expected[-1:]])
    assert np.array_equal(seen, expected)


@pytest.mark.parametrize("family", FOUR)
def test_frames_of_a_file_are_marked_and_resized_one_by_one(made, family, tmp_path):
    _, processor = made[family]
    width, height, count = 640, 480, 5
    grey = [np.full((height, width, 3), 60 + 30 * k, np.uint8) for k in range(count)]
    write_video(tmp_path / "clip.mp4", grey, UNEVEN)
    boxes = [[100.0 + 60 * k, 120.0, 260.0 + 60 * k, 360.0] for k in range(count - 1)] + [None]
    turns = [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "How far?"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "It travels 3.25 meters."}]},
    ]
    row = {"id": "q", "messages": turns, "timestamps": UNEVEN, "video": {"path": str(tmp_path / "clip.mp4")}}
    clips = {
        color: ClipReader(processor)(to_conversation({**row, "marks": [{"color": color, "boxes": boxes}]}))
        for color in RGB
    }
    for color, clip in clips.items():
        (seen,) = frames_in(processor, batch_of(processor, [clip]))
        seen_height, seen_width = seen.shape[1:3]
        for k in range(count):
            alone = tvf.resize(
                torch.from_numpy(clip.frames[k]).permute(2, 0, 1),
                [seen_height, seen_width],
                interpolation=tvf.InterpolationMode.BICUBIC,
            )
            # SmolVLM resizes by another filter, and twice.
            near = 40 if family == "SmolVLM" else 1
            off = np.abs(seen[k].astype(int) - alone.permute(1, 2, 0).numpy()).max()
            assert off <= near
            corner = seen[k, 2, 2]
            assert np.abs(corner.astype(int) - (60 + 30 * k)).max() <= 4
            coloured = (np.abs(seen[k].astype(int) - np.array(RGB[color])) < 100).all(-1)
            if boxes[k] is None:
                assert not coloured.any()
                continue
            # In every row through the middle of the box, both of its sides are seen in its colour.
            x1, _, x2, _ = (edge * seen_width / width for edge in boxes[k])
            middle = coloured[int(seen_height * 0.4) : int(seen_height * 0.6)]
            for edge in (x1, x2):
                assert middle[:, max(0, round(edge) - 2) : round(edge) + 2].any(-1).all(), (color, k, edge)


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_state_the_real_times(made, family):
    _, processor = made[family]
    text = text_of(processor, batch_of(processor, [noise(UNEVEN)]))
    if family == "Qwen3-VL":
        # One time for a pair of frames: the middle between them.
        assert re.findall(r"<([\d.]+) seconds>", text) == ["0.2", "1.9", "6.2"]
        assert "Frame times" not in text
        return
    line = frame_times_text(UNEVEN) + "\n"
    assert text.count(line) == 1
    first = {"Qwen2.5-VL": "<|vision_start|>", "SmolVLM": "You are", "InternVL": "Frame1: <img>"}
    assert text.partition(line)[2].startswith(first.get(family, "<video>"))


def test_qwen2_5_vl_places_frames_by_their_real_spacing(made):
    _, processor = made["Qwen2.5-VL"]
    batch = batch_of(processor, [noise(UNEVEN), noise([0.0, 0.5, 1.0, 1.5])])
    assert batch["second_per_grid_ts"].tolist() == pytest.approx([2 * 6.25 / 4, 1.0], rel=1e-3)


def test_smolvlm_states_the_number_of_frames_and_the_length_of_its_own_clip(made):
    _, processor = made["SmolVLM"]
    batch = batch_of(processor, [noise([0.0, 0.5]), noise(UNEVEN)])
    assert "series of two frames from a 0:00:01 " in text_of(processor, batch, 0)
    assert "series of five frames from a 0:00:07 " in text_of(processor, batch, 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_template_keeps_the_video(made, family, rows):
    _, processor = made[family]
    assert prompt_text(processor, to_conversation(rows[0])).count(processor.video_token) == 1


@pytest.mark.parametrize("family", FOUR)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_clip_in_a_batch_is_what_it_is_alone(made, family, side):
    model, processor = made[family]
    clips = [noise([0.0, 0.5, 1.0], 1), noise(UNEVEN, 2), noise([0.0, 0.7], 3)]
    together = batch_of(processor, clips, side)
    with torch.no_grad():
        logits = model(**together).logits
    for index, clip in enumerate(clips):
        alone = batch_of(processor, [clip])
        real = together["attention_mask"][index].bool()
        assert torch.equal(together["input_ids"][index][real], alone["input_ids"][0])
        with torch.no_grad():
            expected = model(**alone).logits[0]
        assert torch.allclose(logits[index][real], expected, atol=1e-4)
    lengths = together["attention_mask"].sum(1)
    assert together["attention_mask"][0, -1 if side == "left" else 0] == 1
    assert lengths.min() < lengths.max() == together["input_ids"].shape[1]


@pytest.mark.parametrize("family", FOUR)
def test_a_model_learns_from_a_batch_of_rows(made, family, rows):
    model, processor = made[family]
    examples = [rows[i] for i in (0, 8, 16)]
    batch = AnswerCollator(processor)(examples)
    end = processor.tokenizer.eos_token
    blank = " " if family == "SmolVLM" else ""
    for labels, row in zip(batch["labels"], examples, strict=True):
        assert processor.tokenizer.decode(labels[labels != IGNORED]) == blank + row["answer"] + end
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(2):
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    model.load_state_dict(before)
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]


@pytest.mark.parametrize("family", FOUR)
def test_answers_of_a_batch_are_those_of_single_questions(made, family, rows, tmp_path):
    model, processor = made[family]
    chosen = [rows[i] for i in (0, 7, 14, 1)]
    general = {**rows[2], "id": "general", "marks": [], "video": None, "clip_id": ""}
    general["messages"] = [{"role": turn["role"], "content": turn["content"][-1:]} for turn in rows[2]["messages"]]
    chosen.append(general)
    identity = {"model": family}
    together = answer_questions(model, processor, chosen, tmp_path / "many", identity, 5, max_new_tokens=6)
    alone = answer_questions(model, processor, chosen, tmp_path / "one", identity, 1, max_new_tokens=6)
    assert len(together.texts) == 5
    assert not together.failures
    assert together.texts == alone.texts
    # What the model says depends on the clip.
    assert len(set(together.texts.values())) > 2


def test_clips_of_one_length_are_a_batch_for_plain_llava_onevision(made):
    model, processor = made["LLaVA-OneVision"]
    clips = [noise(UNEVEN, seed) for seed in (1, 2)]
    batch = batch_of(processor, clips)
    assert all(
        np.array_equal(seen, clip.frames) for seen, clip in zip(frames_in(processor, batch), clips, strict=True)
    )
    with torch.no_grad():
        assert torch.isfinite(model(**batch).logits).all()
    with pytest.raises(InputError, match="clips of 2 and 5 frames into one batch: use batches of one question"):
        batch_of(processor, [noise([0.0, 0.5]), noise(UNEVEN)])


def test_a_processor_that_takes_no_video_is_refused(made):
    _, other = made["LLaVA-OneVision"]
    processor = LlavaProcessor(CLIPImageProcessor(), other.tokenizer, patch_size=16)
    with pytest.raises(InputError, match="LlavaProcessor takes no video: choose a video model"):
        AnswerCollator(processor)


def test_a_template_without_a_place_for_the_video_is_refused(made):
    _, processor = made["InternVL"]
    with pytest.raises(InputError, match="have 0 <video> for 1 clips: the chat template of InternVLProcessor"):
        model_inputs(processor, ["How far does it travel?"], [noise(UNEVEN)], "left")


def test_a_processor_that_samples_frames_whatever_it_is_told_is_refused():
    class Stubborn(InternVLVideoProcessor):
        def _preprocess(self, videos, **kwargs):
            return super()._preprocess([video[::2] for video in videos], **kwargs)

    _, processor = FAMILIES["InternVL"]()
    processor.video_processor = Stubborn(size={"height": SIDE, "width": SIDE})
    with pytest.raises(InputError, match="shows its model 3 frames of a clip's 5"):
        batch_of(processor, [noise(UNEVEN)])


def test_the_recipe_tunes_the_language_model_of_another_family(built, made, tmp_path):
    model, processor = made["Qwen3-VL"]
    base, out = tmp_path / "base", tmp_path / "out"
    model.save_pretrained(base)
    processor.save_pretrained(base)
    sft.main(
        [
            *["--config", str(sft.CONFIGS / "sft_qwen3_vl_lora.yaml"), "--model_name_or_path", str(base)],
            *[
                "--dataset",
                str(built),
                "--output_dir",
                str(out),
                "--dataloader_num_workers",
                "0",
                "--dtype",
                "float32",
            ],
            *["--use_cpu", "true", "--bf16", "false", "--dataloader_pin_memory", "false", "--disable_tqdm", "true"],
            *["--max_steps", "2", "--gradient_accumulation_steps", "2", "--activation_checkpointing", "false"],
        ]
    )
    tuned, again = load_model(str(out))
    assert type(again) is type(processor)
    before, after = model.state_dict(), tuned.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(".language_model." in name for name in changed)


@pytest.mark.parametrize("family", FOUR)
def test_the_recipe_adapts_every_layer_of_a_language_model_and_nothing_else(made, family):
    peft = pytest.importorskip("peft")
    chosen = sft.parse(["--config", str(sft.CONFIGS / "sft_qwen3_vl_lora.yaml")])[2]
    model, _ = FAMILIES[family]()
    tuned = peft.get_peft_model(model, peft.LoraConfig(target_modules=chosen.lora_target_modules))
    adapted = {name for name, weights in tuned.named_parameters() if weights.requires_grad}
    # Two layers, seven projections, two matrices each.
    assert len(adapted) == 2 * 7 * 2
    assert not any("vis" in name for name in adapted)


def test_a_processor_that_misses_a_package_is_named(made, tmp_path, monkeypatch):
    model, processor = made["SmolVLM"]
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(InputError, match="num2words"):
        load_model(str(tmp_path))
