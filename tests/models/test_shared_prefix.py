"""Questions on one clip go on from one cache, and say what each would say alone."""

import random
import re

import numpy as np
import pytest
import torch
from sharp_model import make_sharp

from st_vlm.models.greedy import greedy
from st_vlm.models.shared_prefix import CACHE_ARGUMENT, SharedCache, positions, share
from st_vlm.models.video_inputs import gather_clips

COLOURS = ("red", "blue", "green", "yellow")
CAMERA = {"size": (160, 90), "intrinsics": [[120.0, 0, 80], [0, 120.0, 45], [0, 0, 1]], "height": 1.5}


@pytest.fixture(scope="module")
def sharp():
    return make_sharp()


def frames(count, seed):
    return np.random.default_rng(seed).integers(0, 255, (count, 90, 160, 3), np.uint8)


def marks(count, length, seed):
    """`count` marks of which each is hidden in some frames."""
    rng = random.Random(seed)
    boxes = [
        [None if rng.random() < 0.3 else (9 + t, 20, 60 + 5 * t, 70) for t in range(length)] for _ in range(count)
    ]
    return [{"color": colour, "boxes": its} for colour, its in zip(COLOURS, boxes, strict=False)]


def any_questions(count, seed, marked=0):
    """Of any words, the names of so many marks among them."""
    rng = random.Random(seed)
    words = re.findall(r"\S+", "how far fast does it move from 1.0 to 2.0 seconds ? , 12 in which way at the end ünï")
    words += 3 * COLOURS[:marked]
    return [" ".join(rng.choices(words, k=rng.choice([1, 2, 5, 20, 60]))).strip() or "?" for _ in range(count)]


@pytest.mark.parametrize(
    ("shown", "length", "count"),
    [
        (True, 3, 0),
        (True, 1, 2),
        (True, 5, 4),
        (False, 6, 1),
        (False, 4, 4),
    ],
)
def test_answers_on_a_clip_are_those_of_questions_asked_alone(sharp, shown, length, count):
    model, processor = sharp
    questions = any_questions(9, count, marked=count)
    clip = {
        "video": frames(length, count) if shown else None,
        "marks": marks(count, length, count),
        "timestamps": [0.6 * t for t in range(length)],
        "camera": CAMERA,
    }
    options = {"processor": processor, "max_new_tokens": 8}
    together = model.answer_clip(questions=questions, **clip, **options, batch_size=4)
    alone = [model.answer(question=question, **clip, **options) for question in questions]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len({one.text for one in alone}) > 4
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], rel=1e-3)


def test_the_clip_is_prepared_and_encoded_once(sharp, monkeypatch):
    model, processor = sharp
    encoded, prepared = [], []
    original, drawn = type(model.model).get_video_features, type(processor).__call__
    monkeypatch.setattr(
        type(model.model), "get_video_features", lambda *a, **n: encoded.append(1) or original(*a, **n)
    )
    monkeypatch.setattr(type(processor), "__call__", lambda *a, **n: prepared.append(1) or drawn(*a, **n))
    clip = frames(3, 1)
    model.answer_clip(
        clip, any_questions(7, 1, 2), marks(2, 3, 1), processor=processor, max_new_tokens=2, batch_size=3
    )
    assert (len(encoded), len(prepared)) == (1, 1)


def prompts_of(processor, questions):
    return [
        processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "video"}, {"type": "text", "text": question}]}],
            add_generation_prompt=True,
            tokenize=False,
        )
        for question in questions
    ]


def several_clips(processor):
    """The first prompts of three clips of different lengths as one batch, and all prompts."""
    lengths, counts = (4, 2, 5), (1, 3, 0)
    prompts = [prompts_of(processor, any_questions(n, n, k)) for n, k in zip((3, 1, 2), counts, strict=True)]
    clips = gather_clips(
        processor.video_processor,
        [frames(n, n) for n in lengths],
        [marks(k, n, n) for n, k in zip(lengths, counts, strict=True)],
        None,
    )
    firsts = [group[0] for group in prompts]
    inputs = processor(text=firsts, videos=clips, padding_side="left", return_tensors="pt")
    return share(processor, inputs, prompts, clips), prompts, lengths, counts


