"""Several questions about one clip in one sequence: the clip's tokens once, then each question with its answer.

Every question sees the clip and itself, none of the others, and stands at the position it would have alone; so the
loss is that of separate sequences, at a fraction of the cost (a clip has hundreds to thousands of vision tokens, a
question some tens).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from st_vlm.errors import InputError


def share_clips(dataset, most: int):
    """A dataset of clips, each with up to `most` of its questions, from a dataset of questions.

    Args:
        dataset: `datasets.Dataset` of rows, in any order.
        most: Most questions of one clip in one example; a clip with more makes several examples, as equal as can be.

    Returns:
        `datasets.Dataset` with `video`, `marks`, `timestamps`, `camera`, `questions` (a list of `{id, messages}`) and
        `length`, the number of frames, by which a trainer can put clips of like length into one batch.

    Raises:
        InputError: `most` below 1.
    """
    if most < 1:
        raise InputError(f"questions_per_clip must be at least 1, not {most}.")
    of_clip: dict[str, list[int]] = {}
    for index, clip in enumerate(dataset["clip_id"]):
        of_clip.setdefault(clip, []).append(index)
    # Dealt out in turn, since rows come task by task: so every example has questions of several tasks.
    groups = []
    for indices in of_clip.values():
        count = math.ceil(len(indices) / most)
        groups += [indices[start::count] for start in range(count)]
    asked = dataset.select_columns(["id", "messages"])
    # Clips are small beside their videos, which stay files; what is copied here are boxes and words.
    clips = dataset.select([group[0] for group in groups]).select_columns(["video", "marks", "timestamps", "camera"])
    clips = clips.add_column("questions", [[asked[index] for index in group] for group in groups])
    return clips.add_column("length", [len(times) for times in clips["timestamps"]])


def shared_mask(prefix: int, branches: Sequence[int], length: int) -> torch.Tensor:
    """(length, length) bool: what each token of prefix + branches + padding sees.

    A token of the prefix sees the prefix up to itself; a branch's token also its own branch up to itself. Padding
    sees itself only, since attention over nothing is not a number.
    """
    owner = torch.full((length,), -1)
    owner[:prefix] = 0
    stop = prefix
    for number, tokens in enumerate(branches, start=1):
        owner[stop : stop + tokens] = number
        stop += tokens
    same_or_prefix = (owner[:, None] == owner) | (owner == 0)
    causal = torch.ones(length, length, dtype=torch.bool).tril()
    padding = owner == -1
    return (same_or_prefix & causal & ~padding[:, None] & ~padding) | torch.eye(length, dtype=torch.bool)


def shared_positions(prefix: int, branches: Sequence[int], length: int) -> torch.Tensor:
    """(length,) positions: every branch goes on where the prefix ends; 0 for padding."""
    parts = [torch.arange(prefix), *(prefix + torch.arange(tokens) for tokens in branches)]
    used = torch.cat(parts)
    return torch.cat([used, torch.zeros(length - len(used), dtype=used.dtype)])
