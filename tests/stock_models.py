"""Tiny random models of other families and their real processors, with tokenizers trained here.

All see frames of 64 x 64 pixels as they are, so that the frames that reach a model can be compared exactly.
"""

from __future__ import annotations

import torch
import transformers as tf
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

SIDE, PATCH = 64, 16
SQUARE = {"height": SIDE, "width": SIDE}
TEXT = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 2048,
}
SIGHT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
IMAGE = {**SIGHT, "image_size": SIDE, "patch_size": PATCH}
QWEN_SIGHT = {
    "depth": 2,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_heads": 2,
    "out_hidden_size": 64,
    "patch_size": PATCH,
}
MROPE = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": [8, 4, 4]}

# How the templates of the families' checkpoints go where a clip is asked about.
CHATML = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- for part in message.content -%}
{%- if part.type == 'video' -%}VIDEO{%- else -%}{{ part.text }}{%- endif -%}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
QWEN_TEMPLATE = CHATML.replace("VIDEO", "<|vision_start|><|video_pad|><|vision_end|>")
INTERNVL_TEMPLATE = CHATML.replace("VIDEO", "{{ '<video>\\n' }}")
# SmolVLM's processor has a template of its own for videos; this one is for questions without.
SMOLVLM_TEMPLATE = """\
<|im_start|>
{%- for message in messages -%}
{{- message.role | capitalize + ': ' -}}
{%- for part in message.content -%}{{- part.text -}}{%- endfor -%}
{{- '<end_of_utterance>\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- 'Assistant:' -}}{%- endif -%}
"""
LLAVA_TEMPLATE = """\
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + ' ' -}}
{%- for part in message.content if part.type == 'video' -%}<video>{%- endfor -%}
{%- for part in message.content if part.type == 'text' -%}{{ '\\n' + part.text }}{%- endfor -%}
{{- '<|im_end|>' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


def qwen3_vl():
    words = _qwen_tokenizer()
    size = {"shortest_edge": 2 * 32 * 32, "longest_edge": 6 * SIDE * SIDE}
    processor = tf.Qwen3VLProcessor(
        image_processor=tf.Qwen2VLImageProcessor(size=size, patch_size=PATCH),
        tokenizer=words,
        video_processor=tf.Qwen3VLVideoProcessor(size=size, cap_pixels_per_frame=False),
        chat_template=QWEN_TEMPLATE,
    )
    config = tf.Qwen3VLConfig(
        text_config={**TEXT, **_ids(words), "head_dim": 32, "rope_parameters": {**MROPE, "mrope_interleaved": True}},
        vision_config={**QWEN_SIGHT, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]},
        **_qwen_ids(words),
    )
    return _made(tf.Qwen3VLForConditionalGeneration, config), processor


def qwen2_5_vl():
    words = _qwen_tokenizer()
    size = {"shortest_edge": 32 * 32, "longest_edge": SIDE * SIDE}
    processor = tf.Qwen2_5_VLProcessor(
        image_processor=tf.Qwen2VLImageProcessor(size=size, patch_size=PATCH),
        tokenizer=words,
        video_processor=tf.Qwen2VLVideoProcessor(size=size, patch_size=PATCH, cap_pixels_per_frame=False),
        chat_template=QWEN_TEMPLATE,
    )
    config = tf.Qwen2_5_VLConfig(
        text_config={**TEXT, **_ids(words), "rope_parameters": MROPE},
        vision_config={**QWEN_SIGHT, "window_size": 64, "fullatt_block_indexes": [1]},
        **_qwen_ids(words),
    )
    return _made(tf.Qwen2_5_VLForConditionalGeneration, config), processor


def smolvlm():
    words = _tokenizer(
        ["<|im_start|>", "<image>", "<fake_token_around_image>", "<global-img>"], end="<end_of_utterance>"
    )
    size = {"longest_edge": SIDE}
    processor = tf.SmolVLMProcessor(
        image_processor=tf.SmolVLMImageProcessor(size=size, max_image_size=size),
        tokenizer=words,
        # As in the checkpoints, where they would take one frame a second and leave out the first and last second.
        video_processor=tf.SmolVLMVideoProcessor(
            size=size, max_image_size=size, do_sample_frames=True, num_frames=64, fps=1
        ),
        image_seq_len=4,
        chat_template=SMOLVLM_TEMPLATE,
    )
    config = tf.SmolVLMConfig(
        text_config={"model_type": "llama", **TEXT, **_ids(words)},
        vision_config=IMAGE,
        scale_factor=2,
        image_token_id=words.convert_tokens_to_ids("<image>"),
        pad_token_id=words.pad_token_id,
    )
    return _made(tf.SmolVLMForConditionalGeneration, config), processor


def internvl():
    named = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    words = _tokenizer(["<|im_start|>"], end="<|im_end|>", named=named)
    processor = tf.InternVLProcessor(
        image_processor=tf.GotOcr2ImageProcessor(size=SQUARE),
        tokenizer=words,
        video_processor=tf.InternVLVideoProcessor(size=SQUARE, do_sample_frames=True, num_frames=2),
        image_seq_length=4,
        chat_template=INTERNVL_TEMPLATE,
    )
    config = tf.InternVLConfig(
        text_config={"model_type": "qwen2", **TEXT, **_ids(words)},
        vision_config={**IMAGE, "image_size": [SIDE, SIDE], "patch_size": [PATCH, PATCH]},
        image_token_id=words.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    return _made(tf.InternVLForConditionalGeneration, config), processor


def llava_onevision():
    words = _tokenizer(["<|im_start|>", "<image>", "<video>"], end="<|im_end|>")
    processor = tf.LlavaOnevisionProcessor(
        image_processor=tf.LlavaOnevisionImageProcessor(size=SQUARE, image_grid_pinpoints=[[SIDE, SIDE]]),
        tokenizer=words,
        video_processor=tf.LlavaOnevisionVideoProcessor(size=SQUARE),
        num_image_tokens=16,
        vision_feature_select_strategy="full",
        chat_template=LLAVA_TEMPLATE,
    )
    config = tf.LlavaOnevisionConfig(
        text_config={"model_type": "qwen2", **TEXT, **_ids(words)},
        vision_config={"model_type": "siglip_vision_model", **IMAGE, "vision_use_head": False},
        image_token_index=words.convert_tokens_to_ids("<image>"),
        video_token_index=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=[[SIDE, SIDE]],
    )
    return _made(tf.LlavaOnevisionForConditionalGeneration, config), processor


def _made(model_class, config):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        # Weights large enough that what a model says depends on what it sees.
        for part in (config, config.text_config, config.vision_config):
            part.initializer_range = 0.2
        model = model_class(config).eval()
    model.generation_config.eos_token_id = config.text_config.eos_token_id
    model.generation_config.pad_token_id = config.text_config.pad_token_id
    return model


def _ids(words) -> dict:
    ids = {"eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id, "bos_token_id": None}
    return {"vocab_size": -(-len(words) // 64) * 64, **ids}


def _qwen_tokenizer():
    return _tokenizer(
        ["<|im_start|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"], end="<|im_end|>"
    )


def _qwen_ids(words) -> dict:
    names = {
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {name: words.convert_tokens_to_ids(token) for name, token in names.items()}


def _tokenizer(special: list[str], end: str, named: dict[str, str] | None = None) -> tf.PreTrainedTokenizerFast:
    """Byte-level BPE with a few merges."""
    every = ["<|endoftext|>", end, *special, *(named or {}).values()]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in every],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["How far does the object marked by the red box travel? user assistant\n"], trainer)
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=end,
        pad_token="<|endoftext|>",
        additional_special_tokens=special,
        extra_special_tokens=named or {},
        padding_side="right",
    )


FAMILIES = {
    "Qwen3-VL": qwen3_vl,
    "Qwen2.5-VL": qwen2_5_vl,
    "SmolVLM": smolvlm,
    "InternVL": internvl,
    "LLaVA-OneVision": llava_onevision,
}
