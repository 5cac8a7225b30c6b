"""Videos to pixel tensors: PyAV decoding by real timestamps, and batches of different lengths."""

import os

import numpy as np
import torch
from transformers import LlavaOnevisionVideoProcessor
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import VideosKwargs
from transformers.video_utils import VideoMetadata

from st_vlm.errors import InputError
from st_vlm.models.carried_code import CarriesCode
from st_vlm.video.decoding import VideoSource, probe, read_frames
from st_vlm.video.sampling import INTERVAL_S, MAX_FRAMES, sample_indices


class STVLMVideosKwargs(VideosKwargs, total=False):
    """Options of `STVLMVideoProcessor` beside those of every video processor.

    frame_interval_s: Spacing of the frames taken from a video file, in seconds.
    max_frames: Most frames taken from a video file.
    frame_times: Set by `STVLMProcessor`: for each video its frames' times in seconds.
    """

    frame_interval_s: float
    max_frames: int
    frame_times: list | None


class STVLMVideoProcessor(CarriesCode, LlavaOnevisionVideoProcessor):
    """LLaVA-OneVision's video processor that reads files by their real timestamps.

    Output: `pixel_values_videos` (B, F, 3, H, W), shorter videos padded with zeros at the end, and
    `video_num_frames` (B,), how many frames of each are real.
    """

    valid_kwargs = STVLMVideosKwargs
    model_input_names = ["pixel_values_videos", "video_num_frames"]  # noqa: RUF012 (transformers reads a list)
    frame_interval_s = INTERVAL_S
    max_frames = MAX_FRAMES
    frame_times = None

    def read_video(
        self, source: VideoSource, num_frames: int | None = None, fps: float | None = None, least_frames: int = 2
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
        """Sampled frames of a video file.

        Args:
            source: A path, the file's bytes or an open binary file.
            num_frames: At most so many frames, spread over the whole video.
            fps: Frames a second of the sampling grid, instead of the processor's own.
            least_frames: 1 for a still.

        Returns:
            Frames (T, H, W, 3) uint8, their times (T,) in seconds, their indices (T,) in the file, and the file's
            number of frames.
        """
        info = probe(source, least_frames)
        if fps is not None and not fps > 0:
            raise InputError(f"fps must be more than 0, not {fps}.")
        interval = 1 / fps if fps else self.frame_interval_s
        indices = sample_indices(info.times_s, interval, self.max_frames, num_frames)
        return read_frames(source, indices, info), info.times_s[indices], indices, len(info)

    def fetch_videos(self, video_url_or_urls, sample_indices_fn=None):
        """Frames and metadata of video files; a list gives two lists."""
        if isinstance(video_url_or_urls, list):
            return list(zip(*[self.fetch_videos(one, sample_indices_fn) for one in video_url_or_urls], strict=True))
        asked = getattr(sample_indices_fn, "keywords", {})
        frames, times, indices, total = self.read_video(video_url_or_urls, asked.get("num_frames"), asked.get("fps"))
        metadata = VideoMetadata(
            total_num_frames=total,
            fps=(len(times) - 1) / float(times[-1] - times[0]) if len(times) > 1 else None,
            height=frames.shape[1],
            width=frames.shape[2],
            duration=float(times[-1] - times[0]),
            video_backend="pyav",
            frames_indices=indices.tolist(),
        )
        return frames, metadata

    def shown_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height at which the model sees frames of a given (width, height)."""
        if not self.do_resize:
            return size
        target = dict(self.size)
        if target.get("shortest_edge"):
            scale = target["shortest_edge"] / min(size)
            return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        return target["width"], target["height"]

    def _preprocess(self, videos: list[torch.Tensor], return_tensors=None, **kwargs) -> BatchFeature:
        pixels = super()._preprocess(videos, return_tensors=None, **kwargs)["pixel_values_videos"]
        counts = [len(video) for video in pixels]
        padded = [torch.cat((v, v.new_zeros(max(counts) - len(v), *v.shape[1:]))) for v in pixels]
        return BatchFeature({"pixel_values_videos": padded, "video_num_frames": counts}, tensor_type=return_tensors)


def is_video_file(value) -> bool:
    """Whether a value is a video to decode: a path, bytes or an open binary file."""
    return isinstance(value, (str, os.PathLike, bytes, bytearray)) or hasattr(value, "read")


__all__ = ["STVLMVideoProcessor"]
