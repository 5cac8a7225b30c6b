"""LLaVA-OneVision checkpoints: theirs become ours, ours become theirs, and stock transformers agrees to the bit."""

import json

import numpy as np
import pytest
import torch
from lone_process import lone
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
    Qwen2Config,
)

from st_vlm.errors import InputError
from st_vlm.models.configuration_st_vlm import STVLMConfig
from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.models.tiny import make_tiny
from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "image"}, {"type": "video"}, {"type": "text", "text": "How far?"}]},
]
STOCK = """
import json, numpy as np, torch
from safetensors.torch import save_file
from transformers import AutoModelForImageTextToText, AutoProcessor
torch.set_num_threads(1)
folder, messages, out = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
model, info = AutoModelForImageTextToText.from_pretrained(folder, output_loading_info=True)
processor = AutoProcessor.from_pretrained(folder)
video, image = (np.load(f"{out}/{name}.npy") for name in ("video", "image"))
prompt = processor.apply_chat_template(messages, add_generation_prompt=True)
inputs = processor(text=prompt, images=image, videos=[video], return_tensors="pt")
with torch.no_grad():
    logits = model(**inputs).logits
save_file({**inputs, "logits": logits}, f"{out}/stock.safetensors")
parts = (model, model.config, model.generation_config, processor, processor.video_processor)
print(json.dumps({
    "classes": [type(part).__module__ + "." + type(part).__name__ for part in parts],
    "keys": {name: sorted(map(str, keys)) for name, keys in info.items()},
    "prompt": prompt,
    "generation": [model.generation_config.eos_token_id, model.generation_config.max_new_tokens],
    "ours": [name for name, module in sys.modules.items() if name.startswith("st_vlm") and module is not None],
}))
"""


@pytest.fixture(scope="module")
def plain():
    """(model, processor) without track tokens."""
    model, processor = make_tiny(track_tokens=False)
    model.generation_config.max_new_tokens = 33
    return model, processor


@pytest.fixture(scope="module")
def stock_folder(plain, tmp_path_factory):
    """A LLaVA-OneVision checkpoint of random weights that stock transformers made and saved."""
    model, processor = plain
    shape = {key: getattr(model.config, key) for key in ("vision_config", "text_config", "image_grid_pinpoints")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        base = LlavaOnevisionForConditionalGeneration(
            LlavaOnevisionConfig(
                **shape,
                image_token_index=model.config.image_token_id,
                video_token_index=model.config.video_token_id,
                tie_word_embeddings=True,
            )
        )
    folder = tmp_path_factory.mktemp("stock") / "base"
    base.save_pretrained(folder)
    LlavaOnevisionProcessor(
        processor.image_processor,
        processor.tokenizer,
        LlavaOnevisionVideoProcessor(size=processor.video_processor.size),
        num_image_tokens=processor.num_image_tokens,
        vision_feature_select_strategy="full",
        chat_template="{% for m in messages %}{{ m.content }}{% endfor %}",
    ).save_pretrained(folder)
    return folder


def tensors(folder):
    with safe_open(folder / "model.safetensors", "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)


def same_tensors(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_stock_transformers_loads_it_without_us_and_says_the_same(plain, tmp_path, stock_folder):
    model, processor = plain
    rng = np.random.default_rng(3)
    video, image = (rng.integers(0, 255, shape, np.uint8) for shape in ((3, 90, 160, 3), (90, 160, 3)))
    np.save(tmp_path / "video.npy", video)
    np.save(tmp_path / "image.npy", image)
    model.save_pretrained_as_base(tmp_path / "base", processor)
    said = lone(STOCK, tmp_path / "base", json.dumps(MESSAGES), tmp_path, home=tmp_path / "home", package=False)

    assert said["ours"] == []
    assert all(name.startswith("transformers.") for name in said["classes"])
    assert [name.rpartition(".")[2] for name in said["classes"]] == [
        "LlavaOnevisionForConditionalGeneration",
        "LlavaOnevisionConfig",
        "GenerationConfig",
        "LlavaOnevisionProcessor",
        "LlavaOnevisionVideoProcessor",
    ]
    assert not any(said["keys"].values())
    assert said["generation"] == [processor.tokenizer.eos_token_id, 33]
    assert said["prompt"] == processor.apply_chat_template(MESSAGES, add_generation_prompt=True)

    theirs = load_file(tmp_path / "stock.safetensors")
    untimed = STVLMProcessor(
        **{name: getattr(processor, name) for name in ("image_processor", "tokenizer", "video_processor")},
        num_image_tokens=processor.num_image_tokens,
        vision_feature_select_strategy="full",
        write_frame_times=False,
    )
    ours = untimed(text=said["prompt"], images=image, videos=[video], return_tensors="pt")
    assert ours.pop("video_num_frames").tolist() == [3]
    assert same_tensors(dict(ours), {name: value for name, value in theirs.items() if name != "logits"})
    with torch.no_grad():
        assert torch.equal(model(**ours).logits, theirs["logits"])

    assert tensors(tmp_path / "base").keys() == tensors(stock_folder).keys()
    for path in (tmp_path / "base").iterdir():
        assert path.suffix in (".json", ".jinja", ".safetensors")
        for word in (b"st_vlm", b"STVLM", b"auto_map", b"track_tokens", b"write_frame_times"):
            assert word not in path.read_bytes(), path.name


def test_their_checkpoint_is_ours_and_comes_back_as_it_was(stock_folder, tmp_path, plain, caplog):
    model = STVLMForConditionalGeneration.from_pretrained(stock_folder)
    assert "model of type" not in caplog.text
    assert type(model.config) is STVLMConfig
    assert model.config.model_type == "st_vlm"
    assert not model.config.track_tokens
    base = LlavaOnevisionForConditionalGeneration.from_pretrained(stock_folder)
    inputs = plain[1](text="<video>How far?", videos=np.zeros((2, 90, 160, 3), np.uint8), return_tensors="pt")
    stock_inputs = {name: value for name, value in inputs.items() if name != "video_num_frames"}
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, base(**stock_inputs).logits)

    model.save_pretrained_as_base(tmp_path / "back")
    assert same_tensors(tensors(tmp_path / "back"), tensors(stock_folder))
    for name in ("config.json", "processor_config.json", "chat_template.jinja"):
        before, after = ((folder / name).read_text() for folder in (stock_folder, tmp_path / "back"))
        if name.endswith("json"):
            before, after = (drop_dtypes(json.loads(text)) for text in (before, after))
        assert before == after
    assert type(AutoModel.from_pretrained(tmp_path / "back")).__module__.startswith("transformers.")
    # the weights are the model's own still
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.lm_head.weight.device.type == "cpu"


def drop_dtypes(config):
    """transformers notes the weights' type in the nested configurations of what it loaded, not of what it made."""
    return {k: drop_dtypes(v) if isinstance(v, dict) else v for k, v in config.items() if k != "dtype"}


def test_a_model_of_theirs_answers_with_our_processor(stock_folder):
    model = STVLMForConditionalGeneration.from_pretrained(stock_folder)
    processor = model._own_processor()
    assert type(processor) is STVLMProcessor
    assert type(processor.video_processor) is STVLMVideoProcessor


def test_over_an_older_one_it_is_written_again(plain, stock_folder, tmp_path):
    model, processor = plain
    for _ in range(2):
        model.save_pretrained_as_base(tmp_path / "base", processor)
    assert json.loads((tmp_path / "base" / "config.json").read_text())["model_type"] == "llava_onevision"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"track_tokens": True}, "A model with track tokens is no LLaVA-OneVision"),
        ({"track_tokens": False, "sees_video": False}, "A model without vision tower is no LLaVA-OneVision"),
    ],
)
def test_what_the_base_cannot_express_is_refused(options, sentence, tmp_path):
    model, processor = make_tiny(**options)
    with pytest.raises(InputError, match=sentence):
        model.save_pretrained_as_base(tmp_path / "base", processor)
    assert not (tmp_path / "base").exists()


