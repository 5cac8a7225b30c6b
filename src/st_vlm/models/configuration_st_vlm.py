"""Configuration of ST-VLM: LLaVA-OneVision's under a model type of its own."""

from transformers import LlavaOnevisionConfig


class STVLMConfig(LlavaOnevisionConfig):
    """Every field of `LlavaOnevisionConfig`, with the same meaning and defaults; weights are interchangeable."""

    model_type = "st_vlm"


__all__ = ["STVLMConfig"]
