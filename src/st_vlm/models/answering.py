"""From a video and a question to the model's sentence, the value it states, and how sure the model was."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch

from st_vlm.errors import InputError
from st_vlm.models.carried_code import IS_CARRIED
from st_vlm.models.confidence import confidence
from st_vlm.models.greedy import greedy, greedy_shared
from st_vlm.models.shared_prefix import positions, share
from st_vlm.models.video_inputs import gather_clips
from st_vlm.video.marks import check_named_marks

# What else tells where a model came from.
_ORIGIN = ("cache_dir", "local_files_only", "revision", "subfolder", "token")


@dataclass(frozen=True)
class ModelAnswer:
    """What the model said.

    Attributes:
        text: The generated sentence.
        answer: The typed answer parsed from it, with its unit; None where the text holds no answer, or leaves open
            which of several values is meant.
        confidence: 0 to 1, from the probabilities of the tokens that state the answer (`confidence.confidence`).
    """

    text: str
    answer: Any = None
    confidence: float = 0.0

    def __str__(self) -> str:
        """The sentence, and in brackets what was read from it and the confidence in percent."""
        read = "no answer read" if self.answer is None else stated(self.answer)
        return f"{self.text} [{read}, confidence {100 * self.confidence:.0f} %]"


class AnsweringMixin:
    """Gives a conditional-generation model `answer`, `answer_batch` and `answer_clip`."""

    _answer_processor = None
    _origin: Mapping = MappingProxyType({})

    def answer(
        self,
        video,
        question: str,
        marks: Sequence | None = None,
        timestamps: Sequence[float] | None = None,
        camera: Mapping | None = None,
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
            [camera],
            processor=processor,
            tasks=[task],
            max_new_tokens=max_new_tokens,
        )[0]

    def answer_batch(
        self,
        videos: Sequence,
        questions: Sequence[str],
        marks: Sequence | None = None,
        timestamps: Sequence | None = None,
        cameras: Sequence | None = None,
        processor=None,
        tasks: Sequence[str | None] | None = None,
        max_new_tokens: int = 64,
    ) -> list[ModelAnswer]:
        """Answer N questions in one batch, by greedy decoding.

        Args:
            videos: N videos as `STVLMProcessor` takes them. None with marks, timestamps or a camera is a clip without
                images, None with none of them a question without any clip. The same path given several times is
                decoded once.
            questions: N questions.
            marks: N lists of marks or None, see `STVLMProcessor.__call__`.
            timestamps: N lists of seconds or None.
            cameras: N cameras or None.
            processor: By default the one saved with the model, loaded once.
            tasks: N task ids, which say how the texts are parsed, or None: then the question and the text tell.
            max_new_tokens: Longest answer.

        Raises:
            InputError: Lists of different lengths, a question without text, with `<video>` in it or with the name of
                a mark's colour where nothing is marked, a video, marks, times or camera that the processor refuses,
                or a model that was not loaded from a folder with a processor and no `processor` given.
        """
        n = len(questions)
        if n == 0:
            return []
        given = {
            "videos": videos,
            "marks": marks,
            "timestamps": timestamps,
            "cameras": cameras,
            "tasks": tasks,
        }
        lists = {name: [None] * n if values is None else list(values) for name, values in given.items()}
        for name, values in lists.items():
            if len(values) != n:
                raise InputError(f"{n} questions but {len(values)} {name}; give one for each question.")
        processor = processor or self._own_processor()
        tasks = lists.pop("tasks")
        clips = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
        prompts = [_prompt(processor, clip, question) for clip, question in zip(clips, questions, strict=True)]
        inputs = _processed(processor, prompts, clips)
        return self._said(processor, questions, tasks, [greedy(self, inputs, max_new_tokens)])

    def answer_clip(
        self,
        video,
        questions: Sequence[str],
        marks: Sequence | None = None,
        timestamps: Sequence[float] | None = None,
        camera: Mapping | None = None,
        processor=None,
        tasks: Sequence[str | None] | None = None,
        max_new_tokens: int = 64,
        batch_size: int = 16,
    ) -> list[ModelAnswer]:
        """Answer N questions about one video, which is read, shown to the model and encoded once.

        In float32 the answers are those of `answer`, question by question.

        Args:
            video, marks, timestamps, camera: As of `answer`.
            questions: N questions.
            processor, max_new_tokens: As of `answer_batch`.
            tasks: N task ids, or None.
            batch_size: Most questions at once.

        Raises:
            InputError: As `answer_batch`.
        """
        n = len(questions)
        tasks = [None] * n if tasks is None else list(tasks)
        if len(tasks) != n:
            raise InputError(f"{n} questions but {len(tasks)} tasks; give one for each question.")
        if n == 0:
            return []
        processor = processor or self._own_processor()
        clip = {"videos": video, "marks": marks, "timestamps": timestamps, "cameras": camera}
        prompts = [_prompt(processor, clip, question) for question in questions]
        batches = [range(start, min(start + batch_size, n)) for start in range(0, n, batch_size)]
        shared = None
        if _has_clip(clip):
            read = gather_clips(processor.video_processor, [video], [marks], [timestamps], cameras=[camera])
            clip = {**dict.fromkeys(clip), "videos": read[0]}
            inputs = _processed(processor, prompts[:1], [clip])
            shared = share(processor, inputs, [prompts], read)
        if shared is not None:
            said = greedy_shared(self, shared, batches, max_new_tokens, processor.tokenizer.pad_token_id)
        else:
            said = (
                greedy(self, _processed(processor, [prompts[i] for i in batch], [clip] * len(batch)), max_new_tokens)
                for batch in batches
            )
        return self._said(processor, questions, tasks, said)

    def _said(self, processor, questions: Sequence[str], tasks: Sequence, batches: Iterable) -> list[ModelAnswer]:
        answers: list[ModelAnswer] = []
        for batch in batches:
            for tokens, logs in batch:
                read = _reader(tasks[len(answers)], questions[len(answers)])

                def decode(some: Sequence[int]) -> str:
                    return processor.tokenizer.decode(some, skip_special_tokens=True).strip()

                text = decode(tokens)
                answers.append(ModelAnswer(text, read(text), confidence(tokens, logs, decode, read)))
        return answers

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path, *args, **kwargs):
        """As the base's; the processor for answers will come from the same place and revision."""
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model._origin = {name: kwargs[name] for name in _ORIGIN if kwargs.get(name) is not None}
        return loaded

    def _own_processor(self):
        if self._answer_processor is None:
            from st_vlm.models.processing_st_vlm import STVLMProcessor

            folder = getattr(self, "name_or_path", "") or self.config._name_or_path
            if not folder:
                raise InputError("This model was not loaded from a folder, so its processor is unknown: pass one.")
            self._answer_processor = STVLMProcessor.from_pretrained(
                folder, trust_remote_code=IS_CARRIED or None, **self._origin
            )
        return self._answer_processor


