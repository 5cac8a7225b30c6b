"""Videos to pixel tensors: frames by real timestamps, one at a time into the batch, and clips of different lengths."""

import os
from dataclasses import dataclass

import numpy as np
import torch
from transformers import LlavaOnevisionVideoProcessor
from transformers.feature_extraction_utils import BatchFeature
from transformers.processing_utils import VideosKwargs
from transformers.video_utils import VideoMetadata

from st_vlm.errors import InputError
from st_vlm.models.carried_code import CarriesCode
from st_vlm.models.lazy_frames import LazyFrames, StoredFrames, each_frame
from st_vlm.video.decoding import VideoSource, probe
from st_vlm.video.marks import Mark, boxes_at, draw_boxes
from st_vlm.video.sampling import INTERVAL_S, MAX_FRAMES, sample_indices


class STVLMVideosKwargs(VideosKwargs, total=False):
    """Options of `STVLMVideoProcessor` beside those of every video processor.

    frame_interval_s: Spacing of the frames taken from a video file, in seconds.
    max_frames: Most frames taken from a video file.
    video_backend: What decodes video files: "pyav", "torchcodec", or "auto", which is torchcodec where it works.
    frame_times: Set by `STVLMProcessor`: for each video its frames' times in seconds.
    """

    frame_interval_s: float
    max_frames: int
    video_backend: str
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
    video_backend = "auto"
    frame_times = None

    def read_video(
        self, source: VideoSource, num_frames: int | None = None, fps: float | None = None, least_frames: int = 2
    ) -> tuple[StoredFrames, np.ndarray, np.ndarray, int]:
        """Sampled frames of a video file, which are decoded when they are gone through.

        Args:
            source: A path, the file's bytes or an open binary file.
            num_frames: At most so many frames, spread over the whole video.
            fps: Frames a second of the sampling grid, instead of the processor's own.
            least_frames: 1 for a still.

        Returns:
            Frames (T, H, W, 3), their times (T,) in seconds, their indices (T,) in the file, and the file's
            number of frames.
        """
        info = probe(source, least_frames)
        if fps is not None and not fps > 0:
            raise InputError(f"fps must be more than 0, not {fps}.")
        interval = 1 / fps if fps else self.frame_interval_s
        indices = sample_indices(info.times_s, interval, self.max_frames, num_frames)
        frames = StoredFrames(source, indices, info, self.video_backend)
        return frames, info.times_s[indices], indices, len(info)

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
            video_backend=self.video_backend,
            frames_indices=indices.tolist(),
        )
        return np.asarray(frames), metadata

    def shown_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Width and height at which the model sees frames of a given (width, height)."""
        if not self.do_resize:
            return size
        target = dict(self.size)
        if target.get("shortest_edge"):
            scale = target["shortest_edge"] / min(size)
            return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
        return target["width"], target["height"]

    def _prepare_input_videos(self, videos, device=None, **kwargs):
        if not any(isinstance(video, FramesToCome) for video in videos):
            return super()._prepare_input_videos(videos=videos, device=device, **kwargs)
        for video in videos:
            video.device = device
        return videos

    def _preprocess(self, videos: list, return_tensors=None, **kwargs) -> BatchFeature:
        counts = [len(video) for video in videos]
        if videos and all(isinstance(video, FramesToCome) for video in videos):
            padded = self._filled(videos, **kwargs)
        else:
            pixels = super()._preprocess(videos, return_tensors=None, **kwargs)["pixel_values_videos"]
            padded = [torch.cat((v, v.new_zeros(max(counts) - len(v), *v.shape[1:]))) for v in pixels]
        return BatchFeature({"pixel_values_videos": padded, "video_num_frames": counts}, tensor_type=return_tensors)

    def _filled(self, videos: list["FramesToCome"], **settings) -> torch.Tensor:
        """The batch (B, F, 3, H, W): frames are read, marked and written into it one by one.

        Videos of the same frames are read once, and frames with the same marks are prepared once.
        """
        batch, levels = None, self._levels(**settings)
        for sharing in _by_frames(videos):
            frames = videos[sharing[0]].frames
            # Frames from a reader are ours to draw on, as long as nobody else needs them plain.
            is_own = isinstance(frames, LazyFrames) and len(sharing) == 1
            for t, frame in each_frame(frames):
                written: dict[tuple, torch.Tensor] = {}
                for i in sharing:
                    boxes = boxes_at(videos[i].marks, t)
                    if boxes in written:
                        batch[i, t] = written[boxes]
                        continue
                    canvas = frame if is_own or not boxes else frame.copy()
                    draw_boxes(canvas, boxes, self.shown_size((frame.shape[1], frame.shape[0])))
                    pixels = self._resized(canvas, videos[i].device, **settings)
                    if batch is None:
                        batch = _empty_batch(videos, pixels, levels.table.dtype)
                    if batch.shape[2:] != pixels.shape:
                        raise InputError(
                            "These videos have different sizes where the model sees them, so they do not fit in one "
                            "batch: give them one by one."
                        )
                    levels.write(pixels, batch[i, t])
                    written[boxes] = batch[i, t]
        return batch

    def _resized(
        self, frame: np.ndarray, device, do_resize, size, resample, do_center_crop, crop_size, **settings
    ) -> torch.Tensor:
        """A frame (H, W, 3) as (3, h, w) uint8, by the same steps as the frames of any video."""
        pixels = torch.from_numpy(frame).permute(2, 0, 1)
        if device is not None:
            pixels = pixels.to(device)
        if do_resize:
            pixels = self.resize(pixels, size=size, resample=resample)
        return self.center_crop(pixels, crop_size) if do_center_crop else pixels

    def _levels(self, do_rescale, rescale_factor, do_normalize, image_mean, image_std, **settings) -> "_Levels":
        levels = torch.arange(256, dtype=torch.uint8).repeat(3, 1, 1)
        table = self.rescale_and_normalize(
            levels, do_rescale, rescale_factor, do_normalize, image_mean, image_std
        ).squeeze(1)
        if do_rescale and do_normalize:
            mean, std = (torch.tensor(values) * (1 / rescale_factor) for values in (image_mean, image_std))
            if torch.equal((torch.arange(256) - mean[:, None]) / std[:, None], table):
                return _Levels(table, mean.numpy(), std.numpy())
        return _Levels(table)


@dataclass(frozen=True, eq=False)
class _Levels:
    """What the model takes for each level of each colour.

    Attributes:
        table: (3, 256).
        mean, std: (3,) float32, where (level - mean) / std is just the same: quicker than looking it up.
    """

    table: torch.Tensor
    mean: np.ndarray | None = None
    std: np.ndarray | None = None

    def write(self, pixels: torch.Tensor, out: torch.Tensor) -> None:
        """Write the levels of pixels (3, H, W) uint8 into `out` (3, H, W)."""
        if out.device.type != "cpu":
            out.copy_(self.table.to(out.device).gather(1, pixels.flatten(1).long()).view_as(out))
            return
        # Not torch: its threads would wait for a core that the decoder uses.
        for k, (plane, place) in enumerate(zip(pixels.numpy(), out.numpy(), strict=True)):
            if self.mean is None:
                np.take(self.table[k].numpy(), plane, out=place, mode="clip")
            else:
                np.subtract(plane, self.mean[k], out=place)
                np.divide(place, self.std[k], out=place)


class FramesToCome(np.ndarray):
    """A stand-in of the right shape for frames that are not read yet, so that transformers takes it for a video.

    It takes no memory; `STVLMVideoProcessor` reads `frames` in its place and draws `marks`.
    """

    frames: np.ndarray | LazyFrames
    marks: tuple[Mark, ...]
    device = None

    @classmethod
    def of(cls, frames: np.ndarray | LazyFrames, marks: tuple[Mark, ...] = ()) -> "FramesToCome":
        """A stand-in for frames (T, H, W, 3) uint8 RGB on which the marks, with T boxes each, will be drawn."""
        made = np.broadcast_to(np.uint8(0), frames.shape).view(cls)
        made.frames, made.marks = frames, marks
        return made


def _by_frames(videos: list[FramesToCome]) -> list[list[int]]:
    """Places of the videos with the same frames."""
    places: dict[int, list[int]] = {}
    for i, video in enumerate(videos):
        places.setdefault(id(video.frames), []).append(i)
    return list(places.values())


def _empty_batch(videos: list[FramesToCome], frame: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Room for every frame; zeros behind the end of shorter videos."""
    longest = max(map(len, videos))
    batch = frame.new_empty(len(videos), longest, *frame.shape, dtype=dtype)
    for row, video in zip(batch, videos, strict=True):
        row[len(video) :] = 0
    return batch


def is_video_file(value) -> bool:
    """Whether a value is a video to decode: a path, bytes or an open binary file."""
    return isinstance(value, (str, os.PathLike, bytes, bytearray)) or hasattr(value, "read")


__all__ = ["STVLMVideoProcessor"]
