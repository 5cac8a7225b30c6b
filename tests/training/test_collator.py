"""Batches: what is learnt, what the model sees, and what is refused."""

import pickle

import pytest
import torch
from transformers import LlavaOnevisionProcessor, LlavaOnevisionVideoProcessor

from st_vlm.errors import InputError
from st_vlm.models.tiny import make_tiny
from st_vlm.models.track_features import FEATURES, OF_MARK_AND_BOX, UNIT, UNKNOWN
from st_vlm.training.clips import ClipReader
from st_vlm.training.collator import IGNORED, AnswerCollator
from st_vlm.training.conversations import to_conversation
from st_vlm.training.sharing import share_clips, shared_mask

# How LLaVA-OneVision's own template goes: a finished assistant's turn opens otherwise than the prompt.
BASE_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + ' ' -}}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}<video>{%- else -%}{{ '\\n' + part.text }}{%- endif -%}
{%- endfor -%}
{{- '<|im_end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def learnt(processor, batch, index):
    labels = batch["labels"][index]
    return processor.tokenizer.decode(labels[labels != IGNORED])


@pytest.fixture
def collator(processor):
    return AnswerCollator(processor)


@pytest.fixture(scope="module")
def base_processor(processor):
    """The base model's own processor, which knows nothing of marks and times."""
    return LlavaOnevisionProcessor(
        image_processor=processor.image_processor,
        tokenizer=processor.tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(size={"height": 128, "width": 128}),
        num_image_tokens=64,
        vision_feature_select_strategy="full",
        chat_template=BASE_TEMPLATE,
    )


def test_labels_are_exactly_the_answers_and_the_end_of_the_turn(collator, processor, rows):
    examples = [rows[i] for i in (0, 8, 16, 5)]
    batch = collator(examples)
    for i, row in enumerate(examples):
        assert learnt(processor, batch, i) == row["answer"] + "<|im_end|>"
        seen = batch["labels"][i] != IGNORED
        assert torch.equal(batch["labels"][i][seen], batch["input_ids"][i][seen])
        assert not (seen & ~batch["attention_mask"][i].bool()).any()


def test_padding_is_on_the_right_and_frames_of_short_clips_are_counted(collator, rows):
    batch = collator([rows[0], rows[14]])
    assert batch["video_num_frames"].tolist() == [3, 5]
    assert batch["attention_mask"][0].tolist() == sorted(batch["attention_mask"][0].tolist(), reverse=True)


def test_the_sequence_starts_with_the_prompt_that_generation_starts_from(collator, processor, rows):
    row = rows[2]
    inputs = processor(
        text=processor.apply_chat_template(row["messages"][:1], add_generation_prompt=True, tokenize=False),
        videos=[row["video"]["path"]],
        marks=[row["marks"]],
        timestamps=[row["timestamps"]],
        return_tensors="pt",
    )
    batch = collator([row])
    prompt = inputs["input_ids"][0]
    assert torch.equal(batch["input_ids"][0, : len(prompt)], prompt)
    assert (batch["labels"][0, : len(prompt)] == IGNORED).all()
    # Resizing ahead of the processor must not change a pixel.
    assert torch.equal(batch["pixel_values_videos"], inputs["pixel_values_videos"])


def test_other_processors_get_drawn_marks_and_the_template_they_were_trained_with(base_processor, rows):
    batch = AnswerCollator(base_processor)([rows[0], rows[1]])
    text = base_processor.tokenizer.decode(batch["input_ids"][0])
    assert text.replace("<|endoftext|>", "").endswith("<|im_start|>assistant\n" + rows[0]["answer"] + "<|im_end|>")
    assert learnt(base_processor, batch, 0) == rows[0]["answer"] + "<|im_end|>"
    unmarked = AnswerCollator(base_processor)([{**rows[0], "marks": []}])
    assert not torch.equal(batch["pixel_values_videos"][0], unmarked["pixel_values_videos"][0])


def test_questions_of_one_clip_in_one_sequence_give_the_loss_of_separate_sequences(collator, rows):
    model, _ = make_tiny()
    clips = share_clips(rows.select([*range(5), *range(7, 11)]), 4)
    assert [len(clip["questions"]) for clip in clips] == [3, 2, 4]
    with torch.no_grad():
        together = collator(list(clips))
        loss = model(**together).loss.item()
        alone = collator([rows[i] for i in [*range(5), *range(7, 11)]])
        expected = model(**alone).loss.item()
    assert (together["labels"] != IGNORED).sum() == (alone["labels"] != IGNORED).sum()
    assert loss == pytest.approx(expected, abs=2e-5)
    assert together["input_ids"].numel() < alone["input_ids"].numel()


def test_every_question_is_in_exactly_one_shared_clip(rows):
    clips = share_clips(rows.shuffle(seed=1), 3)
    ids = [question["id"] for clip in clips for question in clip["questions"]]
    assert sorted(ids) == sorted(rows["id"])
    assert all(
        question["id"].startswith(clip["video"]["path"][-12:-4]) for clip in clips for question in clip["questions"]
    )


def test_a_question_sees_its_clip_and_itself():
    seen = shared_mask(prefix=2, branches=[2, 1], length=6).int().tolist()
    assert seen == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [0, 0, 0, 0, 0, 1],
    ]


def test_clips_are_read_once_and_the_budget_holds(processor, rows, monkeypatch):
    reader = ClipReader(processor, cache_bytes=1)
    reads = []
    original = ClipReader._read
    monkeypatch.setattr(ClipReader, "_read", lambda self, one: reads.append(one.id) or original(self, one))
    for index in (0, 1, 2, 7, 0):
        reader(to_conversation(rows[index]))
    assert reads == [rows[0]["id"], rows[7]["id"], rows[0]["id"]]
    roomy = ClipReader(processor)
    for index in (0, 7, 1, 8):
        roomy(to_conversation(rows[index]))
    assert len(reads) == 5
    copy = pickle.loads(pickle.dumps(roomy))
    copy(to_conversation(rows[0]))
    assert len(reads) == 6


def test_other_marks_on_the_same_video_are_another_clip(processor, rows):
    reader = ClipReader(processor)
    marked = reader(to_conversation(rows[0])).frames
    fewer = reader(to_conversation({**rows[0], "marks": rows[0]["marks"][:1]})).frames
    assert (marked != fewer).any()


def test_a_template_that_ends_no_turn_is_refused(base_processor, rows):
    endless = BASE_TEMPLATE.replace("{{- '<|im_end|>' -}}", "")
    base_processor.chat_template, kept = endless, base_processor.chat_template
    try:
        with pytest.raises(InputError, match="end-of-turn"):
            AnswerCollator(base_processor)([rows[0]])
    finally:
        base_processor.chat_template = kept


def test_a_truncated_sequence_is_refused(base_processor, rows, monkeypatch):
    def cut(processor, texts, clips, padding_side):
        batch = processor.tokenizer(texts, return_tensors="pt", padding=True)
        return {key: value[:, :-4] for key, value in batch.items()}

    monkeypatch.setattr("st_vlm.training.collator.model_inputs", cut)
    with pytest.raises(InputError, match="truncated"):
        AnswerCollator(base_processor)([rows[0]])


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"marks": None}, "has no marks"),
        ({"video": {"path": "gone.mp4", "bytes": None}}, "no video at gone.mp4"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}]}]}, "must end with"),
        ({"timestamps": [0.0]}, "timestamps"),
    ],
)
def test_a_bad_row_is_named(collator, rows, change, sentence):
    with pytest.raises(InputError, match=sentence) as error:
        collator([{**rows[0], **change}])
    assert rows[0]["id"] in str(error.value)


