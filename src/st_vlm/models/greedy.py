"""Greedy decoding of a batch, with the probability of each token, from the whole prompts or from shared beginnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from st_vlm.models.shared_prefix import SharedCache, SharedPrompts

# A row's tokens, up to the one that ends its turn, and their log-probabilities.
Turn = tuple[list[int], list[float]]


@torch.inference_mode()
def greedy(model, inputs: Mapping, max_new_tokens: int) -> list[Turn]:
    """What a model says to each row of a batch.

    Args:
        model: A generating model; it is put into evaluation mode meanwhile.
        inputs: A batch padded on the left.
        max_new_tokens: Most tokens.
    """
    noted = TokenProbabilities()
    inputs = {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        if isinstance(value, torch.Tensor)
        else value
        for name, value in inputs.items()
    }
    was_training = model.training
    model.eval()
    try:
        tokens = model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=max_new_tokens,
            logits_processor=LogitsProcessorList([noted]),
        )
    finally:
        model.train(was_training)
    said = tokens[:, inputs["input_ids"].shape[1] :].tolist()
    ends = model.generation_config.eos_token_id
    ends = set() if ends is None else {ends} if isinstance(ends, int) else set(ends)
    turns = []
    for row, logs in zip(said, noted.rows(), strict=True):
        length = next((i + 1 for i, token in enumerate(row) if token in ends), len(row))
        turns.append((row[:length], logs[:length]))
    return turns


@torch.inference_mode()
def greedy_shared(
    model, shared: SharedPrompts, batches: Iterable[range], max_new_tokens: int, pad_token_id: int
) -> list[list[Turn]]:
    """As `greedy` for batches of prompts whose clips are run once.

    Args:
        model: A `STVLMForConditionalGeneration`.
        shared: N prompts.
        batches: Which of them to ask at once.
        max_new_tokens: Most tokens.
        pad_token_id: Stands in masked places.
    """
    was_training = model.training
    model.eval()
    try:
        cache = SharedCache(model, shared, pad_token_id)
    finally:
        model.train(was_training)
    return [greedy(model, cache.inputs(batch), max_new_tokens) for batch in batches]


class TokenProbabilities(LogitsProcessor):
    """Notes the log-probability of the most likely token of each step of `generate`, which greedy decoding takes.

    A step takes the memory of one number a row: the scores of a whole vocabulary are not kept.
    """

    def __init__(self) -> None:
        self._steps: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:
        """The scores as they are."""
        self._steps.append(scores.float().amax(dim=-1) - scores.float().logsumexp(dim=-1))
        return scores

    def rows(self) -> list[list[float]]:
        """For each row of the batch its steps' log-probabilities; those after the end of its turn mean nothing."""
        return torch.stack(self._steps, dim=1).tolist()
