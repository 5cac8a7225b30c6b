"""Control variants of a built folder: the same questions where a model that looks must answer otherwise, or cannot.

What a model answers to a mirrored, reversed, cropped or blank clip tells whether it saw what it answered. Each variant
is a folder of the same form, whose truth is measured again from tracks that are changed as its clips are.
"""

from st_vlm.evaluation.controls.change import REASONS
from st_vlm.evaluation.controls.making import ControlReport, make_control
from st_vlm.evaluation.controls.variants import CONTROLS, control_named

__all__ = ["CONTROLS", "REASONS", "ControlReport", "control_named", "make_control"]