def test_logits_are_those_of_the_whole_prompts(sharp):
    """Against one plain forward pass of each whole prompt with what was said to it: no cache and no padding."""
    model, processor = sharp
    shared, prompts, lengths, counts = several_clips(processor)
    cache = SharedCache(model, shared, processor.tokenizer.pad_token_id)
    # Twice, and in two batches: a copy that is gone on from leaves the clips' own cache as it was.
    for which in (range(6), range(2, 5), range(6)):
        went_on = cache.inputs(which)
        said = model.generate(
            **went_on, do_sample=False, max_new_tokens=4, output_logits=True, return_dict_in_generate=True
        )
        tokens = said.sequences[:, went_on["input_ids"].shape[1] :]
        steps = torch.stack(said.logits, dim=1)
        rows = [(clip, prompt) for clip, group in enumerate(prompts) for prompt in group]
        for row, index in enumerate(which):
            clip, prompt = rows[index]
            whole = processor(
                text=prompt,
                videos=[frames(lengths[clip], lengths[clip])],
                marks=[marks(counts[clip], lengths[clip], lengths[clip])],
                return_tensors="pt",
            )
            whole["input_ids"] = torch.cat([whole["input_ids"], tokens[row : row + 1]], dim=1)
            whole["attention_mask"] = torch.ones_like(whole["input_ids"])
            with torch.no_grad():
                expected = model(**whole).logits[0, -5:-1]
            assert (steps[row] - expected).abs().max() < 1e-4 * expected.abs().max()


def test_an_end_of_turn_ends_its_own_question_only(sharp, monkeypatch):
    model, processor = sharp
    shared, *_ = several_clips(processor)

    def said():
        cache = SharedCache(model, shared, processor.tokenizer.pad_token_id)
        return [tokens for tokens, _ in greedy(model, cache.inputs(range(6)), 6)]

    endless = said()
    assert all(len(tokens) == 6 for tokens in endless)
    last = next(token for token in endless[0][1:4] if token != endless[0][0])
    monkeypatch.setattr(model.generation_config, "eos_token_id", [last])
    cut = said()
    expected = [tokens[: tokens.index(last) + 1] if last in tokens else tokens for tokens in endless]
    assert cut == expected
    assert {len(tokens) for tokens in cut} != {6}


def test_half_precision_runs(sharp):
    model, processor = sharp
    half = make_sharp()[0].to(torch.bfloat16)
    shared, *_ = several_clips(processor)
    cache = SharedCache(half, shared, processor.tokenizer.pad_token_id)
    turns = greedy(half, cache.inputs(range(6)), 5)
    assert all(np.isfinite(logs).all() and len(tokens) == 5 for tokens, logs in turns)
    # What bfloat16 is off by stays small where no word hangs on it: the first step.
    full = greedy(model, SharedCache(model, shared, 0).inputs(range(6)), 5)
    assert np.mean([abs(a[1][0] - b[1][0]) for a, b in zip(turns, full, strict=True)]) < 0.2


def test_what_cannot_be_shared_is_not(sharp):
    """Prompts that begin differently or show nothing, or whose clip ends in words that the question's might join."""
    _, processor = sharp
    prompts = prompts_of(processor, ["How far?", "How fast?"])
    clips = gather_clips(processor.video_processor, [frames(2, 0)], None, None)
    inputs = processor(text=prompts[0], videos=clips, return_tensors="pt")
    assert share(processor, inputs, [prompts], clips) is not None
    assert share(processor, inputs, [[prompts[0], "<|im_start|>system\nBe brief.\n" + prompts[1]]], clips) is None
    assert share(processor, inputs, [[prompts[0], prompts[1].replace("<video>", "")]], clips) is None
    times_only = gather_clips(processor.video_processor, [None], None, [[0.0, 0.5]], cameras=[CAMERA])
    inputs = processor(text=prompts[0], videos=times_only, return_tensors="pt")
    assert share(processor, inputs, [prompts], times_only) is None


def test_a_clip_with_times_alone_is_answered_in_full(sharp):
    model, processor = sharp
    questions = any_questions(5, 2)
    clip = {"timestamps": [0.0, 0.5, 1.0], "camera": CAMERA, "processor": processor, "max_new_tokens": 5}
    together = model.answer_clip(None, questions, **clip, batch_size=2)
    assert [a.text for a in together] == [model.answer(None, q, **clip).text for q in questions]


def test_questions_without_any_clip(sharp):
    model, processor = sharp
    questions = any_questions(5, 3)
    together = model.answer_clip(None, questions, processor=processor, max_new_tokens=5, batch_size=3)
    alone = [model.answer(None, question, processor=processor, max_new_tokens=5) for question in questions]
    assert [a.text for a in together] == [a.text for a in alone]
    assert model.answer_clip(None, [], processor=processor) == []


def test_positions_count_real_tokens():
    mask = torch.tensor([[0, 1, 1, 0, 0, 1, 1], [1, 1, 1, 1, 1, 1, 1]])
    assert positions(mask).tolist() == [[0, 0, 1, 0, 0, 2, 3], [0, 1, 2, 3, 4, 5, 6]]


def test_the_cache_has_the_name_that_this_transformers_takes():
    import inspect

    from transformers import Qwen2ForCausalLM

    assert CACHE_ARGUMENT in inspect.signature(Qwen2ForCausalLM.forward).parameters
