"""Given segments that note which GPUs their process sees."""

import json
import os
import time
from pathlib import Path

from st_vlm.building.worker_number import worker_number
from st_vlm.pseudo_labels.semantics.given import GivenSegments


class SeenGpus(GivenSegments):
    """Notes go to the folder SEEN of the environment, a file a clip."""

    def segment(self, frames):
        note = {"worker": worker_number(), "devices": os.environ.get("CUDA_VISIBLE_DEVICES")}
        Path(os.environ["SEEN"], frames.clip.id).write_text(json.dumps(note))
        return super().segment(frames)


def slow_number(_) -> int | None:
    """The number of this process in its pool."""
    time.sleep(0.2)  # so that each process of the pool gets a task
    return worker_number()
