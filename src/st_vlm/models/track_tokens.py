"""Track tokens for a checkpoint that has none, such as LLaVA-OneVision's own."""

from __future__ import annotations

import torch

from st_vlm.models.modeling_st_vlm import STVLMForConditionalGeneration
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.models.track_encoder import FLAG_GAIN, TrackEncoder
from st_vlm.models.track_features import FEATURES


def add_track_tokens(model: STVLMForConditionalGeneration, processor: STVLMProcessor) -> None:
    """Turn track tokens on, in place, with an encoder of random weights that has yet to be trained.

    The encoder's embeddings start at the size of the language model's own. The tokenizer learns one special token; the
    table of embeddings grows only where it has no row to spare. Does nothing where they are on already.
    """
    config = model.config
    if not config.track_tokens:
        processor.tokenizer.add_special_tokens({"extra_special_tokens": [processor.track_token]})
        if len(processor.tokenizer) > model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(len(processor.tokenizer))
        config.track_tokens = True
        config.track_token_index = processor.tokenizer.convert_tokens_to_ids(processor.track_token)
        config.track_features = len(FEATURES)
        table = model.get_input_embeddings().weight
        encoder = TrackEncoder(
            config.track_features,
            config.track_hidden_size,
            config.text_config.hidden_size,
            config.track_camera_dropout,
        )
        with torch.no_grad():
            size = float(table.float().std())
            for weight, wanted in ((encoder.output.weight, size), (encoder.plain.weight, size / FLAG_GAIN)):
                weight.mul_(wanted / float(weight.std()))
        model.model.track_encoder = encoder.to(table.device, table.dtype)
    processor.track_tokens = True
