"""Makes the Auto classes of transformers know ST-VLM.

`watch` runs as soon as one of their modules is imported, by a post-import hook of the package. It must not import a
model there: the import of transformers that triggered it may be half done. So it only wraps the doors through which
every user comes, and the first call through one of them registers everything.
"""

from __future__ import annotations

from types import ModuleType

from wrapt import wrap_function_wrapper

_AUTO = "transformers.models.auto."
_MODEL_DOORS = ("from_pretrained", "from_config")
DOORS = {
    _AUTO + "configuration_auto": {"AutoConfig": ("from_pretrained", "for_model")},
    _AUTO + "modeling_auto": {
        "AutoModel": _MODEL_DOORS,
        "AutoModelForImageTextToText": _MODEL_DOORS,
        "AutoModelForMultimodalLM": _MODEL_DOORS,
    },
    _AUTO + "processing_auto": {"AutoProcessor": ("from_pretrained",)},
    _AUTO + "video_processing_auto": {"AutoVideoProcessor": ("from_pretrained",)},
}
_registered = False


def watch(module: ModuleType) -> None:
    """Wrap the doors of one module in `DOORS`, just imported."""
    for class_name, methods in DOORS[module.__name__].items():
        for method in methods:
            wrap_function_wrapper(getattr(module, class_name), method, _registered_first)


def register() -> None:
    """Register configuration, model, processor and video processor with the Auto classes, once.

    AutoModel, too, gives the whole model with its language head.
    """
    global _registered
    if _registered:
        return
    import transformers

    from st_vlm.models.configuration_st_vlm import STVLMConfig
    from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
    from st_vlm.models.processing_st_vlm import STVLMProcessor
    from st_vlm.models.video_processing_st_vlm import STVLMVideoProcessor

    transformers.AutoConfig.register(STVLMConfig.model_type, STVLMConfig, exist_ok=True)
    for name in DOORS[_AUTO + "modeling_auto"]:
        getattr(transformers, name).register(STVLMConfig, STVLMForConditionalGeneration, exist_ok=True)
    transformers.AutoProcessor.register(STVLMConfig, STVLMProcessor, exist_ok=True)
    transformers.AutoVideoProcessor.register(STVLMConfig, STVLMVideoProcessor, exist_ok=True)
    images = {"torchvision": transformers.LlavaOnevisionImageProcessor}
    transformers.AutoImageProcessor.register(STVLMConfig, image_processor_classes=images, exist_ok=True)
    _registered = True


def _registered_first(wrapped, instance, args, kwargs):
    register()
    return wrapped(*args, **kwargs)
