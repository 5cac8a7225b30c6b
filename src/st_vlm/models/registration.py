"""Makes the Auto classes of transformers know ST-VLM. Each function runs when its part of transformers is imported."""

from __future__ import annotations

from types import ModuleType


def register_configuration(auto: ModuleType) -> None:
    """For `transformers.models.auto.configuration_auto`."""
    from st_vlm.models.configuration_st_vlm import STVLMConfig

    auto.AutoConfig.register("st_vlm", STVLMConfig, exist_ok=True)


def register_models(auto: ModuleType) -> None:
    """For `transformers.models.auto.modeling_auto`. AutoModel, too, gives the whole model with its language head."""
    from st_vlm.models.configuration_st_vlm import STVLMConfig
    from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration

    for auto_class in (auto.AutoModel, auto.AutoModelForImageTextToText, auto.AutoModelForMultimodalLM):
        auto_class.register(STVLMConfig, STVLMForConditionalGeneration, exist_ok=True)


def register_weight_names(conversion: ModuleType) -> None:
    """For `transformers.conversion_mapping`: LLaVA-OneVision is stored under older weight names, and so are we."""
    for ours, base in (("st_vlm", "llava_onevision"), ("STVLMModel", "LlavaOnevisionModel")):
        mapping = conversion.get_checkpoint_conversion_mapping(base)
        if mapping is not None:
            conversion.register_checkpoint_conversion_mapping(ours, mapping, overwrite=True)


def register_processor(auto: ModuleType) -> None:
    """For `transformers.models.auto.processing_auto`."""
    from st_vlm.models.configuration_st_vlm import STVLMConfig
    from st_vlm.models.processing_st_vlm import STVLMProcessor

    auto.AutoProcessor.register(STVLMConfig, STVLMProcessor, exist_ok=True)


def register_video_processor(auto: ModuleType) -> None:
    """For `transformers.models.auto.video_processing_auto`."""
    from st_vlm.models.configuration_st_vlm import STVLMConfig
    from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor

    auto.AutoVideoProcessor.register(STVLMConfig, STVLMVideoProcessor, exist_ok=True)


def register_image_processor(auto: ModuleType) -> None:
    """For `transformers.models.auto.image_processing_auto`: images go the base's way."""
    from transformers import LlavaOnevisionImageProcessor

    from st_vlm.models.configuration_st_vlm import STVLMConfig

    classes = {"torchvision": LlavaOnevisionImageProcessor}
    auto.AutoImageProcessor.register(STVLMConfig, image_processor_classes=classes, exist_ok=True)
