"""A tiny model whose words depend on all it is shown: random weights as they are made attend to everything alike."""

from __future__ import annotations

import torch

from st_vlm.models.tiny import make_tiny


def make_sharp(**options):
    """(model, processor): `make_tiny`, its language model's matrices five times as large."""
    model, processor = make_tiny(**options)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "language_model.layers" in name:
                weight.mul_(5)
    return model, processor
