"""What the model gets: marked pixels, one block of tokens a frame, the frames' times."""

import copy

import numpy as np
import pytest
import torch
from PIL import Image

from st_vlm.errors import InputError
from st_vlm.models import lazy_frames
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.video.decoding import read_frames
from st_vlm.video.encoding import write_video
from st_vlm.video.marks import Mark

PROMPT = "<|im_start|>user\n<video>\nHow far does the object travel?<|im_end|>\n<|im_start|>assistant\n"
BOX = (40.0, 24.0, 120.0, 72.0)
TOKENS_A_FRAME = 16


def content(question="How far does the object travel?", **video):
    return [{"role": "user", "content": [{"type": "video", **video}, {"type": "text", "text": question}]}]


def with_backend(processor, backend):
    """A copy of the processor whose videos are decoded by the backend named."""
    processor = copy.copy(processor)
    processor.video_processor = copy.copy(processor.video_processor)
    processor.video_processor.video_backend = backend
    return processor


def text_of(processor, inputs, row=0):
    return processor.tokenizer.decode(inputs["input_ids"][row]).replace("<video>", "")


def test_tokens_and_times_follow_the_frames(tiny, clip):
    processor = tiny[1]
    inputs = processor(text=PROMPT, videos=clip, return_tensors="pt")
    assert inputs["pixel_values_videos"].shape == (1, 5, 3, 128, 128)
    assert (inputs["input_ids"] == processor.video_token_id).sum() == 5 * TOKENS_A_FRAME + 1
    assert text_of(processor, inputs) == (
        "<|im_start|>user\nFrame times in seconds: 0 0.5 1 1.49 2\n\n"
        "How far does the object travel?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_arrays_are_half_a_second_apart_unless_times_are_given(tiny, videos):
    processor = tiny[1]
    assumed = processor(text=PROMPT, videos=videos[2], return_tensors="pt")
    assert "Frame times in seconds: 0 0.5 1\n" in text_of(processor, assumed)
    told = processor(text=PROMPT, videos=videos[2], timestamps=[0.0, 0.249, 10.0], return_tensors="pt")
    assert "Frame times in seconds: 0 0.25 10\n" in text_of(processor, told)


def test_every_way_to_hand_over_a_video_gives_the_same_tensors(tiny, clip):
    processor = tiny[1]
    frames = read_frames(clip)
    marks = [{"color": "red", "boxes": [BOX] * 5, "category": "vehicle.car"}]
    reference = processor(text=[PROMPT], videos=[clip], marks=[marks], return_tensors="pt")
    times = [0.0, 0.5, 1.004, 1.49, 2.0]
    for video in (str(clip), clip.read_bytes(), frames, [Image.fromarray(f) for f in frames]):
        inputs = processor(text=PROMPT, videos=video, marks=marks, timestamps=times, return_tensors="pt")
        for name in reference:
            assert torch.equal(inputs[name], reference[name]), name


def test_chat_template_and_call_give_the_same_prompt(tiny, clip):
    processor = tiny[1]
    arguments = {"marks": [[Mark("red", (BOX,) * 5)]], "timestamps": [[0.0, 0.6, 1.0, 1.5, 2.0]]}
    called = processor(text=PROMPT, videos=[clip], return_tensors="pt", **arguments)
    for key in ("video", "path"):
        templated = processor.apply_chat_template(
            content(**{key: str(clip)}),
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs=arguments,
        )
        for name in called:
            assert torch.equal(templated[name], called[name]), name


def test_assistant_mask_covers_the_answers_and_their_end(tiny, videos):
    processor = tiny[1]
    answers = ["It travels 12.34 meters.", "3.5 m."]
    chats = [
        [*content(video=video), {"role": "assistant", "content": [{"type": "text", "text": answer}]}]
        for video, answer in zip(videos, answers, strict=False)
    ]
    out = processor.apply_chat_template(
        chats, tokenize=True, return_dict=True, return_tensors="pt", return_assistant_tokens_mask=True
    )
    for ids, mask, answer in zip(out["input_ids"], torch.as_tensor(out["assistant_masks"]), answers, strict=True):
        assert processor.tokenizer.decode(ids[mask.bool()]) == f"{answer}<|im_end|>"


def test_marks_change_the_pixels_around_the_box_and_no_others(tiny):
    processor = tiny[1]
    video = np.full((2, 96, 160, 3), 60, np.uint8)
    plain = processor(text=PROMPT, videos=video, return_tensors="pt")["pixel_values_videos"][0]
    marked = processor(text=PROMPT, videos=video, marks=[Mark("red", (BOX, None))], return_tensors="pt")
    change = (marked["pixel_values_videos"][0] - plain).abs()
    assert (video == 60).all()
    assert not change[1].any()
    # in the model's 128 x 128 pixels the box spans x 32-96, y 32-96
    assert change[0, 0, 32:96, 29:32].max(-1).values.min() > 2  # left side, along its whole length: red rises
    assert not change[0, :, 40:88, 40:88].any()
    assert not change[0, :, :24].any()
    assert not change[0, :, :, 104:].any()


def test_lines_survive_the_way_from_large_frames(tiny):
    processor = tiny[1]
    video = np.zeros((1, 900, 1600, 3), np.uint8)
    box = (400, 300, 500, 380)
    plain, marked = (
        processor(text=PROMPT, videos=video, marks=marks, return_tensors="pt")["pixel_values_videos"][0, 0, 0]
        for marks in (None, [Mark("red", (box,))])
    )
    full = 1 / processor.video_processor.image_std[0]
    rows = (marked - plain)[43:54].max(-1).values  # each row the box passes has a pixel of nearly full red
    assert rows.min() > 0.9 * full


def test_a_batch_reads_each_file_once(tiny, clip, monkeypatch):
    processor, reads = tiny[1], []
    original = lazy_frames.iterate_frames
    monkeypatch.setattr(lazy_frames, "iterate_frames", lambda *a: reads.append(a[0]) or original(*a))
    processor = with_backend(processor, "pyav")
    marks = [[Mark("red", (BOX,) * 5)], None, [Mark("blue", (BOX,) * 5)]]
    out = processor(text=[PROMPT] * 3, videos=[clip] * 3, marks=marks, return_tensors="pt")["pixel_values_videos"]
    assert len(reads) == 1
    red, plain, blue = out
    assert red[0, 0, 40, 31] > plain[0, 0, 40, 31]
    assert blue[0, 2, 40, 31] > plain[0, 2, 40, 31]


def test_long_videos_are_sampled_and_their_boxes_with_them(tiny, tmp_path):
    processor, path = tiny[1], tmp_path / "long.mp4"
    write_video(path, (np.full((32, 32, 3), i, np.uint8) for i in range(60)), np.arange(60) / 10)
    boxes = [None] * 60
    boxes[5] = (8, 8, 24, 24)
    plain = processor(text=PROMPT, videos=path, return_tensors="pt")
    assert "Frame times in seconds: 0 0.5 1 1.5 2 2.5 3 3.5 4 4.5 5 5.5\n" in text_of(processor, plain)
    whole = processor(text=PROMPT, videos=path, marks=[Mark("green", boxes)], return_tensors="pt")
    few = processor(text=PROMPT, videos=path, marks=[Mark("green", boxes[::5])], return_tensors="pt")
    assert torch.equal(whole["pixel_values_videos"], few["pixel_values_videos"])
    changed = (whole["pixel_values_videos"] != plain["pixel_values_videos"])[0].flatten(1).any(1)
    assert changed.tolist() == [False, True] + [False] * 10
    fewer = processor(text=PROMPT, videos=path, num_frames=3, return_tensors="pt")
    assert "Frame times in seconds: 0 2.9 5.9\n" in text_of(processor, fewer)


def test_refusals_name_the_video_and_both_counts(tiny, clip, tmp_path, videos):
    processor = tiny[1]
    short = tmp_path / "short.mp4"
    write_video(short, np.zeros((4, 16, 16, 3), np.uint8), np.arange(4) * 0.1)
    for arguments, sentence in (
        ({"videos": clip, "marks": [Mark("red", (BOX,) * 4)]}, r"clip\.mp4: the red mark has 4 boxes .* 5 sampled"),
        ({"videos": clip, "timestamps": [0.0, 1.0]}, r"clip\.mp4: 2 timestamps but 5 sampled"),
        ({"videos": videos[1], "timestamps": [1.0, 1.0]}, "Video 0: the timestamps must be finite and strictly"),
        ({"videos": clip, "timestamps": [["a"] * 5]}, r"clip\.mp4: the timestamps must be a list of seconds"),
        (
            {"videos": np.repeat(videos[1][:1], 3, 0), "timestamps": [0.0, 0.1, 0.2]},
            r"Video 0: its frames last 0\.30 s",
        ),
        ({"videos": 5}, "A video is a path, .* not 5"),
        ({"videos": clip, "fps": 0}, "fps must be more than 0"),
        ({"videos": short}, r"short\.mp4 lasts 0\.40 s"),
        ({"videos": videos[1].astype(float)}, "Video 0: expected .* uint8 RGB frames, not float64"),
        ({"videos": [clip], "marks": [None, None]}, "1 videos but 2 lists of marks"),
        ({"videos": [clip], "marks": [[{"color": c, "boxes": [None] * 5} for c in ("red", "red")]]}, "Two marks"),
    ):
        with pytest.raises(InputError, match=sentence):
            processor(text=PROMPT, return_tensors="pt", **arguments)


def test_saved_and_saved_again(tiny, tmp_path, clip):
    processor = STVLMProcessor(
        *(getattr(tiny[1], name) for name in STVLMProcessor.get_attributes()),
        num_image_tokens=64,
        vision_feature_select_strategy="full",
        write_frame_times=False,
    )
    for name in ("one", "two"):
        processor.save_pretrained(tmp_path / name)
        processor = STVLMProcessor.from_pretrained(tmp_path / name)
    inputs = processor(text=PROMPT, videos=clip, return_tensors="pt")
    assert "Frame times" not in text_of(processor, inputs)
    assert (inputs["input_ids"] == processor.video_token_id).sum() == 5 * TOKENS_A_FRAME + 1
    for name in ("processor_config.json", "chat_template.jinja", "tokenizer.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
