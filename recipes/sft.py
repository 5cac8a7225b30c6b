"""Tune a video model on questions about motion.

Without arguments: the tiny model on the simulated set, on a CPU (recipes/configs/tiny.yaml).

    accelerate launch recipes/sft.py
    accelerate launch recipes/sft.py --dataset stkit-folder --output_dir outputs/mine --max_steps 50
    accelerate launch --config_file recipes/accelerate/single_gpu.yaml recipes/sft.py \
        --config recipes/configs/sft_7b_qlora.yaml --dataset stkit-folder

Arguments are those below, `muon_learning_rate`, TRL's SFTConfig and ModelConfig; a YAML file gives any of them, the
command line wins.
Started again with the same output_dir, a run goes on from its last checkpoint. After pip:
`accelerate launch -m st_vlm.recipes.sft`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from trl import ModelConfig, TrlParser, get_peft_config, get_quantization_config

from st_vlm.cli.output import say
from st_vlm.errors import InputError
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.training.collator import AnswerCollator
from st_vlm.training.loading import TINY, UNQUANTISED, load_model
from st_vlm.training.rows import DEFAULT_DATASET, load_rows
from st_vlm.training.sharing import share_clips
from st_vlm.training.trainer import (
    AnswerTrainer,
    TuningConfig,
    last_checkpoint,
    prepare_arguments,
    remember_settings,
)

CONFIGS = Path(__file__).resolve().parent / "configs"


@dataclass
class DataArguments:
    """What to learn from."""

    dataset: str = field(
        default=DEFAULT_DATASET, metadata={"help": "A built folder, `stkit`, or a dataset's name on the Hub."}
    )
    config_name: str | None = field(default=None, metadata={"help": "Source of `stkit`; `simulated` if not given."})
    data_dir: str | None = field(default=None, metadata={"help": "The source's recordings, for `stkit`."})
    split: str = field(default="train", metadata={"help": "Split to learn from."})
    num_recordings: int | None = field(default=None, metadata={"help": "How many recordings to simulate."})
    max_rows: int | None = field(default=None, metadata={"help": "Learn from the first so many questions only."})
    box_noise: float = field(
        default=0.0, metadata={"help": "Noise on the boxes of track tokens, as a share of the image's width."}
    )
    questions_per_clip: int = field(
        default=1, metadata={"help": "Questions of a clip that share one sequence; more than 1 for ST-VLM only."}
    )


@dataclass
class TunedModelConfig(ModelConfig):
    """TRL's ModelConfig; the model is `tiny` unless one is named."""

    model_name_or_path: str = field(
        default=TINY, metadata={"help": "`tiny` (made here), a folder, or a model's name on the Hub."}
    )
    track_tokens: bool | None = field(
        default=None, metadata={"help": "Add track tokens to a model that has none; false makes `tiny` without."}
    )
    sees_video: bool = field(default=True, metadata={"help": "False makes `tiny` without a vision tower."})


def main(argv: list[str] | None = None) -> None:
    data, arguments, chosen = parse(sys.argv[1:] if argv is None else argv)
    use_all_cores()
    quantisation = get_quantization_config(chosen)
    if chosen.load_in_4bit or chosen.load_in_8bit:
        quantisation.llm_int8_skip_modules = list(UNQUANTISED)
    model, processor = load_model(
        chosen.model_name_or_path,
        seed=arguments.seed,
        track_tokens=chosen.track_tokens,
        sees_video=chosen.sees_video,
        dtype=chosen.dtype,
        revision=chosen.model_revision,
        attn_implementation=chosen.attn_implementation,
        quantization_config=quantisation,
    )
    if data.questions_per_clip > 1 and not isinstance(processor, STVLMProcessor):
        raise InputError(
            f"Several questions in one sequence are for ST-VLM only, not for {chosen.model_name_or_path}: set "
            "questions_per_clip to 1."
        )
    # Track tokens tell of clips that have no images, too.
    with arguments.main_process_first(desc="building the dataset"):
        rows = load_rows(
            data.dataset,
            data.config_name,
            data.split,
            data.data_dir,
            data.num_recordings,
            max_rows=data.max_rows,
            with_video=not getattr(processor, "track_tokens", False),
        )
        clips = share_clips(rows, data.questions_per_clip)
    blind = rows.data.column("video").null_count
    if blind and chosen.sees_video and arguments.process_index == 0:
        say(f"{blind} of {len(rows)} questions come without images: they are learned from boxes and cameras alone.")
    remember_settings(arguments.output_dir, asdict(data) | asdict(chosen), arguments)
    trainer = AnswerTrainer(
        model=model,
        args=prepare_arguments(arguments),
        data_collator=AnswerCollator(processor, box_noise=data.box_noise),
        train_dataset=clips,
        processing_class=processor,
        peft_config=get_peft_config(chosen),
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(arguments.output_dir))
    save(trainer, processor, chosen)


def parse(argv: list[str]) -> tuple[DataArguments, TuningConfig, TunedModelConfig]:
    """Arguments from the machine's defaults, then a YAML file, then the command line.

    Raises:
        InputError: A YAML file that is missing or holds what no argument is called.
    """
    parser = TrlParser((DataArguments, TuningConfig, TunedModelConfig))
    if not torch.accelerator.is_available():
        parser.set_defaults_with_config(use_cpu=True, bf16=False, dataloader_pin_memory=False)
    if not any(argument == "--config" or argument.startswith(("-h", "--help")) for argument in argv):
        argv = ["--config", str(CONFIGS / "tiny.yaml"), *argv]
    try:
        return parser.parse_args_and_config(argv)
    except (OSError, ValueError) as error:
        raise InputError(f"The arguments cannot be read: {error}") from error


def use_all_cores() -> None:
    """Let a single process on a machine without accelerator compute on every core.

    `accelerate launch` gives it one thread where it is not told `--cpu`.
    """
    if not torch.accelerator.is_available() and os.environ.get("WORLD_SIZE", "1") == "1":
        torch.set_num_threads(os.cpu_count() or 1)


def save(trainer: AnswerTrainer, processor, chosen: TunedModelConfig) -> None:
    """Write a model that `AutoModel.from_pretrained(output_dir)` loads; adapters also on their own, in `adapter`."""
    output_dir = Path(trainer.args.output_dir)
    if not chosen.use_peft:
        trainer.save_model(str(output_dir))
    else:
        trainer.save_model(str(output_dir / "adapter"))
        if trainer.is_world_process_zero():
            from peft import PeftModel

            # Merged into the weights as they were before they were rounded to 4 bits.
            whole, _ = load_model(
                chosen.model_name_or_path,
                trainer.args.seed,
                chosen.track_tokens,
                chosen.sees_video,
                dtype=chosen.dtype,
                revision=chosen.model_revision,
            )
            merged = PeftModel.from_pretrained(whole, str(output_dir / "adapter")).merge_and_unload()
            merged.save_pretrained(output_dir)
    if trainer.is_world_process_zero():
        processor.save_pretrained(output_dir)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"sft.py: {error}", file=sys.stderr)
        sys.exit(2)
