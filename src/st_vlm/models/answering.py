"""From a video and a question to the model's sentence and the value it states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from st_vlm.errors import InputError


@dataclass(frozen=True)
class ModelAnswer:
    """What the model said.

    Attributes:
        text: The generated sentence.
        answer: The typed answer parsed from it; None where no task is given or the text holds no answer to it.
    """

    text: str
    answer: Any = None


class AnsweringMixin:
    """Gives a conditional-generation model `answer` and `answer_batch`."""

    _answer_processor = None

    def answer(
        self,
        video,
        question: str,
        marks: Sequence | None = None,
        timestamps: Sequence[float] | None = None,
        processor=None,
        task: str | None = None,
        max_new_tokens: int = 64,
    ) -> ModelAnswer:
        """Answer one question about one video; the arguments are those of `answer_batch` for one item."""
        return self.answer_batch(
            [video],
            [question],
            [marks],
            [timestamps],
            processor=processor,
            tasks=[task],
            max_new_tokens=max_new_tokens,
        )[0]

    @torch.inference_mode()
    def answer_batch(
        self,
        videos: Sequence,
        questions: Sequence[str],
        marks: Sequence | None = None,
        timestamps: Sequence | None = None,
        processor=None,
        tasks: Sequence[str | None] | None = None,
        max_new_tokens: int = 64,
    ) -> list[ModelAnswer]:
        """Answer N questions in one batch, by greedy decoding.

        Args:
            videos: N videos as `STVLMProcessor` takes them, or None for a question asked without video. The same
                path given several times is decoded once.
            questions: N questions.
            marks: N lists of marks or None, see `STVLMProcessor.__call__`.
            timestamps: N lists of seconds or None.
            processor: By default the one saved with the model, loaded once.
            tasks: N task ids, which say how the texts are parsed, or None.
            max_new_tokens: Longest answer.

        Raises:
            InputError: Lists of different lengths, a question without text or with `<video>` in it, a video or marks
                that the processor refuses, or a model that was not loaded from a folder with a processor and no
                `processor` given.
        """
        n = len(questions)
        if n == 0:
            return []
        given = {"videos": videos, "marks": marks, "timestamps": timestamps, "tasks": tasks}
        lists = {name: [None] * n if values is None else list(values) for name, values in given.items()}
        for name, values in lists.items():
            if len(values) != n:
                raise InputError(f"{n} questions but {len(values)} {name}; give one for each question.")
        processor = processor or self._own_processor()
        prompts = [_prompt(processor, v, q) for v, q in zip(lists["videos"], questions, strict=True)]
        inputs = processor(text=prompts, **_with_video(lists), padding=True, padding_side="left", return_tensors="pt")
        was_training = self.training
        self.eval()
        try:
            tokens = self.generate(
                **inputs.to(self.device, self.dtype), do_sample=False, num_beams=1, max_new_tokens=max_new_tokens
            )
        finally:
            self.train(was_training)
        texts = processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return [
            ModelAnswer(text.strip(), _parse(task, text.strip(), question))
            for text, task, question in zip(texts, lists["tasks"], questions, strict=True)
        ]

    def _own_processor(self):
        if self._answer_processor is None:
            from transformers import AutoProcessor

            folder = getattr(self, "name_or_path", "") or self.config._name_or_path
            if not folder:
                raise InputError("This model was not loaded from a folder, so its processor is unknown: pass one.")
            self._answer_processor = AutoProcessor.from_pretrained(folder)
        return self._answer_processor


def _prompt(processor, video, question: str) -> str:
    if not isinstance(question, str) or not question.strip():
        raise InputError(f"A question is a text, not {question!r}.")
    for token in (processor.video_token, processor.image_token):
        if token in question:
            raise InputError(f"The question {question!r} holds {token}, which stands for a picture: leave it out.")
    content = [] if video is None else [{"type": "video"}]
    messages = [{"role": "user", "content": [*content, {"type": "text", "text": question}]}]
    return processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _with_video(lists: Mapping[str, list]) -> dict[str, list]:
    """The processor's lists have one entry a video: leave out the items without."""
    kept = [i for i, video in enumerate(lists["videos"]) if video is not None]
    return {name: [lists[name][i] for i in kept] for name in ("videos", "marks", "timestamps")} if kept else {}


def _parse(task: str | None, text: str, question: str):
    if task is None:
        return None
    from st_vlm.questions.parsing import parse_answer

    return parse_answer(task, text, question=question)
