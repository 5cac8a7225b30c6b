"""A tiny ST-VLM with random weights, made without any download: for tests, and for the demo on a CPU."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from importlib.resources import files

import torch
import yaml
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlavaOnevisionImageProcessor, PreTrainedTokenizerFast, Qwen2Config, SiglipVisionConfig

from st_vlm.models.configuration_st_vlm import STVLMConfig
from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.models.track_features import FEATURES
from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor
from st_vlm.questions.phrasing import CONVENTIONS
from st_vlm.video.marks import COLOURS

END_OF_TEXT, START_OF_TURN, END_OF_TURN = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
IMAGE, VIDEO, TRACK = "<image>", "<video>", "<track>"
IMAGE_SIZE, PATCH_SIZE = 128, 16
VOCABULARY = 1_024
# What questions and answers repeat word by word is one token each: a short sequence is learned sooner, and these words
# leave nothing to decide.
FRAGMENTS = (
    *(f" {convention}" for convention in dict.fromkeys(CONVENTIONS.values())),
    " the object marked by the",
    "The object marked by the",
    " throughout the video",
    "Throughout the video",
    " o'clock",
)
# So few and narrow layers learn to attend sooner from larger weights than the usual 0.02.
INITIAL_STD = 0.06


def make_tiny(
    directory: str | os.PathLike | None = None, seed: int = 0, track_tokens: bool = True, sees_video: bool = True
) -> tuple[STVLMForConditionalGeneration, STVLMProcessor]:
    """A model of 1.6 million random weights and its processor; the same seed gives the same weights.

    The language model has 0.9 million of them: so few questions teach a narrow model as much as a wider one, sooner.
    Frames are seen at 128 x 128 pixels as 16 tokens each. All widths are multiples of 64, so that 4-bit loading works.

    Args:
        directory: Where to save both, so that Auto classes load them; None keeps them in memory only.
        seed: Of the weights. The tokenizer does not depend on it.
        track_tokens: Whether it takes track tokens.
        sees_video: False makes it without a vision tower.
    """
    processor = tiny_processor(track_tokens, sees_video)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = STVLMForConditionalGeneration(_configuration(processor.tokenizer, track_tokens, sees_video))
    model.eval()
    model.generation_config.eos_token_id = processor.tokenizer.eos_token_id
    model.generation_config.pad_token_id = processor.tokenizer.pad_token_id
    if directory is not None:
        model.save_pretrained(directory)
        processor.save_pretrained(directory)
    return model, processor


def tiny_processor(track_tokens: bool = True, sees_video: bool = True) -> STVLMProcessor:
    """The tiny model's processor, with a tokenizer trained here."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    return STVLMProcessor(
        image_processor=LlavaOnevisionImageProcessor(
            size=size, image_grid_pinpoints=[[IMAGE_SIZE, IMAGE_SIZE], [IMAGE_SIZE, 2 * IMAGE_SIZE]]
        ),
        tokenizer=_tokenizer(),
        video_processor=STVLMVideoProcessor(size=size),
        num_image_tokens=(IMAGE_SIZE // PATCH_SIZE) ** 2,
        vision_feature_select_strategy="full",
        track_tokens=track_tokens,
        sees_video=sees_video,
    )


def _configuration(tokenizer: PreTrainedTokenizerFast, track_tokens: bool, sees_video: bool) -> STVLMConfig:
    ids = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id, "bos_token_id": None}
    return STVLMConfig(
        vision_config=SiglipVisionConfig(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=IMAGE_SIZE,
            patch_size=PATCH_SIZE,
            vision_use_head=False,
        ),
        text_config=Qwen2Config(
            vocab_size=-(-len(tokenizer) // 64) * 64,
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=4,
            initializer_range=INITIAL_STD,
            max_position_embeddings=4096,
            tie_word_embeddings=True,
            **ids,
        ),
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        video_token_index=tokenizer.convert_tokens_to_ids(VIDEO),
        image_grid_pinpoints=[[IMAGE_SIZE, IMAGE_SIZE], [IMAGE_SIZE, 2 * IMAGE_SIZE]],
        track_tokens=track_tokens,
        track_token_index=tokenizer.convert_tokens_to_ids(TRACK),
        track_features=len(FEATURES),
        sees_video=sees_video,
        tie_word_embeddings=True,
        **ids,
    )


def _tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE over the phrasings; every digit is a token of its own, and so are `FRAGMENTS`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [END_OF_TEXT, START_OF_TURN, END_OF_TURN, IMAGE, VIDEO, TRACK]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in special],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_corpus(), trainer)
    tokenizer.add_tokens([AddedToken(words, normalized=False) for words in FRAGMENTS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=END_OF_TURN,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[START_OF_TURN, IMAGE, VIDEO, TRACK],
        padding_side="right",
    )


def _corpus() -> Iterator[str]:
    """The words that questions and answers are made of, in sentences."""
    objects = ["the object"] + [f"the object marked in {c}" for c in COLOURS]
    objects += [f"the object annotated with the {c} bounding box" for c in COLOURS]
    spans = ["throughout the video", "from 2.0 to 7.5 seconds", "between 0.5 and 3.5 seconds"]
    units = ["m", "meters", "metres", "km/h", "kilometers per hour", "seconds", "s"]
    yield "Frame times in seconds: 0 0.5 1 1.5 2\n"
    yield "\nsystem\nuser\nassistant\n"
    yield (
        "12 o'clock is the way the marked object itself first moved, seen from above; 3 o'clock is its right. "
        "It is not the camera's view."
    )
    for thing, span, unit in itertools.product(objects, spans, units):
        yield f"{thing.capitalize()} travels 12.34 {unit} {span}; its average speed and its distance are asked."
        yield f"{span.capitalize()}, {thing} moves in the direction of 10 o'clock, stops, and turns."
    for wording in _phrasings():
        for thing, span in itertools.product(objects, spans):
            words = {"when": span, "When": span.capitalize()}
            yield re.sub(r"\{(\w+)\}", lambda m, w=words, t=thing: w.get(m[1], t), wording)


def _phrasings() -> Iterator[str]:
    """Every question and answer wording of the package, in a fixed order."""
    folder = files("st_vlm.questions") / "phrasings"
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir(), key=lambda p: p.name):
        if path.name.endswith(".yaml"):
            yield from _strings(yaml.safe_load(path.read_text(encoding="utf-8")))


def _strings(node) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, (dict, list)):
        for child in node.values() if isinstance(node, dict) else node:
            yield from _strings(child)
