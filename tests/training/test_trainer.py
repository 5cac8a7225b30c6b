"""Runs that learn, stop, continue and refuse."""

import json

import pytest
import torch

from st_vlm.errors import InputError
from st_vlm.models.tiny import make_tiny
from st_vlm.training.collator import AnswerCollator
from st_vlm.training.loading import load_model
from st_vlm.training.rows import load_rows
from st_vlm.training.sharing import share_clips
from st_vlm.training.trainer import (
    AnswerTrainer,
    TuningConfig,
    last_checkpoint,
    prepare_arguments,
    remember_settings,
)


def trainer(rows, folder, extra=None, **options):
    options = {"max_steps": 3, "learning_rate": 2e-3, "save_strategy": "no", "logging_steps": 1} | options
    arguments = TuningConfig(
        output_dir=str(folder),
        per_device_train_batch_size=2,
        use_cpu=True,
        bf16=False,
        dataloader_pin_memory=False,
        report_to="none",
        activation_checkpointing=False,
        disable_tqdm=True,
        **options,
    )
    model, processor = make_tiny()
    return AnswerTrainer(
        model=model,
        args=prepare_arguments(arguments),
        data_collator=AnswerCollator(processor),
        train_dataset=share_clips(rows, 4),
        processing_class=processor,
        **(extra or {}),
    )


def losses(run):
    return [entry["loss"] for entry in run.state.log_history if "loss" in entry]


def test_three_steps_lower_the_loss_on_the_batch_they_saw(rows, tmp_path):
    torch.set_num_threads(1)
    run = trainer(rows.select(range(7)), tmp_path, max_steps=3)
    run.train()
    first, *_, last = losses(run)
    assert last < first - 0.3


def test_the_trainers_loss_is_the_models(rows, tmp_path):
    """TRL computes it from the backbone, so whatever the model's `forward` does beside would be lost."""
    run = trainer(rows.select(range(4)), tmp_path, max_steps=1, learning_rate=0.0)
    batch = run.data_collator([run.train_dataset[0]])
    with torch.no_grad():
        expected = make_tiny()[0](**batch).loss.item()
    run.train()
    assert losses(run)[0] == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("muon", [0.0, pytest.param(0.01, marks=pytest.mark.slow)])
def test_a_stopped_run_continues_as_if_it_had_not_been_stopped(rows, tmp_path, muon):
    options = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "muon_learning_rate": muon}
    whole = trainer(rows, tmp_path / "whole", **options)
    whole.train()
    # What a kill leaves: the checkpoint of step 2, and one that was not written to its end.
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    (tmp_path / "whole" / "checkpoint-2").rename(stopped / "checkpoint-2")
    (stopped / "checkpoint-4").mkdir()
    (stopped / "checkpoint-4" / "model.safetensors").write_bytes(b"cut")
    assert last_checkpoint(stopped) == str(stopped / "checkpoint-2")
    again = trainer(rows, stopped, **options)
    again.train(resume_from_checkpoint=last_checkpoint(stopped))
    assert losses(again) == losses(whole)
    for name, weights in whole.model.state_dict().items():
        assert torch.equal(weights, again.model.state_dict()[name]), name


def test_a_run_with_other_settings_is_not_continued(tmp_path):
    arguments = TuningConfig(output_dir=str(tmp_path), learning_rate=1e-3, use_cpu=True, bf16=False)
    remember_settings(tmp_path, {"dataset": "a"}, arguments)
    remember_settings(tmp_path, {"dataset": "b"}, arguments)  # nothing to continue yet
    (tmp_path / "checkpoint-5").mkdir()
    (tmp_path / "checkpoint-5" / "trainer_state.json").write_text(json.dumps({}))
    remember_settings(tmp_path, {"dataset": "b"}, arguments)
    arguments.learning_rate = 2e-3
    with pytest.raises(InputError, match=r"learning_rate = 0.001, not 0.002"):
        remember_settings(tmp_path, {"dataset": "b"}, arguments)


def test_a_base_checkpoint_is_loaded_as_st_vlm_with_its_weights(tmp_path):
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

    model, processor = make_tiny(seed=3, track_tokens=False)
    settings = {key: value for key, value in model.config.to_dict().items() if key != "model_type"}
    base = LlavaOnevisionForConditionalGeneration(LlavaOnevisionConfig(**settings))
    base.load_state_dict(model.state_dict())
    base.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, its_processor = load_model(str(tmp_path))
    assert type(loaded).__name__ == "STVLMForConditionalGeneration"
    assert type(its_processor).__name__ == "STVLMProcessor"
    for name, weights in model.state_dict().items():
        assert torch.equal(weights, loaded.state_dict()[name]), name


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"dataset": "./nowhere"}, "no dataset at"),
        ({"split": "validation"}, "has no split 'validation': it has train, test"),
        ({"dataset": "stkit", "config_name": "kitty"}, "kitty"),
        ({"dataset": "stkit", "config_name": "nuscenes", "num_recordings": 3}, "simulated source"),
        ({"num_recordings": 3}, "simulated source"),
    ],
)
def test_a_dataset_that_is_not_there_is_one_sentence(built, options, sentence):
    with pytest.raises(InputError, match=sentence):
        load_rows(**({"dataset": str(built)} | options))


def test_a_folder_that_was_not_built_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"st-vlm build"):
        load_rows(str(tmp_path))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        load_model(str(tmp_path))


def test_a_folder_that_was_moved_is_read_where_it_is_now(tmp_path):
    from micro_dataset import micro_folder

    first = micro_folder(tmp_path / "first", clips=1)
    load_rows(str(first))
    first.rename(tmp_path / "second")
    paths = {row["video"]["path"] for row in load_rows(str(tmp_path / "second"))}
    assert paths == {str(tmp_path / "second" / "train" / "clips" / "micro-00.mp4")}


@pytest.mark.slow
def test_an_adapter_run_continues_as_if_it_had_not_been_stopped(rows, tmp_path):
    from peft import LoraConfig

    lora = {"peft_config": LoraConfig(r=4, target_modules=r".*language_model.*\.(q|v)_proj")}
    options = {"max_steps": 3, "save_strategy": "steps", "save_steps": 2, "learning_rate": 1e-2}
    whole = trainer(rows, tmp_path / "whole", lora, **options)
    whole.train()
    again = trainer(rows, tmp_path / "again", lora, **options)
    again.train(resume_from_checkpoint=str(tmp_path / "whole" / "checkpoint-2"))
    assert losses(again) == losses(whole)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"muon_learning_rate": -0.01}, "-0.01"), ({"muon_learning_rate": 0.01, "optim": "sgd"}, "sgd")],
)
def test_a_rate_of_muon_that_means_nothing_is_refused(tmp_path, options, named):
    with pytest.raises(InputError, match=named):
        TuningConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, **options)
