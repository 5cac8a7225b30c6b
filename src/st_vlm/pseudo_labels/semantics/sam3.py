"""Semantics of SAM 3 (Carion et al. 2025) by `transformers`: one model finds and follows what is named."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.frames import ClipFrames
from st_vlm.pseudo_labels.segments import Segments, encode_mask
from st_vlm.pseudo_labels.semantics.grounded_masks import image_size, mask_size
from st_vlm.pseudo_labels.semantics.mask_following import FollowedObject, without_specks
from st_vlm.pseudo_labels.semantics.merging import coco, merge, segments_of, set_apart
from st_vlm.pseudo_labels.semantics.prompts import DEFAULT_CLASSES, class_nouns
from st_vlm.pseudo_labels.weights import choose_device, choose_dtype, licence_of, load_model, load_processor

CHECKPOINT = "facebook/sam3"
_GRANT = (
    "Its weights are granted one by one: ask for them at https://huggingface.co/facebook/sam3, and log in by "
    "`hf auth login` once they are granted."
)


class Sam3:
    """SAM 3 for video, told each class as a text. Its weights are loaded on first use, from safetensors alone.

    It looks for every class in every image, so what enters later is found when it does.

    Args:
        checkpoint: A name on the Hugging Face Hub, or a local folder.
        classes: What to look for, as nouns; each costs a look at each image.
        device: Name of a torch device; None: a GPU if there is one, else the CPU.
        dtype: `float32`, `bfloat16` or `float16`; None: bfloat16 on a GPU, else float32.
        step_s: Seconds between the images that it sees; its limit is how far things move in between.
        most: Objects that are followed.

    Raises:
        InputError: Classes, or numbers, that cannot be.
    """

    name = "sam3"

    def __init__(
        self,
        checkpoint: str = CHECKPOINT,
        classes: Sequence[str] = DEFAULT_CLASSES,
        device: str | None = None,
        dtype: str | None = None,
        step_s: float = 0.25,
        most: int = 48,
    ) -> None:
        if not 0 < step_s <= 0.5:
            raise InputError(f"Images must be looked at every 0.5 s or more often (step_s), not every {step_s} s.")
        if most < 1:
            raise InputError(f"At least one object is followed, not most={most}.")
        self.checkpoint, self.classes, self.step_s, self.most = checkpoint, class_nouns(classes), step_s, most
        self._device, self._dtype = device, dtype
        self.licence = licence_of(checkpoint)

    @cached_property
    def _loaded(self):
        from transformers import Sam3VideoModel, Sam3VideoProcessor

        device = choose_device(self._device)
        dtype = choose_dtype(self._dtype, device)
        model = load_model(Sam3VideoModel, self.checkpoint, device, dtype, _GRANT)
        processor = load_processor(Sam3VideoProcessor, self.checkpoint, _GRANT)
        model.max_num_objects = self.most
        return model, processor, device, dtype

    def segment(self, frames: ClipFrames) -> Segments:
        """As `SemanticsBackend.segment`."""
        coco()  # or else all the work is done before it is missed
        model, processor, device, dtype = self._loaded
        clip = frames.clip
        numbers = frames.between(self.step_s)
        own = np.searchsorted(numbers, clip.frames).tolist()
        size = mask_size(clip.size)
        session = processor.init_video_session(
            inference_device=device, video_storage_device="cpu", processing_device=device, dtype=dtype
        )
        # Masks come back in what it takes for the size of the video.
        session.video_width, session.video_height = size
        for image in frames.at(numbers, image_size(clip.size)):
            session.add_new_frame(_prepared(processor, image, device))
        processor.add_text_prompt(session, list(self.classes))
        objects: dict[int, FollowedObject] = {}
        wanted = frozenset(own)
        for output in model.propagate_in_video_iterator(session):
            forget_masks(session)
            if output.frame_idx in wanted:
                note(objects, output.frame_idx, processor.postprocess_outputs(session, output), output)
        found = set_apart(merge(list(objects.values()), size), size)
        return segments_of(found, own, clip, size, self.name, self.licence)


def note(objects: dict[int, FollowedObject], image: int, seen: dict, output) -> None:
    """Add what an image shows to the objects that are known so far.

    Args:
        objects: Numbers to objects; new ones are added.
        image: Which image it is.
        seen: Of the processor: `object_ids`, `scores`, `masks` and `prompt_to_obj_ids`.
        output: Of the model: `obj_id_to_tracker_score`, how surely each object is there; where it begins, the score
            of its detection once more.
    """
    categories = {number: name for name, numbers in seen["prompt_to_obj_ids"].items() for number in numbers}
    masks = seen["masks"].cpu().numpy()
    scores = seen["scores"].float().cpu().numpy()
    for place, number in enumerate(map(int, seen["object_ids"])):
        mask = without_specks(masks[place])
        if not mask.any():
            continue
        each = objects.setdefault(number, FollowedObject(image))
        each.masks[image] = encode_mask(mask)
        there = output.obj_id_to_tracker_score.get(number, 1.0)
        each.presence[image] = 1.0 if image == each.start else float(there)
        each.asked.add(image)
        each.answers[image] = categories[number], float(scores[place])


def forget_masks(session) -> None:
    """Drop the masks of the model's full size that a session keeps of each object and image and never looks at."""
    for kept in session.output_dict_per_obj.values():
        for outputs in kept.values():
            for output in outputs.values():
                output.pop("high_res_masks", None)


def _prepared(processor, image: np.ndarray, device):
    """(3, H, W), one image as the model takes it."""
    import torch

    frame = torch.tensor(image).permute(2, 0, 1)[None]
    return processor.video_processor(videos=[frame], return_tensors="pt", device=device).pixel_values_videos[0, 0]
