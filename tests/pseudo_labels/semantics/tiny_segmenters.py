"""Random models of the real classes, small enough for a CPU, with their processors: made without downloads."""

from __future__ import annotations

from pathlib import Path

SIDE = 128  # of the images that trackers take
_HIDDEN = 128  # must be more than the 64 channels that memories have in any size of these models
_WORDS = ("a", "an", "person", "pedestrian", "car", "van", "truck", "pickup", "dog", "horse", "sports", "ball", "bus")


def dino(folder: Path, queries: int = 30) -> Path:
    """A Grounding DINO, which finds all of its queries, nearly surely, anywhere."""
    import torch
    from transformers import (
        BertTokenizer,
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
    )

    # The model knows the ends of phrases by the numbers that BERT has for them.
    vocabulary = [f"[unused{k}]" for k in range(1040)]
    vocabulary[0], vocabulary[100:104] = "[PAD]", ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary[1012], vocabulary[1029] = ".", "?"
    vocabulary[200 : 200 + len(_WORDS)] = _WORDS
    tokenizer = BertTokenizer(vocab={word: k for k, word in enumerate(vocabulary)})
    backbone = {
        "model_type": "swin",
        "image_size": 64,
        "embed_dim": 8,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "window_size": 4,
        "out_features": ["stage2", "stage3", "stage4"],
    }
    text = {
        "model_type": "bert",
        "vocab_size": len(vocabulary),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
    }
    config = GroundingDinoConfig(
        backbone_config=backbone,
        text_config=text,
        num_queries=queries,
        encoder_layers=1,
        encoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_layers=2,
        decoder_ffn_dim=32,
        decoder_attention_heads=2,
        d_model=32,
        max_text_len=64,
    )
    torch.manual_seed(0)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 64, "longest_edge": 96})
    return _saved(folder, GroundingDinoForObjectDetection(config), GroundingDinoProcessor(images, tokenizer))