def test_folders_and_processors_that_do_not_fit_are_refused(plain, tmp_path):
    model, processor = plain
    with pytest.raises(InputError, match="its processor is unknown: pass one"):
        model.save_pretrained_as_base(tmp_path / "base")
    assert not (tmp_path / "base").exists()
    model.save_pretrained(tmp_path / "ours")
    held = sorted(path.name for path in (tmp_path / "ours").iterdir())
    with pytest.raises(InputError, match="ours holds a checkpoint of st_vlm"):
        model.save_pretrained_as_base(tmp_path / "ours", processor)
    assert sorted(path.name for path in (tmp_path / "ours").iterdir()) == held
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="file is a file"):
        model.save_pretrained_as_base(tmp_path / "file", processor)


@pytest.mark.parametrize("load", [STVLMForConditionalGeneration.from_pretrained, STVLMConfig.from_pretrained])
def test_a_checkpoint_of_another_model_is_refused(load, tmp_path):
    Qwen2Config(hidden_size=64).save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match=r"other is a checkpoint of qwen2, not of st_vlm or llava_onevision"):
        load(tmp_path / "other")
    (tmp_path / "other" / "config.json").write_text("{}")
    with pytest.raises(InputError, match="is a checkpoint of an unnamed model type"):
        load(tmp_path / "other")


@pytest.mark.parametrize("version", [2, "2.0"])
@pytest.mark.parametrize(
    "load",
    [
        STVLMForConditionalGeneration.from_pretrained,
        STVLMConfig.from_pretrained,
        AutoConfig.from_pretrained,
        AutoModel.from_pretrained,
    ],
)
def test_a_configuration_of_a_newer_version_is_refused(load, version, tiny_folder, tmp_path):
    config = json.loads((tiny_folder / "config.json").read_text())
    assert config["st_vlm_version"] == 1
    (tmp_path / "config.json").write_text(json.dumps(config | {"st_vlm_version": version}))
    with pytest.raises(InputError, match=f"{tmp_path.name} was written by a newer version of st-vlm"):
        load(tmp_path)
