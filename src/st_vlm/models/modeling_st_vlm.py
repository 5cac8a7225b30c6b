"""ST-VLM: LLaVA-OneVision that takes videos of different lengths in one batch and answers questions about them."""

from __future__ import annotations

import functools

import torch
from transformers import AutoModel, LlavaOnevisionForConditionalGeneration, LlavaOnevisionModel
from transformers.conversion_mapping import (
    get_checkpoint_conversion_mapping,
    register_checkpoint_conversion_mapping,
)

from st_vlm.errors import InputError
from st_vlm.models.answering import AnsweringMixin
from st_vlm.models.base_checkpoint import BaseCheckpointMixin
from st_vlm.models.configuration_st_vlm import STVLMConfig
from st_vlm.models.track_encoder import TrackEncoder

# LLaVA-OneVision is stored under older weight names; stored under the same ones, either loads the other's files.
for _ours, _base in (("st_vlm", "llava_onevision"), ("STVLMModel", "LlavaOnevisionModel")):
    _mapping = get_checkpoint_conversion_mapping(_base)
    if _mapping is not None:
        register_checkpoint_conversion_mapping(_ours, _mapping, overwrite=True)


class STVLMModel(LlavaOnevisionModel):
    """The backbone without the language head: vision tower and projector, track encoder, language model.

    Track tokens enter here, not in the class with the language head, since trainers with a fused loss call the
    backbone alone.
    """

    config_class = STVLMConfig

    def __init__(self, config: STVLMConfig) -> None:
        if config.sees_video:
            super().__init__(config)
        else:
            # The base cannot be built without a vision tower.
            super(LlavaOnevisionModel, self).__init__(config)
            self.vision_tower = self.multi_modal_projector = None
            self.vocab_size = config.text_config.vocab_size
            self.language_model = AutoModel.from_config(config.text_config)
        self.track_encoder = None
        if config.track_tokens:
            self.track_encoder = TrackEncoder(
                config.track_features,
                config.track_hidden_size,
                config.text_config.hidden_size,
                config.track_camera_dropout,
            )
        self.post_init()

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
        track_features: torch.IntTensor | None = None,
        image_sizes: torch.LongTensor | None = None,
        batch_num_images: torch.LongTensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        mm_encoder_outputs: dict | None = None,
        **kwargs,
    ):
        """As `LlavaOnevisionModel.forward`, and as follows.

        Args:
            video_num_frames: As in `get_video_features`.
            track_features: (B, K, F) int32, for each sequence's track tokens in their order; what follows the last
                of them in a row of the batch is not read.

        Raises:
            InputError: Pixels for a model without vision tower, or track tokens without features or for a model
                that takes none.
        """
        encoded = dict(mm_encoder_outputs or {})
        if not self.config.sees_video and not (pixel_values is None and pixel_values_videos is None and not encoded):
            raise InputError("This model was made without vision: ask it with marks, times and a camera alone.")
        if track_features is not None and input_ids is not None:
            inputs_embeds = self._with_tracks(input_ids, track_features)
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
        if inputs_embeds is not None and input_ids is not None:
            inputs_embeds = self._with_vision(input_ids, inputs_embeds, encoded)
            return super().forward(inputs_embeds=inputs_embeds, **kwargs)
        return super().forward(
            input_ids=input_ids,
            inputs_embeds=inputs_embeds,
            image_sizes=image_sizes,
            mm_encoder_outputs=encoded or None,
            **kwargs,
        )

    def _with_tracks(self, input_ids: torch.LongTensor, track_features: torch.IntTensor) -> torch.Tensor:
        """(B, L, dim) embeddings of the tokens, each track token's from its features."""
        if self.track_encoder is None:
            raise InputError("This model takes no track tokens: make its processor with track_tokens=False.")
        embedded = self.get_input_embeddings()(input_ids)
        places = input_ids == self.config.track_token_index
        counts = places.sum(dim=1)
        if int(counts.max()) > track_features.shape[1]:
            raise InputError(f"{int(counts.max())} track tokens but features of {track_features.shape[1]} of them.")
        used = torch.arange(track_features.shape[1], device=counts.device) < counts[:, None]
        tracks = self.track_encoder(track_features)[used].to(embedded.dtype)
        return embedded.masked_scatter(places[..., None], tracks)

    def _with_vision(self, input_ids: torch.LongTensor, embedded: torch.Tensor, encoded: dict) -> torch.Tensor:
        """Embeddings with those of images and videos at their tokens, as the base puts them."""
        for kind, token in (("image", self.config.image_token_id), ("video", self.config.video_token_id)):
            if encoded.get(kind) is None:
                continue
            features = encoded[kind].pooler_output
            features = torch.cat(list(features)) if kind == "image" else features.flatten(0, 1)
            mask = (input_ids == token)[..., None]
            if int(mask.sum()) != len(features):
                raise InputError(f"{int(mask.sum())} {kind} tokens in the prompts but features of {len(features)}.")
            embedded = embedded.masked_scatter(mask, features.to(embedded.device, embedded.dtype))
        return embedded


class STVLMForConditionalGeneration(BaseCheckpointMixin, AnsweringMixin, LlavaOnevisionForConditionalGeneration):
    """ST-VLM with its language head; `answer` and `answer_batch` take videos and questions directly."""

    config_class = STVLMConfig

    def __init__(self, config: STVLMConfig) -> None:
        # The base would build a backbone of its own first.
        super(LlavaOnevisionForConditionalGeneration, self).__init__(config)
        self.model = STVLMModel(config)
        self.lm_head = torch.nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        self.post_init()

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        pixel_values: torch.Tensor | None = None,
        pixel_values_videos: torch.Tensor | None = None,
        video_num_frames: torch.Tensor | None = None,
        track_features: torch.IntTensor | None = None,
        image_sizes: torch.LongTensor | None = None,
        batch_num_images: torch.LongTensor | None = None,
        attention_mask: torch.Tensor | None = None,
        inputs_embeds: torch.Tensor | None = None,
        labels: torch.LongTensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict | None = None,
        **kwargs,
    ):
        """As the base's, with `video_num_frames` and `track_features` as in `STVLMModel.forward`.

        `generate` reads this signature to learn what the model takes.
        """
        return super().forward(
            input_ids=input_ids,
            pixel_values=pixel_values,
            pixel_values_videos=pixel_values_videos,
            video_num_frames=video_num_frames,
            track_features=track_features,
            image_sizes=image_sizes,
            batch_num_images=batch_num_images,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            labels=labels,
            logits_to_keep=logits_to_keep,
            mm_encoder_outputs=mm_encoder_outputs,
            **kwargs,
        )

    # `generate` reads the signature to learn which arguments it may pass.
    @functools.wraps(LlavaOnevisionForConditionalGeneration.prepare_inputs_for_generation)
    def prepare_inputs_for_generation(self, *args, is_first_iteration: bool = False, **kwargs):
        """As the base's; what was said of the prompt's track tokens holds for none that the model itself may write."""
        inputs = super().prepare_inputs_for_generation(*args, is_first_iteration=is_first_iteration, **kwargs)
        if not is_first_iteration and kwargs.get("use_cache", True):
            inputs.pop("track_features", None)
        return inputs


__all__ = ["STVLMForConditionalGeneration", "STVLMModel"]
