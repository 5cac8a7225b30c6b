"""SAM 2 (Ravi et al. 2024) and EdgeTAM (Zhou et al. 2025) by `transformers`: boxes become masks through a video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import Protocol

import numpy as np

from st_vlm.pseudo_labels.weights import choose_device, choose_dtype, load_model, load_processor

SAM2, EDGETAM = "sam2", "edgetam"


class MaskTracking(Protocol):
    """Objects in the images of one clip, told by their numbers, which count up from 0."""

    def start(self, image: int, boxes: np.ndarray) -> list[int]:
        """Begin (K, 4) boxes, x1, y1, x2, y2 as shares of the image, as new objects: their numbers."""
        ...

    def step(self, image: int, objects: Sequence[int], backwards: bool = False) -> np.ndarray:
        """(K,) how surely each object is in an image, 0-1. Images come one after the other, or one before."""
        ...

    def masks(self, size: tuple[int, int]) -> np.ndarray:
        """(K, H, W) bool, the masks of width and height `size` of what `start` or `step` was last asked for."""
        ...


class MaskTracker:
    """A model that follows masks. Its weights are loaded on first use.

    Args:
        kind: `sam2` or `edgetam`.
        checkpoint: A name on the Hugging Face Hub, or a local folder.
        device: Name of a torch device; None: a GPU if there is one.
        dtype: `float32`, `bfloat16` or `float16`; None: bfloat16 on a GPU, else float32.
        batch: How many images are encoded together.
    """

    licence = "Apache-2.0"

    def __init__(
        self, kind: str, checkpoint: str, device: str | None = None, dtype: str | None = None, batch: int = 8
    ) -> None:
        self.kind, self.checkpoint, self._device, self._dtype, self.batch = kind, checkpoint, device, dtype, batch

    @cached_property
    def _loaded(self):
        import transformers

        # Asked for by name, for each takes seconds to import.
        kind = getattr(transformers, {SAM2: "Sam2VideoModel", EDGETAM: "EdgeTamVideoModel"}[self.kind])
        device = choose_device(self._device)
        dtype = choose_dtype(self._dtype, device)
        model = load_model(kind, self.checkpoint, device, dtype)
        processor = load_processor(transformers.Sam2VideoProcessor, self.checkpoint)
        return model, processor, device, dtype

    def open(self, images: Iterable[np.ndarray]) -> MaskTracking:
        """Look at the images of one clip, (H, W, 3) uint8 RGB each.

        They are taken, brought to the model's size and encoded a few at a time; only their features are kept, in the
        machine's memory and not on the GPU.

        Raises:
            InputError: The weights cannot be had; an image does not decode.
        """
        import torch

        model, processor, device, dtype = self._loaded
        features = _Features(device)
        images = iter(images)
        while some := list(islice(images, self.batch)):
            pixels = torch.cat([_prepared(processor, image, device) for image in some]).to(dtype)
            with torch.inference_mode():
                output = model.get_image_features(pixels, return_dict=True)
            features.add(output.fpn_hidden_states, output.fpn_position_encoding)
        return _Tracking(model, processor, device, dtype, features)


def _prepared(processor, image: np.ndarray, device):
    """(1, 3, H, W), one image as the model takes it; alone, for a big one is the bigger part of the memory."""
    import torch

    frame = torch.tensor(image).permute(2, 0, 1)[None]
    return processor.video_processor(videos=[frame], return_tensors="pt", device=device).pixel_values_videos[0]


class _Features:
    """What the image encoder made of each image: offered to the model's sessions as the cache they look in first."""

    def __init__(self, device) -> None:
        self._device, self._kept = device, []
        self._positions, self._at, self._near = None, -1, None

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, levels, positions) -> None:
        """Keep a batch: a list of (pixels, images, channels) and the same of positions, which all images share."""
        if self._positions is None:
            self._positions = [level[:, :1].contiguous() for level in positions]
        for k in range(levels[0].shape[1]):
            self._kept.append([level[:, k : k + 1].to("cpu", copy=True) for level in levels])

    def get_vision_features(self, frame_idx: int) -> dict:
        if self._at != frame_idx:
            self._near = [level.to(self._device, non_blocking=True) for level in self._kept[frame_idx]]
            self._at = frame_idx
        return {"vision_feats": list(self._near), "vision_pos_embeds": list(self._positions)}


class _Tracking:
    """`MaskTracking` with a session an object: in one session, none could begin after others (and those that do not
    begin in its first image are given empty beginnings before their own)."""

    def __init__(self, model, processor, device, dtype, features: _Features) -> None:
        self._model, self._processor, self._device, self._dtype = model, processor, device, dtype
        self._features = features
        self._sessions, self._starts, self._last = [], [], []
        config = model.config
        # How many images back the model looks.
        self._reach = max(config.num_maskmem, config.max_object_pointers_in_encoder)

    def start(self, image: int, boxes: np.ndarray) -> list[int]:
        first = len(self._sessions)
        for box in boxes:
            session = self._processor.init_video_session(
                inference_device=self._device,
                inference_state_device=self._device,
                processing_device=self._device,
                dtype=self._dtype,
            )
            # All it asks of them is how many there are, and that the cache answers.
            session.processed_frames = dict.fromkeys(range(len(self._features)))
            session.cache = self._features
            session.video_height = session.video_width = 1
            self._processor.add_inputs_to_inference_session(
                session, image, [0], input_boxes=[[[float(side) for side in box]]]
            )
            self._sessions.append(session)
            self._starts.append(image)
        numbers = list(range(first, len(self._sessions)))
        self.step(image, numbers)
        return numbers

    def step(self, image: int, objects: Sequence[int], backwards: bool = False) -> np.ndarray:
        self._last, scores = [], []
        for k in objects:
            output = self._model(self._sessions[k], frame_idx=image, reverse=backwards)
            self._last.append(output.pred_masks.reshape(1, 1, *output.pred_masks.shape[-2:]))
            scores.append(output.object_score_logits.reshape(1))
            self._forget(k, image)
        if not scores:
            return np.zeros(0)
        import torch

        return torch.cat(scores).float().sigmoid().cpu().numpy().astype(np.float64)

    def masks(self, size: tuple[int, int]) -> np.ndarray:
        import torch

        result = np.zeros((len(self._last), size[1], size[0]), bool)
        for k, logits in enumerate(self._last):
            full = torch.nn.functional.interpolate(logits.float(), size[::-1], mode="bilinear", align_corners=False)
            result[k] = (full[0, 0] > 0).cpu().numpy()
        return result

    def _forget(self, k: int, image: int) -> None:
        """Drop what an object's session keeps of images that are not looked back at any more.

        The model keeps all it ever made, masks of the full size among them: gigabytes for a crowd.
        """
        kept = self._sessions[k].output_dict_per_obj[0]
        for outputs in kept.values():
            for output in outputs.values():
                output.pop("high_res_masks", None)
        others = kept["non_cond_frame_outputs"]
        for there in list(others):
            # Those by its beginning are what the way back goes on from.
            if abs(there - image) > self._reach and abs(there - self._starts[k]) > self._reach:
                del others[there]
            else:
                others[there].pop("pred_masks", None)
