"""ST-VLM: LLaVA-OneVision that takes videos of different lengths in one batch and answers questions about them."""

from __future__ import annotations

import torch
from transformers import LlavaOnevisionForConditionalGeneration, LlavaOnevisionModel
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)

from st_vlm.models.answering import AnsweringMixin
from st_vlm.models.configuration_st_vlm import STVLMConfig

# LLaVA-OneVision is stored under older weight names; stored under the same ones, either loads the other's files.
for _ours, _base in (("st_vlm", "llava_onevision"), ("STVLMModel", "LlavaOnevisionModel")):
    _mapping = get_checkpoint_conversion_mapping(_base)
    if _mapping is not None:
        register_checkpoint_conversion_mapping(_ours, _mapping, overwrite=True)


class STVLMModel(LlavaOnevisionModel):
    """The backbone: vision tower, projector and language model, without the language head."""

    config_class = STVLMConfig

    def get_video_features(
        self, pixel_values_videos: torch.Tensor, video_num_frames: torch.Tensor | None = None, **kwargs
    ):
        """Vision tokens of each video: its frames' pooled patches, then one newline token.

        Args:
            pixel_values_videos: (B, F, 3, H, W); a video shorter than F frames is padded at its end.
            video_num_frames: (B,) int, frames of each video that are real. None: all F.

        Returns:
            The vision tower's output. Its `pooler_output` is (B, F * t + 1, dim) where no counts are given, else a
            list of B tensors (frames * t + 1, dim), t tokens a frame.
        """
        if video_num_frames is None:
            return super().get_video_features(pixel_values_videos, **kwargs)
        counts = video_num_frames.tolist()
        # The tower sees real frames only, as if they were one long video; its newline ends each video afterwards.
        frames = torch.cat([video[:count] for video, count in zip(pixel_values_videos, counts, strict=True)])
        outputs = super().get_video_features(frames[None], **kwargs | {"return_dict": True})
        tokens, newline = outputs.pooler_output[0].split([outputs.pooler_output.shape[1] - 1, 1])
        a_frame = len(tokens) // sum(counts)
        outputs.pooler_output = [
            torch.cat((video, newline)) for video in tokens.split([count * a_frame for count in counts])
        ]
        return outputs

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_num_frames: torch.Tensor | None = None,
        image_sizes: torch.LongTensor | None = None,
        batch_num_images: torch.LongTensor | None = None,
        mm_encoder_outputs: dict | None = None,
        **kwargs,
    ):
        """As `LlavaOnevisionModel.forward`, and `video_num_frames` as in `get_video_features`."""
        encoded = dict(mm_encoder_outputs or {})
        if pixel_values_videos is not None:
            encoded["video"] = self.get_video_features(
                pixel_values_videos, video_num_frames=video_num_frames, return_dict=True
            )
        if pixel_values is not None:
            # The base refuses pixels of one kind beside encoded ones of the other.
            encoded["image"] = self.get_image_features(
                pixel_values, image_sizes, batch_num_images=batch_num_images, return_dict=True
            )
        if isinstance(getattr(encoded.get("video"), "pooler_output", None), list):
            # The base scatters one tensor's rows over the video tokens of the whole batch.
            encoded["video"] = type(encoded["video"])(pooler_output=torch.cat(encoded["video"].pooler_output)[None])
        return super().forward(
            input_ids=input_ids, image_sizes=image_sizes, mm_encoder_outputs=encoded or None, **kwargs
        )


class STVLMForConditionalGeneration(AnsweringMixin, LlavaOnevisionForConditionalGeneration):
    """ST-VLM with its language head; `answer` and `answer_batch` take videos and questions directly."""

    config_class = STVLMConfig

    def __init__(self, config: STVLMConfig) -> None:
        super().__init__(config)
        self.model = STVLMModel(config)
        self.post_init()

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_num_frames: torch.Tensor | None = None,
        image_sizes: torch.LongTensor | None = None,
        batch_num_images: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict | None = None,
        **kwargs,
    ):
        """As the base's, and `video_num_frames` as in `STVLMModel.get_video_features`.

        `generate` reads this signature to learn what the model takes.
        """
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            pixel_values_videos=pixel_values_videos,
            video_num_frames=video_num_frames,
            image_sizes=image_sizes,
            batch_num_images=batch_num_images,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            labels=labels,
            logits_to_keep=logits_to_keep,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )


__all__ = ["STVLMForConditionalGeneration", "STVLMModel"]
