"""The backends of semantics, geometry and checks by the names that the command line knows them by."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from st_vlm.errors import InputError

# Name -> module:class, imported when asked for: most need a library of their own.
_PACKAGE = "st_vlm.pseudo_labels"
SEMANTICS = {
    "given": f"{_PACKAGE}.semantics.given:GivenSegments",
    "onnx": f"{_PACKAGE}.semantics.onnx_tracking:OnnxTracking",
    "grounded-sam2": f"{_PACKAGE}.semantics.grounded_sam2:GroundedSam2",
    "edgetam": f"{_PACKAGE}.semantics.edgetam:EdgeTam",
    "pointed": f"{_PACKAGE}.semantics.pointed:PointedAt",
    "sam3": f"{_PACKAGE}.semantics.sam3:Sam3",
}
GEOMETRY = {
    "given": f"{_PACKAGE}.geometry.given:GivenGeometry",
    "ground-plane": f"{_PACKAGE}.geometry.ground_plane:GroundPlane",
    "depthpro-odometry": f"{_PACKAGE}.geometry.depth_pro:DepthProOdometry",
    "depth-anything-3": f"{_PACKAGE}.geometry.external:DepthAnything3",
    "map-anything": f"{_PACKAGE}.geometry.external:MapAnything",
    "monst3r-metric3d": f"{_PACKAGE}.geometry.external:Monst3rMetric3d",
}
CHECKS = {"vlm": f"{_PACKAGE}.checking.vision_language:VisionLanguageCheck"}
KINDS = {"semantics": SEMANTICS, "geometry": GEOMETRY, "check": CHECKS}


def make_backend(kind: str, name: str, options: Mapping[str, Any]) -> Any:
    """A backend, which loads its weights when it is first used.

    Args:
        kind: `semantics`, `geometry` or `check`.
        name: One of the names of its kind, or `module:Class` of one's own.
        options: Arguments of its class.

    Raises:
        InputError: No such backend, it cannot be imported, an option that it does not take, or one that cannot be.
    """
    known = KINDS[kind]
    target = name if ":" in name else known.get(name)
    if target is None:
        raise InputError(
            f"There is no {kind} backend {name!r}. Choose one of {', '.join(known)}, or name a class, module:Class."
        )
    module, _, class_name = target.partition(":")
    try:
        made_of = getattr(import_module(module), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"The {kind} backend {name!r} cannot be imported as {target}: {error}.") from None
    parameters = inspect.signature(made_of).parameters
    for option in options:
        if option not in parameters:
            raise InputError(
                f"The {kind} backend {name!r} has no option {option!r}. "
                f"Its options: {', '.join(parameters) or 'none'}."
            )
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in options]
    if missing:
        raise InputError(
            f"The {kind} backend {name!r} needs its option {missing[0]!r}: --{kind}-option {missing[0]}=…"
        )
    return made_of(**options)