def tracker(folder: Path, kind: str) -> Path:
    """A `sam2` or an `edgetam`, which finds every object in every image."""
    import torch
    from transformers import (
        EdgeTamVideoConfig,
        EdgeTamVideoModel,
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    common = _tracker_parts(_hiera(), 16)
    if kind == "sam2":
        model_type, config = Sam2VideoModel, Sam2VideoConfig(**common, memory_attention_feed_forward_hidden_size=32)
    else:
        config = EdgeTamVideoConfig(
            **common,
            memory_attention_mlp_hidden_size=32,
            memory_attention_rope_k_sizes=[4, 4],
            perceiver_resampler_num_latents=16,
            perceiver_resampler_num_latents_2d=16,
            perceiver_resampler_mlp_intermediate_size=16,
            perceiver_resampler_num_layers=1,
        )
        model_type = EdgeTamVideoModel
    torch.manual_seed(0)
    model = model_type(config)
    _always_there(model)
    size = {"height": SIDE, "width": SIDE}
    images = Sam2ImageProcessor(size=size, mask_size={"height": SIDE // 4, "width": SIDE // 4})
    return _saved(folder, model, Sam2VideoProcessor(images, Sam2VideoVideoProcessor(size=size)))


def sam3(folder: Path, queries: int = 6, **thresholds: float) -> Path:
    """A SAM 3, which finds all of its queries for every class, unless thresholds say otherwise."""
    import torch
    from transformers import (
        CLIPTokenizer,
        Sam2VideoVideoProcessor,
        Sam3ImageProcessor,
        Sam3VideoConfig,
        Sam3VideoModel,
        Sam3VideoProcessor,
    )

    side, cells = 112, 8
    sizes = [[4 * cells] * 2, [2 * cells] * 2, [cells] * 2]
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": {
            "model_type": "sam3_vit_model",
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": side,
            "patch_size": side // cells,
            "window_size": 4,
            "global_attn_indexes": [1],
            "pretrain_image_size": side // 2,
        },
        "fpn_hidden_size": _HIDDEN,
        "backbone_feature_sizes": sizes,
    }
    small = {"hidden_size": _HIDDEN, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    detector = {
        "model_type": "sam3",
        "vision_config": vision,
        "text_config": {
            "model_type": "clip_text_model",
            "vocab_size": 600,
            "hidden_size": 32,
            "intermediate_size": 32,
            "projection_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "max_position_embeddings": 32,
        },
        "geometry_encoder_config": small,
        "detr_encoder_config": small,
        "detr_decoder_config": {**small, "num_queries": queries},
        "mask_decoder_config": {"hidden_size": _HIDDEN, "num_attention_heads": 2},
    }
    parts = _tracker_parts(vision, side // cells, side=side, cells=cells)
    parts = {"model_type": "sam3_tracker_video", "memory_attention_feed_forward_hidden_size": 32, **parts}
    config = Sam3VideoConfig(
        detector_config=detector,
        tracker_config=parts,
        low_res_mask_size=4 * cells,
        # It would take back what no detection agrees with.
        hotstart_delay=0,
        **{"score_threshold_detection": 0.0, "new_det_thresh": 0.0, **thresholds},
    )
    letters = [chr(k) for k in range(ord("!"), ord("~") + 1)]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    tokenizer = CLIPTokenizer(vocab={word: k for k, word in enumerate(words)}, merges=[])
    torch.manual_seed(0)
    size = {"height": side, "width": side}
    images = Sam3ImageProcessor(size=size, mask_size={"height": 4 * cells, "width": 4 * cells})
    processor = Sam3VideoProcessor(images, Sam2VideoVideoProcessor(size=size), tokenizer)
    model = Sam3VideoModel(config)
    _always_there(model.tracker_model)
    return _saved(folder, model, processor)


def _hiera() -> dict:
    return {
        "model_type": "sam2_vision_model",
        "backbone_config": {
            "model_type": "sam2_hiera_det_model",
            "hidden_size": 8,
            "image_size": [SIDE, SIDE],
            "blocks_per_stage": [1, 1, 2, 1],
            "embed_dim_per_stage": [8, 16, 32, 64],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "window_size_per_stage": [8, 4, 4, 4],
            "global_attention_blocks": [3],
            "mlp_ratio": 2.0,
            "window_positional_embedding_background_size": [4, 4],
        },
        "backbone_channel_list": [64, 32, 16, 8],
        "backbone_feature_sizes": [[SIDE // 4] * 2, [SIDE // 8] * 2, [SIDE // 16] * 2],
        "fpn_hidden_size": _HIDDEN,
    }


def _tracker_parts(vision: dict, patch: int, side: int = SIDE, cells: int = SIDE // 16) -> dict:
    return {
        "vision_config": vision,
        "image_size": side,
        "prompt_encoder_config": {
            "hidden_size": _HIDDEN,
            "image_size": side,
            "patch_size": patch,
            "mask_input_channels": 8,
        },
        "mask_decoder_config": {
            "hidden_size": _HIDDEN,
            "mlp_dim": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "iou_head_hidden_dim": 32,
        },
        "num_maskmem": 3,
        "max_object_pointers_in_encoder": 4,
        "memory_attention_hidden_size": _HIDDEN,
        "memory_attention_num_layers": 1,
        "memory_attention_rope_feat_sizes": [cells, cells],
        "memory_encoder_hidden_size": _HIDDEN,
        "memory_encoder_output_channels": 64,
        "mask_downsampler_embed_dim": _HIDDEN,
        "memory_fuser_embed_dim": _HIDDEN,
        "memory_fuser_intermediate_dim": 32,
        "memory_fuser_num_layers": 1,
    }


def _always_there(model) -> None:
    """Lets a tracker be sure that an object is in an image, whatever it shows."""
    model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(5.0)


def _saved(folder: Path, model, processor) -> Path:
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
