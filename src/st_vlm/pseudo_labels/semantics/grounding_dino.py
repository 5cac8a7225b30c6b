"""Grounding DINO (Liu et al. 2023) by `transformers`: boxes of classes that are given as text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from st_vlm.pseudo_labels.semantics.detections import MOST_DETECTIONS, Detections, inside_image, strongest
from st_vlm.pseudo_labels.semantics.prompts import phrase_tokens, prompts
from st_vlm.pseudo_labels.weights import choose_device, load_model, load_processor

LICENCE = "Apache-2.0"
# Boxes of any two classes that overlap by more show one thing, whatever it is.
_MOST_OVERLAP_OF_ANY = 0.9


class GroundingDino:
    """A detector that is told what to look for. Its weights are loaded on first use.

    It runs in 32 bits everywhere: places in the image are numbers from 0 to 1, and bfloat16 would round those to
    several pixels.

    Args:
        checkpoint: A name on the Hugging Face Hub, or a local folder.
        classes: Nouns.
        device: Name of a torch device; None: a GPU if there is one.
        box_threshold: The score from which a box counts.
        text_threshold: What every word of a phrase must score for the box to be of its class.
        classes_at_once: Classes in one text.
    """

    licence = LICENCE

    def __init__(
        self,
        checkpoint: str,
        classes: Sequence[str],
        device: str | None = None,
        box_threshold: float = 0.3,
        text_threshold: float = 0.25,
        classes_at_once: int = 3,
    ) -> None:
        self.checkpoint, self.classes, self._device = checkpoint, tuple(classes), device
        self.box_threshold, self.text_threshold = box_threshold, text_threshold
        self._prompts = tuple(prompts(classes, classes_at_once))

    @cached_property
    def _loaded(self):
        import torch
        from transformers import GroundingDinoForObjectDetection, GroundingDinoProcessor

        device = choose_device(self._device)
        model = load_model(GroundingDinoForObjectDetection, self.checkpoint, device, torch.float32)
        processor = load_processor(GroundingDinoProcessor, self.checkpoint)
        return model, processor, device

    def detect(self, images: Sequence[np.ndarray], size: tuple[int, int]) -> list[Detections]:
        """What some images show, in one batch.

        Args:
            images: (H, W, 3) uint8 RGB each, all of one size.
            size: Width and height that boxes are to count in.

        Raises:
            InputError: The weights cannot be had.
        """
        import torch

        model, processor, device = self._loaded
        # On the processor's own device: of many images at once, resizing them takes as long as the model.
        pixels = processor.image_processor(images=list(images), return_tensors="pt", device=device).to(device)
        found: list[list[Detections]] = [[] for _ in images]
        for prompt in self._prompts:
            words = processor.tokenizer(prompt.text, return_offsets_mapping=True, return_token_type_ids=True)
            tokens = phrase_tokens(prompt, words.pop("offset_mapping"))
            text = {key: torch.tensor([value] * len(images), device=device) for key, value in words.items()}
            with torch.inference_mode():
                output = model(**pixels, **text)
            likely = output.logits.sigmoid().float().cpu().numpy()
            boxes = output.pred_boxes.float().cpu().numpy()
            for its, *parts in zip(found, likely, boxes, strict=True):
                its.append(read_out(*parts, tokens, self.box_threshold, self.text_threshold, size))
        return [_joined(parts) for parts in found]


def read_out(
    likely: np.ndarray,
    boxes: np.ndarray,
    tokens: Sequence[tuple[str, Sequence[int]]],
    box_threshold: float,
    text_threshold: float,
    size: tuple[int, int],
) -> Detections:
    """The detections among a model's queries.

    Args:
        likely: (Q, L) how much each query is what each token of the text says, 0-1.
        boxes: (Q, 4) middle, width and height as shares of the image.
        tokens: Class and tokens of each phrase; several phrases may be of one class.
        box_threshold, text_threshold: As of `GroundingDino`.
        size: Width and height of the image in pixels.

    Returns:
        Each query at most once, as the class of the phrase that it is most like: the most likely of a phrase's words
        is its score, but no word of it may be unlikely.
    """
    scores = np.zeros((len(likely), len(tokens)))
    for k, (_, its) in enumerate(tokens):
        if len(its):
            part = np.nan_to_num(likely[:, list(its)])
            scores[:, k] = np.where(part.min(axis=1) > text_threshold, part.max(axis=1), 0)
    best = scores.argmax(axis=1)
    score = scores[np.arange(len(scores)), best]
    corners = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], axis=1)
    corners, good = inside_image(corners.astype(np.float64) * [*size, *size], size)
    good &= score > box_threshold
    names = np.array([category for category, _ in tokens], dtype=object)
    found = Detections(corners[good], score[good], names[best[good]])
    return found.only(np.argsort(-found.scores, kind="stable")[:MOST_DETECTIONS])


def _joined(parts: Sequence[Detections]) -> Detections:
    """What several texts found in one image, each thing once, the most certain first."""
    fields = ("boxes", "scores", "categories")
    every = Detections(*(np.concatenate([getattr(part, name) for part in parts]) for name in fields))
    every = every.only(strongest(every))
    anything = Detections(every.boxes, every.scores, np.full(len(every), "", dtype=object))
    return every.only(strongest(anything, _MOST_OVERLAP_OF_ANY))