def test_noise_on_boxes_changes_track_tokens_and_nothing_else(processor, rows):
    examples = [rows[0], rows[1]]
    plain = AnswerCollator(processor)(examples)
    torch.manual_seed(0)
    noisy = AnswerCollator(processor, box_noise=0.01)(examples)
    torch.manual_seed(0)
    again = AnswerCollator(processor, box_noise=0.01)(examples)
    for key, values in plain.items():
        assert torch.equal(values, noisy[key]) == (key != "track_features"), key
    assert torch.equal(noisy["track_features"], again["track_features"])
    x = FEATURES.index("x")
    known = plain["track_features"][..., x] != UNKNOWN
    moved = (noisy["track_features"] - plain["track_features"])[..., x][known] * UNIT
    # both edges move by a hundredth of the width, so the middle, in half widths, by sqrt(2) of that
    assert 0.007 < moved.float().std() < 0.024


def test_the_camera_of_a_row_reaches_its_track_tokens(processor, rows):
    level = [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 1.5], [0.0, 0.0, 0.0, 1.0]]
    camera = {"height": 1.5, "poses": [level] * len(rows[0]["timestamps"])}
    camera["intrinsics"] = [[100.0, 0.0, 80.0], [0.0, 100.0, 48.0], [0.0, 0.0, 1.0]]
    known, unknown = rows[0] | {"camera": camera}, rows[0] | {"camera": None}
    with_camera, without = (AnswerCollator(processor)([row])["track_features"] for row in (known, unknown))
    assert (with_camera[..., OF_MARK_AND_BOX:] != UNKNOWN).any()
    assert (without[..., OF_MARK_AND_BOX:] == UNKNOWN).all()
