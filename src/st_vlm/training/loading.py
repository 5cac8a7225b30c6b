"""Models and processors for tuning and for the bench."""

from __future__ import annotations

from pathlib import Path

from st_vlm.errors import InputError

TINY = "tiny"
# Kept in full precision beside 4-bit weights; bitsandbytes matches whole dotted names (STACK, "QLoRA on CPU").
UNQUANTISED = ("model.vision_tower", "model.multi_modal_projector", "lm_head")


def load_model(name: str = TINY, seed: int = 0, **options):
    """A model and its processor.

    Args:
        name: `tiny` (made here, random weights), a folder or a name on the Hub. A LLaVA-OneVision checkpoint is loaded
            as ST-VLM.
        seed: Of the tiny model's weights.
        options: For `from_pretrained`: `dtype`, `revision`, `quantization_config`, …

    Raises:
        InputError: No such model, or a folder without one.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
    from st_vlm.models.processing_st_vlm import STVLMProcessor
    from st_vlm.models.tiny import make_tiny

    options = {key: value for key, value in options.items() if value is not None}
    if name == TINY and not Path(TINY).is_dir() and "quantization_config" not in options:
        return make_tiny(seed=seed)
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
        return model_class.from_pretrained(name, **options), processor
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"The model {name} cannot be loaded: {reason}") from error
