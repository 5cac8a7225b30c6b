"""TRL's `SFTTrainer` for our batches, and runs that continue where they were stopped."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transformers import PreTrainedModel
from trl import SFTConfig, SFTTrainer

from st_vlm.errors import InputError
from st_vlm.training.muon import MuonAdamW, muon_groups

SETTINGS_FILE = "sft_settings.json"
# What the result of a run depends on, beside model and data; the rest (logging, saving, workers) may change.
DECIDING = (
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "learning_rate",
    "lr_scheduler_type",
    "warmup_steps",
    "weight_decay",
    "num_train_epochs",
    "max_steps",
    "muon_learning_rate",
    "optim",
    "seed",
    "train_sampling_strategy",
)


@dataclass
class TuningConfig(SFTConfig):
    """TRL's SFTConfig with Muon."""

    muon_learning_rate: float = field(
        default=0.0,
        metadata={
            "help": "Above 0, Muon trains the matrices of hidden layers at this rate and AdamW the rest: leave "
            "`optim` as it is."
        },
    )

    def __post_init__(self) -> None:
        """As the base's.

        Raises:
            InputError: A negative `muon_learning_rate`, or one beside an optimizer of another name.
        """
        super().__post_init__()
        if self.muon_learning_rate < 0:
            raise InputError(f"muon_learning_rate must be positive, or 0 for none, not {self.muon_learning_rate:g}.")
        optim = getattr(self.optim, "value", self.optim)
        if self.muon_learning_rate > 0 and "adamw" not in optim:
            raise InputError(f"optim {optim} and muon_learning_rate exclude each other: give one of them.")


class AnswerTrainer(SFTTrainer):
    """`SFTTrainer` that resumes with the checkpoint's weights, knows Muon, and logs no count of tokens.

    That count is wrong for the masks of shared clips.
    """

    def create_optimizer(self, model=None):
        """As the base's; Muon and AdamW where a `TuningConfig` asks for it."""
        muon = getattr(self.args, "muon_learning_rate", 0.0)
        if muon <= 0 or self.optimizer is not None:
            return super().create_optimizer(model)
        groups = muon_groups(
            self.model if model is None else model, muon, self.args.learning_rate, self.args.weight_decay
        )
        betas = (self.args.adam_beta1, self.args.adam_beta2)
        self.optimizer = MuonAdamW(groups, betas, self.args.adam_epsilon)
        return self.optimizer

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model=None) -> None:
        # transformers stores LLaVA-OneVision under older weight names, and its trainer reads a checkpoint without
        # translating them: it would warn of missing keys and go on with the weights that the model started from.
        model = self.model if model is None else model
        if not isinstance(model, PreTrainedModel):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        stored = type(model).from_pretrained(resume_from_checkpoint, dtype=model.dtype)
        model.load_state_dict(stored.state_dict())

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        self._metrics["train"].pop("num_tokens", None)
        super().log(logs, start_time)


def prepare_arguments(arguments: SFTConfig) -> SFTConfig:
    """Set what `AnswerCollator` needs: rows reach it whole, and nothing is truncated (STACK, "TRL")."""
    arguments.remove_unused_columns = False
    arguments.dataset_kwargs = {"skip_prepare_dataset": True}
    arguments.max_length = None
    arguments.length_column_name = "length"
    return arguments


def last_checkpoint(output_dir: str | os.PathLike) -> str | None:
    """The newest checkpoint that was written to its end, or None.

    The trainer's state is what is written last, so a checkpoint without a readable one was cut off.
    """
    found = []
    for folder in Path(output_dir).glob("checkpoint-*"):
        number = re.fullmatch(r"checkpoint-(\d+)", folder.name)
        try:
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if number:
            found.append((int(number[1]), str(folder)))
    return max(found)[1] if found else None


def remember_settings(output_dir: str | os.PathLike, settings: Mapping, arguments: SFTConfig) -> None:
    """Note beside the checkpoints what decides the run, and refuse to continue one that was started otherwise.

    Args:
        output_dir: The run's folder.
        settings: What decides model and data; plain values.
        arguments: Of the trainer; those in `DECIDING` count.

    Raises:
        InputError: The folder holds checkpoints of a run with other settings.
    """
    chosen = arguments.to_dict()
    now = json.loads(json.dumps({**settings, **{name: chosen.get(name) for name in DECIDING}}, default=str))
    note = Path(output_dir) / SETTINGS_FILE
    if note.is_file() and last_checkpoint(output_dir):
        before = json.loads(note.read_text(encoding="utf-8"))
        for name in sorted({*before, *now}):
            if before.get(name) != now.get(name):
                raise InputError(
                    f"{output_dir} holds checkpoints of a run with {name} = {before.get(name)}, not "
                    f"{now.get(name)}: choose another output_dir, or remove that folder."
                )
    note.parent.mkdir(parents=True, exist_ok=True)
    temporary = note.with_name(f".{note.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    os.replace(temporary, note)
