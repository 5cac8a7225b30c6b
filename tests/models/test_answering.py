"""`answer` and `answer_batch`: what `generate` says, read and weighed, whatever else is in the batch."""

import math

import numpy as np
import pytest
import torch
from sharp_model import make_sharp

from st_vlm.errors import InputError
from st_vlm.models.answering import ModelAnswer, stated
from st_vlm.models.confidence import confidence
from st_vlm.models.tiny import make_tiny
from st_vlm.questions.answers import Choice, ClockHour, Count, Interval, Position, Quantity
from st_vlm.questions.parsing import parse_answer
from st_vlm.video.marks import COLOURS, Mark

FAR = "How far does the object travel?"
TAUGHT = {
    FAR: "The object travels 12.34 meters.",
    "Does it stop?": "No, it does not stop.",
    "In which clock direction does it move?": "It moves toward 10 o'clock.",
    "What do you see?": "A street.",
}
CAMERA = {"size": (160, 90), "intrinsics": [[120.0, 0, 80], [0, 120.0, 45], [0, 0, 1]], "height": 1.5}


@pytest.fixture(scope="module")
def sharp():
    return make_sharp()


@pytest.fixture(scope="module")
def taught():
    """A tiny model that has begun to learn what to say to a few questions without a clip."""
    model, processor = make_tiny(sees_video=False)
    prompts = [prompt_of(processor, question) for question in TAUGHT]
    whole = processor.tokenizer(
        [prompt + answer + "<|im_end|>" for prompt, answer in zip(prompts, TAUGHT.values(), strict=True)],
        padding=True,
        return_tensors="pt",
    )
    labels = whole["input_ids"].masked_fill(whole["attention_mask"] == 0, -100)
    for row, prompt in zip(labels, prompts, strict=True):
        row[: len(processor.tokenizer(prompt)["input_ids"])] = -100
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(60):
            model(**whole, labels=labels).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    return model.eval(), processor


def prompt_of(processor, question):
    messages = [{"role": "user", "content": [{"type": "text", "text": question}]}]
    return processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def frames(count, seed):
    return np.random.default_rng(seed).integers(0, 255, (count, 90, 160, 3), np.uint8)


def marks_of(count, length):
    return [
        Mark(colour, [(10 + k, 20, 60 + t, 70) for t in range(length)]) for k, colour in enumerate(COLOURS[:count])
    ]


