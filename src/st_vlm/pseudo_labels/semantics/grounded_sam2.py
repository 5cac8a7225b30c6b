"""The default semantics: Grounding DINO finds what is named, SAM 2 follows it as masks."""

from __future__ import annotations

from collections.abc import Sequence

from st_vlm.pseudo_labels.semantics.grounded_masks import GroundedMasks
from st_vlm.pseudo_labels.semantics.grounding_dino import GroundingDino
from st_vlm.pseudo_labels.semantics.mask_tracker import SAM2, MaskTracker
from st_vlm.pseudo_labels.semantics.prompts import DEFAULT_CLASSES, class_nouns
from st_vlm.pseudo_labels.weights import licence_of


class GroundedSam2(GroundedMasks):
    """Grounding DINO and SAM 2 for video. Weights are loaded on first use, from safetensors alone.

    Args:
        detector: Checkpoint of Grounding DINO: a name on the Hugging Face Hub, or a local folder.
        tracker: The same of SAM 2; None: `TRACKER`.
        classes: What to look for, as nouns.
        device: Name of a torch device; None: a GPU if there is one, else the CPU.
        dtype: Of the tracker: `float32`, `bfloat16` or `float16`; None: bfloat16 on a GPU, else float32. The detector
            always runs in float32.
        every_s, step_s, most: As of `GroundedMasks`.
        box_threshold, text_threshold, classes_at_once: As of `GroundingDino`.
        batch: Images that a model is given together.

    Raises:
        InputError: Classes, or numbers, that cannot be.
    """

    name = "grounded-sam2"
    KIND, TRACKER = SAM2, "facebook/sam2.1-hiera-large"

    def __init__(
        self,
        detector: str = "IDEA-Research/grounding-dino-tiny",
        tracker: str | None = None,
        classes: Sequence[str] = DEFAULT_CLASSES,
        device: str | None = None,
        dtype: str | None = None,
        every_s: float = 2.0,
        step_s: float = 0.25,
        box_threshold: float = 0.3,
        text_threshold: float = 0.25,
        classes_at_once: int = 3,
        most: int = 24,
        batch: int = 4,
    ) -> None:
        reader = GroundingDino(detector, class_nouns(classes), device, box_threshold, text_threshold, classes_at_once)
        tracker = tracker or self.TRACKER
        follower = MaskTracker(self.KIND, tracker, device, dtype, batch)
        super().__init__(reader, follower, every_s, step_s, most, batch)
        self.licence = licence_of(detector, tracker)