def stated(answer) -> str:
    """A typed answer in the fewest words: "12.34 m", "3 o'clock", "2.0 to 7.5 s", "red".

    >>> from st_vlm.questions.answers import Interval
    >>> stated(Interval(2, 7.5))
    '2.0 to 7.5 s'
    """
    from st_vlm.questions.answers import Choice, ClockHour, Count, Interval, Position, Quantity

    match answer:
        case Quantity(value, unit):
            return f"{_short(value)} {unit}"
        case Count(number):
            return str(number)
        case ClockHour(hour):
            return f"{hour} o'clock"
        case Interval(start_s, end_s):
            return f"{start_s} to {end_s} s"
        case Choice(option):
            return option
        case Position(metres):
            return f"({', '.join(map(_short, metres))}) m"
    raise TypeError(f"{answer!r} is no answer.")


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _prompt(processor, clip: Mapping, question: str) -> str:
    if not isinstance(question, str) or not question.strip():
        raise InputError(f"A question is a text, not {question!r}.")
    for token in (processor.video_token, processor.image_token):
        if token in question:
            raise InputError(f"The question {question!r} holds {token}, which stands for a picture: leave it out.")
    check_named_marks(question, clip["marks"])
    content = [{"type": "video"}] if _has_clip(clip) else []
    messages = [{"role": "user", "content": [*content, {"type": "text", "text": question}]}]
    return processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)


def _has_clip(clip: Mapping) -> bool:
    """Whether a question is about a clip, with or without images."""
    return bool(clip["marks"]) or any(clip[name] is not None for name in ("videos", "timestamps", "cameras"))


def _processed(processor, prompts: Sequence[str], clips: Sequence[Mapping]) -> dict[str, torch.Tensor]:
    """A batch padded on the left, and the positions of its real tokens.

    The processor's lists have one entry a clip: questions without any are left out of them.
    """
    shown = [clip for clip in clips if _has_clip(clip)]
    lists = {name: [clip[name] for clip in shown] for name in shown[0]} if shown else {}
    inputs = dict(processor(text=list(prompts), **lists, padding=True, padding_side="left", return_tensors="pt"))
    return {**inputs, "position_ids": positions(inputs["attention_mask"])}


def _reader(task: str | None, question: str) -> Callable[[str], Any]:
    from st_vlm.questions.likely_task import parse_any
    from st_vlm.questions.parsing import parse_answer

    if task is None:
        return lambda text: parse_any(text, question)
    return lambda text: parse_answer(task, text, question=question)