def test_answer_is_what_generate_says_by_hand(sharp, clip):
    model, processor = sharp
    marks = [Mark("red", ((40, 24, 120, 72),) * 5)]
    prompt = f"<|im_start|>user\n<video>\n{FAR}<|im_end|>\n<|im_start|>assistant\n"
    inputs = processor(text=prompt, videos=clip, marks=marks, cameras=[CAMERA], return_tensors="pt")
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=6)
    expected = processor.decode(tokens[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
    given = model.answer(clip, FAR, marks, camera=CAMERA, processor=processor, max_new_tokens=6)
    assert given.text == expected != ""
    assert given.answer is None
    # The camera is told: no camera and a higher one make it another answer, be it by little.
    others = [
        model.answer(clip, FAR, marks, camera=camera, processor=processor, max_new_tokens=6)
        for camera in (None, {**CAMERA, "height": 4.0})
    ]
    assert max(abs(other.confidence - given.confidence) for other in others) > 1e-5


MIXED = {
    "videos": [frames(5, 1), None, frames(2, 2), None, frames(3, 3), frames(1, 4)],
    "marks": [marks_of(4, 5), marks_of(1, 6), None, None, marks_of(2, 3), marks_of(3, 1)],
    "timestamps": [None, [0.5 * t for t in range(6)], [0.0, 0.7], None, None, [0.0]],
    "cameras": [CAMERA, CAMERA, None, None, None, CAMERA],
}
ASKED = [FAR, "How fast from 2.0 to 7.5 seconds, in km/h, on average?", "When?", "Which?", "Where?", "How many turns?"]


def test_answers_do_not_depend_on_the_batch(sharp):
    """Clips of different lengths, with and without images, none to four marks, and a question without a clip."""
    model, processor = sharp
    together = model.answer_batch(questions=ASKED, **MIXED, processor=processor, max_new_tokens=8)
    alone = [
        model.answer(video, question, marks, times, camera, processor=processor, max_new_tokens=8)
        for question, video, marks, times, camera in zip(ASKED, *MIXED.values(), strict=True)
    ]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len({one.text for one in alone}) == len(alone)
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], rel=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_both_precisions_answer(dtype):
    model, processor = make_sharp()
    given = model.to(dtype).answer_batch(questions=ASKED, **MIXED, processor=processor, max_new_tokens=3)
    assert all(one.text and 0 < one.confidence < 1 for one in given)


def test_a_model_without_vision_answers_from_marks_alone():
    model, processor = make_sharp(sees_video=False)
    marks, times = marks_of(2, 4), [0.0, 0.5, 1.0, 1.5]
    first, same, other = (
        model.answer(None, FAR, boxes, times, CAMERA, processor=processor, max_new_tokens=5).text
        for boxes in (marks, marks, [marks[0], Mark("blue", [(1, 2, 3 + t, 9) for t in range(4)])])
    )
    assert first == same != other


def logs_by_hand(model, processor, question, answer):
    """Tokens of the taught turn, and their log-probabilities from one plain forward pass."""
    prompt = processor.tokenizer(prompt_of(processor, question))["input_ids"]
    turn = processor.tokenizer(answer + "<|im_end|>")["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + turn])).logits[0, len(prompt) - 1 : -1]
    logs = logits.log_softmax(-1)[range(len(turn)), turn].tolist()
    return [processor.tokenizer.decode([token]) for token in turn], logs


@pytest.mark.parametrize(
    ("question", "deciding", "answer"),
    [
        (FAR, ["1", "2", ".", "3", "4"], Quantity(12.34, "m")),
        ("Does it stop?", ["N", "o"], Choice("no")),
        # A bare "10" answers this question, too, so the word behind it decides nothing.
        ("In which clock direction does it move?", ["1", "0"], ClockHour(10)),
        ("What do you see?", None, None),
    ],
)
def test_confidence_is_the_geometric_mean_over_the_tokens_that_state_the_value(taught, question, deciding, answer):
    model, processor = taught
    given = model.answer(None, question, processor=processor)
    assert (given.text, given.answer) == (TAUGHT[question], answer)
    pieces, logs = logs_by_hand(model, processor, question, given.text)
    if deciding is not None:
        places = [pieces.index(piece) for piece in deciding]
        logs = [logs[place] for place in places]
    assert given.confidence == pytest.approx(math.exp(sum(logs) / len(logs)), rel=1e-4)
    assert 0.2 < given.confidence < 0.9999


def test_confidence_of_a_batch_ends_where_each_turn_does(taught):
    model, processor = taught
    together = model.answer_batch([None] * len(TAUGHT), list(TAUGHT), processor=processor)
    alone = [model.answer(None, question, processor=processor) for question in TAUGHT]
    assert [one.text for one in together] == list(TAUGHT.values())
    assert [one.confidence for one in together] == pytest.approx([one.confidence for one in alone], rel=1e-3)
    clip = model.answer_clip(None, list(TAUGHT), processor=processor)
    assert [(one.text, one.answer) for one in clip] == [(one.text, one.answer) for one in alone]


def test_what_decides_is_found_by_leaving_it_out():
    def read(text):
        return parse_answer("traveled_distance_comparison", text, question="Which is faster, red or blue?")

    words = ["red", " goes", " not", " as", " far", " as", " blue"]
    logs = [math.log(p) for p in (0.5, 0.9, 0.4, 0.9, 0.9, 0.9, 0.8)]
    decode = lambda some: "".join(words[i] for i in some).strip()  # noqa: E731
    assert read(decode(range(7))) == Choice("blue")
    decides = [i for i in range(7) if read("".join(w for k, w in enumerate(words) if k != i)) != Choice("blue")]
    assert 2 in decides
    assert 1 not in decides
    expected = math.prod(math.exp(logs[i]) for i in decides) ** (1 / len(decides))
    assert confidence(range(7), logs, decode, read) == pytest.approx(expected)
    assert confidence([], [], decode, read) == 0.0


def test_an_answer_is_read_for_its_task(taught):
    model, processor = taught
    one, other = model.answer_batch(
        [None] * 2, [FAR] * 2, processor=processor, tasks=["closest_approach", "moving_direction"]
    )
    assert one.answer == Quantity(12.34, "m")
    assert other.answer is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Quantity(12.3, "m"), "12.3 m"),
        (Quantity(-2, "m/s^2"), "-2 m/s^2"),
        (Quantity(123456.78, "kJ"), "123456.78 kJ"),
        (Count(2), "2"),
        (ClockHour(3), "3 o'clock"),
        (Interval(2, 7.5), "2.0 to 7.5 s"),
        (Choice("red"), "red"),
        (Position((1, -0.3, 12.5)), "(1, -0.3, 12.5) m"),
    ],
)
def test_answers_in_words(answer, words):
    assert stated(answer) == words
    assert str(ModelAnswer("So it is.", answer, 0.876)) == f"So it is. [{words}, confidence 88 %]"
    assert str(ModelAnswer("Hm.", None, 0.5)) == "Hm. [no answer read, confidence 50 %]"


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        (None, "A question is a text, not None"),
        (" ", "A question is a text"),
        ("What does <video> show?", "holds <video>, which stands for a picture"),
        ("What does <image> show?", "holds <image>, which stands for a picture"),
        ("How far does the object in the red box travel?", "red"),
    ],
)
def test_questions_that_cannot_be_asked_are_refused(sharp, question, sentence):
    model, processor = sharp
    with pytest.raises(InputError, match=sentence):
        model.answer(frames(2, 0), question, processor=processor)
    with pytest.raises(InputError, match=sentence):
        model.answer_clip(frames(2, 0), [FAR, question], processor=processor)


