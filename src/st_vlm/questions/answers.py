"""The kinds of answer and an answer's form in a dataset row; which task asks for which kind: `forms`.

An answer is rounded when it is made, so the value in a row, in its sentence and in a parsed text is one and the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from st_vlm.errors import InputError
from st_vlm.video.marks import COLOURS

# Units of quantities; of these only an acceleration may be negative: then it brakes.
UNITS = ("m", "km/h", "m/s^2", "s", "km", "h", "times", "laps", "kJ")
SIGNED_UNITS = ("m/s^2",)
DIRECTION_RELATIONS = ("same", "different")
YES_NO = ("yes", "no")
TEAMS = ("home", "away")
OPTIONS = COLOURS + DIRECTION_RELATIONS + YES_NO + TEAMS
TARGET_KEYS = ("value", "unit", "hour", "start", "end", "choice", "vector")


@dataclass(frozen=True)
class Quantity:
    """A number of some unit, two decimals; never negative, but for the signed units.

    Raises:
        InputError: A non-finite value, a negative one of an unsigned unit, or a unit that is none of `UNITS`.
    """

    value: float
    unit: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise InputError(f"A quantity's unit is one of {', '.join(UNITS)}, not {self.unit!r}.")
        object.__setattr__(self, "value", _rounded(self.value, 2, "A quantity", self.unit in SIGNED_UNITS))


@dataclass(frozen=True)
class Count:
    """How often something happens: a whole number from 0.

    Raises:
        InputError: Anything else.
    """

    number: int

    def __post_init__(self) -> None:
        if not math.isfinite(self.number) or self.number != int(self.number) or self.number < 0:
            raise InputError(f"A count is a whole number from 0, not {self.number}.")
        object.__setattr__(self, "number", int(self.number))


@dataclass(frozen=True)
class Position:
    """A place in the frame of a camera, metres, two decimals: x to its right, y down, z forward (out of the lens).

    Raises:
        InputError: Not three finite numbers.
    """

    metres: tuple[float, float, float]

    def __post_init__(self) -> None:
        if len(self.metres) != 3:
            raise InputError(f"A position has three coordinates, not {len(self.metres)}.")
        metres = tuple(_rounded(value, 2, "A coordinate", signed=True) for value in self.metres)
        object.__setattr__(self, "metres", metres)


@dataclass(frozen=True)
class ClockHour:
    """A direction as an hour of the clock, 1 to 12; 12 is the way the object itself first moved.

    Raises:
        InputError: Not a whole hour from 1 to 12.
    """

    hour: int

    def __post_init__(self) -> None:
        if self.hour not in range(1, 13):
            raise InputError(f"An hour of the clock is a whole number from 1 to 12, not {self.hour}.")
        object.__setattr__(self, "hour", int(self.hour))


@dataclass(frozen=True)
class Interval:
    """A span of the clip's time in seconds, one decimal, with 0 <= start < end.

    Raises:
        InputError: Negative or non-finite seconds, or an end that does not follow the start after rounding.
    """

    start_s: float
    end_s: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "start_s", _rounded(self.start_s, 1, "An interval's start"))
        object.__setattr__(self, "end_s", _rounded(self.end_s, 1, "An interval's end"))
        if self.start_s >= self.end_s:
            raise InputError(f"An interval must end after it starts, not run from {self.start_s} to {self.end_s} s.")


@dataclass(frozen=True)
class Choice:
    """One of the marked objects, by its mark's colour, whether two directions are the same or different, yes or no,
    or the home or the away team.

    Raises:
        InputError: Any other option.
    """

    option: str

    def __post_init__(self) -> None:
        if self.option not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise InputError(f"A choice is one of {known}, not {self.option!r}.")


Answer = Quantity | Count | ClockHour | Interval | Choice | Position


def to_target(answer: Answer) -> dict[str, float | int | str | Sequence[float] | None]:
    """An answer as the `target` struct of a dataset row: every key of `TARGET_KEYS`, None where it does not apply.

    A count stands in `value`, with the unit `count`.
    """
    target: dict[str, float | int | str | Sequence[float] | None] = dict.fromkeys(TARGET_KEYS)
    match answer:
        case Quantity(value, unit):
            target.update(value=value, unit=unit)
        case Count(number):
            target.update(value=float(number), unit="count")
        case ClockHour(hour):
            target.update(hour=hour)
        case Interval(start_s, end_s):
            target.update(start=start_s, end=end_s)
        case Choice(option):
            target.update(choice=option)
        case Position(metres):
            target.update(vector=list(metres))
    return target


def _rounded(value: float, decimals: int, what: str, signed: bool = False) -> float:
    """A finite number rounded, and not negative unless it is signed; -0.0 becomes 0.0, so that equal answers print
    alike."""
    value = float(value)
    if not math.isfinite(value):
        raise InputError(f"{what} must be finite, not {value}.")
    value = round(value, decimals) + 0.0
    if value < 0 and not signed:
        raise InputError(f"{what} must not be negative, but is {value}.")
    return value
