"""Clips for the processors of other video models: every frame, every mark and the real times reach the model.

Left to themselves these processors sample frames anew, take frames for 24 a second apart, and let what a prompt says
about one clip depend on the others in its batch. Here each clip is processed on its own, with all frames and with
metadata that tells their real times, and the results are joined into a batch. What a family does is found out by
trying, not from its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import islice

import numpy as np
import torch
from transformers.video_utils import VideoMetadata

from st_vlm.errors import InputError
from st_vlm.models.processing_st_vlm import frame_times_text
from st_vlm.models.video_inputs import Clip
from st_vlm.video.sampling import INTERVAL_S

# Metadata can only say which frames of an even video were taken. One of a thousand frames a second has one for every
# time, however unevenly the clip's are spaced.
TICKS = 1000


class StockProcessor:
    """The processor of any video model of transformers, used so that nothing of a clip is lost.

    Args:
        processor: With a video processor, and a `video_token` that its chat template writes.

    Raises:
        InputError: A processor that takes no video.
    """

    def __init__(self, processor) -> None:
        self.processor = processor
        self.name = type(processor).__name__
        if getattr(processor, "video_processor", None) is None or not getattr(processor, "video_token", None):
            raise InputError(f"{self.name} takes no video: choose a video model, such as Qwen/Qwen3-VL-2B-Instruct.")
        self.video_processor = processor.video_processor
        self._sizes: dict[tuple[int, ...], tuple[int, int]] = {}

    @cached_property
    def states_times(self) -> bool:
        """Whether the prompt tells when a frame is, to a tenth of a second, without being asked to."""
        frame = Clip(np.zeros((1, 64, 64, 3), np.uint8), np.array([12.3]), (), (64, 64))
        tokens = self._processed(self.processor.video_token, [frame])["input_ids"][0]
        return "12.3" in self.processor.tokenizer.decode(tokens)

    def shown_at(self, shape: Sequence[int]) -> tuple[int, int]:
        """Width and height at which the model sees frames of a shape (T, H, W, 3); they may depend on T."""
        shape = (max(shape[0], self._frames_at_once), *shape[1:3])
        if shape not in self._sizes:
            # One grey value stands for all pixels, so that this takes no memory before it is resized.
            frames = torch.zeros((), dtype=torch.uint8).expand(shape[0], 3, *shape[1:])
            options = {"do_sample_frames": False, "do_rescale": False, "do_normalize": False, "return_tensors": "pt"}
            made = self.video_processor([frames], **options)
            if "video_grid_thw" in made:
                height, width = (int(n) * self.video_processor.patch_size for n in made["video_grid_thw"][0, 1:])
            else:
                height, width = _pixels(made).shape[-2:]
            self._sizes[shape] = (width, height)
        return self._sizes[shape]

    def inputs(self, texts: Sequence[str], clips: Sequence[Clip], padding_side: str) -> dict[str, torch.Tensor]:
        """A batch of the processor's tensors.

        Args:
            texts: Prompts, with the processor's `video_token` for each clip.
            clips: In the order of the prompts, with their marks drawn.
            padding_side: `left` or `right`.

        Raises:
            InputError: Prompts with another number of places for videos than there are clips; a processor that
                leaves out or repeats frames; clips of different lengths for a model that cannot take them at once.
        """
        places = [text.count(self.processor.video_token) for text in texts]
        if sum(places) != len(clips):
            raise InputError(
                f"The prompts have {sum(places)} {self.processor.video_token} for {len(clips)} clips: the chat "
                f"template of {self.name} must write one for each, and questions none; use another template."
            )
        left = iter(clips)
        items = [self._one(text, list(islice(left, count))) for text, count in zip(texts, places, strict=True)]
        return self._joined(items, [len(clip.times_s) for clip in clips], padding_side)

    def _one(self, text: str, clips: list[Clip]) -> dict[str, torch.Tensor]:
        """Tensors of one prompt and its clips."""
        if not clips:
            return _tensors(self.processor(text=[text], return_tensors="pt"))
        made = self._processed(text if self.states_times else self._with_times(text, clips), clips)
        seen = self._frames_seen(made)
        # Frames that are seen two at a time are filled up by repetition at the end.
        wanted = sum(-(-len(clip.times_s) // self._frames_at_once) * self._frames_at_once for clip in clips)
        if len(clips) == 1 and seen not in (None, wanted):
            raise InputError(
                f"{self.name} shows its model {seen} frames of a clip's {len(clips[0].times_s)}, so that marks and "
                "times would not fit: choose another model."
            )
        return made

    def _processed(self, text: str, clips: list[Clip]) -> dict[str, torch.Tensor]:
        frames, metadata = zip(*(self._whole(clip) for clip in clips), strict=True)
        options = {"do_sample_frames": False, "return_tensors": "pt"}
        return _tensors(self.processor(text=[text], videos=list(frames), video_metadata=list(metadata), **options))

    def _whole(self, clip: Clip) -> tuple[np.ndarray, VideoMetadata]:
        """A clip's frames and metadata that tell their times; a still fills what the model sees at once."""
        times = np.asarray(clip.times_s, np.float64)
        step = float(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else INTERVAL_S
        missing = max(0, self._frames_at_once - len(times))
        frames = np.concatenate([clip.frames, *[clip.frames[-1:]] * missing]) if missing else np.asarray(clip.frames)
        ticks = [round(TICKS * float(time)) for time in times]
        return frames, VideoMetadata(
            total_num_frames=round(TICKS * step * len(times)),
            fps=TICKS,
            width=frames.shape[2],
            height=frames.shape[1],
            duration=step * len(times),
            frames_indices=ticks + ticks[-1:] * missing,
        )

    @property
    def _frames_at_once(self) -> int:
        return int(getattr(self.video_processor, "temporal_patch_size", None) or 1)

    def _frames_seen(self, made: dict[str, torch.Tensor]) -> int | None:
        """How many frames a prompt's tensors hold; None where they do not tell."""
        if "video_grid_thw" in made:
            return int(made["video_grid_thw"][:, 0].sum()) * self._frames_at_once
        pixels = _pixels(made)
        if pixels is None or pixels.ndim not in (4, 5):
            return None
        return pixels.shape[:-3].numel()

    def _with_times(self, text: str, clips: list[Clip]) -> str:
        """The prompt with a line of frame times before each video."""
        block = self._video_block()
        if text.count(block) != len(clips):
            block = self.processor.video_token
        head, *tails = text.split(block)
        return head + "".join(
            f"{frame_times_text(clip.times_s)}\n{block}{tail}" for clip, tail in zip(clips, tails, strict=True)
        )

    def _video_block(self) -> str:
        """What the chat template writes for a video, with the tokens around it that must stay next to it."""
        from jinja2 import TemplateError

        parts = [{"type": "text", "text": "Before."}, {"type": "video"}, {"type": "text", "text": "Behind."}]
        try:
            asked = self.processor.apply_chat_template([{"role": "user", "content": parts}], tokenize=False)
        except TemplateError:
            return self.processor.video_token
        block = asked.partition("Before.")[2].partition("Behind.")[0].strip()
        # Some templates write all videos before all texts.
        return block if self.processor.video_token in block else self.processor.video_token

    def _joined(self, items: list[dict], lengths: list[int], padding_side: str) -> dict[str, torch.Tensor]:
        """One batch of the prompts' tensors: those with an entry a token are padded, others follow each other."""
        longest = max(item["input_ids"].shape[1] for item in items)
        batch = {}
        for key in dict.fromkeys(key for item in items for key in item):
            if all(key not in item or item[key].shape == item["input_ids"].shape for item in items):
                filling = (self.processor.tokenizer.pad_token_id or 0) if key == "input_ids" else 0
                rows = [item.get(key, torch.zeros_like(item["input_ids"])) for item in items]
                batch[key] = torch.cat([_padded(row, longest, filling, padding_side) for row in rows])
            else:
                batch[key] = self._behind_each_other([item[key] for item in items if key in item], lengths)
        return batch

    def _behind_each_other(self, parts: list[torch.Tensor], lengths: list[int]) -> torch.Tensor:
        if len({part.shape[1:] for part in parts}) == 1:
            return torch.cat(parts)
        # A processor that pads clips is for a model that leaves out frames of zeros.
        if not getattr(self.video_processor, "do_pad", None) or len({part.shape[2:] for part in parts}) > 1:
            raise InputError(
                f"{self.name} cannot put clips of {' and '.join(map(str, sorted(set(lengths))))} frames into one "
                "batch: use batches of one question."
            )
        most = max(part.shape[1] for part in parts)
        return torch.cat(
            [torch.cat((part, part.new_zeros(len(part), most - part.shape[1], *part.shape[2:])), 1) for part in parts]
        )


@lru_cache(maxsize=2)
def stock_processor(processor) -> StockProcessor:
    """The `StockProcessor` of a processor, with what it has found out already."""
    return StockProcessor(processor)


def _tensors(made) -> dict[str, torch.Tensor]:
    return {key: value for key, value in made.items() if isinstance(value, torch.Tensor)}


def _pixels(made) -> torch.Tensor | None:
    # Some families name the pixels of videos as those of images.
    return made.get("pixel_values_videos", made.get("pixel_values"))


def _padded(row: torch.Tensor, length: int, value: int, side: str) -> torch.Tensor:
    missing = length - row.shape[1]
    return torch.nn.functional.pad(row, (missing, 0) if side == "left" else (0, missing), value=value)
