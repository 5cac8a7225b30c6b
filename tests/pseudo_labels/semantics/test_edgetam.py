"""Grounding DINO with EdgeTAM, with tiny random weights of the real classes."""

import pytest

from st_vlm.errors import InputError
from st_vlm.pseudo_labels.backends import make_backend
from st_vlm.pseudo_labels.semantics.edgetam import EdgeTam
from st_vlm.pseudo_labels.weights import load_model


def test_a_clip_from_its_video_to_its_segments(tiny, short_clip):
    backend = EdgeTam(tiny("grounding-dino-tiny"), tiny("edgetam"), classes=["car"], every_s=1.0, step_s=0.5, most=2)
    segments = backend.segment(short_clip)
    assert segments.boxes.shape[1:] == (4, 4)
    assert len(segments) <= 4
    assert (segments.backend, segments.licence) == ("edgetam", "Apache-2.0")


def test_its_default_weights():
    backend = make_backend("semantics", "edgetam", {"step_s": 0.5})
    assert backend.tracker.checkpoint == "yonigozlan/EdgeTAM-hf"
    assert backend.licence == "Apache-2.0"


def test_weights_of_sam_2_are_no_weights_of_edgetam(tiny, short_clip):
    with pytest.raises(InputError, match=r"sam2_video.*edgetam_video"):
        EdgeTam(tiny("grounding-dino-tiny"), tiny("sam2.1-hiera-tiny")).segment(short_clip)


def test_without_its_backbone_s_package():
    class Model:
        class config_class:
            model_type = "edgetam_video"

            @staticmethod
            def get_config_dict(checkpoint):
                return {"model_type": "edgetam_video"}, {}

        @staticmethod
        def from_pretrained(*arguments, **options):
            raise ImportError("TimmWrapperModel requires the timm library but it was not found.")

    with pytest.raises(InputError, match="pip install timm"):
        load_model(Model, "yonigozlan/EdgeTAM-hf", None, None)
