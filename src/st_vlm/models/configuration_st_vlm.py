"""Configuration of ST-VLM: LLaVA-OneVision's under a model type of its own, and track tokens."""

import os

from transformers import LlavaOnevisionConfig

from st_vlm.errors import InputError
from st_vlm.models.carried_code import CarriesCode

# Raised when a configuration starts to mean what an older version of the code would misread.
FORMAT = 1


class STVLMConfig(CarriesCode, LlavaOnevisionConfig):
    """Every field of `LlavaOnevisionConfig`, with the same meaning and defaults, and those below.

    With the defaults below the weights are interchangeable with LLaVA-OneVision's.

    Attributes:
        track_tokens: Whether the model takes track tokens, one embedding for each mark and frame
            (`models.track_encoder`).
        track_token_index: Id of the token whose embedding they replace.
        track_features: How many numbers describe a mark in a frame.
        track_hidden_size: Width of the track encoder's hidden layer.
        track_camera_dropout: In training, the share of sequences for which all that depends on the camera is unknown.
        sees_video: False makes a model without vision tower, which reads track tokens and text alone.
        st_vlm_version: Which reading of this configuration it was written for.
    """

    model_type = "st_vlm"
    track_tokens: bool = False
    track_token_index: int | None = None
    track_features: int = 0
    track_hidden_size: int = 256
    track_camera_dropout: float = 0.1
    sees_video: bool = True
    st_vlm_version: int = FORMAT

    def __post_init__(self, **kwargs) -> None:
        # Read from a LLaVA-OneVision checkpoint it is an ST-VLM configuration from then on, also when saved.
        kwargs.pop("model_type", None)
        super().__post_init__(**kwargs)

    @classmethod
    def get_config_dict(cls, pretrained_model_name_or_path: str | os.PathLike, **kwargs) -> tuple[dict, dict]:
        """What a checkpoint's `config.json` holds, as ours.

        Raises:
            InputError: It is neither ST-VLM's nor LLaVA-OneVision's, or a newer version of this code wrote it.
        """
        found, kwargs = super().get_config_dict(pretrained_model_name_or_path, **kwargs)
        kind = found.get("model_type")
        if kind not in (cls.model_type, LlavaOnevisionConfig.model_type):
            raise InputError(
                f"{pretrained_model_name_or_path} is a checkpoint of {kind or 'an unnamed model type'}, not of "
                f"{cls.model_type} or {LlavaOnevisionConfig.model_type}: load it with transformers' Auto classes."
            )
        _refuse_newer(found, pretrained_model_name_or_path)
        return {**found, "model_type": cls.model_type}, kwargs

    @classmethod
    def from_dict(cls, config_dict: dict, **kwargs):
        """As the base's; `AutoConfig` comes here directly."""
        _refuse_newer(config_dict, kwargs.get("name_or_path") or "This configuration")
        return super().from_dict(config_dict, **kwargs)


def _refuse_newer(config_dict: dict, name: str | os.PathLike) -> None:
    written = config_dict.get("st_vlm_version", FORMAT)
    if not isinstance(written, int) or written > FORMAT:
        raise InputError(
            f"{name} was written by a newer version of st-vlm (format {written}, this one reads up to {FORMAT}): "
            "upgrade st-vlm to load it."
        )


__all__ = ["STVLMConfig"]
