"""A vision-language model is asked, of each object, whether the box holds its class: yes or no.

No text is generated: the probabilities of the two words as the next one are compared, so that the verdict is the same
each time and needs no parsing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.checking.backend import Verdict
from st_vlm.pseudo_labels.checking.views import views
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments
from st_vlm.pseudo_labels.unavailable import Unavailable

QUESTION = "Does this picture show a {noun}? Answer with one word, yes or no."
_YES, _NO = ("yes", "Yes", " yes", " Yes"), ("no", "No", " no", " No")


class VisionLanguageCheck:
    """Any image-text model of transformers, run locally.

    Args:
        checkpoint: A name on the Hugging Face Hub, or a local folder.
        views: In how many frames each object is looked at.
        threshold: Mean probability of yes from which a box holds its class.
        batch: Pictures at once.
        device, dtype: Of torch; None: a GPU where there is one, in bfloat16.
        licence: Of the weights.

    Raises:
        InputError: An option that cannot be.
    """

    name = "vlm"

    def __init__(
        self,
        checkpoint: str = "Qwen/Qwen3-VL-4B-Instruct",
        views: int = 3,
        threshold: float = 0.5,
        batch: int = 8,
        device: str | None = None,
        dtype: str | None = None,
        licence: str = "Apache-2.0",
    ) -> None:
        if not (0 < threshold < 1 and views >= 1 and batch >= 1):
            raise InputError("A check needs at least one view and picture at once, and a threshold between 0 and 1.")
        self.checkpoint, self.views, self.threshold, self.batch = str(checkpoint), views, threshold, batch
        self.licence = licence
        self._device, self._dtype = device, dtype

    def check(self, frames: ClipFrames, segments: Segments) -> list[Verdict]:
        """A verdict for each object; one that is too small to be shown anywhere holds nothing.

        Raises:
            InputError: The clip cannot be read.
            Unavailable: The weights cannot be had.
        """
        sure: dict[int, list[float]] = defaultdict(list)
        shown = views(frames, segments, self.views)
        while some := list(islice(shown, self.batch)):
            numbers, pictures = zip(*some, strict=True)
            nouns = [segments.categories[k] for k in numbers]
            for k, probability in zip(numbers, self.probabilities(pictures, nouns), strict=True):
                sure[k].append(float(probability))
        return [verdict_of(sure.get(k, []), self.threshold) for k in range(len(segments))]

    def probabilities(self, pictures: Sequence[np.ndarray], nouns: Sequence[str]) -> np.ndarray:
        """(P,) probabilities of yes against no, that each picture shows its noun."""
        import torch
        from PIL import Image

        model, processor = self._loaded
        texts = [
            processor.apply_chat_template(_asked(noun), add_generation_prompt=True, tokenize=False) for noun in nouns
        ]
        images = [[Image.fromarray(picture)] for picture in pictures]
        inputs = processor(text=texts, images=images, padding=True, padding_side="left", return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs.to(model.device, model.dtype)).logits[:, -1].float()
        probabilities = logits.softmax(dim=-1)
        yes, no = (probabilities[:, words].sum(dim=-1) for words in self._words)
        return (yes / (yes + no).clamp_min(1e-30)).cpu().numpy()

    @cached_property
    def _words(self) -> tuple[list[int], list[int]]:
        """First tokens of the two words as tokenizers may write them; none that both begin with."""
        tokenizer = self._loaded[1].tokenizer
        yes, no = (
            {tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in words} for words in (_YES, _NO)
        )
        if not yes - no or not no - yes:
            raise InputError(f"The tokenizer of {self.checkpoint} cannot tell yes from no: choose another model.")
        return sorted(yes - no), sorted(no - yes)

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForImageTextToText, AutoProcessor

        device = self._device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = self._dtype or ("bfloat16" if str(device).startswith("cuda") else "float32")
        try:
            model = AutoModelForImageTextToText.from_pretrained(
                self.checkpoint, dtype=getattr(torch, dtype), use_safetensors=True, trust_remote_code=False
            )
            processor = AutoProcessor.from_pretrained(self.checkpoint, trust_remote_code=False)
        except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise Unavailable(
                f"The model {self.checkpoint} that checks objects cannot be loaded ({reason}). Download it "
                f"(hf download {self.checkpoint} --local-dir FOLDER) and give --check-option checkpoint=FOLDER."
            ) from None
        return model.to(device).eval(), processor


def _asked(noun: str) -> list[dict]:
    """The conversation with one picture."""
    content = [{"type": "image"}, {"type": "text", "text": QUESTION.format(noun=noun)}]
    return [{"role": "user", "content": content}]


def verdict_of(sure: Sequence[float], threshold: float) -> Verdict:
    """From the probabilities in an object's views."""
    mean = float(np.mean(sure)) if len(sure) else 0.0
    return Verdict(bool(len(sure)) and mean >= threshold, round(mean, 4), len(sure))
