"""Track tokens: what is known of a mark in a frame, as one embedding."""

from __future__ import annotations

import math

import torch
from torch import nn

from st_vlm.errors import InputError
from st_vlm.models.track_features import FLAGS, OF_MARK_AND_BOX, UNIT, UNKNOWN

WAVES = 4
WIDTH_STEP = 64
# How loud a flag is against other numbers before anything is learned. With all alike, what a flag says is a hundredth
# of an embedding and the rest is another in every clip: nothing learns to look for it.
FLAG_GAIN = 8.0


class TrackEncoder(nn.Module):
    """A vector for each number, and a two-layer perceptron over numbers, their sines and cosines, and what is unknown.

    Sines and cosines of rising frequency let a small network tell near values apart (Tancik et al. 2020). The vectors
    make flags as plain as words.

    Args:
        features: F, numbers of a token; those of mark and box come first, what depends on the camera after them.
        hidden: Width of the hidden layer.
        width: Of the embedding.
        camera_dropout: In training, the share of sequences whose camera is taken as unknown.
    """

    def __init__(self, features: int, hidden: int, width: int, camera_dropout: float) -> None:
        super().__init__()
        self.features = features
        self.camera_dropout = camera_dropout
        # Kernels for 4-bit weights want widths in steps of 64; the room is for numbers to come.
        self.room = math.ceil(features / WIDTH_STEP) * WIDTH_STEP
        self.absent = nn.Linear(self.room, hidden, bias=False)
        self.plain = nn.Linear(self.room, width, bias=False)
        self.input = nn.Linear(self.room * (1 + 2 * WAVES), hidden)
        self.output = nn.Linear(hidden, width)

    def forward(self, track_features: torch.Tensor) -> torch.Tensor:
        """(B, K, F) int32 as `track_features.track_features` makes them, to (B, K, width)."""
        if track_features.shape[-1] != self.features:
            raise InputError(
                f"The model was trained on {self.features} numbers a track token, and its processor makes "
                f"{track_features.shape[-1]}: load both from one folder, with the version of st-vlm that made them."
            )
        known = track_features != UNKNOWN
        if self.training and self.camera_dropout > 0:
            dropped = torch.rand(len(known), 1, 1, device=known.device) < self.camera_dropout
            of_camera = torch.arange(known.shape[-1], device=known.device) >= OF_MARK_AND_BOX
            known = known & ~(dropped & of_camera)
        # Full precision until the sines are taken: half precision would blur what they tell apart.
        values = torch.where(known, track_features, 0).float() * UNIT
        room = self.room - known.shape[-1]
        values, known = nn.functional.pad(values, (0, room)), nn.functional.pad(known, (0, room), value=True)
        angles = values[..., None] * (math.pi / 4 * 2.0 ** torch.arange(WAVES, device=values.device))
        waves = torch.cat([values[..., None], angles.sin(), angles.cos()], dim=-1) * known[..., None]
        dtype = self.input.weight.dtype
        hidden = self.input(waves.flatten(-2).to(dtype)) + self.absent((~known).to(dtype))
        gains = values.new_ones(values.shape[-1])
        gains[list(FLAGS)] = FLAG_GAIN
        return self.output(nn.functional.gelu(hidden)) + self.plain((gains * values).to(dtype))
