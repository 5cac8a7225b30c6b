"""To and from LLaVA-OneVision's own checkpoints, which stock transformers and servers load with no code of ours."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
    LlavaOnevisionVideoProcessor,
)
from transformers.processing_utils import VideosKwargs

from st_vlm.errors import InputError
from st_vlm.models.configuration_st_vlm import STVLMConfig
from st_vlm.models.video_processing_st_vlm import STVLMVideosKwargs


class BaseCheckpointMixin:
    """Gives a conditional-generation model `save_pretrained_as_base`."""

    def save_pretrained_as_base(self, directory: str | os.PathLike, processor=None, **options) -> None:
        """Write a plain LLaVA-OneVision checkpoint: configuration, weights, generation settings and processor.

        A stock processor draws no marks and writes no frame times: whoever asks such a checkpoint does both.

        Args:
            directory: Made if missing.
            processor: An `STVLMProcessor`; by default the one saved with the model.
            options: Of `save_pretrained`, such as `max_shard_size`.

        Raises:
            InputError: The model has track tokens or no vision tower, which LLaVA-OneVision cannot express; its
                processor is unknown; or the folder holds another kind of checkpoint. Nothing is written then.
        """
        if self.config.track_tokens:
            raise InputError(
                "A model with track tokens is no LLaVA-OneVision: save it with save_pretrained, or train one with "
                "track_tokens=False to save as the base."
            )
        if not self.config.sees_video:
            raise InputError("A model without vision tower is no LLaVA-OneVision: save it with save_pretrained.")
        _refuse_other_checkpoint(Path(directory))
        processor = _base_processor(processor or self._own_processor())
        _base_model(self).save_pretrained(directory, **options)
        processor.save_pretrained(directory)


def _refuse_other_checkpoint(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory} is a file, not a folder: choose another name.")
    try:
        kind = json.loads((directory / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return
    if kind != LlavaOnevisionConfig.model_type:
        raise InputError(
            f"{directory} holds a checkpoint of {kind}, whose files would be mixed: choose another folder."
        )


def _base_model(model) -> LlavaOnevisionForConditionalGeneration:
    """A LLaVA-OneVision of the same weights, in the same memory."""
    ours = set(STVLMConfig.__annotations__) | {"model_type", "auto_map", "architectures", "transformers_version"}
    config = LlavaOnevisionConfig(**{key: value for key, value in model.config.to_dict().items() if key not in ours})
    with torch.device("meta"):
        base = LlavaOnevisionForConditionalGeneration(config)
    base.load_state_dict(model.state_dict(), assign=True)
    base.tie_weights()
    base.generation_config = model.generation_config
    return base


def _base_processor(processor) -> LlavaOnevisionProcessor:
    """A stock processor with the same settings and chat template."""
    ours = set(STVLMVideosKwargs.__annotations__) - set(VideosKwargs.__annotations__)
    settings = {
        key: value
        for key, value in processor.video_processor.to_dict().items()
        if key not in ours | {"auto_map"} and not key.endswith(("_type", "_class"))
    }
    return LlavaOnevisionProcessor(
        image_processor=processor.image_processor,
        tokenizer=processor.tokenizer,
        video_processor=LlavaOnevisionVideoProcessor(**settings),
        num_image_tokens=processor.num_image_tokens,
        vision_feature_select_strategy=processor.vision_feature_select_strategy,
        chat_template=processor.chat_template,
        image_token=processor.image_token,
        video_token=processor.video_token,
        vision_aspect_ratio=processor.vision_aspect_ratio,
    )
