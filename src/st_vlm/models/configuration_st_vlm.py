"""Configuration of ST-VLM: LLaVA-OneVision's under a model type of its own, and track tokens."""

from transformers import LlavaOnevisionConfig


class STVLMConfig(LlavaOnevisionConfig):
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
    """

    model_type = "st_vlm"
    track_tokens: bool = False
    track_token_index: int | None = None
    track_features: int = 0
    track_hidden_size: int = 256
    track_camera_dropout: float = 0.1
    sees_video: bool = True

    def __post_init__(self, **kwargs) -> None:
        # Read from a LLaVA-OneVision checkpoint it is an ST-VLM configuration from then on, also when saved.
        kwargs.pop("model_type", None)
        super().__post_init__(**kwargs)


__all__ = ["STVLMConfig"]
