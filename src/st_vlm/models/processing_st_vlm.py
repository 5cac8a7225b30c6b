"""The processor: marks drawn on the frames, frame times in the prompt, everything in one batch."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from transformers import LlavaOnevisionProcessor
from transformers.processing_utils import ProcessingKwargs

from st_vlm.errors import InputError
from st_vlm.models.carried_code import CarriesCode
from st_vlm.models.clip_tracks import ClipTracks
from st_vlm.models.track_features import FEATURES, padded_features
from st_vlm.models.video_inputs import Clip, gather_clips
from st_vlm.models.video_processing_st_vlm import FramesToCome, STVLMVideoProcessor, STVLMVideosKwargs

# ChatML. Whatever the assistant says, its end-of-turn token included, stands between the generation tags, so that
# `return_assistant_tokens_mask=True` tells the tokens to learn.
CHAT_TEMPLATE = """\
{%- macro body(content) -%}
{%- if content is string -%}{{ content }}
{%- else -%}
{%- for part in content -%}
{%- if part.type == 'video' -%}{{ '<video>' }}
{%- elif part.type == 'image' -%}{{ '<image>' }}
{%- else -%}{{ part.text }}
{%- endif -%}
{%- if not loop.last -%}{{ '\\n' }}{%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
{{- '<|im_start|>' + message.role + '\\n' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}{{- body(message.content) + '<|im_end|>' -}}{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- body(message.content) + '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""


class STVLMProcessorKwargs(ProcessingKwargs, total=False):
    """Keyword arguments of `STVLMProcessor.__call__`."""

    videos_kwargs: STVLMVideosKwargs


class STVLMProcessor(CarriesCode, LlavaOnevisionProcessor):
    """Turns questions about marked videos into a model's inputs.

    Attributes:
        write_frame_times: Whether the prompt states each frame's time before the video's tokens. Saved with the
            processor.
        track_tokens: Whether the prompt holds, after each video, a line for every mark with one track token a frame,
            and one behind each mark that the question names. Saved with the processor; it must be the model's own
            setting.
        sees_video: False for a model without vision tower: frames are not shown to it, and need not be there.
    """

    valid_processor_kwargs = STVLMProcessorKwargs
    text_kwargs = {"padding": True}  # noqa: RUF012 (a class default that transformers copies)

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        video_processor=None,
        num_image_tokens=None,
        vision_feature_select_strategy=None,
        chat_template=None,
        image_token="<image>",
        video_token="<video>",
        vision_aspect_ratio="anyres_max_9",
        write_frame_times=True,
        track_tokens=False,
        sees_video=True,
        track_token="<track>",
        **kwargs,
    ) -> None:
        self.write_frame_times = write_frame_times
        self.track_tokens = track_tokens
        self.sees_video = sees_video
        self.track_token = track_token
        if video_processor is not None and not isinstance(video_processor, STVLMVideoProcessor):
            # A LLaVA-OneVision checkpoint brings its own: same settings, our reading.
            settings = {k: v for k, v in video_processor.to_dict().items() if not k.endswith("_type")}
            video_processor = STVLMVideoProcessor(**settings)
        super().__init__(
            image_processor,
            tokenizer,
            video_processor,
            num_image_tokens=num_image_tokens,
            vision_feature_select_strategy=vision_feature_select_strategy,
            chat_template=chat_template or CHAT_TEMPLATE,
            image_token=image_token,
            video_token=video_token,
            vision_aspect_ratio=vision_aspect_ratio,
            **kwargs,
        )

    def __call__(self, images=None, text=None, videos=None, marks=None, timestamps=None, cameras=None, **kwargs):
        """One batch of model inputs.

        Args:
            images: As `LlavaOnevisionProcessor` takes them.
            text: A prompt or a list of prompts with one `<video>` a video.
            videos: A list of videos in the order of the prompts, or a single one. Each is a path, the bytes of a
                file, an open binary file, a (T, H, W, 3) uint8 RGB array or a list of PIL images. Files are sampled
                every 0.5 s by their real timestamps, at most 40 frames; arrays and lists are taken whole. None stands
                for a clip without images, whose marks, timestamps and camera with `size` must be given.
            marks: For each video a list of `Mark`s or of mappings with `color` and `boxes` (other keys are ignored),
                or None. `boxes` has one entry (x1, y1, x2, y2 in pixels of the video, or None) for each sampled
                frame, or for each frame of the file. They are drawn before the frames are resized.
            timestamps: For each video its frames' times in seconds, or None: a file's own times; for arrays
                0, 0.5, 1, … are assumed.
            cameras: For each video what is known of its camera, or None; see `track_features.sight_of`. `poses` has
                one entry a frame, as boxes have. Only track tokens tell it to a model.
            kwargs: Of the tokenizer (`padding`, `padding_side`), the image and the video processor (`num_frames`
                takes fewer frames, `fps` another grid), and `return_tensors`.

        Returns:
            `input_ids`, `attention_mask`, `pixel_values_videos` (B, F, 3, H, W) and `video_num_frames` (B,), what
            images add, and with track tokens `track_features` (B, K, F) int32 (`STVLMModel.forward`).

        Raises:
            InputError: A video that cannot be read or lasts less than 0.5 s; marks, boxes, times or a camera that do
                not fit the video; a clip without images for a model without track tokens.
        """
        options = dict(kwargs.pop("videos_kwargs", None) or {})
        num_frames, fps = (kwargs.pop(key, options.pop(key, None)) for key in ("num_frames", "fps"))
        kwargs.pop("do_sample_frames", options.pop("do_sample_frames", None))
        clips = gather_clips(self.video_processor, videos, marks, timestamps, num_frames, fps, cameras)
        text, tracks = self._with_tracks(text, clips)
        shown = [clip for clip in clips if self._is_shown(clip)]
        if shown:
            options |= {"do_sample_frames": False, "frame_times": [clip.times_s.tolist() for clip in shown]}
        if options:
            kwargs["videos_kwargs"] = options
        batch = super().__call__(images=images, text=text, videos=[self._drawn(c) for c in shown] or None, **kwargs)
        if tracks is not None:
            batch["track_features"] = torch.from_numpy(tracks)
        return batch

    def _is_shown(self, clip: Clip) -> bool:
        return self.sees_video and clip.frames is not None

    def tracks(self, clip: Clip) -> ClipTracks | None:
        """What track tokens tell of a clip; None without them."""
        return ClipTracks(clip, self.track_token) if self.track_tokens else None

    @property
    def turn_end(self) -> str | None:
        """What ends a user's turn, behind which no track tokens are written."""
        return self.tokenizer.eos_token

    def _with_tracks(self, text, clips: list[Clip]):
        """Prompts in which each video is followed by its marks' track tokens, and their features (B, K, F).

        The `<video>` of a clip that is not shown gives way to its frame times.
        """
        if not self.track_tokens:
            if all(self._is_shown(clip) for clip in clips):
                return text, None
            raise InputError("Without track tokens a model learns of a clip by its frames alone: give the video.")
        prompts = [text] if isinstance(text, str) else list(text or ())
        left = iter(clips)
        written, features = [], []
        for prompt in prompts:
            if self.track_token in prompt:
                raise InputError(f"The prompt {prompt!r} holds {self.track_token}, which marks write: leave it out.")
            head, *tails = prompt.split(self.video_token)
            parts, its_features = [head], []
            for tail in tails:
                clip = next(left, None)
                if clip is None:
                    raise InputError(f"The prompts ask for more videos than the {len(clips)} given.")
                tracks = self.tracks(clip)
                asked, summaries = tracks.in_question(tail, self.turn_end)
                shown = [self.video_token] if self._is_shown(clip) else []
                times = [frame_times_text(clip.times_s)] if not shown and self.write_frame_times else []
                parts += ["\n".join([*shown, *times, *tracks.lines()]), asked]
                its_features += [tracks.rows.reshape(-1, len(FEATURES)), summaries]
            written.append("".join(parts))
            features.append(np.concatenate(its_features) if its_features else np.empty((0, len(FEATURES)), np.int32))
        if next(left, None) is not None:
            raise InputError(f"{len(clips)} videos, but the prompts have fewer {self.video_token} for them.")
        padded = padded_features(features)
        return written[0] if isinstance(text, str) else written, padded if padded.size else None

    def _drawn(self, clip: Clip):
        return FramesToCome.of(clip.frames, () if clip.drawn else clip.marks)

    def replace_video_token(self, video_inputs: dict, video_idx: int, frame_times=None, **kwargs) -> str:
        """The text that stands for a video: its frames' times and its vision tokens."""
        patches = math.isqrt(self.num_image_tokens)
        frames = int(video_inputs["video_num_frames"][video_idx])
        tokens = self.video_token * (frames * math.ceil(patches / 2) ** 2 + 1)
        if not self.write_frame_times or frame_times is None:
            return tokens
        return f"{frame_times_text(frame_times[video_idx])}\n{tokens}"


def frame_times_text(times_s: Sequence[float]) -> str:
    """How a prompt states frame times: at most two decimals, no trailing zeros.

    >>> frame_times_text([0.0, 0.5, 1.004, 1.49])
    'Frame times in seconds: 0 0.5 1 1.49'
    """
    return "Frame times in seconds: " + " ".join(f"{round(t, 2) + 0.0:.2f}".rstrip("0").rstrip(".") for t in times_s)


__all__ = ["STVLMProcessor"]
