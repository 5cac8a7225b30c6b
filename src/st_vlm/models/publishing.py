"""What of a model is published: weights, configuration, processor, code and a card, and nothing of the run."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from st_vlm.building.card_header import licence_fields
from st_vlm.errors import InputError
from st_vlm.models.model_card import ModelFacts, model_card

# Written by recipes/sft.py: what decides a run (`training.trainer.remember_settings`).
SETTINGS_FILE = "sft_settings.json"
INDEX_FILE = "model.safetensors.index.json"
_GENERATION_FILE = "generation_config.json"
_TOLD = {
    "max_steps": "steps",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "batch on each device",
    "gradient_accumulation_steps": "batches to a step",
    "learning_rate": "learning rate",
    "lr_scheduler_type": "schedule",
    "use_peft": "LoRA",
    "load_in_4bit": "4-bit base",
    "seed": "seed",
}


@dataclass(frozen=True)
class PublishedModel:
    """What is to be published.

    Attributes:
        files: Path in the repository -> file on disk.
        left_out: Names in the folder that stay at home.
    """

    files: dict[str, Path]
    left_out: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """The files' size together."""
        return sum(path.stat().st_size for path in self.files.values())


def prepare_model(
    folder: str | os.PathLike,
    staging: Path,
    name: str,
    licence: str = "Apache-2.0",
    base_model: str | None = None,
    dataset: str | None = None,
    revision: str | None = None,
) -> PublishedModel:
    """Check a model's folder, and write what is published beside its weights.

    Configuration, processor and code are written anew, so that an older folder, too, is published with its code.

    Args:
        folder: Of a model that `save_pretrained` or recipes/sft.py wrote.
        staging: An empty folder for what is written; it must outlive the upload.
        name: Of the repository.
        licence: Of the weights.
        base_model, dataset: What it was tuned from and on, if the folder does not tell.
        revision: Branch that it goes to, if not the main one.

    Raises:
        InputError: No model, one of another type, adapters alone, weights that are missing or no safetensors, or no
            processor.
    """
    folder = Path(folder)
    weights = _weights(folder)
    config = _written_anew(folder, staging)
    settings = _settings(folder)
    model, data = settings.get("model_name_or_path"), settings.get("dataset")
    facts = ModelFacts(
        name=name,
        parameters=_count(weights),
        track_tokens=config.track_tokens,
        sees_video=config.sees_video,
        licence=licence_fields([licence]),
        base_model=base_model or _on_hub(model),
        dataset=dataset or _on_hub(data),
        training=_training(settings, base_model or model, dataset or data),
        revision=revision,
    )
    (staging / "README.md").write_text(model_card(facts), encoding="utf-8")
    files = {path.name: path for path in sorted(staging.iterdir())} | {path.name: path for path in weights}
    if (folder / _GENERATION_FILE).is_file():
        files[_GENERATION_FILE] = folder / _GENERATION_FILE
    return PublishedModel(files, tuple(sorted(one.name for one in folder.iterdir() if one.name not in files)))


def _weights(folder: Path) -> list[Path]:
    """The files of the weights, and their index where there are several."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.")
    if not (folder / "config.json").is_file():
        if (folder / "adapter_config.json").is_file():
            raise InputError(f"{folder} holds adapters alone: merge them into a model first and publish that.")
        raise InputError(f"{folder} holds no model: there is no config.json in it.")
    index = folder / INDEX_FILE
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError, TypeError):
            raise InputError(f"{index} is no index of weights: save the model again.") from None
        files = [folder / Path(name).name for name in names]
        missing = [path.name for path in files if not path.is_file()]
        if missing:
            raise InputError(f"{folder} lacks {missing[0]}, which its index names: save the model again.")
        return [*files, index]
    if not (folder / "model.safetensors").is_file():
        raise InputError(f"{folder} has no model.safetensors: only weights in that form are published.")
    return [folder / "model.safetensors"]


def _count(weights: list[Path]) -> int:
    """Number of parameters, from the files' headers."""
    count = 0
    for path in weights:
        if path.suffix != ".safetensors":
            continue
        try:
            with safe_open(path, "pt") as file:
                count += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path} cannot be read as safetensors ({error}): save the model again.") from error
    return count


def _written_anew(folder: Path, staging: Path):
    """Write configuration, processor and code; return the configuration."""
    from st_vlm.models.configuration_st_vlm import STVLMConfig
    from st_vlm.models.processing_st_vlm import STVLMProcessor

    try:
        config = STVLMConfig.from_pretrained(folder)
        processor = STVLMProcessor.from_pretrained(folder)
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder} lacks a configuration or processor that can be read: {reason}") from error
    config.architectures = ["STVLMForConditionalGeneration"]
    config.save_pretrained(staging)
    processor.save_pretrained(staging)
    return config


def _settings(folder: Path) -> Mapping:
    try:
        found = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _training(settings: Mapping, model: str | None, data: str | None) -> dict[str, object]:
    """What is told of a run; of a path on somebody's disk its last part alone."""
    told: dict[str, object] = {}
    if model:
        told["tuned from"] = "random weights" if model == "tiny" else _named(model)
    if data:
        config = settings.get("config_name")
        told["on"] = f"{_named(data)} ({config})" if config else _named(data)
    for key, words in _TOLD.items():
        value = settings.get(key)
        if value is True or (value not in (None, False) and not (key == "max_steps" and value <= 0)):
            told[words] = "yes" if value is True else value
    if "steps" in told:
        told.pop("epochs", None)  # steps win where both are given
    return told


def _on_hub(name: str | None) -> str | None:
    """A name of the form `owner/name` that is no folder here; None for any other."""
    named = name and name.count("/") == 1 and name[0] not in "./~" and not Path(name).exists()
    return name if named else None


def _named(name: str) -> str:
    return f"`{_on_hub(name) or Path(name).name}`"
