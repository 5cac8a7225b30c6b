"""Usual sizes of things, by the noun of their class: what turns a visible surface into a centre.

Means of passenger traffic and people as published with the annotated driving sets; spreads are relative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from st_vlm.recordings.categories import is_person, noun


@dataclass(frozen=True)
class SizePrior:
    """Length, width and height in metres, and the relative standard deviation of all three.

    Attributes:
        filled: Share of length and width at whose ends the visible surface lies on average: windscreens and bonnets
            slope, a rider fills the middle of the machine, and people are narrower than their arms reach.
        acceleration: What `kinematics.smoothing.smooth` takes, in m/s^2 per sqrt(Hz).
    """

    length: float
    width: float
    height: float
    spread: float
    acceleration: float
    filled: float = 1.0

    @property
    def reach(self) -> float:
        """Metres within which all that is visible lies of the densest part of what is visible."""
        return (1 + 2 * self.spread) * math.hypot(self.length, self.width)


_PERSON = SizePrior(0.6, 0.6, 1.72, 0.08, acceleration=0.8, filled=0.6)
_VEHICLE = SizePrior(4.6, 1.9, 1.6, 0.2, acceleration=1.2, filled=0.82)
_THING = SizePrior(1.0, 1.0, 1.0, 0.5, acceleration=1.2)
_PRIORS = {
    "car": SizePrior(4.5, 1.9, 1.6, 0.1, acceleration=1.2, filled=0.82),
    "truck": SizePrior(7.5, 2.5, 3.0, 0.25, acceleration=1.0),
    "bus": SizePrior(11.0, 2.9, 3.4, 0.15, acceleration=1.0),
    "trailer": SizePrior(12.0, 2.9, 3.8, 0.25, acceleration=1.0),
    "bicycle": SizePrior(1.75, 0.6, 1.6, 0.1, acceleration=1.0, filled=0.35),
    "motorcycle": SizePrior(2.1, 0.8, 1.6, 0.12, acceleration=1.2, filled=0.35),
    "toy car": SizePrior(0.4, 0.2, 0.17, 0.25, acceleration=1.0),
    "toy truck": SizePrior(0.55, 0.25, 0.28, 0.25, acceleration=1.0),
    "vehicle": _VEHICLE,
    "van": SizePrior(5.2, 2.0, 2.1, 0.12, acceleration=1.2, filled=0.9),
    "large vehicle": SizePrior(9.0, 2.6, 3.2, 0.3, acceleration=1.0),
    "construction vehicle": SizePrior(6.5, 2.6, 3.0, 0.3, acceleration=1.0),
    "emergency vehicle": SizePrior(5.8, 2.1, 2.3, 0.25, acceleration=1.2),
    "train": SizePrior(22.0, 2.9, 3.8, 0.3, acceleration=0.8),
    "wheeled device": SizePrior(1.2, 0.6, 1.6, 0.3, acceleration=1.0, filled=0.5),
    "boat": SizePrior(7.0, 2.4, 2.2, 0.5, acceleration=0.8),
    "airplane": SizePrior(35.0, 32.0, 11.0, 0.4, acceleration=2.0, filled=0.3),
    # Animals from nose to rump, and up to their heads; they turn on the spot.
    "dog": SizePrior(0.8, 0.3, 0.6, 0.3, acceleration=2.0, filled=0.7),
    "cat": SizePrior(0.45, 0.16, 0.3, 0.2, acceleration=2.0, filled=0.7),
    "horse": SizePrior(2.4, 0.65, 1.9, 0.15, acceleration=1.5, filled=0.7),
    "cow": SizePrior(2.4, 0.75, 1.5, 0.15, acceleration=0.8, filled=0.8),
    "sheep": SizePrior(1.2, 0.45, 0.9, 0.2, acceleration=1.2, filled=0.8),
    # Between a tennis ball and a basketball; a kick or a bounce within one step.
    "sports ball": SizePrior(0.2, 0.2, 0.2, 0.35, acceleration=10.0, filled=0.8),
}
_ALIKE = {
    "cyclist": "bicycle",
    "rider": "bicycle",
    "motorcyclist": "motorcycle",
    "motorbike": "motorcycle",
    "tram": "train",
}
_PRIORS |= {name: _PRIORS[known] for name, known in _ALIKE.items()}


def size_prior(category: str) -> SizePrior:
    """What things of a class usually measure; a cube of a metre, very loosely, for a class that is not known."""
    if is_person(category):
        return _PERSON
    return _PRIORS.get(noun(category), _VEHICLE if category.lower().startswith("vehicle") else _THING)
