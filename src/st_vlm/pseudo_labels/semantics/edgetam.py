"""Semantics for smaller machines: Grounding DINO finds what is named, EdgeTAM follows it as masks."""

from __future__ import annotations

from st_vlm.pseudo_labels.semantics.grounded_sam2 import GroundedSam2
from st_vlm.pseudo_labels.semantics.mask_tracker import EDGETAM


class EdgeTam(GroundedSam2):
    """`GroundedSam2` with EdgeTAM in place of SAM 2; its published weights need the package timm."""

    name = "edgetam"
    KIND, TRACKER = EDGETAM, "yonigozlan/EdgeTAM-hf"
