"""Many questions on one clip: the part of the prompts that shows the clip is run once, and each question goes on from
a copy of its key-value cache.

All prompts about a clip begin alike, up to the last vision or track token before the question, and a video is nearly
all of a prompt. The rows of the batch that goes on are laid out as

    padding | the clip | padding | the question

so that every question ends in the last column and `generate` can go on from there. Padding is masked, and positions
count real tokens only, so that a row is what it would be alone.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import DynamicCache, LlavaOnevisionModel

from st_vlm.models.track_features import padded_features
from st_vlm.models.video_inputs import Clip

# transformers 5.24 gave the argument another name.
CACHE_ARGUMENT = "cache" if "cache" in inspect.signature(LlavaOnevisionModel.forward).parameters else "past_key_values"

# What a batch has for each token; all else belongs to its clips.
_OF_TOKENS = ("input_ids", "attention_mask", "position_ids")


@dataclass(frozen=True)
class SharedPrompts:
    """N prompts about C clips, taken apart after what shows the clip.

    Attributes:
        clips: What the backbone takes for the C clips: `input_ids` and `attention_mask` (C, P), padded on the left,
            and the pixels and features that belong to them.
        rows: (N,) the clip of each prompt.
        tails: N lists of the token ids that follow.
        tail_features: N arrays (k, F) of the features of the track tokens among these; None without track tokens.
    """

    clips: dict[str, torch.Tensor]
    rows: torch.Tensor
    tails: list[list[int]]
    tail_features: list[np.ndarray] | None = None


def share(processor, inputs, prompts: Sequence[Sequence[str]], clips: Sequence[Clip]) -> SharedPrompts | None:
    """Take prompts apart, without showing their clips to the processor again.

    Args:
        processor: A `STVLMProcessor`.
        inputs: What it made of the first prompt of each of C clips.
        prompts: For each clip all prompts about it, each with one `<video>`.
        clips: The C clips.

    Returns:
        None where the prompts of a clip do not begin alike, or where what shows it does not end with a token that
        keeps what follows apart (a clip without images or marks): then each must be asked in full.
    """
    video, track = (
        processor.tokenizer.convert_tokens_to_ids(token) for token in (processor.video_token, processor.track_token)
    )
    mask = inputs["attention_mask"].bool()
    shown, rows, tails, features = [], [], [], []
    for number, (its_prompts, clip) in enumerate(zip(prompts, clips, strict=True)):
        if any(prompt.count(processor.video_token) != 1 for prompt in its_prompts):
            return None
        parts = [prompt.split(processor.video_token) for prompt in its_prompts]
        if (tracks := processor.tracks(clip)) is not None:
            asked = [tracks.in_question(tail, processor.turn_end) for _, tail in parts]
            parts = [(head, tail) for (head, _), (tail, _) in zip(parts, asked, strict=True)]
            features += [summaries for _, summaries in asked]
        written = [processor.tokenizer(processor.video_token.join(pair))["input_ids"] for pair in parts]
        if any(tokens.count(video) != 1 for tokens in written):
            return None
        places = [tokens.index(video) for tokens in written]
        heads = [tokens[:at] for tokens, at in zip(written, places, strict=True)]
        its_tails = [tokens[at + 1 :] for tokens, at in zip(written, places, strict=True)]
        whole = inputs["input_ids"][number][mask[number]].tolist()
        end = len(whole) - len(its_tails[0])
        alike = whole[end:] == its_tails[0] and all(head == heads[0] for head in heads)
        if not alike or whole[end - 1] not in (video, track):
            return None
        shown.append(whole[:end])
        rows += [number] * len(its_prompts)
        tails += its_tails
    ids, mask = _padded(shown, processor.tokenizer.pad_token_id)
    rest = {name: value for name, value in inputs.items() if name not in _OF_TOKENS}
    return SharedPrompts(
        {"input_ids": ids, "attention_mask": mask, **rest}, torch.tensor(rows), tails, features or None
    )


class SharedCache:
    """The clips of `SharedPrompts`, run once through a model; any of the prompts can then go on.

    Args:
        model: A `STVLMForConditionalGeneration` in evaluation mode.
        shared: What `share` made.
        pad_token_id: Stands in masked places.
    """

    def __init__(self, model, shared: SharedPrompts, pad_token_id: int) -> None:
        self.shared = shared
        self.pad_token_id = pad_token_id
        self.device = model.device
        clips = {
            name: value.to(model.device, model.dtype if value.is_floating_point() else None)
            for name, value in shared.clips.items()
        }
        self._ids, self._mask = clips["input_ids"], clips["attention_mask"]
        self._cache = DynamicCache(config=model.config.get_text_config())
        options = {"position_ids": positions(self._mask), "use_cache": True, CACHE_ARGUMENT: self._cache}
        # The backbone alone: what the language head would say of a clip's tokens is not asked for.
        model.model(**clips, **options)

    def inputs(self, which: range) -> dict:
        """What `generate` takes to go on with some of the prompts. The cache in it is a copy, for one use."""
        rows = self.shared.rows[which.start : which.stop].to(self.device)
        tails, tail_mask = _padded([self.shared.tails[i] for i in which], self.pad_token_id)
        mask = torch.cat([self._mask[rows], tail_mask.to(self.device)], dim=1)
        told = {}
        if self.shared.tail_features is not None:
            features = padded_features([self.shared.tail_features[i] for i in which])
            told = {"track_features": torch.from_numpy(features).to(self.device)} if features.size else {}
        return {
            **told,
            "input_ids": torch.cat([self._ids[rows], tails.to(self.device)], dim=1),
            "attention_mask": mask,
            "position_ids": positions(mask),
            CACHE_ARGUMENT: self._copied(rows),
        }

    def _copied(self, rows: torch.Tensor) -> DynamicCache:
        """Keys and values of the clips of some rows; those of the clips themselves stay as they are."""
        cache = copy.copy(self._cache)
        cache.layers = [copy.copy(layer) for layer in self._cache.layers]
        cache.batch_select_indices(rows)
        return cache


def positions(mask: torch.Tensor) -> torch.Tensor:
    """(B, L) position ids that count the real tokens of each row from 0; masked places have 0."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0) * mask.long()


def _padded(rows: Sequence[list[int]], pad_token_id: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(N, L) ids, padded on the left, and their mask."""
    length = max(map(len, rows))
    ids = torch.tensor([[pad_token_id] * (length - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
    return ids, mask
