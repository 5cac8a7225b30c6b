"""A tiny model whose words depend on all it is shown: random weights as they are made attend to everything alike, and
much larger ones to one token alone."""

from __future__ import annotations

import torch

from st_vlm.models.tiny import INITIAL_STD, make_tiny

SHARP_STD = 0.1


def make_sharp(**options):
    """(model, processor): `make_tiny`, its language model's matrices of a standard deviation of `SHARP_STD`."""
    model, processor = make_tiny(**options)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "language_model.layers" in name:
                weight.mul_(SHARP_STD / INITIAL_STD)
    return model, processor
