"""The tuning recipe as a user starts it."""

from pathlib import Path

import pytest
import torch
import yaml
from micro_dataset import micro_folder
from st_vlm.recipes import sft
from stock_models import qwen3_vl
from transformers import AutoModel, AutoProcessor

from st_vlm.errors import InputError

CONFIGS = sorted(sft.CONFIGS.glob("*.yaml"))
SMALL = [
    "--questions_per_clip",
    "7",
    "--per_device_train_batch_size",
    "2",
    "--disable_tqdm",
    "true",
    "--logging_steps",
    "1",
]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return micro_folder(tmp_path_factory.mktemp("sft") / "micro", clips=2)


def test_the_recipe_leaves_a_model_that_auto_classes_load(built, tmp_path):
    torch.set_num_threads(1)
    out = tmp_path / "out"
    sft.main(["--dataset", str(built), "--output_dir", str(out), "--max_steps", "2", *SMALL])
    model, processor = AutoModel.from_pretrained(out), AutoProcessor.from_pretrained(out)
    clip = next(built.glob("test/clips/*.mp4"))
    assert isinstance(model.answer(str(clip), "How far?", processor=processor, max_new_tokens=4).text, str)
    # Started again, there is nothing left to do; with other settings it refuses.
    sft.main(["--dataset", str(built), "--output_dir", str(out), "--max_steps", "2", *SMALL])
    with pytest.raises(InputError, match="max_steps = 2, not 3"):
        sft.main(["--dataset", str(built), "--output_dir", str(out), "--max_steps", "3", *SMALL])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_parses(path):
    data, arguments, chosen = sft.parse(["--config", str(path)])
    given = yaml.safe_load(path.read_text())
    assert arguments.learning_rate == pytest.approx(given["learning_rate"])
    assert chosen.model_name_or_path == given["model_name_or_path"]
    questions = data.questions_per_clip * arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    processes = {"sft_7b_full": 8}.get(path.stem, 1)
    if path.stem != "tiny":
        assert questions * processes == 128


def test_without_a_config_it_is_the_tiny_model():
    _, arguments, chosen = sft.parse([])
    assert (chosen.model_name_or_path, arguments.output_dir) == ("tiny", "outputs/sft-tiny")
    assert not arguments.bf16 or torch.accelerator.is_available()


@pytest.mark.parametrize(
    "path", sorted((sft.CONFIGS.parent / "accelerate").glob("*.yaml")), ids=lambda path: path.stem
)
def test_every_accelerate_config_parses(path):
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(path))
    assert config.mixed_precision == "bf16"
    wanted = {"fsdp2": "FSDP", "deepspeed_zero3": "DEEPSPEED", "single_gpu": "NO"}[path.stem]
    assert config.distributed_type.value == wanted


@pytest.mark.parametrize(
    ("text", "sentence"), [(None, "cannot be read"), ("learning_rat: 1", "learning_rat"), ("- 1", "mapping")]
)
def test_a_bad_config_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "run.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        sft.parse(["--config", str(path)])


def test_other_models_are_refused_several_questions_in_a_sequence_before_a_step(built, tmp_path):
    for part in qwen3_vl():
        part.save_pretrained(tmp_path / "base")
    options = ["--model_name_or_path", str(tmp_path / "base"), "--dataset", str(built), "--output_dir"]
    with pytest.raises(InputError, match="questions_per_clip to 1"):
        sft.main([*options, str(tmp_path / "out"), "--max_steps", "1", *SMALL])
    assert not (tmp_path / "out").exists()


def test_lora_targets_only_the_language_model():
    from peft import LoraConfig, get_peft_model

    from st_vlm.models.tiny import make_tiny

    chosen = sft.parse(["--config", str(sft.CONFIGS / "sft_7b_qlora.yaml")])[2]
    tuned = get_peft_model(make_tiny()[0], LoraConfig(target_modules=chosen.lora_target_modules))
    adapted = {name for name, weights in tuned.named_parameters() if weights.requires_grad}
    # Four layers, seven projections, two matrices each.
    assert len(adapted) == 4 * 7 * 2
    assert all("language_model" in name for name in adapted)


def test_qlora_on_a_cpu_keeps_the_vision_tower_whole_and_merges(built, tmp_path):
    pytest.importorskip("bitsandbytes")
    from st_vlm.models.tiny import make_tiny

    base, out = tmp_path / "base", tmp_path / "out"
    before, _ = make_tiny(base)
    sft.main(
        [
            *[
                "--model_name_or_path",
                str(base),
                "--dataset",
                str(built),
                "--output_dir",
                str(out),
                "--max_steps",
                "2",
            ],
            *["--load_in_4bit", "--use_peft", "--learning_rate", "1e-2"],
            *["--lora_target_modules", r".*language_model.*\.(q|k|v|o|gate|up|down)_proj", *SMALL],
        ]
    )
    assert (out / "adapter" / "adapter_config.json").is_file()
    after = AutoModel.from_pretrained(out).state_dict()
    changed = {name for name, weights in before.state_dict().items() if not torch.equal(weights, after[name])}
    assert changed
    assert all("language_model.layers" in name for name in changed)


def test_recipes_name_files_that_exist():
    for script in ("sft.py", "run_bench.py"):
        text = (sft.CONFIGS.parent / script).read_text()
        for name in {word for word in text.split() if word.startswith("recipes/") and word.endswith((".yaml", ".py"))}:
            assert (sft.CONFIGS.parent.parent / name).is_file() or Path(name).is_file(), name
