"""Rows to training batches, with a loss on the answers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from st_vlm.errors import InputError
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.models.track_features import padded_features
from st_vlm.models.video_inputs import Clip
from st_vlm.training.clips import CACHE_BYTES, ClipReader, model_inputs
from st_vlm.training.conversations import Conversation, answer_text, prompt_text, to_conversations
from st_vlm.training.sharing import shared_mask, shared_positions
from st_vlm.video.marks import Box, Mark

IGNORED = -100


class AnswerCollator:
    """Dataset rows to a batch for a video model: the processor's tensors and `labels`.

    A sequence is the prompt to which the model will answer, then the answer. `labels` holds the answer's tokens and
    the end of the turn; all else is -100. Sequences are padded on the right. Examples with several questions about
    one clip (`sharing.share_clips`) become one sequence each, with `attention_mask` (B, 1, L, L) bool and
    `position_ids` (B, L).

    Args:
        processor: `STVLMProcessor` or that of another video model with a chat template.
        cache_bytes: See `ClipReader`.
        box_noise: Standard deviation of the noise put on the boxes of track tokens, as a share of the image's width:
            what a model will be asked about comes from detectors and annotators, not from exact projection.
    """

    def __init__(self, processor, cache_bytes: int = CACHE_BYTES, box_noise: float = 0.0) -> None:
        self.processor = processor
        self.box_noise = box_noise
        self.read_clip = ClipReader(processor, cache_bytes)
        tokenizer = processor.tokenizer
        added = tokenizer.added_tokens_decoder.items()
        self._special = {*tokenizer.all_special_ids, *(token for token, its in added if its.special)}

    def __call__(self, examples: Sequence[Mapping]) -> dict[str, torch.Tensor]:
        """One batch.

        Raises:
            InputError: A row or video that cannot be used, an answer whose tokens are not found at the end of its
                sequence (a truncated sequence, or a chat template that does not end a turn), or several questions a
                clip for another model than ST-VLM.
        """
        asked = [to_conversations(example) for example in examples]
        clips = [self._disturbed(self.read_clip(conversations[0])) for conversations in asked]
        prompts = [[prompt_text(self.processor, one) for one in conversations] for conversations in asked]
        answers = [[answer_text(self.processor, one) for one in conversations] for conversations in asked]
        texts = [prompt[0] + answer[0] for prompt, answer in zip(prompts, answers, strict=True)]
        batch = model_inputs(self.processor, texts, clips, padding_side="right")
        labels = torch.full_like(batch["input_ids"], IGNORED)
        first = [
            (tokens[: int(mask.sum())], label[: int(mask.sum())])
            for tokens, mask, label in zip(batch["input_ids"], batch["attention_mask"], labels, strict=True)
        ]
        for (tokens, label), conversations, answer in zip(first, asked, answers, strict=True):
            self._label(label, tokens, conversations[0], answer[0])
        if all(len(conversations) == 1 for conversations in asked):
            return batch | {"labels": labels}
        if not isinstance(self.processor, STVLMProcessor):
            raise InputError("Several questions in one sequence are for ST-VLM only: set questions_per_clip to 1.")
        told = batch.get("track_features", [None] * len(asked))
        items = zip(first, told, asked, clips, prompts, answers, strict=True)
        sequences, features = zip(*(self._branches(*item) for item in items), strict=True)
        if "track_features" in batch:
            batch["track_features"] = torch.from_numpy(padded_features(features))
        return batch | self._joined(sequences)

    def _disturbed(self, clip: Clip) -> Clip:
        """The clip with noise on its boxes; the frames, whose marks are drawn, stay."""
        if not self.box_noise:
            return clip
        marks = []
        for mark in clip.marks:
            noise = self.box_noise * clip.size[0] * torch.randn(len(mark.boxes), 4)
            marks.append(Mark(mark.color, tuple(map(_moved, mark.boxes, noise.tolist()))))
        return replace(clip, marks=tuple(marks))

    def _label(self, labels: torch.Tensor, tokens: torch.Tensor, asked: Conversation, answer: str) -> None:
        """Copy the answer's tokens, through the end of its turn, from one sequence without padding to its labels."""
        wanted = self._tokens(answer)
        turn_ends = [k for k, token in enumerate(wanted) if token in self._special]
        if not turn_ends:
            raise InputError(
                f"Question {asked.id}: the chat template writes no end-of-turn token after the answer, so a model "
                "would not learn to stop; use another template."
            )
        start = len(tokens) - len(wanted)
        if start <= 0 or tokens[start:].tolist() != wanted:
            raise InputError(
                f"Question {asked.id}: its sequence of {len(tokens)} tokens does not end in the answer's tokens, so "
                "there is nothing sure to learn from it. Was it truncated? Set the tokenizer's limit higher."
            )
        stop = start + turn_ends[-1] + 1
        labels[start:stop] = tokens[start:stop]

    def _branches(
        self,
        first: tuple[torch.Tensor, torch.Tensor],
        told: torch.Tensor | None,
        asked: list[Conversation],
        clip: Clip,
        prompts: list[str],
        answers: list[str],
    ) -> tuple[list[tuple[torch.Tensor, torch.Tensor]], np.ndarray | None]:
        """A clip's prefix and each of its questions as (tokens, labels), and the features of all their track tokens.

        Args:
            first: Tokens and labels of the whole sequence of its first question.
            told: Features of that sequence's track tokens.
            asked, clip, prompts, answers: Its questions.
        """
        tokens, labels = first
        video, tracks = self.processor.video_token, self.processor.tracks(clip)
        opening = prompts[0][: prompts[0].rindex(video) + len(video)]
        parts, features = [], []
        for one, prompt, answer in zip(asked, prompts, answers, strict=True):
            if not prompt.startswith(opening):
                raise InputError(f"Question {one.id} opens its conversation differently from others on its clip.")
            tail = prompt[len(opening) :] + answer
            if tracks is not None:
                tail, summaries = tracks.in_question(tail, self.processor.turn_end)
                features.append(summaries)
            branch = torch.tensor(self._tokens(tail), dtype=tokens.dtype)
            branch_labels = torch.full_like(branch, IGNORED)
            self._label(branch_labels, branch, one, answer)
            parts.append((branch, branch_labels))
        prefix = len(tokens) - len(parts[0][0])
        if prefix <= 0 or not torch.equal(tokens[prefix:], parts[0][0]):
            raise InputError(f"Question {asked[0].id}: its tokens after the video depend on the video's.")
        if tracks is not None:
            features.insert(0, told[: len(clip.marks) * len(clip.times_s)].numpy())
        return [(tokens[:prefix], labels[:prefix]), *parts], np.concatenate(features) if features else None

    def _joined(self, sequences: list[list[tuple[torch.Tensor, torch.Tensor]]]) -> dict[str, torch.Tensor]:
        """The batch's sequences, padded on the right, with what each token sees and where it stands."""
        counts = [[len(tokens) for tokens, _ in parts] for parts in sequences]
        length = max(map(sum, counts))
        rows = []
        for parts, (prefix, *branches) in zip(sequences, counts, strict=True):
            short = length - prefix - sum(branches)
            ids, labels = (torch.cat(side) for side in zip(*parts, strict=True))
            rows.append(
                {
                    "input_ids": torch.nn.functional.pad(ids, (0, short), value=self.processor.tokenizer.pad_token_id),
                    "labels": torch.nn.functional.pad(labels, (0, short), value=IGNORED),
                    "attention_mask": shared_mask(prefix, branches, length)[None],
                    "position_ids": shared_positions(prefix, branches, length),
                }
            )
        return {key: torch.stack([row[key] for row in rows]) for key in rows[0]}

    def _tokens(self, text: str) -> list[int]:
        return self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]


def _moved(box: Box | None, noise: list[float]) -> Box | None:
    """A box with its edges moved; left as it is where it would turn inside out."""
    if box is None:
        return None
    x1, y1, x2, y2 = (edge + step for edge, step in zip(box, noise, strict=True))
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else box