def test_lists_that_do_not_fit_are_refused(sharp):
    model, processor = sharp
    with pytest.raises(InputError, match="4 questions but 3 videos"):
        model.answer_batch([None] * 3, ASKED[:4], processor=processor)
    with pytest.raises(InputError, match="4 questions but 1 cameras"):
        model.answer_batch([None] * 4, ASKED[:4], cameras=[CAMERA], processor=processor)
    with pytest.raises(InputError, match="2 questions but 1 tasks"):
        model.answer_clip(None, ASKED[:2], tasks=["peak_speed"], processor=processor)
    with pytest.raises(InputError, match="give its timestamps"):
        model.answer(None, FAR, marks_of(1, 3), processor=processor)


def test_no_question_has_no_answer(sharp):
    assert sharp[0].answer_batch([], [], processor=sharp[1]) == []


def test_a_model_without_a_folder_needs_a_processor():
    model, _ = make_tiny()
    with pytest.raises(InputError, match="pass one"):
        model.answer(frames(2, 0), FAR)


def test_a_model_in_training_answers_as_any_other_and_stays_so(sharp):
    model, processor = sharp
    said = model.answer(frames(2, 0), FAR, processor=processor, max_new_tokens=5)
    clip = model.answer_clip(frames(2, 0), [FAR], processor=processor, max_new_tokens=5)
    model.train()
    try:
        assert model.answer(frames(2, 0), FAR, processor=processor, max_new_tokens=5).text == said.text
        again = model.answer_clip(frames(2, 0), [FAR], processor=processor, max_new_tokens=5)
        assert again[0].text == clip[0].text == said.text
        assert model.training
    finally:
        model.eval()
