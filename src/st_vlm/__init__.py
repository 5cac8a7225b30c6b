"""ST-VLM: how far, how fast and which way things move in a video.

Importing this package imports neither torch, transformers nor datasets. Its names load when first used, and the Auto
classes of transformers and `datasets.load_dataset("stkit", …)` know it as soon as those libraries are imported,
before or after this one.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version as _version

from wrapt import register_post_import_hook as _when_imported

_NAMES = {
    "Camera": "st_vlm.recordings",
    "Frames": "st_vlm.recordings",
    "InputError": "st_vlm.errors",
    "Mark": "st_vlm.video.marks",
    "ModelAnswer": "st_vlm.models.answering",
    "Recording": "st_vlm.recordings",
    "STVLMConfig": "st_vlm.models.configuration_st_vlm",
    "STVLMForConditionalGeneration": "st_vlm.models.modeling_st_vlm",
    "STVLMProcessor": "st_vlm.models.processing_st_vlm",
    "STVLMVideoProcessor": "st_vlm.models.video_processing_st_vlm",
    "Track": "st_vlm.recordings",
    "open_recordings": "st_vlm.recordings",
}
__all__ = [*_NAMES, "__version__"]

# What to run when a module of another library is imported: narrow modules, so that `import transformers` stays light.
_HOOKS = {
    "datasets.load": "st_vlm.dataset_builders.registration:register",
    "transformers.models.auto.configuration_auto": "st_vlm.models.registration:watch",
    "transformers.models.auto.modeling_auto": "st_vlm.models.registration:watch",
    "transformers.models.auto.processing_auto": "st_vlm.models.registration:watch",
    "transformers.models.auto.video_processing_auto": "st_vlm.models.registration:watch",
}
for _library, _hook in _HOOKS.items():
    _when_imported(_hook, _library)


def __getattr__(name: str):
    if name == "__version__":
        return _version("st-vlm")
    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
