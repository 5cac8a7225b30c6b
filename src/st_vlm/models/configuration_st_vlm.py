"""Configuration of ST-VLM: LLaVA-OneVision's under a model type of its own."""

from transformers import LlavaOnevisionConfig


class STVLMConfig(LlavaOnevisionConfig):
    """Every field of `LlavaOnevisionConfig`, with the same meaning and defaults; weights are interchangeable."""

    model_type = "st_vlm"

    def __post_init__(self, **kwargs) -> None:
        # Read from a LLaVA-OneVision checkpoint it is an ST-VLM configuration from then on, also when saved.
        kwargs.pop("model_type", None)
        super().__post_init__(**kwargs)


__all__ = ["STVLMConfig"]
