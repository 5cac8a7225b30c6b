"""SAM 3 for video, with tiny random weights of the real classes, and its reading on made outputs."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pseudo_labels.semantics import tiny_segmenters

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import make_backend
from st_vlm.pseudo_labels.segments import decode_mask
from st_vlm.pseudo_labels.semantics.sam3 import Sam3, note


def test_a_clip_from_its_video_to_its_segments(tiny, short_clip):
    backend = Sam3(tiny("sam3"), classes=["car", "person"], step_s=0.5, most=4)
    segments = backend.segment(short_clip)
    assert 1 <= len(segments) <= 4
    assert set(segments.categories) <= {"car", "person"}
    assert ((segments.boxes[segments.seen] >= 0) & (segments.boxes[segments.seen] <= [160, 120, 160, 120])).all()
    assert (segments.backend, segments.licence, segments.mask_size) == ("sam3", "SAM License", (160, 120))
    assert segments.mask(0, int(np.flatnonzero(segments.seen[0])[0])).any()


def test_nothing_is_found_where_nothing_is_sure_enough(tmp_path, short_clip):
    folder = tiny_segmenters.sam3(tmp_path / "strict", score_threshold_detection=0.99, new_det_thresh=0.99)
    segments = Sam3(str(folder), classes=["car"], step_s=0.5).segment(short_clip)
    assert segments.boxes.shape == (0, 4, 4)


@pytest.mark.slow
def test_in_16_bits(tiny, short_clip):
    backend = Sam3(tiny("sam3"), classes=["car"], dtype="bfloat16", step_s=0.5, most=2)
    assert backend.segment(short_clip).boxes.shape[1:] == (4, 4)


def test_its_objects_come_with_class_and_score():
    masks = torch.zeros(2, 40, 80, dtype=torch.bool)
    masks[0, 5:25, 10:30] = True
    seen = {
        "object_ids": torch.tensor([3, 7]),
        "scores": torch.tensor([0.9, 0.8], dtype=torch.bfloat16),
        "masks": masks,
        "prompt_to_obj_ids": {"car": [3], "dog": [7]},
    }
    objects = {}
    note(objects, 4, seen, SimpleNamespace(obj_id_to_tracker_score={3: 0.9}))
    note(objects, 5, seen, SimpleNamespace(obj_id_to_tracker_score={3: 0.6, 7: 0.9}))
    # The dog's masks are empty.
    assert list(objects) == [3]
    car = objects[3]
    assert (car.category, car.start) == ("car", 4)
    assert car.confidence == pytest.approx(0.9, abs=0.01)
    # Where it begins, the model says its detection's score once more.
    assert car.presence == {4: 1.0, 5: 0.6}
    np.testing.assert_array_equal(decode_mask(car.masks[4], (80, 40)), masks[0].numpy())


def test_its_options():
    backend = make_backend("semantics", "sam3", {"classes": ["dog"]})
    assert (backend.checkpoint, backend.classes, backend.licence) == ("facebook/sam3", ("dog",), "SAM License")
    for options, words in (({"step_s": 0}, "step_s"), ({"most": 0}, "most"), ({"classes": []}, "class")):
        with pytest.raises(InputError, match=words):
            Sam3(**options)
