"""Clips read for a processor: decoded, marked, at the size the model sees, and kept for the next question.

Many questions share one clip, and decoding costs more than a small model's step. Frames are kept as bytes at the size
the model sees, so that the default budget holds hundreds of clips of a small model.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import OrderedDict
from dataclasses import replace

import numpy as np
import torch

from st_vlm.errors import InputError
from st_vlm.models.processing_st_vlm import STVLMProcessor
from st_vlm.models.video_inputs import Clip, gather_clips
from st_vlm.models.video_processing_st_vlm import FramesToCome, STVLMVideoProcessor
from st_vlm.training.conversations import Conversation
from st_vlm.training.stock_processors import stock_processor
from st_vlm.video.decoding import probe
from st_vlm.video.marks import draw_marks

CACHE_BYTES = 512 * 2**20


class ClipReader:
    """Reads the clips of conversations for one processor and keeps the last used in memory.

    A copy in another process (a dataloader's worker) starts empty and has its own budget.

    Args:
        processor: Of any video model. For `STVLMProcessor` frames are kept at the size that its model sees; the
            pixels are the same as if the processor had read, marked and resized the clip itself.
        cache_bytes: Most bytes of frames to keep.

    Raises:
        InputError: A processor that takes no video.
    """

    def __init__(self, processor, cache_bytes: int = CACHE_BYTES) -> None:
        if not isinstance(processor, STVLMProcessor):
            stock_processor(processor)
        self.processor = processor
        self.cache_bytes = cache_bytes
        self._kept: OrderedDict[str, Clip] = OrderedDict()
        self._bytes = 0

    def __call__(self, conversation: Conversation) -> Clip:
        """Frames (T, H, W, 3) uint8 with their marks drawn, their times, marks and camera.

        A model that sees no video gets no frames, and its clips are not read.

        Raises:
            InputError: A video that cannot be read, or marks or times that do not fit it.
        """
        key = _key(conversation)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        try:
            clip = self._read(conversation)
        except InputError as error:
            raise InputError(f"Question {conversation.id}: {error}") from error
        self._kept[key] = clip
        self._bytes += _size(clip)
        while self._bytes > self.cache_bytes and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1])
        return clip

    def _read(self, conversation: Conversation) -> Clip:
        ours = isinstance(self.processor, STVLMProcessor)
        if conversation.video is None and not (ours and self.processor.track_tokens):
            raise InputError("its clip has no video, but this model has no track tokens to learn of it: build clips.")
        reader = self.processor.video_processor if ours else STVLMVideoProcessor()
        fps = _frame_rate(conversation.timestamps, reader.frame_interval_s)
        blind = ours and not (self.processor.sees_video and conversation.video)
        about = [conversation.marks], [conversation.timestamps]
        camera = conversation.camera
        if blind and conversation.video and not (camera or {}).get("size"):
            # Boxes are told as shares of the image.
            camera = {**(camera or {}), "size": probe(conversation.video).size}
        clip = gather_clips(reader, [None if blind else conversation.video], *about, fps=fps, cameras=[camera])[0]
        if blind:
            return clip
        if ours:
            frames = _shown(reader, clip)
        else:
            shown_at = stock_processor(self.processor).shown_at(clip.frames.shape)
            frames = draw_marks(clip.frames, clip.marks, shown_at)
        return replace(clip, frames=frames, drawn=True)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_kept": OrderedDict(), "_bytes": 0}


def model_inputs(processor, texts: list[str], clips: list[Clip], padding_side: str) -> dict[str, torch.Tensor]:
    """A batch of the processor's tensors for prompts with one clip each, whose marks are drawn already; or, with no
    clip, for prompts of text alone.

    For processors of other models see `StockProcessor`.
    """
    options = {"text": texts, "padding": True, "padding_side": padding_side, "return_tensors": "pt"}
    if not clips:
        return dict(processor(**options))
    if isinstance(processor, STVLMProcessor):
        return dict(processor(videos=clips, **options))
    return stock_processor(processor).inputs(texts, clips, padding_side)


def _shown(reader: STVLMVideoProcessor, clip: Clip) -> np.ndarray:
    """Marked frames at the model's size, as bytes: resizing them again changes nothing."""
    options = {"do_rescale": False, "do_normalize": False, "do_sample_frames": False, "return_tensors": "pt"}
    pixels = reader([FramesToCome.of(clip.frames, clip.marks)], **options)["pixel_values_videos"][0]
    return pixels.permute(0, 2, 3, 1).contiguous().numpy()


def _size(clip: Clip) -> int:
    """Bytes that a clip takes; one without frames is small."""
    return 10_000 if clip.frames is None else clip.frames.nbytes


def _frame_rate(timestamps: list[float], interval_s: float) -> float | None:
    """The rate of a clip that has more frames than the sampling grid, so that all are taken; None for any other."""
    step = float(np.median(np.diff(timestamps))) if len(timestamps) > 1 else interval_s
    return 1 / step if 0 < step < 0.9 * interval_s else None


def _key(conversation: Conversation) -> str:
    """What decides the frames: the file, the marks and the times."""
    video = conversation.video or b""
    if isinstance(video, str):
        # A clip that was written anew under its old name is another clip.
        changed = os.stat(video).st_mtime_ns if os.path.exists(video) else 0
        video = f"{video}:{changed}".encode()
    digest = hashlib.sha1(video, usedforsecurity=False)
    digest.update(json.dumps([conversation.marks, conversation.timestamps, conversation.camera]).encode())
    return digest.hexdigest()
