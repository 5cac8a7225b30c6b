"""Models and processors for tuning and for the bench."""

from __future__ import annotations

from pathlib import Path

from st_vlm.errors import InputError

TINY = "tiny"
# Kept in full precision beside 4-bit weights; bitsandbytes matches whole dotted names (STACK, "QLoRA on CPU"). What
# LLaVA-OneVision, ST-VLM and InternVL, the Qwen-VLs and SmolVLM call what sees, and what joins it to the words.
UNQUANTISED = (
    *("model.vision_tower", "model.multi_modal_projector", "model.track_encoder"),
    "model.visual",
    *("model.vision_model", "model.connector"),
    "lm_head",
)


def load_model(name: str = TINY, seed: int = 0, track_tokens: bool | None = None, sees_video: bool = True, **options):
    """A model and its processor.

    Args:
        name: `tiny` (made here, random weights), a folder or a name on the Hub. A LLaVA-OneVision checkpoint is loaded
            as ST-VLM.
        seed: Of the weights that are made here.
        track_tokens: True adds track tokens to a model without, False makes the tiny model without; None leaves a
            model as it is, and the tiny one with them.
        sees_video: False makes the tiny model without a vision tower.
        options: For `from_pretrained`: `dtype`, `revision`, `quantization_config`, …

    Raises:
        InputError: No such model, a folder without one, or track tokens for another kind of model or taken from one
            that has them.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
    from st_vlm.models.processing_st_vlm import STVLMProcessor
    from st_vlm.models.tiny import make_tiny

    options = {key: value for key, value in options.items() if value is not None}
    if name == TINY and not Path(TINY).is_dir() and "quantization_config" not in options:
        return make_tiny(seed=seed, track_tokens=track_tokens is not False, sees_video=sees_video)
    if not sees_video:
        raise InputError(f"Only the tiny model can be made without vision, not {name}.")
    if (Path(name).is_absolute() or name.startswith(("./", "../", "~"))) and not Path(name).is_dir():
        raise InputError(f"There is no model at {name}: it is no folder.")
    revision = {"revision": options["revision"]} if "revision" in options else {}
    try:
        if Path(name).is_dir() and not (Path(name) / "config.json").is_file():
            raise InputError(f"{name} holds no model: there is no config.json in it.")
        kind = AutoConfig.from_pretrained(name, **revision).model_type
        ours = kind in ("st_vlm", "llava_onevision")
        processor = (STVLMProcessor if ours else AutoProcessor).from_pretrained(name, **revision)
        model_class = STVLMForConditionalGeneration if ours else AutoModelForImageTextToText
        model = model_class.from_pretrained(name, **options)
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"The model {name} cannot be loaded: {reason}") from error
    if track_tokens is not None:
        _set_track_tokens(name, model, processor, track_tokens, seed)
    return model, processor


def _set_track_tokens(name: str, model, processor, wanted: bool, seed: int) -> None:
    import torch

    from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
    from st_vlm.models.track_tokens import add_track_tokens

    has = isinstance(model, STVLMForConditionalGeneration) and model.config.track_tokens
    if has and not wanted:
        raise InputError(f"{name} was trained with track tokens and cannot do without them: choose another model.")
    if wanted and not isinstance(model, STVLMForConditionalGeneration):
        raise InputError(f"Track tokens are for ST-VLM and LLaVA-OneVision models; {name} is another kind.")
    if wanted:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            add_track_tokens(model, processor)
